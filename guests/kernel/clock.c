/* clock.c - the TSC's frequency is CPUID's (SDM vol. 3, 18.7.3 "Determining the Processor Base Frequency"),
 * else it is measured by the local APIC's timer, else it is a guess.  That is left until somebody asks: it
 * takes half a millisecond, and most programs have no use for time. */
#include "kernel/clock.h"

#include "arch/insn.h"
#include "kernel/timer.h"

#define LEAF_TSC     0x15
#define GUESSED_HZ   UINT64_C(1000000000)
#define SLOWEST_HZ   UINT64_C(1000000)
#define WAIT_AT_MOST (UINT64_C(1) << 32) /* for a timer that does not count */

static uint64_t start, scale; /* scale: nanoseconds of a count, times 2^32 */

void clock_init(void)
{
    start = rdtsc();
}

static uint64_t told_hz(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    if (r[0] < LEAF_TSC)
        return 0;
    cpuid(LEAF_TSC, 0, r);
    return r[0] ? (uint64_t)r[2] * r[1] / r[0] : 0;
}

/* While the timer counts half its period. */
static uint64_t measured_hz(void)
{
    uint64_t begin = rdtsc(), period = timer_period(), counted = 0;
    uint64_t first = timer_count();

    while (counted < period / 2 && rdtsc() - begin < WAIT_AT_MOST)
        counted = (first + period - timer_count()) % period;
    return counted && counted >= period / 2 ? (rdtsc() - begin) * timer_hz() / counted : 0;
}

static void set_scale(void)
{
    uint64_t hz = told_hz();

    if (!hz && timer_present())
        hz = measured_hz();
    scale = (UINT64_C(1000000000) << 32) / (hz >= SLOWEST_HZ ? hz : GUESSED_HZ);
}

uint64_t clock_ns(void)
{
    if (!scale)
        set_scale();
    return (uint64_t)((unsigned __int128)(rdtsc() - start) * scale >> 32);
}
