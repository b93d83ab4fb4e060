/* shootdown - a translation that other cores keep, and how they are made to forget it.
 *
 *     shootdown [ROUNDS]
 *
 * All cores map one page and read it.  Then core 0 makes the page's entry point to another frame.
 *
 *     A   The others read again: their TLBs still have the old frame.
 *     B   Core 0 interrupts them; each drops the page (INVLPG) and says so.  They read again: the new frame.
 *     C   For 1, 2, ... others: ROUNDS times (default 8) a change of the entry with its shootdown, timed by
 * core 0.
 *
 * Marks (RAX the id, RDI and RSI): 1 the entry has been changed (address of the page, of the entry); 2 a core
 * has read the page in A (its number, what it read); 3 the same in B; 4 and 5 a timed shootdown begins and
 * ends (cores interrupted, round).  The instructions `shootdown_invlpg` and `shootdown_said` have symbols. */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/args.h"
#include "lib/cores.h"
#include "lib/mark.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/traps.h"

#define PAGE_GVA       GVA(2, 3, 4, 5)
#define FRAME_OLD      UINT64_C(0x600000)
#define FRAME_NEW      UINT64_C(0x601000)
#define IDENTITY_BYTES UINT64_C(0x800000)
#define VECTOR_FORGET  64

/* Each on a line of its own. */
#define LINE __attribute__((aligned(64)))

static uint64_t *pml4, *entry;
static unsigned count;
static struct barrier barrier LINE;
static LINE uint64_t turn[CORES_MAX][8]; /* of the barrier */
static LINE uint64_t forgotten;          /* by cores that have dropped the page */
static LINE uint64_t over;
static LINE uint64_t stale[CORES_MAX], fresh[CORES_MAX]; /* what each core read in A and in B */

static void meet(unsigned number)
{
    barrier_meet(&barrier, count, ++turn[number][0]);
}

static uint64_t read_page(void)
{
    return *(volatile uint64_t *)PAGE_GVA;
}

/* ---- the other cores ---- */

static void on_forget(struct trap_frame *frame)
{
    (void)frame;
    __asm__ volatile(".globl shootdown_invlpg, shootdown_said\n"
                     "shootdown_invlpg:\n\tinvlpg (%1)\n"
                     "shootdown_said:\n\tlock incq %0"
                     : "+m"(forgotten)
                     : "r"(PAGE_GVA)
                     : "memory", "cc");
    ipi_end();
}

static void other(unsigned number)
{
    __asm__ volatile("sti");
    read_page();
    meet(number); /* all have the page */
    meet(number); /* its entry has been changed */
    stale[number] = read_page();
    mark(2, number, stale[number]);
    meet(number); /* all have read: now it is shot down */
    meet(number);
    fresh[number] = read_page();
    mark(3, number, fresh[number]);
    meet(number);
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
        read_page();
    meet(number);
}

/* ---- core 0 ---- */

static void point_to(uint64_t frame)
{
    __atomic_store_n(entry, frame | PTE_P | PTE_W, __ATOMIC_SEQ_CST);
    invlpg(PAGE_GVA);
}

/* Interrupts the first n others, and waits until each has dropped the page. */
static void shoot_down(unsigned n)
{
    __atomic_store_n(&forgotten, 0, __ATOMIC_SEQ_CST);
    ipi_to_set((1u << (n + 1)) - 2, VECTOR_FORGET);
    while (__atomic_load_n(&forgotten, __ATOMIC_SEQ_CST) < n)
        __asm__ volatile("pause");
}

static unsigned readers_of(const uint64_t read[CORES_MAX], uint64_t frame)
{
    unsigned n = 0;

    for (unsigned i = 1; i < count; i++)
        n += read[i] == frame;
    return n;
}

static void with_and_without(void)
{
    meet(0);
    point_to(FRAME_NEW);
    mark(1, PAGE_GVA, (uint64_t)entry);
    meet(0);
    meet(0);
    print("A: core 1 reads 0x%lx; %u of %u others still read 0x%lx\n", read_page(),
          readers_of(stale, FRAME_OLD), count - 1, FRAME_OLD);
    shoot_down(count - 1);
    meet(0);
    meet(0);
    print("B: after the shootdown %u of %u others read 0x%lx\n", readers_of(fresh, FRAME_NEW), count - 1,
          FRAME_NEW);
}

static uint64_t timed(unsigned n, uint64_t round)
{
    uint64_t start = rdtsc();

    mark(4, n, round);
    point_to(round & 1 ? FRAME_NEW : FRAME_OLD);
    shoot_down(n);
    mark(5, n, round);
    return rdtsc() - start;
}

static void time_them(uint64_t rounds)
{
    for (unsigned n = 1; n < count; n++) {
        uint64_t sum = 0;

        for (uint64_t round = 0; round < rounds; round++)
            sum += timed(n, round);
        print("C: %u others: %lu cycles a shootdown\n", n, rounds ? sum / rounds : 0);
    }
    __atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
    meet(0);
}

static void make_tables(void)
{
    *(volatile uint64_t *)FRAME_OLD = FRAME_OLD;
    *(volatile uint64_t *)FRAME_NEW = FRAME_NEW;
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    paging_map(pml4, PAGE_GVA, FRAME_OLD, PAGE_4K, PTE_W);
    entry = paging_entry(pml4, PAGE_GVA, PAGE_4K);
    write_cr3((uint64_t)pml4);
}

uint32_t guest_main(const char *args)
{
    count = cores_count();
    if (ram_bytes() < IDENTITY_BYTES || count < 2) {
        print("shootdown needs 8 MiB of RAM and 2 cores\n");
        return 1;
    }
    make_tables();
    trap_set(VECTOR_FORGET, on_forget);
    cores_start(other);
    with_and_without();
    time_them(args_number(args, 1, 8));
    return readers_of(stale, FRAME_OLD) == count - 1 && readers_of(fresh, FRAME_NEW) == count - 1 ? 0 : 1;
}
