/* vmx_kept.c - the fields that the last VM entry has found legal: as long as they are the same, rules that
 * ask for nothing else hold again.
 *
 * They are compared by their contents, so that it does not matter who has written the region. */
#include "cpu/vmx.h"
#include "mmu/mem.h"

#include <stdlib.h>

struct vmx_kept {
    u64 firmware, misc_enable; /* what rules ask for besides fields */
    u64 field[VMCS_SLOTS];
};

/* Fields that change from exit to entry: only rules that are asked each time may depend on them. */
#define MOVES(slot) \
    ((slot) == SLOT_GUEST_RIP || (slot) == SLOT_GUEST_RSP || (slot) == SLOT_GUEST_RFLAGS || \
     (slot) == SLOT_GUEST_INTERRUPTIBILITY || (slot) == SLOT_GUEST_ACTIVITY || \
     (slot) == SLOT_GUEST_PENDING_DEBUG || (slot) == SLOT_GUEST_INTERRUPT_STATUS || \
     (slot) == SLOT_PREEMPTION_TIMER || (slot) == SLOT_TPR_THRESHOLD)

/* Bits of each slot that must be the same: all or none. */
static const u64 settled[VMCS_SLOTS] = {
#define VMCS_FIELD(ID, name, encoding, group, processors) \
    VMCS_FIELD_TYPE(encoding) == VMCS_TYPE_EXIT_INFO || MOVES(SLOT_##ID) ? 0 : UINT64_MAX,
#include "arch/vmcs_fields.def"
};

static const u8 *fields_of(const struct core *c)
{
    const u8 *page = mem_read_page(c->m->mem, c->s.vmcs_hpa);
    return page ? page + VMCS_DATA : NULL;
}

bool vmx_kept_same(const struct core *c)
{
    const struct vmx_kept *k = c->rt.vmx_kept;
    const u8 *at = fields_of(c);
    if (!k || !at || k->firmware != c->m->b.firmware || k->misc_enable != c->s.misc_enable)
        return false;
    u64 changes = 0;
    for (unsigned i = 0; i < VMCS_SLOTS; i++)
        changes |= (load_le(at + 8 * i, 8) ^ k->field[i]) & settled[i];
    return changes == 0;
}

void vmx_kept_take(struct core *c)
{
    const u8 *at = fields_of(c);
    if (!c->rt.vmx_kept)
        c->rt.vmx_kept = malloc(sizeof *c->rt.vmx_kept);
    struct vmx_kept *k = c->rt.vmx_kept;
    if (!k || !at) /* it saves time and nothing else */
        return;
    k->firmware = c->m->b.firmware;
    k->misc_enable = c->s.misc_enable;
    for (unsigned i = 0; i < VMCS_SLOTS; i++)
        k->field[i] = load_le(at + 8 * i, 8);
}

void vmx_kept_drop(struct core *c)
{
    free(c->rt.vmx_kept);
    c->rt.vmx_kept = NULL;
}
