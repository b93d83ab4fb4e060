/* mutate_walk.c - see mutate_walk.h. */
#include "lib/mutate_walk.h"

#include "cpu/vmx.h"
#include "lib/chance.h"
#include "lib/guest_ept.h"
#include "lib/kept.h"
#include "lib/walk_oracle.h"

#include <check.h>
#include <string.h>

#define TABLES  0x13000u /* the guest's: as the host's, and a table of 4 KiB pages for the first 2 MiB */
#define PT      (TABLES + 0x3000)
#define LOG     0x9d000u
#define VE_AREA 0x9e000u
#define CODE    (GUEST_CODE + 0x800)
#define INDEX   7u /* of the EPTP */

static const u32 kept_pages[] = {TABLES,   TABLES + 0x1000, TABLES + 0x2000, PT,      GUEST_VMCS,
                                 LOG,      VE_AREA,         GUEST_CODE,      0xa0000, 0xa1000,
                                 0xa2000,  0xa3000,         0xa4000,         0xa5000, 0xa6000,
                                 0x604000, 0x605000,        0x20000,         0x606000};

static struct {
    struct bare b;
    struct core *c;
    struct kept kept;
    u64 seed, number;
    u64 data; /* the linear address of the operand */
    unsigned access;
    struct walk_mutations *sum;
} w;

/* Check writes to a file at each assertion, whether it holds or not. */
#define EXPECT(got, want, what) \
    do { \
        u64 got_ = (got), want_ = (want); \
        if (got_ != want_) \
            ck_abort_msg("seed %llu, mutation %llu: %s is %#llx, not %#llx", (unsigned long long)w.seed, \
                         (unsigned long long)w.number, what, (unsigned long long)got_, \
                         (unsigned long long)want_); \
    } while (0)

/* ---- the machine ---- */

static void write_tables(void)
{
    static u8 table[3 * PAGE_BYTES];
    mem_copy_out(w.b.machine->mem, BARE_PML4, table, sizeof table);
    mem_copy_in(w.b.machine->mem, TABLES, table, sizeof table);
    bare_set_u64(&w.b, TABLES, (TABLES + 0x1000) | PTE_P | PTE_W | PTE_U);
    bare_set_u64(&w.b, TABLES + 0x1000, (TABLES + 0x2000) | PTE_P | PTE_W | PTE_U);
    bare_set_u64(&w.b, TABLES + 0x2000, PT | PTE_P | PTE_W | PTE_U);
    for (u64 i = 0; i < 512; i++)
        bare_set_u64(&w.b, PT + 8 * i, i << 12 | PTE_P | PTE_W);
}

static void open_machine(void)
{
    guest_open(&w.b);
    w.c = w.b.core;
    write_tables();
    guest_set(w.c, VMCS_GUEST_CR3, TABLES);
    ept_use(&w.b, 0, 0);
    guest_set(w.c, VMCS_PML_ADDRESS, LOG);
    guest_set(w.c, VMCS_VE_INFORMATION_ADDRESS, VE_AREA);
    guest_set(w.c, VMCS_EPTP_INDEX, INDEX);
    guest_set(w.c, VMCS_EXCEPTION_BITMAP, 1u << VEC_PF | 1u << VEC_VE);
    guest_set(w.c, VMCS_GUEST_RIP, CODE);
    bare_put(&w.b, BARE_CODE, VMLAUNCH, 3);
    bare_set_u64(&w.b, EPT_PAGE, 0x1122334455667788);
    w.c->s.rip = BARE_CODE;
    kept_take(&w.kept, &w.b);
    for (size_t i = 0; i < sizeof kept_pages / sizeof *kept_pages; i++)
        kept_add(&w.kept, kept_pages[i]);
}

/* ---- rubbish ---- */

static u64 rubbish(u64 old)
{
    static const u64 place[] = {0x10000,  0x13000, 0x28000,  0xa0000,   0xa3000,
                                0x605000, 0x9d000, 0x200000, 0xfee00000};
    switch (chance_below(8)) {
    case 0: return chance();
    case 1: return (old & ~0x7full) | chance_below(0x80);
    case 2: return (old & 0xfff0000000000fff) | place[chance_below(sizeof place / sizeof *place)];
    case 3: return old & ~(chance() & 7);
    case 4: return 0;
    case 5:
        return (old & 0xfff) | PTE_PS | chance_below(4) << 21 |
               (chance_once_in(2) ? 1ull << (12 + chance_below(18)) : 0);
    default: return old ^ 1ull << (chance_once_in(2) ? chance_below(12) : chance_below(64));
    }
}

