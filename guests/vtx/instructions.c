/* instructions.c - the VMX instructions in root operation: success, failures with their numbers, faults. */
#include "vtx/lib/vtx.h"

#define VMXON    "30.3 VMXON"
#define VMXOFF   "30.3 VMXOFF"
#define VMCLEAR  "30.3 VMCLEAR"
#define VMPTRLD  "30.3 VMPTRLD"
#define VMPTRST  "30.3 VMPTRST"
#define VMREAD   "30.3 VMREAD"
#define VMWRITE  "30.3 VMWRITE"
#define VMLAUNCH "30.3 VMLAUNCH/VMRESUME"
#define VMCALL   "30.3 VMCALL"
#define INVEPT   "30.3 INVEPT"
#define INVVPID  "30.3 INVVPID"

#define NO_VMCS  UINT64_MAX
#define NO_FIELD 0x6ffe /* natural width, guest state, index 1FFH */

static struct invalidation nothing;

static void leave_vmx(void)
{
    expect_success(try_vmxoff());
}

static void forget_vmcs(void)
{
    vmclear(world_vmcs);
}

static uint32_t *region(void)
{
    uint32_t *at = page_new();

    *at = (uint32_t)(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_REVISION_BITS);
    return at;
}

static void do_nothing(void)
{
}

/* ---- VMXON ---- */

TEST(vmxon, misaligned, VMXON, "VMfailInvalid if bits 11:0 of the address are not 0")
{
    leave_vmx();
    expect_fail_invalid(try_vmxon((uint64_t)region() + 8));
}

TEST(vmxon, beyond_width, VMXON, "VMfailInvalid if the address has bits beyond the physical-address width")
{
    leave_vmx();
    expect_fail_invalid(try_vmxon(physical_end() | (uint64_t)region()));
}

TEST(vmxon, revision, VMXON, "VMfailInvalid if bits 30:0 of the region are not the VMCS revision identifier")
{
    uint32_t *at = region();

    leave_vmx();
    *at ^= 1;
    expect_fail_invalid(try_vmxon((uint64_t)at));
}

TEST(vmxon, shadow_bit, VMXON, "VMfailInvalid if bit 31 of the region is 1")
{
    uint32_t *at = region();

    leave_vmx();
    *at |= VMCS_SHADOW;
    expect_fail_invalid(try_vmxon((uint64_t)at));
}

TEST(vmxon, in_root, VMXON, "in VMX root operation: VMfail with error 15")
{
    expect_fail_valid(try_vmxon(world_vmxon_region), VMXERR_VMXON_IN_ROOT);
}

TEST(vmxon, in_root_without_vmcs, VMXON, "in VMX root operation without a current VMCS: VMfailInvalid")
{
    forget_vmcs();
    expect_fail_invalid(try_vmxon(world_vmxon_region));
}

TEST(vmxon, no_current_vmcs, VMXON, "there is no current VMCS after it")
{
    uint64_t at = 0;

    leave_vmx();
    expect_success(try_vmxon(world_vmxon_region));
    expect_success(try_vmptrst(&at));
    check_eq("the current-VMCS pointer", at, NO_VMCS);
}

static void vmxon(void)
{
    try_vmxon(world_vmxon_region);
}

TEST(vmxon, without_vmxe, VMXON, "#UD if CR4.VMXE is 0")
{
    leave_vmx();
    write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
    check_eq("its fault", fault_of(vmxon), VEC_UD);
}

TEST(vmxon, cr0_fixed, VMXON, "#GP(0) if a bit of CR0 is not as the fixed bits of VMX operation: NE is 0")
{
    leave_vmx();
    write_cr0(read_cr0() & ~(uint64_t)CR0_NE);
    check_eq("its fault", fault_of(vmxon), VEC_GP);
    check_eq("its error code", fault_error, 0);
}

TEST(vmxon, in_ring3, VMXON, "#GP(0) if the CPL is not 0")
{
    leave_vmx();
    check_eq("its fault", fault_in_ring3(vmxon), VEC_GP);
}

