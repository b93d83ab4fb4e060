/* test_vmx_errors.c - each VM-instruction error (SDM vol. 3, 30.4 "VM Instruction Error Numbers"), and what
 * comes first if several things are wrong with a VMX instruction (30.3 "VMX Instructions"; 26.1 "Basic
 * VM-Entry Checks"; 25.1.1 "Relative Priority of Faults and VM Exits"). */
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>
#include <stdlib.h>

#define POINTER 0x8000u /* where memory operands are */
#define BEYOND  (1ull << PHYS_BITS)
#define NO_VMCS 0x99000u /* a page without the revision identifier */

/* ---- ways to fail: an instruction, and what it finds ---- */

enum insn_id {
    CLEAR,
    LAUNCH,
    RESUME,
    PTRLD,
    PTRST,
    READ,
    READ_MEM,
    WRITE,
    WRITE_MEM,
    ON,
    OFF,
    CALL,
    EPT,
    VPID,
    FUNC
};

static const struct {
    const char *bytes;
    size_t n;
} code[] = {
#define CODE(bytes) \
    { \
        bytes, sizeof(bytes) - 1 \
    }
    [CLEAR] = CODE(VMCLEAR_RAX),
    [LAUNCH] = CODE(VMLAUNCH),
    [RESUME] = CODE(VMRESUME),
    [PTRLD] = CODE(VMPTRLD_RAX),
    [PTRST] = CODE(VMPTRST_RAX),
    [READ] = CODE(VMREAD_RCX_RBX),
    [READ_MEM] = CODE(VMREAD_RCX_MEM),
    [WRITE] = CODE(VMWRITE_RCX_RBX),
    [WRITE_MEM] = CODE("\x0f\x79\x08"),
    [ON] = CODE(VMXON_RAX),
    [OFF] = CODE(VMXOFF),
    [CALL] = CODE(VMCALL),
    [EPT] = CODE(INVEPT_RCX_RAX),
    [VPID] = CODE(INVVPID_RCX_RAX),
    [FUNC] = CODE(VMFUNC),
};

/* What else is so when it runs. */
enum {
    UNMAPPED = 1,      /* its operand in memory */
    RING_3 = 2,        /* it runs there */
    NONE_CURRENT = 4,  /* no current VMCS */
    MOV_SS = 8,        /* blocks */
    LAUNCHED = 16,     /* the VMCS is */
    BAD_CONTROLS = 32, /* in it */
    BAD_HOST = 64,
    BAD_GUEST = 128,
    SHADOW = 256,  /* it is one */
    OUTSIDE = 512, /* after VMXOFF */
    NO_EPT = 1024, /* firmware */
    IN_GUEST = 2048
};

/* How it ends: an error's number, or one of these. */
enum { SUCCESS = 0, INVALID = 100, FAULT = 200, EXIT = 1000 };

struct attempt {
    enum insn_id insn;
    u32 with;
    u64 operand, rcx; /* the memory operand; RCX: a field or a type */
    u32 end;
};

static void arrange_vmcs(u32 with)
{
    if (with & LAUNCHED)
        vmcs_set_launch_state(c, GUEST_VMCS, LAUNCH_LAUNCHED);
    if (with & BAD_CONTROLS)
        guest_set(c, VMCS_PIN_CONTROLS, 0);
    if (with & BAD_HOST)
        guest_set(c, VMCS_HOST_RIP, 1ull << 63);
    if (with & BAD_GUEST)
        guest_set(c, VMCS_GUEST_RIP, 1ull << 63);
    if (with & SHADOW)
        mem_write(b.machine->mem, GUEST_VMCS, 4, VMCS_REVISION | VMCS_SHADOW);
    if (with & NONE_CURRENT)
        c->s.vmcs_hpa = VMCS_NONE;
}

static void arrange(const struct attempt *a)
{
    arrange_vmcs(a->with);
    if (a->with & IN_GUEST)
        guest_launch(&b);
    if (a->with & OUTSIDE)
        GUEST_RUN(&b, VMXOFF);
    if (a->with & NO_EPT)
        b.machine->b.firmware &= ~(u64)RS_FW_EPT;
    if (a->with & RING_3)
        bare_enter_user(&b);
    c->s.shadow_ss = !!(a->with & MOV_SS);
    bare_set_u64(&b, POINTER, a->operand);
    c->s.gpr[REG_RAX] = a->with & UNMAPPED ? BARE_UNMAPPED : POINTER;
    c->s.gpr[REG_RCX] = a->rcx;
}

