/* test_iommu.c - the IOMMU's registers, DMA remapping, faults, caches and invalidation (VT-d specification;
 * docs/machine.md, D6 to D9). */
#include "arch/apic.h"
#include "arch/board.h"
#include "cpu/cpu.h"
#include "dev/device.h"
#include "dev/dma.h"
#include "lib/remap.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>

#define MEM    170 /* mem_latency */
#define BUSY   10  /* mem_busy */
#define HIT    2   /* iommu_latency */
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
    u8 bytes[8];
    return dma_read(r.edu, address, bytes, 8);
}

static bool writes(u64 address)
{
    u8 bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    return dma_write(r.edu, address, bytes, 8);
}

/* ---- registers ---- */

START_TEST(registers_have_their_reset_values)
{
    ck_assert_uint_eq(reg(IOMMU_VER), 0x10);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_CAP, 8), UINT64_C(0x08d2038c202f0606));
    ck_assert_uint_eq(remap_reg(&r, IOMMU_ECAP, 8), UINT64_C(0xf0105b));
    ck_assert_uint_eq(reg(IOMMU_CAP + 4), 0x08d2038c);
    ck_assert_uint_eq(reg(IOMMU_FECTL), 0x80000000);
    ck_assert_uint_eq(reg(IOMMU_IECTL), 0x80000000);
    ck_assert_uint_eq(reg(IOMMU_FSTS), 0);
    ck_assert_uint_eq(reg(IOMMU_GSTS), IOMMU_TE | IOMMU_SRTP);
    ck_assert_uint_eq(reg(IOMMU_GCMD), 0);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_RTADDR, 8), REMAP_ROOT);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_VER, 2), 0); /* no such access */
}
END_TEST

START_TEST(registers_take_what_they_have)
{
    remap_set_reg(&r, IOMMU_CAP, 8, 0);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_CAP, 8), IOMMU_CAP_VALUE);
    remap_set_reg(&r, IOMMU_RTADDR, 8, UINT64_MAX);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_RTADDR, 8), UINT64_C(0xfffffff000));
    remap_set_reg(&r, IOMMU_RTADDR + 4, 4, 1);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_RTADDR, 8), UINT64_C(0x1fffff000));
    remap_set_reg(&r, IOMMU_IQA, 8, UINT64_MAX);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQA, 8), UINT64_C(0xfffffff007));
    remap_set_reg(&r, IOMMU_IQT, 8, UINT64_MAX);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQT, 8), 0x7fff0);
    remap_set_reg(&r, IOMMU_IRTA, 8, UINT64_MAX);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IRTA, 8), UINT64_C(0xfffffff80f));
    remap_set_reg(&r, IOMMU_FEADDR, 8, UINT64_MAX);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FEADDR, 8), UINT64_C(0xfffffffffffffffc));
    remap_set_reg(&r, IOMMU_FECTL, 4, 0);
    ck_assert_uint_eq(reg(IOMMU_FECTL), 0);
    remap_set_reg(&r, IOMMU_FSTS, 4, UINT32_MAX);
    ck_assert_uint_eq(reg(IOMMU_FSTS), 0);
}
END_TEST

START_TEST(without_the_firmware_setting_nobody_answers)
{
    r.m->b.firmware &= ~(u64)RS_FW_VTD;
    ck_assert_uint_eq(reg(IOMMU_VER), 0xffffffff);
}
END_TEST

START_TEST(a_root_table_counts_from_its_command_on)
{
    remap_set_reg(&r, IOMMU_RTADDR, 8, 0x1100000); /* where nothing is present */
    ck_assert(reads(REMAP_ADDRESS));
    r.m->b.iommu_cache = (struct iommu_caches){0};
    ck_assert(reads(REMAP_ADDRESS));
    remap_set_reg(&r, IOMMU_GCMD, 4, IOMMU_TE | IOMMU_SRTP);
    ck_assert(reads(REMAP_ADDRESS)); /* caches stand */
    r.m->b.iommu_cache = (struct iommu_caches){0};
    ck_assert(!reads(REMAP_ADDRESS));
    remap_set_reg(&r, IOMMU_GCMD, 4, 0);
    ck_assert_uint_eq(reg(IOMMU_GSTS), IOMMU_SRTP);
    ck_assert(reads(REMAP_ADDRESS));
}
END_TEST

