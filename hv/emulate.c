#include "emulate.h"

#include "arch/x86.h"
#include "guests/lib/string.h"
#include "mmio.h"
#include "operate.h"

/* ---- what is known ---- */

/* Forms that may have an operand in memory.  source: the bytes of the second, where the operand size is not
 * meant. */
static const struct known {
    uint8_t operation;
    uint8_t source;
} known[ISA_ROWS] = {
#define BOTH(name, OPERATION) [ROW_##name##_Eb_Gb] = {OPERATION, 0}, [ROW_##name##_Ev_Gv] = {OPERATION, 0}
#define ALU(name, OPERATION) \
    BOTH(name, OPERATION), [ROW_##name##_Gb_Eb] = {OPERATION, 0}, [ROW_##name##_Gv_Ev] = {OPERATION, 0}, \
                           [ROW_##name##_Eb_Ib] = {OPERATION, 0}, [ROW_##name##_Ev_Iz] = {OPERATION, 0}, \
                           [ROW_##name##_Ev_Ib] = {OPERATION, 0}
#define ONE(name, OPERATION)  [ROW_##name##_Eb] = {OPERATION, 0}, [ROW_##name##_Ev] = {OPERATION, 0}
#define BIT(name, OPERATION)  [ROW_##name##_Ev_Gv] = {OPERATION, 0}, [ROW_##name##_Ev_Ib] = {OPERATION, 0}
#define TEXT(name, OPERATION) [ROW_##name##_b] = {OPERATION, 0}, [ROW_##name##_v] = {OPERATION, 0}
    ALU(add, OPERATION_ADD),
    ALU(or, OPERATION_OR),
    ALU(adc, OPERATION_ADC),
    ALU(sbb, OPERATION_SBB),
    ALU(and, OPERATION_AND),
    ALU(sub, OPERATION_SUB),
    ALU(xor, OPERATION_XOR),
    ALU(cmp, OPERATION_CMP),
    BOTH(test, OPERATION_TEST),
    BOTH(mov, OPERATION_MOVE),
    [ROW_test_Eb_I] = {OPERATION_TEST, 0},
    [ROW_test_Eb_I_1] = {OPERATION_TEST, 0},
    [ROW_test_Ev_I] = {OPERATION_TEST, 0},
    [ROW_test_Ev_I_1] = {OPERATION_TEST, 0},
    [ROW_mov_Gb_Eb] = {OPERATION_MOVE, 0},
    [ROW_mov_Gv_Ev] = {OPERATION_MOVE, 0},
    [ROW_mov_Eb_Ib] = {OPERATION_MOVE, 0},
    [ROW_mov_Ev_Iz] = {OPERATION_MOVE, 0},
    [ROW_mov_AL_Ob] = {OPERATION_MOVE, 0},
    [ROW_mov_eAX_Ov] = {OPERATION_MOVE, 0},
    [ROW_mov_Ob_AL] = {OPERATION_MOVE, 0},
    [ROW_mov_Ov_eAX] = {OPERATION_MOVE, 0},
    [ROW_movzx_Gv_Eb] = {OPERATION_MOVE, 1},
    [ROW_movzx_Gv_Ew] = {OPERATION_MOVE, 2},
    [ROW_movsx_Gv_Eb] = {OPERATION_MOVE_SIGNED, 1},
    [ROW_movsx_Gv_Ew] = {OPERATION_MOVE_SIGNED, 2},
    [ROW_movsxd] = {OPERATION_MOVE_SIGNED, 4},
    [ROW_xchg_Mb_Gb] = {OPERATION_EXCHANGE, 0},
    [ROW_xchg_Mv_Gv] = {OPERATION_EXCHANGE, 0},
    ONE(inc, OPERATION_INC),
    ONE(dec, OPERATION_DEC),
    ONE(neg, OPERATION_NEG),
    ONE(not, OPERATION_NOT),
    BIT(bt, OPERATION_BT),
    BIT(bts, OPERATION_BTS),
    BIT(btr, OPERATION_BTR),
    BIT(btc, OPERATION_BTC),
    TEXT(movs, OPERATION_MOVE),
    TEXT(stos, OPERATION_MOVE),
    TEXT(lods, OPERATION_MOVE),
    TEXT(cmps, OPERATION_CMP),
    TEXT(scas, OPERATION_CMP),
};

static bool is_bit(enum operation op)
{
    return op >= OPERATION_BT;
}

static bool reads_destination(enum operation op)
{
    return op >= OPERATION_EXCHANGE;
}

static bool writes_destination(enum operation op)
{
    return op != OPERATION_CMP && op != OPERATION_TEST && op != OPERATION_BT;
}

/* ---- registers ---- */

static uint64_t low_bytes(uint64_t value, unsigned n)
{
    return n == 8 ? value : value & ((UINT64_C(1) << 8 * n) - 1);
}

static uint64_t extend(uint64_t value, unsigned n)
{
    unsigned unused = 64 - 8 * n;

    return (uint64_t)((int64_t)(value << unused) >> unused);
}

/* AH, CH, DH, BH: numbers 4 to 7 of a byte without REX (SDM vol. 2, table 3-1). */
static bool is_high_byte(const struct instruction *in, unsigned reg, unsigned n)
{
    return n == 1 && !in->rex && reg >= 4 && reg < 8;
}

static uint64_t register_read(const struct emulation *e, unsigned reg, unsigned n)
{
    if (is_high_byte(&e->in, reg, n))
        return e->gpr[reg - 4] >> 8 & 0xff;
    return low_bytes(e->gpr[reg], n);
}

/* 32 bits clear the upper half; fewer leave the rest (SDM vol. 1, 3.4.1.1). */
static void register_write(struct emulation *e, unsigned reg, unsigned n, uint64_t value)
{
    uint64_t *r = &e->gpr[reg];

    if (is_high_byte(&e->in, reg, n))
        e->gpr[reg - 4] = (e->gpr[reg - 4] & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
    else
        *r = n >= 4 ? low_bytes(value, n) : (*r & ~low_bytes(~UINT64_C(0), n)) | low_bytes(value, n);
}

/* ---- memory ---- */

static uint64_t part_read(const struct access_part *p)
{
    uint64_t value = 0;

    if (!p->ram)
        return low_bytes(p->range->model->read(p->range->of, p->offset, p->bytes), p->bytes);
    memcpy(&value, p->ram, p->bytes);
    return value;
}

static void part_write(const struct access_part *p, uint64_t value)
{
    if (p->ram)
        memcpy(p->ram, &value, p->bytes);
    else
        p->range->model->write(p->range->of, p->offset, p->bytes, low_bytes(value, p->bytes));
}

static uint64_t access_read(const struct access *a)
{
    uint64_t value = part_read(&a->part[0]);

    if (a->part[1].bytes)
        value |= part_read(&a->part[1]) << 8 * a->part[0].bytes;
    return value;
}

static void access_write(const struct access *a, uint64_t value)
{
    part_write(&a->part[0], value);
    if (a->part[1].bytes)
        part_write(&a->part[1], value >> 8 * a->part[0].bytes);
}

static bool has_device(const struct access *a)
{
    return (a->part[0].bytes && !a->part[0].ram) || (a->part[1].bytes && !a->part[1].ram);
}

/* ---- operands ---- */

struct place {
    enum { PLACE_VALUE, PLACE_REGISTER, PLACE_MEMORY } kind;
    uint8_t reg, bytes;
    uint64_t value;
    struct access access;
};

/* What an address has of a segment's base, which is 0 but for two. */
static uint64_t in_segment(const struct emulation *e, uint64_t offset)
{
    uint64_t base = e->in.segment == SEG_FS ? e->fs_base : e->in.segment == SEG_GS ? e->gs_base : 0;

    return base + low_bytes(offset, e->in.address_bytes);
}

/* A bit number in a register reaches beyond the operand, both ways, by whole operands (SDM vol. 2, 3.1.1.9
 * "Operation Section", Bit()). */
static uint64_t bit_offset(const struct emulation *e)
{
    unsigned n = e->in.op_bytes;
    int64_t number = (int64_t)extend(e->gpr[e->in.reg], n);

    return (uint64_t)((number >> (n == 8 ? 6 : n == 4 ? 5 : 4)) * (int64_t)n);
}

static uint64_t address(const struct emulation *e)
{
    const struct instruction *in = &e->in;
    uint64_t offset = (uint64_t)(int64_t)in->disp;

    if (in->base == ADDRESS_RIP)
        offset += e->rip + in->length;
    else if (in->base != ADDRESS_NO_REGISTER)
        offset += e->gpr[in->base];
    if (in->index != ADDRESS_NO_REGISTER)
        offset += e->gpr[in->index] << in->scale;
    if (in->operands == ISA_OPS_E_G && is_bit(known[in->row].operation))
        offset += bit_offset(e);
    return in_segment(e, offset);
}

static struct place place_register(const struct emulation *e, unsigned reg)
{
    return (struct place){.kind = PLACE_REGISTER, .reg = (uint8_t)reg, .bytes = e->in.op_bytes};
}

static struct place place_memory(const struct emulation *e, uint64_t linear)
{
    return (struct place){.kind = PLACE_MEMORY,
                          .bytes = e->in.op_bytes,
                          .access = {.linear = linear, .stack = e->in.segment == SEG_SS}};
}

static struct place place_value(const struct emulation *e)
{
    return (struct place){.kind = PLACE_VALUE, .bytes = e->in.op_bytes, .value = e->in.imm};
}

static struct place place_e(const struct emulation *e)
{
    return e->in.memory ? place_memory(e, address(e)) : place_register(e, e->in.rm);
}

static struct place place_x(const struct emulation *e)
{
    return place_memory(e, in_segment(e, e->gpr[REG_RSI]));
}

/* ES, which no prefix overrides. */
static struct place place_y(const struct emulation *e)
{
    return place_memory(e, low_bytes(e->gpr[REG_RDI], e->in.address_bytes));
}

/* Of operands that none of the known forms has: false. */
static bool find_places(const struct emulation *e, struct place *to, struct place *from)
{
    struct place a = place_register(e, REG_RAX);

    /* clang-format off */
    switch (e->in.operands) {
    case ISA_OPS_E: *to = place_e(e); *from = place_value(e); return true;
    case ISA_OPS_E_I: *to = place_e(e); *from = place_value(e); return true;
    case ISA_OPS_E_G: *to = place_e(e); *from = place_register(e, e->in.reg); return true;
    case ISA_OPS_G_E: *to = place_register(e, e->in.reg); *from = place_e(e); return true;
    case ISA_OPS_A_O: *to = a; *from = place_memory(e, in_segment(e, e->in.imm)); return true;
    case ISA_OPS_O_A: *to = place_memory(e, in_segment(e, e->in.imm)); *from = a; return true;
    case ISA_OPS_Y_X: *to = place_y(e); *from = place_x(e); return true;
    case ISA_OPS_X_Y: *to = place_x(e); *from = place_y(e); return true;
    case ISA_OPS_Y_A: *to = place_y(e); *from = a; return true;
    case ISA_OPS_A_X: *to = a; *from = place_x(e); return true;
    case ISA_OPS_A_Y: *to = a; *from = place_y(e); return true;
    default: return false;
    }
    /* clang-format on */
}

static bool find(struct emulation *e, struct place *p, bool write)
{
    if (p->kind != PLACE_MEMORY)
        return true;
    p->access.bytes = p->bytes;
    p->access.write = write;
    return e->find(e, &p->access);
}

static uint64_t read(const struct emulation *e, const struct place *p)
{
    if (p->kind == PLACE_VALUE)
        return low_bytes(p->value, p->bytes);
    return p->kind == PLACE_REGISTER ? register_read(e, p->reg, p->bytes) : access_read(&p->access);
}

static void write(struct emulation *e, const struct place *p, uint64_t value)
{
    if (p->kind == PLACE_REGISTER)
        register_write(e, p->reg, p->bytes, value);
    else
        access_write(&p->access, value);
}

/* ---- the instruction ---- */

static void execute(struct emulation *e, enum operation op, const struct place *to, const struct place *from)
{
    uint64_t b = read(e, from), a = reads_destination(op) ? read(e, to) : 0, result;

    if (op == OPERATION_MOVE_SIGNED)
        b = extend(b, from->bytes);
    result = operate(op, a, b, to->bytes, &e->rflags);
    if (writes_destination(op))
        write(e, to, result);
    if (op == OPERATION_EXCHANGE)
        write(e, from, a);
}

static bool is_string(const struct instruction *in)
{
    return in->row >= ROW_movs_b && in->row <= ROW_scas_v;
}

static void advance(struct emulation *e, unsigned reg, uint64_t by)
{
    e->gpr[reg] = low_bytes(e->gpr[reg] + by, e->in.address_bytes);
}

static bool uses(const struct instruction *in, unsigned reg)
{
    bool x = in->operands == ISA_OPS_Y_X || in->operands == ISA_OPS_X_Y || in->operands == ISA_OPS_A_X;

    return reg == REG_RSI ? x : in->operands != ISA_OPS_A_X;
}

/* CMPS and SCAS with REPE and REPNE look at ZF too (SDM vol. 2, "REP/REPE/REPZ/REPNE/REPNZ"). */
static bool goes_on(const struct emulation *e, enum operation op)
{
    bool equal = e->rflags & FLAG_ZF;

    return low_bytes(e->gpr[REG_RCX], e->in.address_bytes) &&
           (op != OPERATION_CMP || equal == (e->in.rep == 0xf3));
}

static enum emulated finish(struct emulation *e, enum operation op)
{
    uint64_t step = e->rflags & FLAG_DF ? -(uint64_t)e->in.op_bytes : e->in.op_bytes;

    if (!is_string(&e->in))
        return EMULATED;
    if (uses(&e->in, REG_RSI))
        advance(e, REG_RSI, step);
    if (uses(&e->in, REG_RDI))
        advance(e, REG_RDI, step);
    if (!e->in.rep)
        return EMULATED;
    advance(e, REG_RCX, -UINT64_C(1));
    return goes_on(e, op) ? EMULATED_ITERATION : EMULATED;
}

/* A source of other size: MOVSXD of 16 bits has one of 16 too. */
static unsigned source_bytes(const struct emulation *e)
{
    unsigned n = known[e->in.row].source;

    return n == 0 || (n == 4 && e->in.op_bytes == 2) ? e->in.op_bytes : n;
}

enum emulated emulate(struct emulation *e)
{
    enum operation op = known[e->in.row].operation;
    struct place to, from;

    if (op == OPERATION_UNKNOWN || !find_places(e, &to, &from))
        return EMULATED_UNKNOWN;
    if (e->in.rep && !low_bytes(e->gpr[REG_RCX], e->in.address_bytes))
        return EMULATED_NOTHING;
    from.bytes = (uint8_t)source_bytes(e);
    if (!find(e, &from, op == OPERATION_EXCHANGE) || !find(e, &to, writes_destination(op)))
        return EMULATED_NOTHING;
    if (!has_device(&from.access) && !has_device(&to.access))
        return EMULATED_NOTHING;
    execute(e, op, &to, &from);
    return finish(e, op);
}
