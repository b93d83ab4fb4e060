/* snapshot.c - the whole world at a position, in memory and as a file.
 *
 * File: magic, format version, machine shape, a checksum of all the rest of the file; then, compressed by
 * zstd, the state of each core, board state, the consoles' text, the disks and the non-zero pages of RAM. All
 * numbers little-endian. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>
#include <zstd.h>

#include "dev/device.h"
#include "dev/devices.h"
#include "dev/uart.h"
#include "image.h"
#include "params.h"
#include "state.h"
#include "world.h"

#define MAGIC "RSNAP01\n"
#define HEADER_U64S \
    8 /* state version, RAM bytes, micro, body bytes, parameters, devices, cores, checksum \
       */
#define HEADER_BYTES (8 + 8 * HEADER_U64S)
#define CHECKSUM_AT  (HEADER_BYTES - 8)
#define CORES_AT     (HEADER_BYTES - 16)
#define BODY_MAX     (UINT64_C(8) << 30)

#define CONSOLES 3

struct rs_snapshot {
    struct saved *saved;
    u64 micro;
    u64 ram_bytes;
    u32 cores;
    u64 params;         /* hash of the machine's */
    u64 devices;        /* likewise */
    u8 *text[CONSOLES]; /* what each console has written */
};

static u64 text_bytes(const struct saved *s, unsigned i)
{
    size_t uart =
        offsetof(struct board_state, uart) + i * sizeof(struct uart) + offsetof(struct uart, out_bytes);
    u64 n;
    pieces_read(s->board, i < 2 ? uart : offsetof(struct board_state, debug_out), &n, sizeof n);
    return n;
}

static void take_text(const struct machine *m, rs_snapshot *s)
{
    for (unsigned i = 0; i < CONSOLES; i++) {
        u64 n = text_bytes(s->saved, i);
        s->text[i] = malloc(n + 1);
        if (!s->text[i])
            abort();
        if (n)
            memcpy(s->text[i], m->log[i].bytes, n);
    }
}

static void give_text(struct machine *m, const rs_snapshot *s)
{
    for (unsigned i = 0; i < CONSOLES; i++)
        for (u64 n = 0, size = text_bytes(s->saved, i); n < size; n++)
            console_log_put(&m->log[i], n, s->text[i][n]);
}

rs_snapshot *rs_snapshot_take(rs_world *w)
{
    if (!w->machine)
        return NULL;
    rs_snapshot *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->ram_bytes = w->machine->ram_bytes;
    s->cores = w->machine->cores;
    s->params = params_hash(&w->machine->p);
    s->devices = devices_hash(w->machine);
    s->micro = history_position(w).micro;
    s->saved = w->history.inside ? saved_copy(w->history.inside) : saved_take(w);
    take_text(w->machine, s);
    return s;
}

void rs_snapshot_free(rs_snapshot *s)
{
    if (!s)
        return;
    saved_free(s->saved);
    for (unsigned i = 0; i < CONSOLES; i++)
        free(s->text[i]);
    free(s);
}

enum rs_status rs_snapshot_restore(rs_world *w, const rs_snapshot *s, struct rs_error *err)
{
    if (!w->machine || w->machine->ram_bytes != s->ram_bytes)
        return rs_fail(err, "the snapshot is of a machine with %llu bytes of RAM",
                       (unsigned long long)s->ram_bytes);
    if (s->cores != w->machine->cores)
        return rs_fail(err, "the snapshot is of a machine with %u core%s", s->cores, s->cores > 1 ? "s" : "");
    if (s->params != params_hash(&w->machine->p))
        return rs_fail(err,
                       "the snapshot is of a machine with other sizes or times: restore it on one with the "
                       "same parameters");
    if (s->devices != devices_hash(w->machine))
        return rs_fail(err, "the snapshot is of a machine with other devices");
    saved_restore(w, s->saved);
    w->machine->firmware = w->machine->b.firmware;
    give_text(w->machine, s);
    history_begin(w, true);
    if (s->micro)
        world_show_inside(w, s->micro);
    return RS_OK;
}

/* ---- as a file ---- */

struct buffer {
    u8 *bytes;
    size_t n, capacity;
};

static u8 *buffer_add(struct buffer *b, size_t n)
{
    if (b->n + n > b->capacity) {
        b->capacity = (b->n + n) * 2;
        b->bytes = realloc(b->bytes, b->capacity);
        if (!b->bytes)
            abort();
    }
    b->n += n;
    return b->bytes + b->n - n;
}

