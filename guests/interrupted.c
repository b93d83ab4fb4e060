/* interrupted - what an interrupt finds, and IRETs that fault: where a hypervisor that has the page faults
 * first must put back what its exits have disturbed.
 *
 * RF in the frame of an interrupt is set between two iterations of a string instruction, and else clear (SDM
 * vol. 3, 17.3.1.1 "Instruction-Breakpoint Exception Condition").  NMIs are blocked until the next IRET, also
 * one that faults (26.7.1 "Interruptibility State").
 *
 * Each part goes to page tables that are new to the processor, so that a hypervisor with shadow tables has
 * them to make in the midst of it. */
#include "lib/guest.h"

#include <stdbool.h>

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/traps.h"

#define VECTOR_ALARM   0x31
#define ALARM_CYCLES   40000
#define STRING_BYTES   100000
#define IDENTITY_BYTES UINT64_C(0x400000)
#define FRAME          UINT64_C(0x300000) /* of the two pages across which the frame lies */
#define PAGES_GVA      GVA(1, 0, 0, 0)
#define FRAME_GVA      (PAGES_GVA + PAGE_4K - 8)
#define FRAME_WORDS    5

static uint64_t *pml4;
static uint8_t filled[STRING_BYTES];

static void apic_write(uint32_t offset, uint64_t value)
{
    wrmsr(X2APIC_MSR(offset), value);
}

/* The first page is there, the second if the caller says so. */
static void use_new_tables(uint64_t second)
{
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    paging_map(pml4, PAGES_GVA, FRAME, PAGE_4K, PTE_W);
    paging_map(pml4, PAGES_GVA + PAGE_4K, FRAME + PAGE_4K, PAGE_4K, second);
    *paging_entry(pml4, PAGES_GVA + PAGE_4K, PAGE_4K) &= second ? ~UINT64_C(0) : ~(uint64_t)PTE_P;
    write_cr3((uint64_t)pml4);
}

/* ---- interrupts ---- */

static volatile bool alarmed, was_resuming;
static volatile uint64_t left;

static void on_alarm(struct trap_frame *frame)
{
    alarmed = true;
    was_resuming = frame->rflags & FLAG_RF;
    left = frame->rcx;
    apic_write(APIC_EOI, 0);
}

static void set_alarm(void)
{
    alarmed = false;
    use_new_tables(PTE_W);
    apic_write(APIC_TIMER_INITIAL, ALARM_CYCLES);
}

static void interrupt_string(void)
{
    uint8_t *to = filled;
    uint64_t n = STRING_BYTES;

    set_alarm();
    __asm__ volatile("sti\n\trep stosb\n\tcli" : "+D"(to), "+c"(n) : "a"(1) : "memory");
    print("a string instruction: %s, %s\n", alarmed && left ? "interrupted" : "not interrupted",
          was_resuming ? "RF" : "no RF");
}

static void interrupt_loop(void)
{
    set_alarm();
    __asm__ volatile("sti" : : : "memory");
    while (!alarmed)
        __asm__ volatile("nop");
    __asm__ volatile("cli" : : : "memory");
    print("a loop: interrupted, %s\n", was_resuming ? "RF" : "no RF");
}

/* ---- NMIs ---- */

static volatile unsigned nmis, nmis_in_fault, faults;
static volatile bool came_late;
static bool second_is_there;

extern const char nmi_back[], nmi_iret[];

static void send_nmi(void)
{
    apic_write(APIC_ICR_LOW, APIC_ICR_NMI | APIC_ICR_ASSERT);
    for (unsigned i = 0; i < 8; i++)
        __asm__ volatile("nop");
}

/* Returns by a frame of which one word lies in the first page, and the rest in the second. */
static void on_nmi(struct trap_frame *frame)
{
    uint64_t image[FRAME_WORDS] = {(uint64_t)nmi_back, frame->cs, frame->rflags, frame->rsp, frame->ss};

    if (nmis++ > 0) {
        came_late = frame->rip != (uint64_t)nmi_iret;
        return;
    }
    for (unsigned i = 0; i < FRAME_WORDS; i++)
        ((volatile uint64_t *)(FRAME + PAGE_4K - 8))[i] = image[i];
    use_new_tables(second_is_there ? PTE_W : 0);
    if (second_is_there)
        send_nmi(); /* it waits */
    __asm__ volatile("movq %0, %%rsp\n\t"
                     ".globl nmi_iret\n"
                     "nmi_iret: iretq"
                     :
                     : "r"(FRAME_GVA)
                     : "memory");
}

static void on_page_fault(struct trap_frame *frame)
{
    (void)frame;
    faults++;
    send_nmi();
    nmis_in_fault = nmis;
    paging_map(pml4, PAGES_GVA + PAGE_4K, FRAME + PAGE_4K, PAGE_4K, PTE_W);
}

static uint64_t stack_before;

__attribute__((noinline)) static void nmi_to_itself(void)
{
    uint32_t msr = X2APIC_MSR(APIC_ICR_LOW), low = APIC_ICR_NMI | APIC_ICR_ASSERT, high = 0;

    nmis = faults = 0;
    __asm__ volatile("pushq %%rbp\n\t"
                     "movq %%rsp, %0\n\t"
                     "wrmsr\n"
                     "1:\tpause\n\tjmp 1b\n"
                     ".globl nmi_back\n"
                     "nmi_back: movq %0, %%rsp\n\t"
                     "popq %%rbp"
                     : "=m"(stack_before), "+c"(msr), "+a"(low), "+d"(high)
                     :
                     : "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
                       "cc");
}

static void iret_that_faults(void)
{
    second_is_there = false;
    nmi_to_itself();
    print("an IRET that faults: %u NMIs, %u by the end of the handler of %u page faults\n", nmis,
          nmis_in_fault, faults);
}

static void iret_to_new_pages(void)
{
    second_is_there = true;
    nmi_to_itself();
    print("an IRET that does not: %u NMIs, the second %s it, %u page faults\n", nmis,
          came_late ? "behind" : "before", faults);
}

uint32_t guest_main(const char *args)
{
    (void)args;
    traps_init();
    trap_set(VECTOR_ALARM, on_alarm);
    trap_set(VEC_NMI, on_nmi);
    trap_set(VEC_PF, on_page_fault);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | 0xff);
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_ONE_SHOT | VECTOR_ALARM);
    interrupt_string();
    interrupt_loop();
    iret_that_faults();
    iret_to_new_pages();
    return nmis == 2 ? 0 : 1;
}
