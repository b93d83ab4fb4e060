/* emit.c - instructions as bytes, each with its note (SDM vol. 2, 2.1 "Instruction Format for Protected Mode
 * ..."). */
#include "tick/emit.h"

#include <string.h>

const struct operand emit_pushed = {.base = RSP, .index = NO_REG, .disp = -8, .bytes = 8, .kind = TICK_STORE};
const struct operand emit_popped = {.base = RSP, .index = NO_REG, .bytes = 8, .kind = TICK_LOAD};

struct note *emit_insn(struct program *p)
{
    struct note *n = &p->note[p->at];
    *n = (struct note){.here = true};
    return n;
}

void emit_byte(struct program *p, unsigned byte)
{
    p->code[p->at++] = (u8)byte;
}

void emit_value(struct program *p, u64 value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        emit_byte(p, value >> 8 * i & 0xff);
}

static void emit_opcode(struct program *p, bool wide, unsigned opcode, int reg, int index, int base)
{
    emit_byte(p, 0x40u | (wide ? 8 : 0) | (reg > 7 ? 4 : 0) | (index > 7 ? 2 : 0) | (base > 7 ? 1 : 0));
    if (opcode > 0xff)
        emit_byte(p, opcode >> 8);
    emit_byte(p, opcode & 0xff);
}

void emit_reg(struct program *p, bool wide, unsigned opcode, int reg, int rm)
{
    emit_insn(p);
    emit_opcode(p, wide, opcode, reg, NO_REG, rm);
    emit_byte(p, 0xc0u | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

struct note *emit_mem(struct program *p, unsigned prefix, bool wide, unsigned opcode, int reg,
                      const struct operand *o)
{
    struct note *n = emit_insn(p);
    n->operand[n->operands++] = *o;
    if (prefix)
        emit_byte(p, prefix);
    emit_opcode(p, wide, opcode, reg, o->index, o->base);
    bool short_disp = o->disp >= -128 && o->disp < 128, sib = o->index != NO_REG || (o->base & 7) == RSP;
    emit_byte(p,
              (short_disp ? 0x40u : 0x80u) | (unsigned)(reg & 7) << 3 | (sib ? 4u : (unsigned)(o->base & 7)));
    if (sib)
        emit_byte(p, o->scale << 6 | (unsigned)(o->index == NO_REG ? 4 : o->index & 7) << 3 |
                         (unsigned)(o->base & 7));
    emit_value(p, (u64)o->disp, short_disp ? 1 : 4);
    return n;
}

void emit_set(struct program *p, int reg, u64 value)
{
    emit_insn(p);
    emit_byte(p, reg > 7 ? 0x49 : 0x48);
    emit_byte(p, 0xb8u | (unsigned)(reg & 7));
    emit_value(p, value, 8);
}

static void emit_stack(struct program *p, unsigned opcode, int reg, const struct operand *o)
{
    struct note *n = emit_insn(p);
    n->operand[n->operands++] = *o;
    if (reg > 7)
        emit_byte(p, 0x41);
    emit_byte(p, opcode | (unsigned)(reg & 7));
}

void emit_push(struct program *p, int reg)
{
    emit_stack(p, 0x50, reg, &emit_pushed);
}

void emit_pop(struct program *p, int reg)
{
    emit_stack(p, 0x58, reg, &emit_popped);
}

u64 emit_branch(struct program *p, unsigned opcode, enum tick_branch kind)
{
    struct note *n = emit_insn(p);
    n->branch = kind;
    if (kind == TICK_CALL)
        n->operand[n->operands++] = emit_pushed;
    if (kind == TICK_RETURN)
        n->operand[n->operands++] = emit_popped;
    if (opcode > 0xff)
        emit_byte(p, opcode >> 8);
    emit_byte(p, opcode & 0xff);
    u64 displacement = p->at;
    if (kind != TICK_RETURN)
        emit_value(p, 0, 4);
    return displacement;
}

void emit_to(struct program *p, u64 displacement, u64 target)
{
    u64 at = p->at;
    p->at = displacement;
    emit_value(p, target - (displacement + 4), 4);
    p->at = at;
}
