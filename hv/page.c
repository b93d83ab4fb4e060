#include "page.h"

#include "string.h"

/* A free page holds the address of the next one.  What was never given out lies between `fresh` and `end`. */
struct free_list {
    uint64_t first, bytes;
};

static struct free_list small, large;
static uint64_t fresh, end;

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

void page_init(uint64_t first, uint64_t limit)
{
    fresh = (first + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    end = limit & ~(PAGE_BYTES - 1);
}

static uint64_t take_fresh(uint64_t bytes)
{
    uint64_t hpa = fresh;

    if (end < fresh || end - fresh < bytes)
        return 0;
    fresh += bytes;
    return hpa;
}

/* Pages are cleared when they are given out: what another VM left in them must not be seen. */
static uint64_t cleared(uint64_t hpa, uint64_t bytes)
{
    if (hpa)
        memset((void *)hpa, 0, bytes);
    return hpa;
}

static void split_large(void)
{
    uint64_t hpa = pop(&large, LARGE_BYTES);

    for (uint64_t i = 0; hpa && i < LARGE_BYTES; i += PAGE_BYTES)
        push(&small, hpa + i, PAGE_BYTES);
}

uint64_t page_alloc(void)
{
    uint64_t hpa = pop(&small, PAGE_BYTES);

    if (!hpa)
        hpa = take_fresh(PAGE_BYTES);
    if (!hpa) {
        split_large();
        hpa = pop(&small, PAGE_BYTES);
    }
    return cleared(hpa, PAGE_BYTES);
}

uint64_t page_alloc_large(void)
{
    uint64_t hpa = pop(&large, LARGE_BYTES);
    uint64_t aligned = (fresh + LARGE_BYTES - 1) & ~(LARGE_BYTES - 1);

    if (!hpa && aligned <= end && end - aligned >= LARGE_BYTES) {
        while (fresh < aligned)
            push(&small, take_fresh(PAGE_BYTES), PAGE_BYTES);
        hpa = take_fresh(LARGE_BYTES);
    }
    return cleared(hpa, LARGE_BYTES);
}

void page_free(uint64_t hpa)
{
    push(&small, hpa, PAGE_BYTES);
}

void page_free_large(uint64_t hpa)
{
    push(&large, hpa, LARGE_BYTES);
}

uint64_t page_free_bytes(void)
{
    return small.bytes + large.bytes + (end > fresh ? end - fresh : 0);
}
