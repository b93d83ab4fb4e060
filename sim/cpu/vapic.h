/* vapic.h - the virtual APIC of a guest (SDM vol. 3, 29 "APIC Virtualization and Virtual Interrupts"): a page
 * of memory that has a local APIC's registers at their offsets (arch/apic.h), and what the processor does
 * with it in VMX non-root operation. */
#ifndef RINGSIDE_CPU_VAPIC_H
#define RINGSIDE_CPU_VAPIC_H

#include "arch/vmx.h"
#include "machine.h"
#include "mmu/mem.h"

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
/* What follows a write to VTPR (29.1.2 "TPR Virtualization"). */
void vapic_virtualise_tpr(struct core *c);
/* MOV to CR8. */
void vapic_write_cr8(struct core *c, u64 value);

/* Tells the probe `vapic`, with its micro, what has been done: enum vapic_event. */
enum vapic_event {
    VAPIC_READ,
    VAPIC_WRITE,
    VAPIC_EOI,
    VAPIC_SELF_IPI,
    VAPIC_DELIVERY,
    VAPIC_POSTED,
    VAPIC_EVENTS
};
void vapic_tell(struct core *c, enum vapic_event what, u32 offset, u64 value);

/* ---- VM entry and exit: vapic.c ---- */

/* At the end of a VM entry: what it makes due (26.7). */
void vapic_enter(struct core *c);
/* A trap-like VM exit is due before the next instruction. */
void vapic_exit_later(struct core *c, enum exit_reason reason, u64 qualification);
/* Makes it. */
_Noreturn void vapic_exit_now(struct core *c);

/* ---- the APIC-access page: vapic_access.c ---- */

/* "Virtualize APIC accesses", and the address lies in the page. */
static inline bool vapic_virtualises(const struct core *c, u64 hpa)
{
    return c->s.vmx_guest && c->s.vmx.proc2 & PROC2_APIC_ACCESSES &&
           hpa >> PAGE_SHIFT == c->s.vmx.apic_access >> PAGE_SHIFT;
}

/* A linear access (enum mmu_access) of n bytes to a page whose TLB entry says PAGE_APIC_ACCESS, before
 * anything is touched: makes its APIC-access VM exit, unless it is virtualised.  Returns the page's kind,
 * which is another if the entry is older than the control. */
enum page_kind vapic_access(struct core *c, u64 hpa, unsigned n, unsigned access);
/* Virtualised accesses of up to 4 bytes. */
u64 vapic_read(struct core *c, u64 hpa, unsigned n);
void vapic_write(struct core *c, u64 hpa, unsigned n, u64 value);
/* A guest-physical access: a walk has met a guest table in the page. */
_Noreturn void vapic_exit_physical(struct core *c);

/* ---- x2APIC MSRs: vapic_msr.c ---- */

/* RDMSR or WRMSR of this MSR goes to the page. */
bool vapic_has_msr(const struct core *c, u32 msr, bool write);
/* False: #GP(0). */
bool vapic_read_msr(struct core *c, u32 msr, u64 *value);
bool vapic_write_msr(struct core *c, u32 msr, u64 value);

/* ---- virtual interrupts: vapic_interrupt.c ---- */

/* "Virtual-interrupt delivery" */
static inline bool vapic_delivers(const struct core *c)
{
    return c->s.vmx_guest && c->s.vmx.proc2 & PROC2_VIRTUAL_INTERRUPTS;
}

/* A pending virtual interrupt is recognised, and nothing blocks it. */
bool vapic_interrupt_due(const struct core *c);
/* Takes it into service; its vector. */
unsigned vapic_take_interrupt(struct core *c);
/* At VM entry: the guest interrupt status, RVI below and SVI above. */
void vapic_load_status(struct core *c, u64 status);
void vapic_task_priority_changed(struct core *c);
void vapic_end_of_interrupt(struct core *c);
void vapic_self_ipi(struct core *c, unsigned vector);

/* "Process posted interrupts", and the external interrupt that has just been acknowledged has the
 * notification vector: 29.6 "Posted-Interrupt Processing" has been done. */
bool vapic_takes_posted(struct core *c, u64 vector);

#endif
