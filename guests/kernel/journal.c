/* journal.c - see journal.h.
 *
 * A commit: descriptor, blocks and commit record are written to the journal in any order; a flush; the blocks
 * are written to their places; a flush before the journal is written again.  The commit record has a sum of
 * all the rest, so one that lies there without all of it is none. */
#include "kernel/journal.h"

#include <stddef.h>

#include "kernel/memory.h"
#include "kernel/virtio_blk.h"
#include "lib/string.h"

#define BUFFERS       128
#define OPERATION_MAX 48 /* blocks that one may change */
#define SECTORS       (BLOCK_BYTES / SECTOR_BYTES)

struct buffer {
    uint32_t block; /* 0, the superblock, is never here: the buffer is free */
    uint64_t used;
    bool changed; /* and not committed */
    bool undone;  /* there is a copy from the operation's begin */
};

struct undo {
    struct buffer *buffer;
    bool was_changed;
};

static struct buffer buffers[BUFFERS];
static struct undo undo[OPERATION_MAX];
static uint8_t *memory, *undo_memory, *record_memory; /* blocks of each; two for the journal's own */
static uint32_t block_count, undo_count, changed_count, operation_most;
static uint64_t uses, sequence;
static bool failed;      /* what is committed may not be on the disk, or cannot be: there are no operations */
static bool placed_last; /* blocks have been written to their places since the last flush */

static void *bytes_of(const struct buffer *b)
{
    return memory + (size_t)(b - buffers) * BLOCK_BYTES;
}

static struct transfer transfer(uint32_t block, void *bytes, bool write)
{
    return (struct transfer){(uint64_t)block * SECTORS, bytes, BLOCK_BYTES, write};
}

static bool move(uint32_t block, void *bytes, bool write)
{
    struct transfer t = transfer(block, bytes, write);

    return virtio_blk_move(&t, 1);
}

bool journal_init(uint32_t blocks)
{
    uint64_t pa = page_run((BUFFERS + OPERATION_MAX + 2) * BLOCK_BYTES);

    block_count = blocks;
    if (!pa)
        return false;
    memory = direct(pa);
    undo_memory = memory + (size_t)BUFFERS * BLOCK_BYTES;
    record_memory = undo_memory + (size_t)OPERATION_MAX * BLOCK_BYTES;
    return true;
}

void journal_forget(void)
{
    memset(buffers, 0, sizeof buffers);
    changed_count = undo_count = 0;
    failed = placed_last = false;
}

/* ---- blocks in memory ---- */

static struct buffer *find(uint32_t block)
{
    for (struct buffer *b = buffers; b < buffers + BUFFERS; b++)
        if (b->block == block)
            return b;
    return NULL;
}

/* The one that has not been used for the longest time; NULL: all are waiting for a commit. */
static struct buffer *oldest(void)
{
    struct buffer *best = NULL;

    for (struct buffer *b = buffers; b < buffers + BUFFERS; b++)
        if (!b->changed && !b->undone && (!best || b->used < best->used))
            best = b;
    return best;
}

static struct buffer *get(uint32_t block, bool read)
{
    struct buffer *b;

    if (block == 0 || block >= block_count)
        return NULL;
    b = find(block);
    if (!b) {
        b = oldest();
        if (!b)
            return NULL;
        b->block = 0;
        if (read && !move(block, bytes_of(b), false))
            return NULL;
        b->block = block;
    }
    b->used = ++uses;
    return b;
}

const void *journal_block(uint32_t block)
{
    const struct buffer *b = get(block, true);

    return b ? bytes_of(b) : NULL;
}

bool journal_write_through(uint32_t block, const void *bytes)
{
    struct buffer *b = block ? find(block) : NULL;

    if (b)
        b->block = 0;
    memcpy(record_memory, bytes, BLOCK_BYTES);
    return move(block, record_memory, true);
}

/* ---- operations ---- */

bool journal_begin(uint32_t blocks)
{
    undo_count = 0;
    operation_most = blocks;
    if (failed || blocks > OPERATION_MAX)
        return false;
    return changed_count + blocks <= JOURNAL_MOST || journal_commit();
}

static void *change(struct buffer *b)
{
    if (!b || b->undone)
        return b ? bytes_of(b) : NULL;
    if (undo_count == operation_most)
        return NULL;
    memcpy(undo_memory + (size_t)undo_count * BLOCK_BYTES, bytes_of(b), BLOCK_BYTES);
    undo[undo_count++] = (struct undo){b, b->changed};
    changed_count += !b->changed;
    b->changed = b->undone = true;
    return bytes_of(b);
}

void *journal_change(uint32_t block)
{
    return change(get(block, true));
}

void *journal_new(uint32_t block)
{
    void *bytes = change(get(block, false));

    if (bytes)
        memset(bytes, 0, BLOCK_BYTES);
    return bytes;
}

static void take_back(const struct undo *u, const uint8_t *before)
{
    memcpy(bytes_of(u->buffer), before, BLOCK_BYTES);
    if (u->was_changed)
        return;
    u->buffer->changed = false;
    u->buffer->block = 0; /* it may not have been read */
    changed_count--;
}

