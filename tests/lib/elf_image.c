/* elf_image.c - ELF64 images (System V ABI, 4 "Object Files"). */
#include "lib/elf_image.h"

#include "lib/temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 64, PROGRAM_HEADER_BYTES = 56, SEGMENTS_MAX = 8 };

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static void put_header(uint8_t *h, uint64_t entry, unsigned segments)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    memcpy(h, ident, sizeof ident);
    put(h + 16, 2, 2);  /* ET_EXEC */
    put(h + 18, 62, 2); /* EM_X86_64 */
    put(h + 20, 1, 4);
    put(h + 24, entry, 8);
    put(h + 32, HEADER_BYTES, 8);
    put(h + 52, HEADER_BYTES, 2);
    put(h + 54, PROGRAM_HEADER_BYTES, 2);
    put(h + 56, segments, 2);
    put(h + 58, 64, 2); /* section headers: none, of this size */
}

static void put_segment(uint8_t *h, const struct elf_segment *s, uint64_t offset)
{
    put(h, 1, 4);     /* PT_LOAD */
    put(h + 4, 7, 4); /* R, W, X */
    put(h + 8, offset, 8);
    put(h + 16, s->hpa, 8);
    put(h + 24, s->hpa, 8);
    put(h + 32, s->size, 8);
    put(h + 40, s->size, 8);
    put(h + 48, 1, 8); /* alignment: none */
}

bool elf_image_write(const char *path, uint64_t entry, const struct elf_segment *segment, unsigned segments)
{
    uint8_t head[HEADER_BYTES + SEGMENTS_MAX * PROGRAM_HEADER_BYTES] = {0};
    uint64_t offset = HEADER_BYTES + segments * PROGRAM_HEADER_BYTES;
    FILE *f = segments <= SEGMENTS_MAX ? fopen(path, "wb") : NULL;
    if (!f)
        return false;
    put_header(head, entry, segments);
    for (unsigned i = 0; i < segments; i++) {
        put_segment(head + HEADER_BYTES + i * PROGRAM_HEADER_BYTES, &segment[i], offset);
        offset += segment[i].size;
    }
    bool ok = fwrite(head, HEADER_BYTES + segments * PROGRAM_HEADER_BYTES, 1, f) == 1;
    for (unsigned i = 0; i < segments; i++)
        ok = ok && fwrite(segment[i].bytes, 1, segment[i].size, f) == segment[i].size;
    return fclose(f) == 0 && ok;
}

bool elf_image_temporary(char path[256], uint64_t entry, const struct elf_segment *segment, unsigned segments)
{
    return temporary_file(path) && elf_image_write(path, entry, segment, segments);
}
