/* space.c - regions, demand paging and copy on write. */
#include "kernel/space.h"

#include "arch/insn.h"
#include "kernel/memory.h"
#include "lib/string.h"

/* No region is so large that to look through its pages takes long. */
#define REGION_MAX (UINT64_C(1) << 30)

static uint64_t page_bytes(const struct region *r)
{
    return r->flags & REGION_BIG ? PAGE_2M : PAGE_4K;
}

static struct region *region_at(struct space *space, uint64_t va)
{
    for (unsigned i = 0; i < REGIONS; i++)
        if (space->region[i].start <= va && va < space->region[i].end)
            return &space->region[i];
    return NULL;
}

static struct region *overlapping(struct space *space, uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < REGIONS; i++)
        if (space->region[i].start < end && start < space->region[i].end)
            return &space->region[i];
    return NULL;
}

bool space_add(struct space *space, const struct region *region)
{
    if (region->start >= region->end || region->end > USER_END || region->end - region->start > REGION_MAX ||
        overlapping(space, region->start, region->end))
        return false;
    for (unsigned i = 0; i < REGIONS; i++)
        if (space->region[i].end == 0) {
            space->region[i] = *region;
            return true;
        }
    return false;
}

bool space_new(struct space *space)
{
    *space = (struct space){.pml4 = tables_new()};
    return space->pml4;
}

void space_free(struct space *space)
{
    tables_free(space->pml4);
    *space = (struct space){0};
}

/* ---- fork ---- */

/* One page for both.  What may be written loses PTE_W in both: the first write makes a copy. */
static bool share_page(struct space *to, uint64_t va, uint64_t *entry)
{
    uint64_t *other = tables_entry(to->pml4, va, entry_bytes(*entry));

    if (!other)
        return false;
    *entry &= ~(uint64_t)PTE_W;
    *other = *entry & ~(uint64_t)(PTE_A | PTE_D);
    page_hold(entry_page(*entry));
    return true;
}

static bool share_region(struct space *to, const struct space *from, const struct region *r)
{
    uint64_t next;

    for (uint64_t va = r->start; va < r->end; va = next) {
        uint64_t *entry = tables_find(from->pml4, va);

        next = entry ? va + page_bytes(r) : round_up(va + 1, PAGE_2M); /* a whole table is missing */
        if (entry && (*entry & PTE_P) && !share_page(to, va, entry))
            return false;
    }
    return true;
}

bool space_copy(struct space *to, const struct space *from)
{
    bool done = space_new(to);

    for (unsigned i = 0; done && i < REGIONS; i++) {
        to->region[i] = from->region[i];
        done = share_region(to, from, &from->region[i]);
    }
    tables_load(from->pml4); /* its translations that allow writing are no longer true */
    if (!done && to->pml4)
        space_free(to);
    return done;
}

/* ---- page faults ---- */

static void fill(const struct region *r, uint64_t va, uint64_t page)
{
    uint64_t offset = va - r->start, left = r->byte_count - offset;

    if (offset < r->byte_count)
        memcpy(direct(page), r->bytes + offset, left < page_bytes(r) ? left : page_bytes(r));
}

static bool first_touch(struct space *space, const struct region *r, uint64_t va)
{
    uint64_t bytes = page_bytes(r), *entry = tables_entry(space->pml4, va, bytes), page;

    if (!entry || !(page = page_new(bytes)))
        return false;
    fill(r, va & ~(bytes - 1), page);
    *entry = page | PTE_P | PTE_U | (r->flags & REGION_WRITE ? PTE_W : 0) |
             (r->flags & REGION_EXECUTE ? 0 : tables_no_execute()) | (bytes == PAGE_2M ? PTE_PS : 0);
    return true;
}

/* The last user of a page needs no copy. */
static bool first_write(uint64_t va, uint64_t *entry)
{
    uint64_t bytes = entry_bytes(*entry), old = entry_page(*entry), page;

    if (page_shared(old)) {
        if (!(page = page_new_for_copy(bytes)))
            return false;
        memcpy(direct(page), direct(old), bytes);
        *entry = (*entry & ~PTE_ADDR) | page;
        page_drop(old, bytes);
    }
    *entry |= PTE_W;
    invlpg(va);
    return true;
}