/* ---- where accesses lead ---- */

START_TEST(pages_of_each_size)
{
    u8 byte = 0;
    set(REMAP_PAGE + 0x123, 0x77);
    ck_assert(dma_read(r.edu, REMAP_ADDRESS + 0x123, &byte, 1) && byte == 0x77);
    for (unsigned level = 2; level <= 3; level++) {
        u64 bytes = UINT64_C(1) << (12 + 9 * (level - 1)), page = level == 2 ? 0x1400000 : 0;
        u64 inside = REMAP_ADDRESS & (bytes - 1) & 0x1ffffff;
        r.m->b.iommu_cache = (struct iommu_caches){0};
        set(remap_entry(level), page | RW | IOMMU_SL_PS);
        set(page + inside + 0x40, level);
        ck_assert(dma_read(r.edu, (REMAP_ADDRESS & ~(bytes - 1)) + inside + 0x40, &byte, 1));
        ck_assert_uint_eq(byte, level);
        ck_assert_uint_eq(rs_last_iommu_walk(r.m)->page_bytes, bytes);
    }
}
END_TEST

START_TEST(three_levels)
{
    u64 address = REMAP_ADDRESS & ((UINT64_C(1) << 39) - 1);
    set(remap_context_entry(), REMAP_L3 | IOMMU_ENTRY_P);
    set(remap_context_entry() + 8, IOMMU_CONTEXT_AW_39 | REMAP_DOMAIN << IOMMU_CONTEXT_DID_SHIFT);
    ck_assert(reads(address));
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->ref_count, 5);
    ck_assert(!reads(address + (UINT64_C(1) << 39)));
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, IOMMU_FAULT_BEYOND_WIDTH);
}
END_TEST

START_TEST(passing_through)
{
    set(remap_context_entry(), IOMMU_ENTRY_P | IOMMU_CONTEXT_PASS);
    ck_assert(writes(REMAP_PAGE));
    ck_assert_uint_eq(bare_u64(&r.b, REMAP_PAGE), UINT64_C(0x0807060504030201));
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->hpa, REMAP_PAGE);
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->ref_count, 2);
}
END_TEST

START_TEST(a_transfer_is_translated_page_by_page)
{
    u8 bytes[16] = {0};
    set(REMAP_PAGE + 0xff8, UINT64_C(0x1111111111111111));
    ck_assert(!dma_read(r.edu, REMAP_ADDRESS + 0xff8, bytes, 16)); /* the second page is not mapped */
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(bytes[i], i < 8 ? 0x11 : 0xff);
    set(remap_entry(1) + 8, (REMAP_PAGE + 0x10000) | RW);
    set(REMAP_PAGE + 0x10000, UINT64_C(0x2222222222222222));
    ck_assert(dma_read(r.edu, REMAP_ADDRESS + 0xff8, bytes, 16));
    ck_assert_uint_eq(bytes[15], 0x22);
}
END_TEST

/* A right counts if each level grants it. */
START_TEST(rights_at_each_level)
{
    for (unsigned level = 1; level <= 4; level++)
        for (unsigned rights = 0; rights < 4; rights++) {
            u64 entry = bare_u64(&r.b, remap_entry(level));
            r.m->b.iommu_cache = (struct iommu_caches){0};
            set(remap_entry(level), (entry & ~RW) | rights);
            ck_assert_int_eq(reads(REMAP_ADDRESS), (rights & IOMMU_SL_R) != 0);
            ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, rights & IOMMU_SL_R ? 0 : IOMMU_FAULT_READ);
            ck_assert_int_eq(writes(REMAP_ADDRESS), (rights & IOMMU_SL_W) != 0);
            ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, rights & IOMMU_SL_W ? 0 : IOMMU_FAULT_WRITE);
            set(remap_entry(level), entry);
        }
}
END_TEST

