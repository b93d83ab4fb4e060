/* elf_image.h - ELF64 images for tests, made on the spot. */
#ifndef TESTS_LIB_ELF_IMAGE_H
#define TESTS_LIB_ELF_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct elf_segment {
    uint64_t hpa;
    const void *bytes;
    uint64_t size;
};

/* Writes an executable for x86-64 with a PT_LOAD for each segment, linear = physical; false if the file can't
 * be. */
bool elf_image_write(const char *path, uint64_t entry, const struct elf_segment *segment, unsigned segments);

/* The same to a new file in the temporary directory, whose name is put into path; the caller removes it. */
bool elf_image_temporary(char path[256], uint64_t entry, const struct elf_segment *segment,
                         unsigned segments);

#endif
