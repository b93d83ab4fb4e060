/* main.c - the yardstick: one image, the same work on every machine, a line a phase.
 *
 *     bench [DIVISOR] [PHASE...]     the phases named, or all; each shortened to a DIVISOR-th
 *
 * A phase says `begin NAME` before its begin mark and `end NAME ...` after its end mark, each when the line
 * has left the UART: a watcher of the line knows by that when the phase ran.
 */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/args.h"
#include "lib/print.h"
#include "phase.h"

struct phase {
    const char *name;
    phase_turns *run;
    uint64_t turns, insns, iterations, overhead;
};

static const struct phase phases[] = {
#define PHASE(name, turns, insns, iterations, events, overhead, what) \
    {#name, name##_turns, turns, insns, iterations, overhead},
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

static void measure(uint64_t number, uint64_t divisor)
{
    const struct phase *p = &phases[number];
    uint64_t turns = p->turns / divisor ? p->turns / divisor : 1;
    struct phase_outcome result;

    print("begin %s\n", p->name);
    drain();
    phase_measure(p->run, turns, number, &result);
    print("end %s insns %lu iterations %lu check 0x%lx tsc %lu\n", p->name,
          turns * p->insns + p->overhead, turns * p->iterations, result.check, result.tsc);
}

/* Bit i: phase i is wanted.  Words 2 and on name phases; none name all. */
static uint64_t chosen(const char *args)
{
    uint64_t set = 0;

    for (unsigned word = 2; !args_is(args, word, ""); word++)
        for (unsigned i = 0; i < PHASES; i++)
            if (args_is(args, word, phases[i].name))
                set |= UINT64_C(1) << i;
    return args_is(args, 2, "") ? UINT64_MAX : set;
}

uint32_t guest_main(const char *args)
{
    uint64_t divisor = args_number(args, 1, 1), set = chosen(args);

    compute_prepare();
    memory_prepare();
    interrupt_prepare();
    for (unsigned i = 0; i < PHASES; i++)
        if (set >> i & 1)
            measure(i, divisor ? divisor : 1);
    print("done\n");
    drain();
    return 0;
}
