/* ping - two cores that wake each other from HLT, N times there and back, by inter-processor interrupts.
 *
 *     ping [N]     default 100
 *
 * Marks 1 and 2 of core 0 are the beginning and the end, RDI is N. */
#include "lib/guest.h"

#include "lib/args.h"
#include "lib/cores.h"
#include "lib/mark.h"
#include "lib/print.h"
#include "lib/traps.h"

#define VECTOR_PING 64

static uint64_t turns;
static uint64_t got[2][8]; /* pings that each has got, on a line of its own */
static struct barrier ready;

/* Core 0 interrupts core 1 alone, and the other way round: who is interrupted knows the sender. */
static void on_ping(struct trap_frame *frame)
{
    uint32_t number;

    (void)frame;
    __asm__ volatile("cpuid" : "=d"(number) : "a"(0xb), "c"(0) : "rbx");
    got[number][0]++;
    ipi_end();
}

/* An interrupt that comes between the look and HLT ends that: STI holds it off for one instruction. */
static void wait_for(unsigned number, uint64_t count)
{
    __asm__ volatile("cli");
    while (*(volatile uint64_t *)&got[number][0] < count)
        __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}

static void pong(unsigned number)
{
    barrier_meet(&ready, 2, 1);
    for (uint64_t i = 1; number == 1 && i <= turns; i++) {
        wait_for(1, i);
        ipi_to_set(1, VECTOR_PING);
    }
}

uint32_t guest_main(const char *args)
{
    turns = args_number(args, 1, 100);
    if (cores_count() != 2) {
        print("ping needs 2 cores\n");
        return 1;
    }
    trap_set(VECTOR_PING, on_ping);
    cores_start(pong);
    barrier_meet(&ready, 2, 1);
    mark(1, turns, 0);
    for (uint64_t i = 1; i <= turns; i++) {
        ipi_to_set(2, VECTOR_PING);
        wait_for(0, i);
    }
    mark(2, turns, 0);
    print("%lu pings and %lu pongs\n", got[1][0], got[0][0]);
    return 0;
}
