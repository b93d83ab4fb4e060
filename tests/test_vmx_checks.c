/* test_vmx_checks.c - every rule of VM entry, broken by itself (SDM vol. 3, 26.2 and 26.3). */
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Fields to set, at most five: OR adds bits to what is there. */
struct breach {
    struct {
        u32 field, or ;
        u64 value;
    } set[5];
};

#define SET(ID, v) \
    { \
        VMCS_##ID, 0, (v) \
    }
#define OR(ID, v) \
    { \
        VMCS_##ID, 1, (v) \
    }
#define BAD        0x8000000000000000ull /* not canonical */
#define BEYOND     (1ull << PHYS_BITS)   /* not a physical address */
#define WITH(bits) OR(PROC_CONTROLS, PROC_SECONDARY), SET(PROC2_CONTROLS, bits)
#define WITH_POSTED \
    OR(PIN_CONTROLS, PIN_POSTED_INTERRUPTS | PIN_EXTERNAL_INTERRUPT), \
        OR(PROC_CONTROLS, PROC_SECONDARY | PROC_TPR_SHADOW), SET(PROC2_CONTROLS, PROC2_VIRTUAL_INTERRUPTS)
#define INJECT(type, vector) SET(ENTRY_INTR_INFO, INTR_INFO(vector, type))
#define RING_3 \
    SET(GUEST_CS_SELECTOR, BARE_CS3), SET(GUEST_CS_ACCESS_RIGHTS, 0xa0fb), SET(GUEST_SS_SELECTOR, BARE_DS3), \
        SET(GUEST_SS_ACCESS_RIGHTS, 0xc0f3)

