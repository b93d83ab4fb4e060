/* world.h - what each test begins with: a processor in a known state, in VMX root operation, with a fresh
 * VMCS whose guest runs in the same address space. */
#ifndef VTX_WORLD_H
#define VTX_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/trap_entry.h"
#include "vtx/lib/layout.h"

/* Makes everything as it was, whatever the test before has left. */
void world_reset(void);

extern struct gate64 world_idt[TRAP_VECTORS];
extern struct tss64 world_tss;
extern uint64_t world_gdt[];
extern uint64_t world_pml4[]; /* 0 to 4 GiB, for every ring, in 2 MiB pages */
extern uint64_t world_vmxon_region;
extern uint64_t world_vmcs; /* region of the fresh VMCS, which is current */

/* A page of zeros, until the test ends; its address is physical, linear and the guest's. */
void *page_new(void);

/* What fn ends with in root operation, in ring 0 or 3: the vector of a fault, or NO_FAULT. */
#define NO_FAULT UINT64_C(0x100)
uint64_t fault_of(void (*fn)(void));
uint64_t fault_in_ring3(void (*fn)(void));
extern uint64_t fault_error; /* code of the last one */

/* Interrupts and NMIs that root operation has taken in this test; they change nothing else. */
struct taken {
    unsigned count;
    uint64_t vector; /* the last one's */
};
extern struct taken taken;
void take_pending(void); /* opens the door for them, for an instruction */

/* ---- the local APIC, in xAPIC mode ---- */

uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);
void interrupt_self(uint32_t vector); /* pending when it returns */
void nmi_self(void);

/* 2 to the power of MAXPHYADDR. */
uint64_t physical_end(void);
#define NOT_CANONICAL (UINT64_C(1) << (LINEAR_BITS - 1))

#endif
