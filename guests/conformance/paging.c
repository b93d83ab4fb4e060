/* paging.c - what page tables allow, which bits are reserved, what becomes of A and D, and that what was
 * changed and invalidated is seen (SDM vol. 3, 4 "Paging").  Translations that may be stale are not looked
 * at. */
#include "conformance/paging.h"

#include <stdbool.h>

#include "arch/insn.h"
#include "conformance/machine.h"
#include "conformance/run.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/string.h"

extern const char access_read[], access_write[], access_fetch[], access_read8[], access_write8[];

#define TEST     UINT64_C(0x10000000000) /* PML4 entry 2: all indices below are 0 */
#define OTHER    (DATA + 0x1000)         /* a second page of RAM */
#define ALL      (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define CODE_END 0x4ecd /* int $INT_END */
#define LEVELS   4

static uint64_t table[LEVELS][512] __attribute__((aligned(4096))); /* [1]: PDPT, [2]: PD, [3]: PT */
static uint64_t *entry[LEVELS];                                    /* of TEST: PML4E, PDPTE, PDE, PTE */

/* ---- the pages under test ---- */

static void flush(void)
{
    write_cr3(read_cr3());
}

static void build(void)
{
    machine_reset();
    memset(table, 0, sizeof table);
    entry[0] = &machine_pml4[TEST >> 39 & 511];
    for (unsigned i = 1; i < LEVELS; i++) {
        entry[i] = &table[i][0];
        *entry[i - 1] = (uint64_t)table[i] | ALL;
    }
    *entry[3] = DATA | ALL;
    *(volatile uint16_t *)DATA = CODE_END;
    *(volatile uint16_t *)OTHER = CODE_END;
    flush();
}

/* ---- one access ---- */

static const struct event *try_access(const char *code, uint64_t gva, uint64_t flags, uint64_t rflags)
{
    struct registers regs = run_registers(code, flags);
    const struct outcome *o;

    regs.rbx = gva;
    regs.rflags |= rflags;
    o = run_from(&regs, flags);
    return &o->event[o->events - 1];
}

/* "ok", the error code of #PF, or another vector; and CR2 if it is not the address. */
static void print_access(const char *name, const struct event *e, uint64_t gva)
{
    print(" %s=", name);
    if (e->frame.vector == INT_END)
        print("ok");
    else if (e->frame.vector == VEC_PF)
        print("%lx", e->frame.error);
    else
        print("%s", trap_name(e->frame.vector));
    if (e->frame.vector == VEC_PF && e->cr2 != gva)
        print("@+%lx", e->cr2 - gva);
}

static void all_accesses(uint64_t rflags)
{
    print_access("kr", try_access(access_read, TEST, 0, rflags), TEST + 8);
    print_access("kw", try_access(access_write, TEST, 0, rflags), TEST + 8);
    print_access("kx", try_access(access_fetch, TEST, 0, rflags), TEST);
    print_access("ur", try_access(access_read, TEST, RING3, rflags), TEST + 8);
    print_access("uw", try_access(access_write, TEST, RING3, rflags), TEST + 8);
    print_access("ux", try_access(access_fetch, TEST, RING3, rflags), TEST);
    print("\n");
}

/* ---- rights (SDM vol. 3, 4.6 "Access Rights") ---- */

struct mode {
    bool wp, smep, smap, ac, nxe;
};

static void set_mode(const struct mode *m)
{
    uint64_t efer = EFER_SCE | EFER_LME | EFER_LMA;

    write_cr0(CR0_PE | CR0_NE | CR0_ET | CR0_PG | (m->wp ? CR0_WP : 0));
    wrmsr(MSR_EFER, efer | (m->nxe ? EFER_NXE : 0));
    write_cr4(CR4_PAE | CR4_PGE | (m->smep ? CR4_SMEP : 0) | (m->smap ? CR4_SMAP : 0));
    flush();
}

