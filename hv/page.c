#include "page.h"

#include <stdbool.h>

#include "guests/lib/string.h"

#define USED_BEFORE UINT64_C(0x646573755f6d6172)

/* A free page holds the address of the next one.  What was never given out lies between `fresh` and `end`. */
struct free_list {
    uint64_t first, bytes;
};

static struct free_list small, large;
static uint64_t fresh, end;
static bool used_before; /* since power-on */

static void push(struct free_list *list, uint64_t hpa, uint64_t bytes)
{
    *(uint64_t *)hpa = list->first;
    list->first = hpa;
    list->bytes += bytes;
}

static uint64_t pop(struct free_list *list, uint64_t bytes)
{
    uint64_t hpa = list->first;

    if (hpa) {
        list->first = *(uint64_t *)hpa;
        list->bytes -= bytes;
    }
    return hpa;
}

/* RAM is zero at power-on and keeps its bytes over a reset.  The last page tells which it was: no VM ever
 * gets it. */
void page_init(uint64_t first, uint64_t limit)
{
    uint64_t *mark;

    fresh = (first + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    end = (limit & ~(PAGE_BYTES - 1)) - PAGE_BYTES;
    if (limit < PAGE_BYTES || end <= fresh) {
        end = fresh;
        return;
    }
    mark = (uint64_t *)end;
    used_before = *mark == USED_BEFORE;
    *mark = USED_BEFORE;
}

static uint64_t take_fresh(uint64_t bytes)
{
    uint64_t hpa = fresh;

    if (end - fresh < bytes)
        return 0;
    fresh += bytes;
    return hpa;
}

static uint64_t cleared(uint64_t hpa, uint64_t bytes)
{
    if (hpa)
        memset((void *)hpa, 0, bytes);
    return hpa;
}

/* Puts pages on the free list until `fresh` is a multiple of 2 MiB. */
static bool align_fresh(void)
{
    uint64_t aligned = (fresh + LARGE_BYTES - 1) & ~(LARGE_BYTES - 1);

    if (aligned > end)
        return false;
    while (fresh < aligned)
        push(&small, take_fresh(PAGE_BYTES), PAGE_BYTES);
    return true;
}

static void split_large(void)
{
    uint64_t hpa = pop(&large, LARGE_BYTES);

    for (uint64_t i = 0; hpa && i < LARGE_BYTES; i += PAGE_BYTES)
        push(&small, hpa + i, PAGE_BYTES);
}

static uint64_t take_used(uint64_t bytes)
{
    if (bytes == LARGE_BYTES)
        return pop(&large, bytes);
    if (!small.first && end - fresh < PAGE_BYTES)
        split_large();
    return pop(&small, bytes);
}

/* To clear all of a VM's RAM takes far longer than all the rest of its start; what nobody has used since
 * power-on is clear. */
uint64_t page_alloc_ram(uint64_t bytes)
{
    uint64_t hpa = 0;

    if (bytes != LARGE_BYTES || align_fresh())
        hpa = take_fresh(bytes);
    if (hpa && !used_before)
        return hpa;
    return cleared(hpa ? hpa : take_used(bytes), bytes);
}

uint64_t page_alloc(void)
{
    uint64_t hpa = take_used(PAGE_BYTES);

    return cleared(hpa ? hpa : take_fresh(PAGE_BYTES), PAGE_BYTES);
}

void page_free(uint64_t hpa, uint64_t bytes)
{
    push(bytes == LARGE_BYTES ? &large : &small, hpa, bytes);
}

uint64_t page_free_bytes(void)
{
    return small.bytes + large.bytes + end - fresh;
}
