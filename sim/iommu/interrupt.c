/* interrupt.c - interrupt remapping and posting (VT-d specification, 5.1 "Interrupt Remapping", 5.2
 * "Interrupt Posting"). */
#include "cpu/cpu.h"
#include "dev/device.h"
#include "iommu/parts.h"
#include "mmu/level.h"
#include "mmu/mem.h"

/* A request in progress. */
struct request {
    struct machine *m;
    u16 requester;
    u64 index;
    u64 irte[2];
    u32 reason; /* of the fault; 0: none */
    bool quiet;
};

static bool fail(struct request *r, u32 reason)
{
    r->reason = reason;
    return false;
}

static bool extended(const struct request *r)
{
    return r->m->b.iommu.interrupts & IOMMU_IRTA_EIME;
}

static u64 field(u64 word, unsigned high, unsigned low)
{
    return (word & LEVEL_BITS(high, low)) >> low;
}

/* ---- the request (5.1.2, 5.1.3) ---- */

/* handle[14:0] is in bits 19:5 of the address, handle[15] in bit 2. */
static bool find_index(struct request *r, u64 address, u32 data)
{
    r->index = field(address, 19, 5) | field(address, 2, 2) << 15;
    if (address & IOMMU_MSI_SHV) {
        if (data >> 16)
            return fail(r, IOMMU_FAULT_IR_REQUEST_RESERVED);
        r->index += data & 0xffff;
    }
    if (r->index >> ((r->m->b.iommu.interrupts & IOMMU_IRTA_S) + 1))
        return fail(r, IOMMU_FAULT_IR_INDEX);
    return true;
}

/* ---- the entry ---- */

/* 9.10 and 9.11. */
static bool reserved_is_clear(const struct request *r)
{
    const u64 *e = r->irte;
    if (field(e[1], 19, 18) > IOMMU_SVT_BUS)
        return false;
    if (e[0] & IOMMU_IRTE_POSTED)
        return !(e[0] & (LEVEL_BITS(7, 2) | LEVEL_BITS(13, 12) | LEVEL_BITS(37, 24))) &&
               !(e[1] & LEVEL_BITS(31, 20));
    u64 destination = extended(r) ? 0 : LEVEL_BITS(63, 48) | LEVEL_BITS(39, 32);
    return !(e[0] & (LEVEL_BITS(14, 12) | LEVEL_BITS(31, 24) | destination)) && !(e[1] & LEVEL_BITS(63, 20));
}

/* SVT, with SQ of a requester ID, or a range of buses in the place of that. */
static bool source_is_right(const struct request *r)
{
    static const u16 ignored[] = {0, 4, 6, 7};
    u64 source = r->irte[1] & 0xffff, mask = 0xffff & ~(u64)ignored[field(r->irte[1], 17, 16)];
    u64 bus = r->requester >> 8;
    switch (field(r->irte[1], 19, 18)) {
    case IOMMU_SVT_SID: return !((source ^ r->requester) & mask);
    case IOMMU_SVT_BUS: return bus >= source >> 8 && bus <= (source & 0xff);
    default: return true;
    }
}

static bool check_entry(struct request *r)
{
    r->quiet = r->irte[0] & IOMMU_IRTE_FPD;
    if (!(r->irte[0] & IOMMU_IRTE_P))
        return fail(r, IOMMU_FAULT_IR_NOT_PRESENT);
    if (!reserved_is_clear(r))
        return fail(r, IOMMU_FAULT_IR_ENTRY_RESERVED);
    return true;
}

static bool find_entry(struct request *r)
{
    struct machine *m = r->m;
    const struct iommu_entry *e = iommu_cache_find(m, UNIT_INTERRUPT, r->index, 0);
    u64 cycles, table = m->b.iommu.interrupts & PHYS_MASK & ~UINT64_C(0xfff);
    if (e) {
        m->b.iommu_count.interrupt_hits++;
        r->irte[0] = e->low;
        r->irte[1] = e->high;
        r->quiet = e->low & IOMMU_IRTE_FPD;
        return true;
    }
    if (!iommu_fetch(m, table + 16 * r->index, 2, r->irte, &cycles))
        return fail(r, IOMMU_FAULT_IR_TABLE_ACCESS);
    device_micro(m, MICRO_WALK_REF);
    if (!check_entry(r))
        return false;
    iommu_cache_fill(m, UNIT_INTERRUPT,
                     (struct iommu_entry){.tag = r->index, .low = r->irte[0], .high = r->irte[1]});
    return true;
}

