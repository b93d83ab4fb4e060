/* capability.c - the capability MSRs agree with each other (SDM vol. 3, appendix A). */
#include "vtx/lib/vtx.h"

#define BASIC    "A.1 Basic VMX Information"
#define CONTROLS "A.2 Reserved Controls and Default Settings"
#define MISC     "A.6 Miscellaneous Data"
#define FIXED    "A.7 VMX-Fixed Bits in CR0"

#define BASIC_BYTES(b) ((b) >> 32 & 0x1fff)
#define BASIC_TYPE(b)  ((b) >> 50 & 15)
#define INDEXES        512

TEST(capability, revision, BASIC, "bit 31 is 0, the revision identifier is below")
{
    check_eq("bit 31", rdmsr(MSR_VMX_BASIC) >> 31 & 1, 0);
}

TEST(capability, region_size, BASIC, "a VMCS region has 1 to 4096 bytes")
{
    uint64_t bytes = BASIC_BYTES(rdmsr(MSR_VMX_BASIC));

    check(bytes > 0 && bytes <= VMCS_BYTES, "1 to 4096 bytes");
}

TEST(capability, memory_type, BASIC, "the memory type of a VMCS is uncacheable or write-back")
{
    uint64_t type = BASIC_TYPE(rdmsr(MSR_VMX_BASIC));

    check(type == 0 || type == 6, "the type is 0 or 6");
}

/* The word's plain capability MSR, and its TRUE one. */
static void true_is_looser(uint32_t plain_msr, uint32_t true_msr)
{
    uint64_t plain, loose;

    if (!(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_TRUE))
        SKIP("this processor has no TRUE capability MSRs");
    plain = rdmsr(plain_msr);
    loose = rdmsr(true_msr);
    check_eq("what the TRUE MSR asks for and the plain one does not", (uint32_t)(loose & ~plain), 0);
    check_eq("allowed 1-settings of the TRUE MSR", loose >> 32, plain >> 32);
}

