/* chase - follows pointers over 4 KiB pages, beyond what the TLB reaches, between mark 1 and mark 2 (RDI:
 * steps).
 *
 *     chase [PAGES] [STEPS] [STRIDE]     default 8192 pages (32 MiB), 200000 steps, at random
 *
 * Each page leads to the one STRIDE further on: 1 is one after another, 0 a random order.  RAM needed: 4 MiB
 * + PAGES * 4 KiB.
 */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/args.h"
#include "lib/mark.h"
#include "lib/paging.h"
#include "lib/print.h"

#define IDENTITY_BYTES UINT64_C(0x400000)
#define FIRST_FRAME    UINT64_C(0x400000)
#define FIRST_GVA      GVA(1, 0, 0, 0)
#define PAGES_MAX      16384

static uint32_t order[PAGES_MAX];

static uint64_t random_below(uint64_t n)
{
    static uint64_t x = 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x % n;
}

/* A page's pointer lies at an offset that spreads over the sets of all caches, of L2 too. */
static uint64_t address_of(uint64_t page)
{
    return FIRST_GVA + page * PAGE_4K + page / 16 * 64 % PAGE_4K;
}

/* One cycle through all pages (Sattolo's shuffle). */
static void order_at_random(uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++)
        order[i] = (uint32_t)i;
    for (uint64_t i = pages - 1; i > 0; i--) {
        uint64_t j = random_below(i);
        uint32_t other = order[j];

        order[j] = order[i];
        order[i] = other;
    }
}

static void order_by(uint64_t stride, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++)
        order[i] = (uint32_t)((i + stride) % pages);
}

static void link_pages(uint64_t pages, uint64_t stride)
{
    if (stride)
        order_by(stride, pages);
    else
        order_at_random(pages);
    for (uint64_t i = 0; i < pages; i++)
        *(volatile uint64_t *)address_of(i) = address_of(order[i]);
}

static uint64_t chase(uint64_t steps)
{
    uint64_t at = address_of(0), n = steps;

    mark(1, steps, 0);
    __asm__ volatile(".balign 64\n1:\tmovq (%0), %0\n\tdecq %1\n\tjnz 1b"
                     : "+r"(at), "+r"(n)
                     :
                     : "memory", "cc");
    mark(2, steps, 0);
    return at;
}

uint32_t guest_main(const char *args)
{
    uint64_t pages = args_number(args, 1, 8192), steps = args_number(args, 2, 200000);
    uint64_t stride = args_number(args, 3, 0);
    uint64_t *pml4;

    if (pages < 2 || pages > PAGES_MAX || steps < 1 || stride >= pages ||
        ram_bytes() < FIRST_FRAME + pages * PAGE_4K) {
        print("chase: 2 to %u pages, at least 1 step, 4 MiB of RAM and 4 KiB a page, a stride below PAGES\n",
              PAGES_MAX);
        return 1;
    }
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    for (uint64_t i = 0; i < pages; i++)
        paging_map(pml4, FIRST_GVA + i * PAGE_4K, FIRST_FRAME + i * PAGE_4K, PAGE_4K, PTE_W);
    write_cr3((uint64_t)pml4);
    link_pages(pages, stride);
    print("%lu steps end at page %lu\n", steps, (chase(steps) - FIRST_GVA) / PAGE_4K);
    return 0;
}
