/* iommu.h - the machine's IOMMU (Intel Virtualization Technology for Directed I/O; sim/arch/iommu.h), if
 * firmware offers one.  From when it is first wanted on, a PCI function reaches memory only as its context
 * entry says: the RAM of a VM, under the addresses that this VM has for it; all addresses as they are, for
 * functions that the hypervisor drives; or nothing.  And it interrupts only by an entry of the interrupt
 * remapping table that is its own. */
#ifndef HV_IOMMU_H
#define HV_IOMMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct physical;
struct vm;

/* Switches it on, if that is still to be done.  False, with a message in `why`: there is none of use. */
bool iommu_begin(char *why, size_t size);
/* It is on. */
bool iommu_is_on(void);

/* A VM's domain: tables that lead from its guest-physical addresses to its RAM, all of which is mapped by
 * then.  False: no memory.  The end is that of the tables: functions must have left the domain. */
bool iommu_domain_begin(struct vm *vm);
void iommu_domain_end(struct vm *vm);

/* Where a function's DMA leads from now on: into a VM's domain, anywhere, nowhere. */
void iommu_attach(const struct physical *p, const struct vm *vm);
void iommu_pass(const struct physical *p);
void iommu_block(const struct physical *p);

/* Interrupt number `entry` of a function is that vector of the core with that APIC ID; the message that asks
 * for it.  False: interrupts are not remapped. */
bool iommu_route(const struct physical *p, unsigned entry, uint8_t vector, uint8_t apic_id,
                 uint64_t *address);
/* The same, but that a vector of the guest's is posted to a descriptor (posted.h).  False: there is no
 * posting. */
bool iommu_post(const struct physical *p, unsigned entry, uint8_t vector, uint64_t descriptor,
                uint64_t *address);
/* None of its messages gets through any more. */
void iommu_unroute(const struct physical *p);

#endif