START_TEST(messages_are_not_translated)
{
    apic_write(r.c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    u8 data[8] = {VECTOR};
    ck_assert(dma_write(r.edu, MSI_ADDRESS, data, 8)); /* no double word */
    remap_settle(&r);
    ck_assert_int_eq(apic_pending_vector(r.c), -1);
    ck_assert(dma_write(r.edu, MSI_ADDRESS, data, 4));
    remap_settle(&r);
    cpu_between_instructions(r.c);
    ck_assert_int_eq(apic_pending_vector(r.c), VECTOR);
    ck_assert(dma_read(r.edu, MSI_ADDRESS, data, 4) && data[0] == 0xff);
    ck_assert_uint_eq(reg(IOMMU_FSTS), 0);
}
END_TEST

/* ---- faults ---- */

static const struct broken {
    u32 reason;
    u64 at, value;
    u64 address; /* 0: REMAP_ADDRESS */
    bool write;
} broken[] = {
    {IOMMU_FAULT_ROOT_NOT_PRESENT, REMAP_ROOT, REMAP_CONTEXT, 0, false},
    {IOMMU_FAULT_ROOT_RESERVED, REMAP_ROOT, REMAP_CONTEXT | 3, 0, false},
    {IOMMU_FAULT_ROOT_RESERVED, REMAP_ROOT, UINT64_C(1) << 40 | 1, 0, false},
    {IOMMU_FAULT_ROOT_RESERVED, REMAP_ROOT + 8, 1, 0, false},
    {IOMMU_FAULT_CONTEXT_ACCESS, REMAP_ROOT, UINT64_C(0xffff000001), 0, false},
    {IOMMU_FAULT_CONTEXT_NOT_PRESENT, REMAP_CONTEXT + 16 * REMAP_SID, REMAP_L4, 0, false},
    {IOMMU_FAULT_CONTEXT_RESERVED, REMAP_CONTEXT + 16 * REMAP_SID, REMAP_L4 | 0x11, 0, false},
    {IOMMU_FAULT_CONTEXT_RESERVED, REMAP_CONTEXT + 16 * REMAP_SID, UINT64_C(1) << 40 | 1, 0, false},
    {IOMMU_FAULT_CONTEXT_RESERVED, REMAP_CONTEXT + 16 * REMAP_SID + 8, UINT64_C(1) << 24 | 2, 0, false},
    {IOMMU_FAULT_CONTEXT_RESERVED, REMAP_CONTEXT + 16 * REMAP_SID + 8, 0x82, 0, false},
    {IOMMU_FAULT_CONTEXT_INVALID, REMAP_CONTEXT + 16 * REMAP_SID + 8, 0, 0, false},
    {IOMMU_FAULT_CONTEXT_INVALID, REMAP_CONTEXT + 16 * REMAP_SID + 8, 3, 0, false},
    {IOMMU_FAULT_CONTEXT_INVALID, REMAP_CONTEXT + 16 * REMAP_SID, REMAP_L4 | 5, 0, false},
    {IOMMU_FAULT_CONTEXT_INVALID, REMAP_CONTEXT + 16 * REMAP_SID, REMAP_L4 | 13, 0, false},
    {IOMMU_FAULT_TABLE_ACCESS, REMAP_CONTEXT + 16 * REMAP_SID, UINT64_C(0xffff000001), 0, false},
    {IOMMU_FAULT_BEYOND_WIDTH, 0, 0, UINT64_C(1) << 48, true},
    {IOMMU_FAULT_WRITE, 0, 0, REMAP_ADDRESS + 0x1000, true},
    {IOMMU_FAULT_READ, 0, 0, REMAP_ADDRESS + 0x1000, false},
};

static void expect_record(unsigned i, u32 reason, u64 address, bool write)
{
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FRCD(i), 8), address & ~UINT64_C(0xfff));
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FRCD(i) + 8, 8),
                      UINT64_C(1) << 63 | (write ? 0 : UINT64_C(1) << 62) | (u64)reason << 32 | REMAP_SID);
}

