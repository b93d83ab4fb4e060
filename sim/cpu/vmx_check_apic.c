/* vmx_check_apic.c - checks on the controls of the virtual APIC (SDM vol. 3, 26.2.1.1 "VM-Execution Control
 * Fields"). */
#include "cpu/vmx.h"

#include "arch/apic.h"
#include "mmu/mem.h"

#define V(ID)     VMCS_GET(c, ID)
#define EXECUTION "26.2.1.1 VM-Execution Control Fields"

static bool shadows_tpr(const struct core *c)
{
    return V(PROC_CONTROLS) & PROC_TPR_SHADOW;
}

static bool delivers(const struct core *c)
{
    return vmx_proc2(c) & PROC2_VIRTUAL_INTERRUPTS;
}

static bool page_ok(const struct core *c)
{
    return !shadows_tpr(c) || vmx_address_ok(V(VIRTUAL_APIC_ADDRESS), 12);
}

static bool threshold_reserved_ok(const struct core *c)
{
    return !shadows_tpr(c) || delivers(c) || !(V(TPR_THRESHOLD) & ~15ull);
}

/* With virtualised APIC accesses VM entry succeeds, and a VM exit follows (26.7.7). */
static bool threshold_ok(const struct core *c)
{
    u64 tpr = mem_read(c->m->mem, V(VIRTUAL_APIC_ADDRESS) + APIC_TPR, 4);
    bool matters = shadows_tpr(c) && !delivers(c) && !(vmx_proc2(c) & PROC2_APIC_ACCESSES);
    return !matters || V(TPR_THRESHOLD) <= (tpr >> 4 & 15);
}

static bool access_ok(const struct core *c)
{
    return !(vmx_proc2(c) & PROC2_APIC_ACCESSES) || vmx_address_ok(V(APIC_ACCESS_ADDRESS), 12);
}

static bool shadow_needed_ok(const struct core *c)
{
    u32 need = PROC2_X2APIC_MODE | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_INTERRUPTS;
    return shadows_tpr(c) || !(vmx_proc2(c) & need);
}

static bool one_mode_ok(const struct core *c)
{
    u32 both = PROC2_X2APIC_MODE | PROC2_APIC_ACCESSES;
    return (vmx_proc2(c) & both) != both;
}

static bool delivery_ok(const struct core *c)
{
    return !delivers(c) || V(PIN_CONTROLS) & PIN_EXTERNAL_INTERRUPT;
}

static bool posts(const struct core *c)
{
    return V(PIN_CONTROLS) & PIN_POSTED_INTERRUPTS;
}

static bool posted_delivery_ok(const struct core *c)
{
    return !posts(c) || delivers(c);
}

static bool posted_ack_ok(const struct core *c)
{
    return !posts(c) || V(EXIT_CONTROLS) & VMEXIT_ACK_INTERRUPT;
}

static bool posted_vector_ok(const struct core *c)
{
    return !posts(c) || V(POSTED_VECTOR) <= 0xff;
}

static bool posted_descriptor_ok(const struct core *c)
{
    return !posts(c) || vmx_address_ok(V(POSTED_DESCRIPTOR), 6);
}

static const struct vmx_rule rules[] = {
    VMX_RULE("virtual_apic_address", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             page_ok, 0),
    VMX_RULE("tpr_threshold", "bits 31:4 are 0", EXECUTION, threshold_reserved_ok, 0),
    VMX_RULE("tpr_threshold", "not greater than bits 7:4 of VTPR", EXECUTION, threshold_ok, 0),
    VMX_RULE("apic_access_address", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             access_ok, 0),
    VMX_RULE("proc2_controls",
             "x2APIC mode, APIC registers and interrupts are virtualised only with the TPR shadow", EXECUTION,
             shadow_needed_ok, 0),
    VMX_RULE("proc2_controls", "not both x2APIC mode and APIC accesses are virtualised", EXECUTION,
             one_mode_ok, 0),
    VMX_RULE("pin_controls", "external interrupts exit if virtual interrupts are delivered", EXECUTION,
             delivery_ok, 0),
    VMX_RULE("pin_controls", "posted interrupts are processed only if virtual interrupts are delivered",
             EXECUTION, posted_delivery_ok, 0),
    VMX_RULE("exit_controls", "interrupts are acknowledged on exit if posted interrupts are processed",
             EXECUTION, posted_ack_ok, 0),
    VMX_RULE("posted_interrupt_notification_vector", "bits 15:8 are 0", EXECUTION, posted_vector_ok, 0),
    VMX_RULE("posted_interrupt_descriptor_address",
             "bits 5:0 and those beyond the physical-address width are 0", EXECUTION, posted_descriptor_ok,
             0),
};

const struct vmx_rules vmx_apic_rules = {rules, sizeof rules / sizeof *rules};
