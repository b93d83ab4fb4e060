/* vmx_check_controls.c - checks on VMX controls (SDM vol. 3, 26.2.1 "Checks on VMX Controls"). */
#include "cpu/vmx.h"

#define V(ID)     VMCS_GET(c, ID)
#define EXECUTION "26.2.1.1 VM-Execution Control Fields"
#define EXIT      "26.2.1.2 VM-Exit Control Fields"
#define ENTRY     "26.2.1.3 VM-Entry Control Fields"

static bool word_ok(const struct core *c, enum vmx_word word, u64 value)
{
    struct vmx_allowed a = vmx_allowed(c, word);
    return (value & a.must) == a.must && !(value & ~(u64)a.may);
}

/* ---- VM-execution controls ---- */

static bool pin_ok(const struct core *c)
{
    return word_ok(c, VMX_PIN, V(PIN_CONTROLS));
}

static bool proc_ok(const struct core *c)
{
    return word_ok(c, VMX_PROC, V(PROC_CONTROLS));
}

static bool proc2_ok(const struct core *c)
{
    return word_ok(c, VMX_PROC2, vmx_proc2(c));
}

static bool cr3_targets_ok(const struct core *c)
{
    return V(CR3_TARGET_COUNT) <= VMX_CR3_TARGETS;
}

static bool uses_io_bitmaps(const struct core *c)
{
    return V(PROC_CONTROLS) & PROC_IO_BITMAPS;
}

static bool io_bitmap_a_ok(const struct core *c)
{
    return !uses_io_bitmaps(c) || vmx_address_ok(V(IO_BITMAP_A), 12);
}

static bool io_bitmap_b_ok(const struct core *c)
{
    return !uses_io_bitmaps(c) || vmx_address_ok(V(IO_BITMAP_B), 12);
}

static bool msr_bitmap_ok(const struct core *c)
{
    return !(V(PROC_CONTROLS) & PROC_MSR_BITMAPS) || vmx_address_ok(V(MSR_BITMAP), 12);
}

static bool vpid_ok(const struct core *c)
{
    return !(vmx_proc2(c) & PROC2_VPID) || V(VPID) != 0;
}

static bool uses_ept(const struct core *c)
{
    return vmx_proc2(c) & PROC2_EPT;
}

static bool ept_type_ok(const struct core *c)
{
    u64 type = V(EPTP) & EPTP_MEMORY_TYPE;
    return !uses_ept(c) || type == EPTP_WB || type == EPTP_UC;
}

static bool ept_walk_ok(const struct core *c)
{
    return !uses_ept(c) || (V(EPTP) & EPTP_WALK_MASK) == EPTP_WALK_4;
}

static bool ept_reserved_ok(const struct core *c)
{
    return !uses_ept(c) || !(V(EPTP) & (EPTP_RESERVED | ~PHYS_MASK));
}

static bool shadows(const struct core *c)
{
    return vmx_proc2(c) & PROC2_VMCS_SHADOWING;
}

static bool vmread_bitmap_ok(const struct core *c)
{
    return !shadows(c) || vmx_address_ok(V(VMREAD_BITMAP), 12);
}

static bool vmwrite_bitmap_ok(const struct core *c)
{
    return !shadows(c) || vmx_address_ok(V(VMWRITE_BITMAP), 12);
}

static bool tsc_multiplier_ok(const struct core *c)
{
    return !(vmx_proc2(c) & PROC2_TSC_SCALING) || V(TSC_MULTIPLIER) != 0;
}

static bool virtual_nmis_ok(const struct core *c)
{
    return V(PIN_CONTROLS) & PIN_NMI || !(V(PIN_CONTROLS) & PIN_VIRTUAL_NMIS);
}

static bool nmi_window_ok(const struct core *c)
{
    return V(PIN_CONTROLS) & PIN_VIRTUAL_NMIS || !(V(PROC_CONTROLS) & PROC_NMI_WINDOW);
}

static bool uses_pml(const struct core *c)
{
    return vmx_proc2(c) & PROC2_PML;
}

static bool pml_needs_ept(const struct core *c)
{
    return !uses_pml(c) || uses_ept(c);
}

static bool pml_address_ok(const struct core *c)
{
    return !uses_pml(c) || vmx_address_ok(V(PML_ADDRESS), 12);
}

static bool uses_vm_functions(const struct core *c)
{
    return vmx_proc2(c) & PROC2_VMFUNC;
}

static bool switches_eptp(const struct core *c)
{
    return uses_vm_functions(c) && V(VM_FUNCTIONS) & VMFUNC_EPTP_SWITCHING;
}

