/* traps.h - the hypervisor's own IDT, and a GDT and TSS for each core.  Its exceptions are bugs; its
 * interrupts are the idle timer, kicks by other cores, and those of the machine's devices (irq.h). */
#ifndef HV_TRAPS_H
#define HV_TRAPS_H

#include <stdbool.h>

#include "arch/boot.h"
#include "guests/lib/trap_entry.h"

#define VECTOR_TIMER    0x40
#define VECTOR_KICK     0x41 /* then those of irq.h */
#define VECTOR_SPURIOUS 0x4f

#define SELECTOR_CODE BOOT_CS
#define SELECTOR_DATA BOOT_DS
#define SELECTOR_TSS  0x18

#define IST_BYTES 4096

/* What each core has for itself. */
struct trap_tables {
    uint64_t gdt[5]; /* null, code, data, TSS (two entries) */
    struct tss64 tss;
    uint8_t double_fault_stack[IST_BYTES] __attribute__((aligned(16)));
};

/* Fills the IDT, which all cores share. */
void traps_init(void);
/* Fills this core's tables and loads them. */
void traps_load(struct trap_tables *t);

/* An interrupt that this core's APIC has given out; false: it is none of ours. */
bool traps_interrupt(uint64_t vector);

/* Linear address for the VMCS's host-state area. */
uint64_t traps_idt_base(void);

#endif
