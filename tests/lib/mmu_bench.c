/* mmu_bench.c - tables and accesses for tests of the memory side. */
#include "lib/mmu_bench.h"

#include <check.h>
#include <setjmp.h>

#include "arch/vmx.h"

#define TABLES_HPA       0x200000u /* native and EPT tables */
#define GUEST_TABLES_GPA 0x800000u /* a guest's own */
#define GUEST_ROOT_GPA   0x7ff000u

const struct setting bench_whole_walks[] = {{"walk_caches", 0}, {"stlb", 0}, {NULL, 0}};

struct mmu_bench bench_new(const struct setting *settings)
{
    struct mmu_bench b = {.world = rs_world_new(), .next_table = TABLES_HPA + PAGE_BYTES};
    struct rs_config config;
    struct rs_error err;
    struct rs_params *p = rs_params_new();
    rs_config_init(&config);
    for (; settings && settings->name; settings++)
        ck_assert_msg(rs_params_set(p, settings->name, settings->value, &err) == RS_OK, "%s", err.text);
    config.params = p;
    b.m = rs_machine_new(b.world, &config, &err);
    ck_assert_msg(b.m != NULL, "%s", err.text);
    rs_params_free(p);
    b.c = b.m->core[0];
    b.c->s.cr3 = TABLES_HPA;
    b.c->s.cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET;
    b.c->s.cr4 = CR4_PAE | CR4_PGE;
    b.c->s.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    b.c->s.seg[SEG_SS].attr = SEG_ATTR_DATA;
    return b;
}

void bench_free(struct mmu_bench *b)
{
    rs_world_free(b->world);
}

/* ---- tables ---- */

static u64 host_of(const struct mmu_bench *b, u64 address)
{
    return b->nested ? address + GUEST_HPA : address;
}

static u64 entry_at(u64 table, unsigned level, u64 address)
{
    return table + 8 * (address >> (12 + 9 * (level - 1)) & 511);
}

/* hPA of the entry of `level`; with `make`, missing tables are made.  offset: from table addresses to hPA. */
static u64 find_entry(struct mem *mem, u64 root, u64 offset, u64 address, unsigned level, u64 *make, u64 bits)
{
    u64 table = root;
    for (unsigned l = 4; l > level; l--) {
        u64 at = entry_at(table + offset, l, address);
        u64 entry = mem_read(mem, at, 8);
        if (!(entry & 7)) {
            ck_assert(make != NULL);
            entry = *make | bits;
            *make += PAGE_BYTES;
            mem_write(mem, at, 8, entry);
        }
        table = entry & PTE_ADDR;
    }
    return entry_at(table + offset, level, address);
}

void bench_map_guest(struct mmu_bench *b, u64 gva, u64 frame, unsigned reach, u64 bits)
{
    u64 offset = b->nested ? GUEST_HPA : 0;
    u64 at = find_entry(b->m->mem, b->c->s.cr3 & PTE_ADDR, offset, gva, reach + 1, &b->next_table,
                        PTE_P | PTE_W | PTE_U);
    mem_write(b->m->mem, at, 8, frame | bits | (reach ? PTE_PS : 0));
}

void bench_map_ept(struct mmu_bench *b, u64 gpa, u64 frame, unsigned reach, u64 bits)
{
    u64 at = find_entry(b->m->mem, b->ept_root, 0, gpa, reach + 1, &b->next_ept_table, EPT_RWX);
    mem_write(b->m->mem, at, 8, frame | bits | (reach ? EPT_PS : 0));
}

u64 bench_guest_entry(const struct mmu_bench *b, u64 gva, unsigned level)
{
    return find_entry(b->m->mem, b->c->s.cr3 & PTE_ADDR, host_of(b, 0), gva, level, NULL, 0);
}

u64 bench_ept_entry(const struct mmu_bench *b, u64 gpa, unsigned level)
{
    return find_entry(b->m->mem, b->ept_root, 0, gpa, level, NULL, 0);
}

u64 bench_u64(const struct mmu_bench *b, u64 hpa)
{
    return mem_read(b->m->mem, hpa, 8);
}

void bench_or(struct mmu_bench *b, u64 hpa, u64 bits)
{
    mem_write(b->m->mem, hpa, 8, mem_read(b->m->mem, hpa, 8) | bits);
}

void bench_clear(struct mmu_bench *b, u64 hpa, u64 bits)
{
    mem_write(b->m->mem, hpa, 8, mem_read(b->m->mem, hpa, 8) & ~bits);
}

void bench_enter_guest(struct mmu_bench *b, unsigned reach)
{
    struct core_state *s = &b->c->s;
    b->nested = true;
    b->ept_root = TABLES_HPA + 0x100000;
    b->next_ept_table = b->ept_root + PAGE_BYTES;
    b->next_table = GUEST_TABLES_GPA;
    u64 step = (u64)PAGE_BYTES << 9 * reach;
    for (u64 gpa = 0; gpa < GUEST_BYTES; gpa += step)
        bench_map_ept(b, gpa, GUEST_HPA + gpa, reach, EPT_RWX | EPT_WB);
    s->cr3 = GUEST_ROOT_GPA;
    s->vmx_on = s->vmx_guest = 1;
    s->vmcs_hpa = BENCH_VMCS;
    s->vmx.proc = PROC_SECONDARY;
    s->vmx.proc2 = PROC2_EPT | PROC2_VPID;
    s->vmx.vpid = 1;
    s->vmx.eptp = b->ept_root | EPTP_WALK_4 | EPTP_WB;
}

/* ---- accesses ---- */

void bench_run(struct mmu_bench *b, void (*fn)(struct core *c, const void *arg), const void *arg)
{
    if (setjmp(b->c->rt.atom.jmp) == 0)
        fn(b->c, arg);
}

bool bench_access(struct mmu_bench *b, u64 gva, unsigned access)
{
    struct latch l;
    struct core *c = b->c;
    c->rt.atom.micro = 0;
    c->s.event_valid = 0;
    c->s.fetch_line = 0;
    if (setjmp(c->rt.atom.jmp) != 0)
        return false;
    if (access & MMU_FETCH)
        mmu_fetch_line(c, gva);
    else if (access & MMU_WRITE)
        mmu_store_check(c, gva, 8, access, &l);
    else
        mmu_load(c, gva, 8, access);
    return true;
}

unsigned bench_refs(struct mmu_bench *b, u64 gva, unsigned access)
{
    u64 before = b->c->s.count.walk_refs;
    ck_assert(bench_access(b, gva, access));
    return (unsigned)(b->c->s.count.walk_refs - before);
}
