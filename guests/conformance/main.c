/* main.c - cases of exceptions, pages, interrupts and descriptor tables, each a line of a log that is the
 * same on every processor that follows the manual (tests/e2e/peers.sh). */
#include "arch/insn.h"
#include "conformance/interrupts.h"
#include "conformance/machine.h"
#include "conformance/paging.h"
#include "conformance/run.h"
#include "lib/guest.h"
#include "lib/print.h"

#define PORT_BOCHS_SHUTDOWN 0x8900

extern const struct case_row faults[], privilege[], debug[], descriptors[], delivery[], registers[];

/* Bochs knows no debug-exit, but this port; elsewhere nobody gets that far. */
static void end_run(void)
{
    while (!(in8(PORT_CONSOLE + UART_LSR) & UART_LSR_IDLE))
        ;
    out32(PORT_DEBUG_EXIT, 0);
    for (const char *c = "Shutdown"; *c; c++)
        out8(PORT_BOCHS_SHUTDOWN, (uint8_t)*c);
}

/* What follows `word` in the command line. */
static const char *after(const char *args, const char *word)
{
    for (; *args; args++) {
        unsigned n = 0;

        while (word[n] && args[n] == word[n])
            n++;
        if (!word[n])
            return args + n;
    }
    return args;
}

uint32_t guest_main(const char *args)
{
    run_skip(after(args, "skip="));
    machine_init();
    machine_reset();
    run_init();
    run_table(faults);
    run_table(privilege);
    run_table(delivery);
    run_table(debug);
    run_table(descriptors);
    run_table(registers);
    paging_cases();
    interrupt_cases();
    print("the end\n");
    end_run();
    return 0;
}
