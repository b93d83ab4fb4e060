/* event.h - what the next VM entry delivers to the guest (SDM vol. 3, 26.6 "Event Injection"). */
#ifndef HV_EVENT_H
#define HV_EVENT_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct event {
    uint32_t windows;   /* of PROC_INTERRUPT_WINDOW and PROC_NMI_WINDOW: what its VMCS has */
    uint32_t threshold; /* likewise, of TPR */
    bool resume;        /* RF in the frame of the interrupt or NMI that was last delivered */
};

/* Of v, whose VMCS is current: sees to what is pending, before each entry. */
void event_prepare(struct vcpu *v);

/* A fault of the instruction that has exited, which will run again. */
void vcpu_inject(unsigned vector, bool has_error, uint32_t error);
/* A fault that may have been met in the midst of delivering an event (SDM vol. 3, table 6-5 "Conditions for
 * Generating a Double Fault"). */
void vcpu_inject_page_fault(struct vcpu *v, uint32_t error);
/* After an EPT violation or a page fault, if what was under way is to be done again: an event whose delivery
 * has been interrupted is delivered once more at the next entry, and NMIs that an IRET has let in wait for
 * it. */
void vcpu_redeliver_event(const struct vcpu *v);

/* What can end a HLT that v is about to begin. */
#define WAKES_BY_INTERRUPT 1u
#define WAKES_BY_NMI       2u
unsigned event_wakers(void);
/* v is in HLT: has something come that ends it? */
bool event_wakes(struct vcpu *v);

#endif
