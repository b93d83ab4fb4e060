#include "conformance/machine.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/guest.h"
#include "lib/paging.h"
#include "lib/string.h"

struct gate64 machine_idt[TRAP_VECTORS] __attribute__((aligned(16)));
struct task machine_task __attribute__((aligned(256)));
uint64_t *machine_pml4;

static uint64_t gdt[SEL_BEYOND / 8] __attribute__((aligned(16)));
static uint64_t ldt[2] __attribute__((aligned(16)));
static struct tss64 free_tss;

extern const char landing_syscall[], landing_gate[];

/* ---- features ---- */

enum { EAX, EBX, ECX, EDX };

static const struct feature {
    uint64_t need;
    const char *name;
    uint32_t leaf, reg, bit;
} features[] = {
    {NEED_PCID, "PCID", 1, ECX, CPUID_1_ECX_PCID},
    {NEED_INVPCID, "INVPCID", 7, EBX, CPUID_7_EBX_INVPCID},
    {NEED_SMEP, "SMEP", 7, EBX, CPUID_7_EBX_SMEP},
    {NEED_SMAP, "SMAP", 7, EBX, CPUID_7_EBX_SMAP},
    {NEED_UMIP, "UMIP", 7, ECX, CPUID_7_ECX_UMIP},
    {NEED_1G, "1G", 0x80000001, EDX, CPUID_EXT1_EDX_PAGE1GB},
    {NEED_X2APIC, "X2APIC", 1, ECX, CPUID_1_ECX_X2APIC},
    {NEED_DEADLINE, "DEADLINE", 1, ECX, CPUID_1_ECX_TSC_DEADLINE},
    {NEED_NX, "NX", 0x80000001, EDX, CPUID_EXT1_EDX_NX},
    {NEED_APIC, "APIC", 1, EDX, CPUID_1_EDX_APIC},
};

const char *machine_lacks(uint64_t flags)
{
    uint32_t out[4];

    for (unsigned i = 0; i < sizeof features / sizeof *features; i++) {
        if (!(flags & features[i].need))
            continue;
        cpuid(features[i].leaf, 0, out);
        if (!(out[features[i].reg] & features[i].bit))
            return features[i].name;
    }
    return NULL;
}

/* ---- pages ---- */

#define PORT_PIC_MASKS  0x21
#define PORT_PIC2_MASKS 0xa1

#define LOW     UINT64_C(0x100000000)
#define ALIASED UINT64_C(0x1000000)

/* PCs have interrupt controllers of old that would be heard as soon as IF is set. */
static void silence_pics(void)
{
    out8(PORT_PIC_MASKS, 0xff);
    out8(PORT_PIC2_MASKS, 0xff);
}

void machine_init(void)
{
    silence_pics();
    machine_pml4 = paging_new();
    paging_identity(machine_pml4, LOW, PAGE_2M);
    for (uint64_t a = 0; a < ALIASED; a += PAGE_2M)
        paging_map(machine_pml4, ALIAS + a, a, PAGE_2M, PTE_W | PTE_U);
}

/* ---- descriptor tables ---- */

#define TYPE(low, type)  (((low) & ~(UINT64_C(0x1f) << 40)) | (uint64_t)(type) << 40)
#define CODE_EXEC_ONLY   0x19
#define CODE_CONFORMING  0x1f
#define DATA_READ_ONLY   0x11
#define DATA_EXPAND_DOWN 0x17
#define NOT_ACCESSED     (~DESC_ACCESSED)
#define DESC_D           (UINT64_C(1) << 54)
#define DPL3             (UINT64_C(3) << 45)

static void set_system(unsigned selector, uint64_t base, uint32_t limit, unsigned type)
{
    gdt[selector / 8] = (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)(type | 0x80) << 40 |
                        (base >> 24 & 0xff) << 56;
    gdt[selector / 8 + 1] = base >> 32;
}

