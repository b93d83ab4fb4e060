/* vpci.h - the PCI bus of a VM: configuration space by ports (mechanism 1), BARs that the guest may move, MSI
 * (PCI Local Bus Specification 3.0; sim/arch/pci.h).  Functions 0 of bus 0; a VM without devices has no bus.
 */
#ifndef HV_VPCI_H
#define HV_VPCI_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/pci.h"
#include "mmio.h"

#define VPCI_FUNCTIONS    4 /* of a VM, in slots from 1 on */
#define VPCI_CONFIG_BYTES 256

struct vm;

/* What does not change of a device. */
struct vpci_model {
    uint16_t vendor, device, subvendor, subsystem;
    uint32_t class; /* class, sub-class, interface */
    uint8_t revision;
    struct {
        uint32_t bytes; /* of memory: a power of two, a page at least; 0: there is none */
        struct mmio_model registers;
    } bar[PCI_BARS];
};

struct vpci_function {
    struct vm *vm;
    const struct vpci_model *model;
    void *of; /* the device, for its registers */
    uint8_t config[VPCI_CONFIG_BYTES], writable[VPCI_CONFIG_BYTES];
    struct mmio_range *mapped[PCI_BARS];
    uint8_t msi; /* where its capability is */
};

struct vpci {
    uint32_t address;     /* what PORT_PCI_ADDRESS holds */
    uint32_t next_memory; /* where firmware puts the next BAR */
    unsigned count;
    struct vpci_function function[VPCI_FUNCTIONS];
};

/* A VM starts: an empty bus. */
void vpci_init(struct vpci *bus);
/* A device in the next slot, with MSI, as firmware leaves it: BARs placed, and decoded.  NULL: the bus is
 * full.
 */
struct vpci_function *vpci_plug(struct vm *vm, const struct vpci_model *model, void *of);

/* Whether an access to ports is to configuration space. */
bool vpci_has_port(const struct vpci *bus, unsigned port, unsigned bytes);
uint32_t vpci_in(struct vpci *bus, unsigned port, unsigned bytes);
void vpci_out(struct vpci *bus, unsigned port, unsigned bytes, uint32_t value);

/* The device may reach memory: the guest has set the bus master bit. */
bool vpci_is_master(const struct vpci_function *f);
/* The device has an interrupt: it sends its message, if the guest has switched MSI on. */
void vpci_interrupt(struct vpci_function *f);

#endif
