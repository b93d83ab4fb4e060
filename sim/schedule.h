/* schedule.h - whose atom is next on a machine of several cores (docs/machine.md, "Several cores").
 *
 * The atoms of a machine are numbered in the order in which they run; its atom number is the sum of its
 * cores' and of its devices'. */
#ifndef RINGSIDE_SCHEDULE_H
#define RINGSIDE_SCHEDULE_H

#include "cpu/cpu.h"
#include "machine.h"

/* Runs up to `atoms` atoms in order, while machine_cycle() is before until_cycle and the machine not halted.
 */
enum run_end machine_run(struct machine *m, u64 atoms, u64 until_cycle);

/* Whole atoms that the machine has done, and micros of the one that is half done. */
u64 machine_atom(const struct machine *m);
u64 machine_micro(const struct machine *m);

/* The core whose atom is half done or next; NULL: it is an atom of the devices. */
struct core *machine_next_core(const struct machine *m);
/* That atom, and its clock so far. */
struct atom *machine_next(struct machine *m);
u64 machine_next_clock(const struct machine *m);

/* Time: the cycle at which the next atom starts; within an atom its core's clock.  If all cores wait, the
 * cycle since when they do. */
u64 machine_cycle(const struct machine *m);

/* No core has anything to do, now or later. */
bool machine_is_parked(const struct machine *m);

/* The core in HLT that tells of it where nobody has anything to do, but an input could interrupt: then the
 * machine waits for that, in no time; NULL: it does not. */
struct core *machine_waiting_core(const struct machine *m);
/* It does nothing any more, for ever or until an input. */
bool machine_stands(const struct machine *m);

/* All clocks move on to the latest (power-on and reset); the cycles count as halted. */
void machine_align_clocks(struct machine *m);

/* The atom of `c` has made an event for `to`, due at that cycle: if `to` sleeps, its turn may come before the
 * run of `c` is over. */
void schedule_event(struct core *c, struct core *to, u64 due);

/* The same from a device, in its own atom or in that of a core which has reached it. */
void schedule_interrupt(struct machine *m, struct core *to, u64 due);

/* The devices have something to do at that cycle: the turn of the core that runs ends there. */
void schedule_devices(struct machine *m, u64 due);

/* The core that runs has stopped executing: who is next is to be asked anew. */
static inline void schedule_yield(struct core *c)
{
    c->rt.until = 0;
}

#endif