/* A bit of rights that one level takes away. */
static void take_rights(unsigned level, unsigned rights)
{
    if (!(rights & 1))
        *entry[level] &= ~(uint64_t)PTE_U;
    if (!(rights & 2))
        *entry[level] &= ~(uint64_t)PTE_W;
    if (rights & 4)
        *entry[level] |= PTE_NX;
}

static void rights_of(const struct mode *m, unsigned rights)
{
    print("rights.wp%u-smep%u-smap%u-ac%u-nxe%u-u%u-w%u-xd%u:", m->wp, m->smep, m->smap, m->ac, m->nxe,
          rights & 1, rights >> 1 & 1, rights >> 2);
    build();
    take_rights(3, rights);
    set_mode(m);
    all_accesses(m->ac ? FLAG_AC : 0);
}

/* The page's rights in all modes. */
static void rights_matrix(void)
{
    for (unsigned n = 0; n < 16; n++) {
        struct mode m = {n & 1, n & 2, n & 4, n & 8, true};
        for (unsigned rights = 0; rights < 8; rights++)
            rights_of(&m, rights);
    }
}

/* Without EFER.NXE XD is reserved, and I/D of the error code means something only with CR4.SMEP. */
static void rights_without_nxe(void)
{
    for (unsigned n = 0; n < 4; n++) {
        struct mode m = {.wp = true, .smep = n & 1, .smap = n & 2};
        for (unsigned rights = 0; rights < 8; rights++)
            if (rights != 5 && rights != 6)
                rights_of(&m, rights);
    }
}

/* Each right at each level: a page has what every entry on the way gives. */
static void rights_by_level(void)
{
    static const unsigned one[] = {2, 1, 7}; /* without U, without W, with XD */
    static const char *const name[] = {"no-u", "no-w", "xd"};

    for (unsigned level = 0; level < LEVELS; level++) {
        for (unsigned i = 0; i < 3; i++) {
            struct mode m = {.wp = true, .nxe = true};
            print("level%u.%s:", LEVELS - level, name[i]);
            build();
            take_rights(level, one[i]);
            set_mode(&m);
            all_accesses(0);
            print("level%u.%s-smep-smap:", LEVELS - level, name[i]);
            build();
            take_rights(level, one[i]);
            m.smep = m.smap = true;
            set_mode(&m);
            all_accesses(0);
        }
    }
}

static void not_present(void)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        print("level%u.absent:", LEVELS - level);
        build();
        *entry[level] &= ~(uint64_t)PTE_P;
        flush();
        all_accesses(0);
    }
}

/* ---- entries as they are: reserved and ignored bits, sizes (SDM vol. 3, table 4-15 to 4-20) ---- */

enum size { SIZE_4K = 3, SIZE_2M = 2, SIZE_1G = 1 }; /* the level of the entry that maps */

