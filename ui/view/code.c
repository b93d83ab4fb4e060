/* code.c - the instructions around RIP. */
#include "code.h"

#include <ctype.h>
#include <stdio.h>

#define BYTES_MAX  15
#define BEFORE     4    /* lines before RIP, at most */
#define BACK_BYTES 4096 /* how far before RIP a symbol may begin to be of use */

typedef unsigned long long ull;

/* Reads up to 15 bytes, fewer at the end of what is mapped. */
static size_t read_bytes(rs_machine *m, uint32_t core, uint64_t gva, uint8_t bytes[BYTES_MAX])
{
    for (size_t n = BYTES_MAX; n; n--)
        if (rs_read_linear(m, core, gva, bytes, n) == RS_OK)
            return n;
    return 0;
}

/* "0x0000000000101064" as "0x101064", in place. */
static void drop_zeros(char *text)
{
    char *to = text;
    for (const char *p = text; *p;) {
        *to++ = *p++;
        if (to - text < 2 || to[-1] != 'x' || to[-2] != '0')
            continue;
        while (*p == '0' && isxdigit((unsigned char)p[1]))
            p++;
    }
    *to = 0;
}

size_t code_at(rs_machine *m, uint32_t core, uint64_t gva, char *text, size_t size)
{
    uint8_t bytes[BYTES_MAX];
    size_t n = read_bytes(m, core, gva, bytes);
    text[0] = 0;
    if (!n)
        return 0;
    size_t length = rs_disassemble(bytes, n, gva, text, size);
    if (!length)
        snprintf(text, size, "(undecodable: %02x)", bytes[0]);
    drop_zeros(text);
    return length;
}

void code_place(const struct rs_symbols *symbols, uint64_t address, char *text, size_t size)
{
    uint64_t offset = 0;
    const char *name = symbols ? rs_symbol_at(symbols, address, &offset) : NULL;
    if (!name)
        text[0] = 0;
    else if (offset)
        snprintf(text, size, "%s+%llu", name, (ull)offset);
    else
        snprintf(text, size, "%s", name);
}

/* The address `before` instructions ahead of rip, found by decoding from the symbol that rip is in; rip if it
 * is not. */
static uint64_t first_line(rs_machine *m, uint32_t core, const struct rs_symbols *symbols, uint64_t rip,
                           unsigned before)
{
    uint64_t offset = 0, last[BEFORE], n = 0;
    char text[128];
    if (!symbols || !rs_symbol_at(symbols, rip, &offset) || offset > BACK_BYTES)
        return rip;
    uint64_t at = rip - offset;
    while (at < rip) {
        last[n++ % before] = at;
        size_t length = code_at(m, core, at, text, sizeof text);
        if (!length)
            return rip;
        at += length;
    }
    if (at != rip || n == 0)
        return rip;
    return n < before ? last[0] : last[n % before];
}

static size_t add_line(rs_machine *m, uint32_t core, uint64_t at, bool current, struct doc *d)
{
    char text[128];
    size_t length = code_at(m, core, at, text, sizeof text);
    enum style style = current ? STYLE_CURRENT : STYLE_TEXT;
    doc_line(d, style, "%c %016llx  %s", current ? '>' : ' ', (ull)at, text[0] ? text : "(not mapped)");
    return length;
}

void code_doc(rs_machine *m, uint32_t core, const struct rs_symbols *symbols, int lines, struct doc *d)
{
    uint64_t rip = 0, offset;
    if (rs_reg(m, core, "rip", &rip) != RS_OK)
        return;
    uint64_t at = first_line(m, core, symbols, rip, lines > 10 ? BEFORE : 2);
    char place[96];
    code_place(symbols, rip, place, sizeof place);
    doc_line(d, STYLE_TITLE, "code%s%s", place[0] ? " at " : "", place);
    for (size_t end = d->lines + (size_t)lines - 1; d->lines < end;) {
        const char *name = symbols ? rs_symbol_at(symbols, at, &offset) : NULL;
        if (name && offset == 0 && at != rip)
            doc_line(d, STYLE_TITLE, "%s:", name);
        size_t length = add_line(m, core, at, at == rip, d);
        if (!length)
            return;
        at += length;
    }
}
