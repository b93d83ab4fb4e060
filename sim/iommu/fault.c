/* fault.c - primary fault logging, and the events that the IOMMU tells of by messages (VT-d
 * specification, 7.2 "Fault Logging", 7.3 "Fault Reporting", 6.5.2.9 "Invalidation Completion Event"). */
#include "arch/pci.h"
#include "dev/device.h"
#include "iommu/parts.h"

const char *iommu_reason_text(u32 reason)
{
    static const char *const texts[] = {
#define IOMMU_FAULT(ID, number, text) [number] = text,
#include "arch/iommu_faults.def"
    };
    return reason < sizeof texts / sizeof *texts ? texts[reason] : NULL;
}

/* ---- status ---- */

static bool is_pending(const struct iommu *u, unsigned record)
{
    return u->frcd[2 * record + 1] & IOMMU_FRCD_F;
}

static bool any_pending(const struct iommu *u)
{
    bool any = false;
    for (unsigned i = 0; i < IOMMU_FRCDS; i++)
        any = any || is_pending(u, i);
    return any;
}

u64 iommu_fault_status(const struct machine *m)
{
    const struct iommu *u = &m->b.iommu;
    return u->fsts | (any_pending(u) ? IOMMU_FSTS_PPF : 0);
}

static bool any_status(const struct machine *m)
{
    return iommu_fault_status(m) & (IOMMU_FSTS_PFO | IOMMU_FSTS_PPF | IOMMU_FSTS_IQE);
}

void iommu_status_written(struct machine *m)
{
    struct iommu *u = &m->b.iommu;
    if (!any_status(m))
        u->fectl &= ~(u64)IOMMU_EVENT_IP;
    if (!(u->ics & IOMMU_ICS_IWC))
        u->iectl &= ~(u64)IOMMU_EVENT_IP;
    iommu_wake(m);
}

/* ---- what happens ---- */

/* More of what is pending already is no event of its own. */
static void fault_event(struct machine *m, bool pending)
{
    if (!pending)
        m->b.iommu.fectl |= IOMMU_EVENT_IP;
    iommu_wake(m);
}

/* False: the records are full. */
static bool put_record(struct iommu *u, const struct iommu_fault *f)
{
    unsigned i = (unsigned)(u->frcd_next % IOMMU_FRCDS);
    if (u->fsts & IOMMU_FSTS_PFO)
        return false;
    if (is_pending(u, i)) {
        u->fsts |= IOMMU_FSTS_PFO;
        return false;
    }
    if (!any_pending(u))
        u->fsts = (u->fsts & ~(UINT64_C(0xff) << IOMMU_FSTS_FRI_SHIFT)) | (u64)i << IOMMU_FSTS_FRI_SHIFT;
    u->frcd[2 * i] = f->reason >= IOMMU_FAULT_IR_REQUEST_RESERVED ? f->info << IOMMU_FRCD_IRI_SHIFT
                                                                  : f->info & IOMMU_FRCD_FI;
    u->frcd[2 * i + 1] =
        IOMMU_FRCD_F | (f->read ? IOMMU_FRCD_READ : 0) | (u64)f->reason << IOMMU_FRCD_FR_SHIFT | f->requester;
    u->frcd_next = (i + 1) % IOMMU_FRCDS;
    return true;
}

void iommu_record_fault(struct machine *m, const struct iommu_fault *f)
{
    bool pending = any_status(m), recorded = false;
    m->b.iommu_count.faults++;
    if (!f->quiet) {
        recorded = put_record(&m->b.iommu, f);
        fault_event(m, pending);
    }
    PROBE_DEVICE(m, RS_PROBE_iommu_fault, f->requester, f->reason, f->reason, f->info, !f->read, recorded);
    device_micro(m, MICRO_FAULT);
}

void iommu_queue_error(struct machine *m)
{
    bool pending = any_status(m);
    m->b.iommu.fsts |= IOMMU_FSTS_IQE;
    fault_event(m, pending);
}

void iommu_wait_complete(struct machine *m)
{
    struct iommu *u = &m->b.iommu;
    if (!(u->ics & IOMMU_ICS_IWC))
        u->iectl |= IOMMU_EVENT_IP;
    u->ics |= IOMMU_ICS_IWC;
    iommu_wake(m);
}

/* ---- messages ---- */

static bool may_go(u64 control)
{
    return (control & (IOMMU_EVENT_IP | IOMMU_EVENT_IM)) == IOMMU_EVENT_IP;
}

bool iommu_event_waits(const struct machine *m)
{
    return may_go(m->b.iommu.fectl) || may_go(m->b.iommu.iectl);
}

/* They are not remapped (5.1.6).  With EIM the upper address has bits 31:8 of an x2APIC ID. */
static void send(struct machine *m, u64 address, u64 upper, u64 data)
{
    struct message message = message_of(address, (u32)data);
    device_wait_for_bus(m);
    u64 arrival = m->devices.cycle + m->p.ipi_latency;
    if (m->b.iommu.interrupts & IOMMU_IRTA_EIME) {
        message.destination |= (u32)upper & ~0xffu;
        message.broadcast = UINT32_MAX;
    }
    if ((address & ~UINT64_C(0xfffff)) == MSI_ADDRESS)
        message_send(m, &message, arrival);
    PROBE_DEVICE(m, RS_PROBE_message, IOMMU_REQUESTER, upper << 32 | address, data, message.vector, arrival);
    device_micro(m, MICRO_EVENT);
}

void iommu_send_event(struct machine *m)
{
    struct iommu *u = &m->b.iommu;
    if (may_go(u->fectl)) {
        u->fectl &= ~(u64)IOMMU_EVENT_IP;
        send(m, u->feaddr, u->feuaddr, u->fedata);
    } else {
        u->iectl &= ~(u64)IOMMU_EVENT_IP;
        send(m, u->ieaddr, u->ieuaddr, u->iedata);
    }
}
