/* disk.c - see disk.h.  The image file is replaced as a whole, so that it is never half written. */
#define _XOPEN_SOURCE 700 /* realpath, fchmod */
#include "dev/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "files.h"
#include "mmu/mem.h"
#include "world.h"

/* ---- the file ---- */

static void note_file(struct disk_file *f, const struct stat *st)
{
    f->dev = st->st_dev;
    f->ino = st->st_ino;
    f->bytes = st->st_size;
    f->seconds = st->st_mtim.tv_sec;
    f->nanoseconds = st->st_mtim.tv_nsec;
}

static bool is_file(const struct disk_file *f, const struct stat *st)
{
    return f->dev == st->st_dev && f->ino == st->st_ino && f->bytes == st->st_size &&
           f->seconds == st->st_mtim.tv_sec && f->nanoseconds == st->st_mtim.tv_nsec;
}

static enum rs_status check_file(const char *path, const struct stat *st, struct rs_error *err)
{
    if (!S_ISREG(st->st_mode))
        return rs_fail(err, "%s: not a regular file: a disk is a raw image", path);
    if (st->st_size == 0 || st->st_size % SECTOR_BYTES || (u64)st->st_size > DISK_BYTES_MAX)
        return rs_fail(err,
                       "%s: %lld bytes are no disk: a raw image has whole sectors of %u bytes, up to 4 GiB "
                       "(truncate -s 16M FILE makes an empty one)",
                       path, (long long)st->st_size, SECTOR_BYTES);
    return RS_OK;
}

/* The pages of a file, and their sum if it is wanted; NULL and a message if it cannot be read whole. */
static struct mem_image *read_pages(const char *path, FILE *f, u64 bytes, XXH3_state_t *sum,
                                    struct rs_error *err)
{
    struct mem_image *image = mem_image_new((bytes + PAGE_BYTES - 1) & ~(u64)(PAGE_BYTES - 1));
    static const u8 zeros[PAGE_BYTES];
    for (u64 at = 0; at < bytes; at += PAGE_BYTES) {
        u8 page[PAGE_BYTES] = {0};
        size_t n = (size_t)min(PAGE_BYTES, bytes - at);
        if (fread(page, 1, n, f) != n) {
            rs_fail(err, "%s: cannot be read: %s", path,
                    ferror(f) ? strerror(errno) : "it has become shorter");
            mem_image_free(image);
            return NULL;
        }
        if (sum)
            XXH3_64bits_update(sum, page, n);
        if (memcmp(page, zeros, PAGE_BYTES) != 0)
            mem_image_put(image, at, page);
    }
    return image;
}

