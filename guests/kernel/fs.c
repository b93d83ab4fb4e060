/* fs.c - see fs.h.  One process at a time is in here: the others wait for `busy`. */
#include "kernel/fs.h"

#include "kernel/fs_name.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "kernel/virtio_blk.h"
#include "lib/print.h"
#include "lib/string.h"

#define OPEN_MAX 64

/* What an operation changes besides the bitmap: WRITE_BLOCKS of data, three tables, an inode; or less. */
#define OPERATION_BLOCKS (WRITE_BLOCKS + 6)

static bool present, mounted, busy;
static uint32_t disk_blocks;

static struct open_file {
    uint32_t inode; /* 0: free */
    unsigned holders;
} open_files[OPEN_MAX];

static const uint8_t zeros[BLOCK_BYTES];

/* ---- one at a time ---- */

static bool enter(void)
{
    while (busy) {
        if (current->killed)
            return false;
        process_wait_for(&busy);
    }
    return busy = true;
}

static int64_t leave(int64_t result)
{
    busy = false;
    process_wake(&busy);
    return result;
}

static bool enter_mounted(void)
{
    if (!enter())
        return false;
    if (!mounted)
        leave(0);
    return mounted;
}

static bool begin(void)
{
    if (!enter_mounted())
        return false;
    if (journal_begin(OPERATION_BLOCKS + fs_super.inodes - fs_super.bitmap))
        return true;
    leave(0);
    return false;
}

static int end(bool good)
{
    return (int)leave(journal_end(good) ? 0 : -1);
}

/* ---- mounting ---- */

/* Whatever it says of itself has to be as it would have been made. */
static bool is_superblock(const struct superblock *s)
{
    struct superblock made;

    if (s->magic != FS_MAGIC || s->blocks < BLOCKS_MIN || s->blocks > disk_blocks)
        return false;
    made = fs_layout(s->blocks);
    return memcmp(s, &made, sizeof made) == 0;
}

static bool mount(void *block)
{
    struct transfer t = {0, block, BLOCK_BYTES, false};
    uint32_t replayed;

    mounted = false;
    if (!virtio_blk_move(&t, 1)) {
        print("kernel: /disk: cannot be read\n");
        return false;
    }
    memcpy(&fs_super, block, sizeof fs_super);
    if (!is_superblock(&fs_super)) {
        print("kernel: /disk: no file system is on it: mkfs makes one\n");
        return false;
    }
    mounted = journal_replay(BITMAP_START, &replayed);
    if (replayed)
        print("kernel: /disk: %u blocks are put in their places from the journal\n", replayed);
    print("kernel: /disk: %s\n", mounted ? "ready" : "the journal cannot be read");
    return mounted;
}

static uint8_t *own_block; /* for what is not a journal's */

void fs_init(void)
{
    uint64_t sectors, pa;

    if (!virtio_blk_init())
        return;
    sectors = virtio_blk_sectors() / (BLOCK_BYTES / SECTOR_BYTES);
    disk_blocks = (uint32_t)(sectors < BLOCKS_MAX ? sectors : BLOCKS_MAX);
    pa = page_run(BLOCK_BYTES);
    present = pa && journal_init(disk_blocks);
    own_block = direct(pa);
    if (!present)
        print("kernel: /disk: there is not enough memory for it\n");
    else
        mount(own_block);
}

void fs_end(void)
{
    if (!enter_mounted())
        return;
    if (!virtio_blk_readonly() && journal_commit() && virtio_blk_flush() &&
        journal_write_through(JOURNAL_START, zeros))
        virtio_blk_flush();
    leave(0);
}

/* ---- a new one ---- */

static void mark_used(uint8_t *bits, uint32_t first, uint32_t end)
{
    for (uint32_t b = first; b < first + BITS; b++)
        if (b < end)
            bits[b % BITS / 8] |= (uint8_t)(1u << b % 8);
}

/* Journal, bitmap and inodes, of which the root is one. */
static bool write_empty(const struct superblock *s)
{
    struct inode *root = (struct inode *)own_block + ROOT_INODE;
    bool good = journal_write_through(JOURNAL_START, zeros);

    for (uint32_t b = s->bitmap; good && b < s->inodes; b++) {
        memset(own_block, 0, BLOCK_BYTES);
        mark_used(own_block, (b - s->bitmap) * BITS, s->data);
        good = journal_write_through(b, own_block);
    }
    memset(own_block, 0, BLOCK_BYTES);
    *root = (struct inode){.kind = INODE_DIRECTORY};
    for (uint32_t b = s->inodes; good && b < s->data; b++)
        good = journal_write_through(b, b == s->inodes ? own_block : zeros);
    return good;
}

/* The superblock last: before, there is nothing. */
static bool write_system(void)
{
    struct superblock s = fs_layout(disk_blocks);

    if (!journal_write_through(0, zeros) || !virtio_blk_flush() || !write_empty(&s) || !virtio_blk_flush())
        return false;
    memset(own_block, 0, BLOCK_BYTES);
    memcpy(own_block, &s, sizeof s);
    return journal_write_through(0, own_block) && virtio_blk_flush();
}

