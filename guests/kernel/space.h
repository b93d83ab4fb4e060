/* space.h - an address space: regions, which say what may be there, and page tables, which are filled when a
 * page is touched. */
#ifndef KERNEL_SPACE_H
#define KERNEL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGIONS 16

#define REGION_WRITE   0x1
#define REGION_EXECUTE 0x2
#define REGION_BIG     0x4 /* 2 MiB pages */

struct region { /* start <= address < end, on page boundaries; free if both are 0 */
    uint64_t start, end;
    unsigned flags;
    const uint8_t *bytes; /* what its pages begin with; zeros follow */
    uint64_t byte_count;
};

struct space {
    uint64_t pml4;
    struct region region[REGIONS];
};

/* All functions that give false or 0 do so for want of memory or of a region, or because the addresses are
 * not the process's to use. */
bool space_new(struct space *space);
void space_free(struct space *space);
/* Fork: the same regions, and the same pages until one of the two writes to them. */
bool space_copy(struct space *to, const struct space *from);
bool space_add(struct space *space, const struct region *region);
/* A region of zeros somewhere from USER_MMAP on; its address. */
uint64_t space_map(struct space *space, uint64_t bytes, unsigned flags);
/* What lies in one region. */
bool space_unmap(struct space *space, uint64_t start, uint64_t end);

enum fault_result { FAULT_DONE, FAULT_NO_RIGHT, FAULT_NO_MEMORY };

/* A page fault, by PF_W and PF_I: done if the access may be tried again. */
enum fault_result space_fault(struct space *space, uint64_t va, uint64_t access);

/* Between the kernel and a process; pages are made as by page faults. */
bool copy_in(struct space *space, void *to, uint64_t va, size_t n);
bool copy_out(struct space *space, uint64_t va, const void *from, size_t n);
/* A string of less than `size` bytes. */
bool copy_string_in(struct space *space, char *to, uint64_t va, size_t size);

#endif
