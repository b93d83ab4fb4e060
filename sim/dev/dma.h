/* dma.h - devices' accesses to memory, in atoms of the devices (docs/machine.md, D2 to D4). */
#ifndef RINGSIDE_DEV_DMA_H
#define RINGSIDE_DEV_DMA_H

#include "dev/pci.h"

/* n bytes from or to memory at the address as the device sees it.  False if any of it is refused: the
 * function is no bus master, or the IOMMU blocks it; what comes before that in the order of addresses has
 * been done, and what could not be read is ones.  Addresses that nobody answers read as ones and swallow
 * writes. */
bool dma_read(struct pci_device *d, u64 address, void *bytes, unsigned n);
bool dma_write(struct pci_device *d, u64 address, const void *bytes, unsigned n);

/* A little-endian value of 1, 2, 4 or 8 bytes. */
bool dma_write_value(struct pci_device *d, u64 address, unsigned n, u64 value);

/* A function's message: a write of 4 bytes that interrupts.  What lies outside the messages' addresses is a
 * plain write. */
void dma_message(struct pci_device *d, u64 address, u32 data);

/* A message from whoever has that requester ID. */
void device_message(struct machine *m, u16 requester, u64 address, u32 data);

#endif
