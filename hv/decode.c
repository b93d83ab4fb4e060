#include "decode.h"

#include <stddef.h>

#include "arch/x86.h"

#define ESCAPE_0F   0x0f
#define ESCAPE_0F38 0x38
#define ESCAPE_0F3A 0x3a

#define REX_B 1
#define REX_X 2
#define REX_R 4
#define REX_W 8

/* ---- the list of instructions ---- */

static const struct form {
    uint8_t map, opcode, prefix, modrm, mod, size, imm, operands, may;
} forms[ISA_ROWS] = {
#define INSN(row, name, map_, opcode_, prefix_, modrm_, mod_, size_, imm_, ops_, may_, addr, writes, \
             latency, cpl, flags, fn) \
    [ROW_## \
        row] = {ISA_MAP_##map_,   opcode_,        ISA_PREFIX_##prefix_, ISA_MODRM_##modrm_, ISA_MOD_##mod_, \
                ISA_SIZE_##size_, ISA_IMM_##imm_, ISA_OPS_##ops_,       ISA_MAY_##may_},
#include "arch/isa.def"
};

/* Forms of one opcode hang together: the number of the first, and of the next, plus 1; 0 is the end. */
static struct {
    bool made;
    uint16_t first[ISA_MAPS][256], next[ISA_ROWS];
} opcodes;

static bool in_opcode(const struct form *f)
{
    return f->operands == ISA_OPS_Z || f->operands == ISA_OPS_Z_I || f->operands == ISA_OPS_Z_A;
}

/* Backwards, as the first form of the list that fits is meant.  One of eight opcodes continues the lists of
 * all of them; in isa.def it stands behind those that it shares one with. */
static void make_lists(void)
{
    for (unsigned row = ISA_ROWS; row > 0; row--) {
        const struct form *f = &forms[row - 1];
        uint16_t *first = &opcodes.first[f->map][f->opcode];

        opcodes.next[row - 1] = *first;
        for (unsigned i = 0; i < (in_opcode(f) ? 8u : 1u); i++)
            first[i] = (uint16_t)row;
    }
    opcodes.made = true;
}

/* ---- bytes ---- */

struct reader {
    const uint8_t *bytes;
    unsigned n, at;
    bool short_of; /* one that is not there was asked for */
    bool operand_16, address_32;
};

/* 1, 2, 4 or 8 of them, little-endian, zero-extended. */
static uint64_t next(struct reader *r, unsigned bytes)
{
    uint64_t value = 0;

    if (r->at + bytes > r->n) {
        r->short_of = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)r->bytes[r->at++] << 8 * i;
    return value;
}

static uint64_t next_signed(struct reader *r, unsigned bytes)
{
    unsigned unused = 64 - 8 * bytes;

    return (uint64_t)((int64_t)(next(r, bytes) << unused) >> unused);
}

/* ---- prefixes ---- */

/* In 64-bit mode the overrides of the other segments mean nothing. */
static bool read_prefix(struct reader *r, struct instruction *in, uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e: break;
    case 0x64: in->segment = SEG_FS; break;
    case 0x65: in->segment = SEG_GS; break;
    case 0x66: r->operand_16 = true; break;
    case 0x67: r->address_32 = true; break;
    case 0xf0: in->lock = true; break;
    case 0xf2:
    case 0xf3: in->rep = byte; break;
    default: return false;
    }
    return true;
}

/* A REX that another prefix follows is ignored (2.2.1 "REX Prefixes").  Returns the first byte behind. */
static uint8_t read_prefixes(struct reader *r, struct instruction *in)
{
    for (;;) {
        uint8_t byte = (uint8_t)next(r, 1);

        if (byte >> 4 == 4)
            in->rex = byte;
        else if (read_prefix(r, in, byte))
            in->rex = 0;
        else
            return byte;
        if (r->short_of)
            return 0;
    }
}

/* ---- which form ---- */

static bool prefix_selects(const struct form *f, const struct reader *r, const struct instruction *in)
{
    /* clang-format off */
    switch (f->prefix) {
    case ISA_PREFIX_NP: return !r->operand_16 && in->rep == 0;
    case ISA_PREFIX_66: return r->operand_16 && in->rep == 0;
    case ISA_PREFIX_F3: return in->rep == 0xf3;
    case ISA_PREFIX_NR: return in->rep == 0;
    case ISA_PREFIX_W: return in->rex & REX_W;
    case ISA_PREFIX_NOB: return !(in->rex & REX_B);
    case ISA_PREFIX_F3NOB: return in->rep == 0xf3 && !(in->rex & REX_B);
    default: return true;
    }
    /* clang-format on */
}

