/* run_flow.c - branches and the stack in blocks.  A block goes on behind a conditional branch that is not
 * taken; of those that are taken the exit is the op behind. */
#include "cpu/cpu.h"
#include "cpu/run.h"

/* ---- prediction: rules B1 to B4, with the entries known ---- */

static inline u64 address_of(const struct op *op)
{
    return op->disp - op->length;
}

static inline struct btb_entry *btb_of(struct core *c, const struct op *op)
{
    return &c->s.btb[op->btb];
}

static inline void mispredicted(struct core *c, const struct op *op)
{
    c->s.count.mispredicts++;
    c->s.count.stall_branch += REDIRECT_CYCLES;
    c->s.cycle += REDIRECT_CYCLES;
    c->rt.run.redirected = c->s.cycle + op[1].cycles;
}

/* The branch goes to `target`, which the BTB keeps. */
static inline const struct op *taken(struct core *c, const struct op *op, enum branch_kind kind, u64 guess,
                                     u64 target)
{
    c->s.rip = target;
    if (unlikely(guess != target))
        mispredicted(c, op);
    *btb_of(c, op) = (struct btb_entry){address_of(op) + 1, target, kind};
    return op + 1;
}

static inline u64 ras_before(const struct core *c)
{
    return (c->s.ras_top ? c->s.ras_top : c->m->p.ras_entries) - 1;
}

/* By what the entry says that stood there, which other code may have left. */
static inline u64 predicted(struct core *c, const struct op *op)
{
    const struct btb_entry *e = btb_of(c, op);
    if (e->rip != address_of(op) + 1)
        return op->disp;
    if (e->kind == BRANCH_CONDITIONAL)
        return c->s.direction[op->direction] < 2 ? op->disp : e->target;
    return unlikely(e->kind == BRANCH_RETURN) ? c->s.ras[ras_before(c)] : e->target;
}

/* ---- jumps ---- */

static inline u8 counter_moved(u8 counter, bool holds)
{
    return (u8)(holds ? counter + (counter < 3) : counter - (counter > 0));
}

/* Whatever the entry says. */
static const struct op *conditional_anyhow(struct core *c, const struct op *op, bool holds)
{
    u8 *counter = &c->s.direction[op->direction];
    u64 guess = predicted(c, op);
    *counter = counter_moved(*counter, holds);
    if (holds)
        return taken(c, op, BRANCH_CONDITIONAL, guess, op->imm);
    if (unlikely(guess != op->disp))
        mispredicted(c, op);
    return op[2].run(c, op + 2);
}

/* A branch that has been taken before finds its entry as it would leave it. */
static inline const struct op *conditional(struct core *c, const struct op *op, bool holds)
{
    u8 *counter = &c->s.direction[op->direction];
    const struct btb_entry *e = btb_of(c, op);
    if (unlikely(e->rip != address_of(op) + 1 || e->target != op->imm || e->kind != BRANCH_CONDITIONAL))
        return conditional_anyhow(c, op, holds);
    bool expected = *counter >= 2;
    *counter = counter_moved(*counter, holds);
    if (unlikely(expected != holds) && likely(op->imm != op->disp))
        mispredicted(c, op);
    if (!holds)
        return op[2].run(c, op + 2);
    c->s.rip = op->imm;
    return op + 1;
}

#define CC(cc, n) \
    RUN(j##cc) \
    { \
        return conditional(c, op, lazy_condition(c, n)); \
    }
#include "cpu/conditions.def"

RUN(jmp_J)
{
    return taken(c, op, BRANCH_JUMP, predicted(c, op), op->imm);
}

RUN(jmp_r)
{
    u64 target = c->s.gpr[op->dst];
    if (unlikely(!sys_canonical(target)))
        GIVE_UP;
    return taken(c, op, BRANCH_JUMP, predicted(c, op), target);
}

/* ---- the stack ---- */

static inline bool push(struct core *c, const struct op *op, u64 value)
{
    u64 rsp = c->s.gpr[REG_RSP] - 8;
    if (!op_store(c, op, rsp, 8, value))
        return false;
    c->s.gpr[REG_RSP] = rsp;
    return true;
}

RUN(push_r)
{
    if (!push(c, op, c->s.gpr[op->dst]))
        GIVE_UP;
    NEXT;
}

RUN(push_i)
{
    if (!push(c, op, op->imm))
        GIVE_UP;
    NEXT;
}

RUN(pop_r)
{
    u64 value;
    if (!op_load(c, op, c->s.gpr[REG_RSP], 8, &value))
        GIVE_UP;
    c->s.gpr[REG_RSP] += 8;
    c->s.gpr[op->dst] = value;
    NEXT;
}

RUN(leave)
{
    u64 value, rbp = c->s.gpr[REG_RBP];
    if (!op_load(c, op, rbp, 8, &value))
        GIVE_UP;
    c->s.gpr[REG_RSP] = rbp + 8;
    c->s.gpr[REG_RBP] = value;
    NEXT;
}

static inline const struct op *call(struct core *c, const struct op *op, u64 target)
{
    u64 guess = predicted(c, op);
    if (unlikely(!sys_canonical(target)) || !push(c, op, op->disp))
        GIVE_UP;
    c->s.ras[c->s.ras_top] = op->disp;
    c->s.ras_top = c->s.ras_top + 1 == c->m->p.ras_entries ? 0 : c->s.ras_top + 1;
    return taken(c, op, BRANCH_CALL, guess, target);
}

RUN(call_J)
{
    return call(c, op, op->imm);
}

RUN(call_r)
{
    return call(c, op, c->s.gpr[op->dst]);
}

/* imm: what RET imm16 drops. */
RUN(ret)
{
    struct hit h;
    u64 rsp = c->s.gpr[REG_RSP];
    if (unlikely(!hits(c, c->rt.run.read, rsp, 8, &h)))
        GIVE_UP;
    u64 target = load_le(bytes_of(&h), 8);
    if (unlikely(!sys_canonical(target)))
        GIVE_UP;
    note_load(c, op, &h);
    u64 guess = predicted(c, op);
    c->s.gpr[REG_RSP] = rsp + 8 + op->in->imm;
    c->s.ras_top = ras_before(c);
    return taken(c, op, BRANCH_RETURN, guess, target);
}
