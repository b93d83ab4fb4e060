/* flags.h - status flags of results (SDM vol. 1, 3.4.3.1 "Status Flags").
 *
 * Where the manual leaves a flag undefined, it is what is said here; AF is then 0.  All functions work on
 * operands of n bytes and keep the other flags. */
#ifndef RINGSIDE_FLAGS_H
#define RINGSIDE_FLAGS_H

#include "arch/x86.h"
#include "machine.h"

static inline void flags_put(struct core *c, u64 mask, u64 value)
{
    c->s.rflags = (c->s.rflags & ~mask) | value;
}

static inline bool flag(const struct core *c, u64 mask)
{
    return (c->s.rflags & mask) != 0;
}

static inline u64 sign_bit(unsigned n)
{
    return (u64)1 << (8 * n - 1);
}

/* SF, ZF and PF of a result, of which only n bytes count. */
static inline u64 flags_szp(u64 result, unsigned n)
{
    unsigned sign = 8 * n - 1;
    u64 half = (result ^ result >> 4) & 0xf;
    u64 even = 0x9669u >> half & 1; /* bit i: i has an even number of ones */
    return (result >> sign & 1) << 7 | (u64)(result << (63 - sign) == 0) << 6 | even << 2;
}

/* OF, CF from bits 8 n - 1 and 8 n - 2 of the carries out of each bit; AF from bit 3. */
static inline u64 flags_carries(u64 carries, unsigned n)
{
    unsigned sign = 8 * n - 1;
    u64 out = carries >> sign & 1;
    u64 in = carries >> (sign - 1) & 1;
    return out | (out ^ in) << 11 | (carries >> 3 & 1) << 4;
}

static inline void flags_logic(struct core *c, u64 result, unsigned n)
{
    flags_put(c, FLAGS_STATUS, flags_szp(result, n));
}

/* All six, of result = a + b + carry. */
static inline void flags_add(struct core *c, u64 a, u64 b, u64 result, unsigned n)
{
    u64 carries = (a & b) | ((a | b) & ~result);
    flags_put(c, FLAGS_STATUS, flags_szp(result, n) | flags_carries(carries, n));
}

/* All six, of result = a - b - borrow. */
static inline void flags_sub(struct core *c, u64 a, u64 b, u64 result, unsigned n)
{
    u64 borrows = (~a & b) | ((~a | b) & result);
    flags_put(c, FLAGS_STATUS, flags_szp(result, n) | flags_carries(borrows, n));
}

/* The sixteen conditions (SDM vol. 2, appendix B.1.4.7 "Condition Test (tttn) Field"): pairs, the odd one the
 * negation.  From 12 on SF against OF counts as well. */
static inline bool condition(const struct core *c, unsigned n)
{
    static const u16 any_of[8] = {FLAG_OF, FLAG_CF, FLAG_ZF, FLAG_CF | FLAG_ZF, FLAG_SF, FLAG_PF, 0, FLAG_ZF};
    u64 f = c->s.rflags;
    bool less = n >= 12 && ((f >> 7 ^ f >> 11) & 1);
    bool holds = less || f & any_of[n >> 1];
    return holds != (n & 1);
}

#endif
