/* windows.c - external interrupts, NMIs and their windows, in non-root operation (SDM vol. 3, 25.2, 26.7). */
#include "vtx/lib/vtx.h"

#define CAUSES      "25.2 Other Causes of VM Exits"
#define PIN_BASED   "24.6.1 Pin-Based VM-Execution Controls"
#define WINDOWS     "26.7.5 Interrupt-Window Exiting and Virtual-Interrupt Delivery"
#define NMI_WINDOWS "26.7.6 NMI-Window Exiting"
#define BLOCKING    "26.7.1 Interruptibility State"
#define IF_ON       (FLAG_FIXED | FLAG_IF)

static void do_nothing(void)
{
}

static void halt(void)
{
    __asm__ volatile("hlt");
}

static void open_window(uint64_t rflags, uint64_t blocking)
{
    set_controls(PROC, PROC_INTERRUPT_WINDOW);
    vmwrite(VMCS_GUEST_RFLAGS, rflags);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking);
}

/* ---- interrupt window ---- */

TEST(interrupt_window, open, WINDOWS,
     "with RFLAGS.IF set and no blocking it exits before the first instruction")
{
    open_window(IF_ON, 0);
    run_to_exit(do_nothing, EXIT_INTERRUPT_WINDOW);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}

TEST(interrupt_window, closed, WINDOWS, "with RFLAGS.IF clear it does not exit")
{
    open_window(FLAG_FIXED, 0);
    run_to_done(do_nothing);
}

static void sti(void)
{
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli");
}

TEST(interrupt_window, behind_sti, WINDOWS, "it opens one instruction after STI")
{
    open_window(FLAG_FIXED, 0);
    run_to_exit(sti, EXIT_INTERRUPT_WINDOW);
    const uint8_t *at = (const uint8_t *)vmread(VMCS_GUEST_RIP);
    check(at[-2] == 0xfb && at[-1] == 0x90, "RIP is behind the NOP that follows STI");
}

static void nops(void)
{
    __asm__ volatile("nop\n\tnop\n\tnop");
}

/* The first instruction of the function may be one of its frame, so RIP is compared with what follows that.
 */
static void opens_later(uint64_t blocking)
{
    open_window(IF_ON, blocking);
    run_to_exit(nops, EXIT_INTERRUPT_WINDOW);
    check(vmread(VMCS_GUEST_RIP) > (uint64_t)nops, "one instruction has run");
    check_field(VMCS_GUEST_INTERRUPTIBILITY, 0);
}

TEST(interrupt_window, sti_blocking, BLOCKING, "blocking by STI holds it for one instruction")
{
    opens_later(BLOCKING_STI);
}

TEST(interrupt_window, ss_blocking, BLOCKING, "blocking by MOV SS holds it for one instruction")
{
    opens_later(BLOCKING_MOV_SS);
}

TEST(interrupt_window, wakes_hlt, WINDOWS, "it ends HLT")
{
    open_window(IF_ON, 0);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    run_to_exit(do_nothing, EXIT_INTERRUPT_WINDOW);
    check_field(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
}

/* ---- external interrupts ---- */

TEST(external_interrupt, exits, CAUSES,
     "an interrupt exits with \"external-interrupt exiting\", whatever RFLAGS.IF is")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    interrupt_self(INT_FIRST);
    run_to_exit(do_nothing, EXIT_EXTERNAL_INTERRUPT);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}

static void interrupt_and_wait(void)
{
    interrupt_self(INT_FIRST);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tnop\n\tcli");
}

TEST(external_interrupt, raised_inside, CAUSES,
     "an interrupt that comes while the guest runs exits, and is not the guest's")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    run_to_exit(interrupt_and_wait, EXIT_EXTERNAL_INTERRUPT);
    check_eq("the count of the guest's events", event.count, 0);
    take_pending();
    check_eq("interrupts that the host then takes", taken.count, 1);
}

TEST(external_interrupt, raised_inside_acknowledged, CAUSES,
     "an interrupt that comes while the guest runs is acknowledged on exit if it is to be")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    set_controls(VMEXIT, VMEXIT_ACK_INTERRUPT);
    run_to_exit(interrupt_and_wait, EXIT_EXTERNAL_INTERRUPT);
    check_field(VMCS_EXIT_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_EXTERNAL));
}

