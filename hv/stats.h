/* stats.h - exits by cause, with the cycles that each cause has cost. */
#ifndef HV_STATS_H
#define HV_STATS_H

#include <stdint.h>

#define STATS_REASONS 64

/* What a page fault was about (shadow_fault.c): one that exits, or a true one of what is emulated.  MMIO: an
 * access to a device, by a page fault or an EPT violation. */
enum stats_fault { FAULT_NONE, FAULT_TRUE, FAULT_HIDDEN, FAULT_TRACE, FAULT_MMIO, STATS_FAULTS };

struct stats {
    uint64_t entries;
    uint64_t guest_cycles; /* from before VM entry to after VM exit: the hardware's part of both is in it */
    struct stats_cause {
        uint64_t exits, cycles; /* cycles: of the handler, from after the exit to before the next entry */
    } cause[STATS_REASONS], fault_cause[STATS_FAULTS];
    enum stats_fault fault; /* of the exit being handled */
};

struct vm;
typedef void stats_line(const char *format, ...);

void stats_exit(struct stats *s, uint64_t reason, uint64_t cycles);
uint64_t stats_exits(const struct stats *s);
uint64_t stats_handler_cycles(const struct stats *s);
/* One line of totals, one a virtual CPU, and one a cause, each given to `line`. */
void stats_show(const struct vm *vm, stats_line *line);

#endif
