/* mem.c - physical memory: pages shared between the machine and its frozen images until one of them writes.
 *
 * A chunk is a table of 512 pages; chunks and pages carry reference counts.  A page that is not there is all
 * zeros. Stamps only grow, also across mem_thaw, so an equal stamp means equal bytes: whoever writes by a
 * pointer of mem_write_direct has stamped before, and the layout changes before anybody compares. */
#include "mmu/mem.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "mmu/bytes.h"
#include "mmu/pages.h"

#define CHUNK_PAGES 512u
#define CHUNK_SHIFT 21

struct chunk {
    uint32_t refs;
    struct page *page[CHUNK_PAGES];
};

struct mem {
    uint64_t bytes;
    struct page_pool *pool;
    uint64_t stamp;
    uint64_t layout; /* changes whenever a page comes, goes, moves, or may no longer be written directly */
    uint64_t code_changes;
    uint64_t chunks;
    struct chunk **chunk;
};

struct mem_image {
    uint64_t bytes;
    struct page_pool *pool; /* of an image that was not frozen, for its pages; else NULL */
    uint64_t chunks;
    struct chunk **chunk;
};

static const uint8_t zero_page[PAGE_BYTES];

/* Out of memory on the host is the one thing that the machine cannot answer. */
static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        abort();
    return p;
}

/* ---- reference counts ---- */

static void page_drop(struct page *page)
{
    if (page && --page->refs == 0)
        page_give(page);
}

static void chunk_drop(struct chunk *chunk)
{
    if (!chunk || --chunk->refs)
        return;
    for (unsigned i = 0; i < CHUNK_PAGES; i++)
        page_drop(chunk->page[i]);
    free(chunk);
}

static struct chunk *chunk_own(struct chunk **slot)
{
    struct chunk *old = *slot;
    if (old && old->refs == 1)
        return old;
    struct chunk *new = allocate(1, sizeof *new);
    new->refs = 1;
    if (old) {
        memcpy(new->page, old->page, sizeof new->page);
        for (unsigned i = 0; i < CHUNK_PAGES; i++)
            if (new->page[i])
                new->page[i]->refs++;
        chunk_drop(old);
    }
    return *slot = new;
}

/* *slot, unshared; *moved: whether it is another page than before. */
static struct page *page_own(struct page_pool *pool, struct page **slot, bool *moved)
{
    struct page *old = *slot;
    *moved = !old || old->refs > 1;
    if (!*moved)
        return old;
    struct page *new = page_take(pool);
    if (old) {
        memcpy(new, old, sizeof *new);
        page_drop(old);
    }
    new->refs = 1;
    return *slot = new;
}

static void chunks_drop(struct chunk **chunk, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        chunk_drop(chunk[i]);
}

static struct chunk **chunks_share(struct chunk *const *chunk, uint64_t n)
{
    struct chunk **copy = allocate(n ? n : 1, sizeof(struct chunk *));
    for (uint64_t i = 0; i < n; i++) {
        copy[i] = chunk[i];
        if (copy[i])
            copy[i]->refs++;
    }
    return copy;
}

static uint64_t chunks_of(uint64_t bytes)
{
    return (bytes + (1u << CHUNK_SHIFT) - 1) >> CHUNK_SHIFT;
}

/* ---- life ---- */

struct mem *mem_new(uint64_t bytes)
{
    struct mem *mem = allocate(1, sizeof *mem);
    mem->bytes = bytes;
    mem->chunks = chunks_of(bytes);
    mem->chunk = allocate(mem->chunks ? mem->chunks : 1, sizeof(struct chunk *));
    mem->pool = pool_new();
    return mem;
}

void mem_free(struct mem *mem)
{
    if (!mem)
        return;
    chunks_drop(mem->chunk, mem->chunks);
    free(mem->chunk);
    pool_let_go(mem->pool);
    free(mem);
}

uint64_t mem_bytes(const struct mem *mem)
{
    return mem->bytes;
}

/* All pages are others now. */
static void all_moved(struct mem *mem)
{
    mem->layout++;
    mem->code_changes++;
}

void mem_clear(struct mem *mem)
{
    all_moved(mem);
    chunks_drop(mem->chunk, mem->chunks);
    memset(mem->chunk, 0, mem->chunks * sizeof(struct chunk *));
}

/* ---- pages ---- */

static struct page *page_find(const struct mem *mem, uint64_t hpa)
{
    const struct chunk *chunk = mem->chunk[hpa >> CHUNK_SHIFT];
    return chunk ? chunk->page[hpa >> PAGE_SHIFT & (CHUNK_PAGES - 1)] : NULL;
}

static const struct page *page_at(const struct mem *mem, uint64_t hpa)
{
    return page_find(mem, hpa);
}

const uint8_t *mem_read_page(const struct mem *mem, uint64_t hpa)
{
    if (hpa >= mem->bytes)
        return NULL;
    const struct page *page = page_at(mem, hpa);
    return page ? page->bytes : zero_page;
}

