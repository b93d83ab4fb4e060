/* emulate.h - an instruction of a guest, done by us: what it reads and writes may be registers of a device.
 *
 * Of string instructions that is one iteration.  Nothing happens before all operands are found, and may be
 * accessed. */
#ifndef HV_EMULATE_H
#define HV_EMULATE_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"

struct mmio_range;

#define ACCESS_PARTS 2 /* it may reach into a second page */

/* An operand in memory. */
struct access {
    uint64_t linear;
    uint8_t bytes; /* 1, 2, 4 or 8 */
    bool write;    /* perhaps a read too */
    bool stack;    /* a linear address that is not canonical is #SS, not #GP */
    struct access_part {
        uint8_t *ram;                   /* the host's view, or NULL: */
        const struct mmio_range *range; /* a device's registers, */
        uint64_t offset;                /* from this one on */
        uint8_t bytes;                  /* 0: there is no second part */
    } part[ACCESS_PARTS];
};

struct emulation {
    struct instruction in;
    uint64_t *gpr; /* 16, RSP too */
    uint64_t rip, rflags, fs_base, gs_base;
    /* Fills in the parts of an access.  False: it must not be, and somebody has been told. */
    bool (*find)(struct emulation *e, struct access *a);
    void *of; /* who calls */
};

enum emulated {
    EMULATED,           /* registers and flags changed, but not rip: the instruction is over */
    EMULATED_ITERATION, /* likewise, and it goes on */
    EMULATED_NOTHING,   /* find() has refused, or there is no device in it: another core has been there */
    EMULATED_UNKNOWN    /* it is not among those that are emulated */
};

/* MOV, MOVZX, MOVSX, MOVSXD, ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NEG, NOT, XCHG, BT, BTS,
 * BTR, BTC with an operand in memory, and MOVS, STOS, LODS, CMPS, SCAS. */
enum emulated emulate(struct emulation *e);

#endif
