/* emit.h - instructions as bytes, each with its note. */
#ifndef TESTS_TICK_EMIT_H
#define TESTS_TICK_EMIT_H

#include "tick/program.h"
#include "tick/rows.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* What a push of 8 bytes stores, a pop loads. */
extern const struct operand emit_pushed, emit_popped;

/* How a row is to be encoded. */
struct form {
    u64 size;                   /* operand size, if the row has a choice: 2, 4, 8; else 0 */
    int reg;                    /* ModRM's reg, or the register in the opcode */
    int rm;                     /* a register, if mem is NULL */
    const struct operand *mem;  /* its base, index, scale and disp */
    u64 imm;                    /* as many of its low bytes as the row has */
    bool lock, rep, high_bytes; /* high_bytes: no REX, registers 4 to 7 of byte operands are AH, CH, DH, BH */
};

/* One instruction of isa.def.  The note says what its operand in memory is used for; what it accesses besides
 * is for the caller to add. */
struct note *emit(struct program *p, enum isa_row row, struct form f);
/* An operand that the last instruction emitted accesses. */
void emit_access(struct note *n, struct operand o, u64 bytes, enum tick_access_kind kind);

/* The same for one of more than 8 bytes, which is accessed in two parts; it replaces what there is. */
void emit_two(struct note *n, struct operand o, u64 first_bytes, u64 second_bytes,
              enum tick_access_kind kind);

/* The ports that the last instruction emitted uses. */
void emit_port(struct note *n, unsigned port, unsigned bytes);

void emit_reg(struct program *p, enum isa_row row, int reg, int rm); /* of 8 bytes */
struct note *emit_mem(struct program *p, enum isa_row row, int reg, const struct operand *o);
void emit_set(struct program *p, int reg, u64 value); /* MOV reg, imm64 */
void emit_push(struct program *p, int reg);
void emit_pop(struct program *p, int reg);
struct note *emit_plain(struct program *p, enum isa_row row); /* no operands */
/* Makes a branch of what was emitted last. */
void emit_branch_note(struct note *n);
/* A relative branch; returns its note's number, for emit_to. */
size_t emit_branch(struct program *p, enum isa_row row);
void emit_to(struct program *p, size_t branch, u64 target);
/* MOV reg, linear address of an offset that emit_here will give. */
u64 emit_set_later(struct program *p, int reg);
void emit_here(struct program *p, u64 later);

#endif
