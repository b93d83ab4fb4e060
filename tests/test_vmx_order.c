/* test_vmx_order.c - what comes first when several things are due before an instruction of a guest's (SDM
 * vol. 3, 6.9 "Priority Among Simultaneous Exceptions and Interrupts", 25.2 "Other Causes of VM
 * Exits", 25.5.1, 25.5.2, 26.7). */
#include "arch/apic.h"
#include "cpu/cpu.h"
#include "cpu/ipi.h"
#include "cpu/vmx.h"
#include "lib/guest.h"
#include "lib/suite.h"

#include <check.h>

static struct bare b;
static struct core *c;

#define NOP    "\x90"
#define VECTOR 0x41

static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    for (unsigned i = 0; i < 16; i++)
        bare_put(&b, GUEST_CODE + i, NOP, 1);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void raise_interrupt(void)
{
    c->s.apic_reg[APIC_SVR >> 4] |= APIC_SVR_ENABLE;
    apic_raise(c, VECTOR);
    c->rt.look_again = 0;
}

static void check_exit(u32 reason, u64 rip)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(reason));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), rip);
}

/* ---- NMIs that the guest takes ---- */

/* An NMI that does not exit is delivered before an external interrupt, or the window of one, exits. */
START_TEST(nmi_before_interrupts)
{
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set_bits(c, VMCS_PIN_CONTROLS, _i ? PIN_EXTERNAL_INTERRUPT : 0);
    guest_set_bits(c, VMCS_PROC_CONTROLS, _i ? 0 : PROC_INTERRUPT_WINDOW);
    guest_launch(&b);
    raise_interrupt();
    c->s.nmi_pending = 1;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    ck_assert_uint_eq(bare_frame(&b, 0), GUEST_CODE);
    c->s.rflags |= FLAG_IF;
    bare_atoms(&b, 1);
    check_exit(_i ? EXIT_EXTERNAL_INTERRUPT : EXIT_INTERRUPT_WINDOW, bare_handler(VEC_NMI));
}
END_TEST

/* ... and where NMIs are blocked, it waits and they exit. */
START_TEST(blocked_nmi_waits)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_NMI);
    guest_launch(&b);
    raise_interrupt();
    c->s.nmi_pending = 1;
    bare_atoms(&b, 1);
    check_exit(EXIT_EXTERNAL_INTERRUPT, GUEST_CODE);
    ck_assert_uint_eq(c->s.nmi_pending, 1);
}
END_TEST

/* Both windows are open: that of NMIs comes first, then the other. */
START_TEST(both_windows)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_NMI | PIN_VIRTUAL_NMIS);
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_NMI_WINDOW | PROC_INTERRUPT_WINDOW);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, _i);
    guest_launch(&b);
    bare_atoms(&b, _i == BLOCKING_MOV_SS ? 2 : 1);
    check_exit(_i == BLOCKING_NMI ? EXIT_INTERRUPT_WINDOW : EXIT_NMI_WINDOW,
               GUEST_CODE + (_i == BLOCKING_MOV_SS));
    if (_i == BLOCKING_NMI)
        return;
    guest_set(c, VMCS_PROC_CONTROLS, guest_get(c, VMCS_PROC_CONTROLS) & ~(u64)PROC_NMI_WINDOW);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, 0);
    GUEST_RUN(&b, VMRESUME);
    bare_atoms(&b, 1);
    check_exit(EXIT_INTERRUPT_WINDOW, GUEST_CODE + (_i == BLOCKING_MOV_SS));
}
END_TEST

/* ---- monitor trap flag (25.5.2) ---- */

static const u32 injected[] = {
    INTR_INFO(VECTOR, EVENT_EXTERNAL),       INTR_INFO(VEC_NMI, EVENT_NMI),
    INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION), INTR_INFO(0x21, EVENT_SOFT_INT),
    INTR_INFO(VEC_DB, EVENT_PRIV_EXCEPTION), INTR_INFO(VEC_BP, EVENT_SOFT_EXCEPTION)};
#define INJECTED (sizeof injected / sizeof *injected)

