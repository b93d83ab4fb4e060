/* decode.c - bytes to a decoded instruction (SDM vol. 2, 2.1 and 2.2 "Instruction Format"), by the rows of
 * isa.def. */
#include "cpu/decode.h"

#include "arch/isa.h"
#include "cpu/exec.h"

#define LOCKED_LATENCY 18 /* cycles in X of an instruction with LOCK */
#define REG_NONE       0xff
#define REG_RIP        0xfe

/* ---- the rows ---- */

/* The words of isa.def's column */
enum row_flags {
    FLAGS_NO = 0,
    FLAGS_SER = INSN_SERIALISING,
    FLAGS_ICP = INSN_INTERCEPT,
    FLAGS_SIC = INSN_SERIALISING | INSN_INTERCEPT,
    FLAGS_BR = INSN_BRANCH,
    FLAGS_STK = INSN_STACK,
    FLAGS_BST = INSN_BRANCH | INSN_STACK,
    FLAGS_FEN = INSN_FENCE,
    FLAGS_EVT = INSN_SERIALISING | INSN_EVENT
};

struct row {
    insn_handler *execute;
    const char *name;
    u32 writes;
    u16 addr;
    u8 map, opcode, prefix, modrm, mod, size, imm, operands, may, latency, privilege, flags;
};

static const struct row rows[ISA_ROWS] = {
#define INSN(row_, name_, map_, opcode_, prefix_, modrm_, mod_, size_, imm_, ops_, may_, addr_, writes_, \
             latency_, cpl_, flags_, fn_) \
    {.execute = exec_##fn_, \
     .name = name_, \
     .map = ISA_MAP_##map_, \
     .opcode = opcode_, \
     .prefix = ISA_PREFIX_##prefix_, \
     .modrm = ISA_MODRM_##modrm_, \
     .mod = ISA_MOD_##mod_, \
     .size = ISA_SIZE_##size_, \
     .imm = ISA_IMM_##imm_, \
     .operands = ISA_OPS_##ops_, \
     .may = ISA_MAY_##may_, \
     .addr = ISA_ADDR_##addr_, \
     .writes = ISA_WRITES_##writes_, \
     .latency = latency_, \
     .privilege = cpl_, \
     .flags = FLAGS_##flags_},
#include "arch/isa.def"
};

/* For each opcode its first row + 1, 0: none; for each row the next of the same opcode, likewise. */
static u16 first_row[ISA_MAPS][256];
static u16 next_row[ISA_ROWS];
static bool indexed;

static bool in_opcode(const struct row *r)
{
    return r->operands == ISA_OPS_Z || r->operands == ISA_OPS_Z_I || r->operands == ISA_OPS_Z_A;
}

/* From the last row to the first, so that each opcode's list comes out in the order of isa.def.  A row of
 * eight opcodes must come after the rows that are special cases of one of them, whose list goes on to it. */
static void index_rows(void)
{
    for (unsigned i = ISA_ROWS; i-- > 0;) {
        const struct row *r = &rows[i];
        next_row[i] = first_row[r->map][r->opcode];
        for (unsigned k = 0; k < (in_opcode(r) ? 8 : 1); k++)
            first_row[r->map][r->opcode + k] = (u16)(i + 1);
    }
    indexed = true;
}

const char *insn_name(const struct insn *in)
{
    return in->row < ISA_ROWS ? rows[in->row].name : "?";
}

/* ---- bytes ---- */

struct cursor {
    const u8 *bytes;
    unsigned n, at;
    bool over; /* a byte beyond n was asked for */
};

static u8 peek(struct cursor *b)
{
    if (b->at < b->n)
        return b->bytes[b->at];
    b->over = true;
    return 0;
}

static u8 take(struct cursor *b)
{
    u8 byte = peek(b);
    b->at++;
    return byte;
}

