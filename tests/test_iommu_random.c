/* test_iommu_random.c - random tables, registers and descriptors: the IOMMU does what the oracle says, and
 * nothing else is read or written. */
#include "cpu/cpu.h"
#include "dev/device.h"
#include "dev/dma.h"
#include "iommu/iommu.h"
#include "lib/chance.h"
#include "lib/iommu_oracle.h"
#include "lib/remap.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>

#define CASES  200000
#define STORM  60000
#define TABLES 8 /* pages from REMAP_ROOT on, which are tables of any kind */

static struct remap_machine r;

static void set_up(void)
{
    remap_open(&r);
}

static void tear_down(void)
{
    remap_close(&r);
}

static u64 peek(void *arg, u64 hpa)
{
    (void)arg;
    return bare_u64(&r.b, hpa);
}

/* Pointers are mostly to tables or pages, so that walks get on; now and then a bit is wrong. */
static u64 random_frame(void)
{
    switch (chance_below(16)) {
    case 0: return chance() & 0xfffffff000;
    case 1: return 0xfee00000;
    default: return REMAP_ROOT + 4096 * chance_below(TABLES);
    }
}

static u64 spoilt(u64 value)
{
    return chance_once_in(12) ? value ^ UINT64_C(1) << chance_below(64) : value;
}

static u64 random_low(void)
{
    u64 large = chance_once_in(4) ? 0x80 | (chance_once_in(2) ? 0 : (u64)0x40000000) : 0;
    u64 frame = large & 0x40000000 ? 0 : random_frame();
    return spoilt(frame | large | (chance_once_in(8) ? chance_below(4) : 3));
}

/* What is a root, context and second-level entry for some address. */
static void fill_tables(void)
{
    for (u64 page = 0; page < TABLES; page++)
        for (u64 at = 0; at < 4096; at += 512 + 8)
            bare_set_u64(&r.b, REMAP_ROOT + page * 4096 + at, random_low());
}

static u64 context_low(void)
{
    static const u64 type[] = {0, 0, 0, 0, 8, 4};
    return spoilt(random_frame() | type[chance_below(6)] | (chance_once_in(8) ? 2 : 0) | 1);
}

static u64 random_address(void)
{
    u64 address = 0;
    for (unsigned level = 1; level <= 4; level++)
        address |= chance_below(8) * 65 << (12 + 9 * (level - 1));
    if (chance_once_in(4))
        address &= (UINT64_C(1) << 39) - 1;
    if (chance_once_in(30))
        address |= UINT64_C(1) << (48 + chance_below(16));
    return address | chance_below(512) * 8;
}

struct access {
    u16 requester;
    u64 address;
    bool write;
};

/* Tables, a way in to them, and an access. */
static struct access random_case(void)
{
    struct access a = {(u16)chance_below(3), random_address(), chance_once_in(2)};
    u64 width = chance_once_in(8) ? chance_below(8) : 1 + chance_below(2);
    bare_set_u64(&r.b, REMAP_PAGE, spoilt((chance_once_in(20) ? random_frame() : REMAP_PAGE + 4096) | 1));
    bare_set_u64(&r.b, REMAP_PAGE + 8, chance_once_in(20) ? chance() : 0);
    bare_set_u64(&r.b, REMAP_PAGE + 4096 + 16 * a.requester, context_low());
    bare_set_u64(&r.b, REMAP_PAGE + 4096 + 16 * a.requester + 8, spoilt(width | chance_below(4) << 8));
    r.m->b.iommu.root = chance_once_in(50) ? chance() & 0xfffffff000 : REMAP_PAGE;
    return a;
}

static void forget_faults(void)
{
    for (unsigned i = 0; i < IOMMU_FRCDS; i++)
        remap_set_reg(&r, IOMMU_FRCD(i) + 12, 4, 0x80000000);
    remap_set_reg(&r, IOMMU_FSTS, 4, IOMMU_FSTS_PFO);
}

static void check_record(const struct access *a, const struct iommu_answer *want)
{
    u64 at = (r.m->b.iommu.frcd_next + IOMMU_FRCDS - 1) % IOMMU_FRCDS;
    bool recorded = want->reason && !want->silent;
    ck_assert_uint_eq(remap_reg(&r, IOMMU_FSTS, 4) & 3, recorded ? IOMMU_FSTS_PPF : 0);
    if (!recorded)
        return;
    ck_assert_uint_eq(r.m->b.iommu.frcd[2 * at], a->address & ~UINT64_C(0xfff));
    ck_assert_uint_eq(r.m->b.iommu.frcd[2 * at + 1], UINT64_C(1) << 63 | (a->write ? 0 : UINT64_C(1) << 62) |
                                                         (u64)want->reason << 32 | a->requester);
    forget_faults();
}

static void check_access(const struct access *a)
{
    struct iommu_oracle o = {peek, NULL, r.m->ram_bytes, r.m->b.iommu.root};
    struct iommu_answer want = iommu_oracle(&o, a->requester, a->address, a->write);
    struct iommu_access access = {a->requester, a->write, a->address};
    u64 hpa;
    bool allowed = iommu_translate(r.m, &access, &hpa);
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, want.reason);
    ck_assert_int_eq(allowed, !want.reason);
    if (allowed)
        ck_assert_uint_eq(hpa, want.hpa);
    ck_assert_uint_eq(rs_last_iommu_walk(r.m)->ref_count, want.refs);
    check_record(a, &want);
}