/* ---- what becomes of it ---- */

static struct message remapped(const struct request *r)
{
    u64 e = r->irte[0], destination = e >> IOMMU_IRTE_DST_SHIFT;
    return (struct message){
        .destination = (u32)(extended(r) ? destination : destination >> 8 & 0xff),
        .broadcast = extended(r) ? UINT32_MAX : 0xff,
        .logical = e & IOMMU_IRTE_LOGICAL,
        .lowest = e & IOMMU_IRTE_RH,
        .level = e & IOMMU_IRTE_LEVEL,
        .delivery = field(e, 7, IOMMU_IRTE_DLM_SHIFT) << 8,
        .vector = (u8)(e >> IOMMU_IRTE_VECTOR_SHIFT),
    };
}

static u64 descriptor_of(const struct request *r)
{
    return (r->irte[0] >> 38 << 6 & UINT64_C(0xffffffff)) | (r->irte[1] & ~UINT64_C(0xffffffff));
}

/* Puts the vector into the requests of the descriptor, in one locked update (5.2.3); *notify: an interrupt
 * tells of it. */
static bool post(struct request *r, struct message *message, bool *notify)
{
    struct machine *m = r->m;
    u64 at = descriptor_of(r), vector = r->irte[0] >> IOMMU_IRTE_VECTOR_SHIFT & 0xff, control, cycles;
    u64 word = at + vector / 64 * 8;
    if (!iommu_fetch(m, at + 32, 1, &control, &cycles))
        return fail(r, IOMMU_FAULT_PI_ACCESS);
    device_micro(m, MICRO_WALK_REF);
    if (control & (LEVEL_BITS(15, 2) | LEVEL_BITS(31, 24)))
        return fail(r, IOMMU_FAULT_PI_RESERVED);
    mem_write(m->mem, word, 8, mem_read(m->mem, word, 8) | UINT64_C(1) << vector % 64);
    *notify = !(control & IOMMU_PID_ON) && (r->irte[0] & IOMMU_IRTE_URGENT || !(control & IOMMU_PID_SN));
    iommu_store(m, at + 32, 8, control | (*notify ? IOMMU_PID_ON : 0));
    device_micro(m, MICRO_AD_UPDATE);
    u64 destination = control >> IOMMU_PID_NDST_SHIFT;
    *message = (struct message){
        .destination = (u32)(extended(r) ? destination : destination >> 8 & 0xff),
        .broadcast = extended(r) ? UINT32_MAX : 0xff,
        .vector = (u8)(control >> IOMMU_PID_NV_SHIFT),
    };
    return true;
}

static bool deliver(struct request *r, struct message *message, bool *send)
{
    bool posted = r->irte[0] & IOMMU_IRTE_POSTED;
    *send = true;
    if (!source_is_right(r))
        return fail(r, IOMMU_FAULT_IR_SOURCE);
    if (posted && !post(r, message, send))
        return false;
    if (!posted)
        *message = remapped(r);
    PROBE_DEVICE(r->m, RS_PROBE_iommu_interrupt, r->requester, r->index, posted,
                 r->irte[0] >> IOMMU_IRTE_VECTOR_SHIFT & 0xff,
                 posted ? descriptor_of(r) : message->destination);
    device_micro(r->m, MICRO_EVENT);
    return true;
}

/* Requests in the compatibility format pass if CFI says so, and never with extended interrupt mode (5.1.4).
 */
static bool pass_compatible(struct request *r)
{
    return (r->m->b.iommu.gsts & IOMMU_CFI && !extended(r)) || fail(r, IOMMU_FAULT_IR_COMPATIBILITY);
}

bool iommu_remap(struct machine *m, u16 requester, u64 address, u32 data, struct message *message)
{
    struct request r = {.m = m, .requester = requester};
    bool send = true, allowed = true;
    *message = message_of(address, data);
    if (!(m->b.iommu.gsts & IOMMU_IRE))
        return true;
    m->b.iommu_count.interrupts++;
    if (address & IOMMU_MSI_REMAPPABLE)
        allowed = find_index(&r, address, data) && find_entry(&r) && deliver(&r, message, &send);
    else
        allowed = pass_compatible(&r);
    if (!allowed)
        iommu_record_fault(m, &(struct iommu_fault){r.reason, requester, false, r.quiet, r.index & 0xffff});
    return allowed && send;
}
