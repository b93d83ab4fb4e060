/* iommu_oracle.c - see iommu_oracle.h. */
#include "lib/iommu_oracle.h"

#define HAW 40

static bool in_ram(const struct iommu_oracle *o, uint64_t hpa)
{
    return hpa < o->ram;
}

static bool any(uint64_t value, unsigned high, unsigned low)
{
    return value << (63 - high) >> (63 - high + low) != 0;
}

static uint32_t second_level(const struct iommu_oracle *o, uint64_t table, unsigned levels, uint64_t address,
                             bool write, struct iommu_answer *a)
{
    for (unsigned level = levels;; level--) {
        unsigned low = 12 + 9 * (level - 1);
        uint64_t at = table + (address >> low) % 512 * 8, entry;
        if (!in_ram(o, at))
            return 7;
        a->refs++;
        entry = o->peek(o->arg, at);
        if (!(entry >> (write ? 1 : 0) & 1))
            return write ? 5 : 6;
        bool page = level == 1 || (entry >> 7 & 1 && level < 4);
        if (any(entry, 51, HAW) || entry >> 11 & 1 || entry >> 62 & 1 || (level == 4 && entry >> 7 & 1) ||
            (page && level > 1 && any(entry, low - 1, 12)))
            return 12;
        table = entry & 0xfffffff000;
        if (page) {
            a->hpa = table + address % (UINT64_C(1) << low);
            return a->hpa >> 20 == 0xfee ? 14 : 0;
        }
    }
}

static uint32_t decide(const struct iommu_oracle *o, uint16_t requester, uint64_t address, bool write,
                       struct iommu_answer *a)
{
    uint64_t at = o->root + (requester >> 8) * 16, low, high;
    if (!in_ram(o, at))
        return 8;
    a->refs++;
    low = o->peek(o->arg, at);
    if (!(low & 1))
        return 1;
    if (any(low, 63, HAW) || any(low, 11, 1) || o->peek(o->arg, at + 8))
        return 10;
    at = (low & 0xfffffff000) + requester % 256 * 16;
    if (!in_ram(o, at))
        return 9;
    a->refs++;
    low = o->peek(o->arg, at);
    high = o->peek(o->arg, at + 8);
    a->silent = low >> 1 & 1;
    if (!(low & 1))
        return 2;
    if (any(low, 63, HAW) || any(low, 11, 4) || any(high, 63, 24) || any(high, 7, 7))
        return 11;
    unsigned type = low >> 2 & 3, width = high & 7;
    if (!((type == 0 && (width == 1 || width == 2)) || (type == 2 && width == 2)))
        return 3;
    a->domain = high >> 8 & 0xffff;
    if (address >> (width == 1 ? 39 : 48))
        return 4;
    a->hpa = address;
    return type == 2 ? 0 : second_level(o, low & 0xfffffff000, width + 2, address, write, a);
}

struct iommu_answer iommu_oracle(const struct iommu_oracle *o, uint16_t requester, uint64_t address,
                                 bool write)
{
    struct iommu_answer a = {0};
    a.reason = decide(o, requester, address, write, &a);
    return a;
}
