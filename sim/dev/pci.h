/* pci.h - functions on the PCI bus: configuration space, BARs, MSI, MSI-X and INTx (PCI Local Bus
 * Specification 3.0; sim/arch/pci.h).
 *
 * A device's model says what is fixed; what software can change is in state.def's `pci`, and in a struct of
 * the device's own.  All are function 0 of a slot of bus 0. */
#ifndef RINGSIDE_DEV_PCI_H
#define RINGSIDE_DEV_PCI_H

#include "arch/pci.h"
#include "dev/device.h"

#define PCI_CONFIG_BYTES 256

struct pci_device;

struct pci_model {
    const char *name;
    u16 vendor, device, subvendor, subsystem;
    u32 class; /* class, sub-class, interface */
    u8 revision;
    struct {
        u32 bytes; /* a power of two; 0: there is none */
        u32 flags; /* PCI_BAR_... */
    } bar[PCI_BARS];
    bool intx; /* uses INTA# */
    bool msi;
    u8 msi_at;       /* where in configuration space its MSI is; 0: anywhere */
    u8 msix_vectors; /* up to PCI_MSIX_MAX; the table is in BAR msix_bar, which has nothing else */
    u8 msix_bar;

    /* What else is in configuration space, with what software may write. */
    void (*build)(struct pci_device *d);
    /* RESET, and power-on. */
    void (*reset)(struct pci_device *d);
    /* Its registers: offsets in a BAR, of 1, 2, 4 or 8 bytes as the access has them. */
    u64 (*read)(struct pci_device *d, unsigned bar, u64 offset, unsigned n);
    void (*write)(struct pci_device *d, unsigned bar, u64 offset, unsigned n, u64 value);
    /* The atom that it has asked for. */
    void (*run)(struct pci_device *d);
    /* After a write to configuration space that the rest of the model does not know of; NULL: nothing to do.
     */
    void (*configured)(struct pci_device *d, unsigned at);
    /* Before a read of it, likewise. */
    void (*configuring)(struct pci_device *d, unsigned at);
};

/* A function in its slot: what does not change while the machine is on. */
struct pci_device {
    struct machine *m;
    const struct pci_model *model;
    unsigned slot;
    unsigned instance;             /* of its model: which struct of state.def is its */
    u8 fixed[PCI_CONFIG_BYTES];    /* configuration space as RESET leaves it */
    u8 writable[PCI_CONFIG_BYTES]; /* bits that software may set */
    u8 msi_at, msix_at, next_capability;
    u8 own_at; /* a capability that the model looks at */
};

/* Puts a function into a slot, before power-on.  False: the slot is taken. */
bool pci_plug(struct machine *m, unsigned slot, const struct pci_model *model, unsigned instance);
void pci_unplug_all(struct machine *m);

/* For models' `build`: a capability of `n` bytes, header included; returns where it is. */
unsigned pci_add_capability(struct pci_device *d, u8 id, unsigned n);
void pci_fixed(struct pci_device *d, unsigned at, unsigned n, u32 value);
void pci_writable(struct pci_device *d, unsigned at, unsigned n, u32 bits);

/* RESET: configuration spaces, with BARs where firmware puts them, and devices. */
void pci_reset(struct machine *m);
/* The atom of the function in that slot. */
void pci_run(struct machine *m, unsigned slot);

/* Configuration space as software sees it; an empty slot reads as ones. */
u32 pci_config(const struct pci_device *d, unsigned at, unsigned n);
/* Sets it, as the function itself does. */
void pci_set_config(struct pci_device *d, unsigned at, unsigned n, u32 value);
u32 pci_config_read(struct machine *m, u32 address, unsigned n);
void pci_config_write(struct machine *m, u32 address, unsigned n, u32 value);
/* The ports of configuration mechanism 1, at PORT_PCI_ADDRESS + offset. */
u64 pci_port_read(struct machine *m, unsigned offset, unsigned n);
void pci_port_write(struct machine *m, unsigned offset, unsigned n, u64 value);

/* What lies behind a BAR or in the enhanced configuration space; false: nobody answers. */
bool pci_mmio_read(struct machine *m, u64 hpa, unsigned n, u64 *value);
bool pci_mmio_write(struct machine *m, u64 hpa, unsigned n, u64 value);
bool pci_io_read(struct machine *m, u16 port, unsigned n, u64 *value);
bool pci_io_write(struct machine *m, u16 port, unsigned n, u64 value);

/* Bus number, device number, function number: who asks, as the IOMMU sees it. */
static inline u16 pci_requester(const struct pci_device *d)
{
    return (u16)(d->slot << 3);
}

/* The function asks for its model's `run` at cycle `due`, instead of what it asked for before; or for none.
 */
void pci_schedule(struct pci_device *d, u64 due);
void pci_cancel(struct pci_device *d);

/* ---- interrupts: dev/pci_interrupt.c ---- */

/* The function's interrupt logic asks for an interrupt, or does not: INTA# follows, unless messages are on or
 * it is disabled. */
void pci_interrupt_level(struct pci_device *d, bool level);
/* Sends the message of a vector, as an atom of its own: by MSI-X if that is on, else by MSI, which has one
 * vector; false: neither is on. */
bool pci_interrupt_message(struct pci_device *d, unsigned vector);
bool pci_has_messages(const struct pci_device *d);
/* Somebody would hear an interrupt of its. */
bool pci_is_heard(const struct pci_device *d);

/* ---- between pci.c and pci_interrupt.c ---- */

void pci_send_messages(struct pci_device *d);        /* those that wait to be sent */
void pci_interrupt_configured(struct pci_device *d); /* after a write to configuration space */
u64 pci_msix_read(const struct pci_device *d, u64 offset, unsigned n);
void pci_msix_write(struct pci_device *d, u64 offset, unsigned n, u64 value);
void pci_reschedule(struct pci_device *d);

#endif