static bool modrm_selects(const struct form *f, uint8_t modrm)
{
    if (f->modrm >= ISA_MODRM_XC1)
        return modrm == f->modrm;
    if (f->modrm >= ISA_MODRM_D0 && f->modrm - ISA_MODRM_D0 != (modrm >> 3 & 7))
        return false;
    return f->mod == ISA_MOD_MEM ? modrm < 0xc0 : f->mod != ISA_MOD_REG || modrm >= 0xc0;
}

/* All forms of an opcode have a ModRM byte, or none has; it is left to be read.  NULL: there is no such
 * instruction, or bytes are short. */
static const struct form *find_form(struct reader *r, struct instruction *in, uint8_t opcode, unsigned map)
{
    unsigned row = opcodes.first[map][opcode];
    uint8_t modrm = 0;

    if (row && forms[row - 1].modrm != ISA_MODRM_NO) {
        modrm = (uint8_t)next(r, 1);
        r->at -= !r->short_of;
    }
    for (; row && !r->short_of; row = opcodes.next[row - 1]) {
        const struct form *f = &forms[row - 1];

        if (!prefix_selects(f, r, in) || (f->modrm != ISA_MODRM_NO && !modrm_selects(f, modrm)))
            continue;
        in->row = (uint16_t)(row - 1);
        in->operands = f->operands;
        return f;
    }
    return NULL;
}

static uint8_t read_opcode(struct reader *r, uint8_t first, unsigned *map)
{
    uint8_t opcode = first;

    *map = ISA_MAP_ONE;
    if (opcode != ESCAPE_0F)
        return opcode;
    opcode = (uint8_t)next(r, 1);
    *map = opcode == ESCAPE_0F38 ? ISA_MAP_0F38 : opcode == ESCAPE_0F3A ? ISA_MAP_0F3A : ISA_MAP_0F;
    return *map == ISA_MAP_0F ? opcode : (uint8_t)next(r, 1);
}

/* ---- sizes ---- */

/* REX.W comes before 66 (2.2.1.2 "More on REX Prefix Fields"). */
static uint8_t operand_bytes(const struct form *f, const struct reader *r, const struct instruction *in)
{
    bool wide = in->rex & REX_W, narrow = r->operand_16 && !wide;

    /* clang-format off */
    switch (f->size) {
    case ISA_SIZE_B: return 1;
    case ISA_SIZE_W: return 2;
    case ISA_SIZE_Q: return 8;
    case ISA_SIZE_V: return wide ? 8 : narrow ? 2 : 4;
    case ISA_SIZE_Z: return narrow ? 2 : 4;
    case ISA_SIZE_Y: return wide ? 8 : 4;
    default: return narrow ? 2 : 8;
    }
    /* clang-format on */
}

/* ---- operands ---- */

/* Table 2-3 "32-Bit Addressing Forms with the SIB Byte": no index is number 4, no base 5 with mod 0. */
static void read_sib(struct reader *r, struct instruction *in, unsigned mod)
{
    uint8_t sib = (uint8_t)next(r, 1), index = (sib >> 3 & 7) | (in->rex & REX_X ? 8 : 0);

    in->scale = sib >> 6;
    if (index != 4)
        in->index = index;
    if ((sib & 7) == 5 && mod == 0)
        in->disp = (int32_t)next(r, 4);
    else
        in->base = (sib & 7) | (in->rex & REX_B ? 8 : 0);
}

/* Table 2-2 "32-Bit Addressing Forms with the ModR/M Byte"; 2.2.1.6 "RIP-Relative Addressing". */
static void read_address(struct reader *r, struct instruction *in, uint8_t modrm)
{
    unsigned mod = modrm >> 6;

    in->memory = true;
    if ((modrm & 7) == 4) {
        read_sib(r, in, mod);
    } else if ((modrm & 7) == 5 && mod == 0) {
        in->base = ADDRESS_RIP;
        in->disp = (int32_t)next(r, 4);
    } else {
        in->base = in->rm;
    }
    if (mod == 1)
        in->disp = (int32_t)next_signed(r, 1);
    else if (mod == 2)
        in->disp = (int32_t)next(r, 4);
}

