/* journal.h - the disk's blocks in memory, and operations on them that are whole or absent.
 *
 * What operations change stays in memory until it is committed: written to the journal with a sum, flushed,
 * and only then to its place.  Mounting puts what is committed in its place again.  All calls are made by one
 * process at a time (fs.c). */
#ifndef KERNEL_JOURNAL_H
#define KERNEL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/fs_format.h"

/* Memory for blocks; the disk has that many. */
bool journal_init(uint32_t blocks);

/* A block's bytes, to be read until 20 other blocks have been asked for; NULL: it cannot be read, or there is
 * none of that number. */
const void *journal_block(uint32_t block);

/* An operation: at most `blocks` blocks change.  False: there can be no more, since the disk fails. */
bool journal_begin(uint32_t blocks);
/* The same bytes, to be changed; NULL as above, or the operation has changed too many. */
void *journal_change(uint32_t block);
/* The same for one whose contents do not matter any more: zeros. */
void *journal_new(uint32_t block);
/* The operation's end; good: all of it stands, else none of it. */
bool journal_end(bool good);

/* All operations so far stay, whatever happens to the machine. */
bool journal_commit(void);

/* What is committed is put in its place; `replayed`: how many blocks.  first: of the blocks that may be.
 * False: the disk fails. */
bool journal_replay(uint32_t first, uint32_t *replayed);

/* Writes a block in its place at once, outside of operations. */
bool journal_write_through(uint32_t block, const void *bytes);

/* Nothing is known of the disk any more. */
void journal_forget(void);

#endif
