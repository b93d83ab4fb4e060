/* test_vmx_vectoring.c - VM exits from the delivery of an event (SDM vol. 3, 27.2.4 "Information for VM Exits
 * That Occur During Event Delivery"): every kind of event, real and injected, and every exit that can come of
 * it. */
#include "arch/apic.h"
#include "cpu/cpu.h"
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/guest_ept.h"
#include "lib/suite.h"

#include <check.h>

#define LOG  0x9d000u
#define PAGE 0x9e000u /* virtual-APIC page */

/* ---- events ---- */

#define ERROR 0xbee8u

static const struct kind {
    const char *insn; /* raises it; NULL: it comes from outside */
    u8 vector, type, length;
    bool error;
} kinds[] = {
    {NULL, 0x41, EVENT_EXTERNAL, 0, false},
    {NULL, VEC_NMI, EVENT_NMI, 0, false},
    {"\x0f\x0b", VEC_UD, EVENT_HARD_EXCEPTION, 0, false},
    {"\x8e\xd9", VEC_GP, EVENT_HARD_EXCEPTION, 0, true}, /* mov %ecx,%ds: beyond the GDT */
    {"\xcd\x21", 0x21, EVENT_SOFT_INT, 2, false},
    {"\xf1", VEC_DB, EVENT_PRIV_EXCEPTION, 1, false},
    {"\xcc", VEC_BP, EVENT_SOFT_EXCEPTION, 1, false},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static u32 info_of(const struct kind *k)
{
    return INTR_INFO(k->vector, k->type) | (k->error ? INTR_HAS_ERROR : 0);
}

static void inject(const struct kind *k)
{
    guest_set(c, VMCS_ENTRY_INTR_INFO, info_of(k));
    guest_set(c, VMCS_ENTRY_ERROR_CODE, ERROR);
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, k->length ? k->length : 15);
    guest_launch(&b);
}

static void raise_from_outside(const struct kind *k)
{
    c->s.apic_reg[APIC_SVR >> 4] |= APIC_SVR_ENABLE;
    if (k->type == EVENT_NMI)
        c->s.nmi_pending = 1;
    else
        apic_raise(c, k->vector);
    c->rt.look_again = 0;
}

/* Up to the atom that would deliver it. */
static void bring_about(const struct kind *k)
{
    guest_launch(&b);
    GUEST_RUN(&b, NOP_1);
    c->s.gpr[REG_RCX] = ERROR;
    if (!k->insn) {
        raise_from_outside(k);
        return;
    }
    bare_put(&b, c->s.rip, k->insn, 2);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
}

/* ---- exits ---- */

/* The IDT is at a page of its own, and the stack at another. */
static u64 gate_of(const struct kind *k)
{
    return BARE_IDT + 16u * k->vector;
}

static void idt_violates(const struct kind *k)
{
    (void)k;
    bare_set_u64(&b, ept_entry(0, BARE_IDT), 0);
}

static void idt_is_misconfigured(const struct kind *k)
{
    (void)k;
    bare_set_u64(&b, ept_entry(0, BARE_IDT), BARE_IDT | EPT_W);
}

static void idt_is_apic(const struct kind *k)
{
    (void)k;
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
    guest_set(c, VMCS_VIRTUAL_APIC_ADDRESS, PAGE);
    guest_set(c, VMCS_APIC_ACCESS_ADDRESS, BARE_IDT);
    ept_control(&b, PROC2_APIC_ACCESSES);
}

static void idt_is_nowhere(const struct kind *k)
{
    (void)k;
    guest_set(c, VMCS_GUEST_IDTR_BASE, BARE_UNMAPPED);
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_PF);
}

static void gate_is_absent(const struct kind *k)
{
    bare_set_u64(&b, gate_of(k), bare_u64(&b, gate_of(k)) & ~DESC_P);
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_NP);
}

static void stack_violates(const struct kind *k)
{
    (void)k;
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), EPT_PAGE | EPT_R | EPT_WB);
}

