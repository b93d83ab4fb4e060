#include "vtx/lib/tables.h"

#include "arch/insn.h"
#include "arch/vmx.h"
#include "lib/string.h"
#include "vtx/lib/check.h"
#include "vtx/lib/instructions.h"
#include "vtx/lib/vmcs.h"
#include "vtx/lib/world.h"

#define ENTRIES 512
#define TOP     39

static uint64_t *ept_root, *guest_root;

/* Bit 7 says "page" in both forms. */
_Static_assert(PTE_PS == EPT_PS, "page tables and EPT say alike what maps a page");

static void split(uint64_t *entry, unsigned shift, uint64_t link)
{
    uint64_t *table = page_new(), whole = *entry;
    unsigned below = shift - 9;

    for (uint64_t i = 0; i < ENTRIES; i++)
        table[i] = (below == PAGE_SHIFT ? whole & ~(uint64_t)PTE_PS : whole) + (i << below);
    *entry = (uint64_t)table | link;
}

uint64_t *table_entry(uint64_t *root, uint64_t address, unsigned shift, uint64_t link)
{
    uint64_t *entry = root;

    for (unsigned at = TOP;; at -= 9) {
        entry = &((uint64_t *)((uint64_t)entry & PTE_ADDR))[address >> at & (ENTRIES - 1)];
        if (at == shift)
            return entry;
        if (!*entry)
            *entry = (uint64_t)page_new() | link;
        else if (*entry & PTE_PS)
            split(entry, at, link);
        entry = (uint64_t *)(*entry & PTE_ADDR);
    }
}

/* ---- a guest's ---- */

uint64_t *guest_tables(void)
{
    guest_root = page_new();
    memcpy(guest_root, world_pml4, sizeof *guest_root);
    vmwrite(VMCS_GUEST_CR3, (uint64_t)guest_root);
    return guest_root;
}

uint64_t *guest_map(uint64_t gva, uint64_t gpa, uint64_t flags)
{
    uint64_t *entry = table_entry(guest_root, gva, PAGE_SHIFT, PTE_P | PTE_W | PTE_U);

    *entry = gpa | flags;
    return entry;
}

/* ---- EPT ---- */

static void map_4g(uint64_t *root)
{
    for (uint64_t gpa = 0; gpa < UINT64_C(1) << 32; gpa += UINT64_C(1) << SHIFT_1G)
        *table_entry(root, gpa, SHIFT_1G, EPT_RWX) = gpa | EPT_RWX | EPT_WB | EPT_PS;
    if (ept_vpid_cap() & EPT_CAP_1G)
        return;
    for (uint64_t gpa = 0; gpa < UINT64_C(1) << 32; gpa += UINT64_C(1) << SHIFT_1G)
        table_entry(root, gpa, SHIFT_2M, EPT_RWX);
}

uint64_t ept_new(void)
{
    uint64_t *root = page_new();

    map_4g(root);
    return (uint64_t)root | EPTP_WALK_4 | EPTP_WB;
}

uint64_t ept_on(void)
{
    uint64_t eptp;

    set_controls(PROC2, PROC2_EPT);
    eptp = ept_new();
    ept_root = (uint64_t *)EP4TA(eptp);
    vmwrite(VMCS_EPTP, eptp);
    return eptp;
}

uint64_t *ept_entry_of(uint64_t eptp, uint64_t gpa, unsigned shift)
{
    return table_entry((uint64_t *)EP4TA(eptp), gpa, shift, EPT_RWX);
}

uint64_t *ept_entry(uint64_t gpa, unsigned shift)
{
    return table_entry(ept_root, gpa, shift, EPT_RWX);
}

volatile uint64_t *ept_trial(uint64_t rights)
{
    uint64_t *page = page_new();

    ept_on();
    guest_tables();
    guest_map(TRIAL_GVA, TRIAL_GPA, PTE_P | PTE_W | PTE_U);
    *ept_entry(TRIAL_GPA, PAGE_SHIFT) = (uint64_t)page | rights | EPT_WB;
    return page;
}
