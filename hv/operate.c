#include "operate.h"

#include "arch/x86.h"

static uint64_t top_bit(unsigned n)
{
    return UINT64_C(1) << (8 * n - 1);
}

static void set(uint64_t *rflags, uint64_t which, uint64_t value)
{
    *rflags = (*rflags & ~which) | (value & which);
}

/* SF, ZF and PF, which looks at 8 bits alone. */
static uint64_t flags_of(uint64_t result, unsigned n)
{
    uint64_t value = result & (top_bit(n) | (top_bit(n) - 1));

    return (value ? 0 : FLAG_ZF) | (value & top_bit(n) ? FLAG_SF : 0) |
           (__builtin_parity((unsigned)(value & 0xff)) ? 0 : FLAG_PF);
}

/* CF, OF and AF, of the carries (or borrows) out of each bit. */
static uint64_t flags_of_carries(uint64_t carries, unsigned n)
{
    unsigned out = carries & top_bit(n) ? 1 : 0, into = carries & top_bit(n) >> 1 ? 1 : 0;

    return (out ? FLAG_CF : 0) | (out != into ? FLAG_OF : 0) | (carries & 8 ? FLAG_AF : 0);
}

static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, unsigned n, uint64_t *rflags)
{
    uint64_t r = a + b + carry;

    set(rflags, FLAGS_STATUS, flags_of(r, n) | flags_of_carries((a & b) | ((a | b) & ~r), n));
    return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, uint64_t borrow, unsigned n, uint64_t *rflags)
{
    uint64_t r = a - b - borrow;

    set(rflags, FLAGS_STATUS, flags_of(r, n) | flags_of_carries((~a & b) | ((~a | b) & r), n));
    return r;
}

static uint64_t logic(uint64_t r, unsigned n, uint64_t *rflags)
{
    set(rflags, FLAGS_STATUS, flags_of(r, n));
    return r;
}

/* INC and DEC leave CF. */
static uint64_t step(enum operation op, uint64_t a, unsigned n, uint64_t *rflags)
{
    uint64_t cf = *rflags, r = op == OPERATION_INC ? add(a, 1, 0, n, rflags) : subtract(a, 1, 0, n, rflags);

    set(rflags, FLAG_CF, cf);
    return r;
}

/* CF alone changes. */
static uint64_t bit(enum operation op, uint64_t a, uint64_t b, unsigned n, uint64_t *rflags)
{
    uint64_t one = UINT64_C(1) << b % (8 * n);

    set(rflags, FLAG_CF, a & one ? FLAG_CF : 0);
    return op == OPERATION_BTS ? a | one : op == OPERATION_BTR ? a & ~one : op == OPERATION_BTC ? a ^ one : a;
}

uint64_t operate(enum operation op, uint64_t a, uint64_t b, unsigned n, uint64_t *rflags)
{
    uint64_t cf = *rflags & FLAG_CF;

    /* clang-format off */
    switch (op) {
    case OPERATION_ADD: return add(a, b, 0, n, rflags);
    case OPERATION_ADC: return add(a, b, cf, n, rflags);
    case OPERATION_CMP:
    case OPERATION_SUB: return subtract(a, b, 0, n, rflags);
    case OPERATION_SBB: return subtract(a, b, cf, n, rflags);
    case OPERATION_NEG: return subtract(0, a, 0, n, rflags);
    case OPERATION_OR: return logic(a | b, n, rflags);
    case OPERATION_XOR: return logic(a ^ b, n, rflags);
    case OPERATION_TEST:
    case OPERATION_AND: return logic(a & b, n, rflags);
    case OPERATION_INC:
    case OPERATION_DEC: return step(op, a, n, rflags);
    case OPERATION_NOT: return ~a;
    case OPERATION_BT:
    case OPERATION_BTS:
    case OPERATION_BTR:
    case OPERATION_BTC: return bit(op, a, b, n, rflags);
    default: return b;
    }
    /* clang-format on */
}
