/* tables.c - the tables of docs/ as Markdown, from the lists that the machine is built of:  tables NAME */
#include "ringside.h"

#include "cpu/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_params(void)
{
    puts("| Parameter | Default | From | To | Unit | Meaning |\n|---|--:|--:|--:|---|---|");
    for (size_t i = 0; i < rs_param_count(); i++) {
        const struct rs_param_info *p = rs_param_info(i);
        printf("| `%s` | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %s | %s |\n", p->name, p->def, p->min,
               p->max, p->unit, p->help);
    }
}

static void print_presets(void)
{
    puts("| Preset | Exit | Entry | VMREAD | Source |\n|---|--:|--:|--:|---|");
#define PRESET(name, vm_exit, vm_entry, vmread, note) \
    printf("| `%s` | %d | %d | %d | %s |\n", #name, vm_exit, vm_entry, vmread, note);
#include "timing.def"
#undef PRESET
}

static void print_counters(void)
{
    puts("| Counter | Meaning |\n|---|---|");
    for (size_t i = 0; i < rs_counter_count(); i++)
        printf("| `%s` | %s |\n", rs_counter_info(i)->name, rs_counter_info(i)->help);
}

/* ---- instructions: the mnemonics, with what their rows say ---- */

enum { NO = 0, SER = 1, ICP = 2, BR = 4, STK = 8, FEN = 16, SIC = SER | ICP, BST = BR | STK };

static const struct row {
    const char *name;
    int latency, cpl, flags;
} rows[] = {
#define INSN(row, name, map, opcode, prefix, modrm, mod, size, imm, ops, may, addr, writes, latency, cpl, \
             flags, fn) \
    {name, latency, cpl, flags},
#include "arch/isa.def"
};

#define ROWS (sizeof rows / sizeof *rows)

static bool same_row(const struct row *a, const struct row *b)
{
    return strcmp(a->name, b->name) == 0 && a->latency == b->latency && a->cpl == b->cpl &&
           a->flags == b->flags;
}

static bool seen_before(size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_row(&rows[j], &rows[i]))
            return true;
    return false;
}

static void print_group(const struct row *like)
{
    const char *separator = "";
    printf("| %d | %s | %s%s%s | ", like->latency, like->cpl ? "" : "0",
           like->flags & SER ? "serialising " : "", like->flags & ICP ? "intercepted " : "",
           like->flags & FEN ? "fence" : "");
    for (size_t i = 0; i < ROWS; i++) {
        struct row named = *like;
        named.name = rows[i].name;
        if (!same_row(&named, &rows[i]) || seen_before(i))
            continue;
        printf("%s%s", separator, rows[i].name);
        separator = ", ";
    }
    puts(" |");
}

static bool group_seen_before(size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (rows[j].latency == rows[i].latency && rows[j].cpl == rows[i].cpl &&
            rows[j].flags == rows[i].flags)
            return true;
    return false;
}

static void print_instructions(void)
{
    puts("| Latency | Ring | Kind | Instructions |\n|--:|---|---|---|");
    for (size_t i = 0; i < ROWS; i++)
        if (!group_seen_before(i))
            print_group(&rows[i]);
}

/* ---- probes ---- */

static const char *format_words(enum rs_format format)
{
    static const char *const words[] = {[RS_HEX] = "number",
                                        [RS_DEC] = "number",
                                        [RS_BOOL] = "true or false",
                                        [RS_EXIT_REASON] = "name",
                                        [RS_VECTOR] = "name"};
    return (size_t)format < sizeof words / sizeof *words && words[format] ? words[format] : NULL;
}

/* "read, write, fetch": all words of a format that is a short list. */
static void print_values(enum rs_format format)
{
    const char *words = format_words(format), *word;
    if (words) {
        fputs(words, stdout);
        return;
    }
    for (uint64_t value = 0; (word = rs_word(format, value)) != NULL; value++)
        printf("%s`%s`", value ? ", " : "", word);
}

static void print_probe(const struct rs_probe_info *p)
{
    printf("\n## `%s`\n\nWhen: %s. State: %s.\n", p->name, p->help, p->when);
    if (p->fields)
        puts("\n| Field | Values | Meaning |\n|---|---|---|");
    for (size_t i = 0; i < p->fields; i++) {
        printf("| `%s` | ", p->field[i].name);
        print_values(p->field[i].format);
        printf(" | %s |\n", p->field[i].help);
    }
}

static void print_probes(void)
{
    for (size_t i = 0; i < RS_PROBES; i++)
        print_probe(&rs_probe_info[i]);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } tables[] = {{"params", print_params},
                  {"presets", print_presets},
                  {"counters", print_counters},
                  {"instructions", print_instructions},
                  {"probes", print_probes}};
    for (size_t i = 0; argc == 2 && i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(argv[1], tables[i].name) == 0) {
            tables[i].print();
            return 0;
        }
    }
    fputs("usage: tables params|presets|counters|instructions|probes\n", stderr);
    return 2;
}
