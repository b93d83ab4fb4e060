/* hv_bus.h - a VM without a processor: RAM, a PCI bus with a device of the hypervisor's in slot 1, and what
 * its driver does first.  For tests that link parts of the hypervisor: vpci, vpci_message, dma. */
#ifndef TESTS_LIB_HV_BUS_H
#define TESTS_LIB_HV_BUS_H

#include "../../hv/vm.h"

#define BUS_RAM_BYTES 0x40000u
#define BUS_VECTORS   8

extern struct vm bus_vm;
extern uint8_t bus_ram[BUS_RAM_BYTES];
extern unsigned bus_sent[BUS_VECTORS]; /* messages, by vector of MSI-X */
extern bool bus_alive;                 /* the VM is */

/* Nothing is there. */
void bus_reset(void);

uint32_t bus_config(unsigned at, unsigned n);
void bus_set_config(unsigned at, unsigned n, uint32_t value);
/* Registers behind a BAR. */
uint64_t bus_read(unsigned bar, uint64_t at, unsigned n);
void bus_write(unsigned bar, uint64_t at, unsigned n, uint64_t value);
/* Bus mastering, and MSI-X with all of the first so many vectors open; or bus mastering alone. */
void bus_messages_on(unsigned vectors);
void bus_messages_off(void);

#endif
