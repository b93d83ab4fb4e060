/* tables.c - the tables of docs/ as Markdown, from the lists that the machine is built of:  tables NAME */
#include "ringside.h"

#include "arch/isa.h"
#include "cpu/decode.h"

#include <ctype.h>
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

static void print_iommu_counters(void)
{
    puts("| Counter | Meaning |\n|---|---|");
    for (size_t i = 0; i < rs_iommu_counter_count(); i++)
        printf("| `%s` | %s |\n", rs_iommu_counter_info(i)->name, rs_iommu_counter_info(i)->help);
}

/* ---- instructions: the mnemonics, with what their rows say ---- */

enum { NO = 0, SER = 1, ICP = 2, BR = 4, STK = 8, FEN = 16, SIC = SER | ICP, BST = BR | STK, EVT = SER };

static const struct row {
    const char *form, *name, *operands;
    int latency, cpl, flags;
    enum isa_addr addr;
    enum isa_writes writes;
} rows[] = {
#define INSN(row, name, map, opcode, prefix, modrm, mod, size, imm, ops, may, addr, writes, latency, cpl, \
             flags, fn) \
    {#row, name, #ops, latency, cpl, flags, ISA_ADDR_##addr, ISA_WRITES_##writes},
#include "arch/isa.def"
};

#define ROWS (sizeof rows / sizeof *rows)

/* Whether two rows stand in one row of a table. */
typedef bool same_fn(const struct row *a, const struct row *b);

static bool same_times(const struct row *a, const struct row *b)
{
    return a->latency == b->latency && a->cpl == b->cpl && !((a->flags ^ b->flags) & (SIC | FEN));
}

static bool has_operand_a(const struct row *r)
{
    size_t n = strlen(r->operands);
    return strncmp(r->operands, "A_", 2) == 0 || (n > 2 && strcmp(r->operands + n - 2, "_A") == 0);
}

/* Registers that are written though they are no operands. */
static unsigned implicit_writes(const struct row *r)
{
    return (unsigned)r->writes & (has_operand_a(r) ? 0xfffe : 0xffff);
}

static bool same_registers(const struct row *a, const struct row *b)
{
    return a->addr == b->addr && implicit_writes(a) == implicit_writes(b);
}

/* Rows of this name, of its group or of others. */
static unsigned of_name(const struct row *r, same_fn *same, bool in_group)
{
    unsigned n = 0;
    for (size_t i = 0; i < ROWS; i++)
        n += strcmp(rows[i].name, r->name) == 0 && same(&rows[i], r) == in_group;
    return n;
}

#define FORMS_MAX 3 /* of one name in one row, if it stands in several rows */

/* "mul"; "mul Eb" if other forms are elsewhere in the table. */
static void print_name(const struct row *r, same_fn *same)
{
    if (!of_name(r, same, false)) {
        fputs(r->name, stdout);
    } else if (of_name(r, same, true) > FORMS_MAX) {
        printf("%s (other forms)", r->name);
    } else {
        for (const char *c = r->form; *c; c++)
            putchar(*c == '_' ? ' ' : *c);
    }
}

/* One for all forms of a name in this row, or one for each. */
static bool is_named(const struct row *r, same_fn *same)
{
    bool each = of_name(r, same, false) && of_name(r, same, true) <= FORMS_MAX;
    for (const struct row *before = rows; !each && before < r; before++)
        if (strcmp(before->name, r->name) == 0 && same(before, r))
            return false;
    return true;
}

static void print_names(const struct row *like, same_fn *same)
{
    const char *separator = "";
    for (size_t i = 0; i < ROWS; i++) {
        if (!same(like, &rows[i]) || !is_named(&rows[i], same))
            continue;
        fputs(separator, stdout);
        print_name(&rows[i], same);
        separator = ", ";
    }
    puts(" |");
}

static bool first_of_group(const struct row *r, same_fn *same)
{
    for (const struct row *before = rows; before < r; before++)
        if (same(before, r))
            return false;
    return true;
}

static void print_instructions(void)
{
    puts("| Latency | Ring | Kind | Instructions |\n|--:|---|---|---|");
    for (const struct row *r = rows; r < rows + ROWS; r++) {
        if (!first_of_group(r, same_times))
            continue;
        printf("| %d | %s | %s%s%s | ", r->latency, r->cpl ? "" : "0", r->flags & SER ? "serialising " : "",
               r->flags & ICP ? "intercepted " : "", r->flags & FEN ? "fence" : "");
        print_names(r, same_times);
    }
}

/* ---- registers that no operand names (A1) ---- */

static void print_set(unsigned bits)
{
    const char *separator = "";
    for (unsigned i = 0; i < 16; i++)
        if (bits >> i & 1) {
            printf("%s", separator);
            for (const char *c = rs_gpr_name[i]; *c; c++)
                putchar(toupper((unsigned char)*c));
            separator = ", ";
        }
    fputs(" | ", stdout);
}

static void print_registers(void)
{
    puts("| Forms addresses with | Writes | Instructions |\n|---|---|---|");
    for (const struct row *r = rows; r < rows + ROWS; r++) {
        if (!first_of_group(r, same_registers) || (!r->addr && !implicit_writes(r)))
            continue;
        fputs("| ", stdout);
        print_set((unsigned)r->addr);
        print_set(implicit_writes(r));
        print_names(r, same_registers);
    }
}

/* ---- probes ---- */

static const char *format_words(enum rs_format format)
{
    static const char *const words[] = {
        [RS_HEX] = "number",        [RS_DEC] = "number",         [RS_CORE_NUMBER] = "number",
        [RS_NIC_NUMBER] = "number", [RS_BOOL] = "true or false", [RS_EXIT_REASON] = "name",
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
    } tables[] = {{"params", print_params},       {"presets", print_presets},
                  {"counters", print_counters},   {"instructions", print_instructions},
                  {"registers", print_registers}, {"probes", print_probes},
                  {"iommu", print_iommu_counters}};
    for (size_t i = 0; argc == 2 && i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(argv[1], tables[i].name) == 0) {
            tables[i].print();
            return 0;
        }
    }
    fputs("usage: tables params|presets|counters|instructions|registers|probes|iommu\n", stderr);
    return 2;
}