TEST(external_interrupt, stays_pending, "27.2.2 Information for VM Exits Due to Vectored Events",
     "without \"acknowledge interrupt on exit\" it stays pending, and the information is not valid")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    interrupt_self(INT_FIRST);
    run_to_exit(do_nothing, EXIT_EXTERNAL_INTERRUPT);
    check_eq("the valid bit", vmread(VMCS_EXIT_INTR_INFO) & INTR_VALID, 0);
    take_pending();
    check_eq("interrupts that the host then takes", taken.count, 1);
    check_eq("its vector", taken.vector, INT_FIRST);
}

TEST(external_interrupt, acknowledged, "27.2.2 Information for VM Exits Due to Vectored Events",
     "with \"acknowledge interrupt on exit\" the information has the vector, and it is in service")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    set_controls(VMEXIT, VMEXIT_ACK_INTERRUPT);
    interrupt_self(INT_FIRST);
    run_to_exit(do_nothing, EXIT_EXTERNAL_INTERRUPT);
    check_field(VMCS_EXIT_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_EXTERNAL));
    take_pending();
    check_eq("interrupts that the host then takes", taken.count, 0);
    check_eq("its bit of the ISR", apic_read(APIC_ISR + (INT_FIRST >> 5 << 4)) & 1u << (INT_FIRST & 31),
             1u << (INT_FIRST & 31));
}

TEST(external_interrupt, blocked_by_ss, BLOCKING, "blocking by MOV SS holds its exit for one instruction")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS);
    interrupt_self(INT_FIRST);
    run_to_exit(nops, EXIT_EXTERNAL_INTERRUPT);
    check(vmread(VMCS_GUEST_RIP) > (uint64_t)nops, "one instruction has run");
}

TEST(external_interrupt, wakes_hlt, CAUSES, "it exits from HLT, and the activity state is HLT")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    interrupt_self(INT_FIRST);
    run_to_exit(do_nothing, EXIT_EXTERNAL_INTERRUPT);
    check_field(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
}

TEST(external_interrupt, guests_own, PIN_BASED,
     "without \"external-interrupt exiting\" it is delivered by the guest's IDT if IF is set")
{
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    interrupt_self(INT_FIRST);
    guest_at(do_nothing);
    expect_event(INT_FIRST);
}

TEST(external_interrupt, masked, PIN_BASED,
     "without \"external-interrupt exiting\" it is held back if the guest's IF is clear")
{
    interrupt_self(INT_FIRST);
    run_to_done(do_nothing);
    take_pending();
    check_eq("interrupts that the host then takes", taken.count, 1);
}

/* ---- NMIs ---- */

static void nmi_and_wait(void)
{
    nmi_self();
    halt();
}

TEST(nmi, exits, CAUSES, "an NMI exits with \"NMI exiting\": vector 2, type 2")
{
    set_controls(PIN, PIN_NMI);
    run_to_exit(nmi_and_wait, EXIT_EXCEPTION_NMI);
    check_field(VMCS_EXIT_INTR_INFO, INTR_INFO(VEC_NMI, EVENT_NMI));
}

TEST(nmi, guests_own, PIN_BASED,
     "without \"NMI exiting\" it is delivered by the guest's IDT, and NMIs are blocked")
{
    guest_at(nmi_and_wait);
    expect_event(VEC_NMI);
    check_eq("blocking by NMI", vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI, BLOCKING_NMI);
}

TEST(nmi, blocks_host, "27.5.5 Updating Non-Register State",
     "the exit of an NMI leaves NMIs blocked: a second one waits for IRET")
{
    set_controls(PIN, PIN_NMI);
    run_to_exit(nmi_and_wait, EXIT_EXCEPTION_NMI);
    nmi_self();
    for (unsigned i = 0; i < 100; i++)
        __asm__ volatile("pause");
    check_eq("NMIs that the host has taken", taken.count, 0);
}

TEST(nmi, blocked, PIN_BASED, "without virtual NMIs blocking by NMI holds an NMI back")
{
    set_controls(PIN, PIN_NMI);
    set_controls(PROC, PROC_HLT);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_NMI);
    run_to_exit(nmi_and_wait, EXIT_HLT);
    check_eq("blocking by NMI", vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI, BLOCKING_NMI);
}