static void set_gate(unsigned selector, unsigned dpl, uint64_t target, unsigned code)
{
    gdt[selector / 8] = (target & 0xffff) | (uint64_t)code << 16 |
                        (uint64_t)(0x80 | dpl << 5 | SYS_CALL_GATE) << 40 | (target >> 16 & 0xffff) << 48;
    gdt[selector / 8 + 1] = target >> 32;
}

static void set_segments(void)
{
    gdt[SEL_KCODE / 8] = DESC_CODE64;
    gdt[SEL_KDATA / 8] = DESC_DATA;
    gdt[SEL_UDATA / 8] = DESC_DATA_USER;
    gdt[SEL_UCODE / 8] = DESC_CODE64_USER;
    gdt[SEL_READ_ONLY / 8] = TYPE(DESC_DATA, DATA_READ_ONLY);
    gdt[SEL_EXEC_ONLY / 8] = TYPE(DESC_CODE64, CODE_EXEC_ONLY);
    gdt[SEL_CONFORMING / 8] = TYPE(DESC_CODE64, CODE_CONFORMING);
    gdt[SEL_DATA_ABSENT / 8] = DESC_DATA & ~DESC_P;
    gdt[SEL_CODE_ABSENT / 8] = DESC_CODE64 & ~DESC_P;
    gdt[SEL_UDATA_ABSENT / 8] = DESC_DATA_USER & ~DESC_P;
    gdt[SEL_UDATA_FRESH / 8] = DESC_DATA_USER & NOT_ACCESSED;
    gdt[SEL_UCONFORMING / 8] = TYPE(DESC_CODE64_USER, CODE_CONFORMING);
    gdt[SEL_CODE_L_AND_D / 8] = DESC_CODE64 | DESC_D;
    gdt[SEL_EXPAND_DOWN / 8] = TYPE(DESC_DATA, DATA_EXPAND_DOWN);
    gdt[SEL_KDATA_FRESH / 8] = DESC_DATA & NOT_ACCESSED;
    ldt[0] = DESC_DATA_USER;
    ldt[1] = DESC_CODE64_USER;
}

static void set_systems(void)
{
    set_system(SEL_TSS, (uint64_t)&machine_task, sizeof machine_task - 1, SYS_TSS_AVAILABLE);
    set_system(SEL_LDT, (uint64_t)ldt, sizeof ldt - 1, SYS_LDT);
    set_system(SEL_TSS_FREE, (uint64_t)&free_tss, TSS_BYTES - 1, SYS_TSS_AVAILABLE);
    set_system(SEL_TSS_ABSENT, (uint64_t)&free_tss, TSS_BYTES - 1, SYS_TSS_AVAILABLE);
    set_system(SEL_LDT_ABSENT, (uint64_t)ldt, sizeof ldt - 1, SYS_LDT);
    set_system(SEL_TSS_BAD_BASE, BAD_TOP, TSS_BYTES - 1, SYS_TSS_AVAILABLE);
    set_system(SEL_LDT_BAD_BASE, BAD_TOP, sizeof ldt - 1, SYS_LDT);
    set_system(SEL_TYPE_0, 0, 0, 0);
    gdt[SEL_TSS_ABSENT / 8] &= ~DESC_P;
    gdt[SEL_LDT_ABSENT / 8] &= ~DESC_P;
}

static void set_call_gates(void)
{
    uint64_t target = (uint64_t)landing_gate;

    set_gate(SEL_GATE_USER, 3, target, SEL_KCODE);
    set_gate(SEL_GATE_KERNEL, 0, target, SEL_KCODE);
    set_gate(SEL_GATE_ABSENT, 3, target, SEL_KCODE);
    set_gate(SEL_GATE_TO_DATA, 3, target, SEL_KDATA);
    set_gate(SEL_GATE_TO_NULL, 3, target, 0);
    set_gate(SEL_GATE_UPPER, 3, target, SEL_KCODE);
    set_gate(SEL_GATE_CONFORM, 3, target + ALIAS, SEL_CONFORMING);
    set_gate(SEL_GATE_BAD_RIP, 3, BAD_TOP, SEL_KCODE);
    gdt[SEL_GATE_ABSENT / 8] &= ~DESC_P;
    gdt[SEL_GATE_UPPER / 8 + 1] |= UINT64_C(1) << 40;
}