START_TEST(each_reason)
{
    const struct broken *b = &broken[_i];
    u64 address = b->address ? b->address : REMAP_ADDRESS;
    if (b->at)
        set(b->at, b->value);
    ck_assert(!(b->write ? writes(address) : reads(address)));
    expect_record(0, b->reason, address, b->write);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_PPF);
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, b->reason);
    ck_assert_ptr_nonnull(rs_last_iommu_walk(r.m)->fault_text);
    ck_assert_uint_eq(mem_stamp(r.m->mem, REMAP_PAGE), 0);
}
END_TEST

START_TEST(a_root_table_outside_memory)
{
    remap_set_reg(&r, IOMMU_RTADDR, 8, UINT64_C(0xff00000000));
    remap_set_reg(&r, IOMMU_GCMD, 4, IOMMU_TE | IOMMU_SRTP);
    ck_assert(!reads(REMAP_ADDRESS));
    expect_record(0, IOMMU_FAULT_ROOT_ACCESS, REMAP_ADDRESS, false);
}
END_TEST

/* Bits that are reserved at each level, in an entry that points to a table and in one that maps a page. */
START_TEST(reserved_bits_of_each_level)
{
    for (unsigned level = 1; level <= 4; level++) {
        u64 entry = bare_u64(&r.b, remap_entry(level));
        for (unsigned bit = 2; bit < 64; bit++) {
            bool ignored = bit < 7 || (bit >= 8 && bit <= 10) || (bit >= 52 && bit != 62);
            bool page = bit == 7 && (level == 2 || level == 3), flag = bit == 7 && level == 1;
            if ((bit >= 12 && bit < 40) || page)
                continue;
            r.m->b.iommu_cache = (struct iommu_caches){0};
            set(remap_entry(level), entry | UINT64_C(1) << bit);
            ck_assert_int_eq(reads(REMAP_ADDRESS), ignored || flag);
            ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason,
                              ignored || flag ? 0 : IOMMU_FAULT_ENTRY_RESERVED);
        }
        set(remap_entry(level), entry);
    }
    for (unsigned level = 2; level <= 3; level++)
        for (unsigned bit = 12; bit < 12 + 9 * (level - 1); bit++) {
            r.m->b.iommu_cache = (struct iommu_caches){0};
            set(remap_entry(level), UINT64_C(1) << bit | IOMMU_SL_PS | RW);
            ck_assert(!reads(REMAP_ADDRESS));
            ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, IOMMU_FAULT_ENTRY_RESERVED);
        }
}
END_TEST

START_TEST(a_translation_to_the_interrupts)
{
    set(remap_entry(1), MSI_ADDRESS | RW);
    ck_assert(!writes(REMAP_ADDRESS));
    expect_record(0, IOMMU_FAULT_INTERRUPT_RANGE, REMAP_ADDRESS, true);
}
END_TEST

START_TEST(a_domain_whose_faults_are_not_recorded)
{
    set(remap_context_entry(), REMAP_L4 | IOMMU_ENTRY_P | IOMMU_CONTEXT_FPD);
    ck_assert(!reads(REMAP_ADDRESS + 0x1000));
    ck_assert(!reads(REMAP_ADDRESS + 0x1000)); /* by the context cache */
    set(remap_context_entry(), IOMMU_CONTEXT_FPD);
    r.m->b.iommu_cache = (struct iommu_caches){0};
    ck_assert(!reads(REMAP_ADDRESS));
    ck_assert_uint_eq(reg(IOMMU_FSTS), 0);
    ck_assert_uint_eq(r.m->b.iommu_count.faults, 3);
}
END_TEST