static void put_u64(u8 *to, u64 value)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (u8)(value >> 8 * i);
}

static u64 get_u64(const u8 *from)
{
    u64 value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (u64)from[i] << 8 * i;
    return value;
}

/* (address, page) for each page that is not all zeros. */
static void write_pages(struct buffer *b, const struct mem_image *image)
{
    u64 cursor = 0, hpa;
    const u8 *page;
    while (mem_image_page(image, &cursor, &hpa, &page)) {
        u8 *to = buffer_add(b, 8 + PAGE_BYTES);
        put_u64(to, hpa);
        memcpy(to + 8, page, PAGE_BYTES);
    }
}

/* A number of bytes, and as many of pages. */
static void write_image(struct buffer *b, const struct mem_image *image)
{
    size_t at = b->n;
    buffer_add(b, 8);
    write_pages(b, image);
    put_u64(b->bytes + at, b->n - at - 8);
}

/* What it holds; as it was at the last flush, unless that is the same: all ones. */
static void write_disk(struct buffer *b, const struct disk_saved *disk)
{
    write_image(b, disk->data);
    if (mem_image_hash(disk->data) == mem_image_hash(disk->stable))
        put_u64(buffer_add(b, 8), UINT64_MAX);
    else
        write_image(b, disk->stable);
}

static void write_state(struct buffer *b, bool core, const struct pieces *saved)
{
    void *state = pieces_whole(saved);
    state_save(core, state, buffer_add(b, state_image_bytes(core)));
    free(state);
}

/* Cores, board, the consoles' text, disks, RAM. */
static void write_body(struct buffer *b, const rs_snapshot *s)
{
    for (u32 i = 0; i < s->cores; i++)
        write_state(b, true, s->saved->core[i]);
    write_state(b, false, s->saved->board);
    for (unsigned i = 0; i < CONSOLES; i++) {
        u64 n = text_bytes(s->saved, i);
        memcpy(buffer_add(b, n), s->text[i], n);
    }
    for (unsigned i = 0; i < DISKS_MAX && s->saved->disk[i].data; i++)
        write_disk(b, &s->saved->disk[i]);
    write_pages(b, s->saved->mem);
}

/* Of the header before the checksum and of all that follows. */
static u64 checksum(const u8 *header, const u8 *packed, size_t n)
{
    return XXH3_64bits_withSeed(packed, n, XXH3_64bits(header, CHECKSUM_AT));
}

/* A save replaces nothing but a snapshot. */
static bool may_replace(const char *path)
{
    struct stat st;
    char magic[8] = "";
    if (stat(path, &st) != 0)
        return true;
    FILE *f = S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
    bool good = f && (st.st_size == 0 || (fread(magic, 1, 8, f) == 8 && memcmp(magic, MAGIC, 8) == 0));
    if (f)
        fclose(f);
    return good;
}

/* Writes beside the file and renames, so that a file of this name is always whole. */
static enum rs_status write_file(const char *path, const u8 *header, const u8 *bytes, size_t n,
                                 struct rs_error *err)
{
    char part[1100];
    if (!may_replace(path))
        return rs_fail(err, "%s: exists and is not a snapshot: choose another name or remove it", path);
    snprintf(part, sizeof part, "%s.part", path);
    if (!may_replace(part))
        return rs_fail(err, "%s: exists and is not a snapshot: it is in the way of saving %s", part, path);
    FILE *f = fopen(part, "wb");
    if (!f)
        return rs_fail(err, "%s: cannot be written: %s", part, strerror(errno));
    bool good = fwrite(header, 1, HEADER_BYTES, f) == HEADER_BYTES && fwrite(bytes, 1, n, f) == n;
    good = fclose(f) == 0 && good;
    if (good && rename(part, path) == 0)
        return RS_OK;
    rs_fail(err, "%s: cannot be written: %s", path, strerror(errno));
    remove(part);
    return RS_FAILED;
}

