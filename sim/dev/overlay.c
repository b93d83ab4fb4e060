/* overlay.c - see overlay.h.  A header, then a record for each page: its number, ascending, and what it
 * holds.
 */
#define _XOPEN_SOURCE 700 /* pwrite */
#include "dev/overlay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "mmu/bytes.h"
#include "mmu/mem.h"

static const u8 magic[8] = "RSOVERLY";

enum header {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_PAGE_BYTES = 12,
    AT_BASE_BYTES = 16,
    AT_BASE_HASH = 24,
    AT_PAGES = 32,
    AT_RECORDS_HASH = 40,
    AT_RESERVED = 48,
    AT_HEADER_HASH = 56, /* of the bytes before it */
    HEADER_BYTES = 64
};

#define VERSION      1
#define RECORD_BYTES (8 + PAGE_BYTES)

/* ---- reading ---- */

static enum rs_status bad(const char *path, u64 at, const char *what, struct rs_error *err)
{
    return rs_fail(err,
                   "%s: byte %llu: %s: this overlay is damaged: put a copy of it back, or remove it to begin "
                   "with the base",
                   path, (unsigned long long)at, what);
}

/* Of another kind, release or base, none of which is damage. */
static enum rs_status check_kind(const char *path, const u8 *h, const struct overlay_base *base,
                                 struct rs_error *err)
{
    unsigned version = (unsigned)load_le(h + AT_VERSION, 4);
    u64 bytes = load_le(h + AT_BASE_BYTES, 8);
    if (memcmp(h + AT_MAGIC, magic, sizeof magic) != 0)
        return rs_fail(err, "%s: is no overlay, and stays as it is: choose another name or remove it", path);
    if (version != VERSION)
        return rs_fail(err, "%s: byte %d: version %u of overlays is not known here: this release has %d",
                       path, AT_VERSION, version, VERSION);
    if (load_le(h + AT_HEADER_HASH, 8) != XXH3_64bits(h, AT_HEADER_HASH))
        return bad(path, AT_HEADER_HASH, "the header's sum is wrong", err);
    if (bytes != base->bytes)
        return rs_fail(err, "%s: byte %d: its base has %llu bytes, and this one %llu: name the right base",
                       path, AT_BASE_BYTES, (unsigned long long)bytes, (unsigned long long)base->bytes);
    if (load_le(h + AT_BASE_HASH, 8) != base->hash)
        return rs_fail(err,
                       "%s: byte %d: its base holds something else: name the right one, or put it back as "
                       "it was",
                       path, AT_BASE_HASH);
    return RS_OK;
}

