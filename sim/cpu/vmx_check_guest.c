/* vmx_check_guest.c - checks on the guest-state area, except segments (SDM vol. 3, 26.3.1 "Checks on the
 * Guest State Area"). */
#include "cpu/system.h"
#include "cpu/vmx.h"

#define V(ID)     VMCS_GET(c, ID)
#define REGISTERS "26.3.1.1 Checks on Guest Control Registers, Debug Registers, and MSRs"
#define TABLES    "26.3.1.3 Checks on Guest Descriptor-Table Registers"
#define RIP_FLAGS "26.3.1.4 Checks on Guest RIP, RFLAGS, and SSP"
#define OTHER     "26.3.1.5 Checks on Guest Non-Register State"

/* ---- control registers, debug registers, MSRs ---- */

static bool loads(const struct core *c, u32 entry_control)
{
    return V(ENTRY_CONTROLS) & entry_control;
}

static bool cr0_ok(const struct core *c)
{
    return vmx_cr_allowed(c, 0, V(GUEST_CR0));
}

static bool cr4_ok(const struct core *c)
{
    return vmx_cr_allowed(c, 4, V(GUEST_CR4));
}

static bool debugctl_ok(const struct core *c)
{
    return !loads(c, VMENTRY_LOAD_DEBUG_CONTROLS) || V(GUEST_DEBUGCTL) == 0;
}

static bool pae_ok(const struct core *c)
{
    return V(GUEST_CR4) & CR4_PAE;
}

static bool cr3_ok(const struct core *c)
{
    return !(V(GUEST_CR3) & ~PHYS_MASK);
}

static bool dr7_ok(const struct core *c)
{
    return !loads(c, VMENTRY_LOAD_DEBUG_CONTROLS) || !(V(GUEST_DR7) >> 32);
}

static bool sysenter_esp_ok(const struct core *c)
{
    return sys_canonical(V(GUEST_SYSENTER_ESP));
}

static bool sysenter_eip_ok(const struct core *c)
{
    return sys_canonical(V(GUEST_SYSENTER_EIP));
}

static bool pat_ok(const struct core *c)
{
    return !loads(c, VMENTRY_LOAD_PAT) || vmx_pat_ok(V(GUEST_PAT));
}

static bool efer_ok(const struct core *c)
{
    return !loads(c, VMENTRY_LOAD_EFER) || vmx_efer_ok(c, V(GUEST_EFER));
}

/* ---- descriptor tables, RIP, RFLAGS ---- */

static bool gdtr_base_ok(const struct core *c)
{
    return sys_canonical(V(GUEST_GDTR_BASE));
}

static bool idtr_base_ok(const struct core *c)
{
    return sys_canonical(V(GUEST_IDTR_BASE));
}

static bool gdtr_limit_ok(const struct core *c)
{
    return V(GUEST_GDTR_LIMIT) <= 0xffff;
}

static bool idtr_limit_ok(const struct core *c)
{
    return V(GUEST_IDTR_LIMIT) <= 0xffff;
}

/* The address behind the low half may be entered, which an instruction at its end leads to; its fetch is #GP.
 */
static bool rip_ok(const struct core *c)
{
    u64 high = V(GUEST_RIP) >> LINEAR_BITS;
    return high == 0 || high == UINT64_MAX >> LINEAR_BITS;
}

static bool flags_reserved_ok(const struct core *c)
{
    u64 flags = V(GUEST_RFLAGS);
    return flags & FLAG_FIXED && !(flags & ~(u64)(FLAGS_ALL | FLAG_FIXED));
}

static bool flags_vm_ok(const struct core *c)
{
    return !(V(GUEST_RFLAGS) & FLAG_VM);
}

static bool injects(const struct core *c, enum event_type type)
{
    u64 info = V(ENTRY_INTR_INFO);
    return info & INTR_VALID && (info & INTR_TYPE) >> INTR_TYPE_SHIFT == type;
}

static bool flags_if_ok(const struct core *c)
{
    return !injects(c, EVENT_EXTERNAL) || V(GUEST_RFLAGS) & FLAG_IF;
}

/* ---- activity and interruptibility ---- */

static bool blocks(const struct core *c, u32 bits)
{
    return V(GUEST_INTERRUPTIBILITY) & bits;
}

static bool halted(const struct core *c)
{
    return V(GUEST_ACTIVITY) == VMX_ACTIVITY_HLT;
}

static bool activity_ok(const struct core *c)
{
    return V(GUEST_ACTIVITY) <= VMX_ACTIVITY_HLT || V(GUEST_ACTIVITY) == VMX_ACTIVITY_WAIT_SIPI;
}

