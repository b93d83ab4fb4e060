/* exec_shift.c - shifts and rotates (SDM vol. 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD").
 *
 * OF, which is defined for counts of 1 alone, follows the rule for 1 at every count; AF becomes 0.  16-bit
 * SHLD and SHRD by more than 16 shift destination, source and destination again, as processors do. */
#include "cpu/exec.h"

static unsigned masked(u64 count, unsigned n)
{
    return (unsigned)count & (n == 8 ? 63 : 31);
}

static u64 bit(u64 value, unsigned i)
{
    return value >> i & 1;
}

static void put_shifted(struct core *c, u64 result, unsigned n, u64 cf, u64 of)
{
    flags_put(c, FLAGS_STATUS, flags_szp(result, n) | cf | of << 11);
}

static void put_rotated(struct core *c, u64 cf, u64 of)
{
    flags_put(c, FLAG_CF | FLAG_OF, cf | of << 11);
}

/* The two top bits differ: OF of everything that shifts to the right. */
static u64 top_bits_differ(u64 value, unsigned n)
{
    return bit(value, 8 * n - 1) ^ bit(value, 8 * n - 2);
}

/* ---- a by a count that is masked and not 0 ---- */

static u64 op_shl(struct core *c, u64 a, unsigned count, unsigned n)
{
    u64 r = a << count;
    u64 cf = count <= 8 * n ? bit(a, 8 * n - count) : 0;
    put_shifted(c, r, n, cf, bit(r, 8 * n - 1) ^ cf);
    return r;
}

static u64 op_shr(struct core *c, u64 a, unsigned count, unsigned n)
{
    u64 r = a >> count;
    put_shifted(c, r, n, bit(a, count - 1), top_bits_differ(r, n));
    return r;
}

static u64 op_sar(struct core *c, u64 a, unsigned count, unsigned n)
{
    u64 s = sign_extended(a, n);
    u64 fill = s >> 63 ? ~(UINT64_MAX >> count) : 0;
    u64 r = s >> count | fill;
    put_shifted(c, r, n, bit(s, count - 1), 0);
    return r;
}

static u64 op_rol(struct core *c, u64 a, unsigned count, unsigned n)
{
    unsigned k = count % (8 * n);
    u64 r = k ? a << k | a >> (8 * n - k) : a;
    put_rotated(c, bit(r, 0), bit(r, 8 * n - 1) ^ bit(r, 0));
    return r;
}

static u64 op_ror(struct core *c, u64 a, unsigned count, unsigned n)
{
    unsigned k = count % (8 * n);
    u64 r = k ? a >> k | a << (8 * n - k) : a;
    put_rotated(c, bit(r, 8 * n - 1), top_bits_differ(r, n));
    return r;
}

static u64 op_rcl(struct core *c, u64 a, unsigned count, unsigned n)
{
    u64 cf = c->s.rflags & FLAG_CF;
    unsigned k = count % (8 * n + 1);
    if (k == 0)
        return a;
    for (; k; k--) {
        u64 out = bit(a, 8 * n - 1);
        a = a << 1 | cf;
        cf = out;
    }
    put_rotated(c, cf, bit(a, 8 * n - 1) ^ cf);
    return a;
}

static u64 op_rcr(struct core *c, u64 a, unsigned count, unsigned n)
{
    u64 cf = c->s.rflags & FLAG_CF;
    unsigned k = count % (8 * n + 1);
    if (k == 0)
        return a;
    for (; k; k--) {
        u64 out = bit(a, 0);
        a = a >> 1 | cf << (8 * n - 1);
        cf = out;
    }
    put_rotated(c, cf, top_bits_differ(a, n));
    return a;
}

/* ---- handlers: a count of 0 changes no flag, and still writes ---- */

#define SHIFT(op) \
    static void op(struct core *c, const struct insn *in, u64 by) \
    { \
        struct latch l; \
        unsigned count = masked(by, in->op_bytes); \
        u64 a = e_modify(c, in, &l); \
        u64 r = count ? op_##op(c, a, count, in->op_bytes) : a; \
        e_commit(c, in, &l, r); \
    } \
    void exec_##op##_E_I(struct core *c, const struct insn *in) \
    { \
        op(c, in, in->imm); \
    } \
    void exec_##op##_E_C(struct core *c, const struct insn *in) \
    { \
        op(c, in, c->s.gpr[REG_RCX]); \
    }

SHIFT(rol)
SHIFT(ror)
SHIFT(rcl)
SHIFT(rcr)
SHIFT(shl)
SHIFT(shr)
SHIFT(sar)

/* ---- double shifts ---- */

static u64 op_shld(struct core *c, u64 a, u64 b, unsigned count, unsigned n)
{
    u64 r, cf;
    if (n == 2) {
        u64 all = a << 32 | b << 16 | a;
        r = truncated(all << count >> 32, 2);
        cf = bit(all, 48 - count);
    } else {
        r = a << count | b >> (8 * n - count);
        cf = bit(a, 8 * n - count);
    }
    put_shifted(c, r, n, cf, bit(r, 8 * n - 1) ^ cf);
    return r;
}

static u64 op_shrd(struct core *c, u64 a, u64 b, unsigned count, unsigned n)
{
    u64 all = a << 32 | b << 16 | a;
    u64 r = n == 2 ? truncated(all >> count, 2) : truncated(a >> count | b << (8 * n - count), n);
    u64 cf = bit(n == 2 ? all : a, count - 1);
    put_shifted(c, r, n, cf, top_bits_differ(r, n));
    return r;
}

#define DOUBLE_SHIFT(op) \
    static void op(struct core *c, const struct insn *in, u64 by) \
    { \
        struct latch l; \
        unsigned count = masked(by, in->op_bytes); \
        u64 a = e_modify(c, in, &l); \
        u64 r = count ? op_##op(c, a, g_read(c, in), count, in->op_bytes) : a; \
        e_commit(c, in, &l, r); \
    } \
    void exec_##op##_E_G_I(struct core *c, const struct insn *in) \
    { \
        op(c, in, in->imm); \
    } \
    void exec_##op##_E_G_C(struct core *c, const struct insn *in) \
    { \
        op(c, in, c->s.gpr[REG_RCX]); \
    }

DOUBLE_SHIFT(shld)
DOUBLE_SHIFT(shrd)
