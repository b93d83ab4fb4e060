/* test_iommu_interrupts.c - interrupt remapping and posting (VT-d specification, 5 "Interrupt Remapping and
 * Interrupt Posting"). */
#include "arch/apic.h"
#include "arch/ioapic.h"
#include "cpu/cpu.h"
#include "dev/device.h"
#include "dev/dma.h"
#include "dev/ioapic.h"
#include "iommu/iommu.h"
#include "lib/remap.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>

#define VECTOR 0x41
#define INDEX  5u
#define MEM    170 /* mem_latency */
#define BUSY   10  /* mem_busy */
#define HIT    2   /* iommu_latency */
#define ENTRY  (REMAP_INTERRUPTS + 16 * INDEX)

static struct remap_machine r;

static void set(u64 hpa, u64 value)
{
    bare_set_u64(&r.b, hpa, value);
}

static void remapping(u32 commands)
{
    remap_set_reg(&r, IOMMU_GCMD, 4, commands | IOMMU_SIRTP);
    remap_set_reg(&r, IOMMU_GCMD, 4, commands | IOMMU_IRE);
}

static void set_up(void)
{
    remap_open(&r);
    apic_write(r.c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    remap_set_reg(&r, IOMMU_IRTA, 8, REMAP_INTERRUPTS | 7); /* 256 entries */
    remapping(0);
    set(ENTRY, IOMMU_IRTE_P | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT);
}

static void tear_down(void)
{
    remap_close(&r);
}

static int pending(void)
{
    int vector = remap_pending(&r);
    if (vector >= 0) {
        apic_acknowledge(r.c);
        apic_write(r.c, APIC_EOI, 0);
    }
    return vector;
}

/* What arrives when edu sends that message; -1: nothing. */
static int message(u64 address, u32 data)
{
    dma_message(r.edu, address, data);
    return pending();
}

static int request(unsigned index)
{
    return message(MSI_ADDRESS | IOMMU_MSI_REMAPPABLE | IOMMU_MSI_INDEX(index), 0);
}

/* The interrupt is refused for that reason. */
static void expect_fault(u32 reason, unsigned index)
{
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FRCD(0), 8), (u64)index << 48);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FRCD(0) + 8, 8), UINT64_C(1) << 63 | (u64)reason << 32 | REMAP_SID);
}

/* ---- remapped ---- */

START_TEST(an_entry_says_what_the_message_is)
{
    ck_assert_int_eq(request(INDEX), VECTOR);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FSTS, 4), 0);
    u64 before = r.m->b.iommu_count.interrupt_hits;
    set(ENTRY, IOMMU_IRTE_P | (u64)(VECTOR + 1) << IOMMU_IRTE_VECTOR_SHIFT); /* the old one is kept */
    ck_assert_int_eq(request(INDEX), VECTOR);
    ck_assert_uint_eq(r.m->b.iommu_count.interrupt_hits, before + 1);
    r.m->b.iommu_cache = (struct iommu_caches){0};
    ck_assert_int_eq(request(INDEX), VECTOR + 1);
}
END_TEST

START_TEST(all_fields_of_a_message)
{
    struct message is;
    u64 address = MSI_ADDRESS | IOMMU_MSI_REMAPPABLE | IOMMU_MSI_INDEX(INDEX);
    set(ENTRY, IOMMU_IRTE_P | IOMMU_IRTE_LOGICAL | IOMMU_IRTE_RH | IOMMU_IRTE_LEVEL |
                   UINT64_C(4) << IOMMU_IRTE_DLM_SHIFT | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT |
                   UINT64_C(0x23) << 40);
    ck_assert(iommu_remap(r.m, REMAP_SID, address, 0xffff, &is));
    ck_assert(is.logical && is.lowest && is.level);
    ck_assert_uint_eq(is.delivery, APIC_ICR_NMI);
    ck_assert_uint_eq(is.vector, VECTOR);
    ck_assert_uint_eq(is.destination, 0x23);
    r.m->b.iommu_cache = (struct iommu_caches){0};
    set(ENTRY, IOMMU_IRTE_P | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT);
    ck_assert(iommu_remap(r.m, REMAP_SID, address, 0, &is));
    ck_assert(!is.logical && !is.lowest && !is.level && is.delivery == APIC_ICR_FIXED);
}
END_TEST