/* n bytes, little-endian. */
static u64 take_n(struct cursor *b, unsigned n)
{
    u64 value = 0;
    for (unsigned i = 0; i < n; i++)
        value |= (u64)take(b) << 8 * i;
    return value;
}

static u64 take_signed(struct cursor *b, unsigned n)
{
    return sign_extended(take_n(b, n), n);
}

/* ---- prefixes ---- */

struct prefixes {
    bool opsize, addrsize;
    u8 seg; /* SEG_FS, SEG_GS or 0: ES, CS, SS and DS overrides are ignored in 64-bit mode */
};

/* True if byte is a legacy prefix, which it then records. */
static bool legacy_prefix(u8 byte, struct prefixes *p, struct insn *in)
{
    switch (byte) {
    case 0x66: p->opsize = true; return true;
    case 0x67: p->addrsize = true; return true;
    case 0xf0: in->lock = 1; return true;
    case 0xf2:
    case 0xf3: in->rep = byte; return true;
    case 0x64: p->seg = SEG_FS; return true;
    case 0x65: p->seg = SEG_GS; return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e: return true;
    default: return false;
    }
}

/* REX counts only right before the opcode (SDM vol. 2, 2.2.1 "REX Prefixes"). */
static void take_prefixes(struct cursor *b, struct prefixes *p, struct insn *in)
{
    while (!b->over) {
        u8 byte = peek(b);
        if ((byte & 0xf0) == 0x40)
            in->rex = byte;
        else if (legacy_prefix(byte, p, in))
            in->rex = 0;
        else
            return;
        b->at++;
    }
}

/* ---- the row ---- */

static u8 take_opcode(struct cursor *b, enum isa_map *map)
{
    u8 opcode = take(b);
    *map = ISA_MAP_ONE;
    if (opcode != 0x0f)
        return opcode;
    opcode = take(b);
    *map = ISA_MAP_0F;
    if (opcode != 0x38 && opcode != 0x3a)
        return opcode;
    *map = opcode == 0x38 ? ISA_MAP_0F38 : ISA_MAP_0F3A;
    return take(b);
}

static bool prefix_fits(const struct row *r, const struct prefixes *p, const struct insn *in)
{
    switch (r->prefix) {
    case ISA_PREFIX_NP: return !p->opsize && !in->rep;
    case ISA_PREFIX_66: return p->opsize && !in->rep;
    case ISA_PREFIX_F3: return in->rep == 0xf3;
    case ISA_PREFIX_NR: return !in->rep;
    case ISA_PREFIX_W: return in->rex & 8;
    case ISA_PREFIX_NOB: return !(in->rex & 1);
    case ISA_PREFIX_F3NOB: return in->rep == 0xf3 && !(in->rex & 1);
    default: return true;
    }
}

static bool modrm_fits(const struct row *r, u8 modrm)
{
    if (r->modrm >= ISA_MODRM_XC1)
        return modrm == r->modrm;
    if (r->modrm >= ISA_MODRM_D0 && (modrm >> 3 & 7) != r->modrm - ISA_MODRM_D0)
        return false;
    bool memory = modrm >> 6 != 3;
    return r->mod == ISA_MOD_MEM ? memory : r->mod != ISA_MOD_REG || !memory;
}

/* The row that fits, NULL if none.  All rows of an opcode have a ModRM byte or none has. */
static const struct row *find_row(struct cursor *b, const struct prefixes *p, struct insn *in)
{
    enum isa_map map;
    u8 opcode = take_opcode(b, &map);
    unsigned i = first_row[map][opcode];
    if (b->over || !i)
        return NULL;
    bool has_modrm = rows[i - 1].modrm != ISA_MODRM_NO;
    in->modrm = has_modrm ? peek(b) : 0;
    for (; i && !b->over; i = next_row[i - 1]) {
        const struct row *r = &rows[i - 1];
        if (prefix_fits(r, p, in) && (!has_modrm || modrm_fits(r, in->modrm))) {
            in->row = (u16)(i - 1);
            in->rm = opcode & 7; /* of operand Z; ModRM replaces it */
            return r;
        }
    }
    return NULL;
}

