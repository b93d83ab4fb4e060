/* emit.c - instructions as bytes, each with its note (SDM vol. 2, 2.1 "Instruction Format for Protected Mode
 * ..."). */
#include "tick/emit.h"

#include <check.h>
#include <string.h>

const struct operand emit_pushed = {.base = RSP, .index = NO_REG, .disp = -8};
const struct operand emit_popped = {.base = RSP, .index = NO_REG};

/* ---- bytes ---- */

static void put(struct program *p, u64 value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p->code[p->at++] = (u8)(value >> 8 * i);
}

static struct note *new_note(struct program *p, enum isa_row row)
{
    ck_assert_uint_lt(p->notes, PROGRAM_NOTES);
    struct note *n = &p->note[p->notes++];
    p->note_at[p->at] = (u16)p->notes;
    *n = (struct note){.row = row, .offset = p->at, .flush_reg = NO_REG};
    return n;
}

static u64 operand_size(const struct row *r, const struct form *f)
{
    switch (r->size) {
    case ISA_SIZE_B: return 1;
    case ISA_SIZE_W: return 2;
    case ISA_SIZE_V:
    case ISA_SIZE_Z:
    case ISA_SIZE_Y: return f->size ? f->size : 4;
    default: return f->size == 2 ? 2 : 8;
    }
}

static unsigned immediate_bytes(const struct row *r, u64 size)
{
    switch (r->imm) {
    case ISA_IMM_IB:
    case ISA_IMM_UB: return 1;
    case ISA_IMM_UW: return 2;
    case ISA_IMM_EN: return 3;
    case ISA_IMM_ID: return 4;
    case ISA_IMM_IZ: return size == 2 ? 2 : 4;
    case ISA_IMM_IV: return (unsigned)size;
    case ISA_IMM_O: return 8;
    default: return 0;
    }
}

static void put_prefixes(struct program *p, const struct row *r, const struct form *f, u64 size)
{
    bool fixed =
        r->size == ISA_SIZE_Q || r->size == ISA_SIZE_B || r->size == ISA_SIZE_W || r->prefix == ISA_PREFIX_NP;
    if (f->lock)
        put(p, 0xf0, 1);
    if (f->rep || r->prefix == ISA_PREFIX_F3 || r->prefix == ISA_PREFIX_F3NOB)
        put(p, 0xf3, 1);
    if (r->prefix == ISA_PREFIX_66 || (!fixed && size == 2))
        put(p, 0x66, 1);
}

static void put_rex(struct program *p, const struct row *r, const struct form *f, u64 size)
{
    int base = f->mem ? f->mem->base : f->rm, index = f->mem ? f->mem->index : 0;
    bool wide = r->prefix == ISA_PREFIX_W || (size == 8 && r->size != ISA_SIZE_Q && r->size != ISA_SIZE_S);
    unsigned rex = (wide ? 8u : 0) | (f->reg > 7 ? 4u : 0) | (index > 7 ? 2u : 0) | (base > 7 ? 1u : 0);
    if (r->modrm == ISA_MODRM_NO)
        rex = (wide ? 8u : 0) | (f->reg > 7 ? 1u : 0);
    if (rex || !f->high_bytes)
        put(p, 0x40 | rex, 1);
}

static void put_opcode(struct program *p, const struct row *r, const struct form *f)
{
    static const unsigned maps[][2] = {{0, 0}, {0x0f, 1}, {0x380f, 2}, {0x3a0f, 2}};
    bool in_opcode = r->ops == ISA_OPS_Z || r->ops == ISA_OPS_Z_I || r->ops == ISA_OPS_Z_A;
    put(p, maps[r->map][0], maps[r->map][1]);
    put(p, r->opcode + (in_opcode ? (unsigned)(f->reg & 7) : 0), 1);
}

static void put_modrm(struct program *p, const struct row *r, const struct form *f)
{
    const struct operand *o = f->mem;
    unsigned reg = r->modrm == ISA_MODRM_R ? (unsigned)f->reg & 7 : (unsigned)r->modrm - ISA_MODRM_D0;
    if (r->modrm == ISA_MODRM_NO)
        return;
    if (r->modrm >= ISA_MODRM_XC1) {
        put(p, r->modrm, 1);
        return;
    }
    if (!o) {
        put(p, 0xc0u | reg << 3 | ((unsigned)f->rm & 7), 1);
        return;
    }
    bool near = o->disp >= -128 && o->disp < 128, sib = o->index != NO_REG || (o->base & 7) == RSP;
    put(p, (near ? 0x40u : 0x80u) | reg << 3 | (sib ? 4u : (unsigned)o->base & 7), 1);
    if (sib)
        put(p,
            o->scale << 6 | (unsigned)(o->index == NO_REG ? 4 : o->index & 7) << 3 | ((unsigned)o->base & 7),
            1);
    put(p, (u64)o->disp, near ? 1 : 4);
}

/* ---- what it reads and writes ---- */

static u64 bit(int reg)
{
    return 1ull << reg;
}

/* The register that an encoding of a byte operand means. */
static int byte_register(const struct row *r, const struct form *f, int reg)
{
    return f->high_bytes && r->size == ISA_SIZE_B && reg >= 4 && reg < 8 ? reg - 4 : reg;
}

