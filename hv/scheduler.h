/* scheduler.h - which core runs which virtual CPU: each VM gets its share of the machine, by weight. */
#ifndef HV_SCHEDULER_H
#define HV_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

/* The longest turn, kept by the VMX-preemption timer; 1 ms at 1 GHz. */
#define QUANTUM_CYCLES 1000000u

struct vcpu;
struct vm;

/* A VM's claim: the cycles that its virtual CPUs have had, by its weight. */
struct share {
    uint64_t time; /* WEIGHT_MAX / weight for each cycle */
};

/* A virtual CPU's turns. */
struct turn {
    struct core *core;    /* that gives it a turn now, or NULL */
    uint64_t start, last; /* when it began, and when the last one ended, by the TSC */
    uint64_t count, cycles;
};

/* Before all else; VMX operation is on. */
void scheduler_init(void);
/* What core 0 does: turns and commands, until all VMs that were ever started have stopped (for ever, if
 * `stay`). True if all ended well. */
bool scheduler_run(bool stay);
/* What all other cores do. */
_Noreturn void scheduler_serve(void);

/* vm is about to run, for the first time or again: it has no claim to what others have had meanwhile. */
void scheduler_enter(struct vm *vm);
/* v can run from now on (it has been started or woken, or its VM resumed): a core that sleeps takes it, or
 * one that runs who has had more of its share. */
void scheduler_wake(struct vcpu *v);

/* v, which has the turn of this core, ends it if there is another of its VM to go on with. */
void scheduler_yield(struct vcpu *v);

#endif
