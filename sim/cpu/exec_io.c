/* exec_io.c - ports (SDM vol. 1, 19 "Input/Output"). */
#include "cpu/debug.h"
#include "cpu/exec.h"
#include "cpu/privilege.h"

static u16 dx(const struct core *c)
{
    return (u16)c->s.gpr[REG_RDX];
}

static u64 port_read(struct core *c, u16 port, unsigned n)
{
    debug_port_access(c, port, n);
    return board_in(c, port, n);
}

static void port_write(struct core *c, u16 port, unsigned n, u64 value)
{
    debug_port_access(c, port, n);
    board_out(c, port, n, value);
}

static void in_port(struct core *c, const struct insn *in, u16 port)
{
    require_port(c, port, in->op_bytes);
    a_write(c, in, port_read(c, port, in->op_bytes));
}

static void out_port(struct core *c, const struct insn *in, u16 port)
{
    require_port(c, port, in->op_bytes);
    port_write(c, port, in->op_bytes, a_read(c, in));
}

void exec_in_A_I(struct core *c, const struct insn *in)
{
    in_port(c, in, (u16)in->imm);
}

void exec_in_A_DX(struct core *c, const struct insn *in)
{
    in_port(c, in, dx(c));
}

void exec_out_I_A(struct core *c, const struct insn *in)
{
    out_port(c, in, (u16)in->imm);
}

void exec_out_DX_A(struct core *c, const struct insn *in)
{
    out_port(c, in, dx(c));
}

void exec_ins(struct core *c, const struct insn *in)
{
    struct latch l;

    require_port(c, dx(c), in->op_bytes);
    if (rep_is_over(c, in))
        return;
    u64 gva = string_destination(c, in);
    check_range(c, gva, in->op_bytes, false);
    mmu_store_check(c, gva, in->op_bytes, data_access(c) | MMU_WRITE, &l);
    mmu_store_commit(c, &l, port_read(c, dx(c), in->op_bytes));
    string_advance(c, in, REG_RDI);
    rep_next(c, in, true);
}

void exec_outs(struct core *c, const struct insn *in)
{
    require_port(c, dx(c), in->op_bytes);
    if (rep_is_over(c, in))
        return;
    u64 value = mem_load(c, in, string_source(c, in), in->op_bytes);
    port_write(c, dx(c), in->op_bytes, value);
    string_advance(c, in, REG_RSI);
    rep_next(c, in, true);
}
