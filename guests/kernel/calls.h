/* calls.h - what system calls about the disk give. */
#ifndef KERNEL_CALLS_H
#define KERNEL_CALLS_H

#include <stdint.h>

#define FILE_NAME_MAX 64 /* with its 0 */

enum file_info_kind { KIND_FILE = 1, KIND_DIRECTORY = 2 };

struct file_info {
    uint64_t size; /* in bytes */
    uint32_t kind, inode;
    char name[FILE_NAME_MAX];
};

struct disk_info {
    uint32_t blocks, free_blocks; /* of 4096 bytes */
    uint32_t inodes, free_inodes;
};

#endif
