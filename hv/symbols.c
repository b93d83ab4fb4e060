#include "symbols.h"

#include <stddef.h>

struct symbol {
    uint64_t address;
    const char *name;
};

/* Made by symbols.sh from the image itself, in order of address; the last is text_end. */
extern const struct symbol symbol_table[] __attribute__((weak));
extern const uint64_t symbol_table_count __attribute__((weak));

extern const char image_start[], image_end[];

const char *symbol_at(uint64_t address, uint64_t *offset)
{
    if (!symbol_table)
        return NULL;
    for (uint64_t i = 0; i + 1 < symbol_table_count; i++)
        if (address >= symbol_table[i].address && address < symbol_table[i + 1].address) {
            *offset = address - symbol_table[i].address;
            return symbol_table[i].name;
        }
    return NULL;
}

bool on_our_stack(const uint64_t *frame)
{
    uint64_t a = (uint64_t)frame;

    return a % 8 == 0 && a >= (uint64_t)image_start && a + 16 <= (uint64_t)image_end;
}
