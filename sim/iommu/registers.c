/* registers.c - the IOMMU's registers (VT-d specification, 11.4 "Register Descriptions"). */
#include "cpu/cpu.h"
#include "dev/device.h"
#include "iommu/parts.h"

#define ONES     UINT64_C(0xffffffff)
#define POINTER  (PHYS_MASK & ~UINT64_C(0xfff))
#define FIELD(f) offsetof(struct iommu, f)

/* A register: where it is, in bytes; where state has it; which bits software may write, and which it clears
 * by writing ones. */
static const struct reg {
    u16 at, bytes;
    size_t field;
    u64 writable, clears;
} reg[] = {
    {IOMMU_GSTS, 4, FIELD(gsts), 0, 0},
    {IOMMU_RTADDR, 8, FIELD(rtaddr), POINTER, 0},
    {IOMMU_CCMD, 8, FIELD(ccmd), UINT64_C(0xe0000003ffffffff), 0},
    {IOMMU_FSTS, 4, FIELD(fsts), 0, IOMMU_FSTS_PFO | IOMMU_FSTS_IQE},
    {IOMMU_FECTL, 4, FIELD(fectl), IOMMU_EVENT_IM, 0},
    {IOMMU_FEDATA, 4, FIELD(fedata), 0xffff, 0},
    {IOMMU_FEADDR, 4, FIELD(feaddr), ONES & ~UINT64_C(3), 0},
    {IOMMU_FEUADDR, 4, FIELD(feuaddr), ONES, 0},
    {IOMMU_IQH, 8, FIELD(iqh), 0, 0},
    {IOMMU_IQT, 8, FIELD(iqt), IOMMU_IQ_OFFSET, 0},
    {IOMMU_IQA, 8, FIELD(iqa), POINTER | IOMMU_IQA_QS, 0},
    {IOMMU_ICS, 4, FIELD(ics), 0, IOMMU_ICS_IWC},
    {IOMMU_IECTL, 4, FIELD(iectl), IOMMU_EVENT_IM, 0},
    {IOMMU_IEDATA, 4, FIELD(iedata), 0xffff, 0},
    {IOMMU_IEADDR, 4, FIELD(ieaddr), ONES & ~UINT64_C(3), 0},
    {IOMMU_IEUADDR, 4, FIELD(ieuaddr), ONES, 0},
    {IOMMU_IRTA, 8, FIELD(irta), POINTER | IOMMU_IRTA_EIME | IOMMU_IRTA_S, 0},
    {IOMMU_IVA, 8, FIELD(iva), IOMMU_IVA_ADDR | IOMMU_IVA_IH | IOMMU_IVA_AM, 0},
    {IOMMU_IOTLB, 8, FIELD(iotlb), UINT64_C(0xb003ffff00000000), 0},
};

/* A fault record: of its four words only F can be changed. */
static struct reg record_at(u64 at)
{
    bool upper = at & 8;
    return (struct reg){(u16)(at & ~UINT64_C(7)), 8, FIELD(frcd) + (size_t)(at - IOMMU_FRCD(0)) / 8 * 8, 0,
                        upper ? IOMMU_FRCD_F : 0};
}

/* The register that has that word; no bytes: there is none. */
static struct reg find(u64 at)
{
    for (size_t i = 0; i < sizeof reg / sizeof *reg; i++)
        if (at - reg[i].at < reg[i].bytes)
            return reg[i];
    if (at - IOMMU_FRCD(0) < 16 * IOMMU_FRCDS)
        return record_at(at);
    return (struct reg){0};
}

static u64 *value_of(struct machine *m, const struct reg *r)
{
    return (u64 *)(void *)((u8 *)&m->b.iommu + r->field);
}

/* ---- reading ---- */

