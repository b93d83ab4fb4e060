#include "lib/traps.h"

#include "arch/boot.h"
#include "arch/x86.h"
#include "lib/cpu.h"
#include "lib/guest.h"
#include "lib/print.h"

#define STUB_BYTES      16
#define GATE_PRESENT    0x80
#define EXIT_UNEXPECTED 126 /* debug-exit value of an exception that nobody handles */

extern const char trap_stubs[];

static struct gate64 idt[TRAP_VECTORS];
static trap_handler *handlers[TRAP_VECTORS];

static void set_gate(unsigned vector)
{
    uint64_t address = (uint64_t)trap_stubs + vector * STUB_BYTES;

    idt[vector] = (struct gate64){
        .offset_low = (uint16_t)address,
        .selector = BOOT_CS,
        .type = GATE_PRESENT | SYS_INTERRUPT_GATE,
        .offset_mid = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

void traps_init(void)
{
    struct {
        uint16_t pad[3], limit;
        uint64_t base;
    } idtr = {.limit = sizeof idt - 1, .base = (uint64_t)idt};

    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        set_gate(v);
    __asm__ volatile("lidt %0" : : "m"(idtr.limit), "m"(idtr.base));
}

void trap_set(unsigned vector, trap_handler *handler)
{
    handlers[vector] = handler;
}

const char *trap_name(uint64_t vector)
{
    switch (vector) {
#define V(number, mnemonic, has_error) \
    case number: return mnemonic;
        X86_VECTORS(V)
#undef V
    default: return "reserved vector";
    }
}

void trap_dispatch(struct trap_frame *frame);

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
