/* clang-format off */
/* hostile - a guest that tries to get out, to do harm, or to keep the processor for itself.
 *
 *     hostile HOW...
 *
 *     msrs      reads and writes every MSR of the usual ranges
 *     ports     writes to ports that reset a PC, program its timers or tell of its PCI devices, and reads them
 *     vmx       every VMX instruction, CR4.VMXE, and hypercalls with rubbish
 *     code      writes over the instructions that it is about to execute, again and again
 *     storm     interrupts itself as fast as it can: by its timer, by IPIs to itself; with INT if it has no APIC
 *     deaf      HLT for ever, with a timer that fires all the time and a priority that holds its interrupts back
 *     restless  HLT for ever, woken by such a timer again and again
 *     tables    page tables with loops, reserved bits, and frames where it has no RAM: it reads what it can get
 *     triple    an exception without an IDT
 *     asleep    HLT with interrupts off
 *     endless   a jump to itself with interrupts off
 *
 * What ends by debug-exit has printed what it got.  Mark 1 is the beginning of the attempt, RDI a number for
 * HOW. */
/* clang-format on */
#include "lib/guest.h"

#include <stdbool.h>
#include <stddef.h>

#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/vmx.h"
#include "lib/args.h"
#include "lib/mark.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/traps.h"

#define RUBBISH      UINT64_C(0xdeadbeefdeadbeef)
#define VECTOR_STORM 64
#define TURNS        2000
#define STORM        1000 /* interrupts */
#define WAKE_COUNT   5000 /* cycles: in time for the next HLT, not for the handler */

static volatile uint64_t resume; /* where a fault leads */
static volatile uint64_t faults, storm;

static void on_fault(struct trap_frame *frame)
{
    faults++;
    frame->rip = resume;
}

/* One instruction that may fault; then it is as if it were not there. */
#define ATTEMPT(code, ...) \
    __asm__ volatile("leaq 1f(%%rip), %%r11\n\tmovq %%r11, %0\n\t" code "\n1:" \
                     : "=m"(resume) \
                     : __VA_ARGS__ \
                     : "rax", "rdx", "r11", "memory", "cc")

