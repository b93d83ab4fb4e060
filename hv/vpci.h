/* vpci.h - the PCI bus of a VM: configuration space by ports (mechanism 1), BARs that the guest may move, MSI
 * and MSI-X (PCI Local Bus Specification 3.0; sim/arch/pci.h).  Functions 0 of bus 0; a VM without devices
 * has no bus. */
#ifndef HV_VPCI_H
#define HV_VPCI_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/pci.h"
#include "mmio.h"

#define VPCI_FUNCTIONS    4 /* of a VM, in slots from 1 on */
#define VPCI_CONFIG_BYTES 256
#define VPCI_VECTORS      8 /* of MSI-X, at most */

struct vm;
struct vpci_function;

/* What does not change of a device. */
struct vpci_model {
    uint16_t vendor, device, subvendor, subsystem;
    uint32_t class; /* class, sub-class, interface */
    uint8_t revision;
    struct {
        uint32_t bytes; /* of memory: a power of two, a page at least; 0: there is none */
        struct mmio_model registers;
    } bar[PCI_BARS];
    uint8_t
        msix_vectors; /* 0: it has MSI; else MSI-X, with the table in BAR msix_bar and nothing else there */
    uint8_t msix_bar;
    /* What follows may be NULL.  Capabilities of its own: vpci_add_capability and the two after it. */
    void (*build)(struct vpci_function *f);
    /* Before configuration space is read there, and after a write; `of` is the device. */
    void (*configuring)(void *of, unsigned at);
    void (*configured)(void *of, unsigned at);
    /* The registers of a BAR, but for a table of MSI-X, are at gpa from now on, 0: nowhere; the device puts
     * them there by itself. */
    void (*place)(void *of, unsigned bar, uint32_t gpa);
    /* The guest has changed its MSI-X: an entry of the table. */
    void (*msix_changed)(void *of, unsigned vector);
};

struct vpci_function {
    struct vm *vm;
    const struct vpci_model *model;
    void *of; /* the device, for its registers */
    uint8_t config[VPCI_CONFIG_BYTES], writable[VPCI_CONFIG_BYTES];
    struct mmio_range *mapped[PCI_BARS];
    uint8_t msi, msix, next_capability; /* where they are; 0: it has none */
    uint64_t vector[2 * VPCI_VECTORS];  /* the table of MSI-X: address; data, and vector control above it */
    uint64_t pending;                   /* vectors that were to be sent while they were masked */
};

struct vpci {
    uint32_t address;     /* what PORT_PCI_ADDRESS holds */
    uint32_t next_memory; /* where firmware puts the next BAR */
    unsigned count;
    struct vpci_function function[VPCI_FUNCTIONS];
};

/* A VM starts: an empty bus. */
void vpci_init(struct vpci *bus);
/* A device in the next slot, as firmware leaves it: BARs placed, and decoded.  NULL: the bus is full. */
struct vpci_function *vpci_plug(struct vm *vm, const struct vpci_model *model, void *of);

/* Whether an access to ports is to configuration space. */
bool vpci_has_port(const struct vpci *bus, unsigned port, unsigned bytes);
uint32_t vpci_in(struct vpci *bus, unsigned port, unsigned bytes);
void vpci_out(struct vpci *bus, unsigned port, unsigned bytes, uint32_t value);

/* The device may reach memory: the guest has set the bus master bit. */
bool vpci_is_master(const struct vpci_function *f);

/* ---- for a model's `build`, and its hooks ---- */

/* A capability of `bytes`, header included, at the head of the list; returns where it is. */
unsigned vpci_add_capability(struct vpci_function *f, uint8_t id, unsigned bytes);
/* Up to 4 bytes of configuration space, and which of their bits the guest may write. */
uint32_t vpci_config(const struct vpci_function *f, unsigned at, unsigned bytes);
void vpci_set_config(struct vpci_function *f, unsigned at, unsigned bytes, uint32_t value);
void vpci_set_writable(struct vpci_function *f, unsigned at, unsigned bytes, uint32_t bits);

/* ---- vpci_message.c: interrupts ---- */

/* The message of a vector, as the guest has it now; false: there is none, or it is masked. */
bool vpci_message_of(const struct vpci_function *f, unsigned vector, uint64_t *address, uint32_t *data);
/* The guest has switched MSI or MSI-X on. */
bool vpci_has_messages(const struct vpci_function *f);
/* The device has an interrupt: it sends the message of a vector, if there are messages.  By MSI all have the
 * same. */
void vpci_message(struct vpci_function *f, unsigned vector);
void vpci_interrupt(struct vpci_function *f);

/* For vpci.c: the capability; the table's registers, whose device is the function; the guest has written to
 * configuration space. */
void vpci_build_messages(struct vpci_function *f);
extern const struct mmio_model vpci_msix_table;
void vpci_send_pending(struct vpci_function *f);

#endif