static u32 end_of(void)
{
    if (c->s.event_valid)
        return FAULT + (u32)c->s.event_vector;
    if (!c->s.vmx_guest && c->s.rip == GUEST_HOST)
        return EXIT + (u32)(guest_get(c, VMCS_EXIT_REASON) & 0xffff);
    if (c->s.rflags & FLAG_CF)
        return INVALID;
    return c->s.rflags & FLAG_ZF ? (u32)guest_get(c, VMCS_INSTRUCTION_ERROR) : SUCCESS;
}

static u32 try(const struct attempt *a)
{
    guest_tear_down();
    guest_set_up();
    arrange(a);
    bare_put(&b, c->s.rip, code[a->insn].bytes, code[a->insn].n);
    bare_atoms(&b, 1);
    return end_of();
}

static void try_all(const struct attempt *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        u32 end = try(&a[i]);
        ck_assert_msg(end == a[i].end, "row %zu: wanted %u, got %u", i, a[i].end, end);
    }
}

#define TRY_ALL(rows) try_all((rows), sizeof(rows) / sizeof *(rows))

/* ---- each number ---- */

/* One way to each, in the order of vmx_errors.def; why there is none. */
static const struct {
    struct attempt how;
    const char *never;
} rows[] = {
    {{CALL, 0, 0, 0, VMXERR_VMCALL_IN_ROOT}, NULL},
    {{CLEAR, 0, GUEST_VMCS + 8, 0, VMXERR_VMCLEAR_ADDRESS}, NULL},
    {{CLEAR, 0, GUEST_VMXON, 0, VMXERR_VMCLEAR_VMXON}, NULL},
    {{LAUNCH, LAUNCHED, 0, 0, VMXERR_LAUNCH_NOT_CLEAR}, NULL},
    {{RESUME, 0, 0, 0, VMXERR_RESUME_NOT_LAUNCHED}, NULL},
    {{.end = VMXERR_RESUME_AFTER_VMXOFF}, "the launch state is in the region: it outlives VMXOFF"},
    {{LAUNCH, BAD_CONTROLS, 0, 0, VMXERR_ENTRY_CONTROLS}, NULL},
    {{LAUNCH, BAD_HOST, 0, 0, VMXERR_ENTRY_HOST_STATE}, NULL},
    {{PTRLD, 0, GUEST_VMCS + 8, 0, VMXERR_VMPTRLD_ADDRESS}, NULL},
    {{PTRLD, 0, GUEST_VMXON, 0, VMXERR_VMPTRLD_VMXON}, NULL},
    {{PTRLD, 0, NO_VMCS, 0, VMXERR_VMPTRLD_REVISION}, NULL},
    {{READ, 0, 0, 0x7ffe, VMXERR_UNSUPPORTED_FIELD}, NULL},
    {{.end = VMXERR_READ_ONLY_FIELD}, "IA32_VMX_MISC bit 29: no field is read-only"},
    {{ON, 0, GUEST_VMXON, 0, VMXERR_VMXON_IN_ROOT}, NULL},
    {{.end = VMXERR_ENTRY_EXECUTIVE_POINTER}, "no SMM"},
    {{.end = VMXERR_ENTRY_EXECUTIVE_NOT_LAUNCHED}, "no SMM"},
    {{.end = VMXERR_ENTRY_EXECUTIVE_NOT_VMXON}, "no SMM"},
    {{.end = VMXERR_VMCALL_NOT_CLEAR}, "no dual-monitor treatment"},
    {{.end = VMXERR_VMCALL_EXIT_CONTROLS}, "no dual-monitor treatment"},
    {{.end = VMXERR_VMCALL_MSEG_REVISION}, "no dual-monitor treatment"},
    {{.end = VMXERR_VMXOFF_DUAL_MONITOR}, "no dual-monitor treatment"},
    {{.end = VMXERR_VMCALL_SMM_FEATURES}, "no dual-monitor treatment"},
    {{.end = VMXERR_ENTRY_EXECUTIVE_CONTROLS}, "no SMM"},
    {{LAUNCH, MOV_SS, 0, 0, VMXERR_ENTRY_MOV_SS}, NULL},
    {{EPT, 0, 0, 7, VMXERR_INVEPT_OPERAND}, NULL},
};

