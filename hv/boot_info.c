#include "boot_info.h"

#include <stddef.h>

#include "text.h"

#define CMDLINE_MAX  512
#define MAPPED_BYTES (UINT64_C(4) << 30) /* what the boot protocol's tables map */

extern const char image_end[];

static bool copy_cmdline(const struct boot_info *info, char copy[CMDLINE_MAX])
{
    if (!(info->flags & BOOT_INFO_CMDLINE))
        return false;
    text_copy(copy, (const char *)(uint64_t)info->cmdline, CMDLINE_MAX);
    return true;
}

bool boot_option(const struct boot_info *info, const char *word)
{
    char copy[CMDLINE_MAX], *rest = copy;

    if (!copy_cmdline(info, copy))
        return false;
    for (;;) {
        const char *w = text_word(&rest);

        if (*w == 0 || text_equal(w, word))
            return *w != 0;
    }
}

bool boot_value(const struct boot_info *info, const char *key, char *value, size_t size)
{
    char copy[CMDLINE_MAX], *rest = copy;

    if (!copy_cmdline(info, copy))
        return false;
    for (;;) {
        const char *w = text_word(&rest);

        if (*w == 0)
            return false;
        if (text_starts(w, key)) {
            text_copy(value, w + text_length(key), size);
            return true;
        }
    }
}

const struct boot_module *boot_module(const struct boot_info *info, unsigned i)
{
    if (!(info->flags & BOOT_INFO_MODS) || i >= info->mods_count)
        return NULL;
    return (const struct boot_module *)(uint64_t)info->mods_addr + i;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t string_end(uint64_t address)
{
    return address + text_length((const char *)address) + 1;
}

/* Behind the image, the modules and their strings, up to the end of the RAM that begins at 1 MiB. */
void boot_free_memory(const struct boot_info *info, uint64_t *first, uint64_t *end)
{
    const struct boot_module *m;

    *first = later((uint64_t)image_end, (uint64_t)(info + 1));
    for (unsigned i = 0; (m = boot_module(info, i)) != NULL; i++) {
        *first = later(*first, m->end);
        *first = later(*first, string_end(m->string));
        *first = later(*first, (uint64_t)(m + 1));
    }
    *end = info->flags & BOOT_INFO_MEMORY ? ((uint64_t)info->mem_upper + 1024) << 10 : 0;
    if (*end > MAPPED_BYTES)
        *end = MAPPED_BYTES;
}
