/* pages.c - slabs of pages.  A slab stands at a multiple of its size, so a page's address tells its slab. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include "mmu/pages.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLAB_BYTES ((size_t)2 << 20)
#define SLAB_PAGES ((unsigned)((SLAB_BYTES - 64) / sizeof(struct page)))

struct slab {
    struct page_pool *pool;
    struct slab *next, *before; /* of those that have room */
    struct page *given;         /* pages given back; their first bytes lead to the next */
    uint32_t fresh;             /* number of the first page that has never been taken */
    uint32_t taken;
    _Alignas(64) struct page page[];
};

struct page_pool {
    struct slab *room; /* slabs that have room */
    uint64_t slabs;
    bool owned;
};

/* Out of memory on the host is the one thing that the machine cannot answer. */
static void *or_abort(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- from the host ---- */

/* Mapped, not allocated: the holes that slabs would leave between small allocations fit no other slab. */
#ifdef MAP_ANONYMOUS
static void *host_take(void)
{
    uint8_t *p = mmap(NULL, 2 * SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    size_t head = -(uintptr_t)p & (SLAB_BYTES - 1);
    if (head)
        munmap(p, head);
    munmap(p + head + SLAB_BYTES, SLAB_BYTES - head);
#ifdef MADV_HUGEPAGE
    madvise(p + head, SLAB_BYTES, MADV_HUGEPAGE); /* if not, no harm is done */
#endif
    return p + head;
}

static void host_give(void *slab)
{
    munmap(slab, SLAB_BYTES);
}
#else
static void *host_take(void)
{
    return or_abort(aligned_alloc(SLAB_BYTES, SLAB_BYTES));
}

static void host_give(void *slab)
{
    free(slab);
}
#endif

/* ---- slabs with room ---- */

static void put_in(struct slab *s)
{
    s->before = NULL;
    s->next = s->pool->room;
    if (s->next)
        s->next->before = s;
    s->pool->room = s;
}

static void take_out(struct slab *s)
{
    if (s->next)
        s->next->before = s->before;
    if (s->before)
        s->before->next = s->next;
    else
        s->pool->room = s->next;
}

static bool is_full(const struct slab *s)
{
    return s->taken == SLAB_PAGES;
}

static struct slab *slab_new(struct page_pool *pool)
{
    struct slab *s = host_take();
    *s = (struct slab){.pool = pool};
    pool->slabs++;
    put_in(s);
    return s;
}

static struct slab *slab_of(struct page *page)
{
    uintptr_t within = (uintptr_t)page & (SLAB_BYTES - 1);
    return (struct slab *)(void *)((uint8_t *)page - within);
}

/* ---- pools ---- */

struct page_pool *pool_new(void)
{
    struct page_pool *pool = or_abort(calloc(1, sizeof *pool));
    pool->owned = true;
    return pool;
}

static void free_if_unused(struct page_pool *pool)
{
    if (!pool->owned && !pool->slabs)
        free(pool);
}

static void slab_free(struct slab *s)
{
    take_out(s);
    s->pool->slabs--;
    host_give(s);
}

void pool_let_go(struct page_pool *pool)
{
    pool->owned = false;
    for (struct slab *s = pool->room, *next; s; s = next) {
        next = s->next;
        if (!s->taken)
            slab_free(s);
    }
    free_if_unused(pool);
}

/* ---- pages ---- */

struct page *page_take(struct page_pool *pool)
{
    struct slab *s = pool->room ? pool->room : slab_new(pool);
    struct page *page = s->given;
    if (page)
        memcpy(&s->given, page->bytes, sizeof s->given);
    else
        page = &s->page[s->fresh++];
    s->taken++;
    if (is_full(s))
        take_out(s);
    memset(page, 0, sizeof *page);
    return page;
}

/* The last slab that has room stays, for the next page. */
void page_give(struct page *page)
{
    struct slab *s = slab_of(page);
    struct page_pool *pool = s->pool;
    if (is_full(s))
        put_in(s);
    memcpy(page->bytes, &s->given, sizeof s->given);
    s->given = page;
    s->taken--;
    if (!s->taken && (!pool->owned || s->next || s->before))
        slab_free(s);
    free_if_unused(pool);
}
