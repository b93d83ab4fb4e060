/* posted.h - interrupts that reach a virtual CPU without an exit: the processor delivers what its virtual
 * APIC page asks for, and takes into it what devices and others have posted to a descriptor meanwhile (SDM
 * vol. 3, 29.2 "Evaluation and Delivery of Virtual Interrupts", 29.6 "Posted-Interrupt Processing"; VT-d
 * specification, 5.2 "Interrupt Posting").  Of VMs with posted=yes. */
#ifndef HV_POSTED_H
#define HV_POSTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct vcpu;

/* Whether the processor can; false, with a message in `why`, if not. */
bool posted_possible(char *why, size_t size);
/* v, which is new, has a descriptor from now on.  Its VMCS, which is current, is to name it. */
void posted_begin(struct vcpu *v);
void posted_setup(const struct vcpu *v);
/* v's APIC is reset: so is what has been posted. */
void posted_forget(struct vcpu *v);

/* For a device's interrupt: where the IOMMU is to post it. */
uint64_t posted_descriptor(const struct vcpu *v);
/* An interrupt for v, wherever that is. */
void posted_request(struct vcpu *v, unsigned vector);
/* What has been posted becomes requests of v's APIC. */
void posted_take(struct vcpu *v);
/* Right before a VM entry. */
void posted_before_entry(struct vcpu *v);
/* An exit's interrupt has been taken off the core's APIC already ("acknowledge interrupt on exit"). */
void posted_acknowledge(void);

/* Who hears of it when something is posted: the core that runs v, which is not disturbed, or, between turns
 * (c: NULL), the hypervisor. */
void posted_turn(struct vcpu *v, const struct core *c);

#endif
