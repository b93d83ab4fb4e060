/* program.h - random programs for the machine, with a note of what each instruction touches.
 *
 * A program runs in its own page tables; it loads, stores, computes, branches, loops, calls, copies, chases
 * pointers, faults, is interrupted, enters ring 3 and comes back, and ends with HLT.  As a guest it exits to
 * a small hypervisor as well.
 */
#ifndef TESTS_TICK_PROGRAM_H
#define TESTS_TICK_PROGRAM_H

#include "tick/tick.h"

/* Where things are: physical, then linear. */
#define PROGRAM_CODE_HPA     0x200000u
#define PROGRAM_CODE_BYTES   0x42000u
#define PROGRAM_SYSTEM_HPA   0x280000u /* descriptors, IDT, TSS, VMX regions */
#define PROGRAM_SYSTEM_BYTES 0x10000u
#define PROGRAM_TABLES_HPA   0x300000u
#define PROGRAM_TABLES_BYTES 0x80000u
#define PROGRAM_CHAIN_HPA    0x400000u
#define PROGRAM_CHAIN_BYTES  0x20000u
#define PROGRAM_STACK_HPA    0x600000u
#define PROGRAM_STACK_BYTES  0x20000u
#define PROGRAM_DATA_HPA     0x800000u
#define PROGRAM_DATA_BYTES   0x100000u
#define PROGRAM_BIG_HPA      0x1000000u /* eight 2 MiB pages */
#define PROGRAM_RAM_BYTES    0x2000000u
#define PROGRAM_APIC_HPA     0xfee00000u
#define PROGRAM_NOBODY_HPA   0xd0000000u /* no device answers */

#define PROGRAM_CODE_GVA   0xc0000000u
#define PROGRAM_SYSTEM_GVA 0xc0080000u
#define PROGRAM_CHAIN_GVA  0x80000000u
#define PROGRAM_DATA_GVA   0x40000000u
#define PROGRAM_STACK_GVA  0x100010000u /* top; from here on the stacks of ring 0 and of IST */
#define PROGRAM_RSP0_GVA   0x100014000u
#define PROGRAM_IST_GVA    0x100018000u
#define PROGRAM_BIG_GVA    0x200000000u
#define PROGRAM_BIG_BYTES  0x1000000u
#define PROGRAM_HUGE_GVA   0x4000000000u /* 1 GiB: physical 0 */
#define PROGRAM_BAD_GVA    0x140000000u  /* pages that refuse: see enum bad_page */
#define PROGRAM_APIC_GVA   0x180000000u
#define PROGRAM_NOBODY_GVA 0x180200000u
#define PROGRAM_MOVED      0x40000000u /* a guest's gPA less its hPA */

/* In PROGRAM_SYSTEM. */
enum {
    SYSTEM_GDT = 0,
    SYSTEM_IDT = 0x1000,
    SYSTEM_TSS = 0x2000,
    SYSTEM_POINTERS = 0x3000, /* operands of LGDT and LIDT; addresses of VMX regions */
    SYSTEM_VMXON = 0x4000,
    SYSTEM_VMCS = 0x5000,
    SYSTEM_BITMAPS = 0x6000,    /* I/O A, I/O B, MSR */
    SYSTEM_MSRS = 0x9000,       /* lists, 16 entries each: exit store, exit load, entry load */
    SYSTEM_INVALIDATE = 0xa000, /* operands of INVEPT and INVVPID */
    SYSTEM_SCRATCH = 0xb000
};

/* Pages at PROGRAM_BAD_GVA. */
enum bad_page {
    BAD_ABSENT,
    BAD_READ_ONLY,
    BAD_SYSTEM,
    BAD_NO_EXECUTE,
    BAD_EPT_ABSENT,
    BAD_EPT_READ_ONLY,
    BAD_PAGES
};

/* Selectors of the program's GDT. */
enum { PROGRAM_CS0 = 0x08, PROGRAM_DS0 = 0x10, PROGRAM_DS3 = 0x1b, PROGRAM_CS3 = 0x23, PROGRAM_TR = 0x28 };