/* In the order of the rules. */
static const struct breach controls[] = {
    {{SET(PIN_CONTROLS, 0)}},
    {{SET(PROC_CONTROLS, 0)}},
    {{WITH(1 << 7)}}, /* unrestricted guest */
    {{SET(CR3_TARGET_COUNT, 5)}},
    {{OR(PROC_CONTROLS, PROC_IO_BITMAPS), SET(IO_BITMAP_A, 8)}},
    {{OR(PROC_CONTROLS, PROC_IO_BITMAPS), SET(IO_BITMAP_B, BEYOND)}},
    {{OR(PROC_CONTROLS, PROC_MSR_BITMAPS), SET(MSR_BITMAP, 0x800)}},
    {{OR(PIN_CONTROLS, PIN_VIRTUAL_NMIS)}},
    {{OR(PIN_CONTROLS, PIN_NMI), OR(PROC_CONTROLS, PROC_NMI_WINDOW)}},
    {{WITH(PROC2_VPID)}},
    {{WITH(PROC2_EPT), SET(EPTP, 5 | EPTP_WALK_4)}},
    {{WITH(PROC2_EPT), SET(EPTP, EPTP_WB)}},
    {{WITH(PROC2_EPT), SET(EPTP, EPTP_WB | EPTP_WALK_4 | 0x80)}},
    {{WITH(PROC2_VMCS_SHADOWING), SET(VMREAD_BITMAP, 0x10)}},
    {{WITH(PROC2_VMCS_SHADOWING), SET(VMWRITE_BITMAP, BEYOND)}},
    {{WITH(PROC2_TSC_SCALING)}},
    {{WITH(PROC2_PML)}},
    {{WITH(PROC2_EPT | PROC2_PML), SET(EPTP, EPTP_WB | EPTP_WALK_4), SET(PML_ADDRESS, 0x800)}},
    {{WITH(PROC2_VMFUNC), SET(VM_FUNCTIONS, 2)}},
    {{WITH(PROC2_VMFUNC), SET(VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING)}},
    {{WITH(PROC2_EPT | PROC2_VMFUNC), SET(VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING),
      SET(EPTP_LIST_ADDRESS, BEYOND)}}, /* and a good EPTP: break_rule() */
    {{WITH(PROC2_EPT_VE), SET(VE_INFORMATION_ADDRESS, 0x40)}},
    {{SET(EXIT_CONTROLS, 0)}},
    {{OR(EXIT_CONTROLS, VMEXIT_SAVE_PREEMPTION_TIMER)}},
    {{SET(EXIT_MSR_STORE_ADDRESS, 8), SET(EXIT_MSR_STORE_COUNT, 1)}},
    {{SET(EXIT_MSR_LOAD_ADDRESS, BEYOND - 16), SET(EXIT_MSR_LOAD_COUNT, 2)}},
    {{SET(ENTRY_CONTROLS, 0)}},
    {{INJECT(1, 32)}},
    {{INJECT(EVENT_NMI, 3)}},
    {{INJECT(EVENT_HARD_EXCEPTION, VEC_GP)}},
    {{INJECT(EVENT_EXTERNAL, 32), OR(ENTRY_INTR_INFO, 1 << 12)}},
    {{INJECT(EVENT_HARD_EXCEPTION, VEC_GP), OR(ENTRY_INTR_INFO, INTR_HAS_ERROR),
      SET(ENTRY_ERROR_CODE, 1 << 16)}},
    {{INJECT(EVENT_SOFT_INT, 0x80), SET(ENTRY_INSN_LENGTH, 16)}},
    {{SET(ENTRY_MSR_LOAD_ADDRESS, 1), SET(ENTRY_MSR_LOAD_COUNT, 1)}},
    /* the virtual APIC */
    {{OR(PROC_CONTROLS, PROC_TPR_SHADOW), SET(VIRTUAL_APIC_ADDRESS, 0x800)}},
    {{OR(PROC_CONTROLS, PROC_TPR_SHADOW), SET(TPR_THRESHOLD, 0x10)}},
    {{OR(PROC_CONTROLS, PROC_TPR_SHADOW), SET(VIRTUAL_APIC_ADDRESS, GUEST_BITMAPS), SET(TPR_THRESHOLD, 1)}},
    {{WITH(PROC2_APIC_ACCESSES), SET(APIC_ACCESS_ADDRESS, BEYOND)}},
    {{WITH(PROC2_APIC_REGISTERS)}},
    {{WITH(PROC2_X2APIC_MODE | PROC2_APIC_ACCESSES), OR(PROC_CONTROLS, PROC_TPR_SHADOW)}},
    {{WITH(PROC2_VIRTUAL_INTERRUPTS), OR(PROC_CONTROLS, PROC_TPR_SHADOW)}},
    {{OR(PIN_CONTROLS, PIN_POSTED_INTERRUPTS)}},
    {{WITH_POSTED}},
    {{WITH_POSTED, OR(EXIT_CONTROLS, VMEXIT_ACK_INTERRUPT), SET(POSTED_VECTOR, 0x100)}},
    {{WITH_POSTED, OR(EXIT_CONTROLS, VMEXIT_ACK_INTERRUPT), SET(POSTED_DESCRIPTOR, 0x20)}},
};

static const struct breach host[] = {
    {{SET(HOST_CR0, CR0_PE | CR0_PG)}},
    {{SET(HOST_CR4, CR4_PAE)}},
    {{SET(HOST_CR3, BEYOND)}},
    {{SET(HOST_SYSENTER_ESP, BAD)}},
    {{SET(HOST_SYSENTER_EIP, BAD)}},
    {{OR(EXIT_CONTROLS, VMEXIT_LOAD_PAT), SET(HOST_PAT, 2)}},
    {{OR(EXIT_CONTROLS, VMEXIT_LOAD_EFER), SET(HOST_EFER, EFER_LME)}},
    {{SET(HOST_CS_SELECTOR, 9)}},
    {{SET(HOST_SS_SELECTOR, 0x14)}},
    {{SET(HOST_DS_SELECTOR, 0x11)}},
    {{SET(HOST_ES_SELECTOR, 0x11)}},
    {{SET(HOST_FS_SELECTOR, 0x11)}},
    {{SET(HOST_GS_SELECTOR, 0x11)}},
    {{SET(HOST_TR_SELECTOR, 0x2c)}},
    {{SET(HOST_CS_SELECTOR, 0)}},
    {{SET(HOST_TR_SELECTOR, 0)}},
    {{SET(HOST_FS_BASE, BAD)}},
    {{SET(HOST_GS_BASE, BAD)}},
    {{SET(HOST_GDTR_BASE, BAD)}},
    {{SET(HOST_IDTR_BASE, BAD)}},
    {{SET(HOST_TR_BASE, BAD)}},
    {{SET(HOST_CR4, CR4_VMXE)}},
    {{SET(HOST_RIP, BAD)}},
};

