/* vmx_msr.c - the lists of MSRs that VM entry and VM exit load and store (SDM vol. 3, 26.4 "Loading
 * MSRs", 27.4 "Saving MSRs", 27.6 "Loading MSRs"). */
#include "cpu/vmx.h"

static bool is_x2apic(u64 msr)
{
    return msr >> 8 == MSR_X2APIC_FIRST >> 8;
}

/* Entry i of a list: the MSR's number; bits 63:32 are reserved and must be 0. */
static u64 entry_msr(struct core *c, u64 entry)
{
    return phys_load(c, entry, 8);
}

static bool load_one(struct core *c, u64 entry)
{
    u64 msr = entry_msr(c, entry);
    u64 value = phys_load(c, entry + offsetof(struct vmx_msr_entry, value), 8);
    if (msr >> 32 || is_x2apic(msr) || msr == MSR_FS_BASE || msr == MSR_GS_BASE)
        return false;
    return sys_write_msr(c, (u32)msr, value);
}

/* The TSC is stored without the guest's offset. */
static bool store_one(struct core *c, u64 entry)
{
    u64 msr = entry_msr(c, entry), value;
    if (msr >> 32 || is_x2apic(msr) || !sys_read_msr(c, (u32)msr, &value))
        return false;
    if (msr == MSR_TSC)
        value = tsc_now(c);
    phys_store(c, entry + offsetof(struct vmx_msr_entry, value), 8, value);
    return true;
}

/* A list longer than IA32_VMX_MISC recommends fails at the first entry beyond that. */
static u32 each(struct core *c, u64 address, u64 count, bool (*one)(struct core *c, u64 entry))
{
    for (u32 i = 0; i < count; i++)
        if (i == VMX_MSR_LIST_MAX || !one(c, address + i * sizeof(struct vmx_msr_entry)))
            return i + 1;
    return 0;
}

u32 vmx_msr_load(struct core *c, u64 address, u64 count)
{
    return each(c, address, count, load_one);
}

u32 vmx_msr_store(struct core *c, u64 address, u64 count)
{
    return each(c, address, count, store_one);
}
