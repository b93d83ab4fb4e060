/* exec_flow.c - the stack and near control flow (SDM vol. 1, 6 "Procedure Calls, Interrupts, and
 * Exceptions"). */
#include "cpu/exec.h"

/* ---- PUSH and POP ---- */

void exec_push_E(struct core *c, const struct insn *in)
{
    push(c, in, e_read(c, in));
}

void exec_push_I(struct core *c, const struct insn *in)
{
    push(c, in, in->imm);
}

/* The address of a POP to memory is formed with RSP as it is afterwards (SDM vol. 2, "POP"). */
static void pop_to_memory(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 value = stack_load(c, 0, in->op_bytes);
    u64 popped = in->base == REG_RSP ? in->op_bytes : 0;
    u64 gva = addr_truncated(in, ea_offset(c, in) + popped) + seg_base(c, in);
    mem_store_check(c, in, gva, in->op_bytes, &l);
    mmu_store_commit(c, &l, value);
    c->s.gpr[REG_RSP] += in->op_bytes;
}

void exec_pop_E(struct core *c, const struct insn *in)
{
    if (is_memory(in)) {
        pop_to_memory(c, in);
        return;
    }
    u64 value = stack_load(c, 0, in->op_bytes);
    c->s.gpr[REG_RSP] += in->op_bytes;
    reg_write(c, in, in->rm, in->op_bytes, value);
}

/* ---- frames ---- */

#define ENTER_LEVELS_MAX 31

/* What n bytes at gva, now `value`, will hold once n bytes have been pushed to `at`. */
static u64 overlaid(u64 value, u64 gva, u64 pushed, u64 at, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        u64 byte = gva + i - at;
        if (byte < n)
            value = (value & ~((u64)0xff << 8 * i)) | (pushed >> 8 * byte & 0xff) << 8 * i;
    }
    return value;
}

/* The frame pointer of level i outside, which an earlier push of this ENTER may have put there. */
static u64 outer_frame(struct core *c, const struct insn *in, unsigned i, const u64 *pushed)
{
    unsigned n = in->op_bytes;
    u64 gva = c->s.gpr[REG_RBP] - (u64)n * i;
    check_range(c, gva, n, true);
    u64 value = mmu_load(c, gva, n, data_access(c));
    for (unsigned k = 0; k < i; k++)
        value = overlaid(value, gva, pushed[k], c->s.gpr[REG_RSP] - (u64)n * (k + 1), n);
    return value;
}

/* Pushes RBP, the frame pointers of the levels outside, and the new frame's.  All is read and checked before
 * it is written, and so is the new top of the stack. */
void exec_enter(struct core *c, const struct insn *in)
{
    struct latch l[ENTER_LEVELS_MAX + 2];
    u64 value[ENTER_LEVELS_MAX + 1];
    u64 n = in->op_bytes;
    unsigned levels = in->imm >> 16 & ENTER_LEVELS_MAX;
    u64 frame = c->s.gpr[REG_RSP] - n, size = (in->imm & 0xffff) + n * (levels + 1);
    value[0] = c->s.gpr[REG_RBP];
    for (unsigned i = 1; i < levels; i++)
        value[i] = outer_frame(c, in, i, value);
    if (levels)
        value[levels] = frame;
    for (unsigned i = 0; i <= levels; i++)
        stack_store_check(c, n * (i + 1), (unsigned)n, &l[i]);
    stack_store_check(c, size, (unsigned)n, &l[levels + 1]);
    for (unsigned i = 0; i <= levels; i++)
        mmu_store_commit(c, &l[i], truncated(value[i], (unsigned)n));
    reg_write(c, in, REG_RBP, (unsigned)n, frame);
    c->s.gpr[REG_RSP] -= size;
}

void exec_leave(struct core *c, const struct insn *in)
{
    u64 gva = c->s.gpr[REG_RBP];
    check_range(c, gva, in->op_bytes, true);
    u64 value = mmu_load(c, gva, in->op_bytes, data_access(c));
    c->s.gpr[REG_RSP] = gva + in->op_bytes;
    reg_write(c, in, REG_RBP, in->op_bytes, value);
}

/* ---- CALL, RET, JMP ---- */

static void call(struct core *c, const struct insn *in, u64 target)
{
    check_target(c, target);
    push(c, in, c->s.rip + in->length);
    branch_to(c, in, BRANCH_CALL, target);
}

static u64 relative(const struct core *c, const struct insn *in)
{
    return c->s.rip + in->length + in->imm;
}

void exec_call_J(struct core *c, const struct insn *in)
{
    call(c, in, relative(c, in));
}

void exec_call_E(struct core *c, const struct insn *in)
{
    call(c, in, e_read(c, in));
}

/* RET and RET imm16, whose immediate is 0 without one. */
void exec_ret(struct core *c, const struct insn *in)
{
    u64 target = stack_load(c, 0, 8);
    check_target(c, target);
    c->s.gpr[REG_RSP] += 8 + in->imm;
    branch_to(c, in, BRANCH_RETURN, target);
}

static void jump(struct core *c, const struct insn *in, u64 target)
{
    check_target(c, target);
    branch_to(c, in, BRANCH_JUMP, target);
}

void exec_jmp_J(struct core *c, const struct insn *in)
{
    jump(c, in, relative(c, in));
}

void exec_jmp_E(struct core *c, const struct insn *in)
{
    jump(c, in, e_read(c, in));
}

/* ---- LOOP and JRCXZ: conditional branches on RCX, or ECX with a 32-bit address size ---- */

static void branch_if(struct core *c, const struct insn *in, bool taken, u64 count)
{
    u64 target = relative(c, in);
    if (taken)
        check_target(c, target);
    c->s.gpr[REG_RCX] = count;
    if (taken)
        branch_to(c, in, BRANCH_CONDITIONAL, target);
    else
        pipeline_branch(c, BRANCH_CONDITIONAL, c->s.rip, in->length, false, c->s.rip + in->length);
}

static void loop_while(struct core *c, const struct insn *in, bool holds)
{
    u64 count = addr_truncated(in, c->s.gpr[REG_RCX] - 1);
    branch_if(c, in, count && holds, count);
}

void exec_loop(struct core *c, const struct insn *in)
{
    loop_while(c, in, true);
}

void exec_loope(struct core *c, const struct insn *in)
{
    loop_while(c, in, flag(c, FLAG_ZF));
}

void exec_loopne(struct core *c, const struct insn *in)
{
    loop_while(c, in, !flag(c, FLAG_ZF));
}

void exec_jrcxz(struct core *c, const struct insn *in)
{
    u64 count = c->s.gpr[REG_RCX];
    branch_if(c, in, addr_truncated(in, count) == 0, count);
}
