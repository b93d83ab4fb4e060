/* run.h - runs a case and says what happened. */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/trap_entry.h"

struct registers { /* enter.S knows the order */
    uint64_t rip, cs, rflags, rsp, ss;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi;
};

#define EVENTS 12 /* that one case may have */

struct event {
    struct trap_frame frame;
    uint64_t top; /* of the handler's stack */
    uint64_t cr2, dr6;
};

struct outcome {
    unsigned events; /* the last one ended the case */
    struct event event[EVENTS];
};

/* Rows that cases.h makes. */
struct case_row {
    const char *name;
    uint64_t flags;
    const char *code, *try;
};

void run_init(void);

/* From `regs` on, until a fault or END; in the machine as it is. */
const struct outcome *run_from(const struct registers *regs, uint64_t flags);

/* What a case starts with: registers as cases.h says, at `code`, in ring 0 or, with RING3, in ring 3. */
struct registers run_registers(const char *code, uint64_t flags);

/* "#PF(0x3)+0", or "end". */
void run_print_event(const struct event *e, uint64_t origin, uint64_t flags);

/* Names of cases that are not to be run, with commas between: what would end the run on some processor. */
void run_skip(const char *names);

/* Prints the name; true if the case is to be run, else the line says why not. */
bool run_begin(const char *name, uint64_t flags);

/* A table's cases, a line each: from the state of machine_reset(). */
void run_table(const struct case_row *row);

/* Who takes what does not end a case; NULL: it is noted as an event. */
void run_on_interrupt(void (*handler)(struct trap_frame *frame));

#endif
