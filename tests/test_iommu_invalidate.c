/* test_iommu_invalidate.c - what the IOMMU keeps, and what commands and descriptors drop of it (VT-d
 * specification, 6 "Caching Translation Information"; docs/machine.md, D7 and D9). */
#include "arch/apic.h"
#include "arch/board.h"
#include "cpu/cpu.h"
#include "dev/device.h"
#include "dev/dma.h"
#include "lib/remap.h"
#include "lib/suite.h"
#include "mmu/cache.h"
#include "mmu/mem.h"

#include <check.h>

#define MEM    170 /* mem_latency */
#define BUSY   10  /* mem_busy */
#define VECTOR 0x41
#define RW     (IOMMU_SL_R | IOMMU_SL_W)

static struct remap_machine r;

static void set_up(void)
{
    remap_open(&r);
}

static void tear_down(void)
{
    remap_close(&r);
}

static u64 reg(unsigned at)
{
    return remap_reg(&r, at, 4);
}

static void set(u64 hpa, u64 value)
{
    bare_set_u64(&r.b, hpa, value);
}

static bool reads(u64 address)
{
    return remap_reads(&r, address);
}

static bool writes(u64 address)
{
    return remap_writes(&r, address);
}

/* ---- caches ---- */

/* How many references an access makes. */
static unsigned refs(u64 address, bool write)
{
    (void)(write ? writes(address) : reads(address));
    return rs_last_iommu_walk(r.m)->ref_count;
}

START_TEST(what_is_kept_is_not_read)
{
    set(remap_entry(1) + 8, (REMAP_PAGE + 0x1000) | RW);
    ck_assert_uint_eq(refs(REMAP_ADDRESS, false), 6);
    ck_assert_uint_eq(refs(REMAP_ADDRESS, true), 0);           /* IOTLB */
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x1000, false), 1); /* a paging-structure cache */
    const struct rs_walk *w = rs_last_iommu_walk(r.m);
    ck_assert_uint_eq(w->skip_count, 5);
    ck_assert(w->skip[1].by == RS_BY_CONTEXT_CACHE && w->skip[2].by == RS_BY_PWC && w->skip[4].row == 5);
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x200000, false), 1);
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x40000000, false), 1);
    r.m->p.iommu_pwc = 0;
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x2000, false), 4); /* the context cache alone */
    r.m->p.context_cache = r.m->p.iotlb = 0;
    ck_assert_uint_eq(refs(REMAP_ADDRESS, false), 6);
}
END_TEST

START_TEST(the_oldest_goes)
{
    r.m->p.iotlb_entries = r.m->p.iotlb_ways = 2;
    for (unsigned page = 1; page < 3; page++)
        set(remap_entry(1) + 8 * page, (REMAP_PAGE + 0x1000 * page) | RW);
    reads(REMAP_ADDRESS);
    reads(REMAP_ADDRESS + 0x1000);
    reads(REMAP_ADDRESS);
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x2000, false), 1); /* in the place of the second */
    ck_assert_uint_eq(refs(REMAP_ADDRESS, false), 0);
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x1000, false), 1);
}
END_TEST

START_TEST(what_is_stale_stays)
{
    reads(REMAP_ADDRESS);
    set(remap_entry(1), (REMAP_PAGE + 0x1000) | RW);
    set(remap_entry(4), 0);
    ck_assert(reads(REMAP_ADDRESS));
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->hpa, REMAP_PAGE);
    set(remap_context_entry(), 0);
    ck_assert(reads(REMAP_ADDRESS));
}
END_TEST

START_TEST(a_kept_right_that_is_missing_refuses)
{
    set(remap_entry(1), REMAP_PAGE | IOMMU_SL_R);
    reads(REMAP_ADDRESS);
    set(remap_entry(1), REMAP_PAGE | RW);
    ck_assert(!writes(REMAP_ADDRESS));
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, IOMMU_FAULT_WRITE);
}
END_TEST

