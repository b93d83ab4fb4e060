/* vapic.h - the virtual APIC of a guest (SDM vol. 3, 29 "APIC Virtualization and Virtual Interrupts"): a page of
 * memory that has a local APIC's registers at their offsets (arch/apic.h), and what the processor does with
 * it in VMX non-root operation. */
#ifndef RINGSIDE_CPU_VAPIC_H
#define RINGSIDE_CPU_VAPIC_H

#include "arch/vmx.h"
#include "machine.h"

/* ---- the page: vapic.c ---- */

/* A field of n bytes, 1 to 8, through the L1D under stall_vmx (E7). */
u64 vapic_load(struct core *c, u32 offset, unsigned n);
void vapic_store(struct core *c, u32 offset, unsigned n, u64 value);

/* "Use TPR shadow": MOV to and from CR8 go to the page. */
static inline bool vapic_shadows_tpr(const struct core *c)
{
    return c->s.vmx_guest && c->s.vmx.proc & PROC_TPR_SHADOW;
}

u64 vapic_read_tpr(struct core *c);
u64 vapic_tpr(const struct core *c); /* for who looks on: without time */
/* Writes VTPR, four bytes, and does what follows (29.1.2 "TPR Virtualization"). */
void vapic_write_tpr(struct core *c, u64 value);

/* ---- VM entry and exit ---- */

/* At the end of a VM entry: what it makes due (26.7). */
void vapic_enter(struct core *c);
/* Makes the VM exit that is due before the next instruction: state.def, vapic_exit. */
_Noreturn void vapic_exit_now(struct core *c);

#endif