/* A1: by isa.def's column. */
static u64 written(const struct row *r, const struct form *f)
{
    bool in_opcode = r->ops == ISA_OPS_Z || r->ops == ISA_OPS_Z_I || r->ops == ISA_OPS_Z_A;
    u64 regs = r->writes & 0xffff;
    if (r->may == ISA_MAY_REP && !f->rep)
        regs &= ~bit(RCX);
    if (r->writes & ISA_WRITES_E && !f->mem)
        regs |= bit(byte_register(r, f, in_opcode ? f->reg : f->rm));
    if (r->writes & ISA_WRITES_G)
        regs |= bit(byte_register(r, f, f->reg));
    return regs;
}

static u64 of_address(const struct row *r, const struct form *f)
{
    u64 regs = r->addr;
    if (f->mem)
        regs |= bit(f->mem->base) | (f->mem->index == NO_REG ? 0 : bit(f->mem->index));
    return regs;
}

void emit_access(struct note *n, struct operand o, u64 bytes, enum tick_access_kind kind)
{
    ck_assert_uint_lt(n->operands, NOTE_OPERANDS);
    o.bytes = bytes;
    o.kind = kind;
    n->operand[n->operands++] = o;
}

void emit_two(struct note *n, struct operand o, u64 first_bytes, u64 second_bytes, enum tick_access_kind kind)
{
    n->operands = 0;
    emit_access(n, o, first_bytes, kind);
    o.disp += (i64)first_bytes;
    emit_access(n, o, second_bytes, kind);
}

void emit_port(struct note *n, unsigned port, unsigned bytes)
{
    n->port = port;
    n->port_bytes = bytes;
}

/* A bit's number in a register reaches beyond the operand (SDM vol. 2, "BT - Bit Test"). */
static bool has_bit_string(enum isa_row row)
{
    return row == ROW_bt_Ev_Gv || row == ROW_bts_Ev_Gv || row == ROW_btr_Ev_Gv || row == ROW_btc_Ev_Gv;
}

struct note *emit(struct program *p, enum isa_row row, struct form f)
{
    const struct row *r = &rows[row];
    u64 size = operand_size(r, &f);
    struct note *n = new_note(p, row);
    n->address_regs = of_address(r, &f);
    n->write_regs = written(r, &f);
    n->fence = r->flags & ROW_FLAG_FEN || f.lock;
    n->latency = f.lock ? 18 : r->latency;
    n->rep = f.rep;
    if (f.mem && row_access(r) >= 0) {
        struct operand o = *f.mem;
        if (has_bit_string(row)) {
            o.bits = size * 8;
            o.bit_reg = f.reg;
        }
        emit_access(n, o, row_bytes(r, size), (enum tick_access_kind)row_access(r));
    }
    put_prefixes(p, r, &f, size);
    put_rex(p, r, &f, size);
    put_opcode(p, r, &f);
    put_modrm(p, r, &f);
    put(p, f.imm, immediate_bytes(r, size));
    n->length = p->at - n->offset;
    return n;
}

/* ---- often needed ---- */

void emit_reg(struct program *p, enum isa_row row, int reg, int rm)
{
    emit(p, row, (struct form){.size = 8, .reg = reg, .rm = rm});
}

struct note *emit_mem(struct program *p, enum isa_row row, int reg, const struct operand *o)
{
    return emit(p, row, (struct form){.size = 8, .reg = reg, .mem = o});
}

void emit_set(struct program *p, int reg, u64 value)
{
    emit(p, ROW_mov_Zv_Iv, (struct form){.size = 8, .reg = reg, .imm = value});
}

void emit_push(struct program *p, int reg)
{
    emit_access(emit(p, ROW_push_Z, (struct form){.reg = reg}), emit_pushed, 8, TICK_STORE);
}

void emit_pop(struct program *p, int reg)
{
    emit_access(emit(p, ROW_pop_Z, (struct form){.reg = reg}), emit_popped, 8, TICK_LOAD);
}

struct note *emit_plain(struct program *p, enum isa_row row)
{
    return emit(p, row, (struct form){.size = 4});
}

static enum tick_branch branch_kind(enum isa_row row)
{
    const char *name = rows[row].name;
    if (strcmp(name, "call") == 0)
        return TICK_CALL;
    if (strcmp(name, "ret") == 0)
        return TICK_RETURN;
    return strcmp(name, "jmp") == 0 ? TICK_JUMP : TICK_CONDITIONAL;
}

void emit_branch_note(struct note *n)
{
    n->branch = branch_kind(n->row);
    if (n->branch == TICK_CALL)
        emit_access(n, emit_pushed, 8, TICK_STORE);
    if (n->branch == TICK_RETURN)
        emit_access(n, emit_popped, 8, TICK_LOAD);
}

size_t emit_branch(struct program *p, enum isa_row row)
{
    emit_branch_note(emit_plain(p, row));
    return p->notes - 1;
}

void emit_to(struct program *p, size_t branch, u64 target)
{
    const struct note *n = &p->note[branch];
    unsigned bytes = rows[n->row].imm == ISA_IMM_IB ? 1 : 4;
    u64 end = n->offset + n->length, at = p->at;
    p->at = end - bytes;
    put(p, target - end, bytes);
    p->at = at;
}

u64 emit_set_later(struct program *p, int reg)
{
    emit_set(p, reg, 0);
    return p->at;
}

void emit_here(struct program *p, u64 later)
{
    u64 at = p->at;
    p->at = later - 8;
    put(p, p->code_gva + at, 8);
    p->at = at;
}
