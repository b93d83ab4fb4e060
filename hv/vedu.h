/* vedu.h - the edu device of a VM (edu=yes): the simplest there is that has registers in memory, an interrupt
 * and DMA (sim/arch/edu.h). */
#ifndef HV_VEDU_H
#define HV_VEDU_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/edu.h"

struct vm;
struct vpci_function;

struct vedu {
    struct vpci_function *function;
    uint32_t liveness, factorial, status, irq_status;
    uint64_t source, destination, count, command; /* of DMA */
    uint8_t buffer[EDU_DMA_BUFFER_BYTES];
};

/* A VM starts.  False: its bus is full. */
bool vedu_plug(struct vm *vm);

#endif
