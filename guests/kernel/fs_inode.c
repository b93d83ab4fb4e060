/* fs_inode.c - see fs_inode.h. */
#include "kernel/fs_inode.h"

#include <stddef.h>

#include "lib/print.h"
#include "lib/string.h"

#define TROUBLES_TOLD 10

struct superblock fs_super;

static uint32_t last_taken; /* blocks after it are looked at first */

void fs_trouble(const char *what, uint32_t n, const char *why)
{
    static unsigned told;

    if (told++ < TROUBLES_TOLD)
        print("kernel: /disk: %s %u %s\n", what, n, why);
}

/* ---- the bitmap ---- */

/* The first free block from `from` to the end of its part of the bitmap; 0: none. */
static uint32_t free_in(uint32_t from)
{
    const uint64_t *bits = journal_block(fs_super.bitmap + from / BITS);
    uint32_t end = from - from % BITS + BITS;

    if (end > fs_super.blocks)
        end = fs_super.blocks;
    for (uint32_t b = from; bits && b < end;)
        if (bits[b % BITS / 64] == UINT64_MAX)
            b = (b | 63) + 1;
        else if (bits[b % BITS / 64] >> b % 64 & 1)
            b++;
        else
            return b;
    return 0;
}

static uint32_t find_free(uint32_t from, uint32_t end)
{
    uint32_t found = 0;

    for (; !found && from < end; from = from - from % BITS + BITS)
        found = free_in(from);
    return found < end ? found : 0;
}

/* A block of zeros that was free, or NO_BLOCK. */
static uint32_t take_block(void)
{
    uint32_t start = fs_is_data(&fs_super, last_taken) ? last_taken : fs_super.data;
    uint32_t block = find_free(start, fs_super.blocks);
    uint64_t *bits;

    if (!block)
        block = find_free(fs_super.data, start);
    bits = block && journal_new(block) ? journal_change(fs_super.bitmap + block / BITS) : NULL;
    if (!bits)
        return NO_BLOCK;
    bits[block % BITS / 64] |= UINT64_C(1) << block % 64;
    last_taken = block;
    return block;
}

static bool give_back(uint32_t block)
{
    uint64_t *bits = journal_change(fs_super.bitmap + block / BITS), bit = UINT64_C(1) << block % 64;

    if (!bits)
        return false;
    if (!(bits[block % BITS / 64] & bit)) {
        fs_trouble("block", block, "is in use, and free");
        return false;
    }
    bits[block % BITS / 64] &= ~bit;
    return true;
}

/* ---- inodes ---- */

static bool is_sane(uint32_t number, const struct inode *i)
{
    if (i->kind != INODE_FILE && i->kind != INODE_DIRECTORY)
        fs_trouble("inode", number, "is neither a file nor a directory");
    else if (i->size > (uint64_t)FILE_BLOCKS_MAX * BLOCK_BYTES)
        fs_trouble("inode", number, "is larger than a file can be");
    else if (i->kind == INODE_DIRECTORY && i->size > (uint64_t)DIRECTORY_MAX * BLOCK_BYTES)
        fs_trouble("inode", number, "is larger than a directory can be");
    else
        return true;
    return false;
}

static uint32_t block_of(uint32_t number)
{
    return fs_super.inodes + number / INODES_A_BLOCK;
}

const struct inode *inode_read(uint32_t number)
{
    const struct inode *i;

    if (number == 0 || number >= fs_inode_count(&fs_super)) {
        fs_trouble("inode", number, "is none");
        return NULL;
    }
    i = journal_block(block_of(number));
    return i && is_sane(number, i + number % INODES_A_BLOCK) ? i + number % INODES_A_BLOCK : NULL;
}

struct inode *inode_change(uint32_t number)
{
    struct inode *i = inode_read(number) ? journal_change(block_of(number)) : NULL;

    return i ? i + number % INODES_A_BLOCK : NULL;
}

/* In a block: 0 is none. */
static uint32_t first_in(uint32_t block)
{
    return block == fs_super.inodes ? ROOT_INODE : 0;
}

/* The first in that block that is free; 0: none. */
static uint32_t free_inode(uint32_t block, const struct inode *i)
{
    for (uint32_t n = first_in(block); n < INODES_A_BLOCK; n++)
        if (i[n].kind == INODE_FREE)
            return (block - fs_super.inodes) * INODES_A_BLOCK + n;
    return 0;
}

uint32_t inode_new(uint32_t kind)
{
    for (uint32_t block = fs_super.inodes; block < fs_super.data; block++) {
        const struct inode *i = journal_block(block);
        uint32_t number = i ? free_inode(block, i) : 0;
        struct inode *taken = number ? journal_change(block) : NULL;

        if (taken)
            taken[number % INODES_A_BLOCK] = (struct inode){.kind = kind};
        if (!i || number)
            return taken ? number : 0;
    }
    return 0;
}

/* ---- the blocks of an inode ---- */

/* Where a place's number is: in the inode itself, or below a table of depth 1 or 2. */
struct path {
    unsigned depth;
    uint32_t slot;     /* of the inode's own, or which table */
    uint32_t index[2]; /* in each table */
};

