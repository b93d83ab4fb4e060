/* lapic_page.h - the xAPIC's page in a VM (SDM vol. 3, 29.4 "Virtualizing Memory-Mapped APIC Accesses"). */
#ifndef HV_LAPIC_PAGE_H
#define HV_LAPIC_PAGE_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

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
/* v has exited from its step over an access to the page (STEP_APIC_PAGE). */
void lapic_page_end_step(struct vcpu *v);

#endif