START_TEST(destinations)
{
    set(ENTRY, IOMMU_IRTE_P | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT | UINT64_C(1) << 40); /* APIC ID 1 */
    ck_assert_int_eq(request(INDEX), -1);
    r.m->b.iommu_cache = (struct iommu_caches){0};
    set(ENTRY, IOMMU_IRTE_P | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT | UINT64_C(0xff) << 40); /* all */
    ck_assert_int_eq(request(INDEX), VECTOR);
    r.m->b.iommu_cache = (struct iommu_caches){0};
    apic_write(r.c, APIC_LDR, UINT64_C(0x10) << 24);
    set(ENTRY,
        IOMMU_IRTE_P | IOMMU_IRTE_LOGICAL | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT | UINT64_C(0x10) << 40);
    ck_assert_int_eq(request(INDEX), VECTOR);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FSTS, 4), 0);
}
END_TEST

START_TEST(subhandles_are_added)
{
    u64 base = MSI_ADDRESS | IOMMU_MSI_REMAPPABLE | IOMMU_MSI_SHV;
    ck_assert_int_eq(message(base | IOMMU_MSI_INDEX(3), 2), VECTOR);
    ck_assert_int_eq(message(base | IOMMU_MSI_INDEX(3), 0x10002), -1);
    expect_fault(IOMMU_FAULT_IR_REQUEST_RESERVED, 3);
}
END_TEST

START_TEST(the_io_apic_is_remapped)
{
    u64 low = IOAPIC_ENTRY(3), entry = (u64)INDEX << 49 | UINT64_C(1) << 48 | 0x99;
    board_mmio_write(r.c, IOAPIC_BASE + IOAPIC_SELECT, 4, low + 1);
    board_mmio_write(r.c, IOAPIC_BASE + IOAPIC_WINDOW, 4, entry >> 32);
    board_mmio_write(r.c, IOAPIC_BASE + IOAPIC_SELECT, 4, low);
    board_mmio_write(r.c, IOAPIC_BASE + IOAPIC_WINDOW, 4, entry & 0xffffffff);
    set(ENTRY + 8, IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | IOAPIC_REQUESTER);
    ioapic_line(r.m, 3, true);
    ck_assert_int_eq(pending(), VECTOR);
    ck_assert_int_eq(request(INDEX), -1); /* edu may not use it */
    expect_fault(IOMMU_FAULT_IR_SOURCE, INDEX);
}
END_TEST

START_TEST(extended_destinations)
{
    u64 entry = IOMMU_IRTE_P | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT;
    remap_set_reg(&r, IOMMU_IRTA, 8, REMAP_INTERRUPTS | 7 | IOMMU_IRTA_EIME);
    remapping(0);
    set(ENTRY, entry | UINT64_C(0x100) << 32); /* another one's */
    ck_assert_int_eq(request(INDEX), -1);
    r.m->b.iommu_cache = (struct iommu_caches){0};
    set(ENTRY, entry);
    ck_assert_int_eq(request(INDEX), VECTOR);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FSTS, 4), 0);
    remapping(IOMMU_CFI);
    ck_assert_int_eq(message(MSI_ADDRESS, VECTOR), -1); /* whatever CFI says */
    expect_fault(IOMMU_FAULT_IR_COMPATIBILITY, 0);
}
END_TEST

START_TEST(the_compatibility_format)
{
    remapping(IOMMU_CFI);
    ck_assert_int_eq(message(MSI_ADDRESS, VECTOR + 2), VECTOR + 2);
    remapping(0);
    ck_assert_int_eq(message(MSI_ADDRESS, VECTOR + 2), -1);
    expect_fault(IOMMU_FAULT_IR_COMPATIBILITY, 0);
    remap_set_reg(&r, IOMMU_GCMD, 4, 0);
    ck_assert_int_eq(message(MSI_ADDRESS, VECTOR + 2), VECTOR + 2);
}
END_TEST

/* ---- whose entry it is ---- */