static struct path path_to(uint32_t place)
{
    if (place < DIRECT)
        return (struct path){0, place, {0}};
    place -= DIRECT;
    if (place < POINTERS)
        return (struct path){1, DIRECT, {place}};
    place -= POINTERS;
    return (struct path){2, DIRECT + 1, {place / POINTERS, place % POINTERS}};
}

/* direct[], then the two tables, are one array. */
static uint32_t slot_of(const struct inode *i, uint32_t slot)
{
    return slot < DIRECT ? i->direct[slot] : slot == DIRECT ? i->indirect : i->indirect_twice;
}

static void set_slot(struct inode *i, uint32_t slot, uint32_t block)
{
    if (slot < DIRECT)
        i->direct[slot] = block;
    else if (slot == DIRECT)
        i->indirect = block;
    else
        i->indirect_twice = block;
}

static uint32_t checked(uint32_t number, uint32_t block)
{
    if (block == 0 || fs_is_data(&fs_super, block))
        return block;
    fs_trouble("inode", number, "has a block outside the data");
    return NO_BLOCK;
}

uint32_t inode_block(uint32_t number, uint32_t place)
{
    const struct inode *i = place < FILE_BLOCKS_MAX ? inode_read(number) : NULL;
    struct path path = path_to(place);
    uint32_t block = i ? checked(number, slot_of(i, path.slot)) : NO_BLOCK;

    for (unsigned level = 0; level < path.depth && block && block != NO_BLOCK; level++) {
        const uint32_t *table = journal_block(block);

        block = table ? checked(number, table[path.index[level]]) : NO_BLOCK;
    }
    return block;
}

/* The number in the inode, made if it is 0. */
static uint32_t slot_made(uint32_t number, uint32_t slot)
{
    const struct inode *old = inode_read(number);
    uint32_t block = old ? checked(number, slot_of(old, slot)) : NO_BLOCK;
    struct inode *i;

    if (block)
        return block;
    block = take_block();
    i = block == NO_BLOCK ? NULL : inode_change(number);
    if (!i)
        return NO_BLOCK;
    set_slot(i, slot, block);
    return block;
}

static uint32_t entry_made(uint32_t number, uint32_t table_block, uint32_t index)
{
    const uint32_t *old = journal_block(table_block);
    uint32_t block = old ? checked(number, old[index]) : NO_BLOCK, *table;

    if (block)
        return block;
    block = take_block();
    table = block == NO_BLOCK ? NULL : journal_change(table_block);
    if (!table)
        return NO_BLOCK;
    return table[index] = block;
}

uint32_t inode_block_made(uint32_t number, uint32_t place)
{
    struct path path = path_to(place);
    uint32_t block = place < FILE_BLOCKS_MAX ? slot_made(number, path.slot) : NO_BLOCK;

    for (unsigned level = 0; level < path.depth && block != NO_BLOCK; level++)
        block = entry_made(number, block, path.index[level]);
    return block;
}

/* A block, and what it leads to if it is a table.  Each can be given back once, so this ends. */
static bool free_tree(uint32_t number, uint32_t block, unsigned depth)
{
    if (block == 0)
        return true;
    if (checked(number, block) == NO_BLOCK || !give_back(block))
        return false;
    for (uint32_t i = 0; depth > 0 && i < POINTERS; i++) {
        const uint32_t *table = journal_block(block);

        if (!table || !free_tree(number, table[i], depth - 1))
            return false;
    }
    return true;
}

bool inode_empty(uint32_t number, bool all)
{
    const struct inode *old = inode_read(number);
    struct inode copy, *i;

    if (!old)
        return false;
    copy = *old;
    for (uint32_t slot = 0; slot < DIRECT + 2; slot++)
        if (!free_tree(number, slot_of(&copy, slot), slot < DIRECT ? 0 : slot - DIRECT + 1))
            return false;
    i = inode_change(number);
    if (!i)
        return false;
    *i = (struct inode){.kind = all ? INODE_FREE : copy.kind};
    return true;
}

/* ---- what is left ---- */

static uint32_t free_in_block(uint32_t block, const struct inode *i)
{
    uint32_t count = 0;

    for (uint32_t n = first_in(block); n < INODES_A_BLOCK; n++)
        count += i[n].kind == INODE_FREE;
    return count;
}

bool inode_space(uint32_t *blocks, uint32_t *inodes)
{
    const uint64_t *bits = NULL;

    *blocks = *inodes = 0;
    for (uint32_t b = fs_super.data; b < fs_super.blocks; b++) {
        if (!bits || b % BITS == 0)
            bits = journal_block(fs_super.bitmap + b / BITS);
        if (!bits)
            return false;
        *blocks += !(bits[b % BITS / 64] >> b % 64 & 1);
    }
    for (uint32_t block = fs_super.inodes; block < fs_super.data; block++) {
        const struct inode *i = journal_block(block);

        if (!i)
            return false;
        *inodes += free_in_block(block, i);
    }
    return true;
}
