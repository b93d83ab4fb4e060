#include "vtx/lib/world.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"
#include "vtx/lib/check.h"
#include "vtx/lib/guest.h"
#include "vtx/lib/instructions.h"
#include "vtx/lib/jump.h"
#include "vtx/lib/vmcs.h"

#define STACK_BYTES 4096

struct gate64 world_idt[TRAP_VECTORS] __attribute__((aligned(16)));
struct tss64 world_tss __attribute__((aligned(16)));
uint64_t world_gdt[SEL_TSS / 8 + 2] __attribute__((aligned(16)));
uint64_t world_pml4[512] __attribute__((aligned(4096)));
uint64_t world_vmxon_region, world_vmcs;
uint64_t fault_error;
struct taken taken;

static uint8_t stack_rsp0[STACK_BYTES] __attribute__((aligned(16)));
static uint8_t stack_ist1[STACK_BYTES] __attribute__((aligned(16)));
static uint8_t stack_user[STACK_BYTES] __attribute__((aligned(16)));

void ring3_enter(void (*fn)(void), uint64_t stack); /* switch.S */
void nmi_unblock(void);

/* ---- pages ---- */

#define PAGES 128

static uint8_t pages[PAGES][4096] __attribute__((aligned(4096)));
static unsigned pages_used;

void *page_new(void)
{
    if (pages_used == PAGES)
        FAIL("no page is left");
    return memset(pages[pages_used++], 0, sizeof pages[0]);
}

/* The tables are in use, so that each entry goes from what it is to what it must be. */
static void map_everything(void)
{
    static uint64_t pdpt[512] __attribute__((aligned(4096))), pd[4][512] __attribute__((aligned(4096)));
    const uint64_t rights = PTE_P | PTE_W | PTE_U;

    for (uint64_t i = 0; i < 4 * 512; i++)
        pd[i / 512][i % 512] = i * PAGE_2M | rights | PTE_PS;
    for (uint64_t i = 0; i < 512; i++) {
        pdpt[i] = i < 4 ? (uint64_t)pd[i] | rights : 0;
        world_pml4[i] = i < 1 ? (uint64_t)pdpt | rights : 0;
    }
    write_cr3((uint64_t)world_pml4);
}

uint64_t physical_end(void)
{
    uint32_t r[4];

    cpuid(0x80000008, 0, r);
    return UINT64_C(1) << (r[0] & 0xff);
}

/* ---- descriptor tables ---- */

static void fill_gdt(void)
{
    uint64_t base = (uint64_t)&world_tss;

    world_gdt[SEL_CODE / 8] = DESC_CODE64;
    world_gdt[SEL_DATA / 8] = DESC_DATA;
    world_gdt[SEL_USER_DATA / 8] = DESC_DATA_USER;
    world_gdt[SEL_USER_CODE / 8] = DESC_CODE64_USER;
    world_gdt[SEL_TSS / 8] = (sizeof world_tss - 1) | (base & 0xffffff) << 16 | base >> 24 << 56 |
                             (uint64_t)(SEG_P | SYS_TSS_AVAILABLE) << 40;
    world_gdt[SEL_TSS / 8 + 1] = base >> 32;
}

static void fill_tss(void)
{
    memset(&world_tss, 0, sizeof world_tss);
    world_tss.rsp[0][0] = (uint32_t)(uint64_t)(stack_rsp0 + STACK_BYTES);
    world_tss.ist[0][0] = (uint32_t)(uint64_t)(stack_ist1 + STACK_BYTES);
    world_tss.iomap = sizeof world_tss;
}

static void fill_idt(void)
{
    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        world_idt[v] = trap_gate(v, v == VEC_DF);
    world_idt[INT_LEAVE].type |= 3 << SEG_DPL_SHIFT;
}

static void load_table(const void *base, size_t bytes, bool interrupts)
{
    struct {
        uint16_t pad[3], limit;
        uint64_t base;
    } table = {.limit = (uint16_t)(bytes - 1), .base = (uint64_t)base};

    if (interrupts)
        __asm__ volatile("lidt %0" : : "m"(table.limit), "m"(table.base));
    else
        __asm__ volatile("lgdt %0" : : "m"(table.limit), "m"(table.base));
}

static void load_segments(void)
{
    fill_gdt();
    fill_tss();
    fill_idt();
    load_table(world_gdt, sizeof world_gdt, false);
    load_table(world_idt, sizeof world_idt, true);
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%ss\n\tmov %0, %%fs\n\tmov %0, %%gs"
                     :
                     : "r"(SEL_DATA));
    __asm__ volatile("ltr %w0\n\tlldt %w1" : : "r"(SEL_TSS), "r"(0));
}

/* ---- exceptions and interrupts ---- */

static bool catching;
static struct jump catcher;

