/* exec.c - ELF64 programs (System V ABI, "Object Files"): a region for each segment, whose pages come when
 * they are touched. */
#include "kernel/exec.h"

#include "guests/lib/elf.h"
#include "kernel/initrd.h"
#include "kernel/memory.h"
#include "kernel/process.h"
#include "kernel/segments.h"
#include "lib/string.h"

#define ELF_EXECUTABLE_SEGMENT 1
#define ELF_WRITABLE_SEGMENT   2

static size_t length(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    return n;
}

bool exec_add_argument(struct arguments *args, const char *text)
{
    size_t n = length(text) + 1;

    if (args->count == ARGUMENTS_MAX || n > sizeof args->text - args->bytes)
        return false;
    memcpy(args->text + args->bytes, text, n);
    args->bytes += n;
    args->count++;
    return true;
}

static const struct elf_header *check(const struct initrd_file *file)
{
    const struct elf_header *h = (const struct elf_header *)file->bytes;

    if (file->size < sizeof *h || memcmp(h->magic, "\177ELF", 4) != 0 || h->class != ELF_CLASS_64 ||
        h->type != ELF_EXECUTABLE || h->machine != ELF_X86_64 || h->phentsize != sizeof(struct elf_segment) ||
        h->phoff > file->size || h->phnum > (file->size - h->phoff) / sizeof(struct elf_segment) ||
        h->entry >= USER_END)
        return NULL;
    return h;
}

static bool add_segment(struct space *space, const struct initrd_file *file, const struct elf_segment *s)
{
    struct region r = {.bytes = file->bytes + s->offset, .byte_count = s->filesz};

    if (s->offset > file->size || s->filesz > file->size - s->offset || s->filesz > s->memsz ||
        (s->vaddr & (PAGE_4K - 1)) || s->vaddr >= USER_END || s->memsz > USER_END - s->vaddr)
        return false;
    r.start = s->vaddr;
    r.end = round_up(s->vaddr + s->memsz, PAGE_4K);
    r.flags = (s->flags & ELF_WRITABLE_SEGMENT ? REGION_WRITE : 0) |
              (s->flags & ELF_EXECUTABLE_SEGMENT ? REGION_EXECUTE : 0);
    return space_add(space, &r);
}

static bool add_regions(struct space *space, const struct initrd_file *file, const struct elf_header *h)
{
    const struct elf_segment *segment = (const struct elf_segment *)(file->bytes + h->phoff);
    const struct region stack = {
        .start = USER_STACK_TOP - USER_STACK, .end = USER_STACK_TOP, .flags = REGION_WRITE};

    for (unsigned i = 0; i < h->phnum; i++)
        if (segment[i].type == ELF_LOAD && segment[i].memsz && !add_segment(space, file, &segment[i]))
            return false;
    return space_add(space, &stack);
}

/* The strings, and below them argv[], which ends with NULL; gives argv's address, 0 if there is no memory. */
static uint64_t push_arguments(struct space *space, const struct arguments *args)
{
    uint64_t text = USER_STACK_TOP - round_up(args->bytes, 16), argv[ARGUMENTS_MAX + 2] = {0}, at;
    size_t offset = 0;

    for (unsigned i = 0; i < args->count; i++) {
        argv[i] = text + offset;
        offset += length(args->text + offset) + 1;
    }
    at = text - sizeof argv;
    return copy_out(space, text, args->text, args->bytes) && copy_out(space, at, argv, sizeof argv) ? at : 0;
}

static bool load(struct space *space, const struct arguments *args, uint64_t *entry, uint64_t *argv)
{
    const struct initrd_file *file = initrd_find(args->text);
    const struct elf_header *h = file ? check(file) : NULL;

    if (!h || !space_new(space))
        return false;
    *entry = h->entry;
    *argv = add_regions(space, file, h) ? push_arguments(space, args) : 0;
    if (!*argv)
        space_free(space);
    return *argv;
}

int exec_image(const struct arguments *args)
{
    struct space space;
    uint64_t entry, argv;

    if (!args->count || !load(&space, args, &entry, &argv))
        return -1;
    tables_load(space.pml4); /* before those go that are in use */
    space_free(&current->space);
    current->space = space;
    memset(current->name, 0, sizeof current->name);
    for (unsigned i = 0; i < NAME_BYTES - 1 && args->text[i]; i++)
        current->name[i] = args->text[i];
    *current->frame = (struct trap_frame){.rdi = args->count,
                                          .rsi = argv,
                                          .rip = entry,
                                          .cs = SEL_USER_CODE,
                                          .rflags = FLAG_FIXED | FLAG_IF,
                                          .rsp = argv,
                                          .ss = SEL_USER_DATA};
    return 0;
}
