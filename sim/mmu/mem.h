/* mem.h - physical memory: copy-on-write pages under one write counter. */
#ifndef RINGSIDE_MEM_H
#define RINGSIDE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096u
#define PAGE_SHIFT 12

struct mem;
struct mem_image; /* a frozen copy, shares pages with its source */

struct mem *mem_new(uint64_t bytes);
void mem_free(struct mem *mem);
uint64_t mem_bytes(const struct mem *mem);

/* What an address is; TLB entries keep it (design: a page's kind is fixed at TLB fill). */
enum page_kind { PAGE_RAM, PAGE_APIC, PAGE_DEVICE, PAGE_NONE, PAGE_APIC_ACCESS };

static inline bool mem_has(const struct mem *mem, uint64_t hpa, uint64_t n);

/* The page's bytes for reading; a page never written is all zeros.  NULL outside RAM.  Valid until the next
 * mem_write_page of that page, mem_freeze or mem_thaw. */
const uint8_t *mem_read_page(const struct mem *mem, uint64_t hpa);

/* The page's bytes for writing, unshared and stamped.  NULL outside RAM.  Call it for every write: the
 * stamp is what changed-code detection and the hash rely on. */
uint8_t *mem_write_page(struct mem *mem, uint64_t hpa);
/* The same for n bytes at hpa, inside one page; only they may be written. */
uint8_t *mem_write_at(struct mem *mem, uint64_t hpa, unsigned n);

/* A page for writing as often as one likes, until *mem_layout changes.  NULL: it holds code, or has never
 * been written, or lies outside RAM; then call mem_write_at each time. */
uint8_t *mem_write_direct(struct mem *mem, uint64_t hpa);

/* Write stamp of a page: changes whenever its bytes may have.  0: never written. */
uint64_t mem_stamp(const struct mem *mem, uint64_t hpa);

/* Changes whenever pointers to pages may have lost their meaning: a page has come, gone or moved, is shared
 * with an image, has been hashed, or holds code from now on. */
const uint64_t *mem_layout(const struct mem *mem);

/* Somebody keeps a decoded form of n bytes at hpa, inside one page.  It is right as long as *mem_code_changes
 * stands; after that its bytes are to be compared, and marked again. */
void mem_mark_code(struct mem *mem, uint64_t hpa, unsigned n);
const uint64_t *mem_code_changes(const struct mem *mem);

/* Little-endian reads and writes of 1..8 bytes inside one page; reads outside RAM give ones, writes are lost.
 */
uint64_t mem_read(const struct mem *mem, uint64_t hpa, unsigned n);
void mem_write(struct mem *mem, uint64_t hpa, unsigned n, uint64_t value);

/* Any length; false and nothing done if any byte lies outside RAM. */
bool mem_copy_out(const struct mem *mem, uint64_t hpa, void *bytes, uint64_t n);
bool mem_copy_in(struct mem *mem, uint64_t hpa, const void *bytes, uint64_t n);

void mem_clear(struct mem *mem); /* all zeros */

/* Freeze in O(touched tables), share pages until written. */
struct mem_image *mem_freeze(struct mem *mem);
void mem_thaw(struct mem *mem, const struct mem_image *image);
void mem_image_free(struct mem_image *image);
/* n bytes at hpa as the image has them; both of one size. */
void mem_restore(struct mem *mem, const struct mem_image *image, uint64_t hpa, uint64_t n);
/* The i-th non-zero page of an image in address order: its hPA and bytes; false after the last. */
bool mem_image_page(const struct mem_image *image, uint64_t *cursor, uint64_t *hpa, const uint8_t **bytes);
void mem_image_put(struct mem_image *image, uint64_t hpa, const uint8_t *bytes);
struct mem_image *mem_image_copy(const struct mem_image *image);
struct mem_image *mem_image_new(uint64_t ram_bytes);

/* Hash of the contents, incremental: only pages written since the last call are read. */
uint64_t mem_hash(struct mem *mem);
uint64_t mem_image_hash(const struct mem_image *image);

/* Whether the page at hpa has other bytes than the image's; both of one size. */
bool mem_page_differs(const struct mem *mem, const struct mem_image *image, uint64_t hpa);

static inline bool mem_has(const struct mem *mem, uint64_t hpa, uint64_t n)
{
    uint64_t size = mem_bytes(mem);
    return hpa < size && n <= size - hpa;
}

#endif