static const struct shape {
    const char *name;
    enum size size;
    unsigned level;
    uint64_t set, clear;
    uint64_t needs;
} shapes[] = {
    {"4k", SIZE_4K, 3, 0, 0, 0},
    {"2m", SIZE_2M, 2, 0, 0, 0},
    {"1g", SIZE_1G, 1, 0, 0, NEED_1G},
    /* bits 51:M are reserved in every entry that is present */
    {"level4.bit-51", SIZE_4K, 0, UINT64_C(1) << 51, 0, 0},
    {"level3.bit-51", SIZE_4K, 1, UINT64_C(1) << 51, 0, 0},
    {"level2.bit-51", SIZE_4K, 2, UINT64_C(1) << 51, 0, 0},
    {"level1.bit-51", SIZE_4K, 3, UINT64_C(1) << 51, 0, 0},
    {"2m.bit-51", SIZE_2M, 2, UINT64_C(1) << 51, 0, 0},
    {"1g.bit-51", SIZE_1G, 1, UINT64_C(1) << 51, 0, NEED_1G},
    {"level1.bit-51-absent", SIZE_4K, 3, UINT64_C(1) << 51, PTE_P, 0},
    {"level4.ps", SIZE_4K, 0, PTE_PS, 0, 0},
    {"2m.bit-13", SIZE_2M, 2, UINT64_C(1) << 13, 0, 0},
    {"2m.bit-20", SIZE_2M, 2, UINT64_C(1) << 20, 0, 0},
    {"1g.bit-13", SIZE_1G, 1, UINT64_C(1) << 13, 0, NEED_1G},
    {"1g.bit-29", SIZE_1G, 1, UINT64_C(1) << 29, 0, NEED_1G},
    /* PAT: bit 7 of a PTE, bit 12 of what maps more; PWT, PCD and G anywhere */
    {"4k.pat", SIZE_4K, 3, PTE_PS, 0, 0},
    {"2m.pat", SIZE_2M, 2, UINT64_C(1) << 12, 0, 0},
    {"1g.pat", SIZE_1G, 1, UINT64_C(1) << 12, 0, NEED_1G},
    {"level1.pwt-pcd-g", SIZE_4K, 3, PTE_PWT | PTE_PCD | PTE_G, 0, 0},
    {"level4.pwt-pcd-g", SIZE_4K, 0, PTE_PWT | PTE_PCD | PTE_G, 0, 0},
    /* ignored: 11:9 and 62:52 */
    {"level1.ignored", SIZE_4K, 3, UINT64_C(0x7ff0000000000e00), 0, 0},
    {"level2.ignored", SIZE_4K, 2, UINT64_C(0x7ff0000000000e40), PTE_D, 0},
    {"level3.ignored", SIZE_4K, 1, UINT64_C(0x7ff0000000000e40), PTE_D, 0},
    {"level4.ignored", SIZE_4K, 0, UINT64_C(0x7ff0000000000e40), PTE_D, 0},
};

/* The page that holds DATA, by one entry; the address of DATA in it. */
static uint64_t map(enum size size)
{
    uint64_t bytes = UINT64_C(1) << (39 - 9 * size);

    if (size != SIZE_4K)
        *entry[size] = (DATA & ~(bytes - 1)) | ALL | PTE_PS;
    return TEST + (DATA & (bytes - 1));
}

static void entry_shapes(void)
{
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *s = &shapes[i];
        if (!run_begin(s->name, s->needs))
            continue;
        build();
        uint64_t gva = map(s->size);
        *entry[s->level] = (*entry[s->level] & ~s->clear) | s->set;
        flush();
        print_access("r", try_access(access_read, gva, 0, 0), gva + 8);
        print_access("w", try_access(access_write, gva, RING3, 0), gva + 8);
        print_access("x", try_access(access_fetch, gva, RING3, 0), gva);
        print("\n");
    }
}

/* ---- accessed and dirty (SDM vol. 3, 4.8 "Accessed and Dirty Flags") ---- */

static void print_marks(enum size size)
{
    for (unsigned level = 0; level <= (unsigned)size; level++)
        print(" %s%s", *entry[level] & PTE_A ? "A" : "-", *entry[level] & PTE_D ? "D" : "-");
    print("\n");
}

static void clear_marks(enum size size)
{
    for (unsigned level = 0; level <= (unsigned)size; level++)
        *entry[level] &= ~(uint64_t)(PTE_A | PTE_D);
    flush();
}

static void marks(const char *name, enum size size, const char *code, uint64_t flags)
{
    if (!run_begin(name, flags))
        return;
    build();
    uint64_t gva = map(size);
    clear_marks(size);
    try_access(code, gva, flags, 0);
    print_marks(size);
}

/* D is set by a write only, also through a translation that a read has cached. */
static void marks_twice(void)
{
    if (!run_begin("marks.read-then-write", 0))
        return;
    build();
    clear_marks(SIZE_4K);
    try_access(access_read, TEST, 0, 0);
    try_access(access_write, TEST, 0, 0);
    print_marks(SIZE_4K);
}

/* A write that is refused leaves D alone. */
static void marks_refused(void)
{
    if (!run_begin("marks.refused-write", 0))
        return;
    build();
    clear_marks(SIZE_4K);
    *entry[3] &= ~(uint64_t)PTE_W;
    flush();
    try_access(access_write, TEST, RING3, 0);
    print(" %s\n", *entry[3] & PTE_D ? "D" : "-");
}

