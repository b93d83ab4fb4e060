/* run_alu.c - arithmetic and logic in blocks, by operand size and form:
 *
 *   rr  register, register     ri  register, immediate
 *   rm  register, memory       mr  memory, register       mi  memory, immediate */
#include "cpu/run.h"

/* ---- operations: a op b on n bytes, sign-extended, with flags ---- */

static inline u64 add_carry(struct core *c, u64 a, u64 b, u64 carry, unsigned n)
{
    u64 r = widened(a + b + carry, n);
    set_flags(c, r, carries_kept((a & b) | ((a | b) & ~r), n));
    return r;
}

static inline u64 sub_borrow(struct core *c, u64 a, u64 b, u64 borrow, unsigned n)
{
    u64 r = widened(a - b - borrow, n);
    set_flags(c, r, carries_kept((~a & b) | ((~a | b) & r), n));
    return r;
}

static inline u64 logic(struct core *c, u64 result, unsigned n)
{
    u64 r = widened(result, n);
    set_flags(c, r, 0);
    return r;
}

#define OP_add(c, a, b, n) add_carry(c, a, b, 0, n)
#define OP_adc(c, a, b, n) add_carry(c, a, b, lazy_cf(c), n)
#define OP_sub(c, a, b, n) sub_borrow(c, a, b, 0, n)
#define OP_sbb(c, a, b, n) sub_borrow(c, a, b, lazy_cf(c), n)
#define OP_and(c, a, b, n) logic(c, (a) & (b), n)
#define OP_or(c, a, b, n)  logic(c, (a) | (b), n)
#define OP_xor(c, a, b, n) logic(c, (a) ^ (b), n)

/* ---- the forms ---- */

#define DST c->s.gpr[op->dst]
#define SRC c->s.gpr[op->src]

/* What becomes of a result whose destination is a register: CMP and TEST are after the flags alone. */
#define KEEP(n, result) gpr_put(c, op->dst, n, result)
#define LOSE(n, result) (void)(result)

#define TO_REGISTER(name, operation, what, n) \
    RUN(name##_rr_##n) \
    { \
        what(n, OP_##operation(c, DST, SRC, n)); \
        NEXT; \
    } \
    RUN(name##_ri_##n) \
    { \
        what(n, OP_##operation(c, DST, op->imm, n)); \
        NEXT; \
    } \
    RUN(name##_rm_##n) \
    { \
        u64 b; \
        if (!op_load(c, op, op_address(c, op), n, &b)) \
            return run_missing_operand(c, op); \
        what(n, OP_##operation(c, DST, b, n)); \
        NEXT; \
    }

/* One form of memory as destination: `source` is a register or the immediate. */
#define TO_MEMORY(name, form, source, n) \
    RUN(name##_##form##_##n) \
    { \
        struct hit h; \
        u64 a; \
        if (!op_modify(c, op, n, &h, &a)) \
            GIVE_UP; \
        op_modified(c, op, n, &h, OP_##name(c, a, source, n)); \
        NEXT; \
    }

#define WITH_MEMORY(name, operation, form, source, n) \
    RUN(name##_##form##_##n) \
    { \
        u64 a; \
        if (!op_load(c, op, op_address(c, op), n, &a)) \
            return run_missing_operand(c, op); \
        OP_##operation(c, a, source, n); \
        NEXT; \
    }

#define FORMS(name, n) \
    TO_REGISTER(name, name, KEEP, n) \
    TO_MEMORY(name, mr, SRC, n) \
    TO_MEMORY(name, mi, op->imm, n)

#define COMPARISONS(name, operation, n) \
    TO_REGISTER(name, operation, LOSE, n) \
    WITH_MEMORY(name, operation, mr, SRC, n) \
    WITH_MEMORY(name, operation, mi, op->imm, n)

/* ---- the same when nobody will see the flags ---- */

#define TO_REGISTER_QUIETLY(name, operation, what, n) \
    RUN(quiet_##name##_rr_##n) \
    { \
        what(n, DST operation SRC); \
        NEXT; \
    } \
    RUN(quiet_##name##_ri_##n) \
    { \
        what(n, DST operation op->imm); \
        NEXT; \
    }

#define QUIETLY(n) \
    TO_REGISTER_QUIETLY(add, +, KEEP, n) \
    TO_REGISTER_QUIETLY(or, |, KEEP, n) \
    TO_REGISTER_QUIETLY(and, &, KEEP, n) \
    TO_REGISTER_QUIETLY(sub, -, KEEP, n) \
    TO_REGISTER_QUIETLY(xor, ^, KEEP, n) \
    TO_REGISTER_QUIETLY(cmp, -, LOSE, n) \
    TO_REGISTER_QUIETLY(test, &, LOSE, n) \
    RUN(quiet_neg_r_##n) \
    { \
        KEEP(n, -DST); \
        NEXT; \
    }

QUIETLY(1)
QUIETLY(2)
QUIETLY(4)
QUIETLY(8)

/* ---- one operand ---- */

/* INC and DEC leave CF. */
static inline u64 keeping_cf(struct core *c, u64 cf, u64 result)
{
    set_cf_of(c, cf, lazy_of(c));
    return result;
}

static inline u64 increased(struct core *c, u64 a, unsigned n)
{
    u64 cf = lazy_cf(c);
    return keeping_cf(c, cf, add_carry(c, a, 1, 0, n));
}

static inline u64 decreased(struct core *c, u64 a, unsigned n)
{
    u64 cf = lazy_cf(c);
    return keeping_cf(c, cf, sub_borrow(c, a, 1, 0, n));
}

#define ONE_OPERAND(name, expression, n) \
    RUN(name##_r_##n) \
    { \
        u64 a = DST; \
        gpr_put(c, op->dst, n, expression); \
        NEXT; \
    } \
    RUN(name##_m_##n) \
    { \
        struct hit h; \
        u64 a; \
        if (!op_modify(c, op, n, &h, &a)) \
            GIVE_UP; \
        op_modified(c, op, n, &h, expression); \
        NEXT; \
    }

#define SIZE(n) \
    FORMS(add, n) \
    FORMS(or, n) \
    FORMS(adc, n) \
    FORMS(sbb, n) \
    FORMS(and, n) \
    FORMS(sub, n) \
    FORMS(xor, n) \
    COMPARISONS(cmp, sub, n) \
    COMPARISONS(test, and, n) \
    ONE_OPERAND(inc, increased(c, a, n), n) \
    ONE_OPERAND(dec, decreased(c, a, n), n) \
    ONE_OPERAND(neg, sub_borrow(c, 0, a, 0, n), n) \
    ONE_OPERAND(not, ~a, n)

SIZE(1)
SIZE(2)
SIZE(4)
SIZE(8)
