/* vmx_caps.c - what VMX in this machine can do: the capability MSRs (SDM vol. 3, appendix A "VMX Capability
 * Reporting Facility").  The words of controls come from vmx_controls.def, so they and the entry checks
 * cannot disagree. */
#include "cpu/system.h"
#include "cpu/vmx.h"

/* The default1 class: reserved bits that read as 1, and those DEFAULT1 in the list (A.2 "Reserved Controls
 * and Default Settings"). */
static const u32 default1[VMX_WORDS] = {
    [VMX_PIN] = 0x16,
    [VMX_PROC] = 0x0401e172,
    [VMX_VMEXIT] = 0x00036dff,
    [VMX_VMENTRY] = 0x000011ff,
};

/* Of each word: below, the bits that may be 1; above, those whose allowed 0-setting is not that of the
 * default1 class, since they may be 0, or must be 1 here. */
#define KIND_OPTIONAL 0x000000001ull
#define KIND_DEFAULT1 0x100000001ull
#define KIND_REQUIRED 0x100000001ull
#define KIND_ABSENT   0x000000000ull

#define BITS_OF(word, WORD, kind, bit) | (VMX_##WORD == VMX_##word ? KIND_##kind << (bit) : 0)

/* clang-format off */
static const u64 listed[VMX_WORDS] = {
    [VMX_PIN] = 0
#define VMX_CONTROL(WORD, ID, bit, kind, name) BITS_OF(PIN, WORD, kind, bit)
#include "arch/vmx_controls.def"
    ,
    [VMX_PROC] = 0
#define VMX_CONTROL(WORD, ID, bit, kind, name) BITS_OF(PROC, WORD, kind, bit)
#include "arch/vmx_controls.def"
    ,
    [VMX_PROC2] = 0
#define VMX_CONTROL(WORD, ID, bit, kind, name) BITS_OF(PROC2, WORD, kind, bit)
#include "arch/vmx_controls.def"
    ,
    [VMX_VMEXIT] = 0
#define VMX_CONTROL(WORD, ID, bit, kind, name) BITS_OF(VMEXIT, WORD, kind, bit)
#include "arch/vmx_controls.def"
    ,
    [VMX_VMENTRY] = 0
#define VMX_CONTROL(WORD, ID, bit, kind, name) BITS_OF(VMENTRY, WORD, kind, bit)
#include "arch/vmx_controls.def"
    ,
};
/* clang-format on */

bool vmx_has_ept(const struct core *c)
{
    return c->m->b.firmware & RS_FW_EPT;
}

struct vmx_allowed vmx_allowed(const struct core *c, enum vmx_word word)
{
    struct vmx_allowed a = {default1[word] ^ (u32)(listed[word] >> 32), default1[word] | (u32)listed[word]};
    if (word == VMX_PROC2 && !vmx_has_ept(c))
        a.may &= ~(PROC2_EPT | PROC2_VMFUNC | PROC2_PML | PROC2_EPT_VE);
    return a;
}

/* A capability MSR of a word: allowed-0 settings below, allowed-1 above. */
static u64 true_ctls(const struct core *c, enum vmx_word word)
{
    struct vmx_allowed a = vmx_allowed(c, word);
    return (u64)a.may << 32 | a.must;
}

static u64 plain_ctls(const struct core *c, enum vmx_word word)
{
    return true_ctls(c, word) | default1[word];
}

u64 vmx_ept_vpid_cap(const struct core *c)
{
    u64 vpid = EPT_CAP_INVVPID | EPT_CAP_INVVPID_ADDRESS | EPT_CAP_INVVPID_SINGLE | EPT_CAP_INVVPID_ALL |
               EPT_CAP_INVVPID_SINGLE_GLOBAL;
    u64 ept = EPT_CAP_EXECUTE_ONLY | EPT_CAP_WALK_4 | EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G |
              EPT_CAP_INVEPT | EPT_CAP_AD | EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL;
    return vpid | (vmx_has_ept(c) ? ept : 0);
}