static void all_marks(void)
{
    marks("marks.read", SIZE_4K, access_read, 0);
    marks("marks.write", SIZE_4K, access_write, 0);
    marks("marks.fetch", SIZE_4K, access_fetch, 0);
    marks("marks.user-write", SIZE_4K, access_write, RING3);
    marks("marks.2m-read", SIZE_2M, access_read, 0);
    marks("marks.2m-write", SIZE_2M, access_write, 0);
    marks("marks.1g-read", SIZE_1G, access_read, NEED_1G);
    marks("marks.1g-write", SIZE_1G, access_write, NEED_1G);
    marks_twice();
    marks_refused();
}

/* ---- accesses across two pages ---- */

static const struct crossing {
    const char *name;
    uint64_t first, second; /* PTE flags */
} crossings[] = {
    {"crossing.both", ALL, ALL},
    {"crossing.second-absent", ALL, 0},
    {"crossing.first-absent", 0, ALL},
    {"crossing.second-read-only", ALL, ALL & ~PTE_W},
    {"crossing.first-read-only", ALL & ~PTE_W, ALL},
    {"crossing.second-supervisor", ALL, ALL & ~PTE_U},
    {"crossing.read-only-then-absent", ALL & ~PTE_W, 0},
    {"crossing.absent-then-supervisor", 0, ALL & ~PTE_U},
};

static void all_crossings(void)
{
    for (unsigned i = 0; i < sizeof crossings / sizeof *crossings; i++) {
        uint64_t gva = TEST + 0x1000 - 4;
        if (!run_begin(crossings[i].name, 0))
            continue;
        build();
        table[3][0] = DATA | crossings[i].first;
        table[3][1] = OTHER | crossings[i].second;
        *(volatile uint32_t *)(DATA + 0x1000 - 4) = 0x11111111;
        flush();
        print_access("r", try_access(access_read8, gva, RING3, 0), gva);
        print_access("w", try_access(access_write8, gva, RING3, 0), gva);
        print(" first=0x%x\n", *(volatile uint32_t *)(DATA + 0x1000 - 4));
    }
}

/* ---- invalidation (SDM vol. 3, 4.10.4 "Invalidation of TLBs and Paging-Structure Caches") ---- */

static void invalidate_pcid(uint64_t type, uint64_t pcid, uint64_t gva)
{
    uint64_t descriptor[2] = {pcid, gva};

    __asm__ volatile("invpcid %0, %1" : : "m"(descriptor), "r"(type) : "memory");
}

static void by_invlpg(void)
{
    invlpg(TEST);
}

static void by_cr3(void)
{
    flush();
}

static void by_pge(void)
{
    write_cr4(read_cr4() & ~(uint64_t)CR4_PGE);
    write_cr4(read_cr4() | CR4_PGE);
}

static void by_invpcid_address(void)
{
    invalidate_pcid(0, 1, TEST);
}

static void by_invpcid_single(void)
{
    invalidate_pcid(1, 1, 0);
}

static void by_invpcid_all(void)
{
    invalidate_pcid(2, 0, 0);
}

static void by_invpcid_not_global(void)
{
    invalidate_pcid(3, 0, 0);
}

static void by_pcide_off(void)
{
    write_cr3(read_cr3() & ~(uint64_t)CR3_PCID);
    write_cr4(read_cr4() & ~(uint64_t)CR4_PCIDE);
}

