/* tables - page tables that change in ways of which whoever keeps copies of them must not lose track: they
 * map themselves, are used at two levels, become data, are written by string I/O, and there are many.  What
 * is read through them is said, line by line; invalidations are what the manual asks for and no more. */
#include <stdbool.h>

#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"

#define PORT_NOBODY    0x2000 /* reads as ones */
#define IDENTITY_BYTES UINT64_C(0x200000)
#define SELF           5                  /* entry of the PML4 that leads to the PML4 */
#define FRAMES         UINT64_C(0x300000) /* page n holds n */
#define FRAME_COUNT    16
#define WORK           UINT64_C(0x400000) /* 2 MiB for tables, mapped at WORK_AT in one page */
#define WORK_AT        GVA(2, 0, 0, 0)
#define NEEDED_BYTES   UINT64_C(0x600000)
#define TARGET         GVA(1, 2, 3, 4)
#define LARGE          GVA(3, 0, 1, 0) /* the work area once more */
#define FLAGS          (PTE_P | PTE_W)
#define MANY_TABLES    33 /* page tables, side by side */
#define MANY_SPACES    5
#define ENTRIES        512

static uint64_t *pml4;
static uint64_t faults, error;

static void on_page_fault(struct trap_frame *frame)
{
    faults++;
    error = frame->error;
    frame->rip = frame->rbx;
}

static uint64_t frame(unsigned n)
{
    return FRAMES + n * PAGE_4K;
}

/* The first word at gva, or where its #PF would be: all ones. */
static uint64_t load(uint64_t gva)
{
    uint64_t value = UINT64_MAX;

    __asm__ volatile("leaq 1f(%%rip), %%rbx\n\tmovq (%1), %0\n1:" : "+r"(value) : "r"(gva) : "rbx", "memory");
    return value;
}

static bool store(uint64_t gva, uint64_t value)
{
    uint64_t before = faults;

    __asm__ volatile("leaq 1f(%%rip), %%rbx\n\tmovq %0, (%1)\n1:" : : "r"(value), "r"(gva) : "rbx", "memory");
    return faults == before;
}

static void show(const char *what, uint64_t gva)
{
    uint64_t before = faults, value = load(gva);

    if (faults != before)
        print("%s: #PF(%lu)\n", what, error);
    else
        print("%s: %lu\n", what, value);
}

/* Where the entry lies that maps gva at this level (1 to 4), by the PML4 that maps itself. */
static volatile uint64_t *self_entry(uint64_t gva, unsigned level)
{
    uint64_t at = gva & 0xffffffffffff;

    for (unsigned i = 0; i < level; i++)
        at = (at >> 9 & 0x7ffffffff8) | GVA(SELF, 0, 0, 0);
    return (volatile uint64_t *)at;
}

static void build(void)
{
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    for (unsigned n = 0; n < FRAME_COUNT; n++)
        paging_map(pml4, frame(n), frame(n), PAGE_4K, PTE_W);
    paging_map(pml4, WORK_AT, WORK, PAGE_2M, PTE_W);
    paging_map(pml4, TARGET, frame(1), PAGE_4K, PTE_W);
    paging_map(pml4, LARGE, WORK, PAGE_2M, PTE_W);
    pml4[SELF] = (uint64_t)pml4 | FLAGS;
    write_cr3((uint64_t)pml4);
    write_cr0(read_cr0() | CR0_WP);
    for (unsigned n = 0; n < FRAME_COUNT; n++)
        *(volatile uint64_t *)frame(n) = n;
}

/* ---- a PML4 that maps itself ---- */

