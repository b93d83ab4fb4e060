/* test_vmx_posted.c - posted interrupts from another core (SDM vol. 3, 29.6 "Posted-Interrupt Processing"):
 * it writes the descriptor and sends the notification, and where that finds the core decides what comes of
 * it. */
#include "arch/apic.h"
#include "cpu/cpu.h"
#include "cpu/ipi.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "mmu/mem.h"
#include "schedule.h"

#include <check.h>

enum { PAGE = 0xa0000, POSTED = 0xa8040, NOTIFICATION = 0xf2, VECTOR = 0x61 };

#define SPIN "\xeb\xfe"
#define HLT  "\xf4"

static struct bare b;
static struct core *guest, *sender;

static void use_apic(struct core *c)
{
    c->s.activity = ACTIVITY_ACTIVE;
    apic_write(c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
}

/* Handlers halt, in the guest and in the host; the other core spins. */
static void set_up(void)
{
    guest_open_cores(&b, 2);
    guest = b.core;
    sender = b.machine->core[1];
    guest_set_bits(guest, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT | PIN_POSTED_INTERRUPTS);
    guest_set_bits(guest, VMCS_PROC_CONTROLS, PROC_TPR_SHADOW | PROC_SECONDARY);
    guest_set_bits(guest, VMCS_PROC2_CONTROLS, PROC2_VIRTUAL_INTERRUPTS);
    guest_set_bits(guest, VMCS_EXIT_CONTROLS, VMEXIT_ACK_INTERRUPT);
    guest_set(guest, VMCS_VIRTUAL_APIC_ADDRESS, PAGE);
    guest_set(guest, VMCS_POSTED_VECTOR, NOTIFICATION);
    guest_set(guest, VMCS_POSTED_DESCRIPTOR, POSTED);
    bare_put(&b, GUEST_CODE, SPIN, 2);
    bare_put(&b, GUEST_HOST, SPIN, 2);
    bare_put(&b, BARE_CODE + BARE_PART, SPIN, 2);
    bare_put(&b, bare_handler(VECTOR), HLT, 1);
    bare_put(&b, bare_handler(NOTIFICATION), HLT, 1);
    use_apic(guest);
    use_apic(sender);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void launch(u64 flags, u64 activity)
{
    guest_set_bits(guest, VMCS_GUEST_RFLAGS, flags);
    guest_set(guest, VMCS_GUEST_ACTIVITY, activity);
    bare_put(&b, guest->s.rip, VMLAUNCH, 3);
    while (!guest->s.vmx_guest)
        ck_assert_int_eq(cpu_atom(guest), ATOM_DONE);
}

static void send(u64 vector)
{
    mem_write(b.machine->mem, POSTED + VECTOR / 8, 1, 1u << VECTOR % 8);
    mem_write(b.machine->mem, POSTED + POSTED_NOTIFICATION, 1, POSTED_ON);
    sender->s.cycle = max(sender->s.cycle, guest->s.cycle);
    apic_write(sender, APIC_ICR_HIGH, 0);
    apic_write(sender, APIC_ICR_LOW, APIC_ICR_ASSERT | vector);
    machine_run(b.machine, 1000000, guest->s.cycle + 20000);
}

static bool is_posted(void)
{
    return mem_read(b.machine->mem, POSTED + VECTOR / 8, 1) == 1u << VECTOR % 8 &&
           mem_read(b.machine->mem, POSTED + POSTED_NOTIFICATION, 1) == POSTED_ON;
}

static u64 requested(void)
{
    return mem_read(b.machine->mem, PAGE + APIC_IRR + (VECTOR >> 5 << 4), 4);
}

static u64 in_service(void)
{
    return mem_read(b.machine->mem, PAGE + APIC_ISR + (VECTOR >> 5 << 4), 4);
}

/* The guest's handler runs, the guest has not left, and the processor's own APIC has nothing more to do. */
static void check_delivered(void)
{
    ck_assert_uint_eq(guest->s.vmx_guest, 1);
    ck_assert_uint_eq(guest->s.count.vm_exits, 0);
    ck_assert_uint_eq(guest->s.rip, bare_handler(VECTOR) + 1);
    ck_assert_uint_eq(guest->s.activity, ACTIVITY_HLT);
    ck_assert_uint_eq(bare_u64(&b, POSTED + VECTOR / 64 * 8), 0);
    ck_assert_uint_eq(mem_read(b.machine->mem, POSTED + POSTED_NOTIFICATION, 1), 0);
    ck_assert_uint_eq(requested(), 0);
    ck_assert_uint_eq(in_service(), 1u << (VECTOR & 31));
    ck_assert_int_eq(apic_pending_vector(guest), -1);
}

/* ---- where the notification finds the core ---- */

START_TEST(in_the_guest)
{
    launch(FLAG_IF, _i ? VMX_ACTIVITY_HLT : VMX_ACTIVITY_ACTIVE);
    send(NOTIFICATION);
    check_delivered();
}
END_TEST

/* The request waits in VIRR until the guest can be interrupted. */
START_TEST(in_the_guest_without_if)
{
    launch(0, VMX_ACTIVITY_ACTIVE);
    send(NOTIFICATION);
    ck_assert_uint_eq(guest->s.vmx_guest, 1);
    ck_assert_uint_eq(guest->s.rip, GUEST_CODE);
    ck_assert(!is_posted());
    ck_assert_uint_eq(requested(), 1u << (VECTOR & 31));
    ck_assert_uint_eq(guest->s.rvi, VECTOR);
}
END_TEST

/* In root operation the notification is an interrupt like others, and the descriptor stays as it is. */
START_TEST(in_the_host)
{
    bare_put(&b, guest->s.rip, SPIN, 2);
    guest->s.rflags |= FLAG_IF;
    guest->rt.look_again = 0;
    send(NOTIFICATION);
    ck_assert_uint_eq(guest->s.rip, bare_handler(NOTIFICATION) + 1);
    ck_assert(is_posted());
    ck_assert_uint_eq(requested(), 0);
}
END_TEST

/* ... where it stays pending while interrupts are off, and is processed behind VM entry. */
START_TEST(before_the_entry)
{
    bare_put(&b, guest->s.rip, SPIN, 2);
    send(NOTIFICATION);
    ck_assert_int_eq(apic_pending_vector(guest), NOTIFICATION);
    ck_assert(is_posted());
    launch(FLAG_IF, VMX_ACTIVITY_ACTIVE);
    machine_run(b.machine, 1000000, guest->s.cycle + 20000);
    check_delivered();
}
END_TEST

/* Another vector exits, and what has been posted stays. */
START_TEST(another_vector)
{
    launch(FLAG_IF, VMX_ACTIVITY_ACTIVE);
    send(NOTIFICATION + 1);
    ck_assert_uint_eq(guest->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(guest, VMCS_EXIT_REASON), EXIT_EXTERNAL_INTERRUPT);
    ck_assert_uint_eq(guest_get(guest, VMCS_EXIT_INTR_INFO), INTR_INFO(NOTIFICATION + 1, EVENT_EXTERNAL));
    ck_assert(is_posted());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx posted interrupts");
    TCase *t = tcase_create("from another core");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, in_the_guest, 0, 2);
    tcase_add_test(t, in_the_guest_without_if);
    tcase_add_test(t, in_the_host);
    tcase_add_test(t, before_the_entry);
    tcase_add_test(t, another_vector);
    suite_add_tcase(s, t);
    return suite_run(s);
}
