/* page.c - physical pages: 4 KiB ones from the bottom of RAM, 2 MiB ones from its top, free lists for what
 * comes back, and a count for each of who uses it, for fork. */
#include "kernel/memory.h"
#include "lib/string.h"

#define RAM_MAX (UINT64_C(512) << 20)

struct free_page { /* lies in the page itself */
    struct free_page *next;
};

static struct free_page *free_small, *free_big;
static uint64_t bottom, top; /* nothing between them has been given out yet */
static uint64_t free_bytes;
static uint16_t users[RAM_MAX / PAGE_4K];

void page_init(uint64_t from, uint64_t to)
{
    bottom = round_up(from, PAGE_4K);
    top = (to < RAM_MAX ? to : RAM_MAX) & ~(PAGE_4K - 1);
    free_bytes = top - bottom;
}

static uint64_t pop(struct free_page **list)
{
    struct free_page *page = *list;

    if (!page)
        return 0;
    *list = page->next;
    return (uint64_t)page - DIRECT_MAP;
}

static void push(struct free_page **list, uint64_t pa)
{
    struct free_page *page = direct(pa);

    page->next = *list;
    *list = page;
}

static uint64_t new_big(void)
{
    uint64_t pa = pop(&free_big), below = (top - PAGE_2M) & ~(PAGE_2M - 1);

    if (pa || top < PAGE_2M || below < bottom)
        return pa;
    while (top > below + PAGE_2M)
        push(&free_small, top -= PAGE_4K);
    return top = below;
}

/* Breaks a big page up when nothing else is left. */
static uint64_t new_small(void)
{
    uint64_t pa = pop(&free_small);

    if (pa)
        return pa;
    if (bottom < top) {
        bottom += PAGE_4K;
        return bottom - PAGE_4K;
    }
    pa = pop(&free_big);
    for (uint64_t i = PAGE_2M - PAGE_4K; pa && i > 0; i -= PAGE_4K)
        push(&free_small, pa + i);
    return pa;
}

uint64_t page_new_for_copy(uint64_t bytes)
{
    uint64_t pa = bytes == PAGE_2M ? new_big() : new_small();

    if (!pa)
        return 0;
    users[pa / PAGE_4K] = 1;
    free_bytes -= bytes;
    return pa;
}

uint64_t page_new(uint64_t bytes)
{
    uint64_t pa = page_new_for_copy(bytes);

    if (pa)
        memset(direct(pa), 0, bytes);
    return pa;
}

void page_hold(uint64_t pa)
{
    users[pa / PAGE_4K]++;
}

void page_drop(uint64_t pa, uint64_t bytes)
{
    if (--users[pa / PAGE_4K] > 0)
        return;
    free_bytes += bytes;
    push(bytes == PAGE_2M ? &free_big : &free_small, pa);
}

bool page_shared(uint64_t pa)
{
    return users[pa / PAGE_4K] > 1;
}

uint64_t page_run(uint64_t bytes)
{
    uint64_t pa = bottom;

    bytes = round_up(bytes, PAGE_4K);
    if (bytes > top - bottom)
        return 0;
    bottom += bytes;
    free_bytes -= bytes;
    memset(direct(pa), 0, bytes);
    return pa;
}

uint64_t page_free_bytes(void)
{
    return free_bytes;
}