static void through_itself(void)
{
    show("target", TARGET);
    *self_entry(TARGET, 1) = frame(2) | FLAGS;
    invlpg(TARGET);
    show("its page table entry, written through the tables", TARGET);
    *self_entry(TARGET + PAGE_4K, 1) = frame(3) | FLAGS;
    show("the next one, absent before", TARGET + PAGE_4K);
    *self_entry(TARGET, 2) &= ~(uint64_t)PTE_W;
    invlpg(TARGET);
    print("without W in the directory: %s\n", store(TARGET, 7) ? "stored" : "refused");
    *self_entry(TARGET, 2) |= PTE_W;
    *self_entry(TARGET, 3) &= ~(uint64_t)PTE_P;
    invlpg(TARGET);
    show("absent at level 3", TARGET);
    *self_entry(TARGET, 3) |= PTE_P;
    show("and back", TARGET);
    *self_entry(TARGET, 4) |= UINT64_C(1) << 62; /* ignored */
    invlpg(TARGET);
    print("the PML4 through itself: entry %lu is itself: %u\n", (uint64_t)SELF,
          (*self_entry(GVA(SELF, SELF, SELF, SELF), 4) & PTE_ADDR) == (uint64_t)pml4);
    *self_entry(TARGET, 4) &= ~(uint64_t)PTE_P;
    invlpg(TARGET);
    show("absent at level 4", TARGET);
    *self_entry(TARGET, 4) |= PTE_P;
    show("and back", TARGET);
}

/* ---- accessed and dirty, again and again ---- */

/* To look through the tables themselves would set flags. */
static void flags_of(const char *what)
{
    uint64_t entry = *paging_entry(pml4, TARGET, PAGE_4K), above = *paging_entry(pml4, TARGET, PAGE_2M);
    uint64_t large = *paging_entry(pml4, LARGE, PAGE_2M);

    print("%s: %s%s, directory %s, large page %s%s\n", what, entry & PTE_A ? "A" : "-",
          entry & PTE_D ? "D" : "-", above & PTE_A ? "A" : "-", large & PTE_A ? "A" : "-",
          large & PTE_D ? "D" : "-");
}

static void clear_flags(void)
{
    *self_entry(TARGET, 1) &= ~(uint64_t)(PTE_A | PTE_D);
    *self_entry(TARGET, 2) &= ~(uint64_t)PTE_A;
    *self_entry(LARGE, 2) &= ~(uint64_t)(PTE_A | PTE_D);
    invlpg(TARGET);
    invlpg(LARGE);
}

static void flags(void)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        clear_flags();
        flags_of("cleared");
        load(TARGET);
        load(LARGE);
        flags_of("read");
        store(TARGET, 2);
        store(LARGE, 2);
        flags_of("written");
    }
}

/* ---- tables in the work area, which a large page maps ---- */

static uint64_t *work(unsigned page)
{
    return (uint64_t *)(WORK_AT + page * PAGE_4K);
}

static uint64_t work_gpa(unsigned page)
{
    return WORK + page * PAGE_4K;
}

/* Page 0 is a PDPT, 1 a directory, 2 a page table: of GVA(8, 0, 0, n). */
static void hang_in(void)
{
    memset(work(0), 0, 3 * PAGE_4K);
    work(0)[0] = work_gpa(1) | FLAGS;
    work(1)[0] = work_gpa(2) | FLAGS;
    for (unsigned n = 0; n < FRAME_COUNT; n++)
        work(2)[n] = frame(n) | FLAGS;
    pml4[8] = work_gpa(0) | FLAGS;
}

static uint64_t sum_of(uint64_t gva, unsigned pages)
{
    uint64_t sum = 0;

    for (unsigned n = 0; n < pages; n++)
        sum = sum * 31 + load(gva + n * PAGE_4K);
    return sum;
}

static void flush(void)
{
    write_cr3(read_cr3());
}

static void become_data(void)
{
    hang_in();
    print("tables in a large page: %lx\n", sum_of(GVA(8, 0, 0, 0), FRAME_COUNT));
    pml4[8] = 0;
    flush();
    for (unsigned i = 0; i < 3 * ENTRIES; i++)
        work(0)[i] = i;
    flush();
    print("as data: %lu %lu %lu\n", work(0)[1], work(1)[2], work(2)[3]);
    hang_in();
    print("as tables again: %lx\n", sum_of(GVA(8, 0, 0, 0), FRAME_COUNT));
    for (unsigned n = 0; n < FRAME_COUNT; n++)
        work(2)[n] = frame(FRAME_COUNT - 1 - n) | FLAGS;
    flush();
    print("turned round: %lx\n", sum_of(GVA(8, 0, 0, 0), FRAME_COUNT));
}

