/* system.h - what the files of control registers, MSRs and CPUID offer each other besides cpu/cpu.h. */
#ifndef RINGSIDE_CPU_SYSTEM_H
#define RINGSIDE_CPU_SYSTEM_H

#include "machine.h"

/* Bits that CR4 may have: those whose features CPUID reports.  VMXE is one of them if the firmware offers
 * VMX. */
u64 sys_cr4_supported(const struct core *c);

/* The time-stamp counter as RDTSC, RDTSCP and RDMSR give it: in non-root operation with the VMCS's multiplier
 * and offset (SDM vol. 3, 25.3 "Changes to Instruction Behavior in VMX Non-Root Operation"). */
u64 sys_tsc(const struct core *c);

/* CR0, CR3 and CR4 at once, as a start-up IPI loads them; false, and nothing done, if MOV would refuse one.
 * All translations of linear addresses are dropped. */
bool sys_load_crs(struct core *c, u64 cr0, u64 cr3, u64 cr4);

/* XD is there unless the firmware, or software after it, has set its disable bit in IA32_MISC_ENABLE. */
bool sys_has_nx(const struct core *c);

/* Cycles in a period of the crystal that the APIC timer counts: CPUID leaf 15H (it has 32 bits). */
u64 sys_cycles_per_crystal(const struct core *c);

/* Family, model, stepping: CPUID.01H:EAX, and EDX after reset. */
#define CPU_SIGNATURE 0x506e3

#endif
