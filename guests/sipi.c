/* sipi - INIT and 64-bit start-up IPIs, tried on core 1 (docs/machine.md, "Start of the other cores").
 *
 *     sipi [bad|page [ROUNDS]]
 *
 * With `bad` the last start-up IPI finds a structure that is not legal, which is the end of the machine, or
 * of the VM.  With `page` INIT comes ROUNDS times (default 40) to a core that does nothing but read a
 * register of its APIC by the page, at one that counts by itself; then core 0 reads its own. */
#include "lib/guest.h"

#include <stdbool.h>

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/args.h"
#include "lib/print.h"
#include "lib/startup.h"
#include "lib/string.h"
#include "lib/traps.h"

#define CORES_MAX      8
#define MSR_BYTES      2
#define REGISTERS      16
#define A_WHILE        50000
#define LEAF_SIGNATURE 1

static volatile uint64_t faults;

/* By core 1: the registers that it finds (in encoding order), RFLAGS, how often it has begun, and its pulse.
 */
uint64_t sipi_seen[REGISTERS + 1], sipi_begun, sipi_pulse;
bool sipi_sleeps; /* it is to end in HLT with interrupts off */

extern const char sipi_entry[];
__asm__(".globl sipi_entry\n"
        "sipi_entry:\n\t"
        "movq %rax, sipi_seen+0(%rip)\n\tmovq %rcx, sipi_seen+8(%rip)\n\t"
        "movq %rdx, sipi_seen+16(%rip)\n\tmovq %rbx, sipi_seen+24(%rip)\n\t"
        "movq %rsp, sipi_seen+32(%rip)\n\tmovq %rbp, sipi_seen+40(%rip)\n\t"
        "movq %rsi, sipi_seen+48(%rip)\n\tmovq %rdi, sipi_seen+56(%rip)\n\t"
        "movq %r8, sipi_seen+64(%rip)\n\tmovq %r15, sipi_seen+120(%rip)\n\t"
        "leaq sipi_stack+256(%rip), %rsp\n\tpushfq\n\tpopq sipi_seen+128(%rip)\n\t"
        "lock incq sipi_begun(%rip)\n\t"
        "cmpb $0, sipi_sleeps(%rip)\n\t"
        "jne 2f\n"
        "1:\tincq sipi_pulse(%rip)\n\tpause\n\tjmp 1b\n"
        "2:\tcli\n\thlt\n\tjmp 2b\n"
        ".section .bss.sipi_stack, \"aw\", @nobits\n.balign 16\nsipi_stack: .skip 256\n.text\n");

static void on_gp(struct trap_frame *frame)
{
    faults++;
    frame->rip += MSR_BYTES;
}

static void send(uint32_t command)
{
    wrmsr(X2APIC_MSR(APIC_ICR_LOW), UINT64_C(1) << 32 | APIC_ICR_ASSERT | command);
}

static void a_while(void)
{
    for (unsigned i = 0; i < A_WHILE; i++)
        __asm__ volatile("pause");
}

static bool has_begun(uint64_t times)
{
    for (unsigned i = 0; i < 100 && __atomic_load_n(&sipi_begun, __ATOMIC_SEQ_CST) < times; i++)
        a_while();
    a_while();
    return __atomic_load_n(&sipi_begun, __ATOMIC_SEQ_CST) == times;
}

static bool has_a_pulse(void)
{
    uint64_t before = __atomic_load_n(&sipi_pulse, __ATOMIC_SEQ_CST);

    a_while();
    return __atomic_load_n(&sipi_pulse, __ATOMIC_SEQ_CST) != before;
}

static void tell(const char *what, bool holds)
{
    print("%s: %s\n", what, holds ? "yes" : "no");
}

/* ---- the MSR ---- */

static bool takes(uint64_t value)
{
    faults = 0;
    wrmsr(MSR_SIPI_ENTRY_STRUCT_PTR, value);
    return faults == 0 && rdmsr(MSR_SIPI_ENTRY_STRUCT_PTR) == value;
}

static void try_msr(void)
{
    tell("an aligned address is taken", takes(0x200008));
    tell("one that is not is refused", !takes(0x200004));
    tell("one that is too large is refused", !takes(UINT64_C(1) << 52));
}