START_TEST(records_go_round_and_overflow)
{
    for (unsigned i = 0; i < IOMMU_FRCDS; i++)
        reads(REMAP_ADDRESS + 0x1000 * (i + 1));
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_PPF);
    writes(REMAP_ADDRESS + 0x9000);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_PPF | IOMMU_FSTS_PFO);
    for (unsigned i = 0; i < IOMMU_FRCDS; i++)
        expect_record(i, IOMMU_FAULT_READ, REMAP_ADDRESS + 0x1000 * (i + 1), false);
    for (unsigned i = 0; i < 2; i++)
        remap_set_reg(&r, IOMMU_FRCD(i) + 12, 4, 0x80000000);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FRCD(1) + 8, 8) >> 63, 0);
    reads(REMAP_ADDRESS + 0xa000); /* nothing is recorded while PFO is set */
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FRCD(0) + 8, 8) >> 63, 0);
    remap_set_reg(&r, IOMMU_FSTS, 4, IOMMU_FSTS_PFO);
    reads(REMAP_ADDRESS + 0xb000);
    expect_record(0, IOMMU_FAULT_READ, REMAP_ADDRESS + 0xb000, false);
    for (unsigned i = 0; i < IOMMU_FRCDS; i++)
        remap_set_reg(&r, IOMMU_FRCD(i) + 8, 8, UINT64_C(1) << 63);
    reads(REMAP_ADDRESS + 0xc000);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_PPF | 1 << IOMMU_FSTS_FRI_SHIFT);
}
END_TEST

static void fault_events_to(unsigned vector)
{
    apic_write(r.c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    remap_set_reg(&r, IOMMU_FEDATA, 4, vector);
    remap_set_reg(&r, IOMMU_FEADDR, 4, MSI_ADDRESS);
}

static int pending(void)
{
    remap_settle(&r);
    cpu_between_instructions(r.c);
    return apic_pending_vector(r.c);
}

START_TEST(a_fault_interrupts_once)
{
    fault_events_to(VECTOR);
    reads(REMAP_ADDRESS + 0x1000);
    ck_assert_int_eq(pending(), -1); /* masked */
    ck_assert_uint_eq(reg(IOMMU_FECTL), IOMMU_EVENT_IM | IOMMU_EVENT_IP);
    remap_set_reg(&r, IOMMU_FECTL, 4, 0);
    ck_assert_int_eq(pending(), VECTOR);
    ck_assert_uint_eq(reg(IOMMU_FECTL), 0);
    apic_acknowledge(r.c);
    apic_write(r.c, APIC_EOI, 0);
    reads(REMAP_ADDRESS + 0x1000); /* the first is still pending */
    ck_assert_int_eq(pending(), -1);
    for (unsigned i = 0; i < IOMMU_FRCDS; i++)
        remap_set_reg(&r, IOMMU_FRCD(i) + 12, 4, 0x80000000);
    reads(REMAP_ADDRESS + 0x1000);
    ck_assert_int_eq(pending(), VECTOR);
}
END_TEST

START_TEST(a_masked_event_is_forgotten_with_its_cause)
{
    fault_events_to(VECTOR);
    reads(REMAP_ADDRESS + 0x1000);
    remap_set_reg(&r, IOMMU_FRCD(0) + 12, 4, 0x80000000);
    ck_assert_uint_eq(reg(IOMMU_FECTL), IOMMU_EVENT_IM);
    remap_set_reg(&r, IOMMU_FECTL, 4, 0);
    ck_assert_int_eq(pending(), -1);
}
END_TEST

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
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x200000, false), 1);
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x40000000, false), 1);
    r.m->p.iommu_pwc = 0;
    ck_assert_uint_eq(refs(REMAP_ADDRESS + 0x2000, false), 4); /* the context cache alone */
    r.m->p.context_cache = r.m->p.iotlb = 0;
    ck_assert_uint_eq(refs(REMAP_ADDRESS, false), 6);
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
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_SW | data, REMAP_STATUS + 4);
    ck_assert_uint_eq(bare_u64(&r.b, REMAP_STATUS), UINT64_C(0x12345678ffffffff));
    ck_assert_int_eq(pending(), -1);
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_IF | IOMMU_INV_WAIT_FN, 0);
    ck_assert_uint_eq(reg(IOMMU_ICS), IOMMU_ICS_IWC);
    ck_assert_int_eq(pending(), VECTOR);
    apic_acknowledge(r.c);
    apic_write(r.c, APIC_EOI, 0);
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_IF, 0); /* IWC is set still: no new interrupt */
    ck_assert_int_eq(pending(), -1);
    remap_set_reg(&r, IOMMU_ICS, 4, IOMMU_ICS_IWC);
    queue(IOMMU_INV_WAIT | IOMMU_INV_WAIT_IF, 0);
    ck_assert_int_eq(pending(), VECTOR);
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
    fault_events_to(VECTOR);
    remap_set_reg(&r, IOMMU_FECTL, 4, 0);
    queue_on();
    queue(IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL), 0);
    queue(illegal[_i].low, illegal[_i].high);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 16);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_IQE);
    ck_assert_int_eq(pending(), VECTOR);
    queue(IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL), 0);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_IQH, 8), 16);
    set(REMAP_QUEUE + 16, IOMMU_INV_CONTEXT | G(IOMMU_GLOBAL)); /* mended */
    set(REMAP_QUEUE + 24, 0);
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
    remap_set_reg(&r, IOMMU_IQT, 8, 4096);
    remap_settle(&r);
    ck_assert_uint_eq(reg(IOMMU_FSTS), IOMMU_FSTS_IQE);
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