static const struct {
    u64 high;
    bool allowed;
} source[] = {
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | REMAP_SID, true},
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | (REMAP_SID ^ 1), false},
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | 1 << IOMMU_IRTE_SQ_SHIFT | (REMAP_SID ^ 4), true},
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | 1 << IOMMU_IRTE_SQ_SHIFT | (REMAP_SID ^ 2), false},
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | 2 << IOMMU_IRTE_SQ_SHIFT | (REMAP_SID ^ 6), true},
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | 2 << IOMMU_IRTE_SQ_SHIFT | (REMAP_SID ^ 1), false},
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | 3 << IOMMU_IRTE_SQ_SHIFT | (REMAP_SID ^ 7), true},
    {IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT | 3 << IOMMU_IRTE_SQ_SHIFT | (REMAP_SID ^ 8), false},
    {IOMMU_SVT_BUS << IOMMU_IRTE_SVT_SHIFT | 0x0001, true}, /* buses 0 to 1 */
    {IOMMU_SVT_BUS << IOMMU_IRTE_SVT_SHIFT | 0x0105, false},
    {IOMMU_SVT_NONE << IOMMU_IRTE_SVT_SHIFT | 0x1234, true},
};

START_TEST(sources)
{
    set(ENTRY + 8, source[_i].high);
    ck_assert_int_eq(request(INDEX), source[_i].allowed ? VECTOR : -1);
    if (!source[_i].allowed)
        expect_fault(IOMMU_FAULT_IR_SOURCE, INDEX);
}
END_TEST

/* ---- faults ---- */

static const struct {
    u32 reason;
    unsigned index;
    u64 low, high;
} broken[] = {
    {IOMMU_FAULT_IR_INDEX, 256, 0, 0},
    {IOMMU_FAULT_IR_INDEX, 0x8005, 0, 0}, /* handle[15] counts */
    {IOMMU_FAULT_IR_NOT_PRESENT, INDEX, 0x410000, 0},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, 0x411001, 0},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, 0x1410001, 0},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, UINT64_C(0x100410001), 0}, /* of an xAPIC ID */
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, UINT64_C(0x1000000410001), 0},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, 0x410001, 1 << 20},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, 0x410001, 3 << IOMMU_IRTE_SVT_SHIFT},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, 0x418005, 0},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, 0x419001, 0},
    {IOMMU_FAULT_IR_ENTRY_RESERVED, INDEX, UINT64_C(0x2000418001), 0},
    {IOMMU_FAULT_PI_ACCESS, INDEX, 0x418001, UINT64_C(0xff) << 32},
};

START_TEST(each_reason)
{
    set(ENTRY, broken[_i].low);
    set(ENTRY + 8, broken[_i].high);
    ck_assert_int_eq(request(broken[_i].index), -1);
    expect_fault(broken[_i].reason, broken[_i].index);
}
END_TEST

START_TEST(a_table_outside_memory)
{
    remap_set_reg(&r, IOMMU_IRTA, 8, UINT64_C(0xff00000007));
    remapping(0);
    ck_assert_int_eq(request(INDEX), -1);
    expect_fault(IOMMU_FAULT_IR_TABLE_ACCESS, INDEX);
}
END_TEST

START_TEST(an_entry_whose_faults_are_not_recorded)
{
    set(ENTRY, IOMMU_IRTE_FPD);
    ck_assert_int_eq(request(INDEX), -1);
    set(ENTRY, IOMMU_IRTE_P | IOMMU_IRTE_FPD);
    set(ENTRY + 8, IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT);
    ck_assert_int_eq(request(INDEX), -1);
    ck_assert_int_eq(request(INDEX), -1); /* by the cache */
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FSTS, 4), 0);
    ck_assert_uint_eq(r.m->b.iommu_count.faults, 3);
}
END_TEST

/* ---- invalidation ---- */

static int after_descriptor(u64 low)
{
    set(ENTRY, IOMMU_IRTE_P | (u64)VECTOR << IOMMU_IRTE_VECTOR_SHIFT);
    r.m->b.iommu_cache = (struct iommu_caches){0};
    request(INDEX);
    set(ENTRY, IOMMU_IRTE_P | (u64)(VECTOR + 1) << IOMMU_IRTE_VECTOR_SHIFT);
    u64 tail = remap_reg(&r, IOMMU_IQT, 8);
    set(REMAP_QUEUE + tail, low);
    remap_set_reg(&r, IOMMU_IQT, 8, tail + 16);
    remap_settle(&r);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FSTS, 4), 0);
    return request(INDEX);
}

static u64 selective(u64 index, u64 mask)
{
    return IOMMU_INV_IEC | IOMMU_INV_IEC_SELECTIVE | mask << IOMMU_INV_IEC_IM_SHIFT |
           index << IOMMU_INV_IEC_INDEX_SHIFT;
}