u64 vmx_vm_functions(const struct core *c)
{
    return vmx_has_ept(c) ? VMFUNC_EPTP_SWITCHING : 0;
}

/* A.1 "Basic VMX Information": write-back VMCS, information for INS and OUTS, TRUE capability MSRs. */
static u64 basic(void)
{
    return VMCS_REVISION | (u64)VMCS_BYTES << 32 | 6ull << 50 | 1ull << 54 | VMX_BASIC_TRUE;
}

/* A.6 "Miscellaneous Data": timer rate, activity states HLT and wait-for-SIPI, CR3 targets, VMWRITE to any
 * field. */
static u64 misc(void)
{
    return VMX_TIMER_SHIFT | 1ull << 6 | 1ull << 8 | (u64)VMX_CR3_TARGETS << 16 | VMX_MISC_VMWRITE_ANY;
}

/* A.9 "VMCS Enumeration": the highest index of any field. */
static u64 vmcs_enum(void)
{
    u64 highest = 0;
    for (unsigned slot = 0; slot < VMCS_SLOTS; slot++) {
        u64 index = VMCS_FIELD_INDEX(vmcs_slot_encoding((enum vmcs_slot)slot));
        if (index > highest)
            highest = index;
    }
    return highest << 1;
}

/* A.7 and A.8: bits that are 1 in FIXED0 must be 1, bits that are 0 in FIXED1 must be 0. */
#define CR0_FIXED0 (CR0_PG | CR0_NE | CR0_PE)
#define CR0_FIXED1 0xffffffffu
#define CR4_FIXED0 CR4_VMXE
#define CR4_FIXED1 sys_cr4_supported(c)

bool vmx_cr_allowed(const struct core *c, unsigned n, u64 value)
{
    u64 must = n == 0 ? CR0_FIXED0 : CR4_FIXED0;
    u64 may = n == 0 ? CR0_FIXED1 : CR4_FIXED1;
    return (value & must) == must && !(value & ~may);
}

bool vmx_read_msr(struct core *c, u32 msr, u64 *value)
{
    if (!(c->m->b.firmware & RS_FW_VTX))
        return false;
    switch (msr) {
    case MSR_VMX_BASIC: *value = basic(); return true;
    case MSR_VMX_PINBASED_CTLS: *value = plain_ctls(c, VMX_PIN); return true;
    case MSR_VMX_PROCBASED_CTLS: *value = plain_ctls(c, VMX_PROC); return true;
    case MSR_VMX_EXIT_CTLS: *value = plain_ctls(c, VMX_VMEXIT); return true;
    case MSR_VMX_ENTRY_CTLS: *value = plain_ctls(c, VMX_VMENTRY); return true;
    case MSR_VMX_MISC: *value = misc(); return true;
    case MSR_VMX_CR0_FIXED0: *value = CR0_FIXED0; return true;
    case MSR_VMX_CR0_FIXED1: *value = CR0_FIXED1; return true;
    case MSR_VMX_CR4_FIXED0: *value = CR4_FIXED0; return true;
    case MSR_VMX_CR4_FIXED1: *value = CR4_FIXED1; return true;
    case MSR_VMX_VMCS_ENUM: *value = vmcs_enum(); return true;
    case MSR_VMX_PROCBASED_CTLS2: *value = true_ctls(c, VMX_PROC2); return true;
    case MSR_VMX_EPT_VPID_CAP: *value = vmx_ept_vpid_cap(c); return true;
    case MSR_VMX_TRUE_PINBASED_CTLS: *value = true_ctls(c, VMX_PIN); return true;
    case MSR_VMX_TRUE_PROCBASED_CTLS: *value = true_ctls(c, VMX_PROC); return true;
    case MSR_VMX_TRUE_EXIT_CTLS: *value = true_ctls(c, VMX_VMEXIT); return true;
    case MSR_VMX_TRUE_ENTRY_CTLS: *value = true_ctls(c, VMX_VMENTRY); return true;
    case MSR_VMX_VMFUNC: *value = vmx_vm_functions(c); return *value != 0; /* there if the control is */
    default: return false;
    }
}