static void stack_fills_the_log(const struct kind *k)
{
    (void)k;
    ept_control(&b, PROC2_PML);
    guest_set(c, VMCS_PML_ADDRESS, LOG);
    guest_set(c, VMCS_PML_INDEX, 0xffff);
    guest_set(c, VMCS_EPTP, guest_get(c, VMCS_EPTP) | EPTP_AD);
    bare_set_u64(&b, ept_entry(0, EPT_PAGE), EPT_PAGE | EPT_RWX | EPT_WB);
}

#define STACK (EPT_PAGE + 0x800)

static const struct way {
    void (*prepare)(const struct kind *k);
    u32 reason, vector; /* the second: of the exception that exits */
    u64 gva;            /* 0: of the gate */
} ways[] = {
    {idt_violates, EXIT_EPT_VIOLATION, 0, 0},        {idt_is_misconfigured, EXIT_EPT_MISCONFIG, 0, 0},
    {idt_is_apic, EXIT_APIC_ACCESS, 0, 0},           {idt_is_nowhere, EXIT_EXCEPTION_NMI, VEC_PF, 0},
    {gate_is_absent, EXIT_EXCEPTION_NMI, VEC_NP, 0}, {stack_violates, EXIT_EPT_VIOLATION, 0, STACK - 8},
    {stack_fills_the_log, EXIT_PML_FULL, 0, 0},
};
#define WAYS (sizeof ways / sizeof *ways)

static u64 want_qualification(const struct kind *k, const struct way *w)
{
    u64 linear = QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED;
    if (w->prepare == idt_violates)
        return linear | QUAL_EPT_READ;
    if (w->prepare == stack_violates)
        return linear | QUAL_EPT_WRITE | QUAL_EPT_READABLE;
    if (w->prepare == idt_is_apic)
        return 16u * k->vector | QUAL_APIC_EVENT << QUAL_APIC_KIND_SHIFT;
    return w->prepare == idt_is_nowhere ? BARE_UNMAPPED + 16u * k->vector : 0;
}

/* Of the exception's own fields: a gate that is absent names itself, and EXT says whether the program asked.
 */
static void check_exception(const struct kind *k, const struct way *w)
{
    u64 info = guest_get(c, VMCS_EXIT_INTR_INFO);
    bool asked = k->type == EVENT_SOFT_INT || k->type == EVENT_SOFT_EXCEPTION;
    if (!w->vector) {
        ck_assert_uint_eq(info, 0);
        return;
    }
    ck_assert_uint_eq(info, INTR_INFO(w->vector, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_ERROR),
                      w->vector == VEC_PF ? 0 : k->vector * 8u | ERROR_IDT | (asked ? 0 : ERROR_EXT));
}

static void check_exit(const struct kind *k, const struct way *w, u64 rip, u64 error)
{
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_str_eq(vmx_reason_name((u32)guest_get(c, VMCS_EXIT_REASON)), vmx_reason_name(w->reason));
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), info_of(k));
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_ERROR), k->error ? error : 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), k->length);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), want_qualification(k, w));
    if (w->reason == EXIT_EPT_VIOLATION)
        ck_assert_uint_eq(guest_get(c, VMCS_GUEST_LINEAR_ADDRESS), w->gva ? w->gva : gate_of(k));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), rip);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RSP), STACK);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_INTERRUPTIBILITY), k->type == EVENT_NMI ? BLOCKING_NMI : 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RFLAGS) & FLAG_IF, FLAG_IF);
    ck_assert_uint_eq(c->s.event_valid, 0);
    check_exception(k, w);
}

static const struct kind *prepare(int i, const struct way **way)
{
    const struct kind *k = &kinds[(size_t)i % KINDS];
    *way = &ways[(size_t)i / KINDS];
    guest_set_bits(c, VMCS_GUEST_RFLAGS, FLAG_IF);
    guest_set(c, VMCS_GUEST_RSP, STACK);
    ept_use(&b, EPT_A | EPT_D, 0);
    (*way)->prepare(k);
    return k;
}