static unsigned seen[16];

START_TEST(every_access_leads_where_the_oracle_says)
{
    chance_seed(0x10e11);
    for (unsigned i = 0; i < CASES; i++) {
        if (i % 64 == 0)
            fill_tables();
        struct access a = random_case();
        r.m->b.iommu_cache = (struct iommu_caches){0};
        check_access(&a);
        seen[rs_last_iommu_walk(r.m)->reason & 15]++;
    }
    for (unsigned reason = 0; reason <= 14; reason++)
        ck_assert_msg(reason == 13 || seen[reason] >= 20, "fault reason %u: %u times", reason, seen[reason]);
}
END_TEST

/* Without changes to the tables caches change nothing but the references.  One device, for two with the same
 * domain must have the same tables. */
START_TEST(caches_lead_where_the_tables_do)
{
    u16 requester = 0;
    chance_seed(0x10e12);
    for (unsigned i = 0; i < CASES / 8; i++) {
        if (i % 64 == 0) {
            r.m->p.iotlb = !chance_once_in(4);
            r.m->p.iommu_pwc = !chance_once_in(4);
            r.m->p.iotlb_entries = r.m->p.iotlb_ways = 1 + chance_below(8);
            fill_tables();
            requester = random_case().requester;
            r.m->b.iommu_cache = (struct iommu_caches){0};
        }
        struct access a = {requester, random_address(), chance_once_in(2)};
        struct iommu_oracle o = {peek, NULL, r.m->ram_bytes, r.m->b.iommu.root};
        struct iommu_answer want = iommu_oracle(&o, a.requester, a.address, a.write);
        struct iommu_access access = {a.requester, a.write, a.address};
        u64 hpa;
        bool allowed = iommu_translate(r.m, &access, &hpa);
        ck_assert_uint_eq(rs_last_iommu_walk(r.m)->reason, want.reason);
        ck_assert(!allowed || hpa == want.hpa);
        forget_faults();
    }
}
END_TEST

/* ---- a storm of whatever software can do ---- */

static u64 random_register(void)
{
    static const u16 often[] = {IOMMU_GCMD, IOMMU_CCMD, IOMMU_IOTLB, IOMMU_IQT, IOMMU_IQA,
                                IOMMU_FSTS, IOMMU_IRTA, IOMMU_IVA,   IOMMU_ICS, IOMMU_RTADDR};
    return chance_once_in(4) ? chance_below(IOMMU_BYTES) : often[chance_below(10)];
}

static u64 random_value(void)
{
    switch (chance_below(4)) {
    case 0: return chance();
    case 1: return UINT64_C(0xf) << (60 - chance_below(5)) | chance_below(4096);
    case 2: return random_frame() | chance_below(16);
    default: return chance_below(64) * 16;
    }
}

static void storm_write(void)
{
    static const unsigned size[] = {1, 2, 4, 8};
    u64 value = random_value();
    if (chance_once_in(3))
        remap_set_reg(&r, IOMMU_GCMD, 4, value >> 32 | IOMMU_TE | IOMMU_QIE | IOMMU_IRE);
    else
        remap_set_reg(&r, (unsigned)random_register(), size[chance_below(4)], value);
}

static u64 random_descriptor(void)
{
    u64 legal = 1 + chance_below(5);
    return spoilt(legal | chance_below(4) << 4 | chance_below(4) << 16 | chance_below(16) << 32);
}

/* RAM outside what tables and descriptors name is not touched: a page of its own at the end. */
START_TEST(a_storm_does_no_harm)
{
    u8 bytes[256];
    u64 last = r.m->ram_bytes - 4096;
    chance_seed(0x10e13);
    fill_tables();
    for (unsigned i = 0; i < STORM; i++) {
        switch (chance_below(8)) {
        case 0: bare_set_u64(&r.b, REMAP_ROOT + chance_below(TABLES * 512) * 8, random_low()); break;
        case 1: bare_set_u64(&r.b, REMAP_ROOT + chance_below(TABLES * 512) * 8, random_descriptor()); break;
        case 2: dma_read(r.edu, random_address(), bytes, 1 + (unsigned)chance_below(256)); break;
        case 3: dma_message(r.edu, 0xfee00000 | chance_below(1 << 20), (u32)chance()); break;
        case 4: (void)remap_reg(&r, (unsigned)chance_below(IOMMU_BYTES), 8); break;
        case 5:
            if (devices_next_due(r.m) != UINT64_MAX)
                devices_atom(r.m);
            break;
        default: storm_write();
        }
        ck_assert_uint_eq(mem_stamp(r.m->mem, last), 0);
    }
    ck_assert_uint_gt(r.m->b.iommu_count.invalidations, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("iommu, at random");
    TCase *t = tcase_create("random");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_access_leads_where_the_oracle_says);
    tcase_add_test(t, caches_lead_where_the_tables_do);
    tcase_add_test(t, a_storm_does_no_harm);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