/* The directory's second entry leads to the directory itself: what it maps is the tables. */
static void two_levels(void)
{
    work(1)[1] = work_gpa(1) | FLAGS;
    print("a directory as a page table: entry 0 leads to the table: %u\n",
          (load(GVA(8, 0, 1, 1)) & PTE_ADDR) == work_gpa(2));
    store(GVA(8, 0, 1, 1) + 2 * sizeof(uint64_t), work_gpa(2) | FLAGS);
    show("written through itself, entry 2 leads there too", GVA(8, 0, 2, 3));
    store(GVA(8, 0, 1, 0) + 3 * sizeof(uint64_t), frame(9) | FLAGS);
    invlpg(GVA(8, 0, 2, 3));
    show("the table through it", GVA(8, 0, 2, 3));
}

/* One page table in another's place.  Without an invalidation the first access may still go by the old one,
 * and fault there; a fault drops what it has used (SDM vol. 3, 4.10.4.1). */
static void exchanged(void)
{
    uint64_t gva = GVA(8, 0, 0, 0), before;

    memset(work(3), 0, PAGE_4K);
    work(3)[0] = frame(11) | FLAGS;
    work(3)[30] = frame(12) | FLAGS;
    flush();
    show("by the one table", gva);
    work(1)[0] = work_gpa(3) | FLAGS;
    before = faults;
    load(gva + 30 * PAGE_4K);
    faults = before;
    show("what only the other has", gva + 30 * PAGE_4K);
    invlpg(gva);
    show("by the other table", gva);
    work(1)[0] = work_gpa(2) | FLAGS;
    invlpg(gva);
    invlpg(gva + 30 * PAGE_4K);
    show("by the first again", gva);
    show("and not what the other had", gva + 30 * PAGE_4K);
}

/* One set of tables behind two PML4 entries, the second of which forbids writing. */
static void two_rights(void)
{
    pml4[9] = work_gpa(0) | PTE_P;
    for (unsigned turn = 0; turn < 2; turn++)
        print("by the one way %s, by the other %s\n",
              store(GVA(8, 0, 0, 5), 50 + turn) ? "stored" : "refused",
              store(GVA(9, 0, 0, 5), 60) ? "stored" : "refused");
    write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
    print("without WP %s\n", store(GVA(9, 0, 0, 6), 70) ? "stored" : "refused");
    show("what is there", GVA(8, 0, 0, 6));
    write_cr0(read_cr0() | CR0_WP);
    print("with WP again %s\n", store(GVA(9, 0, 0, 6), 80) ? "stored" : "refused");
}

/* A page table that maps itself, read-only; without WP, the first use of that is a write to it. */
static void by_its_own_entry(void)
{
    const uint64_t moves = GVA(6, 3, 5, 7), self = GVA(6, 3, 5, 9);

    paging_map(pml4, moves, frame(5), PAGE_4K, PTE_W);
    uint64_t table = (uint64_t)paging_entry(pml4, moves, PAGE_4K) & ~(PAGE_4K - 1);
    ((uint64_t *)table)[9] = table | PTE_P;
    write_cr3((uint64_t)pml4);
    write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
    store(self + 8 * 20, 0);
    show("mapped beside itself", moves);
    store(self + 8 * 7, frame(6) | FLAGS);
    invlpg(moves);
    show("moved by its own entry", moves);
    store(self + 8 * 7, frame(5) | FLAGS);
    invlpg(moves);
    show("and back", moves);
    print("accessed %u\n", (load(self + 8 * 7) & PTE_A) != 0);
    write_cr0(read_cr0() | CR0_WP);
}

/* Without WP and with SMAP: the kernel may write to a user's read-only page, if it has set AC, and only then.
 */
