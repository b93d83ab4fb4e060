#include "lib/traps.h"

#include "arch/insn.h"
#include "lib/guest.h"
#include "lib/print.h"

#define EXIT_UNEXPECTED 126 /* debug-exit value of an exception that nobody handles */

static struct gate64 idt[TRAP_VECTORS];
static trap_handler *handlers[TRAP_VECTORS];

void traps_init(void)
{
    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        idt[v] = trap_gate(v, 0);
    traps_load();
}

void traps_load(void)
{
    struct {
        uint16_t pad[3], limit;
        uint64_t base;
    } idtr = {.limit = sizeof idt - 1, .base = (uint64_t)idt};

    __asm__ volatile("lidt %0" : : "m"(idtr.limit), "m"(idtr.base));
}

void trap_set(unsigned vector, trap_handler *handler)
{
    handlers[vector] = handler;
}

void trap_dispatch(struct trap_frame *frame)
{
    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
        return;
    }
    print("unexpected %s at 0x%lx, error code 0x%lx, cr2 0x%lx\n", trap_name(frame->vector), frame->rip,
          frame->error, read_cr2());
    debug_exit(EXIT_UNEXPECTED);
}