static bool activity_dpl_ok(const struct core *c)
{
    return !halted(c) || !(V(GUEST_SS_ACCESS_RIGHTS) & AR_DPL);
}

static bool activity_blocking_ok(const struct core *c)
{
    return !blocks(c, BLOCKING_STI | BLOCKING_MOV_SS) || V(GUEST_ACTIVITY) == VMX_ACTIVITY_ACTIVE;
}

/* Into HLT: interrupts, NMIs, #DB, #MC and a pending MTF VM exit alone; into wait-for-SIPI: nothing. */
static bool activity_event_ok(const struct core *c)
{
    u64 vector = V(ENTRY_INTR_INFO) & INTR_VECTOR;
    if (V(GUEST_ACTIVITY) == VMX_ACTIVITY_ACTIVE || !(V(ENTRY_INTR_INFO) & INTR_VALID))
        return true;
    if (V(GUEST_ACTIVITY) == VMX_ACTIVITY_WAIT_SIPI)
        return false;
    if (injects(c, EVENT_HARD_EXCEPTION))
        return vector == VEC_DB || vector == VEC_MC;
    return injects(c, EVENT_EXTERNAL) || injects(c, EVENT_NMI) || injects(c, EVENT_OTHER);
}

static bool blocking_reserved_ok(const struct core *c)
{
    return !blocks(c, BLOCKING_RESERVED);
}

static bool blocking_one_ok(const struct core *c)
{
    return !(blocks(c, BLOCKING_STI) && blocks(c, BLOCKING_MOV_SS));
}

static bool blocking_sti_ok(const struct core *c)
{
    return !blocks(c, BLOCKING_STI) || V(GUEST_RFLAGS) & FLAG_IF;
}

static bool blocking_external_ok(const struct core *c)
{
    return !injects(c, EVENT_EXTERNAL) || !blocks(c, BLOCKING_STI | BLOCKING_MOV_SS);
}

static bool blocking_nmi_ok(const struct core *c)
{
    return !injects(c, EVENT_NMI) || !blocks(c, BLOCKING_MOV_SS);
}

static bool blocking_virtual_nmi_ok(const struct core *c)
{
    return !(V(PIN_CONTROLS) & PIN_VIRTUAL_NMIS) || !injects(c, EVENT_NMI) || !blocks(c, BLOCKING_NMI);
}

static bool blocking_smi_ok(const struct core *c)
{
    return !blocks(c, BLOCKING_SMI);
}

static bool debug_reserved_ok(const struct core *c)
{
    return !(V(GUEST_PENDING_DEBUG) & PENDING_DEBUG_RESERVED);
}

/* After an instruction whose single-step trap is held back, BS must say just that.  There is no
 * IA32_DEBUGCTL.BTF. */
static bool debug_step_ok(const struct core *c)
{
    bool held = blocks(c, BLOCKING_STI | BLOCKING_MOV_SS) || halted(c);
    bool steps = V(GUEST_RFLAGS) & FLAG_TF, pending = V(GUEST_PENDING_DEBUG) & PENDING_DEBUG_BS;
    return !held || steps == pending;
}

static bool has_link(const struct core *c)
{
    return V(VMCS_LINK_POINTER) != UINT64_MAX;
}

static bool link_address_ok(const struct core *c)
{
    return !has_link(c) || vmx_address_ok(V(VMCS_LINK_POINTER), 12);
}

static bool link_revision_ok(const struct core *c)
{
    return !has_link(c) || (vmcs_revision(c, V(VMCS_LINK_POINTER)) & ~VMCS_SHADOW) == VMCS_REVISION;
}

static bool link_shadow_ok(const struct core *c)
{
    bool shadows = vmx_proc2(c) & PROC2_VMCS_SHADOWING;
    return !has_link(c) || !(vmcs_revision(c, V(VMCS_LINK_POINTER)) & VMCS_SHADOW) == !shadows;
}

/* There is no SMM. */
static bool link_current_ok(const struct core *c)
{
    return V(VMCS_LINK_POINTER) != c->s.vmcs_hpa;
}

