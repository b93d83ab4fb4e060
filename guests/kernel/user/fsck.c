/* fsck - whether the file system on the disk is whole: every block and inode that is in use is somebody's,
 * once, and none of those that are free.  It reads the disk itself, by its format, and changes nothing. */
#include "kernel/fs_format.h"
#include "user.h"

#define TOLD_MOST 20

static struct superblock super;
static int64_t disk;
static uint8_t *uses;    /* of each block, up to 2 */
static uint8_t *entries; /* of each inode, up to 2 */
static uint32_t *queue;  /* directories to be read */
static uint32_t queued, files, directories, blocks, troubles;
static uint8_t block_bytes[4][BLOCK_BYTES]; /* by the depth of what is read */

static void trouble(const char *what, uint32_t n, const char *why)
{
    if (troubles++ < TOLD_MOST)
        print("fsck: %s %u %s\n", what, n, why);
}

static void *read_block(uint32_t block, unsigned depth)
{
    seek(disk, (uint64_t)block * BLOCK_BYTES);
    if (read(disk, block_bytes[depth], BLOCK_BYTES) != BLOCK_BYTES) {
        trouble("block", block, "cannot be read");
        memset(block_bytes[depth], 0, BLOCK_BYTES);
    }
    return block_bytes[depth];
}

static void *room(uint64_t bytes)
{
    int64_t at = mmap((bytes + 4095) & ~UINT64_C(4095), 0);

    if (at < 0) {
        print("fsck: there is not enough memory\n");
        leave(2);
    }
    return (void *)at;
}

/* ---- inodes and their blocks ---- */

static struct inode inode_of(uint32_t number)
{
    const struct inode *i = read_block(super.inodes + number / INODES_A_BLOCK, 0);

    return i[number % INODES_A_BLOCK];
}

/* A block of an inode's, and what it leads to. */
static void use_tree(uint32_t number, uint32_t block, unsigned depth)
{
    const uint32_t *table;

    if (block == 0)
        return;
    if (!fs_is_data(&super, block)) {
        trouble("inode", number, "has a block outside the data");
        return;
    }
    blocks++;
    if (uses[block]++) {
        uses[block] = 2;
        trouble("block", block, "is used twice");
        return;
    }
    table = depth ? read_block(block, depth) : NULL;
    for (uint32_t i = 0; table && i < POINTERS; i++)
        use_tree(number, table[i], depth - 1);
}

static void check_inode(uint32_t number)
{
    struct inode i = inode_of(number);

    if (i.kind == INODE_FREE)
        return;
    if (i.kind != INODE_FILE && i.kind != INODE_DIRECTORY) {
        trouble("inode", number, "is neither a file nor a directory");
        return;
    }
    files += i.kind == INODE_FILE;
    directories += i.kind == INODE_DIRECTORY;
    if (i.size > (uint64_t)FILE_BLOCKS_MAX * BLOCK_BYTES)
        trouble("inode", number, "is larger than a file can be");
    if (i.kind == INODE_DIRECTORY && (i.size % BLOCK_BYTES || i.size > (uint64_t)DIRECTORY_MAX * BLOCK_BYTES))
        trouble("inode", number, "has no directory's size");
    for (unsigned k = 0; k < DIRECT; k++)
        use_tree(number, i.direct[k], 0);
    use_tree(number, i.indirect, 1);
    use_tree(number, i.indirect_twice, 2);
}

/* ---- directories ---- */

static int good_name(const char *name)
{
    unsigned n = 0;

    while (n <= FS_NAME_MAX && name[n] && name[n] != '/')
        n++;
    return n > 0 && n <= FS_NAME_MAX && !name[n];
}

static int named_before(const struct entry *e, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (e[i].inode && same(e[i].name, e[n].name))
            return 1;
    return 0;
}

