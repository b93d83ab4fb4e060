#include "dmar.h"

#include <stddef.h>

#include "guests/lib/string.h"

/* Where a PC's firmware has the RSDP (ACPI, 5.2.5.1). */
#define SEARCH_FIRST UINT64_C(0xe0000)
#define SEARCH_END   UINT64_C(0x100000)
#define MAPPED_END   (UINT64_C(1) << 32)

#define RSDP_LENGTH 20
#define RSDP_XSDT   24
#define RSDP_BYTES  36

#define TABLE_LENGTH  4
#define TABLE_ENTRIES 36 /* of an XSDT, behind its header */

#define DMAR_FLAGS      37
#define DMAR_INTERRUPTS 0x01
#define DMAR_STRUCTURES 48

#define STRUCTURE_LENGTH 2
#define DRHD             0
#define DRHD_FLAGS       4
#define DRHD_SEGMENT     6
#define DRHD_REGISTERS   8
#define DRHD_BYTES       16
#define DRHD_ALL         0x01 /* all functions that no other unit names */

static uint32_t number(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

static uint64_t address(const uint8_t *at)
{
    return number(at, 4) | (uint64_t)number(at + 4, 4) << 32;
}

/* All bytes of a table add up to 0. */
static bool sums_up(const uint8_t *at, uint32_t bytes)
{
    uint8_t sum = 0;

    while (bytes-- > 0)
        sum = (uint8_t)(sum + *at++);
    return sum == 0;
}

static const uint8_t *find_rsdp(void)
{
    for (uint64_t at = SEARCH_FIRST; at < SEARCH_END; at += 16) {
        const uint8_t *rsdp = (const uint8_t *)at;

        if (memcmp(rsdp, "RSD PTR ", 8) == 0 && number(rsdp + RSDP_LENGTH, 4) >= RSDP_BYTES &&
            sums_up(rsdp, RSDP_BYTES))
            return rsdp;
    }
    return NULL;
}

/* The table there, if it is whole; its length. */
static const uint8_t *table_at(uint64_t where, const char *signature, uint32_t *bytes)
{
    const uint8_t *table = (const uint8_t *)where;

    if (where == 0 || where > MAPPED_END - TABLE_ENTRIES || memcmp(table, signature, 4) != 0)
        return NULL;
    *bytes = number(table + TABLE_LENGTH, 4);
    if (*bytes < TABLE_ENTRIES || *bytes > MAPPED_END - where || !sums_up(table, *bytes))
        return NULL;
    return table;
}

static const uint8_t *find_table(const char *signature, uint32_t *bytes)
{
    const uint8_t *rsdp = find_rsdp();
    uint32_t all;
    const uint8_t *xsdt = rsdp ? table_at(address(rsdp + RSDP_XSDT), "XSDT", &all) : NULL;

    for (uint32_t at = TABLE_ENTRIES; xsdt && at + 8 <= all; at += 8) {
        const uint8_t *table = table_at(address(xsdt + at), signature, bytes);

        if (table)
            return table;
    }
    return NULL;
}

static bool is_unit_of_all(const uint8_t *s, uint32_t bytes)
{
    return number(s, 2) == DRHD && bytes >= DRHD_BYTES && s[DRHD_FLAGS] & DRHD_ALL &&
           number(s + DRHD_SEGMENT, 2) == 0;
}

bool dmar_find(struct dmar *d)
{
    uint32_t bytes;
    const uint8_t *table = find_table("DMAR", &bytes);

    for (uint32_t at = DMAR_STRUCTURES, n; table && at + 4 <= bytes; at += n) {
        n = number(table + at + STRUCTURE_LENGTH, 2);
        if (n < 4 || n > bytes - at)
            break;
        if (!is_unit_of_all(table + at, n))
            continue;
        d->registers = address(table + at + DRHD_REGISTERS);
        d->interrupts = table[DMAR_FLAGS] & DMAR_INTERRUPTS;
        return d->registers < MAPPED_END;
    }
    return false;
}