static void set_tss(void)
{
    struct tss64 *tss = &machine_task.tss;

    memset(&machine_task, 0, sizeof machine_task);
    tss->rsp[0][0] = TOP_RSP0;
    tss->ist[0][0] = TOP_IST1;
    tss->ist[1][0] = TOP_IST2;
    tss->iomap = 0xffff;
}

static void set_gates(void)
{
    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        machine_idt[v] = trap_gate(v, 1);
    machine_idt[VEC_BP].type |= 3 << 5;
    machine_idt[VEC_OF].type |= 3 << 5;
    machine_idt[INT_USER].type |= 3 << 5;
    machine_idt[INT_ABSENT].type = 3 << 5 | SYS_INTERRUPT_GATE;
    machine_idt[INT_NULL].selector = 0;
    machine_idt[INT_BAD_RIP].offset_low = machine_idt[INT_BAD_RIP].offset_mid = 0;
    machine_idt[INT_BAD_RIP].offset_high = BAD_TOP >> 32;
    machine_idt[INT_TO_DATA].selector = SEL_KDATA;
    machine_idt[INT_TYPE].type = 0x85;
    machine_idt[INT_BEYOND].selector = SEL_BEYOND;
    machine_idt[INT_TRAP].type = 0x80 | 3 << 5 | SYS_TRAP_GATE;
    machine_idt[INT_IST2].ist = 2;
    machine_idt[INT_IST2].type |= 3 << 5;
    machine_idt[INT_RSP0].ist = 0;
    machine_idt[INT_RSP0].type |= 3 << 5;
    machine_idt[INT_CODE_GONE].selector = SEL_CODE_ABSENT;
    machine_idt[INT_LANDED].type |= 3 << 5;
    machine_idt[INT_SYSCALL].type |= 3 << 5;
    machine_idt[INT_END].type |= 3 << 5;
    machine_idt[INT_OUTER].selector = SEL_UCODE & ~SELECTOR_RPL;
}

struct table_register {
    uint16_t pad[3], limit;
    uint64_t base;
};

static void load_tables(void)
{
    struct table_register gdtr = {.limit = sizeof gdt - 1, .base = (uint64_t)gdt};
    struct table_register idtr = {.limit = sizeof machine_idt - 1, .base = (uint64_t)machine_idt};

    memset(gdt, 0, sizeof gdt);
    set_segments();
    set_systems();
    set_call_gates();
    set_tss();
    set_gates();
    __asm__ volatile("lgdt %0" : : "m"(gdtr.limit), "m"(gdtr.base));
    __asm__ volatile("lidt %0" : : "m"(idtr.limit), "m"(idtr.base));
    __asm__ volatile("mov %w0, %%ds; mov %w0, %%es; mov %w0, %%ss; mov %w0, %%fs; mov %w0, %%gs"
                     :
                     : "r"(SEL_KDATA));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
    __asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
}

/* ---- registers ---- */

static void load_debug_registers(void)
{
    write_dr7(DR7_FIXED);
    write_dr0(0);
    write_dr1(0);
    write_dr2(0);
    write_dr3(0);
    write_dr6(DR6_FIXED);
}

static void load_msrs(void)
{
    wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | (machine_lacks(NEED_NX) ? 0 : EFER_NXE));
    wrmsr(MSR_STAR, (uint64_t)SEL_SYSRET << 48 | (uint64_t)SEL_KCODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)landing_syscall);
    wrmsr(MSR_FMASK, 0);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
}

void machine_reset(void)
{
    write_dr7(DR7_FIXED);
    write_cr4(CR4_PAE);
    write_cr3((uint64_t)machine_pml4);
    write_cr4(CR4_PAE | CR4_DE | CR4_PGE);
    write_cr0(CR0_PE | CR0_NE | CR0_ET | CR0_WP | CR0_PG);
    load_tables();
    load_msrs();
    load_debug_registers();
    memset((void *)DATA, 0, DATA_END - DATA);
    write_cr2(0);
}
