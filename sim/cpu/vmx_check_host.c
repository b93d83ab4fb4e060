/* vmx_check_host.c - checks on the host-state area (SDM vol. 3, 26.2.2 to 26.2.4). */
#include "cpu/vmx.h"

#define V(ID)     VMCS_GET(c, ID)
#define REGISTERS "26.2.2 Checks on Host Control Registers, MSRs, and SSP"
#define SEGMENTS  "26.2.3 Checks on Host Segment and Descriptor-Table Registers"
#define SIZE      "26.2.4 Checks Related to Address-Space Size"

static bool cr0_ok(const struct core *c)
{
    return vmx_cr_allowed(c, 0, V(HOST_CR0));
}

static bool cr4_ok(const struct core *c)
{
    return vmx_cr_allowed(c, 4, V(HOST_CR4));
}

static bool cr3_ok(const struct core *c)
{
    return !(V(HOST_CR3) & ~PHYS_MASK);
}

static bool pat_ok(const struct core *c)
{
    return !(V(EXIT_CONTROLS) & VMEXIT_LOAD_PAT) || vmx_pat_ok(V(HOST_PAT));
}

static bool efer_ok(const struct core *c)
{
    return !(V(EXIT_CONTROLS) & VMEXIT_LOAD_EFER) || vmx_efer_ok(c, V(HOST_EFER));
}

static bool selector_ok(u64 selector)
{
    return !(selector & (SELECTOR_RPL | SELECTOR_TI));
}

/* One check a selector and a base. */
#define SELECTOR(name, ID) \
    static bool name##_ok(const struct core *c) \
    { \
        return selector_ok(V(ID)); \
    }
#define CANONICAL(name, ID) \
    static bool name##_ok(const struct core *c) \
    { \
        return sys_canonical(V(ID)); \
    }
#define NOT_NULL(name, ID) \
    static bool name##_ok(const struct core *c) \
    { \
        return V(ID) != 0; \
    }
SELECTOR(cs, HOST_CS_SELECTOR)
SELECTOR(ss, HOST_SS_SELECTOR)
SELECTOR(ds, HOST_DS_SELECTOR)
SELECTOR(es, HOST_ES_SELECTOR)
SELECTOR(fs, HOST_FS_SELECTOR)
SELECTOR(gs, HOST_GS_SELECTOR)
SELECTOR(tr, HOST_TR_SELECTOR)
NOT_NULL(cs_null, HOST_CS_SELECTOR)
NOT_NULL(tr_null, HOST_TR_SELECTOR)
CANONICAL(sysenter_esp, HOST_SYSENTER_ESP)
CANONICAL(sysenter_eip, HOST_SYSENTER_EIP)
CANONICAL(fs_base, HOST_FS_BASE)
CANONICAL(gs_base, HOST_GS_BASE)
CANONICAL(gdtr_base, HOST_GDTR_BASE)
CANONICAL(idtr_base, HOST_IDTR_BASE)
CANONICAL(tr_base, HOST_TR_BASE)
CANONICAL(rip, HOST_RIP)

static bool pae_ok(const struct core *c)
{
    return V(HOST_CR4) & CR4_PAE;
}

#define RPL_TI "RPL and TI (bits 2:0) are 0"

static const struct vmx_rule rules[] = {
    VMX_RULE("host_cr0", "bits as IA32_VMX_CR0_FIXED0 and FIXED1 say", REGISTERS, cr0_ok, 0),
    VMX_RULE("host_cr4", "bits as IA32_VMX_CR4_FIXED0 and FIXED1 say", REGISTERS, cr4_ok, 0),
    VMX_RULE("host_cr3", "bits beyond the physical-address width are 0", REGISTERS, cr3_ok, 0),
    VMX_RULE("host_sysenter_esp", "a canonical address", REGISTERS, sysenter_esp_ok, 0),
    VMX_RULE("host_sysenter_eip", "a canonical address", REGISTERS, sysenter_eip_ok, 0),
    VMX_RULE("host_pat", "each byte is a memory type: 0, 1, 4, 5, 6 or 7", REGISTERS, pat_ok, 0),
    VMX_RULE("host_efer", "no reserved bit, LMA and LME equal to the control \"host address-space size\"",
             REGISTERS, efer_ok, 0),
    VMX_RULE("host_cs_selector", RPL_TI, SEGMENTS, cs_ok, 0),
    VMX_RULE("host_ss_selector", RPL_TI, SEGMENTS, ss_ok, 0),
    VMX_RULE("host_ds_selector", RPL_TI, SEGMENTS, ds_ok, 0),
    VMX_RULE("host_es_selector", RPL_TI, SEGMENTS, es_ok, 0),
    VMX_RULE("host_fs_selector", RPL_TI, SEGMENTS, fs_ok, 0),
    VMX_RULE("host_gs_selector", RPL_TI, SEGMENTS, gs_ok, 0),
    VMX_RULE("host_tr_selector", RPL_TI, SEGMENTS, tr_ok, 0),
    VMX_RULE("host_cs_selector", "not 0", SEGMENTS, cs_null_ok, 0),
    VMX_RULE("host_tr_selector", "not 0", SEGMENTS, tr_null_ok, 0),
    VMX_RULE("host_fs_base", "a canonical address", SEGMENTS, fs_base_ok, 0),
    VMX_RULE("host_gs_base", "a canonical address", SEGMENTS, gs_base_ok, 0),
    VMX_RULE("host_gdtr_base", "a canonical address", SEGMENTS, gdtr_base_ok, 0),
    VMX_RULE("host_idtr_base", "a canonical address", SEGMENTS, idtr_base_ok, 0),
    VMX_RULE("host_tr_base", "a canonical address", SEGMENTS, tr_base_ok, 0),
    VMX_RULE("host_cr4", "PAE (bit 5) is 1 if the host is in IA-32e mode", SIZE, pae_ok, 0),
    VMX_RULE("host_rip", "a canonical address", SIZE, rip_ok, 0),
};

const struct vmx_rules vmx_host_rules = {rules, sizeof rules / sizeof *rules};
