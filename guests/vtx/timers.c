/* timers.c - the preemption timer, the monitor trap flag, and the time-stamp counter of a guest (SDM vol. 3,
 * 25.3, 25.5.1, 25.5.2, 26.7). */
#include "vtx/lib/vtx.h"

#define TIMER    "25.5.1 VMX-Preemption Timer"
#define AT_ENTRY "26.7.4 VMX-Preemption Timer"
#define FLAG     "25.5.2 Monitor Trap Flag"
#define TSC      "25.3 Changes to Instruction Behavior in VMX Non-Root Operation"
#define IF_ON    (FLAG_FIXED | FLAG_IF)
#define AN_HOUR  (UINT64_C(1) << 56) /* cycles: more than the counter has ever counted */

static void do_nothing(void)
{
}

static void spin(void)
{
    for (;;)
        __asm__ volatile("pause");
}

/* ---- preemption timer ---- */

static void set_timer(uint64_t value)
{
    set_controls(PIN, PIN_PREEMPTION_TIMER);
    vmwrite(VMCS_PREEMPTION_TIMER, value);
}

TEST(preemption_timer, zero_exits_first, AT_ENTRY, "with a value of 0 it exits before the first instruction")
{
    set_timer(0);
    run_to_exit(do_nothing, EXIT_PREEMPTION_TIMER);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}

TEST(preemption_timer, expires, TIMER, "it ends a guest that runs for ever")
{
    set_timer(50);
    run_to_exit(spin, EXIT_PREEMPTION_TIMER);
}

TEST(preemption_timer, rate, TIMER, "it counts down when the bit of the TSC changes that IA32_VMX_MISC names")
{
    uint64_t shift = rdmsr(MSR_VMX_MISC) & 31, before, after;

    set_timer(100);
    guest_at(spin);
    before = rdtsc();
    expect_exit(EXIT_PREEMPTION_TIMER);
    after = rdtsc();
    check(after - before >= UINT64_C(99) << shift, "it waits for so many changes of that bit");
}

TEST(preemption_timer, off, TIMER, "it does not count if it is not activated")
{
    set_timer(0);
    clear_controls(PIN, PIN_PREEMPTION_TIMER);
    run_to_done(do_nothing);
}

TEST(preemption_timer, saved, TIMER, "an exit saves its value with \"save VMX-preemption timer value\"")
{
    set_timer(100000);
    set_controls(VMEXIT, VMEXIT_SAVE_PREEMPTION_TIMER);
    guest_at(spin);
    set_controls(PROC, PROC_PAUSE);
    for (unsigned i = 0; i < 200; i++) {
        expect_exit(EXIT_PAUSE);
        guest_skip();
    }
    uint64_t left = vmread(VMCS_PREEMPTION_TIMER);
    check(left > 0 && left < 100000, "what is left is less than at the beginning, and not 0");
}

TEST(preemption_timer, saved_zero, TIMER, "its own exit saves 0")
{
    set_timer(50);
    set_controls(VMEXIT, VMEXIT_SAVE_PREEMPTION_TIMER);
    run_to_exit(spin, EXIT_PREEMPTION_TIMER);
    check_field(VMCS_PREEMPTION_TIMER, 0);
}

TEST(preemption_timer, kept, TIMER, "the field stays as it is without that control")
{
    set_timer(50);
    run_to_exit(spin, EXIT_PREEMPTION_TIMER);
    check_field(VMCS_PREEMPTION_TIMER, 50);
}

TEST(preemption_timer, behind_injection, AT_ENTRY, "with a value of 0 an injected event is delivered first")
{
    set_timer(0);
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    run_to_exit(do_nothing, EXIT_PREEMPTION_TIMER);
    check(vmread(VMCS_GUEST_RIP) != (uint64_t)do_nothing, "RIP is in the handler");
    check_field(VMCS_IDT_VECTORING_INFO, 0);
}

TEST(preemption_timer, behind_debug, TIMER, "a pending debug exception comes before it")
{
    set_timer(0);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
    guest_at(do_nothing);
    expect_exception(VEC_DB);
}

TEST(preemption_timer, before_window, TIMER, "it comes before the interrupt window")
{
    set_timer(0);
    set_controls(PROC, PROC_INTERRUPT_WINDOW);
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    run_to_exit(do_nothing, EXIT_PREEMPTION_TIMER);
}

