/* exec_string.c - MOVS, CMPS, STOS, LODS, SCAS: one element an atom (SDM vol. 1, 7.3.9 "String Operations";
 * vol. 2, "REP").
 *
 * While elements remain RIP stays at the instruction, so interrupts and stops fall between elements. */
#include "cpu/exec.h"

/* REPE goes on while ZF is set, REPNE while it is clear. */
static bool zf_goes_on(const struct core *c, const struct insn *in)
{
    return flag(c, FLAG_ZF) == (in->rep == 0xf3);
}

static void compare(struct core *c, const struct insn *in, u64 a, u64 b)
{
    flags_sub(c, a, b, a - b, in->op_bytes);
}

/* [RDI] has no segment override, and is never the stack's. */
static u64 destination_load(struct core *c, const struct insn *in)
{
    u64 gva = string_destination(c, in);
    check_range(c, gva, in->op_bytes, false);
    return mmu_load(c, gva, in->op_bytes, data_access(c));
}

static void destination_check(struct core *c, const struct insn *in, struct latch *l)
{
    u64 gva = string_destination(c, in);
    check_range(c, gva, in->op_bytes, false);
    mmu_store_check(c, gva, in->op_bytes, data_access(c) | MMU_WRITE, l);
}

void exec_movs(struct core *c, const struct insn *in)
{
    struct latch l;
    if (rep_is_over(c, in))
        return;
    u64 value = mem_load(c, in, string_source(c, in), in->op_bytes);
    destination_check(c, in, &l);
    mmu_store_commit(c, &l, value);
    string_advance(c, in, REG_RSI);
    string_advance(c, in, REG_RDI);
    rep_next(c, in, true);
}

void exec_stos(struct core *c, const struct insn *in)
{
    struct latch l;
    if (rep_is_over(c, in))
        return;
    destination_check(c, in, &l);
    mmu_store_commit(c, &l, a_read(c, in));
    string_advance(c, in, REG_RDI);
    rep_next(c, in, true);
}

void exec_lods(struct core *c, const struct insn *in)
{
    if (rep_is_over(c, in))
        return;
    a_write(c, in, mem_load(c, in, string_source(c, in), in->op_bytes));
    string_advance(c, in, REG_RSI);
    rep_next(c, in, true);
}

void exec_cmps(struct core *c, const struct insn *in)
{
    if (rep_is_over(c, in))
        return;
    u64 a = mem_load(c, in, string_source(c, in), in->op_bytes);
    compare(c, in, a, destination_load(c, in));
    string_advance(c, in, REG_RSI);
    string_advance(c, in, REG_RDI);
    rep_next(c, in, zf_goes_on(c, in));
}

void exec_scas(struct core *c, const struct insn *in)
{
    if (rep_is_over(c, in))
        return;
    compare(c, in, a_read(c, in), destination_load(c, in));
    string_advance(c, in, REG_RDI);
    rep_next(c, in, zf_goes_on(c, in));
}
