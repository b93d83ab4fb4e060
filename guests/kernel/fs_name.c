/* fs_name.c - see fs_name.h. */
#include "kernel/fs_name.h"

#include <stddef.h>

#include "lib/string.h"

#define NOWHERE UINT32_MAX

/* How many blocks a directory has; NO_BLOCK: it is none. */
static uint32_t blocks_of(uint32_t directory)
{
    const struct inode *i = inode_read(directory);

    if (!i || i->kind != INODE_DIRECTORY)
        return NO_BLOCK;
    if (i->size % BLOCK_BYTES) {
        fs_trouble("directory", directory, "has a part of a block");
        return NO_BLOCK;
    }
    return (uint32_t)(i->size / BLOCK_BYTES);
}

static const struct entry *entries(uint32_t directory, uint32_t place)
{
    uint32_t block = inode_block(directory, place);

    if (block == 0)
        fs_trouble("directory", directory, "has a hole");
    return block && block != NO_BLOCK ? journal_block(block) : NULL;
}

/* A name of 0 is that of a free entry: 1 to FS_NAME_MAX bytes are compared otherwise. */
static bool same_name(const struct entry *e, const char *name)
{
    if (!*name)
        return e->inode == 0;
    if (e->inode == 0)
        return false;
    for (unsigned i = 0; i <= FS_NAME_MAX; i++)
        if (e->name[i] != name[i])
            return false;
        else if (!name[i])
            return true;
    return false;
}

/* Where the first entry of that name is, counted through the directory; NOWHERE and *sound = false for
 * trouble. */
static uint32_t locate(uint32_t directory, const char *name, bool *sound)
{
    uint32_t blocks = blocks_of(directory);

    *sound = blocks != NO_BLOCK;
    for (uint32_t b = 0; *sound && b < blocks; b++) {
        const struct entry *e = entries(directory, b);

        *sound = e != NULL;
        for (uint32_t i = 0; e && i < ENTRIES_A_BLOCK; i++)
            if (same_name(&e[i], name))
                return b * ENTRIES_A_BLOCK + i;
    }
    return NOWHERE;
}

static struct entry *entry_at(uint32_t directory, uint32_t at)
{
    uint32_t block = inode_block_made(directory, at / ENTRIES_A_BLOCK);
    struct entry *e = block == NO_BLOCK ? NULL : journal_change(block);

    return e ? e + at % ENTRIES_A_BLOCK : NULL;
}

/* ---- paths ---- */

/* The next name of a path: copied, and the rest; NULL: it is too long. */
static const char *next_name(const char *path, char name[FS_NAME_MAX + 1])
{
    unsigned n = 0;

    while (*path == '/')
        path++;
    for (; *path && *path != '/'; path++) {
        if (n == FS_NAME_MAX)
            return NULL;
        name[n++] = *path;
    }
    while (*path == '/')
        path++;
    memset(name + n, 0, FS_NAME_MAX + 1 - n);
    return path;
}

bool name_place(const char *path, uint32_t not_through, struct place *place)
{
    place->directory = ROOT_INODE;
    for (path = next_name(path, place->name); path && *path; path = next_name(path, place->name)) {
        place->directory = name_find(place);
        if (place->directory == not_through || place->directory == NAME_WRONG || !place->directory)
            return false;
    }
    return path && blocks_of(place->directory) != NO_BLOCK;
}

uint32_t name_find(const struct place *place)
{
    bool sound;
    const struct entry *e;
    uint32_t at, inode;

    if (!place->name[0])
        return ROOT_INODE;
    at = locate(place->directory, place->name, &sound);
    if (at == NOWHERE)
        return sound ? 0 : NAME_WRONG;
    e = entries(place->directory, at / ENTRIES_A_BLOCK);
    inode = e ? e[at % ENTRIES_A_BLOCK].inode : 0;
    return inode_read(inode) ? inode : NAME_WRONG;
}

/* ---- changes ---- */

/* One block more for a directory. */
static bool grow(uint32_t directory, uint32_t blocks)
{
    struct inode *i;

    if (blocks == DIRECTORY_MAX || inode_block_made(directory, blocks) == NO_BLOCK)
        return false;
    i = inode_change(directory);
    if (i)
        i->size = (uint64_t)(blocks + 1) * BLOCK_BYTES;
    return i != NULL;
}

bool name_add(const struct place *place, uint32_t inode)
{
    bool sound;
    uint32_t at = locate(place->directory, "", &sound), blocks = blocks_of(place->directory);
    struct entry *e;

    if (!sound || !place->name[0])
        return false;
    if (at == NOWHERE) {
        at = blocks * ENTRIES_A_BLOCK;
        if (!grow(place->directory, blocks))
            return false;
    }
    e = entry_at(place->directory, at);
    if (!e)
        return false;
    e->inode = inode;
    memcpy(e->name, place->name, sizeof e->name);
    return true;
}

bool name_set(const struct place *place, uint32_t inode)
{
    bool sound;
    uint32_t at = locate(place->directory, place->name, &sound);
    struct entry *e = at == NOWHERE || !place->name[0] ? NULL : entry_at(place->directory, at);

    if (!e)
        return false;
    if (inode)
        e->inode = inode;
    else
        memset(e, 0, sizeof *e);
    return true;
}

bool name_remove(const struct place *place)
{
    return name_set(place, 0);
}

int name_nth(uint32_t directory, uint32_t n, struct entry *entry)
{
    uint32_t blocks = blocks_of(directory);

    if (blocks == NO_BLOCK)
        return -1;
    for (uint32_t b = 0; b < blocks; b++) {
        const struct entry *e = entries(directory, b);

        if (!e)
            return -1;
        for (uint32_t i = 0; i < ENTRIES_A_BLOCK; i++)
            if (e[i].inode && n-- == 0) {
                *entry = e[i];
                entry->name[FS_NAME_MAX] = 0;
                return 1;
            }
    }
    return 0;
}
