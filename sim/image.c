/* image.c - see image.h. */
#include "image.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (UINT64_C(1) << 30)

enum rs_status file_read(const char *path, u8 **bytes, size_t *n, struct rs_error *err)
{
    struct stat st;
    *bytes = NULL;
    *n = 0;
    if (stat(path, &st) != 0)
        return rs_fail(err, "%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || (u64)st.st_size > FILE_BYTES_MAX) /* opening a pipe could wait for ever */
        return rs_fail(err, "%s: not a regular file of at most 1 GiB", path);
    FILE *f = fopen(path, "rb");
    if (!f)
        return rs_fail(err, "%s: cannot be read: %s", path, strerror(errno));
    *bytes = malloc((size_t)st.st_size + 1);
    if (!*bytes)
        abort();
    *n = fread(*bytes, 1, (size_t)st.st_size, f);
    fclose(f);
    return RS_OK;
}

static enum rs_status check_header(const struct elf_image *image, Elf *elf, GElf_Ehdr *header,
                                   struct rs_error *err)
{
    if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, header))
        return rs_fail(err, "%s: not an ELF file; an image is a static ELF64 executable for x86-64",
                       image->path);
    if (gelf_getclass(elf) != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
        return rs_fail(err,
                       "%s: a 32-bit or big-endian ELF file; build it with --target=x86_64-unknown-none-elf",
                       image->path);
    if (header->e_machine != EM_X86_64)
        return rs_fail(
            err, "%s: for another machine (ELF machine %u); build it with --target=x86_64-unknown-none-elf",
            image->path, header->e_machine);
    if (header->e_type != ET_EXEC)
        return rs_fail(err, "%s: not an executable (ELF type %u); link it statically and without -pie",
                       image->path, header->e_type);
    return RS_OK;
}

static bool overlap(const struct elf_segment *a, const struct elf_segment *b)
{
    return a->paddr < b->paddr + b->mem_bytes && b->paddr < a->paddr + a->mem_bytes;
}

static enum rs_status check_segment(const struct elf_image *image, const GElf_Phdr *p, struct rs_error *err)
{
    const char *path = image->path;
    if (p->p_offset > image->file_bytes || p->p_filesz > image->file_bytes - p->p_offset)
        return rs_fail(err, "%s: truncated: a segment ends at byte %llu of a file of %zu", path,
                       (unsigned long long)(p->p_offset + p->p_filesz), image->file_bytes);
    if (p->p_filesz > p->p_memsz || p->p_paddr + p->p_memsz < p->p_paddr)
        return rs_fail(err, "%s: a segment at %#llx has impossible sizes", path,
                       (unsigned long long)p->p_paddr);
    if (image->segments == ELF_SEGMENTS_MAX)
        return rs_fail(err, "%s: more than %d loadable segments", path, ELF_SEGMENTS_MAX);
    return RS_OK;
}

static enum rs_status add_segment(struct elf_image *image, const GElf_Phdr *p, struct rs_error *err)
{
    if (p->p_type != PT_LOAD || p->p_memsz == 0)
        return RS_OK;
    if (check_segment(image, p, err) != RS_OK)
        return RS_FAILED;
    struct elf_segment s = {p->p_paddr,       p->p_vaddr, p->p_filesz, p->p_memsz, image->file + p->p_offset,
                            p->p_flags & PF_X};
    for (unsigned i = 0; i < image->segments; i++)
        if (overlap(&image->segment[i], &s))
            return rs_fail(
                err, "%s: its segments at %#llx and %#llx overlap in physical memory; mend the linker script",
                image->path, (unsigned long long)image->segment[i].paddr, (unsigned long long)s.paddr);
    image->segment[image->segments++] = s;
    if (image->end < s.paddr + s.mem_bytes)
        image->end = s.paddr + s.mem_bytes;
    return RS_OK;
}

static enum rs_status read_segments(struct elf_image *image, Elf *elf, const GElf_Ehdr *header,
                                    struct rs_error *err)
{
    size_t n = 0;
    if (header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr))
        return rs_fail(err, "%s: its program headers have %u bytes each, not %zu", image->path,
                       header->e_phentsize, sizeof(Elf64_Phdr));
    if (header->e_phoff + (u64)header->e_phnum * sizeof(Elf64_Phdr) > image->file_bytes)
        return rs_fail(err, "%s: truncated: its program headers are not all in the file", image->path);
    if (elf_getphdrnum(elf, &n) != 0)
        return rs_fail(err, "%s: its program headers cannot be read: %s", image->path, elf_errmsg(-1));
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr p;
        if (!gelf_getphdr(elf, (int)i, &p))
            return rs_fail(err, "%s: truncated: program header %zu is not in the file", image->path, i);
        if (add_segment(image, &p, err) != RS_OK)
            return RS_FAILED;
    }
    if (image->segments == 0)
        return rs_fail(err, "%s: nothing to load: it has no loadable segment", image->path);
    return RS_OK;
}

static enum rs_status check_entry(const struct elf_image *image, struct rs_error *err)
{
    for (unsigned i = 0; i < image->segments; i++) {
        const struct elf_segment *s = &image->segment[i];
        if (s->executable && image->entry - s->vaddr < s->mem_bytes)
            return RS_OK;
    }
    return rs_fail(err, "%s: its entry point %#llx lies in no executable segment", image->path,
                   (unsigned long long)image->entry);
}

enum rs_status elf_open(struct elf_image *image, const char *path, struct rs_error *err)
{
    GElf_Ehdr header = {.e_entry = 0};
    *image = (struct elf_image){0};
    snprintf(image->path, sizeof image->path, "%s", path);
    elf_version(EV_CURRENT);
    if (file_read(path, &image->file, &image->file_bytes, err) != RS_OK)
        return RS_FAILED;
    Elf *elf = elf_memory((char *)image->file, image->file_bytes);
    enum rs_status status = check_header(image, elf, &header, err);
    if (status == RS_OK) {
        image->entry = header.e_entry;
        status = read_segments(image, elf, &header, err);
    }
    if (elf)
        elf_end(elf);
    return status == RS_OK ? check_entry(image, err) : status;
}

void elf_close(struct elf_image *image)
{
    free(image->file);
    image->file = NULL;
}
