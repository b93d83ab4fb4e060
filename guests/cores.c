/* cores - what several cores do to one memory, counted.
 *
 *     cores [N]
 *
 * Each core (docs/machine.md, "Start of the other cores") does N turns (default 1000) of three things: adds
 * to a counter with LOCK XADD, adds to a counter under a spinlock, and adds to a counter without either.  The
 * first two must come out right; the third loses what two cores did at once.  Core 0 prints the sums, and
 * each core's own. */
#include "lib/guest.h"

#include "lib/args.h"
#include "lib/cores.h"
#include "lib/print.h"

static uint64_t turns, locked, guarded, bare;
static uint64_t own[CORES_MAX][8]; /* a line each */
static uint32_t lock;
static unsigned count;
static struct barrier barrier;

static void acquire(void)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&lock, __ATOMIC_RELAXED))
            __asm__ volatile("pause");
}

static void release(void)
{
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

/* Reads, adds and writes in three instructions. */
static void add(volatile uint64_t *counter)
{
    uint64_t value = *counter;

    __asm__ volatile("" : "+r"(value));
    *counter = value + 1;
}

static void work(unsigned number)
{
    barrier_meet(&barrier, count, 1);
    for (uint64_t i = 0; i < turns; i++) {
        add(&bare);
        __atomic_fetch_add(&locked, 1, __ATOMIC_SEQ_CST);
        acquire();
        add(&guarded);
        release();
        add(&own[number][0]);
    }
    barrier_meet(&barrier, count, 2);
}

uint32_t guest_main(const char *args)
{
    turns = args_number(args, 1, 1000);
    count = cores_count();
    cores_start(work);
    work(0);
    print("%u cores, %lu turns each\n", count, turns);
    print("locked %lu, under a lock %lu, lost without: %s\n", locked, guarded,
          bare < count * turns ? "yes" : "no");
    for (unsigned i = 0; i < count; i++)
        print("core %u: %lu\n", i + 1, own[i][0]);
    return locked == count * turns && guarded == count * turns ? 0 : 1;
}