static void check_entry(uint32_t directory, const struct entry *e, uint32_t n)
{
    uint32_t number = e[n].inode;

    if (!good_name(e[n].name))
        trouble("directory", directory, "has a name that is none");
    else if (named_before(e, n))
        trouble("directory", directory, "has a name twice in a block");
    if (number >= fs_inode_count(&super) || inode_of(number).kind == INODE_FREE) {
        trouble("directory", directory, "has an entry of an inode that is free");
        return;
    }
    if (entries[number]++) {
        entries[number] = 2;
        trouble("inode", number, "has two names");
    } else if (inode_of(number).kind == INODE_DIRECTORY) {
        queue[queued++] = number;
    }
}

/* The block at a place of a directory, 0 for none; directories have at most POINTERS + DIRECT blocks. */
static uint32_t block_at(const struct inode *i, uint32_t place)
{
    uint32_t block = place < DIRECT ? i->direct[place] : 0;

    if (place >= DIRECT && fs_is_data(&super, i->indirect))
        block = ((const uint32_t *)read_block(i->indirect, 1))[place - DIRECT];
    return fs_is_data(&super, block) ? block : 0;
}

static void check_directory(uint32_t number)
{
    struct inode i = inode_of(number);
    uint32_t count = (uint32_t)(i.size / BLOCK_BYTES);

    for (uint32_t place = 0; place < count && place < DIRECT + POINTERS; place++) {
        uint32_t block = block_at(&i, place);
        const struct entry *e = block ? read_block(block, 3) : NULL;

        if (!e)
            trouble("directory", number, "has a hole");
        for (uint32_t n = 0; e && n < ENTRIES_A_BLOCK; n++)
            if (e[n].inode)
                check_entry(number, e, n);
    }
}

/* From the root on, each once: a directory that is in itself is not reached, or has two names. */
static void check_names(void)
{
    if (inode_of(ROOT_INODE).kind != INODE_DIRECTORY)
        trouble("inode", ROOT_INODE, "is the root, and no directory");
    entries[ROOT_INODE] = 1;
    queue[queued++] = ROOT_INODE;
    for (uint32_t i = 0; i < queued; i++)
        check_directory(queue[i]);
    for (uint32_t n = ROOT_INODE; n < fs_inode_count(&super); n++)
        if (!entries[n] && inode_of(n).kind != INODE_FREE)
            trouble("inode", n, "has no name");
}

/* ---- the bitmap ---- */

static void check_bitmap(void)
{
    const uint8_t *bits = NULL;

    for (uint32_t b = 0; b < super.blocks; b++) {
        int used = b < super.data || uses[b], marked;

        if (b % BITS == 0)
            bits = read_block(super.bitmap + b / BITS, 0);
        marked = bits[b % BITS / 8] >> b % 8 & 1;
        if (used != marked)
            trouble("block", b, used ? "is in use, and marked free" : "is nobody's, and marked in use");
    }
}

int main(int argc, char **argv)
{
    struct superblock made;

    (void)argc, (void)argv;
    disk = open("/dev/disk");
    if (disk < 0) {
        print("fsck: there is no disk\n");
        return 2;
    }
    memcpy(&super, read_block(0, 0), sizeof super);
    made = fs_layout(super.blocks);
    if (super.blocks < BLOCKS_MIN || super.blocks > BLOCKS_MAX || memcmp(&super, &made, sizeof made) != 0 ||
        seek(disk, END) < (int64_t)super.blocks * BLOCK_BYTES) {
        print("fsck: there is no file system\n");
        return 2;
    }
    uses = room(super.blocks);
    entries = room(fs_inode_count(&super));
    queue = room(4 * (uint64_t)fs_inode_count(&super));
    for (uint32_t n = ROOT_INODE; n < fs_inode_count(&super); n++)
        check_inode(n);
    check_names();
    check_bitmap();
    print("fsck: %s: %u files, %u directories, %u blocks\n", troubles ? "troubles" : "whole", files,
          directories, blocks);
    return troubles != 0;
}