START_TEST(what_is_not_present_is_not_kept)
{
    set(remap_entry(1), 0);
    ck_assert(!reads(REMAP_ADDRESS));
    set(remap_entry(1), REMAP_PAGE | RW);
    ck_assert(reads(REMAP_ADDRESS));
    set(remap_context_entry() + 16 * 8, 0);
}
END_TEST

START_TEST(domains_are_kept_apart)
{
    reads(REMAP_ADDRESS);
    set(remap_context_entry() + 8, IOMMU_CONTEXT_AW_48 | (REMAP_DOMAIN + 1) << IOMMU_CONTEXT_DID_SHIFT);
    remap_set_reg(&r, IOMMU_CCMD, 8, IOMMU_CCMD_ICC | (u64)IOMMU_GLOBAL << IOMMU_CCMD_CIRG_SHIFT);
    remap_settle(&r);
    ck_assert_uint_eq(refs(REMAP_ADDRESS, false), 6); /* nothing of the other domain's */
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->domain, REMAP_DOMAIN + 1);
}
END_TEST

/* ---- invalidation by registers ---- */

static u64 context_command(u64 granularity, u64 domain, u64 source, u64 function_mask)
{
    remap_set_reg(&r, IOMMU_CCMD, 8,
                  IOMMU_CCMD_ICC | granularity << IOMMU_CCMD_CIRG_SHIFT |
                      function_mask << IOMMU_CCMD_FM_SHIFT | source << IOMMU_CCMD_SID_SHIFT | domain);
    ck_assert(remap_reg(&r, IOMMU_CCMD, 8) & IOMMU_CCMD_ICC);
    remap_settle(&r);
    ck_assert(!(remap_reg(&r, IOMMU_CCMD, 8) & IOMMU_CCMD_ICC));
    return remap_reg(&r, IOMMU_CCMD, 8) >> IOMMU_CCMD_CAIG_SHIFT & 3;
}

static u64 iotlb_command(u64 granularity, u64 domain, u64 address)
{
    remap_set_reg(&r, IOMMU_IVA, 8, address);
    remap_set_reg(&r, IOMMU_IOTLB, 8,
                  IOMMU_IOTLB_IVT | granularity << IOMMU_IOTLB_IIRG_SHIFT | domain << IOMMU_IOTLB_DID_SHIFT);
    remap_settle(&r);
    ck_assert(!(remap_reg(&r, IOMMU_IOTLB, 8) & IOMMU_IOTLB_IVT));
    return remap_reg(&r, IOMMU_IOTLB, 8) >> IOMMU_IOTLB_IAIG_SHIFT & 3;
}

/* References that an access makes once everything has been kept, and the command has been given. */
static unsigned after_context(u64 granularity, u64 domain, u64 source, u64 function_mask)
{
    reads(REMAP_ADDRESS);
    ck_assert_uint_eq(context_command(granularity, domain, source, function_mask), granularity);
    return refs(REMAP_ADDRESS, false);
}

START_TEST(context_entries_go_as_the_command_says)
{
    ck_assert_uint_eq(after_context(IOMMU_GLOBAL, 0, 0, 0), 2);
    ck_assert_uint_eq(after_context(IOMMU_DOMAIN, REMAP_DOMAIN, 0, 0), 2);
    ck_assert_uint_eq(after_context(IOMMU_DOMAIN, REMAP_DOMAIN + 1, 0, 0), 0);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN, REMAP_SID, 0), 2);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN + 1, REMAP_SID, 0), 0);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN, REMAP_SID + 4, 0), 0);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN, REMAP_SID + 4, 1), 2);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN, REMAP_SID + 2, 1), 0);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN, REMAP_SID + 6, 2), 2);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN, REMAP_SID + 7, 3), 2);
    ck_assert_uint_eq(after_context(IOMMU_DEVICE, REMAP_DOMAIN, REMAP_SID + 8, 3), 0);
    ck_assert_uint_eq(context_command(0, 0, 0, 0), 0); /* reserved: ignored */
}
END_TEST

