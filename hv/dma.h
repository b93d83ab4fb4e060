/* dma.h - what the devices of a VM read and write in its memory. */
#ifndef HV_DMA_H
#define HV_DMA_H

#include <stdbool.h>
#include <stdint.h>

struct vm;

/* Copies to or from guest-physical memory, whichever virtual CPU runs.  False if any byte lies outside RAM,
 * or memory has run out: what lies before it has been copied. */
bool dma_read(struct vm *vm, uint64_t gpa, void *to, uint64_t bytes);
bool dma_write(struct vm *vm, uint64_t gpa, const void *from, uint64_t bytes);

#endif
