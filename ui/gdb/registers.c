/* registers.c - the registers of a core: the target description, and their values as hexadecimal. */
#include <stdio.h>
#include <string.h>

#include "session.h"

enum source { REGISTER, STATE, ABSENT, CYCLES, VMCS, MODE };

static const struct reg {
    const char *name, *type;
    unsigned bits;
    enum source source;
    const char *ours;
    const char *feature; /* that begins before it, or NULL */
} rows[] = {
#define FEATURE(id, feature)                {NULL, NULL, 0, ABSENT, NULL, feature},
#define REG(name, bits, type, source, ours) {#name, type, bits, source, ours, NULL},
#include "regs.def"
};

#define ROWS (sizeof rows / sizeof *rows)

static const struct reg *reg_at(unsigned number)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].name && number-- == 0)
            return &rows[i];
    return NULL;
}

/* ---- the description ---- */

static const struct bits {
    const char *id;
    unsigned bytes;
    struct {
        const char *name;
        unsigned bit;
    } bit[18];
} bits[] = {
    {"eflags_bits",
     4,
     {{"CF", 0},
      {"", 1},
      {"PF", 2},
      {"AF", 4},
      {"ZF", 6},
      {"SF", 7},
      {"TF", 8},
      {"IF", 9},
      {"DF", 10},
      {"OF", 11},
      {"NT", 14},
      {"RF", 16},
      {"VM", 17},
      {"AC", 18},
      {"VIF", 19},
      {"VIP", 20},
      {"ID", 21}}},
    {"cr0_bits",
     8,
     {{"PE", 0},
      {"MP", 1},
      {"EM", 2},
      {"TS", 3},
      {"ET", 4},
      {"NE", 5},
      {"WP", 16},
      {"AM", 18},
      {"NW", 29},
      {"CD", 30},
      {"PG", 31}}},
    {"cr4_bits",
     8,
     {{"VME", 0},
      {"PVI", 1},
      {"TSD", 2},
      {"DE", 3},
      {"PSE", 4},
      {"PAE", 5},
      {"MCE", 6},
      {"PGE", 7},
      {"UMIP", 11},
      {"VMXE", 13},
      {"FSGSBASE", 16},
      {"PCIDE", 17},
      {"SMEP", 20},
      {"SMAP", 21}}},
    {"efer_bits", 8, {{"SCE", 0}, {"LME", 8}, {"LMA", 10}, {"NXE", 11}}},
};

static void describe_bits(struct bytes *xml, const struct bits *b)
{
    bytes_addf(xml, "<flags id=\"%s\" size=\"%u\">", b->id, b->bytes);
    for (size_t i = 0; i < sizeof b->bit / sizeof *b->bit && b->bit[i].name; i++)
        bytes_addf(xml, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", b->bit[i].name, b->bit[i].bit,
                   b->bit[i].bit);
    bytes_addf(xml, "</flags>\n");
}

/* Types are known to the feature that they stand in. */
static void describe_types(struct bytes *xml, const char *feature)
{
    bool core = strstr(feature, "core") != NULL, system = strstr(feature, "system") != NULL;
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (i == 0 ? core : system)
            describe_bits(xml, &bits[i]);
}

void registers_describe(struct bytes *xml)
{
    const char *end = "";
    bytes_addf(xml, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                    "<target><architecture>i386:x86-64</architecture>\n");
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].feature) {
            bytes_addf(xml, "%s<feature name=\"%s\">\n", end, rows[i].feature);
            describe_types(xml, rows[i].feature);
            end = "</feature>\n";
        } else {
            bytes_addf(xml, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>\n", rows[i].name, rows[i].bits,
                       rows[i].type);
        }
    }
    bytes_addf(xml, "%s</target>\n", end);
}

/* ---- values ---- */

static uint64_t value_of(const struct gdb *g, const struct reg *r)
{
    uint64_t value = 0;
    switch (r->source) {
    case REGISTER: rs_reg(g->m, g->core, r->ours, &value); break;
    case STATE: rs_state_get(g->m, g->core, r->ours, 0, &value); break;
    case CYCLES: value = rs_cycles(g->m, g->core); break;
    case VMCS: value = rs_current_vmcs(g->m, g->core); break;
    case MODE: value = rs_guest_mode(g->m, g->core); break;
    case ABSENT: break;
    }
    return value;
}