static struct mem_image *read_file(const char *path, struct stat *st, XXH3_state_t *sum, struct rs_error *err)
{
    FILE *f = NULL;
    if (stat(path, st) == 0) {
        if (check_file(path, st, err) != RS_OK) /* opening a pipe could wait for ever */
            return NULL;
        f = fopen(path, "rb");
    }
    if (!f) {
        rs_fail(err, "%s: cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    struct mem_image *held = read_pages(path, f, (u64)st->st_size, sum, err);
    fclose(f);
    return held;
}

static void name_file(struct disk_file *f, const char *path)
{
    size_t n = strlen(path) + 1;
    char *copy = malloc(n);
    if (!copy)
        abort();
    f->path = memcpy(copy, path, n);
}

/* Of zeros. */
static struct disk *new_disk(u64 bytes)
{
    struct disk *d = calloc(1, sizeof *d);
    if (!d)
        abort();
    d->sectors = bytes / SECTOR_BYTES;
    d->data = mem_new(bytes + PAGE_BYTES - 1 - (bytes - 1) % PAGE_BYTES);
    return d;
}

static struct disk *disk_new(struct mem_image *held, u64 bytes)
{
    struct disk *d = new_disk(bytes);
    mem_thaw(d->data, held);
    return d;
}

/* Of a raw image. */
static struct disk *open_image(const char *path, struct rs_error *err)
{
    struct stat st;
    struct mem_image *held = read_file(path, &st, NULL, err);
    if (!held)
        return NULL;
    struct disk *d = disk_new(held, (u64)st.st_size);
    d->file.held = held;
    name_file(&d->file, path);
    note_file(&d->file, &st);
    return d;
}

/* ---- overlays ---- */

/* Of an overlay that need not be there yet, unless it is only read. */
static enum rs_status put_overlay(struct disk *d, const char *path, bool readonly, struct rs_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return rs_fail(err, "%s: not a regular file: an overlay is one", path);
        if (overlay_read(path, &d->file.base, d->data, err) != RS_OK)
            return RS_FAILED;
        note_file(&d->file, &st);
    } else if (errno != ENOENT || readonly || lstat(path, &st) == 0) {
        return rs_fail(err, "%s: cannot be read: %s", path, strerror(errno));
    }
    d->file.held = mem_freeze(d->data);
    name_file(&d->file, path);
    return RS_OK;
}

static struct disk *open_overlay(const char *path, const char *overlay, bool readonly, struct rs_error *err)
{
    struct stat st;
    XXH3_state_t *sum = XXH3_createState();
    if (!sum)
        abort();
    XXH3_64bits_reset(sum);
    struct mem_image *held = read_file(path, &st, sum, err);
    struct disk *d = held ? disk_new(held, (u64)st.st_size) : NULL;
    if (d) {
        d->file.base = (struct overlay_base){held, (u64)st.st_size, XXH3_64bits_digest(sum)};
        if (put_overlay(d, overlay, readonly, err) != RS_OK) {
            disk_free(d);
            d = NULL;
        }
    }
    XXH3_freeState(sum);
    return d;
}

struct disk *disk_open(const char *path, const char *overlay, bool readonly, struct rs_error *err)
{
    struct disk *d = overlay ? open_overlay(path, overlay, readonly, err) : open_image(path, err);
    if (!d)
        return NULL;
    d->readonly = readonly;
    d->stable = mem_freeze(d->data);
    return d;
}

struct disk *disk_blank(u64 bytes, struct rs_error *err)
{
    if (bytes % SECTOR_BYTES || bytes > DISK_BYTES_MAX) {
        rs_fail(err, "%" PRIu64 " bytes are no disk: it has whole sectors of %u bytes, up to 4 GiB", bytes,
                SECTOR_BYTES);
        return NULL;
    }
    struct disk *d = new_disk(bytes);
    d->file.held = mem_freeze(d->data);
    d->stable = mem_freeze(d->data);
    return d;
}

void disk_free(struct disk *d)
{
    if (!d)
        return;
    mem_free(d->data);
    mem_image_free(d->stable);
    mem_image_free(d->file.held);
    mem_image_free(d->file.base.held);
    free(d->file.path);
    free(d);
}

/* ---- sectors ---- */

bool disk_read(const struct disk *d, u64 sector, u8 bytes[SECTOR_BYTES])
{
    return sector < d->sectors && mem_copy_out(d->data, sector * SECTOR_BYTES, bytes, SECTOR_BYTES);
}

bool disk_write(struct disk *d, u64 sector, const u8 bytes[SECTOR_BYTES])
{
    return sector < d->sectors && !d->readonly &&
           mem_copy_in(d->data, sector * SECTOR_BYTES, bytes, SECTOR_BYTES);
}

static void put_stable(struct disk *d, struct mem_image *stable)
{
    mem_image_free(d->stable);
    d->stable = stable;
}

void disk_flush(struct disk *d)
{
    if (!d->readonly)
        put_stable(d, mem_freeze(d->data));
}

/* ---- power cuts ---- */

/* A bit for each sector: splitmix64 of seed and sector. */
static bool survives(u64 seed, u64 sector)
{
    u64 z = seed + (sector + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return seed && (z ^ z >> 31) & 1;
}

void disk_cut(struct disk *d, u64 seed)
{
    for (u64 page = 0; page < mem_bytes(d->data); page += PAGE_BYTES) {
        if (!mem_page_differs(d->data, d->stable, page))
            continue;
        for (u64 at = page; at < page + PAGE_BYTES; at += SECTOR_BYTES)
            if (!survives(seed, at / SECTOR_BYTES))
                mem_restore(d->data, d->stable, at, SECTOR_BYTES);
    }
    disk_flush(d);
}

/* ---- state ---- */

u64 disk_hash(const struct disk *d, bool arch)
{
    u64 hash = mem_hash(d->data);
    return arch ? hash : hash * UINT64_C(0x9e3779b97f4a7c15) + mem_image_hash(d->stable);
}

struct disk_saved disk_save(const struct disk *d)
{
    return (struct disk_saved){mem_freeze(d->data), mem_image_copy(d->stable)};
}

struct disk_saved disk_saved_copy(const struct disk_saved *s)
{
    return (struct disk_saved){mem_image_copy(s->data), mem_image_copy(s->stable)};
}

void disk_restore(struct disk *d, const struct disk_saved *s)
{
    mem_thaw(d->data, s->data);
    put_stable(d, mem_image_copy(s->stable));
}

void disk_saved_free(struct disk_saved *s)
{
    mem_image_free(s->data);
    mem_image_free(s->stable);
}

/* ---- what faces see ---- */

static bool differs(const struct disk *d, const struct mem_image *image)
{
    for (u64 page = 0; page < mem_bytes(d->data); page += PAGE_BYTES)
        if (mem_page_differs(d->data, image, page))
            return true;
    return false;
}

static struct disk *find_disk(const struct machine *m, size_t i)
{
    return i < DISKS_MAX ? m->disk[i] : NULL;
}

bool rs_disk(const rs_machine *m, size_t i, struct rs_disk *disk)
{
    const struct disk *d = find_disk(m, i);
    if (!d)
        return false;
    *disk = (struct rs_disk){.path = d->file.path,
                             .overlay = d->file.base.held != NULL,
                             .sectors = d->sectors,
                             .readonly = d->readonly,
                             .changed = differs(d, d->file.held),
                             .cached = differs(d, d->stable)};
    return true;
}

enum rs_status rs_disk_read(const rs_machine *m, size_t i, uint64_t at, void *bytes, size_t n)
{
    const struct disk *d = find_disk(m, i);
    if (!d)
        return RS_FAILED;
    u64 size = d->sectors * SECTOR_BYTES;
    return at <= size && n <= size - at && mem_copy_out(d->data, at, bytes, n) ? RS_OK : RS_FAILED;
}

void rs_power_cut(rs_machine *m, uint64_t seed)
{
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (m->disk[i])
            disk_cut(m->disk[i], seed ? seed + i : 0);
    rs_power_cycle(m);
}

/* ---- commit ---- */

/* Holes where there are zeros. */
static bool write_pages(int fd, const struct mem_image *image, u64 bytes)
{
    u64 cursor = 0, at;
    const u8 *page;
    if (ftruncate(fd, (off_t)bytes) != 0)
        return false;
    while (mem_image_page(image, &cursor, &at, &page)) {
        size_t n = (size_t)min(PAGE_BYTES, bytes - at);
        if (pwrite(fd, page, n, (off_t)at) != (ssize_t)n)
            return false;
    }
    return fsync(fd) == 0;
}

static bool write_disk(const struct disk *d, int fd, const struct mem_image *image)
{
    if (d->file.base.held)
        return overlay_write(fd, &d->file.base, d->data) && fsync(fd) == 0;
    return write_pages(fd, image, d->sectors * SECTOR_BYTES);
}

/* Writes a new file beside the old one, if there is one, and puts it in its place. */
static enum rs_status replace_file(const struct disk *d, const char *path, const struct stat *old,
                                   const struct mem_image *image, struct rs_error *err)
{
    char part[PATH_MAX + 8];
    snprintf(part, sizeof part, "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL, old ? 0600 : 0666);
    if (fd < 0)
        return rs_fail(err, "%s: cannot be made, so the disk is not committed: %s", part, strerror(errno));
    bool good = write_disk(d, fd, image) && (!old || fchmod(fd, old->st_mode & 0777) == 0);
    good = close(fd) == 0 && good;
    if (good && rename(part, path) == 0)
        return RS_OK;
    rs_fail(err, "%s: cannot be written, and is as it was: %s", path, strerror(errno));
    unlink(part);
    return RS_FAILED;
}

/* st: NULL if there is no file. */
static enum rs_status check_commit(const struct disk *d, const struct stat *st, struct rs_error *err)
{
    static const struct stat none;
    if (d->readonly)
        return rs_fail(err, "%s: is read-only, so there is nothing to commit", d->file.path);
    if (!st && (!d->file.base.held || d->file.ino))
        return rs_fail(err, "%s: is no longer there: %s", d->file.path, strerror(errno));
    if (!is_file(&d->file, st ? st : &none))
        return rs_fail(
            err,
            "%s: has been changed by somebody else since it was read: move it away or put it back, "
            "or what it holds now would be lost",
            d->file.path);
    return RS_OK;
}

static enum rs_status commit(struct disk *d, struct rs_error *err)
{
    struct stat st;
    char path[PATH_MAX]; /* the file behind links, which stay */
    bool there = stat(d->file.path, &st) == 0 && realpath(d->file.path, path);
    if (check_commit(d, there ? &st : NULL, err) != RS_OK)
        return RS_FAILED;
    if (!there && snprintf(path, sizeof path, "%s", d->file.path) >= (int)sizeof path)
        return rs_fail(err, "%.300s...: the name is too long", d->file.path);
    struct mem_image *image = mem_freeze(d->data);
    if (replace_file(d, path, there ? &st : NULL, image, err) != RS_OK) {
        mem_image_free(image);
        return RS_FAILED;
    }
    mem_image_free(d->file.held);
    d->file.held = image;
    if (stat(path, &st) == 0)
        note_file(&d->file, &st);
    return RS_OK;
}

enum rs_status rs_disk_commit(rs_machine *m, size_t i, struct rs_error *err)
{
    struct disk *d = find_disk(m, i);
    if (!d)
        return rs_fail(err, "%s has no disk %zu", m->name, i + 1);
    if (!d->file.path)
        return rs_fail(err, "disk %zu of %s is in no file, so there is nothing to write it to", i + 1,
                       m->name);
    if (!d->readonly && !differs(d, d->file.held))
        return RS_OK;
    return commit(d, err);
}