/* ---- time (D6 to D9) ---- */

static u64 transfer_cycles(u64 address)
{
    r.m->devices.cycle += 10000; /* the bus is free */
    u64 start = r.m->devices.cycle;
    reads(address);
    return r.m->devices.cycle - start;
}

START_TEST(translations_take_their_time)
{
    set(remap_entry(1) + 8, (REMAP_PAGE + 0x1000) | RW);
    ck_assert_uint_eq(transfer_cycles(REMAP_ADDRESS), 6 * MEM + MEM);
    ck_assert_uint_eq(transfer_cycles(REMAP_ADDRESS), HIT + HIT + MEM);
    ck_assert_uint_eq(transfer_cycles(REMAP_ADDRESS + 0x1000), HIT + HIT + MEM + MEM);
    r.m->p.mem_busy = 300; /* longer than a reference: each waits for the one before */
    r.m->b.iommu_cache = (struct iommu_caches){0};
    ck_assert_uint_eq(transfer_cycles(REMAP_ADDRESS), 6 * 300 + 300);
}
END_TEST

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

/* ---- the walk as it is shown ---- */

START_TEST(the_walk_is_written_down)
{
    reads(REMAP_ADDRESS + 0x10);
    const struct rs_walk *w = rs_last_iommu_walk(r.m);
    static const enum rs_stage stage[] = {RS_ROOT, RS_CONTEXT, RS_SECOND, RS_SECOND, RS_SECOND, RS_SECOND};
    ck_assert(w->device && w->ended && w->domain_known && !w->fault_text);
    ck_assert_uint_eq(w->requester, REMAP_SID);
    ck_assert_uint_eq(w->domain, REMAP_DOMAIN);
    ck_assert_uint_eq(w->hpa, REMAP_PAGE + 0x10);
    ck_assert_uint_eq(w->cycles, 6 * MEM);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(w->ref[i].stage, stage[i]);
        ck_assert_uint_eq(w->ref[i].row, i + 1);
        ck_assert_uint_eq(w->ref[i].base_ref, i);
        ck_assert_uint_eq(w->ref[i].hpa,
                          i < 2 ? (i ? remap_context_entry() : (u64)REMAP_ROOT) : remap_entry(6 - i));
    }
    reads(REMAP_ADDRESS);
    ck_assert_uint_eq(w->skip_count, 6);
    ck_assert(w->skip[0].by == RS_BY_CONTEXT_CACHE && w->skip[5].by == RS_BY_IOTLB && w->skip[5].row == 6);
}
END_TEST