static void by_leave(void)
{
    const uint64_t gva = TARGET + 9 * PAGE_4K;
    uint32_t r[4];

    cpuid(7, 0, r);
    if (!(r[1] & CPUID_7_EBX_SMAP)) {
        print("no SMAP\n");
        return;
    }
    paging_map(pml4, gva, frame(4), PAGE_4K, PTE_U);
    write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
    write_cr4(read_cr4() | CR4_SMAP);
    print("without AC %s\n", store(gva, 40) ? "stored" : "refused");
    __asm__ volatile("stac");
    print("with AC %s\n", store(gva, 41) ? "stored" : "refused");
    __asm__ volatile("clac");
    show("without AC again", gva);
    print("and %s\n", store(gva, 42) ? "stored" : "refused");
    write_cr4(read_cr4() & ~(uint64_t)CR4_SMAP);
    show("what is there", gva);
    print("without SMAP %s\n", store(gva, 43) ? "stored" : "refused");
    write_cr4(read_cr4() | CR4_SMAP);
    print("with SMAP again %s\n", store(gva, 44) ? "stored" : "refused");
    write_cr4(read_cr4() & ~(uint64_t)CR4_SMAP);
    write_cr0(read_cr0() | CR0_WP);
}

/* ---- written by string I/O, which a hypervisor does itself ---- */

static void by_port(void)
{
    void *to = &work(2)[20], *frame_byte = (uint8_t *)&work(2)[21] + 1;

    work(2)[20] = frame(10); /* absent */
    flush();
    show("absent", GVA(8, 0, 0, 20));
    __asm__ volatile("insb" : "+D"(to) : "d"(PORT_NOBODY) : "memory");
    show("its low byte read from a port", GVA(8, 0, 0, 20));
    work(2)[21] = frame(10) | FLAGS;
    flush();
    show("present", GVA(8, 0, 0, 21));
    __asm__ volatile("insb" : "+D"(frame_byte) : "d"(PORT_NOBODY) : "memory");
    invlpg(GVA(8, 0, 0, 21));
    show("its second byte read from a port", GVA(8, 0, 0, 21));
}

/* ---- many ---- */

static void many_tables(void)
{
    for (unsigned turn = 1; turn < 3; turn++) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < MANY_TABLES; i++) {
            work(1)[8 + i] = work_gpa(100 + i) | FLAGS;
            work(100 + i)[i] = frame((i + turn) % FRAME_COUNT) | FLAGS;
            invlpg(GVA(8, 0, 8 + i, i));
            sum = sum * 31 + load(GVA(8, 0, 8 + i, i));
        }
        print("many tables, turn %u: %lx\n", turn, sum);
    }
}

/* Each has a page of its own, and shares all else. */
static void many_spaces(void)
{
    for (unsigned i = 0; i < MANY_SPACES; i++) {
        uint64_t *space = work(200 + 2 * i), *table = work(201 + 2 * i);

        memcpy(space, pml4, PAGE_4K);
        memcpy(table, work(0), PAGE_4K);
        space[10] = work_gpa(201 + 2 * i) | FLAGS;
        table[1] = work_gpa(201 + 2 * i) | FLAGS; /* a PDPT, a directory and a page table at once */
        table[2] = frame(i % FRAME_COUNT) | FLAGS;
    }
    for (unsigned turn = 0; turn < 3; turn++) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < MANY_SPACES; i++) {
            write_cr3(work_gpa(200 + 2 * i));
            sum = sum * 31 + load(GVA(10, 1, 1, 2)) + load(GVA(8, 0, 0, i % FRAME_COUNT));
        }
        write_cr3((uint64_t)pml4);
        print("many spaces, turn %u: %lx\n", turn, sum);
    }
}

uint32_t guest_main(const char *args)
{
    (void)args;
    if (ram_bytes() < NEEDED_BYTES) {
        print("needs 6 MiB of RAM\n");
        return 1;
    }
    traps_init();
    trap_set(VEC_PF, on_page_fault);
    build();
    through_itself();
    flags();
    become_data();
    two_levels();
    exchanged();
    two_rights();
    by_its_own_entry();
    by_leave();
    by_port();
    many_tables();
    many_spaces();
    print("%lu page faults\n", faults);
    return 0;
}