TEST(preemption_timer, before_nmi_window, TIMER, "it comes before the NMI window")
{
    set_timer(0);
    set_controls(PIN, PIN_NMI | PIN_VIRTUAL_NMIS);
    set_controls(PROC, PROC_NMI_WINDOW);
    run_to_exit(do_nothing, EXIT_PREEMPTION_TIMER);
}

TEST(preemption_timer, before_interrupt, TIMER, "it comes before an external interrupt")
{
    set_timer(0);
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    interrupt_self(INT_FIRST);
    run_to_exit(do_nothing, EXIT_PREEMPTION_TIMER);
}

/* ---- monitor trap flag ---- */

/* Labels of assembly, so that nothing of a compiler's frame comes between. */
#define CODE(NAME, TEXT) \
    void NAME(void); \
    __asm__(".text\n" #NAME ":\n\t" TEXT "\n\tret\n")
CODE(two_nops, "nop\n\tnop");
CODE(cpuid_first, "cpuid");
CODE(ud2_first, "ud2");
CODE(int_first, "int $0x40");
CODE(rep_movsb, "rep movsb");
_Static_assert(INT_FIRST == 0x40, "int_first raises INT_FIRST");

static void trap_monitor(void)
{
    set_controls(PROC, PROC_MONITOR_TRAP_FLAG);
}

TEST(monitor_trap, instruction, FLAG, "it exits after the first instruction")
{
    trap_monitor();
    run_to_exit(two_nops, EXIT_MONITOR_TRAP_FLAG);
    check_field(VMCS_GUEST_RIP, (uint64_t)two_nops + 1);
    expect_exit(EXIT_MONITOR_TRAP_FLAG);
    check_field(VMCS_GUEST_RIP, (uint64_t)two_nops + 2);
}

TEST(monitor_trap, instruction_that_exits, FLAG,
     "an instruction that exits makes no exit of the monitor trap flag")
{
    trap_monitor();
    run_to_exit(cpuid_first, EXIT_CPUID);
}

TEST(monitor_trap, injection, FLAG, "after an injected event it exits at the handler's first instruction")
{
    trap_monitor();
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    run_to_exit(two_nops, EXIT_MONITOR_TRAP_FLAG);
    check(vmread(VMCS_GUEST_RIP) - (uint64_t)two_nops > 2, "RIP is in the handler");
}

TEST(monitor_trap, fault, FLAG,
     "an instruction that faults is followed by the exit once the fault is delivered")
{
    trap_monitor();
    vmwrite(VMCS_EXCEPTION_BITMAP, 0);
    run_to_exit(ud2_first, EXIT_MONITOR_TRAP_FLAG);
    check(vmread(VMCS_GUEST_RIP) != (uint64_t)ud2_first, "RIP is in the handler");
}

TEST(monitor_trap, software_interrupt, FLAG,
     "INT n is followed by the exit at the handler's first instruction")
{
    trap_monitor();
    run_to_exit(int_first, EXIT_MONITOR_TRAP_FLAG);
    check(vmread(VMCS_GUEST_RIP) != (uint64_t)int_first + 2, "RIP is in the handler");
}

TEST(monitor_trap, pending, FLAG,
     "a pending exit that is injected (type 7) comes before the first instruction, whatever the control is")
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(0, EVENT_OTHER));
    run_to_exit(two_nops, EXIT_MONITOR_TRAP_FLAG);
    check_field(VMCS_GUEST_RIP, (uint64_t)two_nops);
}

TEST(monitor_trap, before_timer, FLAG, "a pending one comes before the preemption timer")
{
    set_timer(0);
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(0, EVENT_OTHER));
    run_to_exit(two_nops, EXIT_MONITOR_TRAP_FLAG);
}

TEST(monitor_trap, repeat, FLAG, "of an instruction with REP it exits after the first iteration")
{
    trap_monitor();
    guest_registers[REG_RCX] = 5;
    guest_registers[REG_RSI] = guest_registers[REG_RDI] = (uint64_t)page_new();
    run_to_exit(rep_movsb, EXIT_MONITOR_TRAP_FLAG);
    check_field(VMCS_GUEST_RIP, (uint64_t)rep_movsb);
    check_eq("RCX", guest_registers[REG_RCX], 4);
}