static bool vm_functions_ok(const struct core *c)
{
    return !uses_vm_functions(c) || !(V(VM_FUNCTIONS) & ~vmx_vm_functions(c));
}

static bool switching_needs_ept(const struct core *c)
{
    return !switches_eptp(c) || uses_ept(c);
}

static bool eptp_list_ok(const struct core *c)
{
    return !switches_eptp(c) || vmx_address_ok(V(EPTP_LIST_ADDRESS), 12);
}

static bool ve_information_ok(const struct core *c)
{
    return !(vmx_proc2(c) & PROC2_EPT_VE) || vmx_address_ok(V(VE_INFORMATION_ADDRESS), 12);
}

/* ---- VM-exit controls ---- */

static bool exit_ok(const struct core *c)
{
    return word_ok(c, VMX_VMEXIT, V(EXIT_CONTROLS));
}

static bool exit_timer_ok(const struct core *c)
{
    return V(PIN_CONTROLS) & PIN_PREEMPTION_TIMER || !(V(EXIT_CONTROLS) & VMEXIT_SAVE_PREEMPTION_TIMER);
}

/* A list of MSRs: 16-byte aligned, and its last byte within the physical-address width too. */
static bool list_ok(u64 address, u64 count)
{
    if (count == 0)
        return true;
    return vmx_address_ok(address, 4) && !((address + count * sizeof(struct vmx_msr_entry) - 1) & ~PHYS_MASK);
}

static bool exit_store_ok(const struct core *c)
{
    return list_ok(V(EXIT_MSR_STORE_ADDRESS), V(EXIT_MSR_STORE_COUNT));
}

static bool exit_load_ok(const struct core *c)
{
    return list_ok(V(EXIT_MSR_LOAD_ADDRESS), V(EXIT_MSR_LOAD_COUNT));
}

/* ---- VM-entry controls ---- */

static bool entry_ok(const struct core *c)
{
    return word_ok(c, VMX_VMENTRY, V(ENTRY_CONTROLS));
}

static bool injects(const struct core *c)
{
    return V(ENTRY_INTR_INFO) & INTR_VALID;
}

static u64 injected_type(const struct core *c)
{
    return (V(ENTRY_INTR_INFO) & INTR_TYPE) >> INTR_TYPE_SHIFT;
}

static u64 injected_vector(const struct core *c)
{
    return V(ENTRY_INTR_INFO) & INTR_VECTOR;
}

static bool injected_type_ok(const struct core *c)
{
    return !injects(c) || injected_type(c) != 1;
}

static bool injected_vector_ok(const struct core *c)
{
    u64 vector = injected_vector(c);
    if (!injects(c))
        return true;
    switch (injected_type(c)) {
    case EVENT_NMI: return vector == VEC_NMI;
    case EVENT_HARD_EXCEPTION: return vector <= 31;
    case EVENT_OTHER: return vector == 0; /* a pending MTF VM exit */
    default: return true;
    }
}

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC have an error code; CR0.PE is 1 without "unrestricted guest". */
static bool has_error_code(const struct core *c)
{
#define V_ERROR(vector, name, error) (u32)(error) << (vector) |
    static const u32 with_error = X86_VECTORS(V_ERROR) 0;
#undef V_ERROR
    return injected_type(c) == EVENT_HARD_EXCEPTION && with_error >> (injected_vector(c) & 31) & 1;
}

static bool injected_error_flag_ok(const struct core *c)
{
    bool delivers = V(ENTRY_INTR_INFO) & INTR_HAS_ERROR;
    return !injects(c) || delivers == has_error_code(c);
}

static bool injected_reserved_ok(const struct core *c)
{
    return !injects(c) || !(V(ENTRY_INTR_INFO) & INTR_ENTRY_RESERVED);
}

static bool injected_error_ok(const struct core *c)
{
    bool delivers = injects(c) && V(ENTRY_INTR_INFO) & INTR_HAS_ERROR;
    return !delivers || V(ENTRY_ERROR_CODE) <= 0xffff;
}

static bool injected_length_ok(const struct core *c)
{
    u64 type = injected_type(c), length = V(ENTRY_INSN_LENGTH);
    bool software = type == EVENT_SOFT_INT || type == EVENT_PRIV_EXCEPTION || type == EVENT_SOFT_EXCEPTION;
    return !injects(c) || !software || (length >= 1 && length <= 15);
}

static bool entry_load_ok(const struct core *c)
{
    return list_ok(V(ENTRY_MSR_LOAD_ADDRESS), V(ENTRY_MSR_LOAD_COUNT));
}