START_TEST(each_number_has_a_row)
{
    static const u32 number[] = {
#define VMX_ERROR(ID, number, text) number,
#include "arch/vmx_errors.def"
    };
    ck_assert_uint_eq(sizeof rows / sizeof *rows, sizeof number / sizeof *number);
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        ck_assert_uint_eq(rows[i].how.end, number[i]);
        if (!rows[i].never)
            ck_assert_uint_eq(try(&rows[i].how), number[i]);
    }
}
END_TEST

/* VMfail without a current VMCS, whose errors have nowhere to go (30.2). */
START_TEST(without_a_vmcs_it_is_invalid)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct attempt a = rows[i].how;
        a.with |= NONE_CURRENT;
        if (!rows[i].never && !(a.with & (LAUNCHED | BAD_CONTROLS | BAD_HOST)))
            ck_assert_uint_eq(try(&a), INVALID);
    }
}
END_TEST

/* What says that it never happens holds. */
START_TEST(no_dual_monitor_treatment)
{
    u64 value = 0;
    ck_assert(sys_read_msr(c, MSR_VMX_BASIC, &value));
    ck_assert_uint_eq(value >> 49 & 1, 0);
    ck_assert(sys_read_msr(c, MSR_VMX_MISC, &value));
    ck_assert_uint_eq(value >> 29 & 1, 1);
}
END_TEST

/* ---- priorities ---- */

START_TEST(undefined_comes_first)
{
    for (enum insn_id i = CLEAR; i <= FUNC; i++) {
        struct attempt a = {i, OUTSIDE | RING_3 | UNMAPPED, 0, 0, FAULT + VEC_UD};
        a.end = i == ON ? FAULT + VEC_GP : a.end; /* CR4.VMXE is set */
        ck_assert_uint_eq(try(&a), a.end);
    }
}
END_TEST

/* Then, in root operation, #GP by the CPL. */
START_TEST(then_privilege)
{
    for (enum insn_id i = CLEAR; i <= VPID; i++) {
        struct attempt a = {i, RING_3 | UNMAPPED | NONE_CURRENT, 0, 0x7ffe, FAULT + VEC_GP};
        ck_assert_uint_eq(try(&a), a.end);
    }
}
END_TEST

START_TEST(operands_and_failures)
{
    static const struct attempt order[] = {
        {CLEAR, UNMAPPED, 0, 0, FAULT + VEC_PF},
        {PTRLD, UNMAPPED, 0, 0, FAULT + VEC_PF},
        {PTRST, UNMAPPED, 0, 0, FAULT + VEC_PF},
        {CLEAR, 0, BEYOND, 0, VMXERR_VMCLEAR_ADDRESS},
        {CLEAR, 0, GUEST_VMXON + 1, 0, VMXERR_VMCLEAR_ADDRESS},
        {PTRLD, 0, BEYOND, 0, VMXERR_VMPTRLD_ADDRESS},
        {PTRLD, 0, GUEST_VMXON + 1, 0, VMXERR_VMPTRLD_ADDRESS},
        {ON, UNMAPPED, 0, 0, VMXERR_VMXON_IN_ROOT}, /* no operand is read */
        {READ_MEM, UNMAPPED | NONE_CURRENT, 0, 0x7ffe, INVALID},
        {READ_MEM, UNMAPPED, 0, 0x7ffe, VMXERR_UNSUPPORTED_FIELD},
        {READ_MEM, UNMAPPED, 0, VMCS_GUEST_RIP, FAULT + VEC_PF},
        {WRITE_MEM, UNMAPPED | NONE_CURRENT, 0, 0x7ffe, INVALID},
        {WRITE_MEM, UNMAPPED, 0, 0x7ffe, VMXERR_UNSUPPORTED_FIELD},
        {WRITE_MEM, UNMAPPED, 0, VMCS_GUEST_RIP, FAULT + VEC_PF},
        {EPT, UNMAPPED, 0, 0, VMXERR_INVEPT_OPERAND},
        {EPT, UNMAPPED, 0, INVEPT_ALL, FAULT + VEC_PF},
        {EPT, 0, 0, INVEPT_SINGLE, VMXERR_INVEPT_OPERAND},
        {EPT, NO_EPT | RING_3, 0, INVEPT_ALL, FAULT + VEC_UD},
        {VPID, UNMAPPED, 0, 4, VMXERR_INVEPT_OPERAND},
        {VPID, UNMAPPED, 0, INVVPID_ALL, FAULT + VEC_PF},
        {VPID, 0, 0, INVVPID_SINGLE, VMXERR_INVEPT_OPERAND},
        {VPID, 0, 0x10000, INVVPID_ALL, VMXERR_INVEPT_OPERAND},
        {VPID, 0, 1, INVVPID_SINGLE, SUCCESS},
        {PTRST, NONE_CURRENT, 0, 0, SUCCESS},
        {OFF, NONE_CURRENT, 0, 0, SUCCESS},
        {FUNC, 0, 0, 0, FAULT + VEC_UD},
    };
    TRY_ALL(order);
}
END_TEST

