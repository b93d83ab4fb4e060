/* remap - page tables that one core changes while others use them.
 *
 *     remap [ROUNDS] [SEED]
 *
 * In each round one core makes random changes to the tables of a window: pages come, go, move and change
 * rights, tables are replaced by copies at each level.  Meanwhile the others use the window's stable pages,
 * and each core changes an entry of its own, in one table, which it need tell nobody.  Then all invalidate,
 * by INVLPG or by CR3, and the tables that were replaced become rubbish.  Then each core, with one of two
 * roots and WP, SMAP and AC at random, makes random accesses: each must find the page that the tables say, or
 * the fault.  What they set of A and D goes into the sum that is printed, with all that was found. */
#include "lib/guest.h"

#include "arch/insn.h"
#include "guests/lib/string.h"
#include "lib/args.h"
#include "lib/cores.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/traps.h"

#define ENTRIES        512
#define IDENTITY_BYTES UINT64_C(0x800000)
#define FRAMES         24 /* of data, at FRAMES_AT */
#define FRAMES_AT      UINT64_C(0x600000)
#define RUBBISH        (FRAMES_AT + FRAMES * PAGE_4K) /* no entry in use leads there */
#define AREAS          4 /* page tables of the window; the first two always present */
#define PAGES          8 /* of each: the even ones change, the odd ones are stable */
#define CHANGES        6
#define OWN_STORES     20
#define ACCESSES       40
#define TOP            2 /* index in the roots */
#define FAULTED        0x100
#define LINE           __attribute__((aligned(64)))

struct result {
    uint64_t fault; /* FAULTED and the error code, or 0 */
    uint64_t value;
};

static uint64_t *root[2], *upper, *table[AREAS]; /* in use: PML4s, page directory */
static uint64_t *own; /* a page table in which each core has an entry, and changes it */
static uint64_t *spare_upper, *spare_table;
static uint64_t *retired[CHANGES];
static unsigned retired_count, count, rounds, smap_offered;
static struct barrier barrier LINE;
static LINE uint64_t turn[CORES_MAX][8]; /* of the barrier */
static LINE uint64_t changing;           /* the round's changes are under way */
static LINE struct core_state {
    uint64_t random, sum, faults, wrong, root;
} state[CORES_MAX];

static void meet(unsigned number)
{
    barrier_meet(&barrier, count, ++turn[number][0]);
}

static uint64_t draw(unsigned number, uint64_t below)
{
    uint64_t x = state[number].random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    state[number].random = x;
    return (x >> 11) % below;
}

static void add(unsigned number, uint64_t value)
{
    state[number].sum = (state[number].sum ^ value) * UINT64_C(0x100000001b3);
}

/* ---- the window ---- */

static unsigned index_of(uint64_t page)
{
    return (unsigned)(page * 61 + 3);
}

static uint64_t gva_of(uint64_t area, uint64_t page)
{
    return GVA(TOP, 3, area + 5, index_of(page));
}

static uint64_t *entry_of(uint64_t area, uint64_t page)
{
    return &table[area][index_of(page)];
}

static uint64_t stable_frame(uint64_t area, uint64_t page)
{
    return FRAMES_AT + (area * PAGES + page) % FRAMES * PAGE_4K;
}

static uint64_t table_flags(void)
{
    return PTE_P | PTE_W | PTE_U | PTE_A;
}

static void build(void)
{
    uint64_t *middle = paging_new();

    upper = paging_new();
    spare_upper = paging_new();
    spare_table = paging_new();
    for (unsigned r = 0; r < 2; r++) {
        root[r] = paging_new();
        paging_identity(root[r], IDENTITY_BYTES, PAGE_2M);
        root[r][TOP] = (uint64_t)middle | table_flags();
    }
    middle[3] = (uint64_t)upper | table_flags();
    for (uint64_t area = 0; area < AREAS; area++) {
        table[area] = paging_new();
        upper[area + 5] = (uint64_t)table[area] | table_flags();
        for (uint64_t page = 1; page < PAGES; page += 2)
            *entry_of(area, page) = stable_frame(area, page) | PTE_P | PTE_W | PTE_A | PTE_D;
    }
    own = paging_new();
    upper[AREAS + 5] = (uint64_t)own | table_flags();
    for (uint64_t i = 0; i <= FRAMES; i++)
        *(volatile uint64_t *)(FRAMES_AT + i * PAGE_4K) = FRAMES_AT + i * PAGE_4K;
}

/* ---- changes ---- */

static void store(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_SEQ_CST);
}

static void replace(uint64_t **used, uint64_t **spare, uint64_t *entry)
{
    uint64_t *old = *used;

    if (!*spare)
        return;
    memcpy(*spare, old, PAGE_4K);
    *used = *spare;
    *spare = NULL;
    store(entry, (uint64_t)*used | table_flags());
    retired[retired_count++] = old;
}

