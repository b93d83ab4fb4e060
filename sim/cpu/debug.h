/* debug.h - breakpoint registers and the traps of single steps (SDM vol. 3, 17.2 "Debug Registers", 17.3
 * "Debug Exceptions").
 *
 * While a breakpoint is enabled the run loop looks at every instruction boundary (rt.look_again stays 0) and
 * no short cut leads to the pages that it watches; with none enabled nothing here is ever called. */
#ifndef RINGSIDE_CPU_DEBUG_H
#define RINGSIDE_CPU_DEBUG_H

#include "machine.h"

struct insn; /* cpu/decode.h */

/* True while L or G of some breakpoint is set. */
static inline bool debug_armed(const struct core *c)
{
    return c->s.dr[7] & DR7_ENABLED;
}

/* Gives DR0 to DR3, DR6 or DR7 a value that it may have, and forgets what was derived from the old one. */
void debug_write(struct core *c, unsigned n, u64 value);

/* An atom begins: nothing has been hit in it. */
static inline void debug_begin(struct core *c)
{
    c->rt.debug_hits = 0;
}

/* The atom ends in a fault or an exit: what it hit is not pending after all. */
void debug_forget(struct core *c);

/* True if an enabled breakpoint stops the instruction at RIP before it is executed: it is pending. */
bool debug_hits_code(struct core *c);
/* A data access that has been translated, and one of a port: what they hit is pending when the atom ends. */
void debug_data_access(struct core *c, u64 gva, unsigned n, bool write);
void debug_port_access(struct core *c, u16 port, unsigned n);

/* True if a data breakpoint that is enabled lies in the page of gva. */
bool debug_watches_page(const struct core *c, u64 gva);

/* An instruction completes that found or leaves TF or RF set; rt.next_rip is known, RIP still its own. */
void debug_retire(struct core *c, const struct insn *in, u64 flags_before);

#endif
