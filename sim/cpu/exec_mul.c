/* exec_mul.c - multiplication and division (SDM vol. 2, "MUL", "IMUL", "DIV", "IDIV"), and the sign
 * extensions of RAX.
 *
 * SF, ZF, AF and PF of a product, which the manual leaves undefined, are those of its low half; DIV and IDIV
 * leave all flags. */
#include "cpu/exec.h"
#include "cpu/wide.h"

/* ---- 128 bits ---- */

static struct wide negated(struct wide a)
{
    return (struct wide){-a.low, ~a.high + (a.low == 0)};
}

static struct wide signed_product(u64 a, u64 b)
{
    struct wide p = wide_product(a, b);
    p.high -= (a >> 63 ? b : 0) + (b >> 63 ? a : 0);
    return p;
}

/* Quotient and remainder; a.high < d. */
static u64 quotient(struct wide a, u64 d, u64 *remainder)
{
    if (a.high == 0) {
        *remainder = a.low % d;
        return a.low / d;
    }
    u64 q = 0, r = a.high;
    for (unsigned bit = 64; bit-- > 0;) {
        u64 carry = r >> 63;
        r = r << 1 | (a.low >> bit & 1);
        if (carry || r >= d) {
            r -= d;
            q |= (u64)1 << bit;
        }
    }
    *remainder = r;
    return q;
}

/* ---- the pair of accumulators: AH:AL, DX:AX, EDX:EAX, RDX:RAX ---- */

static void pair_write(struct core *c, const struct insn *in, u64 low, u64 high)
{
    unsigned n = in->op_bytes;
    if (n == 1) {
        reg_write(c, in, REG_RAX, 2, (low & 0xff) | high << 8);
        return;
    }
    reg_write(c, in, REG_RAX, n, low);
    reg_write(c, in, REG_RDX, n, high);
}

/* Sign-extended to 128 bits if `is_signed`. */
static struct wide pair_read(const struct core *c, unsigned n, bool is_signed)
{
    u64 a = c->s.gpr[REG_RAX], d = c->s.gpr[REG_RDX];
    if (n == 8)
        return (struct wide){a, d};
    u64 low = n == 1 ? a & 0xffff : truncated(a, n) | truncated(d, n) << 8 * n;
    if (is_signed)
        low = sign_extended(low, 2 * n);
    return (struct wide){low, is_signed && low >> 63 ? UINT64_MAX : 0};
}

/* ---- multiplication ---- */

static void flags_product(struct core *c, u64 low, unsigned n, bool overflow)
{
    flags_put(c, FLAGS_STATUS, flags_szp(low, n) | (overflow ? FLAG_CF | FLAG_OF : 0));
}

/* The half of a product above its low n bytes. */
static u64 upper(struct wide p, unsigned n)
{
    return n == 8 ? p.high : truncated(p.low >> 8 * n, n);
}

static bool overflows_signed(struct wide p, unsigned n)
{
    u64 kept = sign_extended(p.low, n);
    return p.low != kept || p.high != (kept >> 63 ? UINT64_MAX : 0);
}

void exec_mul_E(struct core *c, const struct insn *in)
{
    unsigned n = in->op_bytes;
    u64 b = e_read(c, in);
    struct wide p = wide_product(a_read(c, in), b);
    u64 high = upper(p, n);
    flags_product(c, p.low, n, high != 0);
    pair_write(c, in, p.low, high);
}

void exec_imul_E(struct core *c, const struct insn *in)
{
    unsigned n = in->op_bytes;
    u64 b = sign_extended(e_read(c, in), n);
    struct wide p = signed_product(sign_extended(a_read(c, in), n), b);
    flags_product(c, p.low, n, overflows_signed(p, n));
    pair_write(c, in, p.low, upper(p, n));
}

static void imul_to_g(struct core *c, const struct insn *in, u64 a, u64 b)
{
    unsigned n = in->op_bytes;
    struct wide p = signed_product(sign_extended(a, n), sign_extended(b, n));
    flags_product(c, p.low, n, overflows_signed(p, n));
    g_write(c, in, p.low);
}

void exec_imul_G_E(struct core *c, const struct insn *in)
{
    u64 b = e_read(c, in);
    imul_to_g(c, in, g_read(c, in), b);
}

void exec_imul_G_E_I(struct core *c, const struct insn *in)
{
    imul_to_g(c, in, e_read(c, in), in->imm);
}

/* ---- division ---- */

void exec_div_E(struct core *c, const struct insn *in)
{
    unsigned n = in->op_bytes;
    u64 d = e_read(c, in), r;
    struct wide a = pair_read(c, n, false);
    if (d == 0 || a.high >= d)
        cpu_fault(c, VEC_DE, 0);
    u64 q = quotient(a, d, &r);
    if (q != truncated(q, n))
        cpu_fault(c, VEC_DE, 0);
    pair_write(c, in, q, r);
}

/* By magnitudes: the remainder has the dividend's sign. */
void exec_idiv_E(struct core *c, const struct insn *in)
{
    unsigned n = in->op_bytes;
    u64 d = sign_extended(e_read(c, in), n), r;
    struct wide a = pair_read(c, n, true);
    bool minus = a.high >> 63, d_minus = d >> 63;
    if (minus)
        a = negated(a);
    if (d_minus)
        d = -d;
    if (d == 0 || a.high >= d)
        cpu_fault(c, VEC_DE, 0);
    u64 q = quotient(a, d, &r);
    u64 limit = sign_bit(n) - (minus == d_minus); /* -2^(8n-1) .. 2^(8n-1) - 1 */
    if (q > limit)
        cpu_fault(c, VEC_DE, 0);
    pair_write(c, in, minus != d_minus ? -q : q, minus ? -r : r);
}

/* ---- sign extensions ---- */

/* CBW, CWDE, CDQE: from half the operand size. */
void exec_cbw(struct core *c, const struct insn *in)
{
    a_write(c, in, sign_extended(c->s.gpr[REG_RAX], in->op_bytes / 2u));
}

/* CWD, CDQ, CQO. */
void exec_cwd(struct core *c, const struct insn *in)
{
    bool minus = c->s.gpr[REG_RAX] & sign_bit(in->op_bytes);
    reg_write(c, in, REG_RDX, in->op_bytes, minus ? UINT64_MAX : 0);
}