static enum rs_status check_header(const char *path, const u8 *h, const struct overlay_base *base,
                                   struct rs_error *err)
{
    u64 most = (base->bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    if (check_kind(path, h, base, err) != RS_OK)
        return RS_FAILED;
    if (load_le(h + AT_PAGE_BYTES, 4) != PAGE_BYTES)
        return bad(path, AT_PAGE_BYTES, "pages have 4096 bytes", err);
    if (load_le(h + AT_PAGES, 8) > most)
        return bad(path, AT_PAGES, "it has more pages than its base", err);
    if (load_le(h + AT_RESERVED, 8) != 0)
        return bad(path, AT_RESERVED, "it must be zero", err);
    return RS_OK;
}

static bool all_zero(const u8 *bytes, u64 n)
{
    u8 any = 0;
    for (u64 i = 0; i < n; i++)
        any |= bytes[i];
    return !any;
}

/* *next: the least number that may come. */
static enum rs_status put_record(const char *path, u64 at, const u8 *record, const struct overlay_base *base,
                                 u64 *next, struct mem *data, struct rs_error *err)
{
    u64 page = load_le(record, 8), most = (base->bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    if (page < *next || page >= most)
        return bad(path, at, "a page's number is out of order, or outside the disk", err);
    u64 left = base->bytes - page * PAGE_BYTES;
    if (left < PAGE_BYTES && !all_zero(record + 8 + left, PAGE_BYTES - left))
        return bad(path, at + 8 + left, "there is something behind the disk's end", err);
    mem_copy_in(data, page * PAGE_BYTES, record + 8, PAGE_BYTES);
    *next = page + 1;
    return RS_OK;
}

static enum rs_status read_records(const char *path, FILE *f, const u8 *header,
                                   const struct overlay_base *base, struct mem *data, XXH3_state_t *sum,
                                   struct rs_error *err)
{
    static u8 record[RECORD_BYTES];
    u64 next = 0, at = HEADER_BYTES;
    for (u64 left = load_le(header + AT_PAGES, 8); left; left--, at += RECORD_BYTES) {
        if (fread(record, 1, RECORD_BYTES, f) != RECORD_BYTES)
            return bad(path, at, ferror(f) ? strerror(errno) : "it ends before its last page", err);
        XXH3_64bits_update(sum, record, RECORD_BYTES);
        if (put_record(path, at, record, base, &next, data, err) != RS_OK)
            return RS_FAILED;
    }
    if (fread(record, 1, 1, f) != 0)
        return bad(path, at, "it goes on behind its last page", err);
    if (XXH3_64bits_digest(sum) != load_le(header + AT_RECORDS_HASH, 8))
        return bad(path, AT_RECORDS_HASH, "the pages' sum is wrong", err);
    return RS_OK;
}

static XXH3_state_t *new_sum(void)
{
    XXH3_state_t *sum = XXH3_createState();
    if (!sum)
        abort();
    XXH3_64bits_reset(sum);
    return sum;
}

enum rs_status overlay_read(const char *path, const struct overlay_base *base, struct mem *data,
                            struct rs_error *err)
{
    u8 header[HEADER_BYTES];
    FILE *f = fopen(path, "rb");
    if (!f)
        return rs_fail(err, "%s: cannot be read: %s", path, strerror(errno));
    size_t n = fread(header, 1, sizeof header, f);
    enum rs_status status = RS_OK;
    if (n == sizeof header) {
        XXH3_state_t *sum = new_sum();
        status = check_header(path, header, base, err);
        if (status == RS_OK)
            status = read_records(path, f, header, base, data, sum, err);
        XXH3_freeState(sum);
    } else if (n != 0 || ferror(f)) {
        status = bad(path, n, ferror(f) ? strerror(errno) : "it ends in its header", err);
    }
    fclose(f);
    return status;
}

/* ---- writing ---- */

static bool write_all(int fd, const u8 *bytes, size_t n, u64 at)
{
    return pwrite(fd, bytes, n, (off_t)at) == (ssize_t)n;
}

static bool write_record(int fd, const struct mem *data, u64 page, u64 at, XXH3_state_t *sum)
{
    u8 record[RECORD_BYTES];
    store_le(record, 8, page);
    memcpy(record + 8, mem_read_page(data, page * PAGE_BYTES), PAGE_BYTES);
    XXH3_64bits_update(sum, record, sizeof record);
    return write_all(fd, record, sizeof record, at);
}

static bool write_header(int fd, const struct overlay_base *base, u64 pages, u64 sum)
{
    u8 h[HEADER_BYTES] = {0};
    memcpy(h + AT_MAGIC, magic, sizeof magic);
    store_le(h + AT_VERSION, 4, VERSION);
    store_le(h + AT_PAGE_BYTES, 4, PAGE_BYTES);
    store_le(h + AT_BASE_BYTES, 8, base->bytes);
    store_le(h + AT_BASE_HASH, 8, base->hash);
    store_le(h + AT_PAGES, 8, pages);
    store_le(h + AT_RECORDS_HASH, 8, sum);
    store_le(h + AT_HEADER_HASH, 8, XXH3_64bits(h, AT_HEADER_HASH));
    return write_all(fd, h, sizeof h, 0);
}

bool overlay_write(int fd, const struct overlay_base *base, const struct mem *data)
{
    XXH3_state_t *sum = new_sum();
    u64 pages = 0;
    bool good = true;
    for (u64 page = 0; good && page * PAGE_BYTES < base->bytes; page++)
        if (mem_page_differs(data, base->held, page * PAGE_BYTES))
            good = write_record(fd, data, page, HEADER_BYTES + RECORD_BYTES * pages++, sum);
    good = good && write_header(fd, base, pages, XXH3_64bits_digest(sum));
    XXH3_freeState(sum);
    return good;
}
