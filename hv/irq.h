/* irq.h - interrupts of the machine's own devices: message-signalled, so each is an edge of one vector. */
#ifndef HV_IRQ_H
#define HV_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/* Their vectors: from VECTOR_IRQ to before VECTOR_IRQ_END. */
#define VECTOR_IRQ     0x42
#define VECTOR_IRQ_END 0x4f

/* The APIC ID to which drivers address them: core 0's, which always runs. */
#define IRQ_APIC_ID 0

/* A vector for a device's interrupt; 0: none is left.  Whether it arrives in a VM, in the hypervisor or in
 * its sleep, handle(of) is called soon after, under the one lock and with interrupts off; once for any number
 * of interrupts that have arrived by then, so it looks what its device has to say until there is no more.  It
 * may wake VMs. */
uint8_t irq_take(void (*handle)(void *of), void *of);
/* The vector is free again: its device is silent by now.  What had arrived is dropped. */
void irq_give(uint8_t vector);

/* From the trap, with or without the lock: an interrupt of this vector has been taken.  False: not one of
 * these vectors. */
bool irq_arrived(uint64_t vector);
/* Under the lock: calls the handlers of all that has arrived. */
void irq_run(void);

#endif