START_TEST(entries_fail_in_order)
{
    static const struct attempt order[] = {
        {LAUNCH, NONE_CURRENT | MOV_SS, 0, 0, INVALID},
        {LAUNCH, SHADOW | MOV_SS | LAUNCHED, 0, 0, INVALID},
        {RESUME, SHADOW | MOV_SS, 0, 0, INVALID},
        {LAUNCH, MOV_SS | LAUNCHED | BAD_CONTROLS, 0, 0, VMXERR_ENTRY_MOV_SS},
        {RESUME, MOV_SS | BAD_CONTROLS, 0, 0, VMXERR_ENTRY_MOV_SS},
        {LAUNCH, LAUNCHED | BAD_CONTROLS | BAD_HOST, 0, 0, VMXERR_LAUNCH_NOT_CLEAR},
        {RESUME, BAD_CONTROLS | BAD_HOST, 0, 0, VMXERR_RESUME_NOT_LAUNCHED},
        {LAUNCH, BAD_CONTROLS | BAD_HOST | BAD_GUEST, 0, 0, VMXERR_ENTRY_CONTROLS},
        {RESUME, LAUNCHED | BAD_HOST | BAD_GUEST, 0, 0, VMXERR_ENTRY_HOST_STATE},
        {RESUME, LAUNCHED | BAD_GUEST, 0, 0, EXIT + EXIT_INVALID_GUEST_STATE},
    };
    TRY_ALL(order);
}
END_TEST

/* In non-root operation the exit comes before the CPL, the operand and every failure; only VMFUNC, whose
 * control is 0, and INVEPT on a processor without it are undefined. */
START_TEST(guests_exit_first)
{
    static const struct attempt order[] = {
        {CLEAR, IN_GUEST | RING_3 | UNMAPPED, 0, 0, EXIT + EXIT_VMCLEAR},
        {LAUNCH, IN_GUEST | RING_3, 0, 0, EXIT + EXIT_VMLAUNCH},
        {RESUME, IN_GUEST | RING_3, 0, 0, EXIT + EXIT_VMRESUME},
        {PTRLD, IN_GUEST | RING_3 | UNMAPPED, 0, 0, EXIT + EXIT_VMPTRLD},
        {PTRST, IN_GUEST | RING_3 | UNMAPPED, 0, 0, EXIT + EXIT_VMPTRST},
        {READ_MEM, IN_GUEST | RING_3 | UNMAPPED, 0, 0x7ffe, EXIT + EXIT_VMREAD},
        {WRITE_MEM, IN_GUEST | RING_3 | UNMAPPED, 0, 0x7ffe, EXIT + EXIT_VMWRITE},
        {ON, IN_GUEST | RING_3 | UNMAPPED, 0, 0, EXIT + EXIT_VMXON},
        {OFF, IN_GUEST | RING_3, 0, 0, EXIT + EXIT_VMXOFF},
        {CALL, IN_GUEST | RING_3, 0, 0, EXIT + EXIT_VMCALL},
        {EPT, IN_GUEST | RING_3 | UNMAPPED, 0, 7, EXIT + EXIT_INVEPT},
        {VPID, IN_GUEST | RING_3 | UNMAPPED, 0, 7, EXIT + EXIT_INVVPID},
        {EPT, IN_GUEST | RING_3 | NO_EPT, 0, INVEPT_ALL, FAULT + VEC_UD},
        {FUNC, IN_GUEST | RING_3, 0, 0, FAULT + VEC_UD},
    };
    TRY_ALL(order);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_number_has_a_row, without_a_vmcs_it_is_invalid, no_dual_monitor_treatment, undefined_comes_first,
        then_privilege,        operands_and_failures,        entries_fail_in_order,     guests_exit_first};
    Suite *s = suite_create("vmx errors");
    TCase *t = tcase_create("errors");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return suite_run(s);
}