/* ---- core 1 ---- */

static bool registers_as_told(void)
{
    uint32_t r[4];
    bool zero = true;

    cpuid(LEAF_SIGNATURE, 0, r);
    for (unsigned i = 0; i < REGISTERS; i++)
        zero &= i == REG_RDX || sipi_seen[i] == 0;
    return zero && sipi_seen[REG_RDX] == r[0] && sipi_seen[REGISTERS] == FLAG_FIXED;
}

static void try_start(uint64_t *structure)
{
    send(APIC_ICR_STARTUP);
    tell("a start-up IPI starts a core that waits", has_begun(1));
    tell("with the registers that it should have", registers_as_told());
    send(APIC_ICR_STARTUP);
    tell("another one is dropped", has_begun(1) && has_a_pulse());
    send(APIC_ICR_INIT);
    a_while();
    tell("INIT stops it", !has_a_pulse());
    structure[SIPI_ENTRY_FEATURES] = 0;
    send(APIC_ICR_STARTUP);
    tell("a structure that is not enabled leaves it so", has_begun(1) && !has_a_pulse());
    structure[SIPI_ENTRY_FEATURES] = SIPI_FEATURES_ENABLE;
    sipi_sleeps = true;
    send(APIC_ICR_STARTUP);
    tell("then it starts again", has_begun(2) && registers_as_told());
    sipi_sleeps = false;
    send(APIC_ICR_STARTUP);
    tell("HLT is no waiting for it", has_begun(2));
    send(APIC_ICR_INIT);
    send(APIC_ICR_STARTUP);
    tell("INIT and start-up end HLT with interrupts off", has_begun(3) && has_a_pulse());
}

/* ---- INIT in the midst of an access to the page ---- */

#define XAPIC_PAGE ((volatile uint32_t *)APIC_PHYS_BASE)

/* Needs no stack. */
extern const char sipi_reader[];
__asm__(".globl sipi_reader\n"
        "sipi_reader:\n\t"
        "lock incq sipi_begun(%rip)\n\t"
        "movl $0xfee00390, %ebx\n" /* APIC_TIMER_CURRENT */
        "1:\tmovl (%rbx), %eax\n\tincq sipi_pulse(%rip)\n\tjmp 1b\n");

static void send_by_page(uint32_t command)
{
    XAPIC_PAGE[APIC_ICR_HIGH / 4] = 1u << 24;
    XAPIC_PAGE[APIC_ICR_LOW / 4] = APIC_ICR_ASSERT | command;
}

static void try_page(uint64_t rounds)
{
    uint64_t sum = 0;

    startup_set_entry(sipi_reader);
    for (uint64_t i = 1; i <= rounds; i++) {
        send_by_page(APIC_ICR_STARTUP);
        while (__atomic_load_n(&sipi_begun, __ATOMIC_SEQ_CST) < i)
            __asm__ volatile("pause");
        for (uint64_t k = 0; k < 300 + 7 * i; k++)
            __asm__ volatile("nop");
        send_by_page(APIC_ICR_INIT);
        sum += XAPIC_PAGE[APIC_TIMER_CURRENT / 4];
    }
    print("%lu rounds, current counts %lu, and core 1 %s\n", rounds, sum,
          sipi_pulse ? "read" : "did not read");
}

uint32_t guest_main(const char *args)
{
    uint64_t *structure;

    if (startup_cores(CORES_MAX) < 2) {
        print("sipi needs 2 cores\n");
        return 1;
    }
    trap_set(VEC_GP, on_gp);
    if (args_is(args, 1, "page")) {
        try_page(args_number(args, 2, 40));
        return 0;
    }
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    try_msr();
    startup_set_entry(sipi_entry);
    structure = (uint64_t *)rdmsr(MSR_SIPI_ENTRY_STRUCT_PTR);
    try_start(structure);
    if (args_is(args, 1, "bad")) {
        structure[SIPI_ENTRY_CR4] = 0; /* no PAE */
        send(APIC_ICR_INIT);
        send(APIC_ICR_STARTUP);
        a_while();
    }
    return 0;
}
