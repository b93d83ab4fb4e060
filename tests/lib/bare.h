/* bare.h - a machine without an image: a core in ring 0 on an identity map, with GDT, IDT and TSS, to put
 * instructions into and step. */
#ifndef TESTS_LIB_BARE_H
#define TESTS_LIB_BARE_H

#include "machine.h"

/* Physical and linear addresses. */
enum {
    BARE_PML4 = 0x10000,
    BARE_GDT = 0x18000,
    BARE_IDT = 0x19000,
    BARE_TSS = 0x1b000,
    BARE_CODE = 0x20000,    /* ring 0 starts here; core i BARE_PART i further on */
    BARE_PART = 0x1000,     /* and its stack is BARE_PART i lower */
    BARE_HANDLER = 0x30000, /* of vector v: 16 v bytes on */
    BARE_STACK = 0x50000,   /* ring 0's */
    BARE_RSP0 = 0x60000,
    BARE_IST1 = 0x70000,
    BARE_USER = 0x200000, /* ring 3 may use the 2 MiB from here */
    BARE_USER_STACK = 0x300000,
    BARE_UNMAPPED = 0x800000 /* nothing is mapped from here */
};

/* Selectors. */
enum {
    BARE_CS0 = 0x08,
    BARE_DS0 = 0x10,
    BARE_DS3 = 0x1b,
    BARE_CS3 = 0x23,
    BARE_TR = 0x28,
    BARE_CS_COMPAT = 0x38, /* code without L */
    BARE_CS_ABSENT = 0x40, /* 64-bit code, not present */
    BARE_LDT = 0x48,
    BARE_TSS_FREE = 0x58, /* an available TSS */
    BARE_GDT_BYTES = 0x68
};

struct bare {
    rs_world *world;
    rs_machine *machine;
    struct core *core;
};

/* firmware: enum rs_firmware. */
void bare_open(struct bare *b, u64 firmware);
/* Several cores, all as core 0 but for their code and stacks; only core 0 is not waiting to be started. */
void bare_open_cores(struct bare *b, u64 firmware, u64 cores);
/* The same with devices. */
void bare_open_devices(struct bare *b, u64 firmware, u64 cores, const struct rs_device *device, size_t n);
void bare_close(struct bare *b);

/* Puts bytes at an address. */
void bare_put(struct bare *b, u64 address, const char *bytes, size_t n);
/* Puts an instruction at RIP. */
#define BARE_INSN(b, bytes) bare_put((b), (b)->core->s.rip, (bytes), sizeof(bytes) - 1)
u64 bare_u64(const struct bare *b, u64 address);
void bare_set_u64(struct bare *b, u64 address, u64 value);

/* type: P | DPL << 5 | gate type. */
void bare_gate(struct bare *b, unsigned vector, u64 handler, unsigned selector, unsigned type, unsigned ist);

/* Where the gate of a vector leads. */
static inline u64 bare_handler(unsigned vector)
{
    return BARE_HANDLER + 16 * vector;
}

/* The i-th word of an event's frame, from the stack's top: [error,] RIP, CS, RFLAGS, RSP, SS. */
u64 bare_frame(const struct bare *b, unsigned i);

/* Ring 3, at BARE_USER. */
void bare_enter_user(struct bare *b);

void bare_atoms(struct bare *b, unsigned n);

/* No machine can be made with these devices, and `why` is in the message. */
void bare_refused(const struct rs_device *device, size_t n, const char *why);

#endif