START_TEST(a_command_under_way_stands)
{
    u64 first = IOMMU_CCMD_ICC | (u64)IOMMU_DOMAIN << IOMMU_CCMD_CIRG_SHIFT | REMAP_DOMAIN;
    u64 page = IOMMU_IOTLB_IVT | (u64)IOMMU_PAGE << IOMMU_IOTLB_IIRG_SHIFT;
    remap_set_reg(&r, IOMMU_CCMD, 8, first);
    remap_set_reg(&r, IOMMU_CCMD, 8, 0);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_CCMD, 8), first);
    remap_set_reg(&r, IOMMU_IVA, 8, REMAP_ADDRESS);
    remap_set_reg(&r, IOMMU_IOTLB, 8, page);
    remap_set_reg(&r, IOMMU_IVA, 8, 0);
    remap_set_reg(&r, IOMMU_IOTLB, 8, 0);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IVA, 8), REMAP_ADDRESS);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IOTLB, 8), page);
}
END_TEST

static unsigned after_iotlb(u64 granularity, u64 domain, u64 address)
{
    reads(REMAP_ADDRESS);
    ck_assert_uint_eq(iotlb_command(granularity, domain, address), granularity);
    return refs(REMAP_ADDRESS, false);
}

START_TEST(translations_go_as_the_command_says)
{
    ck_assert_uint_eq(after_iotlb(IOMMU_GLOBAL, 0, 0), 4);
    ck_assert_uint_eq(after_iotlb(IOMMU_DOMAIN, REMAP_DOMAIN, 0), 4);
    ck_assert_uint_eq(after_iotlb(IOMMU_DOMAIN, REMAP_DOMAIN + 1, 0), 0);
    ck_assert_uint_eq(after_iotlb(IOMMU_PAGE, REMAP_DOMAIN, REMAP_ADDRESS), 4);
    ck_assert_uint_eq(after_iotlb(IOMMU_PAGE, REMAP_DOMAIN, REMAP_ADDRESS | IOMMU_IVA_IH), 1);
    ck_assert_uint_eq(after_iotlb(IOMMU_PAGE, REMAP_DOMAIN + 1, REMAP_ADDRESS), 0);
    ck_assert_uint_eq(after_iotlb(IOMMU_PAGE, REMAP_DOMAIN, (REMAP_ADDRESS ^ 0x1000) | IOMMU_IVA_IH), 0);
    ck_assert_uint_eq(after_iotlb(IOMMU_PAGE, REMAP_DOMAIN, (REMAP_ADDRESS ^ 0x1000) | IOMMU_IVA_IH | 1), 1);
    ck_assert_uint_eq(after_iotlb(IOMMU_PAGE, REMAP_DOMAIN, (REMAP_ADDRESS ^ 0x8000) | IOMMU_IVA_IH | 3), 0);
    ck_assert_uint_eq(after_iotlb(IOMMU_PAGE, REMAP_DOMAIN, (REMAP_ADDRESS ^ 0x8000) | IOMMU_IVA_IH | 4), 1);
    ck_assert_uint_eq(iotlb_command(IOMMU_PAGE, REMAP_DOMAIN, REMAP_ADDRESS | 19), 0); /* beyond MAMV */
    ck_assert_uint_eq(iotlb_command(0, REMAP_DOMAIN, REMAP_ADDRESS), 0);
}
END_TEST

START_TEST(a_large_page_goes_by_any_of_its_addresses)
{
    set(remap_entry(2), 0x1400000 | RW | IOMMU_SL_PS);
    reads(REMAP_ADDRESS);
    ck_assert_uint_eq(refs(REMAP_ADDRESS ^ 0x55000, false), 0);
    iotlb_command(IOMMU_PAGE, REMAP_DOMAIN, (REMAP_ADDRESS ^ 0x33000) | IOMMU_IVA_IH);
    ck_assert_uint_eq(refs(REMAP_ADDRESS, false), 1);
}
END_TEST