static const struct vmx_rule rules[] = {
    VMX_RULE("pin_controls", "reserved bits as IA32_VMX_TRUE_PINBASED_CTLS says", EXECUTION, pin_ok, 0),
    VMX_RULE("proc_controls", "reserved bits as IA32_VMX_TRUE_PROCBASED_CTLS says", EXECUTION, proc_ok, 0),
    VMX_RULE("proc2_controls", "reserved bits as IA32_VMX_PROCBASED_CTLS2 says", EXECUTION, proc2_ok, 0),
    VMX_RULE("cr3_target_count", "not greater than 4", EXECUTION, cr3_targets_ok, 0),
    VMX_RULE("io_bitmap_a", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             io_bitmap_a_ok, 0),
    VMX_RULE("io_bitmap_b", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             io_bitmap_b_ok, 0),
    VMX_RULE("msr_bitmap", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             msr_bitmap_ok, 0),
    VMX_RULE("pin_controls", "virtual NMIs only with NMI exiting", EXECUTION, virtual_nmis_ok, 0),
    VMX_RULE("proc_controls", "NMI-window exiting only with virtual NMIs", EXECUTION, nmi_window_ok, 0),
    VMX_RULE("vpid", "not 0 if VPIDs are enabled", EXECUTION, vpid_ok, 0),
    VMX_RULE("eptp", "memory type (bits 2:0) is 0, uncacheable, or 6, write-back", EXECUTION, ept_type_ok, 0),
    VMX_RULE("eptp", "page-walk length minus 1 (bits 5:3) is 3", EXECUTION, ept_walk_ok, 0),
    VMX_RULE("eptp", "bits 11:7 and those beyond the physical-address width are 0", EXECUTION,
             ept_reserved_ok, 0),
    VMX_RULE("vmread_bitmap", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             vmread_bitmap_ok, 0),
    VMX_RULE("vmwrite_bitmap", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             vmwrite_bitmap_ok, 0),
    VMX_RULE("tsc_multiplier", "not 0 if TSC scaling is used", EXECUTION, tsc_multiplier_ok, 0),
    VMX_RULE("proc2_controls", "page modifications are logged only if EPT is enabled", EXECUTION,
             pml_needs_ept, 0),
    VMX_RULE("pml_address", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             pml_address_ok, 0),
    VMX_RULE("vm_functions", "reserved bits as IA32_VMX_VMFUNC says", EXECUTION, vm_functions_ok, 0),
    VMX_RULE("vm_functions", "EPTP switching is enabled only if EPT is", EXECUTION, switching_needs_ept, 0),
    VMX_RULE("eptp_list_address", "bits 11:0 and those beyond the physical-address width are 0", EXECUTION,
             eptp_list_ok, 0),
    VMX_RULE("ve_information_address", "bits 11:0 and those beyond the physical-address width are 0",
             EXECUTION, ve_information_ok, 0),
    VMX_RULE("exit_controls", "reserved bits as IA32_VMX_TRUE_EXIT_CTLS says", EXIT, exit_ok, 0),
    VMX_RULE("exit_controls", "the preemption timer is saved only if it is activated", EXIT, exit_timer_ok,
             0),
    VMX_RULE("exit_msr_store_address", "16-byte aligned, within the physical-address width", EXIT,
             exit_store_ok, 0),
    VMX_RULE("exit_msr_load_address", "16-byte aligned, within the physical-address width", EXIT,
             exit_load_ok, 0),
    VMX_RULE("entry_controls", "reserved bits as IA32_VMX_TRUE_ENTRY_CTLS says", ENTRY, entry_ok, 0),
    VMX_RULE("entry_intr_info", "interruption type (bits 10:8) is not 1", ENTRY, injected_type_ok, 0),
    VMX_RULE("entry_intr_info", "vector fits the type: NMI 2, hardware exception at most 31, other event 0",
             ENTRY, injected_vector_ok, 0),
    VMX_RULE("entry_intr_info", "bit 11 is 1 exactly for hardware exceptions with an error code", ENTRY,
             injected_error_flag_ok, 0),
    VMX_RULE("entry_intr_info", "bits 30:12 are 0", ENTRY, injected_reserved_ok, 0),
    VMX_RULE("entry_error_code", "bits 31:16 are 0", ENTRY, injected_error_ok, 0),
    VMX_RULE("entry_insn_length", "1 to 15 for software interrupts and exceptions", ENTRY, injected_length_ok,
             0),
    VMX_RULE("entry_msr_load_address", "16-byte aligned, within the physical-address width", ENTRY,
             entry_load_ok, 0),
};

const struct vmx_rules vmx_control_rules = {rules, sizeof rules / sizeof *rules};
