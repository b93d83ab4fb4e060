/* vmx_msr.c - the lists of MSRs that VM entry and VM exit load and store (SDM vol. 3, 26.4 "Loading
 * MSRs", 27.4 "Saving MSRs", 27.6 "Loading MSRs"). */
#include "cpu/vmx.h"

/* Why an entry of a list is refused.  An entry that may not be stored ends in a VMX abort, whatever the
 * cause. */
enum refusal { ACCEPTED, HIGH_HALF, BASE, X2APIC, NOT_WRITTEN, NOT_READ, TOO_LONG };

#define LOADING "(SDM vol. 3, 26.4 Loading MSRs)"

static const char *const refusal_text[] = {
    [HIGH_HALF] = "entry_msr_load_address: bits 63:32 of each entry are 0 " LOADING,
    [BASE] = "entry_msr_load_address: no entry is IA32_FS_BASE or IA32_GS_BASE " LOADING,
    [X2APIC] = "entry_msr_load_address: no entry is an x2APIC MSR, 800H to 8FFH " LOADING,
    [NOT_WRITTEN] = "entry_msr_load_address: WRMSR at CPL 0 would refuse no entry " LOADING,
    [NOT_READ] = NULL,
    [TOO_LONG] = "entry_msr_load_count: not more than IA32_VMX_MISC recommends, 512 (SDM vol. 3, A.6 "
                 "Miscellaneous Data)",
};

const char *vmx_msr_rule_text(u32 number)
{
    return number < sizeof refusal_text / sizeof *refusal_text ? refusal_text[number] : NULL;
}

static bool is_x2apic(u64 msr)
{
    return msr >> 8 == MSR_X2APIC_FIRST >> 8;
}

/* Entry i of a list: the MSR's number; bits 63:32 are reserved and must be 0. */
static u64 entry_msr(struct core *c, u64 entry)
{
    return phys_load(c, entry, 8);
}

static enum refusal load_one(struct core *c, u64 entry)
{
    u64 msr = entry_msr(c, entry);
    u64 value = phys_load(c, entry + offsetof(struct vmx_msr_entry, value), 8);
    if (msr >> 32)
        return HIGH_HALF;
    if (msr == MSR_FS_BASE || msr == MSR_GS_BASE)
        return BASE;
    if (is_x2apic(msr))
        return X2APIC;
    return sys_write_msr(c, (u32)msr, value) ? ACCEPTED : NOT_WRITTEN;
}

/* The TSC is stored without the guest's multiplier and offset. */
static enum refusal store_one(struct core *c, u64 entry)
{
    u64 msr = entry_msr(c, entry), value;
    if (msr >> 32 || is_x2apic(msr) || !sys_read_msr(c, (u32)msr, &value))
        return NOT_READ;
    if (msr == MSR_TSC)
        value = tsc_now(c);
    phys_store(c, entry + offsetof(struct vmx_msr_entry, value), 8, value);
    return ACCEPTED;
}

/* A list longer than IA32_VMX_MISC recommends fails at the first entry beyond that. */
static struct vmx_msr_result each(struct core *c, u64 address, u64 count,
                                  enum refusal (*one)(struct core *c, u64 entry))
{
    for (u32 i = 0; i < count; i++) {
        enum refusal why =
            i == VMX_MSR_LIST_MAX ? TOO_LONG : one(c, address + i * sizeof(struct vmx_msr_entry));
        if (why != ACCEPTED)
            return (struct vmx_msr_result){i + 1, why};
    }
    return (struct vmx_msr_result){0, ACCEPTED};
}

struct vmx_msr_result vmx_msr_load(struct core *c, u64 address, u64 count)
{
    return each(c, address, count, load_one);
}

struct vmx_msr_result vmx_msr_store(struct core *c, u64 address, u64 count)
{
    return each(c, address, count, store_one);
}
