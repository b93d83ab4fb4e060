/* tables.c - the page tables, EPT, descriptors and gates of a random program. */
#include "tick/program.h"

#include "arch/vmx.h"

#include <string.h>

/* ---- page tables ---- */

static u64 *table_at(struct program *p, u64 hpa)
{
    return (u64 *)(void *)(p->tables + (hpa - PROGRAM_TABLES_HPA));
}

static u64 new_table(struct program *p)
{
    u64 hpa = PROGRAM_TABLES_HPA + p->tables_used;
    p->tables_used += 4096;
    return hpa;
}

/* Maps a page in the tables at root, whose entries hold hPA + `physical`; flags: of entries that point to
 * tables. */
static void map_in(struct program *p, u64 root, u64 physical, u64 address, unsigned leaf, u64 entry,
                   u64 flags)
{
    u64 table = root;
    for (unsigned shift = 39; shift > leaf; shift -= 9) {
        u64 *at = table_at(p, table) + (address >> shift & 511);
        if (!*at)
            *at = (new_table(p) + physical) | flags;
        table = (*at & ~4095ull) - physical;
    }
    table_at(p, table)[address >> leaf & 511] = entry;
}

static void map(struct program *p, u64 gva, u64 hpa, unsigned leaf, u64 bits)
{
    map_in(p, p->root, p->physical, gva, leaf, (hpa + p->physical) | PTE_P | bits | (leaf > 12 ? PTE_PS : 0),
           7);
}

/* Some pages are global, where that is on. */
static void map_range(struct program *p, u64 gva, u64 hpa, u64 range, unsigned leaf, u64 bits)
{
    for (u64 i = 0; i < range; i += 1ull << leaf)
        map(p, gva + i, hpa + i, leaf, bits | (program_random(p, 4) == 0 ? PTE_G : 0));
}

/* The low 32 MiB for the guest at `physical`: each 2 MiB of them as one page or as 512, or all as 1 GiB; and
 * the devices at their own addresses. */
static void make_ept(struct program *p)
{
    u64 root = new_table(p), rwx = EPT_RWX | EPT_WB;
    bool huge = program_random(p, 4) == 0;
    if (huge)
        map_in(p, root, 0, p->physical, 30, rwx | EPT_PS, 7);
    for (u64 block = 0; block < PROGRAM_RAM_BYTES && !huge; block += 2 << 20) {
        bool large = program_random(p, 2);
        for (u64 hpa = block; hpa < block + (2 << 20); hpa += large ? 2 << 20 : 4096)
            map_in(p, root, 0, hpa + p->physical, large ? 21 : 12, hpa | rwx | (large ? EPT_PS : 0), 7);
    }
    map_in(p, root, 0, PROGRAM_APIC_HPA + p->physical, 12, PROGRAM_APIC_HPA | rwx, 7);
    map_in(p, root, 0, PROGRAM_NOBODY_HPA + p->physical, 21, PROGRAM_NOBODY_HPA | rwx | EPT_PS, 7);
    map_in(p, root, 0, 0x200000000, 12, PROGRAM_DATA_HPA | EPT_R | EPT_X | EPT_WB, 7);
    p->eptp = root | EPTP_WB | EPTP_WALK_4 | (program_random(p, 2) ? EPTP_AD : 0);
}

/* Pages that refuse an access. */
static void map_bad(struct program *p)
{
    u64 gva = PROGRAM_BAD_GVA, hpa = PROGRAM_DATA_HPA;
    map(p, gva + BAD_READ_ONLY * 0x1000, hpa, 12, PTE_U);
    map(p, gva + BAD_SYSTEM * 0x1000, hpa + 0x1000, 12, PTE_W);
    map(p, gva + BAD_NO_EXECUTE * 0x1000, hpa + 0x2000, 12, PTE_W | PTE_U | PTE_NX);
    map(p, gva + BAD_EPT_ABSENT * 0x1000, 0x300000000 - p->physical, 12, PTE_W | PTE_U);
    map(p, gva + BAD_EPT_READ_ONLY * 0x1000, 0x200000000 - p->physical, 12, PTE_W | PTE_U);
}

void program_tables(struct program *p)
{
    u64 user = PTE_W | PTE_U;
    p->x2apic = program_random(p, 2);
    p->root = PROGRAM_TABLES_HPA;
    p->tables_used = 4096;
    if (p->guest)
        make_ept(p);
    map_range(p, 0, 0, 4 << 20, 21, PTE_W);
    map_range(p, PROGRAM_CODE_GVA, PROGRAM_CODE_HPA, PROGRAM_CODE_BYTES, 12, user);
    map_range(p, PROGRAM_SYSTEM_GVA, PROGRAM_SYSTEM_HPA, PROGRAM_SYSTEM_BYTES, 12, PTE_W);
    map_range(p, PROGRAM_CHAIN_GVA, PROGRAM_CHAIN_HPA, PROGRAM_CHAIN_BYTES, 12, user);
    /* Neighbours here are not neighbours there. */
    for (u64 i = 0; i < PROGRAM_DATA_BYTES; i += 4096)
        map_range(p, PROGRAM_DATA_GVA + i, PROGRAM_DATA_HPA + i * 7 % PROGRAM_DATA_BYTES, 4096, 12, user);
    map_range(p, PROGRAM_STACK_GVA - 0x10000, PROGRAM_STACK_HPA, PROGRAM_STACK_BYTES, 12, user);
    map_range(p, PROGRAM_BIG_GVA, PROGRAM_BIG_HPA, PROGRAM_BIG_BYTES, 21, user);
    map(p, PROGRAM_HUGE_GVA, 0, 30, user);
    map(p, PROGRAM_APIC_GVA, PROGRAM_APIC_HPA, program_random(p, 2) ? 12 : 21, PTE_W);
    map(p, PROGRAM_NOBODY_GVA, PROGRAM_NOBODY_HPA, program_random(p, 2) ? 12 : 21, user);
    map_bad(p);
    if (!p->guest)
        return;
    /* The hypervisor's own: RAM as it is. */
    p->host_root = new_table(p);
    for (u64 hpa = 0; hpa < PROGRAM_RAM_BYTES; hpa += 2 << 20)
        map_in(p, p->host_root, 0, hpa, 21, hpa | PTE_P | PTE_W | PTE_PS, 7);
}

