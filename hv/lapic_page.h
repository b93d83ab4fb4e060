/* lapic_page.h - the xAPIC's page in a VM (SDM vol. 3, 29.4 "Virtualizing Memory-Mapped APIC Accesses"). */
#ifndef HV_LAPIC_PAGE_H
#define HV_LAPIC_PAGE_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

/* A VM's part of it. */
struct lapic_page {
    uint64_t hpa;         /* what lies where the guest has its APIC: the APIC-access page */
    struct vcpu *stepper; /* who is stepping over an access */
};

/* This processor can virtualise the page: by "virtualize APIC accesses", APIC-register virtualization and the
 * monitor trap flag. */
bool lapic_page_offered(void);
/* A VM starts, with a new EPT.  False: no memory left. */
bool lapic_page_map(struct vm *vm);
/* The host's view of it; NULL if that is not what the VM has at gpa. */
uint8_t *lapic_page_at(const struct vm *vm, uint64_t gpa);
/* The fields of v's VMCS, which is current: at first, and when the mode of the APIC has changed. */
void lapic_page_setup(const struct vcpu *v);
void lapic_page_follow_mode(const struct vcpu *v);

void exit_apic_access(struct vcpu *v);
void exit_apic_write(struct vcpu *v);
/* v has had an INIT: it steps no more, and its VMCS will be set up anew. */
void lapic_page_forget_step(const struct vcpu *v);
/* v->lapic.stepping, and v has exited. */
void lapic_page_end_step(struct vcpu *v);

#endif
