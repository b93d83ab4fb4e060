/* registers.c - the registers of a core. */
#include "registers.h"

#include <stdio.h>
#include <string.h>

#define COLUMN 21 /* "rax 0123456789abcdef*" */

static const char *const SYSTEM[] = {"rip", "cr0", "cr2", "cr3", "cr4", "cs", "ss", "efer", "rflags"};
#define LAST_LINE 2 /* efer and rflags share a line of their own */

static void read_one(const rs_machine *m, uint32_t core, const char *name, struct registers *r)
{
    uint64_t value;
    if (r->count < REGISTERS_MAX && rs_reg(m, core, name, &value) == RS_OK) {
        r->reg[r->count].name = name;
        r->reg[r->count++].value = value;
    }
}

static void read_breakpoints(const rs_machine *m, uint32_t core, struct registers *r)
{
    char name[] = "dr0";
    for (unsigned i = 0; i < 4; i++, name[2]++)
        if (rs_reg(m, core, name, &r->dr[i]) != RS_OK)
            r->dr[i] = 0;
    if (rs_reg(m, core, "dr7", &r->dr7) != RS_OK)
        r->dr7 = 0;
}

void registers_read(const rs_machine *m, uint32_t core, struct registers *r)
{
    r->count = 0;
    for (size_t i = 0; i < 16; i++)
        read_one(m, core, rs_gpr_name[i], r);
    for (size_t i = 0; i < sizeof SYSTEM / sizeof *SYSTEM; i++)
        read_one(m, core, SYSTEM[i], r);
    read_breakpoints(m, core, r);
}

static bool changed(const struct registers *now, const struct registers *before, size_t i)
{
    return i < before->count && before->reg[i].value != now->reg[i].value;
}

/* SDM vol. 1, 3.4.3 "EFLAGS Register" */
static void add_flags(struct doc *d, uint64_t flags)
{
    static const struct {
        unsigned bit;
        const char *name;
    } NAMES[] = {
        {0, "CF"}, {2, "PF"},  {4, "AF"},  {6, "ZF"},  {7, "SF"},  {8, "TF"},
        {9, "IF"}, {10, "DF"}, {11, "OF"}, {16, "RF"}, {18, "AC"},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (flags >> NAMES[i].bit & 1)
            doc_add(d, STYLE_TEXT, " %s", NAMES[i].name);
}

static void add_register(struct doc *d, const struct registers *now, const struct registers *before, size_t i)
{
    bool new = changed(now, before, i);
    doc_add(d, STYLE_TITLE, "%-4s", now->reg[i].name);
    doc_add(d, new ? STYLE_CHANGED : STYLE_TEXT, "%016llx%s", (unsigned long long)now->reg[i].value,
            new ? "*" : " ");
}

static void add_short(struct doc *d, const struct registers *now, const struct registers *before, size_t i)
{
    bool new = changed(now, before, i);
    doc_add(d, STYLE_TITLE, "%s ", now->reg[i].name);
    doc_add(d, new ? STYLE_CHANGED : STYLE_TEXT, "%llx%s ", (unsigned long long)now->reg[i].value,
            new ? "*" : "");
    if (strcmp(now->reg[i].name, "rflags") == 0)
        add_flags(d, now->reg[i].value);
}

/* Breakpoint i, if it is enabled (SDM vol. 3, 17.2.4 "Debug Control Register (DR7)"). */
static void add_breakpoint(struct doc *d, const struct registers *now, unsigned i)
{
    static const char *const ON[] = {"execution", "write", "port", "read or write"};
    static const char *const SIZE[] = {"1 byte", "2 bytes", "8 bytes", "4 bytes"};
    unsigned how = (unsigned)(now->dr7 >> (16 + 4 * i)) & 15;
    if (!(now->dr7 >> 2 * i & 3))
        return;
    doc_add(d, STYLE_TITLE, "dr%u  ", i);
    doc_add(d, STYLE_TEXT, "%016llx %s", (unsigned long long)now->dr[i], ON[how & 3]);
    if (how & 3)
        doc_add(d, STYLE_TEXT, ", %s", SIZE[how >> 2]);
    doc_end_line(d);
}

void registers_doc(const struct registers *now, const struct registers *before, int width, struct doc *d)
{
    size_t columns = width >= COLUMN ? (size_t)(width / COLUMN) : 1;
    size_t grid = now->count > LAST_LINE ? now->count - LAST_LINE : 0;
    size_t rows = (grid + columns - 1) / columns;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < grid; i += rows)
            add_register(d, now, before, i);
        doc_end_line(d);
    }
    for (size_t i = grid; i < now->count; i++)
        add_short(d, now, before, i);
    doc_end_line(d);
    for (unsigned i = 0; i < 4; i++)
        add_breakpoint(d, now, i);
}
