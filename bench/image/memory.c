/* memory.c - pages, tables, buffers and the gate that the hand-written loops work on. */
#include "memory.h"

#include "arch/insn.h"
#include "lib/guest.h"
#include "lib/paging.h"
#include "phase.h"

#define IDENTITY_BYTES UINT64_C(0x4000000) /* the image with all its pages, and GRUB's information block */

static uint8_t frames[CHASE_PAGES + TOUCHED_PAGES][PAGE_4K] __attribute__((aligned(4096)));
static uint32_t order[CHASE_PAGES];

/* Used by loops.S. */
uint64_t string_from[STRING_WORDS], string_to[STRING_WORDS];
uint64_t other_root;

static uint64_t random_below(uint64_t n)
{
    static uint64_t x = 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x % n;
}

static uint64_t offset_of(uint64_t page)
{
    return page * CHASE_STRIDE % PAGE_4K;
}

/* One cycle through all pages (Sattolo's shuffle). */
static void shuffle(void)
{
    for (uint32_t i = 0; i < CHASE_PAGES; i++)
        order[i] = i;
    for (uint64_t i = CHASE_PAGES - 1; i > 0; i--) {
        uint64_t j = random_below(i);
        uint32_t other = order[j];

        order[j] = order[i];
        order[i] = other;
    }
}

static void link_pages(void)
{
    for (uint64_t i = 0; i < CHASE_PAGES; i++)
        *(uint64_t *)&frames[i][offset_of(i)] = CHASE_GVA + order[i] * PAGE_4K + offset_of(order[i]);
    for (uint64_t i = 0; i < TOUCHED_PAGES; i++)
        *(uint64_t *)&frames[CHASE_PAGES + i][offset_of(i)] = random_below(1000000);
}

/* An address space with `pages` frames, the first of them `first`, at CHASE_GVA. */
static uint64_t address_space(uint64_t first, uint64_t pages)
{
    uint64_t *pml4 = paging_new();

    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    for (uint64_t i = 0; i < pages; i++)
        paging_map(pml4, CHASE_GVA + i * PAGE_4K, (uint64_t)frames[first + i], PAGE_4K, PTE_W);
    return (uint64_t)pml4;
}

void memory_prepare(void)
{
    for (uint64_t i = 0; i < STRING_WORDS; i++)
        string_from[i] = random_below(UINT64_MAX);
    shuffle();
    link_pages();
    other_root = address_space(CHASE_PAGES, TOUCHED_PAGES);
    write_cr3(address_space(0, CHASE_PAGES));
}

void interrupt_prepare(void)
{
    extern const char interrupt_handler[];
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } idtr;
    uint64_t address = (uint64_t)interrupt_handler;

    __asm__ volatile("sidt %0" : "=m"(idtr));
    struct gate64 *gate = (struct gate64 *)idtr.base + INTERRUPT_VECTOR;
    gate->offset_low = (uint16_t)address;
    gate->offset_mid = (uint16_t)(address >> 16);
    gate->offset_high = (uint32_t)(address >> 32);
}