static void on_root_trap(struct trap_frame *frame)
{
    if (catching) {
        catching = false;
        fault_error = frame->error;
        jump_to(&catcher, frame->vector == INT_LEAVE ? (int)NO_FAULT : (int)frame->vector + 1024);
    }
    if (frame->vector != VEC_NMI && frame->vector < VEC_EXTERNAL_MIN)
        FAIL("%s (0x%lx) in root operation at 0x%lx, CR2 0x%lx", trap_name(frame->vector), frame->error,
             frame->rip, read_cr2());
    taken.count++;
    taken.vector = frame->vector;
    if (frame->vector >= VEC_EXTERNAL_MIN && frame->vector != INT_SPURIOUS)
        apic_write(APIC_EOI, 0);
}

static void on_trap(struct trap_frame *frame)
{
    if (guest_is_running)
        guest_trap(frame);
    else
        on_root_trap(frame);
}

static uint64_t caught(int value)
{
    return value == (int)NO_FAULT ? NO_FAULT : (uint64_t)value - 1024;
}

uint64_t fault_of(void (*fn)(void))
{
    int value = jump_set(&catcher);

    if (value)
        return caught(value);
    catching = true;
    fn();
    catching = false;
    return NO_FAULT;
}

uint64_t fault_in_ring3(void (*fn)(void))
{
    int value = jump_set(&catcher);

    if (value)
        return caught(value);
    catching = true;
    ring3_enter(fn, (uint64_t)(stack_user + STACK_BYTES));
    return NO_FAULT;
}

/* ---- the local APIC ---- */

uint32_t apic_read(uint32_t offset)
{
    return *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset);
}

void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static bool has_requested(uint32_t vector)
{
    return apic_read(APIC_IRR + (vector >> 5 << 4)) >> (vector & 31) & 1;
}

void interrupt_self(uint32_t vector)
{
    apic_write(APIC_ICR_LOW, APIC_ICR_FIXED | APIC_ICR_ASSERT | APIC_ICR_TO_SELF | vector);
    for (unsigned i = 0; i < 1000 && !has_requested(vector); i++)
        __asm__ volatile("pause");
}

/* The shorthand for oneself takes fixed interrupts alone (SDM vol. 3, 10.6.1). */
void nmi_self(void)
{
    apic_write(APIC_ICR_HIGH, apic_read(APIC_ID));
    apic_write(APIC_ICR_LOW, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

void take_pending(void)
{
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory");
}

static bool in_service(void)
{
    for (uint32_t at = APIC_ISR; at < APIC_TMR; at += 16)
        if (apic_read(at))
            return true;
    return false;
}

static void reset_apic(void)
{
    static const uint32_t entries[] = {APIC_LVT_TIMER, APIC_LVT_LINT0, APIC_LVT_LINT1, APIC_LVT_ERROR};

    apic_write(APIC_SVR, APIC_SVR_ENABLE | INT_SPURIOUS);
    for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++)
        apic_write(entries[i], APIC_LVT_MASKED | INT_SPURIOUS);
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_TPR, 0);
    while (in_service())
        apic_write(APIC_EOI, 0);
}

/* ---- registers ---- */

/* Firmware may have execute-disable off. */
static uint64_t efer_nxe(void)
{
    uint32_t out[4];

    cpuid(0x80000001, 0, out);
    return out[3] & CPUID_EXT1_EDX_NX ? EFER_NXE : 0;
}

static void reset_registers(void)
{
    write_cr4((read_cr4() & CR4_VMXE) | CR4_PAE | CR4_DE);
    write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE);
    write_dr7(DR7_FIXED);
    write_dr6(DR6_FIXED);
    wrmsr(MSR_EFER, EFER_LMA | EFER_LME | EFER_SCE | efer_nxe());
    wrmsr(MSR_PAT, PAT_RESET);
    wrmsr(MSR_SYSENTER_CS, 0);
    wrmsr(MSR_SYSENTER_ESP, 0);
    wrmsr(MSR_SYSENTER_EIP, 0);
    wrmsr(MSR_LSTAR, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
}

static void leave_vmx(void)
{
    try_vmxoff();
}

/* Interrupts and NMIs that the test before has left come and go. */
static void drain(void)
{
    nmi_unblock();
    take_pending();
    reset_apic();
    take_pending();
    taken = (struct taken){0, 0};
}

static void enter_vmx(void)
{
    uint32_t *region = page_new();

    write_cr4(read_cr4() | CR4_VMXE);
    world_vmxon_region = (uint64_t)region;
    *region = (uint32_t)(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_REVISION_BITS);
    expect_success(try_vmxon(world_vmxon_region));
    drop_translations();
    world_vmcs = vmcs_region();
    vmptrld(world_vmcs);
    vmcs_fill();
}

void world_reset(void)
{
    static bool began;

    guest_is_running = catching = false;
    __asm__ volatile("cli" : : : "memory");
    for (unsigned v = 0; !began && v < TRAP_VECTORS; v++)
        trap_set(v, on_trap);
    began = true;
    load_segments();
    if (read_cr4() & CR4_VMXE)
        fault_of(leave_vmx);
    map_everything();
    reset_registers();
    drain();
    pages_used = 0;
    guest_reset();
    enter_vmx();
}