static const struct vmx_rule registers[] = {
    VMX_RULE("guest_cr0", "bits as IA32_VMX_CR0_FIXED0 and FIXED1 say", REGISTERS, cr0_ok, 0),
    VMX_RULE("guest_cr4", "bits as IA32_VMX_CR4_FIXED0 and FIXED1 say", REGISTERS, cr4_ok, 0),
    VMX_RULE("guest_debugctl", "reserved bits are 0: all, in this machine", REGISTERS, debugctl_ok, 0),
    VMX_RULE("guest_cr4", "PAE (bit 5) is 1 if the guest is in IA-32e mode", REGISTERS, pae_ok, 0),
    VMX_RULE("guest_cr3", "bits beyond the physical-address width are 0", REGISTERS, cr3_ok, 0),
    VMX_RULE("guest_dr7", "bits 63:32 are 0", REGISTERS, dr7_ok, 0),
    VMX_RULE("guest_sysenter_esp", "a canonical address", REGISTERS, sysenter_esp_ok, 0),
    VMX_RULE("guest_sysenter_eip", "a canonical address", REGISTERS, sysenter_eip_ok, 0),
    VMX_RULE("guest_pat", "each byte is a memory type: 0, 1, 4, 5, 6 or 7", REGISTERS, pat_ok, 0),
    VMX_RULE("guest_efer", "no reserved bit, LMA and LME equal to the control \"IA-32e mode guest\"",
             REGISTERS, efer_ok, 0),
};

static const struct vmx_rule others[] = {
    VMX_RULE("guest_gdtr_base", "a canonical address", TABLES, gdtr_base_ok, 0),
    VMX_RULE("guest_idtr_base", "a canonical address", TABLES, idtr_base_ok, 0),
    VMX_RULE("guest_gdtr_limit", "bits 31:16 are 0", TABLES, gdtr_limit_ok, 0),
    VMX_RULE("guest_idtr_limit", "bits 31:16 are 0", TABLES, idtr_limit_ok, 0),
    VMX_RULE("guest_rip", "bits 63:48 are identical", RIP_FLAGS, rip_ok, 0),
    VMX_RULE("guest_rflags", "reserved bits are 0, bit 1 is 1", RIP_FLAGS, flags_reserved_ok, 0),
    VMX_RULE("guest_rflags", "VM (bit 17) is 0 in IA-32e mode", RIP_FLAGS, flags_vm_ok, 0),
    VMX_RULE("guest_rflags", "IF (bit 9) is 1 if an external interrupt is injected", RIP_FLAGS, flags_if_ok,
             0),
    VMX_RULE("guest_activity", "a state that IA32_VMX_MISC lists: 0 active, 1 HLT, 3 wait-for-SIPI", OTHER,
             activity_ok, 0),
    VMX_RULE("guest_activity", "not HLT unless DPL of SS is 0", OTHER, activity_dpl_ok, 0),
    VMX_RULE("guest_activity", "active if STI or MOV SS blocks", OTHER, activity_blocking_ok, 0),
    VMX_RULE("guest_activity", "the injected event is one that HLT may be left by; none into wait-for-SIPI",
             OTHER, activity_event_ok, 0),
    VMX_RULE("guest_interruptibility", "reserved bits are 0", OTHER, blocking_reserved_ok, 0),
    VMX_RULE("guest_interruptibility", "not blocking by both STI and MOV SS", OTHER, blocking_one_ok, 0),
    VMX_RULE("guest_interruptibility", "no blocking by STI if RFLAGS.IF is 0", OTHER, blocking_sti_ok, 0),
    VMX_RULE("guest_interruptibility", "no blocking by STI or MOV SS if an external interrupt is injected",
             OTHER, blocking_external_ok, 0),
    VMX_RULE("guest_interruptibility", "no blocking by MOV SS if an NMI is injected", OTHER, blocking_nmi_ok,
             0),
    VMX_RULE("guest_interruptibility", "no blocking by SMI outside SMM", OTHER, blocking_smi_ok, 0),
    VMX_RULE("guest_interruptibility", "no blocking by NMI if an NMI is injected and virtual NMIs are on",
             OTHER, blocking_virtual_nmi_ok, 0),
    VMX_RULE("guest_pending_debug", "reserved bits are 0", OTHER, debug_reserved_ok, 0),
    VMX_RULE("guest_pending_debug", "while blocking or halted, BS (bit 14) is RFLAGS.TF", OTHER,
             debug_step_ok, 0),
    VMX_RULE("vmcs_link_pointer", "4 KiB aligned, within the physical-address width, if not all ones", OTHER,
             link_address_ok, 4),
    VMX_RULE("vmcs_link_pointer",
             "points to a region with this machine's VMCS revision identifier, if not all ones", OTHER,
             link_revision_ok, 4),
    VMX_RULE("vmcs_link_pointer", "bit 31 of that region's first word is the control \"VMCS shadowing\"",
             OTHER, link_shadow_ok, 4),
    VMX_RULE("vmcs_link_pointer", "not the address of the current VMCS", OTHER, link_current_ok, 4),
};

const struct vmx_rules vmx_register_rules = {registers, sizeof registers / sizeof *registers};
const struct vmx_rules vmx_state_rules = {others, sizeof others / sizeof *others};
