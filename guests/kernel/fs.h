/* fs.h - the file system at /disk (fs_format.h).  Paths are what follows "/disk".
 *
 * A call that changes something is an operation, which a power cut leaves whole or absent, and no operation
 * is there without those before it; after fs_commit() all so far stay.  -1 is failure, and nothing has
 * changed. */
#ifndef KERNEL_FS_H
#define KERNEL_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/calls.h"

/* Of one write: as many blocks are one operation. */
#define WRITE_BLOCKS 8

/* Looks for a disk, and for a file system on it. */
void fs_init(void);
/* An empty file system in place of whatever there is; not while a file is open.  0 or -1. */
int fs_format(void);
/* All is on the disk, and the journal is empty: the run ends. */
void fs_end(void);

/* An open file: its inode.  create: made, or emptied, if it is not there.  -1: there is none. */
int64_t fs_open(const char *path, bool create);
void fs_close(uint32_t inode);
int64_t fs_size(uint32_t inode);
/* From and to the memory of `current`, at a place in the file: bytes done.  A write of more than WRITE_BLOCKS
 * blocks is several operations, one after the other. */
int64_t fs_read(uint32_t inode, uint64_t offset, uint64_t va, uint64_t n);
int64_t fs_write(uint32_t inode, uint64_t offset, uint64_t va, uint64_t n);

/* 0 or -1.  Neither an open file nor a directory that is not empty can be removed; a file that is renamed
 * takes the place of another that is not open. */
int fs_make_directory(const char *path);
int fs_remove(const char *path);
int fs_rename(const char *from, const char *to);
int fs_commit(void);

/* What is there: 0 or -1; of the i-th in a directory 1, 0: there are not so many. */
int fs_info(const char *path, struct file_info *info);
int fs_nth(const char *path, uint32_t i, struct file_info *info);
int fs_space(struct disk_info *info);

/* The disk's own bytes, as fs_read; what is not committed is seen as well. */
int64_t fs_read_disk(uint64_t offset, uint64_t va, uint64_t n);
uint64_t fs_disk_bytes(void);

#endif