static bool any_open(void)
{
    for (unsigned i = 0; i < OPEN_MAX; i++)
        if (open_files[i].inode)
            return true;
    return false;
}

int fs_format(void)
{
    bool good;

    if (!present || disk_blocks < BLOCKS_MIN || virtio_blk_readonly() || !enter())
        return -1;
    if (any_open())
        return (int)leave(-1);
    mounted = false;
    journal_forget();
    good = write_system() && mount(own_block);
    return (int)leave(good ? 0 : -1);
}

/* ---- open files ---- */

static struct open_file *open_of(uint32_t inode)
{
    for (struct open_file *f = open_files; f < open_files + OPEN_MAX; f++)
        if (f->inode == inode)
            return f;
    return NULL;
}

static int64_t hold(uint32_t inode)
{
    struct open_file *f = open_of(inode);

    if (!f)
        f = open_of(0);
    if (!f)
        return -1;
    f->inode = inode;
    f->holders++;
    return inode;
}

void fs_close(uint32_t inode)
{
    struct open_file *f = open_of(inode);

    if (inode && f && --f->holders == 0)
        f->inode = 0;
}

static bool is_file(uint32_t inode)
{
    const struct inode *i = inode && inode != NAME_WRONG ? inode_read(inode) : NULL;

    return i && i->kind == INODE_FILE;
}

/* A new file, or one that is there without what it had; 0: neither can be. */
static uint32_t make_file(const struct place *place)
{
    uint32_t inode = name_find(place);

    if (inode)
        return is_file(inode) && inode_empty(inode, false) ? inode : 0;
    inode = inode_new(INODE_FILE);
    return inode && name_add(place, inode) ? inode : 0;
}

static int64_t create(const char *path)
{
    struct place place;
    uint32_t inode;

    if (!begin())
        return -1;
    inode = name_place(path, 0, &place) ? make_file(&place) : 0;
    if (!journal_end(inode != 0))
        return leave(-1);
    return leave(hold(inode));
}

int64_t fs_open(const char *path, bool make)
{
    struct place place;
    uint32_t inode;

    if (make)
        return create(path);
    if (!enter_mounted())
        return -1;
    inode = name_place(path, 0, &place) ? name_find(&place) : 0;
    return leave(is_file(inode) ? hold(inode) : -1);
}

int64_t fs_size(uint32_t inode)
{
    const struct inode *i;

    if (!enter_mounted())
        return -1;
    i = inode_read(inode);
    return leave(i ? (int64_t)i->size : -1);
}

/* ---- what files hold ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The bytes up to the end of the block that `offset` is in. */
static uint64_t in_block(uint64_t offset, uint64_t n)
{
    return least(n, BLOCK_BYTES - offset % BLOCK_BYTES);
}

static bool read_part(uint32_t inode, uint64_t offset, uint64_t va, uint64_t n)
{
    uint32_t block = inode_block(inode, (uint32_t)(offset / BLOCK_BYTES));
    const uint8_t *bytes = block == NO_BLOCK ? NULL : block ? journal_block(block) : zeros;

    return bytes && copy_out(&current->space, va, bytes + offset % BLOCK_BYTES, n);
}

int64_t fs_read(uint32_t inode, uint64_t offset, uint64_t va, uint64_t n)
{
    const struct inode *i;
    uint64_t done = 0;
    bool good;

    if (!enter_mounted())
        return -1;
    i = inode_read(inode);
    good = i != NULL;
    n = good && offset < i->size ? least(n, i->size - offset) : 0;
    for (uint64_t part; good && done < n; done += part) {
        part = in_block(offset + done, n - done);
        good = read_part(inode, offset + done, va + done, part);
    }
    return leave(good ? (int64_t)done : -1);
}

static bool write_part(uint32_t inode, uint64_t offset, uint64_t va, uint64_t n)
{
    uint32_t block = inode_block_made(inode, (uint32_t)(offset / BLOCK_BYTES));
    uint8_t *bytes = block == NO_BLOCK ? NULL : n == BLOCK_BYTES ? journal_new(block) : journal_change(block);

    return bytes && copy_in(&current->space, bytes + offset % BLOCK_BYTES, va, n);
}

/* One operation, of WRITE_BLOCKS blocks at most. */
static bool write_operation(uint32_t inode, uint64_t offset, uint64_t va, uint64_t n)
{
    struct inode *i;

    for (uint64_t done = 0, part; done < n; done += part) {
        part = in_block(offset + done, n - done);
        if (!write_part(inode, offset + done, va + done, part))
            return false;
    }
    i = inode_change(inode);
    if (i && i->size < offset + n)
        i->size = offset + n;
    return i != NULL;
}