/* ---- sizes and operands ---- */

static u8 operand_bytes(enum isa_size size, bool opsize, u8 rex)
{
    bool w = rex & 8;
    u8 short_or = opsize && !w ? 2 : 0;
    switch (size) {
    case ISA_SIZE_B: return 1;
    case ISA_SIZE_W: return 2;
    case ISA_SIZE_Q: return 8;
    case ISA_SIZE_V: return w ? 8 : short_or ? short_or : 4;
    case ISA_SIZE_Z: return short_or ? short_or : 4;
    case ISA_SIZE_Y: return w ? 8 : 4;
    default: return short_or ? short_or : 8;
    }
}

/* SIB (SDM vol. 2, table 2-3).  Index 4 without REX.X means none; base 5 with mod 0 means a displacement
 * alone. */
static void take_sib(struct cursor *b, struct insn *in)
{
    u8 sib = take(b);
    u8 index = (u8)((sib >> 3 & 7) | (in->rex & 2) << 2);
    in->scale = sib >> 6;
    in->index = index == 4 ? REG_NONE : index;
    if ((sib & 7) == 5 && in->mod == 0) {
        in->disp = (i32)take_n(b, 4);
        return;
    }
    in->base = (u8)((sib & 7) | (in->rex & 1) << 3);
}

/* The memory operand of a ModRM byte (SDM vol. 2, table 2-2; RIP-relative: 2.2.1.6). */
static void take_memory(struct cursor *b, struct insn *in)
{
    u8 rm = in->modrm & 7;
    if (rm == 4) {
        take_sib(b, in);
    } else if (rm == 5 && in->mod == 0) {
        in->base = REG_RIP;
        in->disp = (i32)take_n(b, 4);
    } else {
        in->base = in->rm;
    }
    if (in->mod == 1)
        in->disp = (i32)take_signed(b, 1);
    else if (in->mod == 2)
        in->disp = (i32)take_n(b, 4);
}

static void take_modrm(struct cursor *b, const struct row *r, struct insn *in)
{
    take(b);
    in->mod = r->mod == ISA_MOD_FORCED ? 3 : in->modrm >> 6;
    in->reg = (u8)((in->modrm >> 3 & 7) | (in->rex & 4) << 1);
    in->rm = (u8)((in->modrm & 7) | (in->rex & 1) << 3);
    if (in->mod != 3)
        take_memory(b, in);
}

static u64 take_immediate(struct cursor *b, const struct row *r, const struct insn *in)
{
    unsigned z = in->op_bytes == 2 ? 2 : 4;
    switch (r->imm) {
    case ISA_IMM_IB: return take_signed(b, 1);
    case ISA_IMM_UB: return take(b);
    case ISA_IMM_UW: return take_n(b, 2);
    case ISA_IMM_IZ: return take_signed(b, z);
    case ISA_IMM_ID: return take_signed(b, 4);
    case ISA_IMM_IV: return take_signed(b, in->op_bytes);
    case ISA_IMM_EN: return take_n(b, 3);
    case ISA_IMM_O: return take_n(b, in->addr_bytes);
    default: return r->operands == ISA_OPS_E_1;
    }
}

/* Makes E of what is not in a ModRM byte: the register in the opcode, or the accumulator. */
static void implicit_operand(const struct row *r, struct insn *in)
{
    in->mod = 3;
    if (in_opcode(r))
        in->rm |= (u8)((in->rex & 1) << 3);
    else
        in->rm = REG_RAX;
}

/* ---- what the registers may be ---- */

static bool control_register(unsigned reg)
{
    return reg == 0 || reg == 2 || reg == 3 || reg == 4 || reg == 8;
}