#define TRUE_AND_PLAIN(NAME, WORD, MSR, ONES) \
    TEST(capability, NAME##_true, CONTROLS, \
         "the TRUE MSR asks for no more than the plain one, which allows as much") \
    { \
        true_is_looser(MSR_VMX_##MSR, MSR_VMX_TRUE_##MSR); \
    } \
    TEST(capability, NAME##_default1, CONTROLS, "the plain MSR asks for the default1 class") \
    { \
        check_eq("default1 controls that it asks for", rdmsr(MSR_VMX_##MSR) & (ONES), ONES); \
    } \
    TEST(capability, NAME##_consistent, CONTROLS, "what must be 1 may be 1") \
    { \
        struct allowed a = allowed_controls(WORD); \
\
        check_eq("bits that must be 1 and may not", a.must & ~a.may, 0); \
    }
TRUE_AND_PLAIN(pin, PIN, PINBASED_CTLS, UINT32_C(0x16))
TRUE_AND_PLAIN(proc, PROC, PROCBASED_CTLS, UINT32_C(0x0401e172))
TRUE_AND_PLAIN(exit, VMEXIT, EXIT_CTLS, UINT32_C(0x00036dff))
TRUE_AND_PLAIN(entry, VMENTRY, ENTRY_CTLS, UINT32_C(0x000011ff))

TEST(capability, proc2_zero, "A.3.3 Secondary Processor-Based VM-Execution Controls",
     "no secondary control must be 1")
{
    if (!has_controls(PROC, PROC_SECONDARY))
        SKIP("this processor has no secondary controls");
    check_eq("controls that must be 1", allowed_controls(PROC2).must, 0);
}

TEST(capability, cr0_fixed, FIXED, "PE, NE and PG must be 1 in CR0")
{
    uint64_t must = CR0_PE | CR0_NE | CR0_PG;

    check_eq("the bits of IA32_VMX_CR0_FIXED0", rdmsr(MSR_VMX_CR0_FIXED0) & must, must);
}

TEST(capability, cr0_consistent, FIXED, "a bit of CR0 that must be 1 may be 1")
{
    check_eq("bits that must and may not", rdmsr(MSR_VMX_CR0_FIXED0) & ~rdmsr(MSR_VMX_CR0_FIXED1), 0);
}

TEST(capability, cr4_fixed, "A.8 VMX-Fixed Bits in CR4", "VMXE must be 1 in CR4, and what must may")
{
    check_eq("VMXE of IA32_VMX_CR4_FIXED0", rdmsr(MSR_VMX_CR4_FIXED0) & CR4_VMXE, CR4_VMXE);
    check_eq("bits that must and may not", rdmsr(MSR_VMX_CR4_FIXED0) & ~rdmsr(MSR_VMX_CR4_FIXED1), 0);
}

static bool has_field(uint64_t field)
{
    uint64_t value = 0;

    return try_vmread(field, &value) == SUCCEED;
}

static bool has_index(uint64_t index)
{
    for (uint64_t width = 0; width < 4; width++)
        for (uint64_t type = 0; type < 4; type++)
            if (has_field(width << 13 | type << 10 | index << 1))
                return true;
    return false;
}

TEST(capability, vmcs_enum, "A.9 VMCS Enumeration",
     "the highest index of any field is as IA32_VMX_VMCS_ENUM says, at most")
{
    uint64_t highest = rdmsr(MSR_VMX_VMCS_ENUM) >> 1 & (INDEXES - 1);

    for (uint64_t index = highest + 1; index < INDEXES; index++)
        if (has_index(index))
            FAIL("there is a field of index %lu, and IA32_VMX_VMCS_ENUM says %lu", index, highest);
}

/* Fields that belong to a control are there if it may be 1. */
static void comes_with(enum control_word word, uint32_t control, uint32_t field)
{
    check_eq(field_name(field), has_field(field), has_controls(word, control));
}

#define COMES_WITH(NAME, WORD, CONTROL, FIELD) \
    TEST(capability, field_##NAME, "24.6 VM-Execution Control Fields", \
         #FIELD " is there if and only if the control that uses it may be 1") \
    { \
        comes_with(WORD, CONTROL, VMCS_##FIELD); \
    }
COMES_WITH(vpid, PROC2, PROC2_VPID, VPID)
COMES_WITH(posted_vector, PIN, PIN_POSTED_INTERRUPTS, POSTED_VECTOR)
COMES_WITH(eptp_index, PROC2, PROC2_EPT_VE, EPTP_INDEX)
COMES_WITH(msr_bitmap, PROC, PROC_MSR_BITMAPS, MSR_BITMAP)
COMES_WITH(tpr_threshold, PROC, PROC_TPR_SHADOW, TPR_THRESHOLD)
COMES_WITH(apic_access, PROC2, PROC2_APIC_ACCESSES, APIC_ACCESS_ADDRESS)
COMES_WITH(eptp, PROC2, PROC2_EPT, EPTP)
COMES_WITH(pml, PROC2, PROC2_PML, PML_ADDRESS)
COMES_WITH(vm_functions, PROC2, PROC2_VMFUNC, VM_FUNCTIONS)
COMES_WITH(vmread_bitmap, PROC2, PROC2_VMCS_SHADOWING, VMREAD_BITMAP)
COMES_WITH(tsc_multiplier, PROC2, PROC2_TSC_SCALING, TSC_MULTIPLIER)
COMES_WITH(ple_gap, PROC2, PROC2_PAUSE_LOOP, PLE_GAP)
COMES_WITH(interrupt_status, PROC2, PROC2_VIRTUAL_INTERRUPTS, GUEST_INTERRUPT_STATUS)
COMES_WITH(timer, PIN, PIN_PREEMPTION_TIMER, PREEMPTION_TIMER)

static void read_vmfunc(void)
{
    rdmsr(MSR_VMX_VMFUNC);
}

static void read_ept_cap(void)
{
    rdmsr(MSR_VMX_EPT_VPID_CAP);
}

TEST(capability, vmfunc_msr, "A.11 VM Functions",
     "IA32_VMX_VMFUNC is there if and only if \"enable VM functions\" may be 1")
{
    check_eq("its fault", fault_of(read_vmfunc), has_controls(PROC2, PROC2_VMFUNC) ? NO_FAULT : VEC_GP);
}

TEST(capability, ept_msr, "A.10 VPID and EPT Capabilities",
     "IA32_VMX_EPT_VPID_CAP is there if and only if EPT or VPIDs may be enabled")
{
    bool there = has_controls(PROC2, PROC2_EPT) || has_controls(PROC2, PROC2_VPID);

    check_eq("its fault", fault_of(read_ept_cap), there ? NO_FAULT : VEC_GP);
}

static void write_basic(void)
{
    wrmsr(MSR_VMX_BASIC, rdmsr(MSR_VMX_BASIC));
}

TEST(capability, read_only, BASIC, "WRMSR to a capability MSR is #GP")
{
    check_eq("its fault", fault_of(write_basic), VEC_GP);
}

TEST(capability, cr3_targets, MISC, "there are no more CR3-target values than fields for them")
{
    uint64_t targets = rdmsr(MSR_VMX_MISC) >> 16 & 0x1ff;

    for (uint64_t i = 0; i < targets; i++)
        check(has_field(VMCS_CR3_TARGET0 + 2 * i), "each CR3 target has a field");
}