static u64 read_whole(const struct machine *m, u64 at, u64 *first)
{
    *first = at & ~UINT64_C(7);
    if (*first == IOMMU_CAP)
        return IOMMU_CAP_VALUE;
    if (*first == IOMMU_ECAP)
        return IOMMU_ECAP_VALUE;
    *first = at;
    if (at == IOMMU_VER)
        return IOMMU_VERSION;
    if (at == IOMMU_FSTS)
        return iommu_fault_status(m);
    struct reg r = find(at);
    *first = r.bytes ? r.at : at;
    return r.bytes ? *value_of((struct machine *)m, &r) : 0;
}

static u64 read_word(const struct machine *m, u64 at)
{
    u64 first, value = read_whole(m, at, &first);
    return value >> 8 * (at - first) & ONES;
}

static bool is_access(u64 offset, unsigned n)
{
    return (n == 4 || n == 8) && offset % n == 0;
}

u64 iommu_read(const struct machine *m, u64 offset, unsigned n)
{
    if (!is_access(offset, n))
        return 0;
    return read_word(m, offset) | (n == 8 ? read_word(m, offset + 4) << 32 : 0);
}

/* ---- writing ---- */

/* 11.4.4 "Global Command Register": pointers are taken over at once; the rest of the bits says what is on. */
static void command(struct machine *m, u64 value)
{
    struct iommu *u = &m->b.iommu;
    const u64 on = IOMMU_TE | IOMMU_QIE | IOMMU_IRE | IOMMU_CFI;
    u->gsts = (u->gsts & ~on) | (value & on);
    if (value & IOMMU_SRTP) {
        u->root = u->rtaddr;
        u->gsts |= IOMMU_SRTP;
    }
    if (value & IOMMU_SIRTP) {
        u->interrupts = u->irta;
        u->gsts |= IOMMU_SIRTP;
    }
    if (!(u->gsts & IOMMU_QIE))
        u->iqh = 0;
}

/* Commands under way stand until they are done. */
static bool is_busy(const struct iommu *u, const struct reg *r)
{
    return (r->at == IOMMU_CCMD && u->ccmd & IOMMU_CCMD_ICC) ||
           ((r->at == IOMMU_IOTLB || r->at == IOMMU_IVA) && u->iotlb & IOMMU_IOTLB_IVT);
}

static void write_word(struct machine *m, u64 at, u64 value)
{
    struct reg r = find(at);
    unsigned shift = 8 * (unsigned)(at - r.at);
    if (at == IOMMU_GCMD)
        command(m, value);
    if (r.bytes && !is_busy(&m->b.iommu, &r)) {
        u64 *to = value_of(m, &r), bits = ONES << shift;
        value <<= shift;
        *to = (*to & ~(bits & r.writable)) | (value & bits & r.writable);
        *to &= ~(value & bits & r.clears);
    }
    iommu_status_written(m);
}

/* A register of 8 bytes acts on its upper half, which comes last. */
void iommu_write(struct machine *m, u64 offset, unsigned n, u64 value)
{
    if (!iommu_present(m) || !is_access(offset, n))
        return;
    write_word(m, offset, value & ONES);
    if (n == 8)
        write_word(m, offset + 4, value >> 32);
}

/* ---- its life ---- */

bool iommu_present(const struct machine *m)
{
    return m->b.firmware & RS_FW_VTD;
}

bool iommu_answers(const struct machine *m, u64 hpa)
{
    return hpa - IOMMU_BASE < IOMMU_BYTES && iommu_present(m);
}

void iommu_reset(struct machine *m)
{
    m->b.iommu = (struct iommu){.fectl = IOMMU_EVENT_IM, .iectl = IOMMU_EVENT_IM};
    m->b.iommu_cache = (struct iommu_caches){0};
    m->iommu_walk.valid = false;
    device_cancel(m, DEVICE_IOMMU);
}

void iommu_wake(struct machine *m)
{
    if (iommu_event_waits(m) || iommu_invalidation_waits(m))
        device_schedule(m, DEVICE_IOMMU, 0);
}

void iommu_run(struct machine *m)
{
    if (iommu_event_waits(m))
        iommu_send_event(m);
    else if (iommu_invalidation_waits(m))
        iommu_invalidate(m);
    iommu_wake(m);
}
