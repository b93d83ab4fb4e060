/* main.c - the yardstick: one image, the same work on every machine, a line a phase.
 *
 *     bench [DIVISOR] [PHASE...] [wait]     the phases named, or all; each shortened to a DIVISOR-th
 *
 * A phase says `begin NAME` before its begin mark and `end NAME ...` after its end mark, each when the line
 * has left the UART: a watcher of the line knows by that when the phase ran.  With `wait` a phase begins only
 * when the watcher has sent a byte.  Where a phase cannot be, it says `skip NAME: why`.
 */
#include "lib/guest.h"

#include <stdbool.h>

#include "arch/insn.h"
#include "lib/args.h"
#include "lib/print.h"
#include "lib/uart.h"
#include "phase.h"

struct phase {
    const char *name;
    phase_turns *run;
    uint64_t turns, insns, iterations, overhead;
    bool vmx;
};

static const struct phase phases[] = {
#define PHASE(name, turns, insns, iterations, events, overhead, ends, vmx, what) \
    {#name, name##_turns, turns, insns, iterations, overhead, vmx},
#include "phases.def"
#undef PHASE
};

#define PHASES (sizeof phases / sizeof *phases)

/* The line has left the UART's shift register: no emulator has anything to send during a phase. */
static void drain(void)
{
    while (!(in8(PORT_CONSOLE + UART_LSR) & UART_LSR_IDLE))
        ;
}

static void measure(uint64_t number, uint64_t divisor, bool wait)
{
    const struct phase *p = &phases[number];
    uint64_t turns = p->turns / divisor ? p->turns / divisor : 1;
    struct phase_outcome result;

    print("begin %s\n", p->name);
    drain();
    if (wait)
        uart_get();
    phase_measure(p->run, turns, number, &result);
    print("end %s insns %lu iterations %lu check 0x%lx tsc %lu\n", p->name, turns * p->insns + p->overhead,
          turns * p->iterations, result.check, result.tsc);
}

/* Why the phase cannot be, or NULL.  VMX operation begins behind all phases that do without. */
static const char *lacking(const struct phase *p)
{
    static const char *vmx_lacks;
    static bool prepared;

    if (p->vmx && !prepared) {
        vmx_lacks = vmx_prepare();
        prepared = true;
    }
    return p->vmx ? vmx_lacks : NULL;
}

static void run(uint64_t number, uint64_t divisor, bool wait)
{
    const char *why = lacking(&phases[number]);

    if (why)
        print("skip %s: %s\n", phases[number].name, why);
    else
        measure(number, divisor, wait);
}

static bool among(const char *args, const char *word)
{
    unsigned i = 0;

    while (!args_is(args, i, word) && !args_is(args, i, ""))
        i++;
    return !args_is(args, i, "");
}

/* Bit i: phase i is wanted.  No name stands for all. */
static uint64_t chosen(const char *args)
{
    uint64_t set = 0;

    for (unsigned i = 0; i < PHASES; i++)
        if (among(args, phases[i].name))
            set |= UINT64_C(1) << i;
    return set ? set : UINT64_MAX;
}

uint32_t guest_main(const char *args)
{
    uint64_t divisor = args_number(args, 1, 1), set = chosen(args);
    bool wait = among(args, "wait");

    compute_prepare();
    memory_prepare();
    interrupt_prepare();
    for (unsigned i = 0; i < PHASES; i++)
        if (set >> i & 1)
            run(i, divisor ? divisor : 1, wait);
    print("done\n");
    drain();
    return 0;
}
