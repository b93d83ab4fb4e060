/* exec_cc.c - conditional jumps, sets and moves: sixteen conditions, three handlers each. */
#include "cpu/exec.h"

static inline void jump_if(struct core *c, const struct insn *in, bool holds)
{
    u64 next = c->s.rip + in->length;
    u64 target = next + in->imm;
    if (!holds) {
        pipeline_branch(c, BRANCH_CONDITIONAL, c->s.rip, in->length, false, next);
        return;
    }
    check_target(c, target);
    branch_to(c, in, BRANCH_CONDITIONAL, target);
}

static inline void set_if(struct core *c, const struct insn *in, bool holds)
{
    struct latch l;
    e_prepare(c, in, &l);
    e_commit(c, in, &l, holds);
}

/* Reads its source, and clears the upper half of a 32-bit destination, either way. */
static inline void move_if(struct core *c, const struct insn *in, bool holds)
{
    u64 value = e_read(c, in);
    g_write(c, in, holds ? value : g_read(c, in));
}

#define CC(name, n) \
    void exec_j##name(struct core *c, const struct insn *in) \
    { \
        jump_if(c, in, condition(c, n)); \
    } \
    void exec_set##name(struct core *c, const struct insn *in) \
    { \
        set_if(c, in, condition(c, n)); \
    } \
    void exec_cmov##name(struct core *c, const struct insn *in) \
    { \
        move_if(c, in, condition(c, n)); \
    }

CC(o, 0)
CC(no, 1)
CC(b, 2)
CC(ae, 3)
CC(e, 4)
CC(ne, 5)
CC(be, 6)
CC(a, 7)
CC(s, 8)
CC(ns, 9)
CC(p, 10)
CC(np, 11)
CC(l, 12)
CC(ge, 13)
CC(le, 14)
CC(g, 15)
