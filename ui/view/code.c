/* code.c - the instructions around RIP. */
#include "code.h"

#define BEFORE     4    /* lines before RIP, at most */
#define BACK_BYTES 4096 /* how far before RIP a symbol may begin to be of use */
#define LINE_MAX   160

typedef unsigned long long ull;

/* The address `before` instructions ahead of rip, found by decoding from the symbol that rip is in; rip if it
 * is not. */
static uint64_t first_line(rs_machine *m, uint32_t core, const struct rs_symbols *symbols, uint64_t rip,
                           unsigned before)
{
    uint64_t offset = 0, last[BEFORE], n = 0;
    char text[LINE_MAX];
    if (!symbols || !rs_symbol_at(symbols, rip, &offset) || offset > BACK_BYTES)
        return rip;
    uint64_t at = rip - offset;
    while (at < rip) {
        last[n++ % before] = at;
        size_t length = rs_disassemble_at(m, core, at, symbols, text, sizeof text);
        if (!length)
            return rip;
        at += length;
    }
    if (at != rip || n == 0)
        return rip;
    return n < before ? last[0] : last[n % before];
}

static size_t add_line(rs_machine *m, uint32_t core, const struct rs_symbols *symbols, uint64_t at,
                       bool current, struct doc *d)
{
    char text[LINE_MAX];
    size_t length = rs_disassemble_at(m, core, at, symbols, text, sizeof text);
    enum style style = current ? STYLE_CURRENT : STYLE_TEXT;
    doc_line(d, style, "%c %016llx  %s", current ? '>' : ' ', (ull)at, text);
    return length;
}

void code_doc(rs_machine *m, uint32_t core, const struct rs_symbols *symbols, int lines, struct doc *d)
{
    uint64_t rip = 0, offset;
    if (rs_reg(m, core, "rip", &rip) != RS_OK)
        return;
    uint64_t at = first_line(m, core, symbols, rip, lines > 10 ? BEFORE : 2);
    char place[96];
    rs_symbol_format(symbols, rip, place, sizeof place);
    doc_line(d, STYLE_TITLE, "code%s%s", place[0] ? " at " : "", place);
    for (size_t end = d->lines + (size_t)lines - 1; d->lines < end;) {
        const char *name = symbols ? rs_symbol_at(symbols, at, &offset) : NULL;
        if (name && offset == 0 && at != rip)
            doc_line(d, STYLE_TITLE, "%s:", name);
        size_t length = add_line(m, core, symbols, at, at == rip, d);
        if (!length)
            return;
        at += length;
    }
}