static uint64_t next_random(void)
{
    static uint64_t x = 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* ---- MSRs ---- */

static const struct {
    uint32_t first, end;
} msr_ranges[] = {{0, 0x200}, {0x200, 0x400}, {0x480, 0x4a0}, {0x800, 0x840}, {0xc0000080, 0xc0000110}};

static void attack_msrs(void)
{
    uint64_t tried = 0;

    for (unsigned r = 0; r < sizeof msr_ranges / sizeof *msr_ranges; r++)
        for (uint32_t msr = msr_ranges[r].first; msr < msr_ranges[r].end; msr++) {
            ATTEMPT("rdmsr", "c"(msr));
            ATTEMPT("movl $0xdeadbeef, %%eax\n\tmovl %%eax, %%edx\n\twrmsr", "c"(msr));
            tried += 2;
        }
    print("msrs: %lu tried, %lu made a fault\n", tried, faults);
}

/* ---- ports ---- */

static const struct {
    uint16_t first, end;
} port_ranges[] = {
    {0x20, 0x22},   /* interrupt controller */
    {0x40, 0x44},   /* timer */
    {0x60, 0x65},   /* keyboard controller: 0xfe resets the machine */
    {0x70, 0x72},   /* clock */
    {0x92, 0x93},   /* system control: bit 0 resets the machine */
    {0xa0, 0xa2},   /* the other interrupt controller */
    {0xc0, 0xe0},   /* DMA */
    {0x2f8, 0x300}, /* the management line of the hypervisor */
    {0xcf8, 0xd00}, /* PCI configuration, and the reset control in its midst */
};

static void attack_ports(void)
{
    uint64_t answers = 0;

    for (unsigned r = 0; r < sizeof port_ranges / sizeof *port_ranges; r++)
        for (uint16_t port = port_ranges[r].first; port < port_ranges[r].end; port++) {
            out8(port, 0xff);
            out32(port, 0x80000000);
            answers += in8(port) != 0xff;
        }
    print("ports: %lu answered\n", answers);
}

/* ---- VMX instructions and hypercalls ---- */

/* Without a hypervisor, #UD. */
static uint64_t hypercall(uint64_t number)
{
    __asm__ volatile("leaq 1f(%%rip), %%r11\n\tmovq %%r11, %1\n\tvmcall\n1:"
                     : "+a"(number), "=m"(resume)
                     : "b"(next_random()), "c"(next_random()), "d"(RUBBISH)
                     : "r11", "memory", "cc");
    return number;
}

static void attack_vmx(void)
{
    static uint64_t region[512] __attribute__((aligned(4096)));
    static uint64_t address = (uint64_t)region, descriptor[2];
    uint64_t unknown = 0;

    ATTEMPT("movq %%cr4, %%rax\n\torq $0x2000, %%rax\n\tmovq %%rax, %%cr4", "r"(0));
    ATTEMPT("vmxon %1", "m"(address));
    ATTEMPT("vmclear %1", "m"(address));
    ATTEMPT("vmptrld %1", "m"(address));
    ATTEMPT("vmptrst %1", "m"(address));
    ATTEMPT("vmread %1, %%rax", "r"((uint64_t)VMCS_HOST_RIP));
    ATTEMPT("vmwrite %1, %%rax", "r"((uint64_t)VMCS_EPTP));
    ATTEMPT("vmlaunch", "r"(0));
    ATTEMPT("vmresume", "r"(0));
    ATTEMPT("invept %1, %%rax", "m"(descriptor));
    ATTEMPT("invvpid %1, %%rax", "m"(descriptor));
    ATTEMPT("vmxoff", "r"(0));
    print("vmx: 12 tried, %lu made a fault\n", faults);
    for (int i = 0; i < TURNS; i++)
        unknown += hypercall(next_random() | 0x100) == UINT64_MAX;
    print("vmx: %u hypercalls with rubbish, %lu unknown\n", TURNS, unknown);
}

/* ---- self-modifying code ---- */

/* A function that returns a constant, which is changed before each call: mov $n, %eax; ret. */
static void attack_code(void)
{
    static uint8_t code[16] __attribute__((aligned(64))) = {0xb8, 0, 0, 0, 0, 0xc3};
    uint64_t right = 0;

    for (uint32_t i = 0; i < TURNS; i++) {
        uint32_t got;

        *(volatile uint8_t *)&code[1] = (uint8_t)i;
        *(volatile uint8_t *)&code[2] = (uint8_t)(i >> 8);
        __asm__ volatile("call *%1" : "=a"(got) : "r"(code) : "memory");
        right += got == (i & 0xffff);
    }
    print("code: written over %u times, %lu times what was written last\n", TURNS, right);
}

/* ---- interrupts ---- */

/* The next comes before IRETQ has led to an instruction of what was interrupted: only a handler can end it.
 */
static void on_storm(struct trap_frame *frame)
{
    (void)frame;
    if (++storm == STORM)
        wrmsr(X2APIC_MSR(APIC_TIMER_INITIAL), 0);
    wrmsr(X2APIC_MSR(APIC_EOI), 0);
}

static void on_int(struct trap_frame *frame)
{
    (void)frame;
    storm++;
}

static bool has_x2apic(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    return r[3] & CPUID_1_EDX_APIC && r[2] & CPUID_1_ECX_X2APIC;
}

static void start_timer(uint32_t priority, uint32_t count)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    wrmsr(X2APIC_MSR(APIC_SVR), APIC_SVR_ENABLE | 0xff);
    wrmsr(X2APIC_MSR(APIC_TPR), priority);
    wrmsr(X2APIC_MSR(APIC_TIMER_DIVIDE), APIC_DIVIDE_BY_1);
    wrmsr(X2APIC_MSR(APIC_LVT_TIMER), APIC_TIMER_PERIODIC | VECTOR_STORM);
    wrmsr(X2APIC_MSR(APIC_TIMER_INITIAL), count);
}

