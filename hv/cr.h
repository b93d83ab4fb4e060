/* cr.h - control registers of a VM. */
#ifndef HV_CR_H
#define HV_CR_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* Gives control register 0, 3 or 4 of v, whose VMCS is current, a value, as MOV does; false where MOV makes
 * #GP(0). CR3 is not checked. */
bool cr_write(struct vcpu *v, unsigned cr, uint64_t value);

#endif
