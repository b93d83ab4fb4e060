/* decode.h - from bytes to a decoded instruction, by the list of instructions in arch/isa.def. */
#ifndef RINGSIDE_DECODE_H
#define RINGSIDE_DECODE_H

#include "machine.h"

#define INSN_BYTES_MAX 15

struct insn;
typedef void insn_handler(struct core *c, const struct insn *in);

/* Columns of isa.def */
enum insn_flags {
    INSN_SERIALISING = 1,
    INSN_BRANCH = 2,
    INSN_STACK = 4,     /* PUSH, POP, CALL, RET: its RSP is forwarded in time (docs/machine.md, A1) */
    INSN_INTERCEPT = 8, /* may cause a VM exit: vmx_intercept() looks before it executes */
    INSN_FENCE = 16,    /* waits for the store buffer: LOCK, XCHG with memory, MFENCE */
    INSN_EVENT = 32     /* raises an event, and retires nothing (docs/machine.md, E1) */
};

struct insn {
    insn_handler *execute;
    u16 row; /* in isa.def: enum isa_row */
    u8 length;
    u8 op_bytes;   /* operand size: 1, 2, 4, 8 */
    u8 addr_bytes; /* 4 or 8 */
    u8 flags;      /* enum insn_flags */
    u8 latency;    /* cycles in X */
    u8 privilege;  /* highest CPL that may execute it: 0 or 3 */
    u8 rex;        /* the REX prefix, 0: none */
    u8 rep;        /* 0, 0xf2 or 0xf3 */
    u8 lock;
    u8 seg;                 /* enum segment_reg of a memory operand: fs, gs, else ds or ss (bases 0) */
    u8 modrm, mod, reg, rm; /* reg and rm with REX bits; valid if the row has a ModRM byte */
    u8 base, index, scale;  /* memory operand: register numbers, 0xff: none; 0xfe: RIP; scale 0..3 */
    i32 disp;
    u64 imm;          /* sign-extended as the row says; ENTER and MOVABS too */
    u16 address_regs; /* a bit per register that forms an address (rule A1) */
    u16 write_regs;   /* a bit per register written */
};

enum decode_result {
    DECODE_OK,
    DECODE_SHORT, /* more bytes are needed to tell */
    DECODE_UD,    /* #UD, length set */
    DECODE_LONG   /* over 15 bytes: #GP(0) */
};

/* Decodes one instruction in 64-bit mode from the n bytes there are (n up to 15). */
enum decode_result decode(const u8 *bytes, unsigned n, struct insn *in);

/* "add", "vmcall": the mnemonic of a row. */
const char *insn_name(const struct insn *in);

#endif
