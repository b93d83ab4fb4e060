#include "loader.h"

#include "arch/boot.h"
#include "print.h"
#include "guests/lib/elf.h"
#include "guests/lib/string.h"

struct image {
    struct vm *vm;
    const struct elf_header *header;
    char *why;
    size_t size;
};

/* bytes offset .. offset + n lie in the file */
static bool in_file(const struct image *im, uint64_t offset, uint64_t n)
{
    return offset <= im->vm->module_bytes && n <= im->vm->module_bytes - offset;
}

static bool bad(const struct image *im, const char *what)
{
    format_text(im->why, im->size, "image %s: %s", im->vm->config.image, what);
    return false;
}

static bool check_header(const struct image *im)
{
    const struct elf_header *h = im->header;

    if (im->vm->module_bytes < sizeof *h || memcmp(h->magic, "\177ELF", 4) != 0)
        return bad(im, "no ELF file");
    if (h->class != ELF_CLASS_64 || h->data != ELF_LITTLE_ENDIAN || h->machine != ELF_X86_64)
        return bad(im, "ELF, but not 64-bit x86");
    if (h->type != ELF_EXECUTABLE)
        return bad(im, "ELF, but not an executable (link it statically, without PIE)");
    if (h->phentsize != sizeof(struct elf_segment) || h->phnum == 0 || h->phoff % 8 != 0)
        return bad(im, "no program headers, or of the wrong size or alignment");
    if (!in_file(im, h->phoff, (uint64_t)h->phnum * sizeof(struct elf_segment)))
        return bad(im, "truncated: the program headers lie outside the file");
    return true;
}

static bool load_segment(const struct image *im, const struct elf_segment *s)
{
    uint64_t ram = im->vm->config.ram_bytes;

    if (s->filesz > s->memsz)
        return bad(im, "a segment has more bytes in the file than in memory");
    if (!in_file(im, s->offset, s->filesz))
        return bad(im, "truncated: a segment lies outside the file");
    if (s->paddr < BOOT_IMAGE_MIN)
        return bad(im, "a segment lies below 1 MiB, where the boot protocol's tables are");
    if (s->paddr > ram || s->memsz > ram - s->paddr) {
        format_text(im->why, im->size,
                    "image %s: a segment at 0x%lx, %lu bytes, does not fit into %lu KiB of RAM",
                    im->vm->config.image, s->paddr, s->memsz, ram >> 10);
        return false;
    }
    if (!vm_write(im->vm, s->paddr, im->vm->module + s->offset, s->filesz) ||
        !vm_write(im->vm, s->paddr + s->filesz, NULL, s->memsz - s->filesz))
        return bad(im, "out of memory");
    return true;
}

static bool overlap(const struct elf_segment *a, const struct elf_segment *b)
{
    return a->paddr < b->paddr + b->memsz && b->paddr < a->paddr + a->memsz;
}

static bool check_overlaps(const struct image *im, const struct elf_segment *segments, unsigned i)
{
    for (unsigned j = 0; j < i; j++)
        if (segments[j].type == ELF_LOAD && overlap(&segments[i], &segments[j]))
            return bad(im, "two segments overlap");
    return true;
}

bool loader_load(struct vm *vm, uint64_t *entry, char *why, size_t size)
{
    const struct image im = {vm, (const struct elf_header *)vm->module, why, size};
    const struct elf_segment *segments;
    unsigned loaded = 0;

    if (!check_header(&im))
        return false;
    segments = (const struct elf_segment *)(vm->module + im.header->phoff);
    for (unsigned i = 0; i < im.header->phnum; i++) {
        if (segments[i].type != ELF_LOAD || segments[i].memsz == 0)
            continue;
        if (!load_segment(&im, &segments[i]) || !check_overlaps(&im, segments, i))
            return false;
        loaded++;
    }
    if (loaded == 0)
        return bad(&im, "nothing to load");
    *entry = im.header->entry;
    return true;
}
