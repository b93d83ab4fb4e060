/* main.c - cases of exceptions, pages, interrupts and descriptor tables, each a line of a log that is the
 * same on every processor that follows the manual (tests/e2e/peers.sh). */
#include "conformance/interrupts.h"
#include "conformance/machine.h"
#include "conformance/paging.h"
#include "conformance/run.h"
#include "lib/end_run.h"
#include "lib/guest.h"
#include "lib/print.h"

extern const struct case_row faults[], privilege[], debug[], descriptors[], delivery[], registers[];

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
    end_run(0);
}
