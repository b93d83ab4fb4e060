/* vmcs.c - the VMCS region in memory: layout, and fields by encoding (SDM vol. 3, 24.11 "Software Use of the
 * VMCS"). */
#include "cpu/vmcs.h"
#include "cpu/vmx.h"
#include "mmu/mem.h"

/* Width, type and the index that this machine uses: 9 bits. */
#define KEY(e)      (VMCS_FIELD_WIDTH(e) << 7 | VMCS_FIELD_TYPE(e) << 5 | VMCS_FIELD_INDEX(e))
#define KEY_INDEXES 32

static const u8 slot_by_key[512] = {
/* + 1; 0: none */
#define VMCS_FIELD(ID, name, encoding, group, processors) [KEY(encoding)] = SLOT_##ID + 1,
#include "arch/vmcs_fields.def"
};

static const u16 encoding_by_slot[VMCS_SLOTS] = {
#define VMCS_FIELD(ID, name, encoding, group, processors) encoding,
#include "arch/vmcs_fields.def"
};

_Static_assert(VMCS_SLOT_OFFSET(VMCS_SLOTS) <= VMCS_BYTES, "the fields fit into a VMCS region");

int vmcs_slot_of(u64 encoding)
{
    bool reserved = encoding & ~0x6ffeull; /* bits 12 and 31:15, and bit 0 */
    if (reserved || VMCS_FIELD_INDEX(encoding) >= KEY_INDEXES)
        return -1;
    return slot_by_key[KEY(encoding)] - 1;
}

u32 vmcs_slot_encoding(enum vmcs_slot slot)
{
    return encoding_by_slot[slot];
}

u64 vmcs_load(const struct core *c, u64 hpa, enum vmcs_slot slot)
{
    const u8 *page = vmcs_page(c, hpa);
    if (!page)
        page = mem_read_page(c->m->mem, hpa);
    return page ? load_le(page + VMCS_SLOT_OFFSET(slot), 8) : UINT64_MAX;
}

/* Writes go to a page directly as long as nobody shares, hashes or decodes it: mem_write_direct. */
static u8 *page_for_writing(struct core *c, u64 hpa)
{
    u8 *page = vmcs_page(c, hpa);
    if (page)
        return page;
    page = mem_write_direct(c->m->mem, hpa);
    const u64 *layout = mem_layout(c->m->mem);
    if (page)
        c->rt.vmcs = (struct vmcs_page){hpa, *layout, layout, page};
    return page ? page : mem_write_page(c->m->mem, hpa);
}

void vmcs_store(struct core *c, u64 hpa, enum vmcs_slot slot, u64 value)
{
    u8 *page = page_for_writing(c, hpa);
    if (page)
        store_le(page + VMCS_SLOT_OFFSET(slot), 8, value & vmcs_width_mask(encoding_by_slot[slot]));
}

/* Fields of controls that need EPT are there only with it (appendix B). */
static bool comes_with_ept(int slot)
{
    enum { ANY, EPT };
    static const unsigned char processors_with[] = {
#define VMCS_FIELD(ID, name, encoding, group, processors) [SLOT_##ID] = processors,
#include "arch/vmcs_fields.def"
    };
    return slot >= 0 && processors_with[slot] == EPT;
}

/* The slot, and whether its high half is meant; -1: this machine has no such field. */
static int slot_and_half(const struct core *c, u64 encoding, bool *high)
{
    *high = VMCS_FIELD_HIGH(encoding);
    if (*high && VMCS_FIELD_WIDTH(encoding) != VMCS_WIDTH_64)
        return -1;
    int slot = vmcs_slot_of(encoding & ~1ull);
    return comes_with_ept(slot) && !vmx_has_ept(c) ? -1 : slot;
}

bool vmcs_read_at(const struct core *c, u64 hpa, u64 encoding, u64 *value)
{
    bool high;
    int slot = slot_and_half(c, encoding, &high);
    if (slot < 0)
        return false;
    *value = vmcs_load(c, hpa, (enum vmcs_slot)slot) >> (high ? 32 : 0);
    return true;
}

bool vmcs_write_at(struct core *c, u64 hpa, u64 encoding, u64 value)
{
    bool high;
    int slot = slot_and_half(c, encoding, &high);
    if (slot < 0)
        return false;
    if (high)
        value = value << 32 | (vmcs_load(c, hpa, (enum vmcs_slot)slot) & 0xffffffff);
    vmcs_store(c, hpa, (enum vmcs_slot)slot, value);
    return true;
}

bool vmcs_read(const struct core *c, u64 encoding, u64 *value)
{
    return vmcs_read_at(c, c->s.vmcs_hpa, encoding, value);
}

bool vmcs_write(struct core *c, u64 encoding, u64 value)
{
    return vmcs_write_at(c, c->s.vmcs_hpa, encoding, value);
}

u32 vmcs_revision(const struct core *c, u64 hpa)
{
    return (u32)mem_read(c->m->mem, hpa, 4);
}

enum launch_state vmcs_launch_state(const struct core *c, u64 hpa)
{
    return mem_read(c->m->mem, hpa + VMCS_LAUNCH_STATE, 4) ? LAUNCH_LAUNCHED : LAUNCH_CLEAR;
}

void vmcs_set_launch_state(struct core *c, u64 hpa, enum launch_state state)
{
    mem_write(c->m->mem, hpa + VMCS_LAUNCH_STATE, 4, state);
}