/* ---- descriptors and gates ---- */

static void put_u64(struct program *p, u64 at, u64 value)
{
    memcpy(p->system + at, &value, 8);
}

static void put_gate(struct program *p, unsigned vector, unsigned ist)
{
    u64 handler = event_handler(p, vector);
    unsigned type = SEG_P | SYS_INTERRUPT_GATE | (vector == PROGRAM_USER_VECTOR ? SEG_DPL : 0);
    if (vector == VEC_BP && program_random(p, 2))
        type |= SEG_DPL;
    put_u64(p, SYSTEM_IDT + 16 * vector,
            (handler & 0xffff) | PROGRAM_CS0 << 16 | (u64)ist << 32 | (u64)type << 40 | handler >> 16 << 48);
    put_u64(p, SYSTEM_IDT + 16 * vector + 8, handler >> 32);
}

static void put_pointer(struct program *p, u64 at, u64 limit, u64 base)
{
    put_u64(p, at, limit | base << 16);
    put_u64(p, at + 8, base >> 48);
}

static void put_bit(struct program *p, u64 at, u64 bit)
{
    p->system[at + bit / 8] |= (u8)(1u << bit % 8);
}

/* What exits: a port, an MSR; and MSRs for the lists. */
static void put_guest_bitmaps(struct program *p)
{
    u64 msr = SYSTEM_BITMAPS + 0x2000, number = MSR_TSC_AUX & 0x1fff;
    put_bit(p, SYSTEM_BITMAPS, PROGRAM_EXIT_PORT);
    put_bit(p, msr + 0x400, number); /* RDMSR, then WRMSR, of the high MSRs */
    put_bit(p, msr + 0xc00, number);
    p->exit_stores = (unsigned)program_random(p, 4);
    p->exit_loads = (unsigned)program_random(p, 4);
    p->entry_loads = (unsigned)program_random(p, 4);
    p->vpid = program_random(p, 2);
    for (u64 i = 0; i < 3 * 16; i++)
        put_u64(p, SYSTEM_MSRS + 16 * i, MSR_KERNEL_GS_BASE);
}

void program_system(struct program *p)
{
    u64 tss = p->system_gva + SYSTEM_TSS;
    put_u64(p, SYSTEM_GDT + PROGRAM_CS0, DESC_CODE64);
    put_u64(p, SYSTEM_GDT + PROGRAM_DS0, DESC_DATA);
    put_u64(p, SYSTEM_GDT + (PROGRAM_DS3 & ~3), DESC_DATA_USER);
    put_u64(p, SYSTEM_GDT + (PROGRAM_CS3 & ~3), DESC_CODE64_USER);
    put_u64(p, SYSTEM_GDT + PROGRAM_TR,
            (TSS_BYTES - 1) | (tss & 0xffffff) << 16 | DESC_P | (u64)SYS_TSS_AVAILABLE << 40 |
                (tss >> 24 & 0xff) << 56);
    put_u64(p, SYSTEM_GDT + PROGRAM_TR + 8, tss >> 32);
    put_u64(p, SYSTEM_TSS + TSS_RSP0, PROGRAM_RSP0_GVA);
    put_u64(p, SYSTEM_TSS + TSS_IST1, PROGRAM_IST_GVA);
    put_u64(p, SYSTEM_VMXON, VMCS_REVISION);
    put_u64(p, SYSTEM_VMCS, VMCS_REVISION);
    put_u64(p, SYSTEM_INVALIDATE, p->eptp);
    put_u64(p, SYSTEM_INVALIDATE + 16, 1);
    put_guest_bitmaps(p);
    put_pointer(p, SYSTEM_POINTERS, 0x37, p->system_gva + SYSTEM_GDT);
    put_pointer(p, SYSTEM_POINTERS + 16, 0xfff, p->system_gva + SYSTEM_IDT);
    put_u64(p, SYSTEM_POINTERS + 32, PROGRAM_SYSTEM_HPA + SYSTEM_VMXON);
    put_u64(p, SYSTEM_POINTERS + 40, PROGRAM_SYSTEM_HPA + SYSTEM_VMCS);
    for (unsigned v = 0; v < 256; v++)
        if (event_handler(p, v))
            put_gate(p, v, v < 32 ? (unsigned)program_random(p, 2) : 0);
}
