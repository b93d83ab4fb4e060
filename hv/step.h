/* step.h - a virtual CPU executes one instruction, and exits: the monitor trap flag (SDM vol. 3, 25.5.2
 * "Monitor Trap Flag").  It may do so for more than one reason at a time. */
#ifndef HV_STEP_H
#define HV_STEP_H

struct vcpu;

/* Why, in struct vcpu's `steps`. */
#define STEP_APIC_PAGE 1u /* over an access to its APIC's page that the processor does not virtualise */
#define STEP_LENT      2u /* with pages that it has for one instruction (shadow_fault.c) */

/* Of v, whose VMCS is current. */
void step_begin(struct vcpu *v, unsigned why);
void step_end(struct vcpu *v, unsigned why);
/* v's VMCS will be set up anew, without the flag. */
void step_forget(struct vcpu *v);

#endif