#define PROGRAM_TIMER_VECTOR 0xe0
#define PROGRAM_EXIT_PORT    0x70 /* in the I/O bitmap */
#define PROGRAM_USER_VECTOR  0x80 /* ring 3 may raise it */

enum { NO_REG = -1 };

/* An operand in memory: base + index * 2^scale + disp; bits: moved by the bit string's bit_reg (BT). */
struct operand {
    int base, index;
    unsigned scale;
    i64 disp;
    u64 bytes;
    enum tick_access_kind kind;
    bool system;
    u64 bits;
    int bit_reg;
};

#define NOTE_OPERANDS 8

/* What is known of an instruction. */
struct note {
    u64 offset, length;
    unsigned row; /* enum isa_row */
    u64 latency, address_regs, write_regs;
    bool fence, rep;
    unsigned port, port_bytes; /* that it reads or writes */
    bool loads_segments;       /* IRETQ, far RET: the descriptors of CS and SS, as they are afterwards */
    unsigned operands;
    struct operand operand[NOTE_OPERANDS];
    enum tick_branch branch;
    struct tick_flush flush;
    int flush_reg; /* the address, or CR3, is in this register */
};

#define PROGRAM_NOTES 20000

struct program {
    u64 random;
    u8 code[PROGRAM_CODE_BYTES];
    u16 note_at[PROGRAM_CODE_BYTES]; /* number + 1 of the note of the instruction here */
    struct note note[PROGRAM_NOTES];
    size_t notes;
    u64 code_gva, system_gva;           /* where code that is emitted will run, and where system[] is then */
    u64 at;                             /* offset at which the next instruction goes */
    u64 limit;                          /* no item begins from here on */
    u64 chain[PROGRAM_CHAIN_BYTES / 8]; /* each cell holds the linear address of another */
    u8 system[PROGRAM_SYSTEM_BYTES];
    u8 tables[PROGRAM_TABLES_BYTES];
    u64 tables_used;
    u64 physical; /* added to an hPA gives the gPA that EPT maps to it; 0 on the bare machine */
    u64 root;     /* CR3 */
    u64 eptp;     /* 0 on the bare machine */
    u64 host_root;
    bool events, guest;
    bool pcid;
    bool x2apic;
    bool in_user;
    u64 guest_entry;                               /* offset where the guest is entered */
    u64 resume_from;                               /* offset where the hypervisor is */
    unsigned exit_stores, exit_loads, entry_loads; /* entries of the MSR lists */
    bool vpid;
    unsigned functions;
    u64 function[8]; /* offsets */
};

enum program_kind { PROGRAM_PLAIN, PROGRAM_EVENTS, PROGRAM_GUEST };

/* A program of `sequences` (up to 95) sequences of up to `length` items.  It is entered at its first byte, at
 * PROGRAM_CODE_HPA. */
void program_make(struct program *p, enum program_kind kind, u64 seed, unsigned sequences, unsigned length);

u64 program_random(struct program *p, u64 n); /* 0 .. n - 1 */

/* ---- tables.c ---- */

void program_tables(struct program *p);
void program_system(struct program *p);

/* ---- items.c: what computes ---- */

void item_set_up(struct program *p);
void items(struct program *p, unsigned n, bool may_loop, unsigned callee);
void item_compute(struct program *p);
u64 item_address(struct program *p); /* of data, with 4 KiB to spare on both sides */

/* ---- events.c: what faults, is interrupted, exits or changes the machine ---- */

void event_host_prologue(struct program *p);
void event_prologue(struct program *p);
void event_handlers(struct program *p);
void event_item(struct program *p);
void system_item(struct program *p);
u64 event_handler(const struct program *p, unsigned vector); /* linear address */

/* ---- guest.c ---- */

void guest_handlers(struct program *p);
void guest_prologue(struct program *p);
void guest_item(struct program *p);

#endif
