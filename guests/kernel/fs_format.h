/* fs_format.h - the file system as it lies on the disk, in blocks of 4096 bytes and little-endian numbers:
 *
 *     0                  superblock
 *     1 ..               journal: a descriptor, up to JOURNAL_MOST blocks, a commit record
 *     bitmap ..          a bit for each block of the disk that is in use
 *     inodes ..          32 in a block
 *     data .. blocks     of files, directories, and tables of blocks
 *
 * The kernel and the programs mkfs and fsck include it. */
#ifndef KERNEL_FS_FORMAT_H
#define KERNEL_FS_FORMAT_H

#include <stdint.h>

#define FS_MAGIC    UINT64_C(0x31304b5349444752) /* "RGDISK01" */
#define BLOCK_BYTES 4096u
#define BLOCKS_MIN  128u
#define BLOCKS_MAX  (UINT32_C(1) << 20) /* 4 GiB */

#define JOURNAL_START  1u
#define JOURNAL_MOST   62u
#define JOURNAL_BLOCKS (JOURNAL_MOST + 2)
#define BITMAP_START   (JOURNAL_START + JOURNAL_BLOCKS)
#define BITS           (BLOCK_BYTES * 8) /* of a block of the bitmap */

/* All but `blocks` follows from it: fs_layout(). */
struct superblock {
    uint64_t magic;
    uint32_t blocks, bitmap, inodes, data; /* the first block of each, and how many there are in all */
    uint64_t sum;                          /* fs_sum() of what is before it */
};

enum inode_kind { INODE_FREE, INODE_FILE, INODE_DIRECTORY };

#define ROOT_INODE      1u /* 0 is none */
#define DIRECT          12u
#define POINTERS        (BLOCK_BYTES / 4)
#define INODE_BYTES     128u
#define INODES_A_BLOCK  (BLOCK_BYTES / INODE_BYTES)
#define FILE_BLOCKS_MAX (DIRECT + POINTERS + POINTERS * POINTERS)
#define BLOCKS_AN_INODE 4u

struct inode {
    uint32_t kind, reserved;
    uint64_t size;                     /* in bytes; of a directory: whole blocks */
    uint32_t direct[DIRECT];           /* 0: a hole, which reads as zeros */
    uint32_t indirect, indirect_twice; /* tables of POINTERS numbers */
    uint32_t unused[14];
};

#define DIRECTORY_MAX   1024u /* blocks */
#define FS_NAME_MAX     59u
#define ENTRY_BYTES     64u
#define ENTRIES_A_BLOCK (BLOCK_BYTES / ENTRY_BYTES)

struct entry {
    uint32_t inode;             /* 0: free */
    char name[FS_NAME_MAX + 1]; /* ends with 0; without '/' */
};

#define DESCRIPTOR_MAGIC UINT64_C(0x4352534544534752)
#define COMMIT_MAGIC     UINT64_C(0x54494d4d4f435352)

/* The journal's first block; the blocks themselves follow, then the commit record. */
struct descriptor {
    uint64_t magic, sequence;
    uint32_t count, reserved, home[JOURNAL_MOST];
};

struct commit_record {
    uint64_t magic, sequence;
    uint64_t sum; /* of descriptor and blocks */
};

_Static_assert(sizeof(struct inode) == INODE_BYTES && sizeof(struct entry) == ENTRY_BYTES &&
                   sizeof(struct descriptor) <= BLOCK_BYTES,
               "the format's sizes");

/* A sum in which every 8 bytes, and their order, matter.  n: a multiple of 8. */
static inline uint64_t fs_sum(uint64_t sum, const void *bytes, uint32_t n)
{
    const uint64_t *word = bytes;

    for (uint32_t i = 0; i < n / 8; i++) {
        sum = (sum ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
    }
    return sum;
}

/* Of a disk of that many blocks: whole blocks of inodes, at least one. */
static inline struct superblock fs_layout(uint32_t blocks)
{
    struct superblock s = {.magic = FS_MAGIC, .blocks = blocks, .bitmap = BITMAP_START};

    s.inodes = s.bitmap + (blocks + BITS - 1) / BITS;
    s.data = s.inodes + (blocks / BLOCKS_AN_INODE + INODES_A_BLOCK - 1) / INODES_A_BLOCK;
    s.sum = fs_sum(0, &s, sizeof s - sizeof s.sum);
    return s;
}

static inline uint32_t fs_inode_count(const struct superblock *s)
{
    return (s->data - s->inodes) * INODES_A_BLOCK;
}

/* A table of one kind of block, or a block that holds data, can only lie there. */
static inline int fs_is_data(const struct superblock *s, uint32_t block)
{
    return block >= s->data && block < s->blocks;
}

#endif
