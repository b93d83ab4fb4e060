/* emit.h - instructions as bytes, each with its note. */
#ifndef TESTS_TICK_EMIT_H
#define TESTS_TICK_EMIT_H

#include "tick/program.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* What a push of 8 bytes stores, a pop loads. */
extern const struct operand emit_pushed, emit_popped;

/* Opens an instruction: what follows are its bytes. */
struct note *emit_insn(struct program *p);
void emit_byte(struct program *p, unsigned byte);
void emit_value(struct program *p, u64 value, unsigned bytes);

/* REX.W prefix (or REX alone), opcode of one or two bytes (0x0fxx), ModRM of two registers. */
void emit_reg(struct program *p, bool wide, unsigned opcode, int reg, int rm);
/* The same with an operand in memory, which is noted; prefix: 0, 0x66 or 0xf0. */
struct note *emit_mem(struct program *p, unsigned prefix, bool wide, unsigned opcode, int reg,
                      const struct operand *o);
/* MOV reg, imm64. */
void emit_set(struct program *p, int reg, u64 value);
void emit_push(struct program *p, int reg);
void emit_pop(struct program *p, int reg);
/* A relative branch of 4-byte displacement; returns where the displacement is, for emit_here or emit_to. */
u64 emit_branch(struct program *p, unsigned opcode, enum tick_branch kind);
void emit_to(struct program *p, u64 displacement, u64 target);

#endif