/* ---- values that the debugger has been told ----
 *
 * For a function that it calls (`call f()`) gdb saves all registers and writes back those that have changed
 * by the end, whether they can be set or not: the core's clock always has.  What it has once been told may
 * come back, and changes nothing.  A sieve never forgets one; rarely it takes another value for one of them.
 */

static uint64_t *told_word(struct gdb *g, const struct reg *r, uint64_t value, uint64_t *bit)
{
    uint64_t number = (uint64_t)(r - rows) << 32 | g->core;
    uint64_t hash = (value ^ number * 0xff51afd7ed558ccdu) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    *bit = (uint64_t)1 << (hash & 63);
    return &g->told[hash >> 6 & (TOLD_WORDS - 1)];
}

static void note_told(struct gdb *g, const struct reg *r, uint64_t value)
{
    uint64_t bit, *word = told_word(g, r, value, &bit);
    *word |= bit;
}

static bool was_told(struct gdb *g, const struct reg *r, uint64_t value)
{
    uint64_t bit, *word = told_word(g, r, value, &bit);
    return *word & bit;
}

void registers_forget(struct gdb *g)
{
    memset(g->told, 0, sizeof g->told);
}

/* ---- reading ---- */

static void add_value(struct gdb *g, const struct reg *r, struct bytes *hex)
{
    uint64_t value = value_of(g, r);
    uint8_t bytes[8];
    if (r->source == ABSENT) { /* not available */
        bytes_addf(hex, "%.*s", (int)r->bits / 4, "xxxxxxxxxxxxxxxxxxxx");
        return;
    }
    note_told(g, r, value);
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    bytes_add_hex(hex, bytes, r->bits / 8);
}

bool registers_get(struct gdb *g, unsigned number, struct bytes *hex)
{
    const struct reg *r = reg_at(number);
    if (r)
        add_value(g, r, hex);
    return r != NULL;
}

void registers_get_all(struct gdb *g, struct bytes *hex)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].name)
            add_value(g, &rows[i], hex);
}

/* ---- writing ---- */

static enum rs_status input(struct gdb *g, const struct reg *r, uint64_t value, struct rs_error *err)
{
    if (r->source != REGISTER && r->source != STATE)
        return rs_fail(err, "%s cannot be set", r->name);
    return rs_input_reg(g->m, g->core, r->ours, value, err);
}

static enum rs_status set(struct gdb *g, const struct reg *r, uint64_t value, struct rs_error *err)
{
    if (value == value_of(g, r)) /* no input: whoever writes all writes most back */
        return RS_OK;
    if (memory_may_change(g, err) != RS_OK)
        return RS_FAILED;
    if (input(g, r, value, err) != RS_OK)
        return was_told(g, r, value) ? RS_OK : RS_FAILED;
    memory_input_made(g);
    return RS_OK;
}

enum rs_status registers_set(struct gdb *g, unsigned number, const uint8_t *value, size_t n,
                             struct rs_error *err)
{
    const struct reg *r = reg_at(number);
    uint64_t v = 0;
    if (!r || r->source == ABSENT || n != r->bits / 8)
        return rs_fail(err, "the machine has no such register");
    for (size_t i = n; i-- > 0;)
        v = v << 8 | value[i];
    return set(g, r, v, err);
}

/* One of all: `digits` of them, or x for what is not known. */
static enum rs_status set_digits(struct gdb *g, unsigned number, const char *digits, struct rs_error *err)
{
    const struct reg *r = reg_at(number);
    uint8_t value[10];
    size_t n;
    if (r->source == ABSENT || digits[0] == 'x')
        return RS_OK;
    if (!hex_bytes(digits, value, sizeof value, &n))
        return rs_fail(err, "%s: '%s' is no hexadecimal number", r->name, digits);
    return registers_set(g, number, value, n, err);
}

enum rs_status registers_set_all(struct gdb *g, const char *hex, struct rs_error *err)
{
    char one[32];
    enum rs_status status = RS_OK;
    for (unsigned number = 0; status == RS_OK && reg_at(number) && *hex; number++) {
        unsigned digits = reg_at(number)->bits / 4;
        snprintf(one, sizeof one, "%.*s", (int)digits, hex);
        if (strlen(one) != digits)
            return rs_fail(err, "the packet ends inside a register");
        hex += digits;
        status = set_digits(g, number, one, err);
    }
    return status;
}