static void clear_vmxe(void)
{
    write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
}

static void clear_ne(void)
{
    write_cr0(read_cr0() & ~(uint64_t)CR0_NE);
}

TEST(vmxon, keeps_vmxe, "23.8 Restrictions on VMX Operation",
     "CR4.VMXE cannot be cleared in VMX operation: #GP")
{
    check_eq("its fault", fault_of(clear_vmxe), VEC_GP);
}

TEST(vmxon, keeps_ne, "23.8 Restrictions on VMX Operation", "CR0.NE cannot be cleared in VMX operation: #GP")
{
    check_eq("its fault", fault_of(clear_ne), VEC_GP);
}

static void lock_open(void)
{
    wrmsr(MSR_FEATURE_CONTROL, rdmsr(MSR_FEATURE_CONTROL) & ~(uint64_t)FEATURE_CONTROL_VMX);
}

TEST(feature_control, locked, "23.7 Enabling and Entering VMX Operation",
     "WRMSR to IA32_FEATURE_CONTROL is #GP once its lock bit is set")
{
    check_eq("the lock bit", rdmsr(MSR_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK, FEATURE_CONTROL_LOCK);
    check_eq("its fault", fault_of(lock_open), VEC_GP);
}

TEST(feature_control, needed, "23.7 Enabling and Entering VMX Operation",
     "VMXON works with the lock bit and the bit for VMX outside SMX set")
{
    uint64_t need = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;

    check_eq("IA32_FEATURE_CONTROL's lock and VMX bits", rdmsr(MSR_FEATURE_CONTROL) & need, need);
}

/* ---- outside VMX operation, and above ring 0 ---- */

static void vmxoff(void)
{
    try_vmxoff();
}
static void vmcall(void)
{
    try_vmcall();
}
static void vmlaunch(void)
{
    try_vmlaunch();
}
static void vmresume(void)
{
    try_vmresume();
}
static void do_vmclear(void)
{
    try_vmclear(world_vmcs);
}
static void do_vmptrld(void)
{
    try_vmptrld(world_vmcs);
}
static void do_vmptrst(void)
{
    uint64_t at;

    try_vmptrst(&at);
}
static void do_vmread(void)
{
    uint64_t value = 0;

    try_vmread(VMCS_GUEST_RIP, &value);
}
static void do_vmwrite(void)
{
    try_vmwrite(VMCS_GUEST_RIP, 0);
}
static void invept(void)
{
    try_invept(INVEPT_ALL, nothing);
}
static void invvpid(void)
{
    try_invvpid(INVVPID_ALL, nothing);
}

/* Each instruction: outside VMX operation, and in ring 3 of root operation. */
#define REFUSED(insn, text, fn, reason) \
    TEST(outside, insn, "30.3 " text, text " outside VMX operation is #UD") \
    { \
        leave_vmx(); \
        check_eq("its fault", fault_of(fn), VEC_UD); \
    } \
    TEST(ring3, insn, "30.3 " text, text " in ring 3 of VMX root operation is #GP(0)") \
    { \
        need_instruction(reason); \
        check_eq("its fault", fault_in_ring3(fn), VEC_GP); \
        check_eq("its error code", fault_error, 0); \
    }
REFUSED(vmxoff, "VMXOFF", vmxoff, EXIT_VMXOFF)
REFUSED(vmcall, "VMCALL", vmcall, EXIT_VMCALL)
REFUSED(vmlaunch, "VMLAUNCH/VMRESUME", vmlaunch, EXIT_VMLAUNCH)
REFUSED(vmresume, "VMLAUNCH/VMRESUME", vmresume, EXIT_VMRESUME)
REFUSED(vmclear, "VMCLEAR", do_vmclear, EXIT_VMCLEAR)
REFUSED(vmptrld, "VMPTRLD", do_vmptrld, EXIT_VMPTRLD)
REFUSED(vmptrst, "VMPTRST", do_vmptrst, EXIT_VMPTRST)
REFUSED(vmread, "VMREAD", do_vmread, EXIT_VMREAD)
REFUSED(vmwrite, "VMWRITE", do_vmwrite, EXIT_VMWRITE)
REFUSED(invept, "INVEPT", invept, EXIT_INVEPT)
REFUSED(invvpid, "INVVPID", invvpid, EXIT_INVVPID)

/* ---- VMCLEAR ---- */

TEST(vmclear, misaligned, VMCLEAR, "error 2 if bits 11:0 of the address are not 0")
{
    expect_fail_valid(try_vmclear((uint64_t)region() + 8), VMXERR_VMCLEAR_ADDRESS);
}

TEST(vmclear, beyond_width, VMCLEAR, "error 2 if the address has bits beyond the physical-address width")
{
    expect_fail_valid(try_vmclear(physical_end() | (uint64_t)region()), VMXERR_VMCLEAR_ADDRESS);
}

TEST(vmclear, vmxon_pointer, VMCLEAR, "error 3 if the address is the VMXON pointer")
{
    expect_fail_valid(try_vmclear(world_vmxon_region), VMXERR_VMCLEAR_VMXON);
}

TEST(vmclear, current, VMCLEAR, "of the current VMCS: there is none after it")
{
    uint64_t at = 0;

    vmclear(world_vmcs);
    expect_success(try_vmptrst(&at));
    check_eq("the current-VMCS pointer", at, NO_VMCS);
}

TEST(vmclear, another, VMCLEAR, "of another VMCS: the current one stays")
{
    uint64_t at = 0;

    vmclear((uint64_t)region());
    expect_success(try_vmptrst(&at));
    check_eq("the current-VMCS pointer", at, world_vmcs);
}

TEST(vmclear, launch_state, VMCLEAR, "makes the launch state \"clear\": VMRESUME fails with error 5")
{
    run_to_done(do_nothing);
    vmclear(world_vmcs);
    vmptrld(world_vmcs);
    expect_fail_valid(try_vmresume(), VMXERR_RESUME_NOT_LAUNCHED);
}

TEST(vmclear, keeps_fields, VMCLEAR, "the fields of the VMCS outlive it")
{
    vmwrite(VMCS_GUEST_RIP, 0x123456);
    vmclear(world_vmcs);
    vmptrld(world_vmcs);
    check_field(VMCS_GUEST_RIP, 0x123456);
}

/* ---- VMPTRLD, VMPTRST ---- */

TEST(vmptrld, misaligned, VMPTRLD, "error 9 if bits 11:0 of the address are not 0")
{
    expect_fail_valid(try_vmptrld((uint64_t)region() + 8), VMXERR_VMPTRLD_ADDRESS);
}

TEST(vmptrld, beyond_width, VMPTRLD, "error 9 if the address has bits beyond the physical-address width")
{
    expect_fail_valid(try_vmptrld(physical_end() | (uint64_t)region()), VMXERR_VMPTRLD_ADDRESS);
}

TEST(vmptrld, vmxon_pointer, VMPTRLD, "error 10 if the address is the VMXON pointer")
{
    expect_fail_valid(try_vmptrld(world_vmxon_region), VMXERR_VMPTRLD_VMXON);
}

TEST(vmptrld, revision, VMPTRLD, "error 11 if the region's revision identifier is another")
{
    uint32_t *at = region();

    *at ^= 1;
    expect_fail_valid(try_vmptrld((uint64_t)at), VMXERR_VMPTRLD_REVISION);
}

TEST(vmptrld, failure_keeps_current, VMPTRLD, "a failed one leaves the current VMCS")
{
    uint64_t at = 0;

    try_vmptrld(world_vmxon_region);
    expect_success(try_vmptrst(&at));
    check_eq("the current-VMCS pointer", at, world_vmcs);
}

TEST(vmptrld, without_vmcs, VMPTRLD, "a failure without a current VMCS is VMfailInvalid")
{
    forget_vmcs();
    expect_fail_invalid(try_vmptrld(world_vmxon_region));
}

TEST(vmptrld, two, VMPTRLD, "each VMCS keeps its own fields")
{
    uint64_t other = vmcs_region();

    vmwrite(VMCS_GUEST_RIP, 1);
    vmptrld(other);
    vmwrite(VMCS_GUEST_RIP, 2);
    vmptrld(world_vmcs);
    check_field(VMCS_GUEST_RIP, 1);
}

TEST(vmptrst, current, VMPTRST, "stores the current-VMCS pointer")
{
    uint64_t at = 0;

    expect_success(try_vmptrst(&at));
    check_eq("the current-VMCS pointer", at, world_vmcs);
}

/* ---- VMREAD, VMWRITE ---- */

TEST(vmread, unsupported, VMREAD, "error 12 if there is no such field")
{
    uint64_t value = 7;

    expect_fail_valid(try_vmread(NO_FIELD, &value), VMXERR_UNSUPPORTED_FIELD);
    check_eq("the destination", value, 7);
}

TEST(vmread, high_encoding, VMREAD, "error 12 if bits 63:32 of the encoding are not 0")
{
    uint64_t value = 0;

    expect_fail_valid(try_vmread(UINT64_C(1) << 32 | VMCS_GUEST_RIP, &value), VMXERR_UNSUPPORTED_FIELD);
}

TEST(vmread, reserved_encoding, VMREAD, "error 12 if reserved bits of the encoding, 12 and 31:15, are not 0")
{
    for (uint64_t bit = 1 << 12; bit <= UINT64_C(1) << 31; bit = bit == 1 << 12 ? 1 << 15 : bit << 1) {
        uint64_t value = 0;

        expect_fail_valid(try_vmread(VMCS_GUEST_RIP | bit, &value), VMXERR_UNSUPPORTED_FIELD);
    }
}

TEST(vmread, without_vmcs, VMREAD, "VMfailInvalid without a current VMCS")
{
    uint64_t value = 0;

    forget_vmcs();
    expect_fail_invalid(try_vmread(VMCS_GUEST_RIP, &value));
}

TEST(vmread, zero_extends, VMREAD, "a field narrower than the destination is zero-extended")
{
    uint64_t value = UINT64_MAX;

    vmwrite(VMCS_GUEST_CS_SELECTOR, 0x1234);
    expect_success(try_vmread(VMCS_GUEST_CS_SELECTOR, &value));
    check_eq("the destination", value, 0x1234);
}

TEST(vmread, high_half, "24.11.2 VMREAD, VMWRITE, and Encodings of VMCS Fields",
     "the high access type gives bits 63:32 of a 64-bit field")
{
    vmwrite(VMCS_TSC_OFFSET, 0x1122334455667788);
    check_eq("the high half", vmread(VMCS_TSC_OFFSET | 1), 0x11223344);
}

TEST(vmwrite, high_half, "24.11.2 VMREAD, VMWRITE, and Encodings of VMCS Fields",
     "the high access type writes bits 63:32 of a 64-bit field and no others")
{
    vmwrite(VMCS_TSC_OFFSET, 0x1122334455667788);
    vmwrite(VMCS_TSC_OFFSET | 1, 0xaabbccdd);
    check_field(VMCS_TSC_OFFSET, 0xaabbccdd55667788);
}

TEST(vmwrite, high_of_narrow, "24.11.2 VMREAD, VMWRITE, and Encodings of VMCS Fields",
     "the high access type is for 64-bit fields alone: error 12")
{
    expect_fail_valid(try_vmwrite(VMCS_GUEST_RIP | 1, 0), VMXERR_UNSUPPORTED_FIELD);
}

TEST(vmwrite, narrow, VMWRITE, "bits beyond the field's width are ignored")
{
    vmwrite(VMCS_GUEST_CS_SELECTOR, 0xabcd1234);
    check_field(VMCS_GUEST_CS_SELECTOR, 0x1234);
}

TEST(vmwrite, unsupported, VMWRITE, "error 12 if there is no such field")
{
    expect_fail_valid(try_vmwrite(NO_FIELD, 0), VMXERR_UNSUPPORTED_FIELD);
}

TEST(vmwrite, without_vmcs, VMWRITE, "VMfailInvalid without a current VMCS")
{
    forget_vmcs();
    expect_fail_invalid(try_vmwrite(VMCS_GUEST_RIP, 0));
}

TEST(vmwrite, read_only, VMWRITE,
     "exit information is written if IA32_VMX_MISC bit 29 says so, else error 13")
{
    uint64_t flags = try_vmwrite(VMCS_EXIT_QUALIFICATION, 0x77);

    if (!(rdmsr(MSR_VMX_MISC) & VMX_MISC_VMWRITE_ANY)) {
        expect_fail_valid(flags, VMXERR_READ_ONLY_FIELD);
        return;
    }
    expect_success(flags);
    check_field(VMCS_EXIT_QUALIFICATION, 0x77);
}

static void vmread_nowhere(void)
{
    __asm__ volatile("vmread %1, (%0)" : : "r"(UINT64_C(1) << 40), "r"((uint64_t)NO_FIELD) : "cc", "memory");
}

TEST(vmread, field_before_operand, VMREAD, "an unsupported field fails before the destination is accessed")
{
    check_eq("its fault", fault_of(vmread_nowhere), NO_FAULT);
}

/* ---- VMLAUNCH, VMRESUME, VMCALL ---- */

TEST(vmlaunch, not_clear, VMLAUNCH, "VMLAUNCH of a launched VMCS: error 4")
{
    run_to_done(do_nothing);
    expect_fail_valid(try_vmlaunch(), VMXERR_LAUNCH_NOT_CLEAR);
}

TEST(vmlaunch, without_vmcs, VMLAUNCH, "VMfailInvalid without a current VMCS")
{
    forget_vmcs();
    expect_fail_invalid(try_vmlaunch());
}

TEST(vmresume, without_vmcs, VMLAUNCH, "VMfailInvalid without a current VMCS")
{
    forget_vmcs();
    expect_fail_invalid(try_vmresume());
}

TEST(vmresume, not_launched, VMLAUNCH, "VMRESUME of a VMCS that is clear: error 5")
{
    expect_fail_valid(try_vmresume(), VMXERR_RESUME_NOT_LAUNCHED);
}

TEST(vmresume, works, VMLAUNCH, "VMRESUME enters a launched VMCS again")
{
    run_to_done(do_nothing);
    run_to_done(do_nothing);
}

TEST(vmlaunch, failed_entry_is_not_launched, VMLAUNCH,
     "an entry that fails leaves the launch state \"clear\"")
{
    guest_at(do_nothing);
    vmwrite(VMCS_GUEST_RFLAGS, 0);
    expect_entry_failure(EXIT_INVALID_GUEST_STATE, 0);
    expect_fail_valid(try_vmresume(), VMXERR_RESUME_NOT_LAUNCHED);
}

static uint64_t launch_behind_mov_ss(void)
{
    uint64_t flags;

    __asm__ volatile("mov %%ss, %%eax\n\tmov %%eax, %%ss\n\tvmlaunch\n\tpushfq\n\tpopq %0"
                     : "=r"(flags)
                     :
                     : "rax", "cc", "memory");
    return flags & FLAGS_STATUS;
}

TEST(vmlaunch, behind_mov_ss, "26.1 Basic VM-Entry Checks", "error 26 while events are blocked by MOV SS")
{
    expect_fail_valid(launch_behind_mov_ss(), VMXERR_ENTRY_MOV_SS);
}

TEST(vmcall, in_root, VMCALL, "in VMX root operation: error 1")
{
    expect_fail_valid(try_vmcall(), VMXERR_VMCALL_IN_ROOT);
}

TEST(vmcall, without_vmcs, VMCALL, "in VMX root operation without a current VMCS: VMfailInvalid")
{
    forget_vmcs();
    expect_fail_invalid(try_vmcall());
}

TEST(vmsucceed, keeps_error, "30.2 Conventions", "success leaves the VM-instruction error field")
{
    uint64_t at;

    expect_fail_valid(try_vmcall(), VMXERR_VMCALL_IN_ROOT);
    expect_success(try_vmptrst(&at));
    check_field(VMCS_INSTRUCTION_ERROR, VMXERR_VMCALL_IN_ROOT);
}

/* ---- INVEPT, INVVPID ---- */

static void need_invept(uint64_t bits)
{
    need_cap(EPT_CAP_INVEPT | bits, "INVEPT of that type");
}

static void need_invvpid(uint64_t bits)
{
    need_cap(EPT_CAP_INVVPID | bits, "INVVPID of that type");
}

TEST(invept, type_0, INVEPT, "error 28: there is no type 0")
{
    need_invept(0);
    expect_fail_valid(try_invept(0, nothing), VMXERR_INVEPT_OPERAND);
}

TEST(invept, type_3, INVEPT, "error 28: there is no type 3")
{
    need_invept(0);
    expect_fail_valid(try_invept(INVEPT_ALL + 1, nothing), VMXERR_INVEPT_OPERAND);
}

TEST(invept, bad_eptp, INVEPT, "single-context: error 28 if VM entry would refuse the EPTP")
{
    need_invept(EPT_CAP_INVEPT_SINGLE);
    expect_fail_valid(try_invept(INVEPT_SINGLE, (struct invalidation){EPTP_WB, 0}), VMXERR_INVEPT_OPERAND);
}

TEST(invept, single, INVEPT, "single-context succeeds with an EPTP that VM entry would take")
{
    need_invept(EPT_CAP_INVEPT_SINGLE);
    expect_success(try_invept(INVEPT_SINGLE, (struct invalidation){ept_new(), 0}));
}

TEST(invept, all_ignores_eptp, INVEPT, "all-context does not look at the EPTP")
{
    need_invept(EPT_CAP_INVEPT_ALL);
    expect_success(try_invept(INVEPT_ALL, (struct invalidation){UINT64_MAX, 0}));
}

TEST(invvpid, type_4, INVVPID, "error 28: there is no type 4")
{
    need_invvpid(0);
    expect_fail_valid(try_invvpid(INVVPID_SINGLE_GLOBAL + 1, (struct invalidation){1, 0}),
                      VMXERR_INVEPT_OPERAND);
}

TEST(invvpid, vpid_0, INVVPID, "error 28 if a single context is that of VPID 0")
{
    need_invvpid(EPT_CAP_INVVPID_SINGLE);
    expect_fail_valid(try_invvpid(INVVPID_SINGLE, (struct invalidation){0, 0}), VMXERR_INVEPT_OPERAND);
}

TEST(invvpid, reserved, INVVPID, "error 28 if bits 63:16 of the descriptor are not 0")
{
    need_invvpid(EPT_CAP_INVVPID_SINGLE);
    expect_fail_valid(try_invvpid(INVVPID_SINGLE, (struct invalidation){0x10001, 0}), VMXERR_INVEPT_OPERAND);
}

TEST(invvpid, not_canonical, INVVPID, "individual address: error 28 if it is not canonical")
{
    need_invvpid(EPT_CAP_INVVPID_ADDRESS);
    expect_fail_valid(try_invvpid(INVVPID_ADDRESS, (struct invalidation){1, NOT_CANONICAL}),
                      VMXERR_INVEPT_OPERAND);
}

TEST(invvpid, address, INVVPID, "individual address succeeds")
{
    need_invvpid(EPT_CAP_INVVPID_ADDRESS);
    expect_success(try_invvpid(INVVPID_ADDRESS, (struct invalidation){1, 0x1000}));
}

TEST(invvpid, single, INVVPID, "single context succeeds")
{
    need_invvpid(EPT_CAP_INVVPID_SINGLE);
    expect_success(try_invvpid(INVVPID_SINGLE, (struct invalidation){1, 0}));
}

TEST(invvpid, single_global, INVVPID, "single context retaining globals succeeds")
{
    need_invvpid(EPT_CAP_INVVPID_SINGLE_GLOBAL);
    expect_success(try_invvpid(INVVPID_SINGLE_GLOBAL, (struct invalidation){1, 0}));
}
