/* lapic.h - a virtual CPU's local APIC (SDM vol. 3, 10 "Advanced Programmable Interrupt Controller (APIC)").
 *
 * Its registers are in a page of memory, the VMCS's virtual-APIC page, at the offsets of arch/apic.h: the
 * processor itself serves MOV to and from CR8 there, and most accesses of a guest that uses the xAPIC's page.
 * Times are in cycles of the processor's TSC, which no VM can move. */
#ifndef HV_LAPIC_H
#define HV_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define LAPIC_NEVER UINT64_MAX

struct vcpu;
struct vm;

struct lapic {
    uint8_t *page;         /* the virtual-APIC page */
    uint64_t base;         /* IA32_APIC_BASE */
    uint64_t due;          /* when the timer fires; 0: it does not run */
    uint64_t count_cycles; /* of one count of the timer */
    uint64_t deadline;     /* IA32_TSC_DEADLINE, by the VM's TSC */
    uint32_t timer_mode;   /* of the LVT entry: a write through the page has lost it when we hear of it */
    uint32_t errors;       /* gathered since ESR was last written */
    bool error_raised;
    bool requested; /* IRR is not empty */
    bool changed;   /* IRR, ISR or whether it is on, since the processor has last been told (posted.h) */
    bool nmi;       /* one is pending */
};

/* ---- state ---- */

/* A virtual CPU is new: its page, as after reset.  False: no memory left. */
bool lapic_init(struct vcpu *v);
/* Registers as after reset, all but IA32_APIC_BASE. */
void lapic_reset(struct vcpu *v);
/* From xAPIC mode, or at reset. */
void lapic_enter_x2apic_mode(struct vcpu *v);
/* The APIC's number as it says itself: 8 bits, or in x2APIC mode 32. */
uint32_t lapic_id(const struct vcpu *v);
bool lapic_in_x2apic_mode(const struct lapic *a);

/* ---- interrupts ---- */

/* An interrupt arrives at v, which need not be the virtual CPU that runs. */
void lapic_raise(struct vcpu *v, unsigned vector);
/* The vector that the processor would take if it took interrupts; -1: none that its priority lets through. */
int lapic_pending(const struct vcpu *v);
/* Whether lapic_pending would say so if this one arrived, or the error that an illegal one is. */
bool lapic_would_take(const struct vcpu *v, unsigned vector);
/* Takes what lapic_pending says into service. */
void lapic_take(struct vcpu *v, unsigned vector);
/* The class below which TPR would have to fall for an interrupt to come through; 0: none waits for that. */
uint32_t lapic_threshold(const struct vcpu *v);
/* Processor priority (10.8.3.1). */
uint32_t lapic_ppr(const struct lapic *a);
/* For posted.h: 64 vectors from 64 i on are requested; whether any is; and the highest of them and of those
 * in service, as the processor is to see them, 0: none. */
void lapic_accept(struct lapic *a, unsigned i, uint64_t vectors);
void lapic_look(struct lapic *a);
unsigned lapic_requested(const struct lapic *a);
unsigned lapic_in_service(const struct lapic *a);
/* An error of its own (10.5.3): a bit of ESR. */
void lapic_error(struct vcpu *v, uint32_t bit);

/* ---- registers, by offset; value has only bits that may be set ---- */

uint32_t lapic_read(struct vcpu *v, uint32_t offset);
void lapic_write(struct vcpu *v, uint32_t offset, uint64_t value);
/* A bit APIC_READ and so on of arch/apic.h. */
bool lapic_allows(uint32_t offset, unsigned use);
/* Bits that a write may set. */
uint32_t lapic_bits(uint32_t offset);

/* ---- inter-processor interrupts: lapic_ipi.c ---- */

/* What the ICR's value asks for, within v's VM. */
void lapic_send(struct vcpu *v, uint64_t icr);
/* A device's message (10.11 "Message Signalled Interrupts"): fixed, lowest priority or NMI; others do
 * nothing. */
void lapic_message(struct vm *vm, uint32_t address, uint32_t data);
/* The one virtual CPU that such a message is a fixed interrupt of; NULL: there is not just one, or it is
 * none. */
struct vcpu *lapic_message_target(struct vm *vm, uint32_t address, uint32_t data);

/* ---- timer: lapic_timer.c; v's VMCS is current where the VM's TSC is in play ---- */

/* The next interrupt that it will make, LAPIC_NEVER if none. */
uint64_t lapic_timer_due(const struct vcpu *v);
/* The same, if its priority lets that interrupt through. */
uint64_t lapic_timer_alarm(const struct vcpu *v);
/* What was due by `now` happens. */
void lapic_timer_run(struct vcpu *v, uint64_t now);
void lapic_timer_start(struct vcpu *v, uint64_t initial);
uint32_t lapic_timer_current(const struct vcpu *v);
/* The divide configuration register has changed. */
void lapic_timer_divide(struct vcpu *v, uint32_t code);
/* The LVT entry has changed: to another mode, perhaps. */
void lapic_timer_mode(struct vcpu *v, uint32_t lvt);
void lapic_write_deadline(struct vcpu *v, uint64_t tsc);
/* The VM has moved its TSC. */
void lapic_tsc_moved(struct vcpu *v);

/* ---- MSRs: lapic_msr.c; false: #GP(0) ---- */

/* IA32_APIC_BASE, IA32_TSC_DEADLINE, x2APIC MSRs. */
bool lapic_has_msr(uint32_t msr);
bool lapic_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool lapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value);

#endif
