/* core.h - the cores of the machine: what each has for itself, and how they reach each other. */
#ifndef HV_CORE_H
#define HV_CORE_H

#define CORES_MAX        8
#define CORE_STACK_BYTES 16384

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#include "arch/vmdir.h"
#include "traps.h"

struct vcpu;

struct core {
    struct core *self;     /* first: what GS:0 reads */
    unsigned number;       /* its APIC ID; 0 has booted */
    struct vcpu *current;  /* whose state it holds, and whose VMCS is current */
    struct vcpu *in_guest; /* set before a VM entry, and cleared after the exit, before the lock is taken */
    bool sleeps;           /* has nothing to run */
    bool must_choose;      /* its turn ends with its next exit */
    uint64_t
        flushed[VMDIR_VMS]; /* of each VM: vm->flushes when this core has last forgotten its translations */
    struct trap_tables tables;
};

/* This core.  GS holds its address: set as it starts, and by each VM exit (host GS base). */
static inline struct core *this_core(void)
{
    struct core *c;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(c));
    return c;
}

/* Makes the core that has booted core 0, with tables of its own. */
void core_init(void);
/* Starts all others that the processor can start: each calls main, which does not return, with the lock
 * taken.  They have entered VMX operation when this returns; it needs the lock for them to do so and has it
 * again then. */
void cores_start(void (*main)(void));

/* How many run. */
unsigned cores_count(void);
struct core *core_at(unsigned i);

/* Interrupts a core: it leaves its guest, or wakes. */
void core_kick(const struct core *c);
/* Wakes a core if it sleeps. */
void core_wake(struct core *c);

#endif
#endif
