/* ring3.c - see ring3.h. */
#include "lib/ring3.h"

#include <string.h>

#include "cpu/cpu.h"
#include "lib/native.h"

/* ---- physical memory ---- */

enum {
    TABLES = 0x10000, /* PML4, PDPT, PD, then page tables */
    GDT = 0x18000,
    IDT = 0x19000,
    TSS = 0x1a000,
    FRAMES = 0x100000, /* of the areas; data and what may only be read are neighbours here too */
    RAM = 0x1000000
};

static const struct area {
    u64 at, bytes, frame, rights;
} areas[] = {
    {NATIVE_CODE, NATIVE_CODE_BYTES, FRAMES, PTE_W},
    {NATIVE_DATA, NATIVE_DATA_BYTES, FRAMES + 0x10000, PTE_W | PTE_NX},
    {NATIVE_READ_ONLY, NATIVE_READ_ONLY_BYTES, FRAMES + 0x10000 + NATIVE_DATA_BYTES, PTE_NX},
};

#define AREAS (sizeof areas / sizeof *areas)

/* Where the kernel's half begins, with physical memory from 0. */
#define KERNEL UINT64_C(0xffff800000000000)

static u64 physical(u64 at)
{
    for (size_t i = 0; i < AREAS; i++)
        if (at - areas[i].at < areas[i].bytes)
            return areas[i].frame + (at - areas[i].at);
    return UINT64_MAX; /* no RAM there */
}

/* ---- tables ---- */

static void set_u64(struct ring3 *r, u64 hpa, u64 value)
{
    mem_write(r->machine->mem, hpa, 8, value);
}

/* Areas of one 2 MiB region share a page table. */
static void map(struct ring3 *r, const struct area *a, u64 table)
{
    u64 down = PTE_P | PTE_W | PTE_U;
    set_u64(r, TABLES, (TABLES + 0x1000) | down);
    set_u64(r, TABLES + 0x1000, (TABLES + 0x2000) | down);
    set_u64(r, TABLES + 0x2000 + 8 * (a->at >> 21), table | down);
    for (u64 i = 0; i < a->bytes; i += PAGE_BYTES)
        set_u64(r, table + 8 * ((a->at + i) >> 12 & 511), (a->frame + i) | PTE_P | PTE_U | a->rights);
}

static void map_kernel(struct ring3 *r)
{
    set_u64(r, TABLES + 8 * (KERNEL >> 39 & 511), (TABLES + 0x5000) | PTE_P | PTE_W);
    set_u64(r, TABLES + 0x5000, (TABLES + 0x6000) | PTE_P | PTE_W);
    set_u64(r, TABLES + 0x6000, PTE_P | PTE_W | PTE_PS);
    mem_write(r->machine->mem, TSS + TSS_IOMAP, 2, 0xffff); /* no bitmap of ports */
}

static void write_gates(struct ring3 *r)
{
    for (u64 v = 0; v < 256; v++) {
        u64 dpl = v == VEC_BP || v == VEC_OF ? 3 : 0;
        set_u64(r, IDT + 16 * v, 0x10 << 16 | (SEG_P | dpl << 5 | SYS_INTERRUPT_GATE) << 40);
    }
}

#define CODE32_USER UINT64_C(0x00cffb000000ffff)

static void write_descriptors(struct ring3 *r)
{
    set_u64(r, GDT + 0x10, DESC_CODE64);
    set_u64(r, GDT + 0x18, DESC_DATA);
    set_u64(r, GDT + 0x20, CODE32_USER);
    set_u64(r, GDT + (NATIVE_SS & ~7), DESC_DATA_USER);
    set_u64(r, GDT + (NATIVE_CS & ~7), DESC_CODE64_USER);
}

static void load_system_registers(struct core_state *s)
{
    s->cr0 |= CR0_AM;
    s->cr3 = TABLES;
    s->efer |= EFER_NXE;
    s->gdtr_base = KERNEL + GDT;
    s->gdtr_limit = 0x7f;
    s->idtr_base = KERNEL + IDT;
    s->idtr_limit = 0xfff;
    s->seg[SEG_LDTR] = (struct segment){.attr = SEG_UNUSABLE};
    s->seg[SEG_TR] = (struct segment){0x40, KERNEL + TSS, TSS_BYTES - 1, SEG_ATTR_TSS};
}

bool ring3_open(struct ring3 *r)
{
    struct rs_config config;
    struct rs_error err = {""};
    rs_config_init(&config);
    config.ram_bytes = RAM;
    r->world = rs_world_new();
    r->machine = rs_machine_new(r->world, &config, &err);
    if (!r->machine)
        return false;
    r->core = r->machine->core[0];
    map(r, &areas[0], TABLES + 0x3000);
    map(r, &areas[1], TABLES + 0x4000);
    map(r, &areas[2], TABLES + 0x4000);
    map_kernel(r);
    write_gates(r);
    write_descriptors(r);
    load_system_registers(&r->core->s);
    return true;
}

void ring3_close(struct ring3 *r)
{
    rs_world_free(r->world);
}

/* ---- registers ---- */

static struct segment user_data(u64 base)
{
    return (struct segment){0, base, 0xffffffff, SEG_ATTR_DATA | SEG_DPL};
}

void ring3_reset(struct ring3 *r, u64 fs_base, u64 gs_base)
{
    struct core_state *s = &r->core->s;
    s->seg[SEG_CS] = (struct segment){NATIVE_CS, 0, 0xffffffff, SEG_ATTR_CODE64 | SEG_DPL};
    s->seg[SEG_SS] = (struct segment){NATIVE_SS, 0, 0xffffffff, SEG_ATTR_DATA | SEG_DPL};
    s->seg[SEG_DS] = s->seg[SEG_ES] = user_data(0);
    s->seg[SEG_FS] = user_data(fs_base);
    s->seg[SEG_GS] = user_data(gs_base);
    s->event_valid = s->pending_debug = s->shadow_sti = s->shadow_ss = 0;
    r->core->rt.look_again = 0;
}

/* ---- bytes ---- */

void ring3_put(struct ring3 *r, u64 at, const u8 *bytes, u64 n)
{
    mem_copy_in(r->machine->mem, physical(at), bytes, n);
}

void ring3_get(const struct ring3 *r, u64 at, u8 *bytes, u64 n)
{
    mem_copy_out(r->machine->mem, physical(at), bytes, n);
}

bool ring3_equals(const struct ring3 *r, u64 at, const u8 *bytes, u64 n)
{
    for (u64 i = 0; i < n; i += PAGE_BYTES)
        if (memcmp(mem_read_page(r->machine->mem, physical(at + i)), bytes + i, PAGE_BYTES) != 0)
            return false;
    return true;
}

u64 ring3_stamp(const struct ring3 *r, u64 at)
{
    u64 hpa = physical(at);
    mem_mark_code(r->machine->mem, hpa, PAGE_BYTES);
    mem_mark_code(r->machine->mem, hpa + PAGE_BYTES, PAGE_BYTES);
    return *mem_code_changes(r->machine->mem);
}