static void change(unsigned number)
{
    uint64_t area = draw(number, AREAS), page = draw(number, PAGES / 2) * 2, *entry = entry_of(area, page);
    uint64_t *middle = (uint64_t *)(root[0][TOP] & PTE_ADDR);

    switch (draw(number, 7)) {
    case 0: store(entry, 0); break;
    case 1: store(entry, *entry ^ PTE_W); break;
    case 2: store(entry, *entry & ~(uint64_t)(PTE_A | PTE_D)); break;
    case 3: replace(&table[area], &spare_table, &upper[area + 5]); break;
    case 4: replace(&upper, &spare_upper, &middle[3]); break;
    case 5:
        if (area >= AREAS / 2)
            store(&upper[area + 5], upper[area + 5] ^ PTE_P);
        break;
    default:
        store(entry, (FRAMES_AT + draw(number, FRAMES) * PAGE_4K) | PTE_P | draw(number, 2) * PTE_W |
                         draw(number, 2) * PTE_U);
    }
}

/* Whoever still walks them finds the wrong page. */
static void make_rubbish(void)
{
    while (retired_count > 0) {
        uint64_t *old = retired[--retired_count];

        for (unsigned i = 0; i < ENTRIES; i++)
            old[i] = RUBBISH | PTE_P | PTE_W | PTE_A | PTE_D;
        if (!spare_table)
            spare_table = old;
        else
            spare_upper = old;
    }
}

static void invalidate(unsigned number, uint64_t round)
{
    if (round % 3 == 0) {
        state[number].root = draw(number, 2);
        write_cr3((uint64_t)root[state[number].root]);
        return;
    }
    for (uint64_t area = 0; area < AREAS; area++)
        for (uint64_t page = 0; page < PAGES; page++)
            invlpg(gva_of(area, page));
}

/* ---- accesses ---- */

static void on_page_fault(struct trap_frame *frame)
{
    frame->rax = FAULTED | frame->error;
    frame->rip = frame->rbx;
}

static struct result load(uint64_t gva, uint64_t ac)
{
    struct result r;

    __asm__ volatile("leaq 1f(%%rip), %%rbx\n\txorl %%eax, %%eax\n\txorl %%edx, %%edx\n\t"
                     "pushfq\n\torq %3, (%%rsp)\n\tpopfq\n\tmovq (%2), %%rdx\n1:\t"
                     "pushfq\n\tandq $~0x40000, (%%rsp)\n\tpopfq"
                     : "=&a"(r.fault), "=&d"(r.value)
                     : "r"(gva), "r"(ac)
                     : "rbx", "memory", "cc");
    return r;
}

static struct result write_to(uint64_t gva, uint64_t ac, uint64_t value)
{
    struct result r = {.value = value};

    __asm__ volatile("leaq 1f(%%rip), %%rbx\n\txorl %%eax, %%eax\n\t"
                     "pushfq\n\torq %2, (%%rsp)\n\tpopfq\n\tmovq %3, (%1)\n1:\t"
                     "pushfq\n\tandq $~0x40000, (%%rsp)\n\tpopfq"
                     : "=&a"(r.fault)
                     : "r"(gva), "r"(ac), "r"(value)
                     : "rbx", "memory", "cc");
    return r;
}

static void complain(unsigned number, const char *what, uint64_t gva, uint64_t got, uint64_t wanted)
{
    if (state[number].wrong++ == 0)
        print("core %u, %s of 0x%lx: 0x%lx, not 0x%lx\n", number, what, gva, got, wanted);
}

/* What the tables say now, in which nobody changes anything: the entry, 0 if there is none. */
static uint64_t look_up(uint64_t area, uint64_t page)
{
    uint64_t entry = upper[area + 5];

    entry = entry & PTE_P ? ((uint64_t *)(entry & PTE_ADDR))[index_of(page)] : 0;
    return entry & PTE_P ? entry : 0;
}

static uint64_t fault_of(uint64_t entry, bool write, uint64_t ac)
{
    uint64_t code = FAULTED | (write ? PF_W : 0);

    if (!entry)
        return code;
    if (entry & PTE_U && read_cr4() & CR4_SMAP && !ac)
        return code | PF_P;
    return write && !(entry & PTE_W) && read_cr0() & CR0_WP ? code | PF_P : 0;
}

