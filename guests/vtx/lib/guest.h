/* guest.h - running a guest: C functions of the test's own file, in non-root operation, in ring 0 or 3. */
#ifndef VTX_GUEST_H
#define VTX_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/vmx.h"
#include "lib/trap_entry.h"
#include "vtx/lib/layout.h"

/* What the guest's function may leave for the checks; 0 when a test begins. */
extern volatile uint64_t seen[4];

/* The guest's general registers, by REG_RAX and so on; RSP is in the VMCS. */
extern uint64_t guest_registers[16];

/* The event that the guest's IDT has delivered last, and how many so far; the frame may be changed. */
struct event {
    unsigned count;
    uint64_t vector, error, cr2, dr6, rflags, rip, rsp;
    struct trap_frame *frame;
};
extern struct event event;
void event_skips(unsigned bytes); /* its IRET goes on behind an instruction of so many bytes */

/* The guest is to begin with fn, on a stack of its own, and ends with GUEST_DONE. */
void guest_at(void (*fn)(void));
void guest_at_ring3(void (*fn)(void));

/* One entry, and what came of it: 0, a VM exit; else the flags of the instruction. */
uint64_t guest_try(void);
/* What must come of the next entry, whichever instruction does it.  The exits that these expect: */
void expect_exit(uint32_t reason);
void expect_done(void);
void expect_event(uint64_t vector); /* delivered by the guest's IDT; the guest then goes on */
void expect_exception(uint64_t vector);
void expect_entry_error(enum vmx_error error);
void expect_entry_failure(uint32_t reason, uint64_t qualification); /* exits 33 and 34 */

/* Goes on behind the instruction that made the exit. */
void guest_skip(void);
/* guest_at(fn), expect_exit(reason). */
void run_to_exit(void (*fn)(void), uint32_t reason);
void run_to_done(void (*fn)(void));
/* run_to_exit(), and that it is a fault-like one: RIP is that of the instruction, whose length is so. */
void run_to_instruction(void (*fn)(void), uint32_t reason, unsigned bytes);

/* ---- for the library ---- */

extern volatile bool guest_is_running;
void guest_trap(struct trap_frame *frame);
void guest_reset(void);

#endif