static void storm_by_apic(void)
{
    trap_set(VECTOR_STORM, on_storm);
    start_timer(0, 1);
    __asm__ volatile("sti");
    while (storm < STORM)
        wrmsr(X2APIC_MSR(APIC_ICR_LOW), APIC_ICR_TO_SELF | APIC_ICR_ASSERT | VECTOR_STORM);
    __asm__ volatile("cli");
}

static void attack_storm(void)
{
    if (has_x2apic()) {
        storm_by_apic();
    } else {
        trap_set(VECTOR_STORM, on_int);
        while (storm < STORM)
            __asm__ volatile("int %0" : : "i"(VECTOR_STORM) : "memory");
    }
    print("storm: %u interrupts at least\n", STORM);
}

static _Noreturn void sleep_for_ever(void)
{
    for (;;)
        __asm__ volatile("sti\n\thlt");
}

static void attack_deaf(void)
{
    start_timer(0xff, 1);
    sleep_for_ever();
}

static void on_wake(struct trap_frame *frame)
{
    (void)frame;
    wrmsr(X2APIC_MSR(APIC_EOI), 0);
}

static void attack_restless(void)
{
    trap_set(VECTOR_STORM, on_wake);
    start_timer(0, WAKE_COUNT);
    sleep_for_ever();
}

/* ---- page tables ---- */

#define LOOP_GVA GVA(2, 2, 2, 2)

/* A PML4 entry that leads to the PML4 makes every table a page; then an entry with reserved bits. */
static void attack_tables(void)
{
    uint64_t *pml4 = paging_new(), got;

    paging_identity(pml4, ram_bytes(), PAGE_2M);
    pml4[2] = (uint64_t)pml4 | PTE_P | PTE_W;
    pml4[3] = PTE_P | PTE_W | UINT64_C(0x000ff00000000000);
    write_cr3((uint64_t)pml4);
    got = *(volatile uint64_t *)LOOP_GVA;
    print("tables: through a loop it reads its own PML4's %s entry\n", got == pml4[0] ? "first" : "other");
    ATTEMPT("movq (%1), %%rax", "r"(GVA(3, 0, 0, 0)));
    print("tables: reserved bits make %s\n", faults == 1 ? "a fault" : "no fault");
    print("tables: now the frame behind the last one of its RAM\n");
    paging_map(pml4, GVA(4, 0, 0, 0), ram_bytes(), PAGE_4K, PTE_W);
    got = *(volatile uint64_t *)GVA(4, 0, 0, 0);
    *(volatile uint64_t *)GVA(4, 0, 0, 0) = RUBBISH;
    print("tables: it has read 0x%lx there, and written\n", got);
}

/* ---- the processor ---- */

static void attack_triple(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};

    __asm__ volatile("lidt %0\n\tud2" : : "m"(nothing));
}

static void attack_asleep(void)
{
    __asm__ volatile("cli\n\thlt");
}

static void attack_endless(void)
{
    __asm__ volatile("cli\n1:\tjmp 1b");
}

static const struct attack {
    const char *name;
    void (*run)(void);
} attacks[] = {
    {"msrs", attack_msrs},     {"ports", attack_ports},       {"vmx", attack_vmx},
    {"code", attack_code},     {"storm", attack_storm},       {"tables", attack_tables},
    {"triple", attack_triple}, {"asleep", attack_asleep},     {"endless", attack_endless},
    {"deaf", attack_deaf},     {"restless", attack_restless},
};
#define ATTACKS (sizeof attacks / sizeof *attacks)

static const struct attack *named(const char *args, unsigned word)
{
    for (unsigned i = 0; i < ATTACKS; i++)
        if (args_is(args, word, attacks[i].name))
            return &attacks[i];
    return NULL;
}

uint32_t guest_main(const char *args)
{
    const struct attack *a;
    unsigned word = 1;

    trap_set(VEC_GP, on_fault);
    trap_set(VEC_UD, on_fault);
    trap_set(VEC_PF, on_fault);
    for (; (a = named(args, word)) != NULL; word++) {
        mark(1, word, 0);
        faults = 0;
        a->run();
    }
    if (word > 1)
        return 0;
    print("hostile: how? msrs, ports, vmx, code, storm, deaf, restless, tables, triple, asleep, endless\n");
    return 1;
}