/* ---- the queue ---- */

static void queue_on(void)
{
    remap_set_reg(&r, IOMMU_IQA, 8, REMAP_QUEUE);
    remap_set_reg(&r, IOMMU_IQT, 8, 0);
    remap_set_reg(&r, IOMMU_GCMD, 4, IOMMU_TE | IOMMU_QIE);
    ck_assert_uint_eq(reg(IOMMU_GSTS), IOMMU_TE | IOMMU_SRTP | IOMMU_QIE);
}

/* Puts a descriptor in and has it done. */
static void queue(u64 low, u64 high)
{
    u64 tail = remap_reg(&r, IOMMU_IQT, 8);
    set(REMAP_QUEUE + tail, low);
    set(REMAP_QUEUE + tail + 8, high);
    remap_set_reg(&r, IOMMU_IQT, 8, (tail + 16) % 4096);
    remap_settle(&r);
}

#define DID(d) ((u64)(d) << IOMMU_INV_DID_SHIFT)
#define G(g)   ((u64)(g) << IOMMU_INV_G_SHIFT)

static unsigned after_descriptor(u64 low, u64 high)
{
    reads(REMAP_ADDRESS);
    queue(low, high);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), remap_reg(&r, IOMMU_IQT, 8));
    ck_assert_uint_eq(reg(IOMMU_FSTS), 0);
    return refs(REMAP_ADDRESS, false);
}

START_TEST(descriptors_invalidate)
{
    u64 source = (u64)REMAP_SID << IOMMU_INV_SID_SHIFT;
    queue_on();
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL), 0), 2);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_CONTEXT | G(IOMMU_DOMAIN) | DID(REMAP_DOMAIN), 0), 2);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_CONTEXT | G(IOMMU_DEVICE) | DID(REMAP_DOMAIN) | source, 0),
                      2);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_CONTEXT | G(IOMMU_DEVICE) | DID(REMAP_DOMAIN) |
                                           (source ^ UINT64_C(1) << 32),
                                       0),
                      0);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_CONTEXT | G(IOMMU_DEVICE) | DID(REMAP_DOMAIN) |
                                           (source ^ UINT64_C(1) << 32) | UINT64_C(3) << IOMMU_INV_FM_SHIFT,
                                       0),
                      2);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_IOTLB | G(IOMMU_GLOBAL), 0), 4);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_IOTLB | G(IOMMU_DOMAIN) | DID(REMAP_DOMAIN), 0), 4);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_IOTLB | G(IOMMU_DOMAIN) | DID(REMAP_DOMAIN + 1) | 0xc0, 0),
                      0);
    ck_assert_uint_eq(after_descriptor(IOMMU_INV_IOTLB | G(IOMMU_PAGE) | DID(REMAP_DOMAIN), REMAP_ADDRESS),
                      4);
    ck_assert_uint_eq(
        after_descriptor(IOMMU_INV_IOTLB | G(IOMMU_PAGE) | DID(REMAP_DOMAIN), REMAP_ADDRESS | IOMMU_IVA_IH),
        1);
}
END_TEST