static const struct invalidation {
    const char *name;
    uint64_t needs;
    uint64_t flags; /* of the page */
    void (*do_it)(void);
} invalidations[] = {
    {"invalidate.invlpg", 0, 0, by_invlpg},
    {"invalidate.invlpg-global", 0, PTE_G, by_invlpg},
    {"invalidate.cr3", 0, 0, by_cr3},
    {"invalidate.pge", 0, 0, by_pge},
    {"invalidate.pge-global", 0, PTE_G, by_pge},
    {"invalidate.pcid-invlpg", NEED_PCID, 0, by_invlpg},
    {"invalidate.pcid-cr3", NEED_PCID, 0, by_cr3},
    {"invalidate.pcid-off", NEED_PCID, 0, by_pcide_off},
    {"invalidate.pcid-off-global", NEED_PCID, PTE_G, by_pcide_off},
    {"invalidate.pcid-pge", NEED_PCID, PTE_G, by_pge},
    {"invalidate.invpcid-address", NEED_PCID | NEED_INVPCID, 0, by_invpcid_address},
    {"invalidate.invpcid-single", NEED_PCID | NEED_INVPCID, 0, by_invpcid_single},
    {"invalidate.invpcid-all-global", NEED_PCID | NEED_INVPCID, PTE_G, by_invpcid_all},
    {"invalidate.invpcid-not-global", NEED_PCID | NEED_INVPCID, 0, by_invpcid_not_global},
};

static void use_pcid_1(void)
{
    write_cr4(read_cr4() | CR4_PCIDE);
    write_cr3(read_cr3() | 1);
}

/* The page is read, leads elsewhere, and is read again. */
static void one_invalidation(const struct invalidation *v)
{
    volatile uint64_t *page = (volatile uint64_t *)TEST;

    build();
    *(volatile uint64_t *)DATA = 1;
    *(volatile uint64_t *)OTHER = 2;
    if (v->needs & NEED_PCID)
        use_pcid_1();
    *entry[3] |= v->flags;
    invlpg(TEST);
    uint64_t before = *page;
    *entry[3] = OTHER | ALL | v->flags;
    v->do_it();
    print(" %lu then %lu\n", before, *page);
}

/* What is absent is never cached (SDM vol. 3, 4.10.2.3 "Details of TLB Use"). */
static void from_absent(void)
{
    if (!run_begin("invalidate.from-absent", 0))
        return;
    build();
    *entry[3] &= ~(uint64_t)PTE_P;
    flush();
    print_access("r", try_access(access_read, TEST, 0, 0), TEST + 8);
    *entry[3] |= PTE_P;
    print_access("r", try_access(access_read, TEST, 0, 0), TEST + 8);
    print("\n");
}

/* A page fault drops what it used (4.10.4.1): at the second try the wider rights are seen. */
static void more_rights(void)
{
    if (!run_begin("invalidate.by-fault", 0))
        return;
    build();
    *entry[3] &= ~(uint64_t)PTE_W;
    flush();
    try_access(access_read, TEST, RING3, 0);
    *entry[3] |= PTE_W;
    try_access(access_write, TEST, RING3, 0);
    print_access("w", try_access(access_write, TEST, RING3, 0), TEST + 8);
    print("\n");
}

/* MOV to CR3 with bit 63 keeps, and another PCID has its own translations. */
static void two_pcids(void)
{
    volatile uint64_t *page = (volatile uint64_t *)TEST;
    uint64_t cr3;

    if (!run_begin("pcid.two", NEED_PCID))
        return;
    build();
    *(volatile uint64_t *)DATA = 1;
    *(volatile uint64_t *)OTHER = 2;
    use_pcid_1();
    cr3 = read_cr3() & ~(uint64_t)CR3_PCID;
    uint64_t first = *page;
    write_cr3(cr3 | 2);
    *entry[3] = OTHER | ALL;
    invlpg(TEST);
    uint64_t second = *page;
    write_cr3(cr3 | 1); /* without bit 63: its translations go */
    print(" %lu %lu %lu\n", first, second, *page);
}

static void all_invalidations(void)
{
    for (unsigned i = 0; i < sizeof invalidations / sizeof *invalidations; i++)
        if (run_begin(invalidations[i].name, invalidations[i].needs))
            one_invalidation(&invalidations[i]);
    from_absent();
    more_rights();
    two_pcids();
}

void paging_cases(void)
{
    rights_matrix();
    rights_without_nxe();
    rights_by_level();
    not_present();
    entry_shapes();
    all_marks();
    all_crossings();
    all_invalidations();
    machine_reset();
}
