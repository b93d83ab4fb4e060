/* vmcs.h - the fields of the current VMCS, by slot.
 *
 * A region (SDM vol. 3, 24.2 "Format of the VMCS Region"): revision identifier, abort indicator, launch
 * state, then eight bytes for each field of vmcs_fields.def in its order.  The time of these accesses is part
 * of what an exit, an entry or an instruction costs. */
#ifndef RINGSIDE_CPU_VMCS_H
#define RINGSIDE_CPU_VMCS_H

#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "mmu/bytes.h"

enum vmcs_slot {
#define VMCS_FIELD(ID, name, encoding, group, processors) SLOT_##ID,
#include "arch/vmcs_fields.def"
    VMCS_SLOTS
};

#define VMCS_LAUNCH_STATE      8
#define VMCS_DATA              64
#define VMCS_SLOT_OFFSET(slot) (VMCS_DATA + 8u * (unsigned)(slot))
#define VMCS_NONE              UINT64_MAX /* no current VMCS */

enum launch_state { LAUNCH_CLEAR, LAUNCH_LAUNCHED };

/* Slot of an encoding whose bit 0 is clear, -1 if this machine has no such field. */
int vmcs_slot_of(u64 encoding);
u32 vmcs_slot_encoding(enum vmcs_slot slot);

/* The bits that a field has room for, by its encoding. */
static inline u64 vmcs_width_mask(u32 encoding)
{
    switch (VMCS_FIELD_WIDTH(encoding)) {
    case VMCS_WIDTH_16: return 0xffff;
    case VMCS_WIDTH_32: return 0xffffffff;
    default: return UINT64_MAX;
    }
}

/* The page of a region, if it is the one that was written last and still lies where it did. */
INLINED u8 *vmcs_page(const struct core *c, u64 hpa)
{
    const struct vmcs_page *p = &c->rt.vmcs;
    return likely(p->bytes && p->hpa == hpa && p->layout == *p->layout_now) ? p->bytes : NULL;
}

/* The general way: of the region at hpa, wherever it lies. */
u64 vmcs_load(const struct core *c, u64 hpa, enum vmcs_slot slot);
void vmcs_store(struct core *c, u64 hpa, enum vmcs_slot slot, u64 value);

INLINED u64 vmcs_slot_read(const struct core *c, enum vmcs_slot slot)
{
    const u8 *page = vmcs_page(c, c->s.vmcs_hpa);
    return likely(page != NULL) ? load_le(page + VMCS_SLOT_OFFSET(slot), 8)
                                : vmcs_load(c, c->s.vmcs_hpa, slot);
}

/* Keeps the low bits that the field's width has room for. */
INLINED void vmcs_slot_put(struct core *c, enum vmcs_slot slot, u32 encoding, u64 value)
{
    u8 *page = vmcs_page(c, c->s.vmcs_hpa);
    if (likely(page != NULL))
        store_le(page + VMCS_SLOT_OFFSET(slot), 8, value & vmcs_width_mask(encoding));
    else
        vmcs_store(c, c->s.vmcs_hpa, slot, value);
}

static inline void vmcs_slot_write(struct core *c, enum vmcs_slot slot, u64 value)
{
    vmcs_slot_put(c, slot, vmcs_slot_encoding(slot), value);
}

#define VMCS_GET(c, ID)        vmcs_slot_read((c), SLOT_##ID)
#define VMCS_PUT(c, ID, value) vmcs_slot_put((c), SLOT_##ID, VMCS_##ID, (value))

/* As VMREAD and VMWRITE: any encoding, the high half of a 64-bit field too.  False: no such field. */
bool vmcs_read(const struct core *c, u64 encoding, u64 *value);
bool vmcs_write(struct core *c, u64 encoding, u64 value);
/* The same of a region that need not be current: what VMCS shadowing works on. */
bool vmcs_read_at(const struct core *c, u64 hpa, u64 encoding, u64 *value);
bool vmcs_write_at(struct core *c, u64 hpa, u64 encoding, u64 value);

/* The first word of a region: the revision identifier in bits 30:0, and VMCS_SHADOW. */
u32 vmcs_revision(const struct core *c, u64 hpa);
enum launch_state vmcs_launch_state(const struct core *c, u64 hpa);
void vmcs_set_launch_state(struct core *c, u64 hpa, enum launch_state state);

#endif