/* The exit is due behind the delivery of an injected event, before the handler's first instruction. */
START_TEST(mtf_behind_an_injected_event)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_ENTRY_INTR_INFO, injected[_i]);
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, 1);
    guest_launch(&b);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(injected[_i] & INTR_VECTOR));
    bare_atoms(&b, 1);
    check_exit(EXIT_MONITOR_TRAP_FLAG, bare_handler(injected[_i] & INTR_VECTOR));
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), 0);
}
END_TEST

/* A delivery that faults goes on with the fault, behind whose delivery the exit comes. */
START_TEST(mtf_behind_a_nested_fault)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_set(c, VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    bare_set_u64(&b, BARE_IDT + 16 * VEC_UD, bare_u64(&b, BARE_IDT + 16 * VEC_UD) & ~DESC_P);
    guest_launch(&b);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NP));
    bare_atoms(&b, 1);
    check_exit(EXIT_MONITOR_TRAP_FLAG, bare_handler(VEC_NP));
}
END_TEST

/* An instruction that faults, one that raises a software interrupt, one that an interrupt comes before, HLT.
 */
START_TEST(mtf_behind_the_first_instruction)
{
    static const struct {
        const char *insn;
        unsigned vector, atoms;
    } row[] = {{"\x0f\x0b", VEC_UD, 2}, {"\xcd\x21", 0x21, 2}, {"\x90\x90", VECTOR, 1}, {"\xf4\x90", 0, 1}};
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_launch(&b);
    bare_put(&b, GUEST_CODE, row[_i].insn, 2);
    if (row[_i].vector == VECTOR)
        raise_interrupt();
    bare_atoms(&b, row[_i].atoms);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    u64 rip = row[_i].vector ? bare_handler(row[_i].vector) : GUEST_CODE + 1;
    ck_assert_uint_eq(c->s.rip, rip);
    bare_atoms(&b, 1);
    check_exit(EXIT_MONITOR_TRAP_FLAG, rip);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY),
                      row[_i].vector ? VMX_ACTIVITY_ACTIVE : VMX_ACTIVITY_HLT);
}
END_TEST

/* A guest that is entered halted stays so, and the exit comes behind the interrupt that wakes it. */
START_TEST(mtf_waits_in_hlt)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    guest_launch(&b);
    c->s.apic_reg[APIC_SVR >> 4] |= APIC_SVR_ENABLE;
    c->s.ipi_due[VECTOR] = c->s.ipi_first_due = c->s.cycle + 500;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.cycle, c->s.ipi_first_due);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VECTOR));
    bare_atoms(&b, 1);
    check_exit(EXIT_MONITOR_TRAP_FLAG, bare_handler(VECTOR));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_ACTIVE);
}
END_TEST

/* Behind one iteration, whatever is left. */
START_TEST(mtf_behind_an_iteration)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_MONITOR_TRAP_FLAG);
    guest_launch(&b);
    c->s.gpr[REG_RCX] = 3;
    c->s.gpr[REG_RDI] = 0x60000;
    GUEST_RUN(&b, "\xf3\xaa"); /* rep stosb */
    bare_atoms(&b, 1);
    check_exit(EXIT_MONITOR_TRAP_FLAG, GUEST_CODE);
    ck_assert_uint_eq(c->s.gpr[REG_RCX], 2);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS) & FLAG_RF, FLAG_RF);
}
END_TEST

/* ---- the shadow of STI and MOV SS over a string instruction ---- */

/* The end of an iteration is an instruction boundary (25.5.2 has it so), and blocking is in effect on one. */
START_TEST(the_shadow_ends_behind_an_iteration)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, _i ? BLOCKING_STI : BLOCKING_MOV_SS);
    guest_launch(&b);
    raise_interrupt();
    c->s.gpr[REG_RCX] = 3;
    c->s.gpr[REG_RDI] = 0x60000;
    GUEST_RUN(&b, "\xf3\xaa");
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.gpr[REG_RCX], 2);
    bare_atoms(&b, 1);
    check_exit(EXIT_EXTERNAL_INTERRUPT, GUEST_CODE);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), 0);
}
END_TEST