/* The page for writing, stamped.  Where there was none, its zeros may have been taken for code. */
static struct page *page_write(struct mem *mem, uint64_t hpa)
{
    bool moved;
    struct chunk *chunk = chunk_own(&mem->chunk[hpa >> CHUNK_SHIFT]);
    struct page **slot = &chunk->page[hpa >> PAGE_SHIFT & (CHUNK_PAGES - 1)];
    mem->code_changes += !*slot;
    struct page *page = page_own(mem->pool, slot, &moved);
    mem->layout += moved;
    page->stamp = ++mem->stamp;
    return page;
}

/* The code of a page changes: what was decoded of it is to be compared, and marks itself again if it lasts.
 */
static void code_changes(struct mem *mem, struct page *page)
{
    page->code = 0;
    mem->code_changes++;
}

uint8_t *mem_write_page(struct mem *mem, uint64_t hpa)
{
    if (hpa >= mem->bytes)
        return NULL;
    struct page *page = page_write(mem, hpa);
    if (page->code)
        code_changes(mem, page);
    return page->bytes;
}

/* Of n bytes at hpa, inside one page: a bit for each 64 bytes of the page that they touch. */
static uint64_t lines_of(uint64_t hpa, unsigned n)
{
    unsigned first = hpa >> 6 & 63, last = (hpa + n - 1) >> 6 & 63;
    return UINT64_MAX << first & UINT64_MAX >> (63 - last);
}

uint8_t *mem_write_at(struct mem *mem, uint64_t hpa, unsigned n)
{
    if (hpa >= mem->bytes)
        return NULL;
    struct page *page = page_write(mem, hpa);
    if (page->code & lines_of(hpa, n))
        code_changes(mem, page);
    return page->bytes + (hpa & (PAGE_BYTES - 1));
}

uint8_t *mem_write_direct(struct mem *mem, uint64_t hpa)
{
    const struct page *page = hpa < mem->bytes ? page_at(mem, hpa) : NULL;
    if (!page || page->code)
        return NULL;
    return page_write(mem, hpa)->bytes;
}

void mem_mark_code(struct mem *mem, uint64_t hpa, unsigned n)
{
    struct page *page = hpa < mem->bytes ? page_find(mem, hpa) : NULL;
    if (!page)
        return;
    mem->layout += !page->code;
    page->code |= lines_of(hpa, n);
}

uint64_t mem_stamp(const struct mem *mem, uint64_t hpa)
{
    if (hpa >= mem->bytes)
        return 0;
    const struct page *page = page_at(mem, hpa);
    return page ? page->stamp : 0;
}

const uint64_t *mem_layout(const struct mem *mem)
{
    return &mem->layout;
}

const uint64_t *mem_code_changes(const struct mem *mem)
{
    return &mem->code_changes;
}

/* ---- bytes ---- */

uint64_t mem_read(const struct mem *mem, uint64_t hpa, unsigned n)
{
    const uint8_t *page = mem_read_page(mem, hpa);
    if (!page)
        return n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX;
    return load_le(page + (hpa & (PAGE_BYTES - 1)), n);
}

void mem_write(struct mem *mem, uint64_t hpa, unsigned n, uint64_t value)
{
    uint8_t *at = mem_write_at(mem, hpa, n);
    if (at)
        store_le(at, n, value);
}

/* Bytes of [hpa, hpa + n) that lie in hpa's page. */
static size_t run_in_page(uint64_t hpa, uint64_t n)
{
    uint64_t room = PAGE_BYTES - (hpa & (PAGE_BYTES - 1));
    return (size_t)(n < room ? n : room);
}

bool mem_copy_out(const struct mem *mem, uint64_t hpa, void *bytes, uint64_t n)
{
    if (n && !mem_has(mem, hpa, n))
        return false;
    for (uint8_t *to = bytes; n;) {
        size_t run = run_in_page(hpa, n);
        memcpy(to, mem_read_page(mem, hpa) + (hpa & (PAGE_BYTES - 1)), run);
        to += run;
        hpa += run;
        n -= run;
    }
    return true;
}

bool mem_copy_in(struct mem *mem, uint64_t hpa, const void *bytes, uint64_t n)
{
    if (n && !mem_has(mem, hpa, n))
        return false;
    for (const uint8_t *from = bytes; n;) {
        size_t run = run_in_page(hpa, n);
        memcpy(mem_write_page(mem, hpa) + (hpa & (PAGE_BYTES - 1)), from, run);
        from += run;
        hpa += run;
        n -= run;
    }
    return true;
}

/* ---- images ---- */

struct mem_image *mem_image_new(uint64_t ram_bytes)
{
    struct mem_image *image = allocate(1, sizeof *image);
    image->bytes = ram_bytes;
    image->chunks = chunks_of(ram_bytes);
    image->chunk = allocate(image->chunks ? image->chunks : 1, sizeof(struct chunk *));
    image->pool = pool_new();
    return image;
}

