/* test_iommu.c - the IOMMU's registers, DMA remapping, and faults (VT-d specification;
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
    return remap_reads(&r, address);
}

static bool writes(u64 address)
{
    return remap_writes(&r, address);
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

START_TEST(a_fault_interrupts_once)
{
    remap_fault_events_to(&r, VECTOR);
    reads(REMAP_ADDRESS + 0x1000);
    ck_assert_int_eq(remap_pending(&r), -1); /* masked */
    ck_assert_uint_eq(reg(IOMMU_FECTL), IOMMU_EVENT_IM | IOMMU_EVENT_IP);
    remap_set_reg(&r, IOMMU_FECTL, 4, 0);
    ck_assert_int_eq(remap_pending(&r), VECTOR);
    ck_assert_uint_eq(reg(IOMMU_FECTL), 0);
    apic_acknowledge(r.c);
    apic_write(r.c, APIC_EOI, 0);
    reads(REMAP_ADDRESS + 0x1000); /* the first is still pending */
    ck_assert_int_eq(remap_pending(&r), -1);
    for (unsigned i = 0; i < IOMMU_FRCDS; i++)
        remap_set_reg(&r, IOMMU_FRCD(i) + 12, 4, 0x80000000);
    reads(REMAP_ADDRESS + 0x1000);
    ck_assert_int_eq(remap_pending(&r), VECTOR);
}
END_TEST

START_TEST(a_masked_event_is_forgotten_with_its_cause)
{
    remap_fault_events_to(&r, VECTOR);
    reads(REMAP_ADDRESS + 0x1000);
    remap_set_reg(&r, IOMMU_FRCD(0) + 12, 4, 0x80000000);
    ck_assert_uint_eq(reg(IOMMU_FECTL), IOMMU_EVENT_IM);
    remap_set_reg(&r, IOMMU_FECTL, 4, 0);
    ck_assert_int_eq(remap_pending(&r), -1);
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

int main(void)
{
    Suite *suite = suite_create("iommu");
    add_registers(case_of(suite, "registers"));
    add_remapping(case_of(suite, "remapping"));
    add_faults(case_of(suite, "faults"));
    return suite_run(suite);
}