static void access(unsigned number)
{
    uint64_t area = draw(number, AREAS), page = draw(number, PAGES), gva = gva_of(area, page);
    uint64_t entry = look_up(area, page), ac = draw(number, 2) * FLAG_AC, wanted;
    bool write = draw(number, 2);
    struct result r = write ? write_to(gva + 8 + 8 * number, ac, draw(number, 1000)) : load(gva, ac);

    wanted = fault_of(entry, write, ac);
    if (r.fault != wanted)
        complain(number, write ? "store" : "load", gva, r.fault, wanted);
    else if (!r.fault && !write && r.value != (entry & PTE_ADDR))
        complain(number, "load", gva, r.value, entry & PTE_ADDR);
    state[number].faults += r.fault != 0;
    add(number, r.fault ^ r.value);
}

static void set_mode(unsigned number)
{
    uint64_t wp = draw(number, 2), smap = draw(number, 2) && smap_offered;

    write_cr0((read_cr0() & ~(uint64_t)CR0_WP) | (wp ? CR0_WP : 0));
    write_cr4((read_cr4() & ~(uint64_t)CR4_SMAP) | (smap ? CR4_SMAP : 0));
}

/* Its own changes a core sees at once, whatever others do with their entries of the table. */
static void use_own_page(unsigned number, uint64_t i)
{
    uint64_t gva = GVA(TOP, 3, AREAS + 5, number), frame = 0;
    struct result r;

    for (uint64_t k = 0; k < OWN_STORES; k++) {
        frame = FRAMES_AT + (i + k) % FRAMES * PAGE_4K;
        store(&own[number], frame | PTE_P | PTE_W);
    }
    if (i % 4)
        invlpg(gva);
    else
        write_cr3(read_cr3());
    r = load(gva, 0);
    if (r.fault || r.value != frame)
        complain(number, "load of its own", gva, r.fault ? r.fault : r.value, frame);
}

/* Nothing is to be seen of the changes in what does not change. */
static void use_stable_pages(unsigned number)
{
    for (uint64_t i = number; __atomic_load_n(&changing, __ATOMIC_ACQUIRE); i++) {
        uint64_t area = i % (AREAS / 2), page = i / 2 % (PAGES / 2) * 2 + 1, gva = gva_of(area, page);
        struct result r = load(gva, 0);

        if (r.fault || r.value != stable_frame(area, page))
            complain(number, "load meanwhile", gva, r.fault ? r.fault : r.value, stable_frame(area, page));
        r = write_to(gva + 8 + 8 * number, 0, i);
        if (r.fault)
            complain(number, "store meanwhile", gva, r.fault, 0);
        use_own_page(number, i);
    }
}

static void note_flags(unsigned number)
{
    for (uint64_t area = 0; area < AREAS; area++)
        for (uint64_t page = 0; page < PAGES; page += 2)
            add(number, *entry_of(area, page));
}

/* ---- a round ---- */

static void run_round(unsigned number, uint64_t round)
{
    bool changes = round % count == number;

    meet(number);
    if (changes) {
        for (unsigned i = 0; i < CHANGES; i++) {
            change(number);
            use_own_page(number, 1); /* by INVLPG: what CR3 would hide stays */
        }
        __atomic_store_n(&changing, 0, __ATOMIC_RELEASE);
    } else {
        use_stable_pages(number);
    }
    meet(number);
    invalidate(number, round);
    meet(number);
    if (changes)
        make_rubbish();
    set_mode(number);
    meet(number);
    for (unsigned i = 0; i < ACCESSES; i++)
        access(number);
    meet(number);
    if (changes) {
        note_flags(number);
        __atomic_store_n(&changing, 1, __ATOMIC_RELEASE);
    }
}

static void run(unsigned number)
{
    state[number].random += number * UINT64_C(0x9e3779b97f4a7c15);
    write_cr3((uint64_t)root[0]);
    for (uint64_t round = 0; round < rounds; round++)
        run_round(number, round);
    meet(number);
}

uint32_t guest_main(const char *args)
{
    uint64_t sum = 0, faults = 0, wrong = 0;
    uint32_t r[4];

    count = cores_count();
    if (ram_bytes() < IDENTITY_BYTES) {
        print("remap needs 8 MiB of RAM\n");
        return 1;
    }
    rounds = (unsigned)args_number(args, 1, 20);
    for (unsigned i = 0; i < CORES_MAX; i++)
        state[i].random = args_number(args, 2, 1) * 2 + 1;
    cpuid(7, 0, r);
    smap_offered = r[1] & CPUID_7_EBX_SMAP;
    build();
    changing = 1;
    trap_set(VEC_PF, on_page_fault);
    if (count > 1)
        cores_start(run);
    run(0);
    for (unsigned i = 0; i < count; i++) {
        sum = sum * 31 + state[i].sum;
        faults += state[i].faults;
        wrong += state[i].wrong;
    }
    print("remap: %u cores, %u rounds, %lu faults, %lu wrong, sum 0x%lx\n", count, rounds, faults, wrong,
          sum);
    return wrong != 0;
}
