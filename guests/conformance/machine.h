/* machine.h - the state that every case starts from. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

#include "arch/x86.h"
#include "conformance/layout.h"
#include "lib/trap_entry.h"

/* Page tables, once. */
void machine_init(void);

/* Tables, control registers, segments, MSRs, debug registers and DATA as they were. */
void machine_reset(void);

/* For cases in C. */
extern struct gate64 machine_idt[TRAP_VECTORS];
struct task {
    struct tss64 tss;
    uint8_t ports[16]; /* the I/O permission bitmap; the TSS says that there is none */
};
extern struct task machine_task;
extern uint64_t *machine_pml4;

/* The name of the first feature of `flags` (NEED_...) that CPUID does not offer, or NULL. */
const char *machine_lacks(uint64_t flags);

#endif
