/* exec_bit.c - bits (SDM vol. 1, 7.3.6 "Shift and Rotate", 7.3.7 "Bit and Byte Instructions").
 *
 * BT and its kin change CF alone, BSF and BSR ZF alone; a BSF or BSR of 0 leaves its destination.  There is
 * no TZCNT, which comes with the rest of BMI1: F3 BSF is BSF. */
#include "cpu/exec.h"

/* ---- bit tests ---- */

/* A bit offset in a register reaches beyond the operand: by whole operands, both ways (SDM vol. 2, 3.1.1.9
 * "Operation Section", "Bit(BitBase, BitOffset)"). */
static u64 bit_address(const struct core *c, const struct insn *in, u64 offset)
{
    u64 bits = 8u * in->op_bytes;
    u64 whole = sign_extended(offset, in->op_bytes) - offset % bits; /* a multiple of bits, with its sign */
    u64 bytes = whole >> 3 | (whole >> 63 ? (u64)7 << 61 : 0);
    return addr_truncated(in, ea_offset(c, in) + bytes) + seg_base(c, in);
}

static u64 bit_gva(const struct core *c, const struct insn *in, u64 offset, bool reaches)
{
    return reaches ? bit_address(c, in, offset) : ea(c, in);
}

static void put_cf(struct core *c, u64 value)
{
    flags_put(c, FLAG_CF, value & 1);
}

static void bit_test(struct core *c, const struct insn *in, u64 offset, bool reaches)
{
    unsigned i = offset % (8u * in->op_bytes);
    u64 a = is_memory(in) ? mem_load(c, in, bit_gva(c, in, offset, reaches), in->op_bytes) : e_read(c, in);
    put_cf(c, a >> i);
}

static u64 bit_set(u64 a, u64 one)
{
    return a | one;
}

static u64 bit_reset(u64 a, u64 one)
{
    return a & ~one;
}

static u64 bit_complement(u64 a, u64 one)
{
    return a ^ one;
}

static void bit_change(struct core *c, const struct insn *in, u64 offset, bool reaches,
                       u64 (*change)(u64, u64))
{
    struct latch l;
    unsigned i = offset % (8u * in->op_bytes);
    u64 a;
    if (is_memory(in))
        a = mem_load_for_write(c, in, bit_gva(c, in, offset, reaches), in->op_bytes, &l);
    else
        a = e_read(c, in);
    e_commit(c, in, &l, change(a, (u64)1 << i));
    put_cf(c, a >> i);
}

void exec_bt_E_G(struct core *c, const struct insn *in)
{
    bit_test(c, in, g_read(c, in), true);
}

void exec_bt_E_I(struct core *c, const struct insn *in)
{
    bit_test(c, in, in->imm, false);
}

void exec_bts_E_G(struct core *c, const struct insn *in)
{
    bit_change(c, in, g_read(c, in), true, bit_set);
}

void exec_bts_E_I(struct core *c, const struct insn *in)
{
    bit_change(c, in, in->imm, false, bit_set);
}

void exec_btr_E_G(struct core *c, const struct insn *in)
{
    bit_change(c, in, g_read(c, in), true, bit_reset);
}

void exec_btr_E_I(struct core *c, const struct insn *in)
{
    bit_change(c, in, in->imm, false, bit_reset);
}

void exec_btc_E_G(struct core *c, const struct insn *in)
{
    bit_change(c, in, g_read(c, in), true, bit_complement);
}

void exec_btc_E_I(struct core *c, const struct insn *in)
{
    bit_change(c, in, in->imm, false, bit_complement);
}

/* ---- scans ---- */

/* Number of the highest 1 of a value that is not 0. */
static unsigned highest(u64 value)
{
    unsigned i = 0;
    for (unsigned half = 32; half; half /= 2)
        if (value >> half) {
            value >>= half;
            i += half;
        }
    return i;
}

void exec_bsf(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    if (a)
        g_write(c, in, highest(a & -a));
    flags_put(c, FLAG_ZF, a ? 0 : FLAG_ZF);
}

void exec_bsr(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    if (a)
        g_write(c, in, highest(a));
    flags_put(c, FLAG_ZF, a ? 0 : FLAG_ZF);
}

/* The whole operand for 0.  OF, SF, AF and PF, which are undefined, stay. */
void exec_lzcnt(struct core *c, const struct insn *in)
{
    unsigned bits = 8u * in->op_bytes;
    u64 a = e_read(c, in);
    u64 r = a ? bits - 1 - highest(a) : bits;
    g_write(c, in, r);
    flags_put(c, FLAG_CF | FLAG_ZF, (a ? 0 : FLAG_CF) | (r ? 0 : FLAG_ZF));
}

void exec_popcnt(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in), ones = 0;
    for (u64 left = a; left; left &= left - 1)
        ones++;
    g_write(c, in, ones);
    flags_put(c, FLAGS_STATUS, a ? 0 : FLAG_ZF);
}

/* ---- bytes ---- */

static u64 swapped(u64 a, unsigned n)
{
    u64 r = 0;
    for (unsigned i = 0; i < n; i++)
        r = r << 8 | (a >> 8 * i & 0xff);
    return r;
}

/* Of 16 bits: undefined, and 0 on processors. */
void exec_bswap(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    reg_write(c, in, in->rm, in->op_bytes, in->op_bytes == 2 ? 0 : swapped(a, in->op_bytes));
}

void exec_movbe_G_M(struct core *c, const struct insn *in)
{
    g_write(c, in, swapped(e_read(c, in), in->op_bytes));
}

void exec_movbe_M_G(struct core *c, const struct insn *in)
{
    struct latch l;
    e_prepare(c, in, &l);
    e_commit(c, in, &l, swapped(g_read(c, in), in->op_bytes));
}