/* Places that this test's instruction leads through. */
static u64 some_page(void)
{
    const u64 page[] = {TABLES, TABLES + 0x1000, TABLES + 0x2000, PT, GUEST_CODE, w.data};
    return page[chance_below(sizeof page / sizeof *page)];
}

static void mutate_ept(void)
{
    u64 gpa = some_page(), root = EPT_TABLES(0);
    const u64 place[] = {root, root + 0x1000, root + 0x2000 + 8 * (gpa >> 21 & 3), ept_entry(0, gpa),
                         ept_entry(0, gpa)};
    u64 at = place[chance_below(5)];
    bare_set_u64(&w.b, at, rubbish(bare_u64(&w.b, at)));
}

static void mutate_guest_tables(void)
{
    u64 gva = chance_once_in(2) ? w.data : CODE;
    const u64 place[] = {TABLES, TABLES + 0x1000, TABLES + 0x2000 + 8 * (gva >> 21 & 3),
                         PT + 8 * (gva >> 12 & 511)};
    u64 at = place[chance_below(4)];
    bare_set_u64(&w.b, at, rubbish(bare_u64(&w.b, at)));
}

/* Flags that have been set before. */
static void flags_of_tables(void)
{
    for (u64 n = 0; n < 4; n++) {
        u64 gpa = some_page();
        bare_set_u64(&w.b, ept_entry(0, gpa),
                     bare_u64(&w.b, ept_entry(0, gpa)) | (chance() & (EPT_A | EPT_D)));
    }
    for (u64 at = TABLES; at < PT; at += 0x1000)
        bare_set_u64(&w.b, at, bare_u64(&w.b, at) | (chance() & (PTE_A | PTE_D)));
}

static void choose_controls(void)
{
    struct core *c = w.c;
    u64 proc2 = PROC2_EPT | (chance() & (PROC2_PML | PROC2_EPT_VE | PROC2_VPID));
    VMCS_PUT(c, PROC2_CONTROLS, proc2);
    VMCS_PUT(c, VPID, 1);
    VMCS_PUT(c, EPTP, VMCS_GET(c, EPTP) | (chance() & EPTP_AD));
    VMCS_PUT(c, PML_INDEX, chance_once_in(4) ? chance() & 0xffff : chance_below(12));
    VMCS_PUT(c, GUEST_CR0, c->s.cr0 ^ (chance() & CR0_WP));
    if (chance_once_in(4))
        VMCS_PUT(c, GUEST_CR4, c->s.cr4 ^ (chance() & (CR4_SMEP | CR4_SMAP)));
    VMCS_PUT(c, GUEST_RFLAGS, VMCS_GET(c, GUEST_RFLAGS) | (chance() & FLAG_AC));
    bare_set_u64(&w.b, VE_AREA, chance_once_in(4) ? chance() : 0);
}

static u64 leaf_of(u64 gva)
{
    return gva < 0x200000 ? PT + 8 * (gva >> 12) : TABLES + 0x2000 + 8 * (gva >> 21);
}

static void give_to_user(u64 gva)
{
    bare_set_u64(&w.b, leaf_of(gva), bare_u64(&w.b, leaf_of(gva)) | PTE_U);
}

