/* fs_inode.h - inodes and the blocks that they have.  All but reading is part of an operation (journal.h).
 * Whatever the disk holds is checked before it is used; what cannot be is said, and the call fails. */
#ifndef KERNEL_FS_INODE_H
#define KERNEL_FS_INODE_H

#include "kernel/journal.h"

#define NO_BLOCK UINT32_MAX /* trouble; 0: a hole */

extern struct superblock fs_super;

/* "kernel: /disk: WHAT N WHY", the first ten times. */
void fs_trouble(const char *what, uint32_t n, const char *why);

/* An inode that is in use, valid as journal_block() is; NULL: trouble. */
const struct inode *inode_read(uint32_t number);
struct inode *inode_change(uint32_t number);
/* One of that kind, empty; 0: none is left, or trouble. */
uint32_t inode_new(uint32_t kind);
/* It has nothing any more; if `all`, it is not even there. */
bool inode_empty(uint32_t number, bool all);

/* The block of that place in it: a number, 0, or NO_BLOCK. */
uint32_t inode_block(uint32_t number, uint32_t place);
/* The same, made of zeros if it is a hole; NO_BLOCK also if the disk is full. */
uint32_t inode_block_made(uint32_t number, uint32_t place);

/* Blocks, and inodes, that are free; false: trouble. */
bool inode_space(uint32_t *blocks, uint32_t *inodes);

#endif