static void virtual_nmis(uint64_t blocking)
{
    set_controls(PIN, PIN_NMI | PIN_VIRTUAL_NMIS);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking);
}

TEST(nmi, virtual_not_blocked, PIN_BASED,
     "with virtual NMIs blocking by NMI does not hold the exit of an NMI")
{
    virtual_nmis(BLOCKING_NMI);
    run_to_exit(nmi_and_wait, EXIT_EXCEPTION_NMI);
    check_field(VMCS_EXIT_INTR_INFO, INTR_INFO(VEC_NMI, EVENT_NMI));
    check_eq("blocking by NMI", vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI, BLOCKING_NMI);
}

TEST(nmi_window, open, NMI_WINDOWS,
     "it exits before the first instruction if there is no virtual-NMI blocking")
{
    virtual_nmis(0);
    set_controls(PROC, PROC_NMI_WINDOW);
    run_to_exit(do_nothing, EXIT_NMI_WINDOW);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}

TEST(nmi_window, closed, NMI_WINDOWS, "it does not exit while virtual NMIs are blocked")
{
    virtual_nmis(BLOCKING_NMI);
    set_controls(PROC, PROC_NMI_WINDOW);
    run_to_done(do_nothing);
}

TEST(nmi_window, behind_iret, NMI_WINDOWS, "it opens with the IRET of the NMI's handler")
{
    virtual_nmis(0);
    set_controls(PROC, PROC_NMI_WINDOW);
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_NMI, EVENT_NMI));
    guest_at(do_nothing);
    expect_event(VEC_NMI);
    expect_exit(EXIT_NMI_WINDOW);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}

TEST(nmi_window, wakes_hlt, NMI_WINDOWS, "it ends HLT")
{
    virtual_nmis(0);
    set_controls(PROC, PROC_NMI_WINDOW);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    run_to_exit(do_nothing, EXIT_NMI_WINDOW);
}

TEST(nmi_window, ss_blocking, NMI_WINDOWS, "blocking by MOV SS holds it for one instruction")
{
    virtual_nmis(BLOCKING_MOV_SS);
    set_controls(PROC, PROC_NMI_WINDOW);
    run_to_exit(nops, EXIT_NMI_WINDOW);
    check(vmread(VMCS_GUEST_RIP) > (uint64_t)nops, "one instruction has run");
}

/* IRET that faults has unblocked NMIs before: 27.2.2, bit 12. */
static void iret_to_nowhere(void)
{
    __asm__ volatile("pushq $0\n\tpushq $0\n\tpushq $0\n\tpushq %0\n\tpushq $0\n\tiretq" : : "i"(0x1238));
}

TEST(nmi, unblocking_by_iret, "27.2.2 Information for VM Exits Due to Vectored Events",
     "the exit of an exception of an IRET that unblocked NMIs says so by bit 12")
{
    virtual_nmis(BLOCKING_NMI);
    guest_at(iret_to_nowhere);
    expect_exception(VEC_GP);
    check_eq("bit 12", vmread(VMCS_EXIT_INTR_INFO) & INTR_NMI_UNBLOCKING, INTR_NMI_UNBLOCKING);
}

/* ---- HLT ---- */

TEST(activity, hlt_is_saved, "27.3.4 Saving Non-Register State",
     "an exit from HLT saves the activity state HLT, with RIP behind the instruction")
{
    need_controls(PIN, PIN_PREEMPTION_TIMER);
    vmwrite(VMCS_PREEMPTION_TIMER, 100);
    run_to_exit(halt, EXIT_PREEMPTION_TIMER);
    check_field(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    check_eq("the byte before RIP", *(const uint8_t *)(vmread(VMCS_GUEST_RIP) - 1), 0xf4);
}

TEST(activity, hlt_is_loaded, "26.7.2 Activity State", "an entry into HLT executes nothing")
{
    need_controls(PIN, PIN_PREEMPTION_TIMER);
    vmwrite(VMCS_PREEMPTION_TIMER, 100);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    run_to_exit(do_nothing, EXIT_PREEMPTION_TIMER);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}