bool journal_end(bool good)
{
    for (uint32_t i = 0; i < undo_count; i++) {
        undo[i].buffer->undone = false;
        if (!good)
            take_back(&undo[i], undo_memory + (size_t)i * BLOCK_BYTES);
    }
    undo_count = 0;
    return good;
}

/* ---- commits ---- */

static uint64_t sum_of(const struct descriptor *d, void *const block[])
{
    uint64_t sum = fs_sum(1, d, BLOCK_BYTES);

    for (uint32_t i = 0; i < d->count; i++)
        sum = fs_sum(sum, block[i], BLOCK_BYTES);
    return sum;
}

static bool write_journal(const struct descriptor *d, void *const block[])
{
    struct transfer t[JOURNAL_BLOCKS];
    struct commit_record *c = (struct commit_record *)(record_memory + BLOCK_BYTES);

    memset(c, 0, BLOCK_BYTES);
    *c = (struct commit_record){COMMIT_MAGIC, d->sequence, sum_of(d, block)};
    t[0] = transfer(JOURNAL_START, record_memory, true);
    for (uint32_t i = 0; i < d->count; i++)
        t[1 + i] = transfer(JOURNAL_START + 1 + i, block[i], true);
    t[1 + d->count] = transfer(JOURNAL_START + 1 + d->count, c, true);
    return virtio_blk_move(t, d->count + 2) && virtio_blk_flush();
}

static bool place(const struct descriptor *d, void *const block[])
{
    struct transfer t[JOURNAL_MOST];

    for (uint32_t i = 0; i < d->count; i++)
        t[i] = transfer(d->home[i], block[i], true);
    placed_last = true;
    return virtio_blk_move(t, d->count);
}

static struct descriptor *describe(void *block[JOURNAL_MOST])
{
    struct descriptor *d = memset(record_memory, 0, BLOCK_BYTES);

    *d = (struct descriptor){.magic = DESCRIPTOR_MAGIC, .sequence = sequence++};
    for (struct buffer *b = buffers; b < buffers + BUFFERS; b++)
        if (b->changed) {
            block[d->count] = bytes_of(b);
            d->home[d->count++] = b->block;
        }
    return d;
}

bool journal_commit(void)
{
    void *block[JOURNAL_MOST];
    struct descriptor *d;

    if (failed || !changed_count)
        return !failed;
    failed = placed_last && !virtio_blk_flush();
    placed_last = false;
    d = describe(block);
    if (failed || !write_journal(d, block) || !place(d, block)) {
        failed = true;
        return false;
    }
    for (struct buffer *b = buffers; b < buffers + BUFFERS; b++)
        b->changed = false;
    changed_count = 0;
    return true;
}

/* ---- mounting ---- */

/* Whether the descriptor is one, of blocks that may be journalled. */
static bool plausible(const struct descriptor *d, uint32_t first)
{
    if (d->magic != DESCRIPTOR_MAGIC || d->count > JOURNAL_MOST)
        return false;
    for (uint32_t i = 0; i < d->count; i++)
        if (d->home[i] < first || d->home[i] >= block_count)
            return false;
    return true;
}

/* The blocks behind the descriptor, into buffers that nobody has; false: the disk fails. */
static bool read_journal(const struct descriptor *d, void *block[JOURNAL_MOST])
{
    struct transfer t[JOURNAL_BLOCKS];

    for (uint32_t i = 0; i < d->count; i++) {
        block[i] = bytes_of(&buffers[i]);
        t[i] = transfer(JOURNAL_START + 1 + i, block[i], false);
    }
    t[d->count] = transfer(JOURNAL_START + 1 + d->count, record_memory + BLOCK_BYTES, false);
    return virtio_blk_move(t, d->count + 1);
}

/* A disk that cannot be written: what is committed is seen as if it were in its place. */
static void show(const struct descriptor *d)
{
    for (uint32_t i = 0; i < d->count; i++)
        buffers[i] = (struct buffer){.block = d->home[i], .changed = true};
}

bool journal_replay(uint32_t first, uint32_t *replayed)
{
    void *block[JOURNAL_MOST];
    const struct descriptor *d = (struct descriptor *)record_memory;
    const struct commit_record *c = (struct commit_record *)(record_memory + BLOCK_BYTES);

    journal_forget();
    failed = virtio_blk_readonly();
    *replayed = 0;
    if (!move(JOURNAL_START, record_memory, false))
        return false;
    sequence = d->magic == DESCRIPTOR_MAGIC ? d->sequence + 1 : 1;
    if (!plausible(d, first))
        return true;
    if (!read_journal(d, block))
        return false;
    if (c->magic != COMMIT_MAGIC || c->sequence != d->sequence || c->sum != sum_of(d, block))
        return true;
    *replayed = d->count;
    if (virtio_blk_readonly()) {
        show(d);
        return true;
    }
    return place(d, block) && virtio_blk_flush();
}