enum fault_result space_fault(struct space *space, uint64_t va, uint64_t access)
{
    const struct region *r = region_at(space, va);
    uint64_t *entry;
    bool done = true;

    if (!r || ((access & PF_W) && !(r->flags & REGION_WRITE)) ||
        ((access & PF_I) && !(r->flags & REGION_EXECUTE)))
        return FAULT_NO_RIGHT;
    entry = tables_find(space->pml4, va);
    if (!entry || !(*entry & PTE_P))
        done = first_touch(space, r, va);
    else if ((access & PF_W) && !(*entry & PTE_W))
        done = first_write(va, entry);
    return done ? FAULT_DONE : FAULT_NO_MEMORY;
}

/* ---- mmap, munmap ---- */

uint64_t space_map(struct space *space, uint64_t bytes, unsigned flags)
{
    struct region r = {.start = USER_MMAP, .flags = flags}, *other;

    if (bytes == 0 || bytes > REGION_MAX)
        return 0;
    bytes = round_up(bytes, page_bytes(&r));
    while ((other = overlapping(space, r.start, r.start + bytes)) != NULL)
        r.start = round_up(other->end, PAGE_2M); /* tables are of pages of one size */
    r.end = r.start + bytes;
    return space_add(space, &r) ? r.start : 0;
}

static void drop_pages(struct space *space, const struct region *r, uint64_t start, uint64_t end)
{
    for (uint64_t va = start; va < end; va += page_bytes(r)) {
        uint64_t *entry = tables_find(space->pml4, va);

        if (!entry || !(*entry & PTE_P))
            continue;
        page_drop(entry_page(*entry), entry_bytes(*entry));
        *entry = 0;
        invlpg(va);
    }
}

static struct region part(const struct region *r, uint64_t start, uint64_t end)
{
    struct region p = *r;
    uint64_t gone = start - r->start < r->byte_count ? start - r->start : r->byte_count;

    p.start = start;
    p.end = end;
    p.bytes += gone;
    p.byte_count -= gone;
    return p;
}

bool space_unmap(struct space *space, uint64_t start, uint64_t end)
{
    struct region *r = region_at(space, start), whole;

    if (!r || start >= end || end > r->end || (start | end) & (page_bytes(r) - 1))
        return false;
    whole = *r;
    if (whole.start < start && end < whole.end) { /* both ends stay: one needs a place */
        const struct region behind = part(&whole, end, whole.end);

        r->end = start;
        if (!space_add(space, &behind)) {
            *r = whole;
            return false;
        }
    } else {
        *r = start > whole.start ? part(&whole, whole.start, start)
             : end < whole.end   ? part(&whole, end, whole.end)
                                 : (struct region){0};
    }
    drop_pages(space, &whole, start, end);
    return true;
}

/* ---- copies ---- */

/* Where the kernel finds the byte at va, and how many bytes follow it on its page; NULL if it may not. */
static uint8_t *reach(struct space *space, uint64_t va, uint64_t access, size_t *left)
{
    uint64_t *entry;

    if (space_fault(space, va, access) != FAULT_DONE || !(entry = tables_find(space->pml4, va)))
        return NULL;
    *left = entry_bytes(*entry) - (va & (entry_bytes(*entry) - 1));
    return (uint8_t *)direct(entry_page(*entry)) + (va & (entry_bytes(*entry) - 1));
}

bool copy_in(struct space *space, void *to, uint64_t va, size_t n)
{
    for (size_t left, done = 0; done < n; done += left) {
        const uint8_t *from = reach(space, va + done, 0, &left);

        if (!from)
            return false;
        left = left < n - done ? left : n - done;
        memcpy((uint8_t *)to + done, from, left);
    }
    return true;
}

bool copy_out(struct space *space, uint64_t va, const void *from, size_t n)
{
    for (size_t left, done = 0; done < n; done += left) {
        uint8_t *to = reach(space, va + done, PF_W, &left);

        if (!to)
            return false;
        left = left < n - done ? left : n - done;
        memcpy(to, (const uint8_t *)from + done, left);
    }
    return true;
}

bool copy_string_in(struct space *space, char *to, uint64_t va, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!copy_in(space, &to[i], va + i, 1))
            return false;
        else if (!to[i])
            return true;
    return false;
}