static void read_modrm(struct reader *r, const struct form *f, struct instruction *in)
{
    uint8_t modrm = (uint8_t)next(r, 1);

    in->reg = (modrm >> 3 & 7) | (in->rex & REX_R ? 8 : 0);
    in->rm = (modrm & 7) | (in->rex & REX_B ? 8 : 0);
    if (modrm < 0xc0 && f->mod != ISA_MOD_FORCED)
        read_address(r, in, modrm);
}

static uint64_t read_immediate(struct reader *r, const struct form *f, const struct instruction *in)
{
    uint64_t low;

    switch (f->imm) {
    case ISA_IMM_IB: return next_signed(r, 1);
    case ISA_IMM_UB: return next(r, 1);
    case ISA_IMM_UW: return next(r, 2);
    case ISA_IMM_IZ: return next_signed(r, in->op_bytes == 2 ? 2 : 4);
    case ISA_IMM_ID: return next_signed(r, 4);
    case ISA_IMM_IV: return next_signed(r, in->op_bytes);
    case ISA_IMM_O: return next(r, in->address_bytes);
    case ISA_IMM_EN: low = next(r, 2); return low | next(r, 1) << 16;
    default: return f->operands == ISA_OPS_E_1;
    }
}

static void read_operands(struct reader *r, const struct form *f, struct instruction *in, uint8_t opcode)
{
    bool override = in->segment != 0;

    if (f->modrm != ISA_MODRM_NO)
        read_modrm(r, f, in);
    else if (in_opcode(f))
        in->rm = (opcode & 7) | (in->rex & REX_B ? 8 : 0);
    else
        in->rm = REG_RAX;
    if (!override)
        in->segment = in->base == REG_RSP || in->base == REG_RBP ? SEG_SS : SEG_DS;
    in->imm = read_immediate(r, f, in);
}

/* ---- what may not be ---- */

/* Control registers 1, 5 to 7 and from 9 on, debug registers from 8 on and segment registers 6 and 7 there
 * are not; nothing is moved to CS.  For a segment register REX.R is ignored. */
static bool register_exists(struct instruction *in)
{
    switch (in->operands) {
    case ISA_OPS_E_CR:
    case ISA_OPS_CR_E: return in->reg < 16 && 0x11d >> in->reg & 1;
    case ISA_OPS_E_DR:
    case ISA_OPS_DR_E: return in->reg < 8;
    case ISA_OPS_S_E: in->reg &= 7; return in->reg < 6 && in->reg != SEG_CS;
    case ISA_OPS_E_S: in->reg &= 7; return in->reg < 6;
    default: return true;
    }
}

static bool lock_is_allowed(const struct form *f, const struct instruction *in)
{
    return !in->lock || (f->may == ISA_MAY_LOCK && in->memory);
}

/* ---- all together ---- */

static enum decoding missing(const struct reader *r)
{
    return r->n < INSTRUCTION_BYTES ? DECODING_MORE : DECODING_TOO_LONG;
}

enum decoding instruction_decode(const uint8_t *bytes, unsigned n, struct instruction *in)
{
    struct reader r = {.bytes = bytes, .n = n < INSTRUCTION_BYTES ? n : INSTRUCTION_BYTES};
    const struct form *f;
    unsigned map;
    uint8_t opcode;

    if (!opcodes.made)
        make_lists();
    *in = (struct instruction){.base = ADDRESS_NO_REGISTER, .index = ADDRESS_NO_REGISTER};
    opcode = read_prefixes(&r, in);
    opcode = read_opcode(&r, opcode, &map);
    f = r.short_of ? NULL : find_form(&r, in, opcode, map);
    if (f) {
        in->op_bytes = operand_bytes(f, &r, in);
        in->address_bytes = r.address_32 ? 4 : 8;
        read_operands(&r, f, in, opcode);
    }
    if (r.short_of)
        return missing(&r);
    if (!f || !register_exists(in) || !lock_is_allowed(f, in))
        return DECODING_UNDEFINED;
    in->length = (uint8_t)r.at;
    if (f->may != ISA_MAY_REP)
        in->rep = 0;
    return DECODING_OK;
}
