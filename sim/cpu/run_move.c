/* run_move.c - moves in blocks, and what has only register operands: shifts, products, conditions. */
#include "cpu/run.h"

/* ---- MOV, MOVZX, MOVSX, LEA ---- */

#define MOVES(n) \
    RUN(mov_rr_##n) \
    { \
        gpr_put(c, op->dst, n, c->s.gpr[op->src]); \
        NEXT; \
    } \
    RUN(mov_ri_##n) \
    { \
        gpr_put(c, op->dst, n, op->imm); \
        NEXT; \
    } \
    RUN(mov_rm_##n) \
    { \
        u64 value; \
        if (unlikely(!op_load(c, op, op_address(c, op), n, &value))) \
            return run_missing_load(c, op); \
        gpr_put(c, op->dst, n, value); \
        NEXT; \
    } \
    RUN(mov_mr_##n) \
    { \
        if (!op_store(c, op, op_address(c, op), n, c->s.gpr[op->src])) \
            GIVE_UP; \
        NEXT; \
    } \
    RUN(mov_mi_##n) \
    { \
        if (!op_store(c, op, op_address(c, op), n, op->imm)) \
            GIVE_UP; \
        NEXT; \
    } \
    RUN(lea_r_##n) \
    { \
        gpr_put(c, op->dst, n, op_address(c, op)); \
        NEXT; \
    }

/* To n bytes from fewer. */
#define EXTENSION(name, extended, from, n) \
    RUN(name##_rr_##n) \
    { \
        gpr_put(c, op->dst, n, extended(c->s.gpr[op->src], from)); \
        NEXT; \
    } \
    RUN(name##_rm_##n) \
    { \
        u64 value; \
        if (unlikely(!op_load(c, op, op_address(c, op), from, &value))) \
            return run_missing_load(c, op); \
        gpr_put(c, op->dst, n, extended(value, from)); \
        NEXT; \
    }

#define EXTENSIONS(n) \
    EXTENSION(movzx_b, narrowed, 1, n) \
    EXTENSION(movzx_w, narrowed, 2, n) \
    EXTENSION(movsx_b, widened, 1, n) \
    EXTENSION(movsx_w, widened, 2, n)

MOVES(1)
MOVES(2)
MOVES(4)
MOVES(8)
EXTENSIONS(2)
EXTENSIONS(4)
EXTENSIONS(8)
EXTENSION(movsxd, widened, 4, 4)
EXTENSION(movsxd, widened, 4, 8)

/* ---- shifts and rotates by a constant that is not 0 ---- */

/* As exec_shift.c has it: OF by the rule for 1, AF clear. */
static inline u64 shifted(struct core *c, u64 result, unsigned n, u64 cf, u64 of)
{
    set_flags(c, widened(result, n), 0);
    set_cf_of(c, cf & 1, of & 1);
    return result;
}

static inline u64 shl_bits(u64 a, unsigned count, unsigned n)
{
    (void)n;
    return a << count;
}

static inline u64 shr_bits(u64 a, unsigned count, unsigned n)
{
    return narrowed(a, n) >> count;
}

static inline u64 sar_bits(u64 a, unsigned count, unsigned n)
{
    u64 s = widened(a, n), fill = s >> 63 ? ~(UINT64_MAX >> count) : 0;
    return s >> count | fill;
}

static inline u64 shl(struct core *c, u64 a, unsigned count, unsigned n)
{
    u64 r = shl_bits(a, count, n), cf = count <= N_BITS(n) ? a >> (N_BITS(n) - count) : 0;
    return shifted(c, r, n, cf, r >> (N_BITS(n) - 1) ^ cf);
}

static inline u64 shr(struct core *c, u64 a, unsigned count, unsigned n)
{
    u64 r = shr_bits(a, count, n);
    return shifted(c, r, n, narrowed(a, n) >> (count - 1), r >> (N_BITS(n) - 1) ^ r >> (N_BITS(n) - 2));
}

static inline u64 sar(struct core *c, u64 a, unsigned count, unsigned n)
{
    return shifted(c, sar_bits(a, count, n), n, widened(a, n) >> (count - 1), 0);
}

static inline u64 rol(struct core *c, u64 a, unsigned count, unsigned n)
{
    unsigned k = count % N_BITS(n);
    u64 x = narrowed(a, n), r = k ? x << k | x >> (N_BITS(n) - k) : x;
    set_cf_of(c, r & 1, (r >> (N_BITS(n) - 1) ^ r) & 1);
    return r;
}

static inline u64 ror(struct core *c, u64 a, unsigned count, unsigned n)
{
    unsigned k = count % N_BITS(n);
    u64 x = narrowed(a, n), r = k ? x >> k | x << (N_BITS(n) - k) : x;
    u64 top = r >> (N_BITS(n) - 1) & 1;
    set_cf_of(c, top, top ^ (r >> (N_BITS(n) - 2) & 1));
    return r;
}

#define SHIFT(name, n) \
    RUN(name##_ri_##n) \
    { \
        gpr_put(c, op->dst, n, name(c, c->s.gpr[op->dst], (unsigned)op->imm &(n == 8 ? 63 : 31), n)); \
        NEXT; \
    }

/* When nobody will see the flags. */
#define QUIET_SHIFT(name, n) \
    RUN(quiet_##name##_ri_##n) \
    { \
        gpr_put(c, op->dst, n, name##_bits(c->s.gpr[op->dst], (unsigned)op->imm &(n == 8 ? 63 : 31), n)); \
        NEXT; \
    }

#define SHIFTS(n) \
    QUIET_SHIFT(shl, n) \
    QUIET_SHIFT(shr, n) \
    QUIET_SHIFT(sar, n) \
    SHIFT(shl, n) \
    SHIFT(shr, n) \
    SHIFT(sar, n) \
    SHIFT(rol, n) \
    SHIFT(ror, n)

SHIFTS(1)
SHIFTS(2)
SHIFTS(4)
SHIFTS(8)

/* ---- IMUL of 4 bytes: the product fits ---- */

static inline u64 product_4(struct core *c, u64 a, u64 b)
{
    u64 p = widened(a, 4) * widened(b, 4), over = p != widened(p, 4);
    set_flags(c, widened(p, 4), 0);
    set_cf_of(c, over, over);
    return p;
}

RUN(imul_rr_4)
{
    gpr_put(c, op->dst, 4, product_4(c, c->s.gpr[op->dst], c->s.gpr[op->src]));
    NEXT;
}

RUN(imul_ri_4)
{
    gpr_put(c, op->dst, 4, product_4(c, c->s.gpr[op->src], op->imm));
    NEXT;
}

RUN(quiet_imul_rr_4)
{
    gpr_put(c, op->dst, 4, c->s.gpr[op->dst] * c->s.gpr[op->src]);
    NEXT;
}

RUN(quiet_imul_ri_4)
{
    gpr_put(c, op->dst, 4, c->s.gpr[op->src] * op->imm);
    NEXT;
}

/* ---- conditions ---- */

#define CC(cc, n) \
    RUN(set##cc##_r_1) \
    { \
        gpr_put(c, op->dst, 1, lazy_condition(c, n)); \
        NEXT; \
    } \
    RUN(cmov##cc##_rr_4) \
    { \
        gpr_put(c, op->dst, 4, c->s.gpr[lazy_condition(c, n) ? op->src : op->dst]); \
        NEXT; \
    } \
    RUN(cmov##cc##_rr_8) \
    { \
        gpr_put(c, op->dst, 8, c->s.gpr[lazy_condition(c, n) ? op->src : op->dst]); \
        NEXT; \
    }
#include "cpu/conditions.def"

/* ---- by the general handler: registers alone, no fault ---- */

RUN(general)
{
    op->in->execute(c, op->in);
    NEXT;
}

/* One that reads or writes flags. */
RUN(general_flags)
{
    flags_give(c);
    op->in->execute(c, op->in);
    c->rt.run.flags_kept = !flags_take(c);
    if (likely(!c->rt.run.flags_kept))
        NEXT;
    c->rt.run.limit = 0; /* no block follows */
    return op[1].exits ? op[1].run(c, op + 1) : op + 1;
}

RUN(nop)
{
    NEXT;
}
