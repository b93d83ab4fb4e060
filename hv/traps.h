/* traps.h - the hypervisor's own GDT, TSS and IDT.  Its exceptions are bugs; its one interrupt is the idle
 * timer. */
#ifndef HV_TRAPS_H
#define HV_TRAPS_H

#include "arch/boot.h"
#include "guests/lib/trap_entry.h"

#define VECTOR_TIMER    0x40
#define VECTOR_SPURIOUS 0x4f

#define SELECTOR_CODE BOOT_CS
#define SELECTOR_DATA BOOT_DS
#define SELECTOR_TSS  0x18

void traps_init(void);

/* Linear addresses for the VMCS's host-state area. */
uint64_t traps_gdt_base(void);
uint64_t traps_idt_base(void);
uint64_t traps_tss_base(void);

#endif
