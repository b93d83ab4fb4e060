/* tick.h - a plain model of the machine's time: it ticks, stage by stage, by the text of docs/machine.md.
 *
 * It knows nothing of the simulator's own timing.  It is told, atom by atom, what a run did, with the
 * addresses that each atom touched, and has its own page tables, TLBs, caches, bus, store buffer and
 * predictor.  Each function names the rules that it follows.
 */
#ifndef TESTS_TICK_H
#define TESTS_TICK_H

#include "machine.h"

enum tick_access_kind {
    TICK_LOAD,
    TICK_STORE,
    TICK_UPDATE, /* reads and writes one operand */
    TICK_PROBE   /* only asks whether a store would be allowed */
};

/* A data access by linear address.  system: the processor's own, to a descriptor or a stack of ring 0, which
 * counts as ring 0's. */
struct tick_access {
    u64 gva;
    u64 bytes;
    enum tick_access_kind kind;
    bool system;
};

/* One by host-physical address (E6). */
struct tick_physical {
    u64 hpa;
    bool write;
};

enum tick_branch { TICK_NO_BRANCH, TICK_CONDITIONAL, TICK_JUMP, TICK_CALL, TICK_RETURN };

/* How an atom ends. */
enum tick_end {
    TICK_RETIRES,
    TICK_FAULTS,          /* an exception that is not a page fault; its delivery is an atom of its own */
    TICK_INT,             /* INT n, which is delivered as a fault is, but is none */
    TICK_PAGE_FAULTS,     /* the model must find the fault itself */
    TICK_EXITS,           /* a VM exit */
    TICK_EPT_VIOLATION,   /* one whose EPT violation the model must find itself */
    TICK_DELIVERS,        /* the delivery of an event */
    TICK_DELIVERY_FAULTS, /* one that raises an exception itself */
    TICK_WAITS            /* in HLT, until `wake` */
};

/* The address space in which an atom's linear addresses are; eptp: 0 without EPT. */
struct tick_space {
    u64 cr3, eptp, vpid, pcid;
    bool guest;  /* in VMX non-root operation */
    bool global; /* CR4.PGE */
    bool apic;   /* the local APIC has its page: it is in xAPIC mode */
};

/* What an atom drops from TLBs and walk caches, once its accesses are done (SDM vol. 3, 4.10.4, 28.3.3). */
enum tick_flush_kind {
    TICK_NO_FLUSH,
    TICK_FLUSH_PAGE,      /* INVLPG: its address */
    TICK_FLUSH_PCID_PAGE, /* INVPCID type 0: address and PCID */
    TICK_FLUSH_PCID,      /* MOV CR3, INVPCID type 1: all of a PCID but global pages */
    TICK_FLUSH_GLOBAL,    /* INVPCID type 2, CR4: all of this VPID */
    TICK_FLUSH_LOCAL,     /* INVPCID type 3: all of this VPID but global pages */
    TICK_FLUSH_VPID,      /* VM entry and exit without VPID, INVVPID type 1: all of a VPID */
    TICK_FLUSH_VPIDS,     /* INVVPID: all of `vpid`; 0: of every one but 0 */
    TICK_FLUSH_EPT,       /* INVEPT: all of an EPTP; 0: of every one */
    TICK_FLUSH_ALL,       /* a new IA32_APIC_BASE: everything */
    TICK_FLUSH_CACHES     /* WBINVD, INVD: no translation, but L1I, L1D and L2 */
};
struct tick_flush {
    enum tick_flush_kind kind;
    u64 address, pcid, vpid, eptp;
};

#define TICK_ACCESSES 40
#define TICK_PHYSICAL 20

struct tick_atom {
    enum tick_end end;
    struct tick_space space; /* as the atom begins */
    bool user;               /* CPL 3 */
    u64 rip, length, next_rip;
    u64 latency;
    bool serialising, fence, stack, port;
    u64 address_regs, write_regs; /* a bit each */
    enum tick_branch branch;
    unsigned accesses;
    struct tick_access access[TICK_ACCESSES]; /* in order */
    u64 vmx_cycles;                           /* parameters of VMX instructions */
    bool enters;                              /* a VM entry that succeeds */
    unsigned entry_parts;                     /* parts of a failing entry that are reached */
    unsigned bitmaps, stored, loaded;         /* of physical[], in this order: E6 */
    struct tick_physical physical[TICK_PHYSICAL];
    struct tick_flush flush;
    u64 wake;       /* of the wait in HLT: the cycle of the event that wakes the core */
    bool interrupt; /* what is delivered is an external interrupt */
};

struct tick;

/* tables: a copy of the physical memory [0, bytes) that holds every page table in use; its A and D bits are
 * the model's own from now on.  ram_bytes: what lies above is not RAM. */
struct tick *tick_new(const struct params *p, u8 *tables, u64 bytes, u64 ram_bytes);
void tick_free(struct tick *t);

/* Lets the next atom of the run into the pipeline. */
void tick_feed(struct tick *t, const struct tick_atom *atom);
/* Ticks until the pipeline is empty. */
void tick_finish(struct tick *t);

/* Cycles from the first atom's start to the end of the last, its refill included. */
u64 tick_cycles(const struct tick *t);
const struct counters *tick_counters(const struct tick *t);
/* Cycles that the i-th atom took; final once it and its refill have left the pipeline. */
u64 tick_atom_cycles(const struct tick *t, size_t i);
/* Why what was fed can't be: "a page fault that the page tables do not give"; NULL if nothing is wrong. */
const char *tick_trouble(const struct tick *t);

#endif