/* False: #UD.  REX.R is ignored for segment registers. */
static bool special_register(const struct row *r, struct insn *in)
{
    switch (r->operands) {
    case ISA_OPS_E_CR:
    case ISA_OPS_CR_E: return control_register(in->reg);
    case ISA_OPS_E_DR:
    case ISA_OPS_DR_E: return in->reg < 8;
    case ISA_OPS_S_E:
    case ISA_OPS_E_S:
        in->reg &= 7;
        return in->reg <= SEG_GS && !(r->operands == ISA_OPS_S_E && in->reg == SEG_CS);
    default: return true;
    }
}

/* LOCK only on what writes memory (SDM vol. 2, "LOCK - Assert LOCK# Signal Prefix"). */
static bool lock_allowed(const struct row *r, const struct insn *in)
{
    return !in->lock || (r->may == ISA_MAY_LOCK && in->mod != 3);
}

/* ---- what the pipeline wants to know ---- */

static u16 reg_bit(const struct row *r, const struct insn *in, u8 reg)
{
    bool high = r->size == ISA_SIZE_B && is_high_byte(in, reg);
    return (u16)(1u << (high ? reg - 4 : reg));
}

static u16 written(const struct row *r, const struct insn *in)
{
    u16 bits = (u16)r->writes;
    if (r->may == ISA_MAY_REP && !in->rep)
        bits &= (u16)~ISA_WRITES_C;
    if (r->writes & ISA_WRITES_E && in->mod == 3)
        bits |= reg_bit(r, in, in->rm);
    if (r->writes & ISA_WRITES_G)
        bits |= reg_bit(r, in, in->reg);
    return bits;
}

static u16 addressing(const struct row *r, const struct insn *in)
{
    u16 bits = r->addr;
    if (in->base < 16)
        bits |= (u16)(1u << in->base);
    if (in->index < 16)
        bits |= (u16)(1u << in->index);
    return bits;
}

static void describe(const struct row *r, const struct prefixes *p, struct insn *in)
{
    bool stack = in->base == REG_RSP || in->base == REG_RBP;
    in->execute = r->execute;
    in->seg = p->seg ? p->seg : stack ? SEG_SS : SEG_DS;
    in->flags = r->flags;
    in->latency = r->latency;
    in->privilege = r->privilege;
    in->address_regs = addressing(r, in);
    in->write_regs = written(r, in);
    if (r->may != ISA_MAY_REP)
        in->rep = 0;
    if (in->lock) {
        in->flags |= INSN_FENCE;
        in->latency = LOCKED_LATENCY;
    }
}

/* ---- all of it ---- */

static enum decode_result beyond(const struct cursor *b)
{
    return b->n < INSN_BYTES_MAX ? DECODE_SHORT : DECODE_LONG;
}

enum decode_result decode(const u8 *bytes, unsigned n, struct insn *in)
{
    struct cursor b = {bytes, n < INSN_BYTES_MAX ? n : INSN_BYTES_MAX, 0, false};
    struct prefixes p = {false, false, 0};
    if (unlikely(!indexed))
        index_rows();
    *in = (struct insn){.base = REG_NONE, .index = REG_NONE, .mod = 3};
    take_prefixes(&b, &p, in);
    const struct row *r = find_row(&b, &p, in);
    in->length = (u8)b.at;
    if (!r)
        return b.over ? beyond(&b) : DECODE_UD;
    in->op_bytes = operand_bytes(r->size, p.opsize, in->rex);
    in->addr_bytes = p.addrsize ? 4 : 8;
    if (r->modrm != ISA_MODRM_NO)
        take_modrm(&b, r, in);
    else
        implicit_operand(r, in);
    in->imm = take_immediate(&b, r, in);
    if (b.over)
        return beyond(&b);
    in->length = (u8)b.at;
    if (!special_register(r, in) || !lock_allowed(r, in))
        return DECODE_UD;
    describe(r, &p, in);
    return DECODE_OK;
}
