/* initrd.c - files that are part of the image (initrd.S, made by the makefile) and, behind them, boot
 * modules. */
#include "kernel/initrd.h"

#include <stdbool.h>

#include "kernel/memory.h"
#include "kernel/panic.h"

#define MODULES 8
#define STRINGS 256

extern const struct initrd_file initrd_files[], initrd_files_end[];

static struct initrd_file modules[MODULES];
static unsigned module_count;
static char strings[STRINGS]; /* the boot loader's lie in memory that will be used */
static size_t strings_used;

const struct initrd_file *initrd_nth(unsigned i)
{
    unsigned linked = (unsigned)(initrd_files_end - initrd_files);

    if (i < linked)
        return &initrd_files[i];
    return i - linked < module_count ? &modules[i - linked] : NULL;
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

const struct initrd_file *initrd_find(const char *name)
{
    const struct initrd_file *file;

    for (unsigned i = 0; (file = initrd_nth(i)) != NULL; i++)
        if (same(file->name, name))
            return file;
    return NULL;
}

/* Loaders put a path, a name or several words there: the last word, without its folders. */
static const char *keep_name(const char *string)
{
    const char *last = string, *kept = strings + strings_used;

    for (const char *s = string; *s; s++)
        if ((*s == ' ' || *s == '/') && s[1] && s[1] != ' ')
            last = s + 1;
    for (;; last++) {
        if (strings_used == STRINGS)
            panic("the names of the boot modules are too long");
        strings[strings_used++] = *last;
        if (!*last)
            return kept;
    }
}

uint64_t initrd_init(const struct boot_info *info)
{
    const struct boot_module *module = direct(info->mods_addr);
    uint64_t end = 0;

    if (!(info->flags & BOOT_INFO_MODS))
        return 0;
    for (unsigned i = 0; i < info->mods_count; i++, module++) {
        if (i == MODULES)
            panic("more than 8 boot modules");
        if (module->end > end)
            end = module->end;
        modules[module_count++] = (struct initrd_file){keep_name(direct(module->string)),
                                                       direct(module->start), module->end - module->start};
    }
    return end;
}