/* CPL 3, in pages of which most are its own. */
static void ring_3(void)
{
    const u64 page[] = {CODE, w.data};
    VMCS_PUT(w.c, GUEST_CS_SELECTOR, BARE_CS3);
    VMCS_PUT(w.c, GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
    VMCS_PUT(w.c, GUEST_SS_SELECTOR, BARE_DS3);
    VMCS_PUT(w.c, GUEST_SS_ACCESS_RIGHTS, 0xc0f3);
    for (unsigned i = 0; i < 2; i++)
        if (!chance_once_in(8))
            give_to_user(page[i]);
}

static void mutate_once(void)
{
    static const u64 place[] = {EPT_PAGE, 0x604000, 0x20000, 0xa3000, PT, 0x606000};
    w.data = place[chance_below(sizeof place / sizeof *place)] + 8 * chance_below(512);
    w.access = chance_once_in(2) ? ORACLE_READ : ORACLE_WRITE;
    bare_put(&w.b, CODE, w.access == ORACLE_READ ? LOAD_RBX_RAX : STORE_RAX_RBX, 3);
    w.c->s.gpr[REG_RBX] = w.data;
    w.c->s.gpr[REG_RAX] = chance();
    choose_controls();
    flags_of_tables();
    if (chance_once_in(3))
        ring_3();
    else if (chance_once_in(4)) /* what SMEP and SMAP are about */
        give_to_user(chance_once_in(4) ? CODE : w.data);
    for (u64 n = chance_below(3); n-- > 0;)
        mutate_ept();
    for (u64 n = chance_below(3); n-- > 0;)
        mutate_guest_tables();
}

/* ---- what must hold ---- */

static struct walk_oracle oracle_now(void)
{
    const struct core_state *s = &w.c->s;
    return (struct walk_oracle){.mem = w.b.machine->mem,
                                .eptp = s->vmx.eptp,
                                .cr0 = s->cr0,
                                .cr3 = s->cr3,
                                .cr4 = s->cr4,
                                .efer = s->efer,
                                .rflags = s->rflags,
                                .user = cpl(w.c) == 3,
                                .logs = s->vmx.proc2 & PROC2_PML,
                                .log = LOG,
                                .log_index = s->vmx.pml_index};
}

/* The fetch, then the operand.  False: the bytes fetched are not the instruction's. */
static bool foresee(struct walk_oracle *o, enum oracle_end *end, u64 *gva, struct oracle_answer *a)
{
    *gva = CODE;
    *end = oracle_access(o, CODE, ORACLE_FETCH, a);
    if (*end != ORACLE_LANDS)
        return true;
    if (((oracle_peek(o, a->hpa & ~7ull) ^ mem_read(o->mem, CODE, 8)) & 0xffffff) != 0)
        return false;
    *gva = w.data;
    *end = oracle_access(o, w.data, w.access, a);
    return true;
}

static void check_changes(const struct walk_oracle *o)
{
    for (unsigned i = 0; i < o->changes; i++)
        EXPECT(bare_u64(&w.b, o->change[i].hpa), oracle_peek(o, o->change[i].hpa),
               "a flag, or an entry of the log");
}

/* What is not among the changes is as it was before the guest ran. */
static void check_rest(const struct walk_oracle *o, const u8 before[][PAGE_BYTES])
{
    static u8 want[PAGE_BYTES];
    for (size_t p = 0; p < sizeof kept_pages / sizeof *kept_pages; p++) {
        if (kept_pages[p] == GUEST_VMCS || kept_pages[p] == VE_AREA)
            continue;
        memcpy(want, before[p], PAGE_BYTES);
        for (unsigned i = 0; i < o->changes; i++)
            if (o->change[i].hpa >> 12 == kept_pages[p] >> 12)
                memcpy(want + (o->change[i].hpa & 0xfff), &o->change[i].value, 8);
        EXPECT((u64)memcmp(mem_read_page(w.b.machine->mem, kept_pages[p]), want, PAGE_BYTES), 0,
               "another change");
    }
}

static void check_landed(struct walk_oracle *o, const struct oracle_answer *a, u64 rax)
{
    bool ram = mem_has(w.b.machine->mem, a->hpa, 8);
    if (ram && w.access == ORACLE_WRITE)
        oracle_poke(o, a->hpa, rax);
    EXPECT(w.c->s.vmx_guest, true, "non-root operation");
    EXPECT(w.c->s.rip, CODE + 3, "RIP");
    if (ram && w.access == ORACLE_READ)
        EXPECT(w.c->s.gpr[REG_RAX], oracle_peek(o, a->hpa), "what is loaded");
}

static void check_exception(u64 vector, u64 info_bits)
{
    EXPECT(VMCS_GET(w.c, EXIT_REASON), EXIT_EXCEPTION_NMI, "exit reason");
    EXPECT(VMCS_GET(w.c, EXIT_INTR_INFO), INTR_INFO(vector, EVENT_HARD_EXCEPTION) | info_bits,
           "interruption information");
}

static void check_ve(const struct oracle_answer *a, u64 gva)
{
    w.sum->converted++;
    check_exception(VEC_VE, 0);
    EXPECT(bare_u64(&w.b, VE_AREA), 0xffffffff00000000 | EXIT_EPT_VIOLATION, "reason and busy");
    EXPECT(bare_u64(&w.b, VE_AREA + VE_QUALIFICATION), a->qualification, "its qualification");
    EXPECT(bare_u64(&w.b, VE_AREA + VE_GUEST_LINEAR), gva, "its linear address");
    EXPECT(bare_u64(&w.b, VE_AREA + VE_GUEST_PHYSICAL), a->gpa, "its physical address");
    EXPECT(mem_read(w.b.machine->mem, VE_AREA + VE_EPTP_INDEX, 2), INDEX, "its EPTP index");
}

static void check_violation(const struct oracle_answer *a, u64 gva)
{
    EXPECT(VMCS_GET(w.c, EXIT_REASON), EXIT_EPT_VIOLATION, "exit reason");
    EXPECT(VMCS_GET(w.c, EXIT_QUALIFICATION), a->qualification, "exit qualification");
    EXPECT(VMCS_GET(w.c, GUEST_PHYSICAL_ADDRESS), a->gpa, "guest-physical address");
    EXPECT(VMCS_GET(w.c, GUEST_LINEAR_ADDRESS), gva, "guest linear address");
}

static void check_page_fault(const struct oracle_answer *a, u64 gva)
{
    check_exception(VEC_PF, INTR_HAS_ERROR);
    EXPECT(VMCS_GET(w.c, EXIT_INTR_ERROR), a->error, "error code");
    EXPECT(VMCS_GET(w.c, EXIT_QUALIFICATION), gva, "exit qualification");
}

static void check_end(enum oracle_end end, const struct oracle_answer *a, u64 gva, bool convertible)
{
    EXPECT(w.c->s.vmx_guest, false, "non-root operation");
    EXPECT(VMCS_GET(w.c, GUEST_RIP), CODE, "guest RIP");
    switch (end) {
    case ORACLE_VIOLATION:
        if (convertible && !a->suppress)
            check_ve(a, gva);
        else
            check_violation(a, gva);
        break;
    case ORACLE_MISCONFIG:
        EXPECT(VMCS_GET(w.c, EXIT_REASON), EXIT_EPT_MISCONFIG, "exit reason");
        EXPECT(VMCS_GET(w.c, GUEST_PHYSICAL_ADDRESS), a->gpa, "guest-physical address");
        break;
    case ORACLE_LOG_FULL: EXPECT(VMCS_GET(w.c, EXIT_REASON), EXIT_PML_FULL, "exit reason"); break;
    default: check_page_fault(a, gva);
    }
}

/* ---- a run ---- */

static void run_guest(void)
{
    static u8 before[sizeof kept_pages / sizeof *kept_pages][PAGE_BYTES];
    struct walk_oracle o = oracle_now();
    struct oracle_answer a = {.hpa = 0};
    enum oracle_end end;
    u64 gva, rax = w.c->s.gpr[REG_RAX], index = o.log_index;
    bool convertible = w.c->s.vmx.proc2 & PROC2_EPT_VE && bare_u64(&w.b, VE_AREA) >> 32 == 0;
    bool foreseen = foresee(&o, &end, &gva, &a);
    for (size_t p = 0; p < sizeof kept_pages / sizeof *kept_pages; p++)
        mem_copy_out(w.b.machine->mem, kept_pages[p], before[p], PAGE_BYTES);
    EXPECT(cpu_atom(w.c), ATOM_DONE, "the atom's end");
    if (w.c->s.event_valid)
        EXPECT(cpu_atom(w.c), ATOM_DONE, "the end of its delivery");
    w.sum->twofold += o.twofold;
    if (!foreseen || o.twofold)
        return;
    w.sum->ends[end]++;
    w.sum->logged += index != o.log_index;
    if (end == ORACLE_LANDS)
        check_landed(&o, &a, rax);
    else
        check_end(end, &a, gva, convertible);
    EXPECT(w.c->s.vmx.pml_index, o.log_index, "PML index");
    check_changes(&o);
    check_rest(&o, before);
}

static void one(void)
{
    kept_put_back(&w.kept);
    mutate_once();
    mmu_flush_everything(w.c, FLUSH_INVEPT);
    EXPECT(cpu_atom(w.c), ATOM_DONE, "the entry's end");
    EXPECT(w.c->s.vmx_guest, true, "non-root operation");
    run_guest();
}

void mutate_walk(u64 seed, u64 count, struct walk_mutations *sum)
{
    w.seed = seed;
    w.sum = sum;
    chance_seed(seed);
    open_machine();
    for (w.number = 0; w.number < count; w.number++, sum->made++)
        one();
    bare_close(&w.b);
}
