/* passthrough.h - devices of the machine that a VM has for itself: its driver reaches their registers without
 * an exit, their DMA the VM's RAM by the IOMMU, and what is left to the hypervisor is configuration space and
 * interrupts. */
#ifndef HV_PASSTHROUGH_H
#define HV_PASSTHROUGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "physical.h"
#include "vpci.h"

struct vcpu;
struct vm;
struct passed;

struct passed_interrupt {
    struct passed *device;
    uint8_t vector;    /* of the machine's core; 0: none */
    uint64_t message;  /* of the guest's, as it was looked at last, */
    struct vcpu *goes; /* and where it is posted to; NULL: it goes by the vector */
};

struct passed {
    struct vm *vm;
    struct physical *physical; /* NULL: given back */
    struct vpci_model model;   /* of its kind */
    struct vpci_function *function;
    uint32_t at[PCI_BARS]; /* where the guest has its registers; 0: nowhere */
    bool master, messages; /* as the guest has switched them */
    struct passed_interrupt interrupt[PHYSICAL_INTERRUPTS];
};

/* Of a VM. */
struct passthrough {
    unsigned count;
    struct passed device[VPCI_FUNCTIONS];
    bool by_iommu; /* else their DMA reaches the machine's memory by its own addresses */
    bool pinned; /* they read and write its RAM unseen: it stays where it is, and as long as they are here */
};

/* Plugs what the VM's string asks for into its bus.  False, with a message in `why`, if that cannot be.  Its
 * memory is all there. */
bool passthrough_begin(struct vm *vm, char *why, size_t size);
/* The VM's turns are over: its devices are silent, reset and nobody's before this returns; no translation
 * into its RAM is left. */
void passthrough_end(struct vm *vm);

/* The page of a device's registers that gpa, beyond the VM's RAM, is in; 0: none. */
uint64_t passthrough_page(const struct vm *vm, uint64_t gpa);
/* The address by which its devices reach what lies at gpa; false: it has none, or there is no RAM. */
bool passthrough_device_address(const struct vm *vm, uint64_t gpa, uint64_t *address);

#endif
