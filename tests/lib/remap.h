/* remap.h - a machine with the IOMMU and an edu device, whose domain's tables are there to be changed. */
#ifndef TESTS_LIB_REMAP_H
#define TESTS_LIB_REMAP_H

#include "arch/iommu.h"
#include "dev/pci.h"
#include "lib/bare.h"

#define REMAP_SLOT   5
#define REMAP_SID    ((u16)(REMAP_SLOT << 3))
#define REMAP_DOMAIN 7

/* Tables, which are empty but for the way to REMAP_ADDRESS, and memory. */
enum {
    REMAP_ROOT = 0x1000000,
    REMAP_CONTEXT = 0x1001000,
    REMAP_L4 = 0x1002000,
    REMAP_L3 = 0x1003000,
    REMAP_L2 = 0x1004000,
    REMAP_L1 = 0x1005000,
    REMAP_QUEUE = 0x1006000,
    REMAP_STATUS = 0x1007000,
    REMAP_INTERRUPTS = 0x1008000,
    REMAP_POSTED = 0x1009000,
    REMAP_PAGE = 0x2000000 /* to which REMAP_ADDRESS leads */
};
#define REMAP_ADDRESS UINT64_C(0x123456789000)

struct remap_machine {
    struct bare b;
    struct machine *m;
    struct core *c;
    struct pci_device *edu;
};

/* With REMAP_ADDRESS mapped for reading and writing; translation is on. */
void remap_open(struct remap_machine *r);
void remap_close(struct remap_machine *r);

u64 remap_reg(const struct remap_machine *r, unsigned at, unsigned n);
void remap_set_reg(const struct remap_machine *r, unsigned at, unsigned n, u64 value);
/* All atoms of devices that are due, and those that they ask for. */
void remap_settle(struct remap_machine *r);

/* An access of 8 bytes by edu; false: it is refused. */
bool remap_reads(const struct remap_machine *r, u64 address);
bool remap_writes(const struct remap_machine *r, u64 address);

/* Fault events go to the core, which takes interrupts. */
void remap_fault_events_to(const struct remap_machine *r, unsigned vector);
/* The vector that waits for delivery once all is settled; -1: none. */
int remap_pending(struct remap_machine *r);

/* Where the entry of a level is that maps REMAP_ADDRESS: 4 to 1. */
u64 remap_entry(unsigned level);
u64 remap_context_entry(void);

#endif
