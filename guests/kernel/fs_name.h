/* fs_name.h - directories, and the paths through them.  As fs_inode.h. */
#ifndef KERNEL_FS_NAME_H
#define KERNEL_FS_NAME_H

#include "kernel/fs_inode.h"

#define NAME_WRONG UINT32_MAX /* no path, no directory on the way, or trouble */

/* The directory that a path's last name is in, and that name, which must be at most FS_NAME_MAX bytes. */
struct place {
    uint32_t directory;
    char name[FS_NAME_MAX + 1];
};

/* "a/b/c", from the root; false: no such directory, or the directory `not_through` (0: none) is on the way.
 * The root itself has the name "". */
bool name_place(const char *path, uint32_t not_through, struct place *place);
/* The inode of that name: 0 if there is none, or NAME_WRONG. */
uint32_t name_find(const struct place *place);
/* A name that there is none of; false: no room, or trouble. */
bool name_add(const struct place *place, uint32_t inode);
/* A name that there is. */
bool name_remove(const struct place *place);
/* The name now means another inode. */
bool name_set(const struct place *place, uint32_t inode);

/* The i-th entry that is in use: 1, and it is in *entry; 0: there are not so many; -1: trouble. */
int name_nth(uint32_t directory, uint32_t i, struct entry *entry);

#endif
