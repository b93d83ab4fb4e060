/* exec_move.c - moves (SDM vol. 1, 7.3.1 "Data Transfer Instructions"), flags, and what does nothing. */
#include "cpu/exec.h"

/* ---- MOV ---- */

void exec_mov_E_G(struct core *c, const struct insn *in)
{
    struct latch l;
    e_prepare(c, in, &l);
    e_commit(c, in, &l, g_read(c, in));
}

void exec_mov_G_E(struct core *c, const struct insn *in)
{
    g_write(c, in, e_read(c, in));
}

void exec_mov_E_I(struct core *c, const struct insn *in)
{
    struct latch l;
    e_prepare(c, in, &l);
    e_commit(c, in, &l, in->imm);
}

void exec_mov_A_O(struct core *c, const struct insn *in)
{
    a_write(c, in, mem_load(c, in, in->imm + seg_base(c, in), in->op_bytes));
}

void exec_mov_O_A(struct core *c, const struct insn *in)
{
    struct latch l;
    mem_store_check(c, in, in->imm + seg_base(c, in), in->op_bytes, &l);
    mmu_store_commit(c, &l, a_read(c, in));
}

/* ---- extending ---- */

void exec_movzx_Gv_Eb(struct core *c, const struct insn *in)
{
    g_write(c, in, e_read_n(c, in, 1));
}

void exec_movzx_Gv_Ew(struct core *c, const struct insn *in)
{
    g_write(c, in, e_read_n(c, in, 2));
}

void exec_movsx_Gv_Eb(struct core *c, const struct insn *in)
{
    g_write(c, in, sign_extended(e_read_n(c, in, 1), 1));
}

void exec_movsx_Gv_Ew(struct core *c, const struct insn *in)
{
    g_write(c, in, sign_extended(e_read_n(c, in, 2), 2));
}

/* From 4 bytes; without REX.W a plain move. */
void exec_movsxd(struct core *c, const struct insn *in)
{
    unsigned from = in->op_bytes == 2 ? 2 : 4;
    g_write(c, in, sign_extended(e_read_n(c, in, from), from));
}

void exec_lea(struct core *c, const struct insn *in)
{
    g_write(c, in, ea_offset(c, in));
}

/* ---- exchanging ---- */

/* xchg %bx,%bx is the marker (docs/machine.md): an event, and otherwise the no-op that it is. */
static void marker(struct core *c)
{
    if (watched(c, RS_PROBE_mark))
        probe_fire(c, RS_PROBE_mark, (const u64[]){c->s.gpr[REG_RAX], c->s.gpr[REG_RDI], c->s.gpr[REG_RSI]});
    micro(c, MICRO_EVENT);
}

void exec_xchg_E_G(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    u64 b = g_read(c, in);
    reg_write(c, in, in->rm, in->op_bytes, b);
    g_write(c, in, a);
    if (in->op_bytes == 2 && in->rm == REG_RBX && in->reg == REG_RBX)
        marker(c);
}

void exec_xchg_M_G(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 a = e_modify(c, in, &l);
    e_commit(c, in, &l, g_read(c, in));
    g_write(c, in, a);
}

void exec_xchg_Z_A(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    u64 b = a_read(c, in);
    reg_write(c, in, in->rm, in->op_bytes, b);
    a_write(c, in, a);
}

/* ---- AL from a table ---- */

void exec_xlat(struct core *c, const struct insn *in)
{
    u64 offset = c->s.gpr[REG_RBX] + (c->s.gpr[REG_RAX] & 0xff);
    u64 value = mem_load(c, in, addr_truncated(in, offset) + seg_base(c, in), 1);
    a_write(c, in, value);
}

/* ---- flags ---- */

void exec_clc(struct core *c, const struct insn *in)
{
    (void)in;
    flags_put(c, FLAG_CF, 0);
}

void exec_stc(struct core *c, const struct insn *in)
{
    (void)in;
    flags_put(c, FLAG_CF, FLAG_CF);
}

void exec_cmc(struct core *c, const struct insn *in)
{
    (void)in;
    c->s.rflags ^= FLAG_CF;
}

void exec_cld(struct core *c, const struct insn *in)
{
    (void)in;
    flags_put(c, FLAG_DF, 0);
}

void exec_std(struct core *c, const struct insn *in)
{
    (void)in;
    flags_put(c, FLAG_DF, FLAG_DF);
}

#define FLAGS_OF_AH (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF)

void exec_sahf(struct core *c, const struct insn *in)
{
    (void)in;
    flags_put(c, FLAGS_OF_AH, c->s.gpr[REG_RAX] >> 8 & FLAGS_OF_AH);
}

void exec_lahf(struct core *c, const struct insn *in)
{
    (void)in;
    u64 low = (c->s.rflags & FLAGS_OF_AH) | FLAG_FIXED;
    c->s.gpr[REG_RAX] = (c->s.gpr[REG_RAX] & ~(u64)0xff00) | low << 8;
}

/* ---- nothing, and no instruction ---- */

void exec_nop(struct core *c, const struct insn *in)
{
    (void)c;
    (void)in;
}

void exec_ud(struct core *c, const struct insn *in)
{
    (void)in;
    cpu_fault(c, VEC_UD, 0);
}
