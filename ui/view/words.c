/* words.c - addresses, entries and faults in words. */
#include "words.h"

#include <stdio.h>
#include <string.h>

#define BIT(n)       (1ull << (n))
#define ADDRESS_BITS 0x000ffffffffff000ull /* bits 51:12 */

const char *word_entry(unsigned level)
{
    static const char *const NAME[] = {"page", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
    return level < 6 ? NAME[level] : "?";
}

const char *word_second(unsigned level)
{
    static const char *const NAME[] = {"page", "SL-PTE", "SL-PDE", "SL-PDPE", "SL-PML4E"};
    return level < 5 ? NAME[level] : "?";
}

const char *word_index(unsigned level)
{
    static const char *const NAME[] = {"offset", "PT", "PD", "PDPT", "PML4", "PML5"};
    return level < 6 ? NAME[level] : "?";
}

const char *word_bytes(uint64_t bytes, char text[24])
{
    static const struct {
        unsigned shift;
        const char *unit;
    } UNITS[] = {{30, "GiB"}, {20, "MiB"}, {10, "KiB"}};
    for (size_t i = 0; i < 3; i++)
        if (bytes && bytes % BIT(UNITS[i].shift) == 0) {
            snprintf(text, 24, "%llu %s", (unsigned long long)(bytes >> UNITS[i].shift), UNITS[i].unit);
            return text;
        }
    snprintf(text, 24, "%llu", (unsigned long long)bytes);
    return text;
}

uint64_t level_bytes(unsigned level)
{
    return level >= 1 && level <= 5 ? BIT(3 + 9 * level) : 0;
}

const char *word_count(uint64_t n, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *p = text;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = 0;
    return text;
}

const char *word_hit(enum rs_hit from)
{
    static const char *const NAME[RS_HITS] = {"L1", "L2", "mem", "core"};
    return (unsigned)from < RS_HITS ? NAME[from] : "?";
}

const char *word_access(enum rs_access access)
{
    static const char *const NAME[] = {"read", "write", "fetch"};
    return (unsigned)access < 3 ? NAME[access] : "?";
}

const char *word_skip(enum rs_skip by)
{
    static const char *const NAME[] = {"PWC", "nPWC", "nTLB", "context cache", "IOTLB"};
    return (unsigned)by < sizeof NAME / sizeof *NAME ? NAME[by] : "?";
}

/* ---- entries ---- */

struct flag {
    unsigned bit;
    bool leaf;
    const char *name;
}; /* leaf: has this meaning in leaves only */

/* SDM vol. 3, 4.5.4 "Linear-Address Translation with 4-Level Paging and 5-Level Paging" */
static const struct flag GUEST_FLAGS[] = {
    {0, false, "P"}, {1, false, "R/W"}, {2, false, "U/S"}, {3, false, "PWT"}, {4, false, "PCD"},
    {5, false, "A"}, {6, true, "D"},    {8, true, "G"},    {63, false, "XD"},
};

/* SDM vol. 3, 28.3.2 "EPT Translation Mechanism" */
static const struct flag EPT_FLAGS[] = {
    {0, false, "R"}, {1, false, "W"}, {2, false, "X"}, {8, false, "A"}, {9, true, "D"}};

/* VT-d specification, 9.1 "Root Entry", 9.3 "Context Entry", 9.8 "Second-Level Paging Entries" */
static const struct flag ROOT_FLAGS[] = {{0, false, "P"}},
                         CONTEXT_FLAGS[] = {{0, false, "P"}, {1, false, "FPD"}},
                         SECOND_FLAGS[] = {{0, false, "R"}, {1, false, "W"}};

#define FLAGS(list) \
    { \
        list, sizeof list / sizeof *list \
    }

static const struct {
    const struct flag *flag;
    size_t n;
} FLAGS_OF[] = {[RS_GUEST] = FLAGS(GUEST_FLAGS),
                [RS_NESTED] = FLAGS(EPT_FLAGS),
                [RS_ROOT] = FLAGS(ROOT_FLAGS),
                [RS_CONTEXT] = FLAGS(CONTEXT_FLAGS),
                [RS_SECOND] = FLAGS(SECOND_FLAGS)};

static void append(char *text, size_t size, const char *separator, const char *word)
{
    size_t n = strlen(text);
    snprintf(text + n, size - n, "%s%s", n ? separator : "", word);
}

static const char *memory_type(uint64_t entry)
{
    static const char *const NAME[] = {"UC", "WC", "?", "?", "WT", "WP", "WB", "?"};
    return NAME[entry >> 3 & 7];
}

/* SDM vol. 3, 4.5.4 and 28.3.2: P of the guest's entry; any of R, W and X of the EPT's; R or W of VT-d's. */
static bool present(const struct rs_walk_ref *ref, uint64_t entry)
{
    return entry & (ref->stage == RS_NESTED ? 7 : ref->stage == RS_SECOND ? 3 : 1);
}

bool entry_present(const struct rs_walk_ref *ref)
{
    return present(ref, ref->entry);
}

void word_flags(const struct rs_walk_ref *ref, uint64_t entry, char *text, size_t size)
{
    unsigned stage = (unsigned)ref->stage <= RS_SECOND ? ref->stage : RS_GUEST;
    const struct flag *flag = FLAGS_OF[stage].flag;
    text[0] = 0;
    if (!present(ref, entry)) {
        snprintf(text, size, "not present");
        return;
    }
    for (size_t i = 0; i < FLAGS_OF[stage].n; i++)
        if (entry & BIT(flag[i].bit) && (ref->leaf || !flag[i].leaf))
            append(text, size, " ", flag[i].name);
    if (ref->leaf && ref->level > 1)
        append(text, size, " ", "PS");
    if (ref->leaf && ref->stage == RS_NESTED)
        append(text, size, " ", memory_type(entry));
}

uint64_t entry_frame(const struct rs_walk_ref *ref)
{
    unsigned low = ref->leaf && ref->level >= 1 && ref->level <= 3 ? 12 + 9 * (ref->level - 1u) : 12;
    return ref->entry & ADDRESS_BITS & ~(BIT(low) - 1);
}

unsigned context_levels(const struct rs_walk_ref *ref)
{
    bool passes = (ref->entry >> 2 & 3) == 2;
    return passes ? 0 : (unsigned)(ref->high & 7) + 2;
}

unsigned context_domain(const struct rs_walk_ref *ref)
{
    return ref->high >> 8 & 0xffff;
}

const char *word_ad_set(const struct rs_walk_ref *ref)
{
    unsigned a = ref->stage == RS_NESTED ? 8 : 5;
    uint64_t set = ref->entry & ~ref->before;
    bool accessed = set & BIT(a), dirty = set & BIT(a + 1);
    return accessed && dirty ? "AD" : accessed ? "A" : dirty ? "D" : "";
}

const char *word_rights(const struct rs_tlb_view *e, char text[8])
{
    snprintf(text, 8, "R%c%c%c", e->writable ? 'W' : '-', e->executable ? 'X' : '-', e->user ? 'U' : '-');
    return text;
}

/* ---- faults ---- */

const char *word_owner(const struct rs_walk *walk)
{
    switch (walk->owner) {
    case RS_GUEST_FAULT: return walk->guest ? "the guest kernel's (#PF, no exit)" : "the kernel's (#PF)";
    case RS_EPT_VIOLATION: return "the hypervisor's (exit 48)";
    case RS_EPT_MISCONFIG: return "the hypervisor's (exit 49)";
    case RS_APIC_ACCESS: return "the hypervisor's (exit 44)";
    case RS_EPT_VE: return "the guest kernel's (#VE, no exit)";
    case RS_PML_FULL: return "the hypervisor's (exit 62)";
    case RS_NON_CANONICAL: return walk->guest ? "the guest kernel's (#GP, no exit)" : "the kernel's (#GP)";
    default: return "";
    }
}

void word_pf_error(uint32_t error, char *text, size_t size)
{
    snprintf(text, size, "%s, %s, %s%s",
             error & 16  ? "fetch"
             : error & 2 ? "write"
                         : "read",
             error & 4 ? "user" : "supervisor", error & 1 ? "not allowed" : "not present",
             error & 8 ? ", reserved bit" : "");
}

void word_ept_violation(uint64_t q, char *text, size_t size)
{
    const char *what = q & 4 ? "fetch" : q & 2 && q & 1 ? "read and write" : q & 2 ? "write" : "read";
    const char *of = !(q & BIT(7)) ? "" : q & BIT(8) ? " of the page" : " of a guest table";
    if (q & 0x38)
        snprintf(text, size, "%s%s; EPT allows %c%c%c", what, of, q & 8 ? 'R' : '-', q & 16 ? 'W' : '-',
                 q & 32 ? 'X' : '-');
    else
        snprintf(text, size, "%s%s; EPT has no mapping", what, of);
}
