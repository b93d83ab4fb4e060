/* eflags.c - see eflags.h. */
#include "lib/eflags.h"

#include <string.h>

#include "arch/isa.h"

/* ---- the table ---- */

enum {
    EF_NO = 0,
    EF_O = FLAG_OF,
    EF_S = FLAG_SF,
    EF_Z = FLAG_ZF,
    EF_A = FLAG_AF,
    EF_P = FLAG_PF,
    EF_C = FLAG_CF,
    EF_OC = EF_O | EF_C,
    EF_OS = EF_O | EF_S,
    EF_ZC = EF_Z | EF_C,
    EF_OSZ = EF_OS | EF_Z,
    EF_OSAP = EF_OS | EF_A | EF_P,
    EF_OSAPC = EF_OSAP | EF_C,
    EF_OSZAP = EF_OSAP | EF_Z,
    EF_SZAP = EF_S | EF_Z | EF_A | EF_P,
    EF_SZAPC = EF_SZAP | EF_C,
    EF_OSZPC = EF_OSZ | EF_P | EF_C,
    EF_OSZAPC = EF_OSZAP | EF_C
};

static const struct {
    const char *name;
    u16 tests, writes, undefined;
} table[] = {
#define EFLAGS(name, tests, writes, undefined) {name, EF_##tests, EF_##writes, EF_##undefined},
#include "lib/eflags.def"
};

static struct eflags of_row[ISA_ROWS];
static bool known[ISA_ROWS];

static struct eflags look_up(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return (struct eflags){table[i].tests, table[i].writes, table[i].undefined, false};
    return (struct eflags){0};
}

static struct eflags of_name(const struct insn *in)
{
    if (!known[in->row]) {
        of_row[in->row] = look_up(insn_name(in));
        known[in->row] = true;
    }
    return of_row[in->row];
}

/* ---- counts (SDM vol. 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD", "Flags Affected") ---- */

static bool is_double(unsigned row)
{
    return row >= ROW_shld_Ev_Gv_Ib && row <= ROW_shrd_Ev_Gv_CL;
}

static bool is_shift(unsigned row)
{
    return row >= ROW_rol_Eb_Ib && row <= ROW_shrd_Ev_Gv_CL;
}

/* By CL where there is no immediate; the rows of one bit have 1 for it. */
static unsigned count_of(const struct core *c, const struct insn *in)
{
    static const bool by_cl[ISA_ROWS] = {
#define CL(op) [ROW_##op##_Eb_CL] = true, [ROW_##op##_Ev_CL] = true
        CL(rol),
        CL(ror),
        CL(rcl),
        CL(rcr),
        CL(shl),
        CL(shr),
        CL(sal),
        CL(sar),
        [ROW_shld_Ev_Gv_CL] = true,
        [ROW_shrd_Ev_Gv_CL] = true,
#undef CL
    };
    u64 count = by_cl[in->row] ? c->s.gpr[REG_RCX] : in->imm;
    return (unsigned)count & (in->op_bytes == 8 ? 63 : 31);
}

/* No flag for 0; OF for 1 alone; CF of a logical shift while bits are left; beyond its operand a double shift
 * has no result. */
static struct eflags of_count(const struct insn *in, struct eflags e, unsigned count)
{
    unsigned bits = 8u * in->op_bytes;
    bool logical = in->row >= ROW_shl_Eb_Ib && in->row <= ROW_sal_Ev_CL;
    if (count == 0)
        return (struct eflags){0};
    if (count != 1)
        e.undefined |= FLAG_OF;
    if (logical && count >= bits)
        e.undefined |= FLAG_CF;
    if (is_double(in->row) && count > bits) {
        e.undefined = FLAGS_STATUS;
        e.result_undefined = true;
    }
    e.writes &= ~e.undefined;
    return e;
}

struct eflags eflags_of(const struct core *c, const struct insn *in)
{
    struct eflags e = of_name(in);
    if (is_shift(in->row))
        return of_count(in, e, count_of(c, in));
    if (in->rep && (in->addr_bytes == 4 ? (u32)c->s.gpr[REG_RCX] : c->s.gpr[REG_RCX]) == 0)
        return (struct eflags){0};
    e.result_undefined = in->row == ROW_bswap && in->op_bytes == 2;
    return e;
}