/* ---- time-stamp counter ---- */

static void read_tsc(void)
{
    seen[0] = rdtsc();
}

static void read_tscp(void)
{
    uint32_t low, high, aux;

    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
    seen[0] = (uint64_t)high << 32 | low;
    seen[1] = aux;
}

static void read_tsc_msr(void)
{
    seen[0] = rdmsr(MSR_TSC);
}

static void offset_tsc(void)
{
    set_controls(PROC, PROC_TSC_OFFSETTING);
    vmwrite(VMCS_TSC_OFFSET, AN_HOUR);
}

/* What the guest has seen lies between the host's two readings, with the offset. */
static void check_between(uint64_t before, uint64_t after)
{
    check(seen[0] >= before && seen[0] <= after,
          "the guest's TSC is the host's, times multiplier, plus offset");
}

static void check_offset(void (*fn)(void))
{
    uint64_t before = rdtsc() + AN_HOUR;

    run_to_done(fn);
    check_between(before, rdtsc() + AN_HOUR);
}

TEST(tsc, plain, TSC, "RDTSC gives the TSC without \"use TSC offsetting\"")
{
    uint64_t before = rdtsc();

    vmwrite(VMCS_TSC_OFFSET, AN_HOUR);
    run_to_done(read_tsc);
    check_between(before, rdtsc());
}

TEST(tsc, offset, TSC, "RDTSC adds the offset with \"use TSC offsetting\"")
{
    offset_tsc();
    check_offset(read_tsc);
}

TEST(tsc, offset_negative, TSC, "the offset is added modulo 2 to the power of 64")
{
    set_controls(PROC, PROC_TSC_OFFSETTING);
    vmwrite(VMCS_TSC_OFFSET, UINT64_MAX);
    uint64_t before = rdtsc();
    run_to_done(read_tsc);
    check_between(before - 1, rdtsc() - 1);
}

TEST(tsc, rdtscp, TSC, "RDTSCP adds the offset, and gives IA32_TSC_AUX")
{
    offset_tsc();
    set_controls(PROC2, PROC2_RDTSCP);
    wrmsr(MSR_TSC_AUX, 0x77);
    check_offset(read_tscp);
    check_eq("IA32_TSC_AUX", seen[1], 0x77);
}

TEST(tsc, rdmsr, TSC, "RDMSR of the TSC adds the offset")
{
    offset_tsc();
    set_controls(PROC, PROC_MSR_BITMAPS);
    vmwrite(VMCS_MSR_BITMAP, (uint64_t)page_new());
    check_offset(read_tsc_msr);
}

TEST(tsc, scaling, TSC, "with \"use TSC scaling\" the TSC is multiplied before the offset is added")
{
    offset_tsc();
    set_controls(PROC2, PROC2_TSC_SCALING);
    vmwrite(VMCS_TSC_MULTIPLIER, UINT64_C(2) << VMX_TSC_FRACTION);
    uint64_t before = rdtsc();
    run_to_done(read_tsc);
    check_between(2 * before + AN_HOUR, 2 * rdtsc() + AN_HOUR);
}

TEST(tsc, scaling_fraction, TSC, "the multiplier has 48 bits behind the point: a half")
{
    set_controls(PROC, PROC_TSC_OFFSETTING);
    set_controls(PROC2, PROC2_TSC_SCALING);
    vmwrite(VMCS_TSC_MULTIPLIER, UINT64_C(1) << (VMX_TSC_FRACTION - 1));
    uint64_t before = rdtsc();
    run_to_done(read_tsc);
    check_between(before / 2, rdtsc() / 2);
}

TEST(tsc, scaling_without_offsetting, TSC, "without \"use TSC offsetting\" the multiplier does not count")
{
    set_controls(PROC2, PROC2_TSC_SCALING);
    vmwrite(VMCS_TSC_MULTIPLIER, UINT64_C(16) << VMX_TSC_FRACTION);
    uint64_t before = rdtsc();
    run_to_done(read_tsc);
    check_between(before, rdtsc());
}

TEST(tsc, host_is_unchanged, TSC, "the host's TSC knows neither")
{
    uint64_t before = rdtsc();

    offset_tsc();
    run_to_done(read_tsc);
    check(rdtsc() - before < AN_HOUR, "less than the offset has passed");
}