/* One that is over before it begins neither reaches a port nor exits. */
START_TEST(a_string_of_nothing)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_UNCONDITIONAL_IO);
    guest_launch(&b);
    c->s.gpr[REG_RCX] = _i;
    GUEST_RUN(&b, "\xf3\x6e"); /* rep outsb */
    ck_assert_uint_eq(c->s.vmx_guest, !_i);
    if (!_i)
        ck_assert_uint_eq(c->s.rip, GUEST_CODE + 2);
}
END_TEST

/* ---- preemption timer (25.5.1, 26.7.4) ---- */

static void with_timer(u64 value)
{
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_PREEMPTION_TIMER);
    guest_set_bits(c, VMCS_EXIT_CONTROLS, VMEXIT_SAVE_PREEMPTION_TIMER);
    guest_set(c, VMCS_PREEMPTION_TIMER, value);
}

/* A guest that waits for a start-up IPI does not hear of the timer, which runs down nevertheless. */
START_TEST(the_timer_does_not_wake_from_wait_for_sipi)
{
    with_timer(2);
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
    guest_launch(&b);
    c->s.ipi_sipi_due[0] = c->s.cycle + 1000;
    c->s.ipi_sipi_vector[0] = 0x12;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_WAIT_SIPI);
    ck_assert_uint_eq(c->s.cycle, c->s.ipi_sipi_due[0]);
    bare_atoms(&b, 1);
    check_exit(EXIT_SIPI, GUEST_CODE);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 0x12);
    ck_assert_uint_eq(guest_get(c, VMCS_PREEMPTION_TIMER), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_WAIT_SIPI);
}
END_TEST

/* An expired timer waits for the delivery of what is injected, in HLT as elsewhere, and the guest is saved
 * active. */
START_TEST(the_timer_waits_for_an_injected_event)
{
    with_timer(0);
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_GUEST_ACTIVITY, _i ? VMX_ACTIVITY_HLT : VMX_ACTIVITY_ACTIVE);
    guest_set(c, VMCS_ENTRY_INTR_INFO, injected[0]);
    guest_launch(&b);
    bare_atoms(&b, 2);
    check_exit(EXIT_PREEMPTION_TIMER, bare_handler(VECTOR));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_ACTIVE);
}
END_TEST

/* In HLT an interrupt that exits leaves the rest of the timer in the VMCS, and the guest halted. */
START_TEST(the_rest_of_the_timer_is_kept_in_hlt)
{
    with_timer(100);
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT);
    guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    guest_launch(&b);
    c->s.cycle += 10 << VMX_TIMER_SHIFT;
    raise_interrupt();
    bare_atoms(&b, 1);
    check_exit(EXIT_EXTERNAL_INTERRUPT, GUEST_CODE);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_ACTIVITY), VMX_ACTIVITY_HLT);
    u64 rest = guest_get(c, VMCS_PREEMPTION_TIMER); /* the exit itself takes time too */
    ck_assert(rest <= 90 && rest > 50);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx order");
    TCase *t = tcase_create("order");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, nmi_before_interrupts, 0, 2);
    tcase_add_test(t, blocked_nmi_waits);
    tcase_add_loop_test(t, both_windows, BLOCKING_STI, BLOCKING_MOV_SS + 1);
    tcase_add_loop_test(t, both_windows, BLOCKING_NMI, BLOCKING_NMI + 1);
    tcase_add_loop_test(t, mtf_behind_an_injected_event, 0, INJECTED);
    tcase_add_test(t, mtf_behind_a_nested_fault);
    tcase_add_loop_test(t, mtf_behind_the_first_instruction, 0, 4);
    tcase_add_test(t, mtf_waits_in_hlt);
    tcase_add_test(t, mtf_behind_an_iteration);
    tcase_add_loop_test(t, the_shadow_ends_behind_an_iteration, 0, 2);
    tcase_add_loop_test(t, a_string_of_nothing, 0, 2);
    tcase_add_test(t, the_timer_does_not_wake_from_wait_for_sipi);
    tcase_add_loop_test(t, the_timer_waits_for_an_injected_event, 0, 2);
    tcase_add_test(t, the_rest_of_the_timer_is_kept_in_hlt);
    suite_add_tcase(s, t);
    return suite_run(s);
}