int64_t fs_write(uint32_t inode, uint64_t offset, uint64_t va, uint64_t n)
{
    const uint64_t most = (uint64_t)FILE_BLOCKS_MAX * BLOCK_BYTES;
    uint64_t done = 0;

    if (offset > most)
        return -1;
    n = least(n, most - offset);
    for (uint64_t part; done < n; done += part) {
        part = least(n - done, WRITE_BLOCKS * BLOCK_BYTES - (offset + done) % BLOCK_BYTES);
        if (!begin() || end(write_operation(inode, offset + done, va + done, part)) < 0)
            break;
    }
    return done || !n ? (int64_t)done : -1;
}

int64_t fs_read_disk(uint64_t offset, uint64_t va, uint64_t n)
{
    uint64_t done = 0, size = fs_disk_bytes();
    bool good = true;

    if (!present || !enter())
        return -1;
    n = offset < size ? least(n, size - offset) : 0;
    for (uint64_t part; good && done < n; done += part) {
        uint64_t at = offset + done;
        struct transfer t = {0, own_block, BLOCK_BYTES, false};
        const uint8_t *bytes = at < BLOCK_BYTES ? (virtio_blk_move(&t, 1) ? own_block : NULL)
                                                : journal_block((uint32_t)(at / BLOCK_BYTES));

        part = in_block(at, n - done);
        good = bytes && copy_out(&current->space, va + done, bytes + at % BLOCK_BYTES, part);
    }
    return leave(good ? (int64_t)done : -1);
}

uint64_t fs_disk_bytes(void)
{
    return (uint64_t)disk_blocks * BLOCK_BYTES;
}

/* ---- names ---- */

int fs_make_directory(const char *path)
{
    struct place place;
    uint32_t inode;

    if (!begin())
        return -1;
    if (!name_place(path, 0, &place) || name_find(&place) != 0)
        return end(false);
    inode = inode_new(INODE_DIRECTORY);
    return end(inode && name_add(&place, inode));
}

/* A file that nobody has open, or an empty directory. */
static bool may_go(uint32_t inode)
{
    struct entry entry;

    if (inode == 0 || inode == NAME_WRONG || inode == ROOT_INODE || open_of(inode))
        return false;
    return is_file(inode) || name_nth(inode, 0, &entry) == 0;
}

int fs_remove(const char *path)
{
    struct place place;
    uint32_t inode;

    if (!begin())
        return -1;
    inode = name_place(path, 0, &place) ? name_find(&place) : 0;
    return end(may_go(inode) && name_remove(&place) && inode_empty(inode, true));
}

static bool move_name(const struct place *from, const struct place *to, uint32_t inode)
{
    uint32_t other = name_find(to);

    if (other == 0)
        return name_add(to, inode) && name_remove(from);
    if (other == inode)
        return true;
    return is_file(inode) && is_file(other) && may_go(other) && name_set(to, inode) && name_remove(from) &&
           inode_empty(other, true);
}

int fs_rename(const char *from, const char *to)
{
    struct place a, b;
    uint32_t inode;

    if (!begin())
        return -1;
    inode = name_place(from, 0, &a) ? name_find(&a) : 0;
    if (inode == 0 || inode == NAME_WRONG || inode == ROOT_INODE || !name_place(to, inode, &b))
        return end(false);
    return end(move_name(&a, &b, inode));
}

int fs_commit(void)
{
    return enter_mounted() ? (int)leave(journal_commit() ? 0 : -1) : -1;
}

/* ---- what is there ---- */

static bool describe(uint32_t inode, const char name[FS_NAME_MAX + 1], struct file_info *info)
{
    const struct inode *i = inode && inode != NAME_WRONG ? inode_read(inode) : NULL;

    if (!i)
        return false;
    *info = (struct file_info){.size = i->size, .kind = i->kind, .inode = inode};
    memcpy(info->name, name, FS_NAME_MAX + 1);
    return true;
}

int fs_info(const char *path, struct file_info *info)
{
    struct place place;

    if (!enter_mounted())
        return -1;
    return (int)leave(name_place(path, 0, &place) && describe(name_find(&place), place.name, info) ? 0 : -1);
}

int fs_nth(const char *path, uint32_t i, struct file_info *info)
{
    struct place place;
    struct entry entry;
    uint32_t inode;
    int found = -1;

    if (!enter_mounted())
        return -1;
    inode = name_place(path, 0, &place) ? name_find(&place) : 0;
    if (inode && inode != NAME_WRONG)
        found = name_nth(inode, i, &entry);
    if (found == 1 && !describe(entry.inode, entry.name, info))
        found = -1;
    return (int)leave(found);
}

int fs_space(struct disk_info *info)
{
    bool good;

    if (!enter_mounted())
        return -1;
    info->blocks = fs_super.blocks - fs_super.data;
    info->inodes = fs_inode_count(&fs_super) - 1;
    good = inode_space(&info->free_blocks, &info->free_inodes);
    return (int)leave(good ? 0 : -1);
}
