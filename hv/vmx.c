#include "vmx.h"

#include "arch/insn.h"
#include "arch/x86.h"
#include "page.h"
#include "panic.h"

#define VMX_BASIC_TRUE_CONTROLS (UINT64_C(1) << 55)
#define VMX_BASIC_REVISION      0x7fffffffu
#define CONTROL_WORDS           5
#define LEAF_EXTENDED_FEATURES  0x80000001

static uint64_t vmx_basic;

/* ---- instructions in C: true unless they fail, which CF or ZF tells (SDM vol. 3, 30.2 "Conventions") ----
 */

#define REGION_INSTRUCTION(name) \
    static bool name(uint64_t region) \
    { \
        bool failed; \
\
        __asm__ volatile(#name " %1\n\tsetbe %0" : "=r"(failed) : "m"(region) : "cc", "memory"); \
        return !failed; \
    }
REGION_INSTRUCTION(vmxon)
REGION_INSTRUCTION(vmclear)
REGION_INSTRUCTION(vmptrld)
#undef REGION_INSTRUCTION

#define INVALIDATION(name) \
    static bool name(uint64_t type, uint64_t context, uint64_t address) \
    { \
        uint64_t descriptor[2] = {context, address}; \
        bool failed; \
\
        __asm__ volatile(#name " %1, %2\n\tsetbe %0" \
                         : "=r"(failed) \
                         : "m"(descriptor), "r"(type) \
                         : "cc", "memory"); \
        return !failed; \
    }
INVALIDATION(invept)
INVALIDATION(invvpid)
#undef INVALIDATION

/* ---- on ---- */

static void require_vtx(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    if (!(r[2] & CPUID_1_ECX_VMX))
        fatal("this processor offers no VT-x (CPUID.1:ECX.VMX is 0): turn it on in the firmware settings");
}

/* Guests are promised no-execute pages, and an entry whose bit 63 is set would be malformed without. */
static void require_nx(void)
{
    uint32_t r[4];

    cpuid(LEAF_EXTENDED_FEATURES, 0, r);
    if (!(r[3] & CPUID_EXT1_EDX_NX))
        fatal("this processor offers no NX (CPUID.80000001H:EDX.NX is 0): turn it on, as XD, in the firmware "
              "settings");
}

/* SDM vol. 3, 23.7 "Enabling and Entering VMX Operation": VMXON faults unless firmware has allowed it and
 * locked. */
static void require_feature_control(void)
{
    uint64_t feature = rdmsr(MSR_FEATURE_CONTROL);

    if (!(feature & FEATURE_CONTROL_LOCK)) {
        feature |= FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
        wrmsr(MSR_FEATURE_CONTROL, feature);
    }
    if (!(feature & FEATURE_CONTROL_VMX))
        fatal("firmware has turned VT-x off and locked it (IA32_FEATURE_CONTROL is 0x%lx)", feature);
}

static uint64_t region_new(void)
{
    uint64_t hpa = page_alloc();

    if (hpa)
        *(uint32_t *)hpa = vmx_basic & VMX_BASIC_REVISION;
    return hpa;
}

void vmx_init(void)
{
    require_vtx();
    require_nx();
    vmx_basic = rdmsr(MSR_VMX_BASIC);
}

void vmx_on(void)
{
    require_feature_control();
    write_cr0(vmx_fix_cr0(read_cr0()));
    write_cr4(vmx_fix_cr4(read_cr4()));
    if (!vmxon(region_new()))
        panic("VMXON failed");
}

/* ---- capabilities (SDM vol. 3, appendix A "VMX Capability Reporting Facility") ---- */

struct capability {
    uint32_t plain, true_msr;
};

static const struct capability capability[CONTROL_WORDS] = {
    [WORD_PIN] = {MSR_VMX_PINBASED_CTLS, MSR_VMX_TRUE_PINBASED_CTLS},
    [WORD_PROC] = {MSR_VMX_PROCBASED_CTLS, MSR_VMX_TRUE_PROCBASED_CTLS},
    [WORD_PROC2] = {MSR_VMX_PROCBASED_CTLS2, MSR_VMX_PROCBASED_CTLS2},
    [WORD_VMEXIT] = {MSR_VMX_EXIT_CTLS, MSR_VMX_TRUE_EXIT_CTLS},
    [WORD_VMENTRY] = {MSR_VMX_ENTRY_CTLS, MSR_VMX_TRUE_ENTRY_CTLS},
};

static const struct control_name {
    enum control_word word;
    unsigned bit;
    const char *name;
} control_names[] = {
#define VMX_CONTROL(WORD, ID, number, kind, text) {WORD_##WORD, number, text},
#include "arch/vmx_controls.def"
};

static void require_controls(enum control_word word, uint32_t missing)
{
    for (unsigned i = 0; i < sizeof control_names / sizeof control_names[0]; i++)
        if (control_names[i].word == word && missing >> control_names[i].bit & 1)
            fatal("this processor lacks the VMX control \"%s\"", control_names[i].name);
    if (missing)
        fatal("this processor lacks VMX controls 0x%x of word %u", missing, (unsigned)word);
}

/* Bits that must be 1 in the low half, bits that may in the high one. */
static uint64_t allowed_settings(enum control_word word)
{
    bool has_true = vmx_basic & VMX_BASIC_TRUE_CONTROLS;

    return rdmsr(has_true ? capability[word].true_msr : capability[word].plain);
}

/* There are secondary controls only if a primary one says so (SDM vol. 3, A.3.3). */
bool vmx_offers(enum control_word word, uint32_t want)
{
    if (word == WORD_PROC2 && !vmx_offers(WORD_PROC, PROC_SECONDARY))
        return false;
    return !(want & ~(uint32_t)(allowed_settings(word) >> 32));
}

uint32_t vmx_controls(enum control_word word, uint32_t want)
{
    uint64_t allowed = allowed_settings(word);
    uint32_t must = (uint32_t)allowed, may = (uint32_t)(allowed >> 32);

    require_controls(word, want & ~may);
    return want | must;
}

unsigned vmx_timer_shift(void)
{
    return rdmsr(MSR_VMX_MISC) & 31;
}

uint64_t vmx_fix_cr0(uint64_t value)
{
    return (value | rdmsr(MSR_VMX_CR0_FIXED0)) & rdmsr(MSR_VMX_CR0_FIXED1);
}

uint64_t vmx_fix_cr4(uint64_t value)
{
    return (value | rdmsr(MSR_VMX_CR4_FIXED0)) & rdmsr(MSR_VMX_CR4_FIXED1);
}

uint64_t vmx_cr4_allowed(void)
{
    return rdmsr(MSR_VMX_CR4_FIXED1);
}

/* ---- instructions ---- */

uint64_t vmcs_new(void)
{
    uint64_t vmcs = region_new();

    if (vmcs)
        vmcs_clear(vmcs);
    return vmcs;
}

void vmcs_clear(uint64_t vmcs)
{
    if (!vmclear(vmcs))
        panic("VMCLEAR 0x%lx failed", vmcs);
}

void vmcs_load(uint64_t vmcs)
{
    if (!vmptrld(vmcs))
        panic("VMPTRLD 0x%lx failed", vmcs);
}

void vmx_flush_ept(uint64_t eptp)
{
    if (!invept(INVEPT_SINGLE, eptp, 0))
        panic("INVEPT of 0x%lx failed: %s", eptp, vmx_error_name(vmread(VMCS_INSTRUCTION_ERROR)));
}

static void flush_vpid(uint64_t type, uint16_t vpid, uint64_t gva)
{
    if (!invvpid(type, vpid, gva))
        panic("INVVPID of %u failed", vpid);
}

void vmx_flush_vpid(uint16_t vpid)
{
    flush_vpid(INVVPID_SINGLE, vpid, 0);
}

void vmx_flush_vpid_but_global(uint16_t vpid)
{
    flush_vpid(INVVPID_SINGLE_GLOBAL, vpid, 0);
}

void vmx_flush_vpid_address(uint16_t vpid, uint64_t gva)
{
    flush_vpid(INVVPID_ADDRESS, vpid, gva);
}

_Noreturn void vmx_access_failed(uint32_t field)
{
    panic("VMREAD or VMWRITE of field 0x%x failed", field);
}

/* ---- words ---- */

const char *vmx_error_name(uint64_t number)
{
    switch (number) {
/* clang-format off */
#define VMX_ERROR(ID, value, text) case value: return text;
#include "arch/vmx_errors.def"
        /* clang-format on */
    default: return "unknown VM-instruction error";
    }
}

const char *exit_reason_name(uint64_t reason)
{
    switch (reason) {
/* clang-format off */
#define EXIT_REASON(ID, value, text) case value: return text;
#include "arch/exit_reasons.def"
        /* clang-format on */
    default: return "unknown exit reason";
    }
}