START_TEST(entries_go_as_the_descriptor_says)
{
    remap_set_reg(&r, IOMMU_IQA, 8, REMAP_QUEUE);
    remap_set_reg(&r, IOMMU_GCMD, 4, IOMMU_IRE | IOMMU_QIE);
    ck_assert_int_eq(after_descriptor(IOMMU_INV_IEC), VECTOR + 1);
    ck_assert_int_eq(after_descriptor(selective(INDEX, 0)), VECTOR + 1);
    ck_assert_int_eq(after_descriptor(selective(INDEX + 1, 0)), VECTOR);
    ck_assert_int_eq(after_descriptor(selective(4, 1)), VECTOR + 1);
    ck_assert_int_eq(after_descriptor(selective(6, 1)), VECTOR);
    ck_assert_int_eq(after_descriptor(selective(0, 15)), VECTOR + 1);
}
END_TEST

/* ---- posted ---- */

static void posted(bool urgent, u64 control)
{
    set(ENTRY, IOMMU_IRTE_P | IOMMU_IRTE_POSTED | (urgent ? IOMMU_IRTE_URGENT : 0) |
                   UINT64_C(0x99) << IOMMU_IRTE_VECTOR_SHIFT | (u64)REMAP_POSTED >> 6 << 38);
    set(REMAP_POSTED + 32, control | (u64)VECTOR << IOMMU_PID_NV_SHIFT);
    set(REMAP_POSTED + 16, 0);
    r.m->b.iommu_cache = (struct iommu_caches){0};
}

START_TEST(a_posted_interrupt_is_a_bit_and_a_notification)
{
    posted(false, 0);
    ck_assert_int_eq(request(INDEX), VECTOR);
    ck_assert_uint_eq(bare_u64(&r.b, REMAP_POSTED + 16), UINT64_C(1) << (0x99 - 0x80));
    ck_assert_uint_eq(bare_u64(&r.b, REMAP_POSTED + 32), IOMMU_PID_ON | VECTOR << IOMMU_PID_NV_SHIFT);
    ck_assert_int_eq(request(INDEX), -1); /* one is outstanding */
    posted(false, IOMMU_PID_SN);
    ck_assert_int_eq(request(INDEX), -1);
    ck_assert_uint_eq(bare_u64(&r.b, REMAP_POSTED + 16), UINT64_C(1) << (0x99 - 0x80));
    posted(true, IOMMU_PID_SN);
    ck_assert_int_eq(request(INDEX), VECTOR);
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FSTS, 4), 0);
    posted(false, 4);
    ck_assert_int_eq(request(INDEX), -1);
    expect_fault(IOMMU_FAULT_PI_RESERVED, INDEX);
}
END_TEST

/* ---- time (D8) ---- */

static u64 message_cycles(void)
{
    r.m->devices.cycle += 10000;
    u64 start = r.m->devices.cycle;
    dma_message(r.edu, MSI_ADDRESS | IOMMU_MSI_REMAPPABLE | IOMMU_MSI_INDEX(INDEX), 0);
    return r.m->devices.cycle - start;
}

START_TEST(messages_take_their_time)
{
    ck_assert_uint_eq(message_cycles(), MEM);
    ck_assert_uint_eq(message_cycles(), HIT);
    posted(false, 0);
    ck_assert_uint_eq(message_cycles(), MEM + MEM + BUSY);
    r.m->p.mem_busy = 300; /* the write waits for the reference, the message for the write */
    posted(false, 0);
    ck_assert_uint_eq(message_cycles(), 300 + 300 + 300);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("iommu interrupts");
    TCase *t = tcase_create("interrupts");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, an_entry_says_what_the_message_is);
    tcase_add_test(t, all_fields_of_a_message);
    tcase_add_test(t, destinations);
    tcase_add_test(t, subhandles_are_added);
    tcase_add_test(t, the_io_apic_is_remapped);
    tcase_add_test(t, extended_destinations);
    tcase_add_test(t, the_compatibility_format);
    tcase_add_loop_test(t, sources, 0, sizeof source / sizeof *source);
    tcase_add_loop_test(t, each_reason, 0, sizeof broken / sizeof *broken);
    tcase_add_test(t, a_table_outside_memory);
    tcase_add_test(t, an_entry_whose_faults_are_not_recorded);
    tcase_add_test(t, entries_go_as_the_descriptor_says);
    tcase_add_test(t, a_posted_interrupt_is_a_bit_and_a_notification);
    tcase_add_test(t, messages_take_their_time);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