enum rs_status rs_snapshot_save(const rs_snapshot *s, const char *path, struct rs_error *err)
{
    struct buffer body = {0};
    u8 header[HEADER_BYTES] = MAGIC;
    write_body(&body, s);
    size_t bound = ZSTD_compressBound(body.n);
    u8 *packed = malloc(bound);
    if (!packed)
        abort();
    size_t n = ZSTD_compress(packed, bound, body.bytes, body.n, 3);
    const u64 field[HEADER_U64S] = {state_version(), s->ram_bytes, s->micro, body.n,
                                    s->params,       s->devices,   s->cores, 0};
    for (unsigned i = 0; i < HEADER_U64S; i++)
        put_u64(header + 8 + 8 * i, field[i]);
    if (!ZSTD_isError(n))
        put_u64(header + CHECKSUM_AT, checksum(header, packed, n));
    enum rs_status status = ZSTD_isError(n)
                                ? rs_fail(err, "%s: cannot be compressed: %s", path, ZSTD_getErrorName(n))
                                : write_file(path, header, packed, n, err);
    free(packed);
    free(body.bytes);
    return status;
}

/* A forged state may hold anything but what would index outside an array. */
static bool state_sane(const struct machine *m, const struct core_state *c, const struct board_state *b)
{
    for (unsigned i = 0; i < 2; i++)
        if (b->uart[i].wire_head - b->uart[i].wire_tail > UART_WIRE_BYTES)
            return false;
    if (b->ps2.wire_head - b->ps2.wire_tail > PS2_WIRE_BYTES || b->ps2.answer_count > 8)
        return false;
    return b->halt_core < m->cores && c->ras_top < m->p.ras_entries && c->store_next < m->p.store_buffer &&
           c->event_vector < 256 && c->activity <= ACTIVITY_WAIT_SIPI && b->halted < HALT_CAUSES &&
           c->vmx.cr3_target_count <= 4;
}

/* The consoles' text at *at; false if there is less than the state says. */
static bool read_text(rs_snapshot *s, const u8 **at, size_t *n)
{
    for (unsigned i = 0; i < CONSOLES; i++) {
        u64 size = text_bytes(s->saved, i);
        if (size > *n)
            return false;
        s->text[i] = malloc(size + 1);
        if (!s->text[i])
            abort();
        memcpy(s->text[i], *at, size);
        *at += size;
        *n -= size;
    }
    return true;
}

static bool read_pages(struct mem_image *mem, const u8 *at, size_t n, u64 ram_bytes)
{
    if (n % (8 + PAGE_BYTES))
        return false;
    for (; n; n -= 8 + PAGE_BYTES, at += 8 + PAGE_BYTES) {
        u64 hpa = get_u64(at);
        if (hpa % PAGE_BYTES || hpa >= ram_bytes)
            return false;
        mem_image_put(mem, hpa, at + 8);
    }
    return true;
}

/* The length at *at, and as many bytes of pages; NULL if they are not there, or are not of so large an image.
 */
static struct mem_image *read_image(const u8 **at, size_t *n, u64 bytes)
{
    u64 size = *n >= 8 ? get_u64(*at) : UINT64_MAX;
    struct mem_image *image = mem_image_new(bytes);
    if (size == UINT64_MAX || size > *n - 8 || !read_pages(image, *at + 8, (size_t)size, bytes)) {
        mem_image_free(image);
        return NULL;
    }
    *at += 8 + size;
    *n -= 8 + (size_t)size;
    return image;
}

static bool read_disk(struct disk_saved *disk, const u8 **at, size_t *n, u64 bytes)
{
    disk_saved_free(disk);
    *disk = (struct disk_saved){.data = read_image(at, n, bytes)};
    if (!disk->data || *n < 8)
        return false;
    if (get_u64(*at) != UINT64_MAX) {
        disk->stable = read_image(at, n, bytes);
        return disk->stable != NULL;
    }
    *at += 8;
    *n -= 8;
    disk->stable = mem_image_copy(disk->data);
    return true;
}

static bool read_disks(const struct machine *m, rs_snapshot *s, const u8 **at, size_t *n)
{
    for (unsigned i = 0; i < DISKS_MAX && m->disk[i]; i++)
        if (!read_disk(&s->saved->disk[i], at, n, mem_bytes(m->disk[i]->data)))
            return false;
    return true;
}

static void put_pieces(struct pieces **to, const void *state, size_t n)
{
    pieces_free(*to);
    *to = pieces_take(state, n, NULL);
}