START_TEST(real_events)
{
    const struct way *w;
    const struct kind *k = prepare(_i, &w);
    bring_about(k);
    bare_atoms(&b, 1);
    check_exit(k, w, GUEST_CODE + 1, ERROR & 0xfffc);
}
END_TEST

START_TEST(injected_events)
{
    const struct way *w;
    const struct kind *k = prepare(_i, &w);
    inject(k);
    bare_atoms(&b, 1);
    check_exit(k, w, GUEST_CODE, ERROR);
}
END_TEST

/* 26.7.1: STI and MOV SS block nothing behind a vectoring entry, and an exit from the delivery saves that. */
START_TEST(injection_ends_the_shadow)
{
    const struct way *w;
    const struct kind *k = prepare(2, &w);
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, _i);
    inject(k);
    bare_atoms(&b, 1);
    check_exit(k, w, GUEST_CODE, ERROR);
}
END_TEST

/* What the exit says can be injected as it stands, and is delivered once the reason is gone. */
START_TEST(the_information_can_be_injected)
{
    const struct way *w = &ways[0];
    const struct kind *k = prepare(_i, &w);
    bring_about(k);
    bare_atoms(&b, 1);
    bare_set_u64(&b, ept_entry(0, BARE_IDT), BARE_IDT | EPT_RWX | EPT_WB);
    mmu_flush_everything(c, FLUSH_INVEPT);
    guest_set(c, VMCS_ENTRY_INTR_INFO, guest_get(c, VMCS_IDT_VECTORING_INFO));
    guest_set(c, VMCS_ENTRY_ERROR_CODE, guest_get(c, VMCS_IDT_VECTORING_ERROR));
    guest_set(c, VMCS_ENTRY_INSN_LENGTH, guest_get(c, VMCS_EXIT_INSN_LENGTH));
    guest_set(c, VMCS_GUEST_INTERRUPTIBILITY, 0);
    GUEST_RUN(&b, VMRESUME);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(k->vector));
    ck_assert_uint_eq(bare_frame(&b, k->error), GUEST_CODE + 1 + k->length);
    ck_assert_uint_eq(c->s.nmi_blocked, k->type == EVENT_NMI);
}
END_TEST

/* The second exception of two that combine stands alone in a double fault, and nothing does in a triple
 * fault. */
START_TEST(double_and_triple_faults)
{
    guest_set(c, VMCS_GUEST_IDTR_LIMIT, _i ? 0 : 16 * VEC_DF + 15);
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1u << VEC_DF);
    guest_launch(&b);
    c->s.gpr[REG_RCX] = ERROR;
    GUEST_RUN(&b, "\x8e\xd9");
    if (_i)
        c->s.vmx.exception_bitmap = 0;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), _i ? EXIT_TRIPLE_FAULT : EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO),
                      _i ? 0 : INTR_INFO(VEC_DF, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
}
END_TEST

/* An exit that the event itself is, is no exit from its delivery. */
START_TEST(direct_exits_have_none)
{
    const struct kind *k = &kinds[_i];
    guest_set_bits(c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT | PIN_NMI);
    guest_set(c, VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    bring_about(k);
    bare_atoms(&b, 1);
    bool exits = k->type != EVENT_SOFT_INT;
    ck_assert_uint_eq(c->s.vmx_guest, !exits);
    if (!exits)
        return;
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO), 0);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), k->length);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx vectoring");
    TCase *t = tcase_create("vectoring");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_loop_test(t, real_events, 0, KINDS * WAYS);
    tcase_add_loop_test(t, injected_events, 0, KINDS * WAYS);
    tcase_add_loop_test(t, injection_ends_the_shadow, BLOCKING_STI, BLOCKING_MOV_SS + 1);
    tcase_add_loop_test(t, the_information_can_be_injected, 0, KINDS);
    tcase_add_loop_test(t, double_and_triple_faults, 0, 2);
    tcase_add_loop_test(t, direct_exits_have_none, 0, KINDS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