struct mem_image *mem_freeze(struct mem *mem)
{
    struct mem_image *image = allocate(1, sizeof *image);
    mem->layout++;
    image->bytes = mem->bytes;
    image->chunks = mem->chunks;
    image->chunk = chunks_share(mem->chunk, mem->chunks);
    return image;
}

struct mem_image *mem_image_copy(const struct mem_image *image)
{
    struct mem_image *copy = allocate(1, sizeof *copy);
    *copy = *image;
    copy->pool = NULL;
    copy->chunk = chunks_share(image->chunk, image->chunks);
    return copy;
}

void mem_thaw(struct mem *mem, const struct mem_image *image)
{
    struct chunk **shared = chunks_share(image->chunk, image->chunks);
    all_moved(mem);
    chunks_drop(mem->chunk, mem->chunks);
    free(mem->chunk);
    mem->chunk = shared;
    mem->chunks = image->chunks;
    mem->bytes = image->bytes;
}

static const uint8_t *image_page(const struct mem_image *image, uint64_t hpa)
{
    const struct chunk *chunk = image->chunk[hpa >> CHUNK_SHIFT];
    const struct page *page = chunk ? chunk->page[hpa >> PAGE_SHIFT & (CHUNK_PAGES - 1)] : NULL;
    return page ? page->bytes : zero_page;
}

void mem_restore(struct mem *mem, const struct mem_image *image, uint64_t hpa, uint64_t n)
{
    while (n && mem_has(mem, hpa, n)) {
        size_t run = run_in_page(hpa, n);
        mem_copy_in(mem, hpa, image_page(image, hpa) + (hpa & (PAGE_BYTES - 1)), run);
        hpa += run;
        n -= run;
    }
}

void mem_image_free(struct mem_image *image)
{
    if (!image)
        return;
    chunks_drop(image->chunk, image->chunks);
    free(image->chunk);
    if (image->pool)
        pool_let_go(image->pool);
    free(image);
}

static bool all_zero(const uint8_t *bytes)
{
    return memcmp(bytes, zero_page, PAGE_BYTES) == 0;
}

bool mem_image_page(const struct mem_image *image, uint64_t *cursor, uint64_t *hpa, const uint8_t **bytes)
{
    for (; *cursor < image->chunks * CHUNK_PAGES; ++*cursor) {
        const struct chunk *chunk = image->chunk[*cursor / CHUNK_PAGES];
        const struct page *page = chunk ? chunk->page[*cursor % CHUNK_PAGES] : NULL;
        if (page && !all_zero(page->bytes)) {
            *hpa = (*cursor)++ << PAGE_SHIFT;
            *bytes = page->bytes;
            return true;
        }
    }
    return false;
}

/* An image read from a file gets stamps that no page of a running machine has had: mem_image_put is given
 * fresh pages only, and their stamp is taken from a counter of its own high half. */
void mem_image_put(struct mem_image *image, uint64_t hpa, const uint8_t *bytes)
{
    static uint64_t stamp = UINT64_C(1) << 63;
    bool moved;
    if (hpa >= image->bytes)
        return;
    struct chunk *chunk = chunk_own(&image->chunk[hpa >> CHUNK_SHIFT]);
    struct page *page = page_own(image->pool, &chunk->page[hpa >> PAGE_SHIFT & (CHUNK_PAGES - 1)], &moved);
    page->stamp = ++stamp;
    memcpy(page->bytes, bytes, PAGE_BYTES);
}

/* ---- hash ---- */

/* Zero pages count nothing, so that a page that was never written and one that was cleared are alike. */
static uint64_t page_hash(struct page *page, uint64_t number)
{
    if (page->hash_stamp != page->stamp) {
        page->hash = all_zero(page->bytes) ? 0 : XXH3_64bits_withSeed(page->bytes, PAGE_BYTES, number);
        page->hash_stamp = page->stamp;
    }
    return page->hash;
}

static uint64_t chunks_hash(struct chunk *const *chunk, uint64_t chunks, uint64_t sum)
{
    for (uint64_t i = 0; i < chunks; i++)
        for (unsigned k = 0; chunk[i] && k < CHUNK_PAGES; k++)
            if (chunk[i]->page[k])
                sum += page_hash(chunk[i]->page[k], i * CHUNK_PAGES + k);
    return sum;
}

uint64_t mem_hash(struct mem *mem)
{
    mem->layout++;
    return chunks_hash(mem->chunk, mem->chunks, mem->bytes);
}

uint64_t mem_image_hash(const struct mem_image *image)
{
    return chunks_hash(image->chunk, image->chunks, image->bytes);
}

bool mem_page_differs(const struct mem *mem, const struct mem_image *image, uint64_t hpa)
{
    const uint8_t *now = mem_read_page(mem, hpa), *then = image_page(image, hpa);
    return now != then && memcmp(now, then, PAGE_BYTES) != 0;
}