/* Of the cores, then of the board. */
static bool read_states(const struct machine *m, struct saved *s, const u8 *body)
{
    struct board_state *b = calloc(1, sizeof *b);
    struct core_state *c = calloc(1, sizeof *c);
    size_t image = state_image_bytes(true);
    bool sane = true;
    if (!b || !c)
        abort();
    state_load(false, b, body + m->cores * image);
    s->atom = b->device_atoms;
    for (u32 i = 0; i < m->cores; i++) {
        state_load(true, c, body + i * image);
        s->atom += c->atom;
        sane = sane && state_sane(m, c, b);
        put_pieces(&s->core[i], c, sizeof *c);
    }
    put_pieces(&s->board, b, sizeof *b);
    free(b);
    free(c);
    return sane;
}

/* NULL if the body is not what this machine's would be. */
static rs_snapshot *read_body(rs_world *w, const u8 *body, size_t n, u64 micro)
{
    const struct machine *m = w->machine;
    size_t states = m->cores * state_image_bytes(true) + state_image_bytes(false);
    if (n < states)
        return NULL;
    rs_snapshot *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->ram_bytes = m->ram_bytes;
    s->cores = m->cores;
    s->params = params_hash(&m->p);
    s->devices = devices_hash(m);
    s->micro = micro;
    s->saved = saved_take(w);
    keep_free(s->saved->kept); /* of another past */
    bool sane = read_states(m, s->saved, body);
    mem_image_free(s->saved->mem);
    s->saved->mem = mem_image_new(s->ram_bytes);
    body += states;
    n -= states;
    if (sane && read_text(s, &body, &n) && read_disks(m, s, &body, &n) &&
        read_pages(s->saved->mem, body, n, s->ram_bytes))
        return s;
    rs_snapshot_free(s);
    return NULL;
}

static enum rs_status check_header(const rs_world *w, const char *path, const u8 *file, size_t n,
                                   struct rs_error *err)
{
    if (n < HEADER_BYTES || memcmp(file, MAGIC, 8) != 0)
        return rs_fail(err, "%s: not a snapshot, or cut off before its header ends", path);
    if (get_u64(file + 8) != state_version())
        return rs_fail(
            err, "%s: a snapshot of another release: its machine state has another format; take it anew",
            path);
    if (!w->machine || get_u64(file + 16) != w->machine->ram_bytes)
        return rs_fail(err, "%s: of a machine with %llu bytes of RAM; make one with as much", path,
                       (unsigned long long)get_u64(file + 16));
    if (get_u64(file + CORES_AT) != w->machine->cores)
        return rs_fail(err, "%s: of a machine with cores = %llu; make one with as many", path,
                       (unsigned long long)get_u64(file + CORES_AT));
    if (get_u64(file + CHECKSUM_AT) != checksum(file, file + HEADER_BYTES, n - HEADER_BYTES))
        return rs_fail(err, "%s: damaged: truncated, or some of its bytes have changed", path);
    if (get_u64(file + 40) != params_hash(&w->machine->p))
        return rs_fail(err, "%s: of a machine with other sizes or times; make one with the same parameters",
                       path);
    if (get_u64(file + 48) != devices_hash(w->machine))
        return rs_fail(err, "%s: a snapshot of a machine with other devices", path);
    if (get_u64(file + 32) > BODY_MAX)
        return rs_fail(err, "%s: damaged: it claims a body of %llu bytes", path,
                       (unsigned long long)get_u64(file + 32));
    return RS_OK;
}

static rs_snapshot *unpack(rs_world *w, const char *path, const u8 *file, size_t n, struct rs_error *err)
{
    size_t size = (size_t)get_u64(file + 32);
    u8 *body = malloc(size ? size : 1);
    rs_snapshot *s = NULL;
    if (body && ZSTD_decompress(body, size, file + HEADER_BYTES, n - HEADER_BYTES) == size)
        s = read_body(w, body, size, get_u64(file + 24));
    free(body);
    if (!s)
        rs_fail(err, "%s: damaged: what it holds is not the state of a machine", path);
    return s;
}

rs_snapshot *rs_snapshot_load(rs_world *w, const char *path, struct rs_error *err)
{
    u8 *file;
    size_t n;
    rs_snapshot *s = NULL;
    if (file_read(path, &file, &n, err) != RS_OK)
        return NULL;
    if (check_header(w, path, file, n, err) == RS_OK)
        s = unpack(w, path, file, n, err);
    free(file);
    return s;
}
