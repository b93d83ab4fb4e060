/* image.h - ELF64 images for x86-64, read whole and checked before anything is loaded. */
#ifndef RINGSIDE_IMAGE_H
#define RINGSIDE_IMAGE_H

#include "machine.h"

#define ELF_SEGMENTS_MAX 32

struct elf_segment {
    u64 paddr, vaddr, file_bytes, mem_bytes;
    const u8 *bytes;
    bool executable;
};

struct elf_image {
    char path[1024];
    u8 *file;
    size_t file_bytes;
    u64 entry;
    struct elf_segment segment[ELF_SEGMENTS_MAX]; /* loadable ones */
    unsigned segments;
    u64 end; /* first physical address behind all segments */
};

/* Reads and checks; the message says what is wrong with the file.  Free with elf_close, also after a failure.
 */
enum rs_status elf_open(struct elf_image *image, const char *path, struct rs_error *err);
void elf_close(struct elf_image *image);

/* Reads a whole file; *bytes is to be freed. */
enum rs_status file_read(const char *path, u8 **bytes, size_t *n, struct rs_error *err);

#endif