#define DATA_BREACHES(seg) \
    {{SET(GUEST_##seg##_ACCESS_RIGHTS, 0xc092)}}, {{SET(GUEST_##seg##_ACCESS_RIGHTS, 0xc083)}}, \
        {{SET(GUEST_##seg##_SELECTOR, 0x13)}}, {{SET(GUEST_##seg##_ACCESS_RIGHTS, 0xc013)}}, \
        {{SET(GUEST_##seg##_ACCESS_RIGHTS, 0xc193)}}, \
    { \
        { \
            SET(GUEST_##seg##_LIMIT, 0xfffff000) \
        } \
    }

static const struct breach guest[] = {
    /* registers */
    {{SET(GUEST_CR0, CR0_PE | CR0_NE)}},
    {{SET(GUEST_CR4, CR4_PAE)}},
    {{OR(ENTRY_CONTROLS, VMENTRY_LOAD_DEBUG_CONTROLS), SET(GUEST_DEBUGCTL, 1)}},
    {{SET(GUEST_CR4, CR4_VMXE)}},
    {{SET(GUEST_CR3, BEYOND)}},
    {{OR(ENTRY_CONTROLS, VMENTRY_LOAD_DEBUG_CONTROLS), SET(GUEST_DR7, 1ull << 32)}},
    {{SET(GUEST_SYSENTER_ESP, BAD)}},
    {{SET(GUEST_SYSENTER_EIP, BAD)}},
    {{OR(ENTRY_CONTROLS, VMENTRY_LOAD_PAT), SET(GUEST_PAT, 0x0300)}},
    {{OR(ENTRY_CONTROLS, VMENTRY_LOAD_EFER), SET(GUEST_EFER, EFER_SCE)}},
    /* segments */
    {{SET(GUEST_TR_SELECTOR, 0x2c)}},
    {{SET(GUEST_LDTR_ACCESS_RIGHTS, 0x82), SET(GUEST_LDTR_SELECTOR, 0x4c)}},
    {{SET(GUEST_SS_SELECTOR, 0x11)}},
    {{SET(GUEST_TR_BASE, BAD)}},
    {{SET(GUEST_FS_BASE, BAD)}},
    {{SET(GUEST_GS_BASE, BAD)}},
    {{SET(GUEST_LDTR_ACCESS_RIGHTS, 0x82), SET(GUEST_LDTR_BASE, BAD)}},
    {{SET(GUEST_CS_BASE, 1ull << 32)}},
    {{SET(GUEST_SS_BASE, 1ull << 32)}},
    {{SET(GUEST_DS_BASE, 1ull << 32)}},
    {{SET(GUEST_ES_BASE, 1ull << 32)}},
    {{SET(GUEST_CS_ACCESS_RIGHTS, 0xa09a)}},
    {{SET(GUEST_CS_ACCESS_RIGHTS, 0xa08b)}},
    {{SET(GUEST_CS_ACCESS_RIGHTS, 0xa0bb)}},
    {{SET(GUEST_CS_ACCESS_RIGHTS, 0xa01b)}},
    {{SET(GUEST_CS_ACCESS_RIGHTS, 0xa19b)}},
    {{SET(GUEST_CS_ACCESS_RIGHTS, 0xc09b)}},
    {{SET(GUEST_CS_LIMIT, 0xfffff000)}},
    {{SET(GUEST_SS_ACCESS_RIGHTS, 0xc091)}},
    {{SET(GUEST_SS_ACCESS_RIGHTS, 0xc083)}},
    {{SET(GUEST_CS_ACCESS_RIGHTS, 0xa09f), SET(GUEST_SS_ACCESS_RIGHTS, 0xc0b3)}},
    {{SET(GUEST_SS_ACCESS_RIGHTS, 0xc013)}},
    {{SET(GUEST_SS_ACCESS_RIGHTS, 0xc193)}},
    {{SET(GUEST_SS_ACCESS_RIGHTS, 0x4093)}},
    DATA_BREACHES(ES),
    DATA_BREACHES(DS),
    DATA_BREACHES(FS),
    DATA_BREACHES(GS),
    {{SET(GUEST_TR_ACCESS_RIGHTS, 0x89)}},
    {{SET(GUEST_TR_ACCESS_RIGHTS, 0x9b)}},
    {{SET(GUEST_TR_ACCESS_RIGHTS, 0x0b)}},
    {{SET(GUEST_TR_ACCESS_RIGHTS, 0x18b)}},
    {{SET(GUEST_TR_ACCESS_RIGHTS, 0x808b)}},
    {{SET(GUEST_TR_ACCESS_RIGHTS, 0x1008b)}},
    {{SET(GUEST_LDTR_ACCESS_RIGHTS, 0x83)}},
    {{SET(GUEST_LDTR_ACCESS_RIGHTS, 0x92)}},
    {{SET(GUEST_LDTR_ACCESS_RIGHTS, 0x02)}},
    {{SET(GUEST_LDTR_ACCESS_RIGHTS, 0x182)}},
    {{SET(GUEST_LDTR_ACCESS_RIGHTS, 0x8082), SET(GUEST_LDTR_LIMIT, 0x67)}},
    /* the rest */
    {{SET(GUEST_GDTR_BASE, BAD)}},
    {{SET(GUEST_IDTR_BASE, BAD)}},
    {{SET(GUEST_GDTR_LIMIT, 0x10000)}},
    {{SET(GUEST_IDTR_LIMIT, 0x10000)}},
    {{SET(GUEST_RIP, BAD)}},
    {{SET(GUEST_RFLAGS, 0)}},
    {{SET(GUEST_RFLAGS, FLAG_FIXED | FLAG_VM)}},
    {{INJECT(EVENT_EXTERNAL, 32)}},
    {{SET(GUEST_ACTIVITY, VMX_ACTIVITY_SHUTDOWN)}},
    {{RING_3}}, /* and HLT: break_rule() */
    {{SET(GUEST_ACTIVITY, VMX_ACTIVITY_HLT), SET(GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS)}},
    {{SET(GUEST_ACTIVITY, VMX_ACTIVITY_HLT), INJECT(EVENT_HARD_EXCEPTION, VEC_UD)}},
    {{SET(GUEST_INTERRUPTIBILITY, 0x20)}},
    {{SET(GUEST_INTERRUPTIBILITY, 3), OR(GUEST_RFLAGS, FLAG_IF)}},
    {{SET(GUEST_INTERRUPTIBILITY, BLOCKING_STI)}},
    {{SET(GUEST_INTERRUPTIBILITY, BLOCKING_STI), OR(GUEST_RFLAGS, FLAG_IF), INJECT(EVENT_EXTERNAL, 32)}},
    {{SET(GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS), INJECT(EVENT_NMI, VEC_NMI)}},
    {{SET(GUEST_INTERRUPTIBILITY, BLOCKING_SMI)}},
    {{OR(PIN_CONTROLS, PIN_NMI | PIN_VIRTUAL_NMIS), SET(GUEST_INTERRUPTIBILITY, BLOCKING_NMI),
      INJECT(EVENT_NMI, VEC_NMI)}},
    {{SET(GUEST_PENDING_DEBUG, 0x10)}},
    {{SET(GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS), SET(GUEST_PENDING_DEBUG, PENDING_DEBUG_BS)}},
    {{SET(VMCS_LINK_POINTER, 0x123)}},
    {{SET(VMCS_LINK_POINTER, 0x5000)}},
    {{WITH(PROC2_VMCS_SHADOWING), SET(VMCS_LINK_POINTER, GUEST_VMCS2)}},
    {{SET(VMCS_LINK_POINTER, GUEST_VMCS)}},
};

static void break_rule(const struct breach *how)
{
    guest_fill(c);
    for (unsigned i = 0; i < 5; i++) {
        u64 old = how->set[i].or ? guest_get(c, how->set[i].field) : 0;
        if (how->set[i].field || how->set[i].value)
            guest_set(c, how->set[i].field, old | how->set[i].value);
    }
    if (how->set[0].field == VMCS_GUEST_CS_SELECTOR)
        guest_set(c, VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    if (guest_get(c, VMCS_EPTP_LIST_ADDRESS))
        guest_set(c, VMCS_EPTP, EPTP_WB | EPTP_WALK_4);
}

/* Each breach breaks its rule, and none before it; and there are as many breaches as rules. */
static u32 try_stage(enum vmx_stage stage, const struct breach *how, size_t n, u32 first)
{
    for (u32 i = 0; i < n; i++) {
        break_rule(&how[i]);
        u32 broken = vmx_check(c, stage);
        ck_assert_msg(broken == first + i, "wanted %s, got %s", vmx_rule_text(first + i),
                      broken ? vmx_rule_text(broken) : "none");
    }
    return first + (u32)n;
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

START_TEST(each_rule_is_broken_in_turn)
{
    u32 next = try_stage(VMX_CHECK_CONTROLS, controls, COUNT(controls), 1);
    next = try_stage(VMX_CHECK_HOST, host, COUNT(host), next);
    next = try_stage(VMX_CHECK_GUEST, guest, COUNT(guest), next);
    ck_assert_ptr_null(vmx_rule(next));
    ck_assert_ptr_nonnull(vmx_rule(next - 1));
}
END_TEST

/* Short or long, a check comes to the same. */
static void check_both_ways(void)
{
    bool same = vmx_kept_same(c);
    for (enum vmx_stage stage = VMX_CHECK_CONTROLS; stage <= VMX_CHECK_GUEST; stage++)
        if (same)
            ck_assert_uint_eq(vmx_check_again(c, stage), vmx_check(c, stage));
}

static const u64 values[] = {0, 1, 0xff, 0x800, 0x12345, BAD, BEYOND, 1ull << 47, 1ull << 31, UINT64_MAX};

/* Whatever is written to whichever field behind an entry: what was found legal then is not taken for granted.
 */
START_TEST(what_is_kept_decides_nothing)
{
    u32 shorter = 0;
    guest_set(c, VMCS_VMCS_LINK_POINTER, _i ? GUEST_VMCS2 : UINT64_MAX);
    if (_i)
        guest_set(c, VMCS_PROC_CONTROLS, guest_get(c, VMCS_PROC_CONTROLS) | PROC_TPR_SHADOW);
    for (enum vmx_stage stage = VMX_CHECK_CONTROLS; stage <= VMX_CHECK_GUEST; stage++)
        ck_assert_uint_eq(vmx_check(c, stage), 0);
    vmx_kept_take(c);
    ck_assert(vmx_kept_same(c));
    for (enum vmcs_slot slot = 0; slot < VMCS_SLOTS; slot++) {
        u64 old = vmcs_slot_read(c, slot);
        for (unsigned i = 0; i < COUNT(values) + 64; i++) {
            vmcs_slot_write(c, slot, i < COUNT(values) ? values[i] : old ^ 1ull << (i - COUNT(values)));
            shorter += vmx_kept_same(c);
            check_both_ways();
        }
        vmcs_slot_write(c, slot, old);
    }
    ck_assert_uint_gt(shorter, 0);
    ck_assert(vmx_kept_same(c));
    b.machine->b.firmware &= ~(u64)RS_FW_EPT;
    ck_assert(!vmx_kept_same(c));
    b.machine->b.firmware |= RS_FW_EPT;
    c->s.misc_enable ^= MISC_ENABLE_XD_DISABLE;
    ck_assert(!vmx_kept_same(c));
}
END_TEST

START_TEST(an_entry_keeps_what_it_found_legal)
{
    ck_assert(!vmx_kept_same(c));
    guest_launch(&b);
    ck_assert(vmx_kept_same(c));
    vmx_kept_drop(c);
    ck_assert(!vmx_kept_same(c));
}
END_TEST

START_TEST(a_good_guest_breaks_none)
{
    ck_assert_uint_eq(vmx_check(c, VMX_CHECK_CONTROLS), 0);
    ck_assert_uint_eq(vmx_check(c, VMX_CHECK_HOST), 0);
    ck_assert_uint_eq(vmx_check(c, VMX_CHECK_GUEST), 0);
}
END_TEST

/* 26.3.1.4: RIP need not be canonical, if bits 63:48 are identical; what is fetched there is #GP. */
START_TEST(rip_may_lie_behind_the_low_half)
{
    guest_set(c, VMCS_GUEST_RIP, 1ull << 47);
    ck_assert_uint_eq(vmx_check(c, VMX_CHECK_GUEST), 0);
    guest_set(c, VMCS_GUEST_RIP, ~0ull << 48);
    ck_assert_uint_eq(vmx_check(c, VMX_CHECK_GUEST), 0);
    guest_set(c, VMCS_GUEST_RIP, 1ull << 48);
    ck_assert_str_eq(vmx_rule(vmx_check(c, VMX_CHECK_GUEST))->field, "guest_rip");
    guest_set(c, VMCS_GUEST_RIP, 1ull << 47);
    guest_set(c, VMCS_EXCEPTION_BITMAP, 1 << VEC_GP);
    guest_launch(&b);
    bare_atoms(&b, 2); /* the fetch, its exit */
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_EXCEPTION_NMI);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), 1ull << 47);
}
END_TEST

/* A rule names a field that exists, what must hold, and where that is written. */
START_TEST(rules_say_what_and_where)
{
    u64 value;
    for (u32 i = 1; vmx_rule(i); i++) {
        ck_assert_int_eq(rs_vmcs_get(b.machine, GUEST_VMCS, vmx_rule(i)->field, &value), RS_OK);
        ck_assert_int_eq(strncmp(vmx_rule_text(i), vmx_rule(i)->field, strlen(vmx_rule(i)->field)), 0);
        ck_assert_ptr_nonnull(strstr(vmx_rule_text(i), "(SDM vol. 3, 26."));
    }
    ck_assert_ptr_null(vmx_rule_text(0));
}
END_TEST

/* ---- what a failed entry does ---- */

START_TEST(bad_controls_are_error_7)
{
    guest_set(c, VMCS_PIN_CONTROLS, 0);
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(c->s.rflags & FLAGS_STATUS, FLAG_ZF);
    ck_assert_uint_eq(guest_get(c, VMCS_INSTRUCTION_ERROR), VMXERR_ENTRY_CONTROLS);
    ck_assert_str_eq(vmx_rule(c->rt.vmx_rule)->field, "pin_controls");
    ck_assert_uint_eq(c->s.count.vm_entry_failures, 1);
}
END_TEST

START_TEST(bad_host_state_is_error_8)
{
    guest_set(c, VMCS_HOST_RIP, BAD);
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert_uint_eq(c->s.rflags & FLAGS_STATUS, FLAG_ZF);
    ck_assert_uint_eq(guest_get(c, VMCS_INSTRUCTION_ERROR), VMXERR_ENTRY_HOST_STATE);
    ck_assert_str_eq(vmx_rule(c->rt.vmx_rule)->field, "host_rip");
}
END_TEST

/* 26.8: the host state is loaded, exit reason and qualification are written, the launch state stays clear. */
START_TEST(bad_guest_state_is_exit_33)
{
    guest_set(c, VMCS_VMCS_LINK_POINTER, 0x123);
    guest_set(c, VMCS_EXIT_INSN_LENGTH, 77);
    u64 before = c->s.count.stall_vmx;
    GUEST_RUN(&b, VMLAUNCH);
    /* E2: three of the entry's four parts, and the last of the exit's three */
    ck_assert_uint_eq(c->s.count.stall_vmx - before, 3 * 360 / 4 + 380 - 2 * 380 / 3);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    ck_assert_uint_eq(c->s.rip, GUEST_HOST);
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_ENTRY_FAILURE | EXIT_INVALID_GUEST_STATE);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 4);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 77);
    guest_set(c, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    guest_launch(&b);
}
END_TEST

START_TEST(bad_msr_is_exit_34)
{
    bare_set_u64(&b, GUEST_MSRS, MSR_TSC_AUX);
    bare_set_u64(&b, GUEST_MSRS + 8, 5);
    bare_set_u64(&b, GUEST_MSRS + 16, MSR_FS_BASE);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_ADDRESS, GUEST_MSRS);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 2);
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert_uint_eq(c->s.rip, GUEST_HOST);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_REASON), EXIT_ENTRY_FAILURE | EXIT_MSR_LOADING);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), 2);
    ck_assert_uint_eq(c->s.tsc_aux, 5);
}
END_TEST

static void hear_fail(const struct rs_event *e, void *arg)
{
    *(struct rs_event *)arg = *e;
}

/* A failed entry names the broken rule, the field and its section. */
START_TEST(failures_are_told_in_words)
{
    struct rs_event e = {.cycle = 0};
    rs_watch(c->m->world, RS_PROBE_vm_fail, true, hear_fail, &e);
    guest_set(c, VMCS_HOST_CR3, ~0ull);
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert_str_eq(rs_word(RS_VMX_ERROR, e.field[1]), "VM entry with invalid host-state field(s)");
    ck_assert_uint_eq(e.field[2], VMXERR_ENTRY_HOST_STATE);
    ck_assert_ptr_nonnull(strstr(rs_word(RS_RULE, e.field[0]), "26.2.2"));
    ck_assert_int_eq(strncmp(rs_word(RS_RULE, e.field[0]), "host_cr3", 8), 0);
    guest_fill(c);
    guest_set(c, VMCS_GUEST_CR3, ~0ull);
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert_int_eq(strncmp(rs_word(RS_RULE, e.field[0]), "guest_cr3", 9), 0);
    ck_assert_ptr_null(rs_word(RS_VMX_ERROR, 0));
    ck_assert_uint_eq(e.field[3], EXIT_INVALID_GUEST_STATE);
    GUEST_RUN(&b, VMRESUME);
    ck_assert_ptr_null(rs_word(RS_RULE, e.field[0]));
    ck_assert_uint_eq(e.field[2], VMXERR_RESUME_NOT_LAUNCHED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx checks");
    TCase *t = tcase_create("rules");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, each_rule_is_broken_in_turn);
    tcase_add_test(t, a_good_guest_breaks_none);
    tcase_add_loop_test(t, what_is_kept_decides_nothing, 0, 2);
    tcase_add_test(t, an_entry_keeps_what_it_found_legal);
    tcase_add_test(t, rip_may_lie_behind_the_low_half);
    tcase_add_test(t, rules_say_what_and_where);
    tcase_add_test(t, bad_controls_are_error_7);
    tcase_add_test(t, bad_host_state_is_error_8);
    tcase_add_test(t, bad_guest_state_is_exit_33);
    tcase_add_test(t, bad_msr_is_exit_34);
    tcase_add_test(t, failures_are_told_in_words);
    suite_add_tcase(s, t);
    return suite_run(s);
}