START_TEST(a_wait_writes_its_status_and_interrupts)
{
    u64 data = UINT64_C(0x12345678) << IOMMU_INV_WAIT_DATA_SHIFT;
    apic_write(r.c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    remap_set_reg(&r, IOMMU_IEDATA, 4, VECTOR);
    remap_set_reg(&r, IOMMU_IEADDR, 4, MSI_ADDRESS);
    remap_set_reg(&r, IOMMU_IECTL, 4, 0);
    queue_on();
    set(REMAP_STATUS, UINT64_MAX);
    enum rs_hit from;
    cache_read(r.c, REMAP_STATUS, &from);
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_SW | data, REMAP_STATUS + 4);
    ck_assert_uint_eq(bare_u64(&r.b, REMAP_STATUS), UINT64_C(0x12345678ffffffff));
    ck_assert(!cache_has(r.c, CACHE_L1D, REMAP_STATUS >> LINE_SHIFT));
    ck_assert_int_eq(remap_pending(&r), -1);
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_IF | IOMMU_INV_WAIT_FN, 0);
    ck_assert_uint_eq(reg(IOMMU_ICS), IOMMU_ICS_IWC);
    ck_assert_int_eq(remap_pending(&r), VECTOR);
    apic_acknowledge(r.c);
    apic_write(r.c, APIC_EOI, 0);
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_IF, 0); /* IWC is set still: no new interrupt */
    ck_assert_int_eq(remap_pending(&r), -1);
    remap_set_reg(&r, IOMMU_ICS, 4, IOMMU_ICS_IWC);
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_IF, 0);
    ck_assert_int_eq(remap_pending(&r), VECTOR);
}
END_TEST

START_TEST(a_masked_event_is_forgotten_with_its_cause)
{
    apic_write(r.c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    remap_set_reg(&r, IOMMU_IEDATA, 4, VECTOR);
    remap_set_reg(&r, IOMMU_IEADDR, 4, MSI_ADDRESS);
    queue_on();
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_IF, 0);
    ck_assert_uint_eq(reg(IOMMU_IECTL), IOMMU_EVENT_IM | IOMMU_EVENT_IP);
    remap_set_reg(&r, IOMMU_ICS, 4, IOMMU_ICS_IWC);
    ck_assert_uint_eq(reg(IOMMU_IECTL), IOMMU_EVENT_IM);
    remap_set_reg(&r, IOMMU_IECTL, 4, 0);
    ck_assert_int_eq(remap_pending(&r), -1);
}
END_TEST

static const struct {
    u64 low, high;
} illegal[] = {
    {0, 0},
    {3, 0}, /* device TLBs are not there */
    {6, 0},
    {IOMMU_INV_CONTEXT, 0}, /* granularity 0 */
    {IOMMU_INV_CONTEXT | G(1) | 1 << 6, 0},
    {IOMMU_INV_CONTEXT | G(1) | UINT64_C(1) << 50, 0},
    {IOMMU_INV_CONTEXT | G(1), 1},
    {IOMMU_INV_IOTLB, 0},
    {IOMMU_INV_IOTLB | G(1) | 1 << 8, 0},
    {IOMMU_INV_IOTLB | G(1) | UINT64_C(1) << 32, 0},
    {IOMMU_INV_IOTLB | G(1), 0x80},
    {IOMMU_INV_IOTLB | G(3) | DID(1), 19}, /* beyond MAMV */
    {IOMMU_INV_IEC | 1 << 5, 0},
    {IOMMU_INV_IEC, 1},
    {IOMMU_INV_IEC | 1 << 4 | UINT64_C(16) << IOMMU_INV_IEC_IM_SHIFT, 0}, /* beyond MHMV */
    {IOMMU_INV_WAIT | 1 << 8, 0},
    {IOMMU_INV_WAIT | 1 << 5, 2},
};

START_TEST(the_queue_stops_at_what_is_illegal)
{
    remap_fault_events_to(&r, VECTOR);
    remap_set_reg(&r, IOMMU_FECTL, 4, 0);
    queue_on();
    queue(IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL), 0);
    queue(illegal[_i].low, illegal[_i].high);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 16);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_IQE);
    ck_assert_int_eq(remap_pending(&r), VECTOR);
    queue(IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL), 0);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 16);
    set(REMAP_QUEUE + 16, IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL)); /* mended */
    set(REMAP_QUEUE + 24, 0);
    remap_set_reg(&r, IOMMU_IQT, 8, 48);
    remap_settle(&r);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 16); /* it waits until it is told */
    remap_set_reg(&r, IOMMU_FSTS, 4, IOMMU_FSTS_IQE);
    remap_settle(&r);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 48);
    remap_set_reg(&r, IOMMU_GCMD, 4, IOMMU_TE);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 0);
}
END_TEST