START_TEST(a_dry_walk_changes_nothing)
{
    struct rs_walk w;
    writes(REMAP_ADDRESS);
    u64 hash = rs_hash(r.b.world, RS_HASH_ALL);
    ck_assert_int_eq(rs_translate_device(r.m, REMAP_SID, REMAP_ADDRESS, true, false, &w), RS_OK);
    ck_assert_uint_eq(w.ref_count, 6);
    ck_assert_uint_eq(w.hpa, REMAP_PAGE);
    ck_assert_int_eq(rs_translate_device(r.m, REMAP_SID, REMAP_ADDRESS, true, true, &w), RS_OK);
    ck_assert_uint_eq(w.ref_count, 0);
    ck_assert_int_eq(rs_translate_device(r.m, REMAP_SID + 1, REMAP_ADDRESS, true, true, &w), RS_OK);
    ck_assert_uint_eq(w.reason, IOMMU_FAULT_CONTEXT_NOT_PRESENT);
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->ref_count, 6);
    ck_assert_uint_eq(rs_hash(r.b.world, RS_HASH_ALL), hash);
    ck_assert_uint_eq(reg(IOMMU_FSTS), 0);
    remap_set_reg(&r, IOMMU_GCMD, 4, 0);
    ck_assert_int_eq(rs_translate_device(r.m, REMAP_SID, REMAP_ADDRESS, true, true, &w), RS_FAILED);
}
END_TEST

static TCase *case_of(Suite *suite, const char *name)
{
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, set_up, tear_down);
    suite_add_tcase(suite, t);
    return t;
}

static void add_registers(TCase *t)
{
    tcase_add_test(t, registers_have_their_reset_values);
    tcase_add_test(t, registers_take_what_they_have);
    tcase_add_test(t, without_the_firmware_setting_nobody_answers);
    tcase_add_test(t, a_root_table_counts_from_its_command_on);
}

static void add_remapping(TCase *t)
{
    tcase_add_test(t, pages_of_each_size);
    tcase_add_test(t, three_levels);
    tcase_add_test(t, passing_through);
    tcase_add_test(t, a_transfer_is_translated_page_by_page);
    tcase_add_test(t, rights_at_each_level);
    tcase_add_test(t, messages_are_not_translated);
    tcase_add_test(t, translations_take_their_time);
    tcase_add_test(t, the_walk_is_written_down);
    tcase_add_test(t, a_dry_walk_changes_nothing);
}

static void add_faults(TCase *t)
{
    tcase_add_loop_test(t, each_reason, 0, sizeof broken / sizeof *broken);
    tcase_add_test(t, a_root_table_outside_memory);
    tcase_add_test(t, reserved_bits_of_each_level);
    tcase_add_test(t, a_translation_to_the_interrupts);
    tcase_add_test(t, a_domain_whose_faults_are_not_recorded);
    tcase_add_test(t, records_go_round_and_overflow);
    tcase_add_test(t, a_fault_interrupts_once);
    tcase_add_test(t, a_masked_event_is_forgotten_with_its_cause);
}

static void add_caches(TCase *t)
{
    tcase_add_test(t, what_is_kept_is_not_read);
    tcase_add_test(t, what_is_stale_stays);
    tcase_add_test(t, a_kept_right_that_is_missing_refuses);
    tcase_add_test(t, what_is_not_present_is_not_kept);
    tcase_add_test(t, domains_are_kept_apart);
    tcase_add_test(t, context_entries_go_as_the_command_says);
    tcase_add_test(t, translations_go_as_the_command_says);
    tcase_add_test(t, a_large_page_goes_by_any_of_its_addresses);
}

static void add_queue(TCase *t)
{
    tcase_add_test(t, descriptors_invalidate);
    tcase_add_test(t, a_wait_writes_its_status_and_interrupts);
    tcase_add_loop_test(t, the_queue_stops_at_what_is_illegal, 0, sizeof illegal / sizeof *illegal);
    tcase_add_test(t, a_tail_or_a_queue_that_is_not_there);
    tcase_add_test(t, the_queue_goes_round);
    tcase_add_test(t, an_invalidation_takes_its_time);
}

int main(void)
{
    Suite *suite = suite_create("iommu");
    add_registers(case_of(suite, "registers"));
    add_remapping(case_of(suite, "remapping"));
    add_faults(case_of(suite, "faults"));
    add_caches(case_of(suite, "caches"));
    add_queue(case_of(suite, "queue"));
    return suite_run(suite);
}
