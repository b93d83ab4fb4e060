/* pci.h - configuration space by mechanism 1, and what a driver does first (sim/arch/pci.h). */
#ifndef PCI_H
#define PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/pci.h"

#define PCI_NOWHERE 0xffffffffu

uint32_t pci_read(uint32_t slot, uint32_t at);
uint16_t pci_read16(uint32_t slot, uint32_t at);
void pci_write(uint32_t slot, uint32_t at, uint32_t value);
void pci_write16(uint32_t slot, uint32_t at, uint16_t value);

/* The slot of bus 0 with the n-th function of that vendor and device; PCI_NOWHERE: there is none. */
uint32_t pci_find(uint16_t vendor, uint16_t device, unsigned n);
/* Whether mechanism 1 is there at all: where it is not, ports read as ones. */
bool pci_present(void);
/* Address of a memory BAR. */
uint64_t pci_bar(uint32_t slot, unsigned bar);
/* Its bytes, by writing ones to it (PCI 3.0, 6.2.5.1 "Address Maps"); 0: a BAR of ports, or none. */
uint64_t pci_bar_bytes(uint32_t slot, unsigned bar);
/* Where a capability is; 0: the function has none of that ID.  After `before`, or the first if that is 0. */
uint32_t pci_capability(uint32_t slot, uint8_t id, uint32_t before);
/* Memory decoding and bus mastering on. */
void pci_enable(uint32_t slot);
/* MSI on, with a fixed interrupt of that vector to the local APIC of that ID; false: it has no MSI. */
bool pci_enable_msi(uint32_t slot, uint8_t vector, uint8_t apic_id);
/* The same by an entry of its MSI-X table; false: it has none. */
bool pci_enable_msix(uint32_t slot, unsigned entry, uint8_t vector, uint8_t apic_id);
/* Either with any message. */
bool pci_set_msi(uint32_t slot, uint64_t address, uint16_t value);
bool pci_set_msix(uint32_t slot, unsigned entry, uint64_t address, uint32_t data);

#endif