START_TEST(a_tail_or_a_queue_that_is_not_there)
{
    queue_on();
    for (unsigned i = 0; i < 256; i++)
        set(REMAP_QUEUE + 16 * i, IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL));
    remap_set_reg(&r, IOMMU_IQT, 8, 4096);
    remap_settle(&r);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_IQE);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 0);
    remap_set_reg(&r, IOMMU_IQT, 8, 16);
    remap_set_reg(&r, IOMMU_IQA, 8, UINT64_C(0xff00000000));
    remap_set_reg(&r, IOMMU_FSTS, 4, IOMMU_FSTS_IQE);
    ck_assert_uint_eq(reg(IOMMU_FSTS), 0);
    remap_settle(&r);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_IQE);
}
END_TEST

START_TEST(the_queue_goes_round)
{
    queue_on();
    for (unsigned i = 0; i < 300; i++)
        queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_SW | (u64)i << IOMMU_INV_WAIT_DATA_SHIFT, REMAP_STATUS);
    ck_assert_uint_eq(bare_u64(&r.b, REMAP_STATUS), 299);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 44 * 16);
}
END_TEST

/* ---- time (D9) ---- */

START_TEST(an_invalidation_takes_its_time)
{
    queue_on();
    set(REMAP_QUEUE, IOMMU_INV_WAIT | IOMMU_INV_WAIT_SW);
    set(REMAP_QUEUE + 8, REMAP_STATUS);
    set(REMAP_QUEUE + 16, IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL));
    set(REMAP_QUEUE + 24, 0);
    remap_set_reg(&r, IOMMU_IQT, 8, 32);
    u64 start = device_due(r.m, DEVICE_IOMMU);
    devices_atom(r.m);
    ck_assert_uint_eq(device_due(r.m, DEVICE_IOMMU) - start, MEM + BUSY + 50);
    devices_atom(r.m);
    ck_assert_uint_eq(r.m->devices.cycle - start, MEM + BUSY + 50 + MEM + 50);
    ck_assert_uint_eq(device_due(r.m, DEVICE_IOMMU), UINT64_MAX);
}
END_TEST

static TCase *case_of(Suite *suite, const char *name)
{
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, set_up, tear_down);
    suite_add_tcase(suite, t);
    return t;
}

static void add_caches(TCase *t)
{
    tcase_add_test(t, what_is_kept_is_not_read);
    tcase_add_test(t, the_oldest_goes);
    tcase_add_test(t, what_is_stale_stays);
    tcase_add_test(t, a_kept_right_that_is_missing_refuses);
    tcase_add_test(t, what_is_not_present_is_not_kept);
    tcase_add_test(t, domains_are_kept_apart);
    tcase_add_test(t, context_entries_go_as_the_command_says);
    tcase_add_test(t, a_command_under_way_stands);
    tcase_add_test(t, translations_go_as_the_command_says);
    tcase_add_test(t, a_large_page_goes_by_any_of_its_addresses);
}

static void add_queue(TCase *t)
{
    tcase_add_test(t, descriptors_invalidate);
    tcase_add_test(t, a_wait_writes_its_status_and_interrupts);
    tcase_add_test(t, a_masked_event_is_forgotten_with_its_cause);
    tcase_add_loop_test(t, the_queue_stops_at_what_is_illegal, 0, sizeof illegal / sizeof *illegal);
    tcase_add_test(t, a_tail_or_a_queue_that_is_not_there);
    tcase_add_test(t, the_queue_goes_round);
    tcase_add_test(t, an_invalidation_takes_its_time);
}

int main(void)
{
    Suite *suite = suite_create("iommu, invalidation");
    add_caches(case_of(suite, "caches"));
    add_queue(case_of(suite, "queue"));
    return suite_run(suite);
}
