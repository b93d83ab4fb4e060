/* decode.h - bytes to an instruction (SDM vol. 2, 2.1 "Instruction Format for Protected Mode, Real-Address
 * Mode, and Virtual-8086 Mode", 2.2 "IA-32e Mode"), by the encoding columns of arch/isa.def: for what has to
 * be emulated. */
#ifndef HV_DECODE_H
#define HV_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/isa.h"

#define INSTRUCTION_BYTES 15 /* the longest */

/* In place of a register of an address. */
#define ADDRESS_NO_REGISTER 0xff
#define ADDRESS_RIP         0xfe /* of the instruction after this one */

struct instruction {
    uint16_t row;     /* enum isa_row */
    uint8_t operands; /* enum isa_operands: which of the following mean anything */
    uint8_t length;
    uint8_t op_bytes;      /* of an operand: 1, 2, 4 or 8 */
    uint8_t address_bytes; /* 4 or 8 */
    uint8_t rex;           /* the prefix, 0: none */
    uint8_t rep;           /* 0, 0xf2 or 0xf3: of string instructions alone */
    bool lock;
    bool memory;     /* E is in memory, else it is register rm */
    uint8_t reg, rm; /* numbers, REX included; rm is that of Z and A too */
    uint8_t
        segment; /* SEG_FS and SEG_GS have a base; else SEG_SS or SEG_DS, as a fault of the access tells */
    uint8_t base, index, scale; /* of an address: registers, and a shift of the second */
    int32_t disp;
    uint64_t imm; /* extended to 64 bits as the row says */
};

enum decoding {
    DECODING_OK,
    DECODING_MORE,      /* more bytes are needed */
    DECODING_UNDEFINED, /* #UD */
    DECODING_TOO_LONG   /* #GP(0) */
};

/* One instruction of 64-bit mode, of the n bytes that there are. */
enum decoding instruction_decode(const uint8_t *bytes, unsigned n, struct instruction *in);

#endif
