/* pages.h - where the pages of memory come from: slabs of 2 MiB, which the host may map by large pages of its
 * own, so that a guest that goes all over its memory does not miss the host's TLB each time. */
#ifndef RINGSIDE_MMU_PAGES_H
#define RINGSIDE_MMU_PAGES_H

#include "mmu/mem.h"

/* Its lines are the host's as well; what stands before them keeps pages from falling into the same sets of
 * the host's caches. */
struct page {
    uint32_t refs;
    uint64_t stamp;      /* of the last write */
    uint64_t hash;       /* of the bytes as they were at hash_stamp */
    uint64_t hash_stamp; /* 0: never hashed */
    uint64_t code;       /* a bit for each 64 bytes of which somebody keeps decoded instructions */
    _Alignas(64) uint8_t bytes[PAGE_BYTES];
};

/* A pool of pages.  It is there until its owner lets it go and all of its pages are given back. */
struct page_pool;

struct page_pool *pool_new(void);
void pool_let_go(struct page_pool *pool);

/* A page of zeros. */
struct page *page_take(struct page_pool *pool);
/* Gives a page back to the pool that it is from. */
void page_give(struct page *page);

#endif
