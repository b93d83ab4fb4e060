/* harness.c - tests of the library itself, each by its name alone: those called fails_... must fail. */
#include "vtx/lib/vtx.h"

#define NONE "none: of the library"

static void do_nothing(void)
{
}

static void spin(void)
{
    for (;;)
        __asm__ volatile("pause");
}

TEST_ALONE(harness, fails_hanging, NONE, "a guest that runs for ever is ended by the preemption timer")
{
    run_to_done(spin);
}

TEST_ALONE(harness, fails_halted, NONE, "a guest that waits for ever is ended by the preemption timer")
{
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    run_to_done(do_nothing);
}

TEST_ALONE(harness, fails_in_root, NONE, "an exception in root operation that nobody expects ends the test")
{
    __asm__ volatile("ud2");
}

TEST_ALONE(harness, fails_in_guest, NONE, "an exception of the guest that nobody expects ends the test")
{
    run_to_done((void (*)(void))(uintptr_t)NOT_CANONICAL);
}

TEST_ALONE(harness, fails_entry, NONE, "an entry that fails where it must not ends the test")
{
    vmwrite(VMCS_CR3_TARGET_COUNT, UINT32_MAX);
    run_to_done(do_nothing);
}

/* What follows must find the world as if this had not been. */
TEST_ALONE(harness, vandal, NONE, "a test that leaves everything in disorder harms no other")
{
    set_controls(PIN, PIN_NMI);
    run_to_exit(nmi_self, EXIT_EXCEPTION_NMI); /* NMIs stay blocked */
    nmi_self();
    interrupt_self(INT_FIRST);
    take_pending();
    interrupt_self(INT_SECOND);
    apic_write(APIC_TPR, 0xf0);
    apic_write(APIC_LVT_TIMER, INT_FIRST);
    apic_write(APIC_TIMER_INITIAL, 100);
    write_dr7(DR7_FIXED | 2);
    write_cr0(read_cr0() | CR0_TS | CR0_AM);
    write_cr4(read_cr4() | CR4_TSD);
    wrmsr(MSR_PAT, 0);
    wrmsr(MSR_LSTAR, 0x1234);
    wrmsr(MSR_GS_BASE, NOT_CANONICAL - 1);
    world_gdt[SEL_USER_CODE / 8] = 0;
    world_idt[INT_LEAVE].type = 0;
    world_pml4[1] = 0x1234567;
    vmptrld(vmcs_region());
}
