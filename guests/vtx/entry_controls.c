/* entry_controls.c - what VM entry asks of the controls (SDM vol. 3, 26.2.1): error 7. */
#include "vtx/lib/vtx.h"

#define EXECUTION "26.2.1.1 VM-Execution Control Fields"
#define EXIT      "26.2.1.2 VM-Exit Control Fields"
#define ENTRY     "26.2.1.3 VM-Entry Control Fields"

static void do_nothing(void)
{
}

static void is_refused(void)
{
    guest_at(do_nothing);
    expect_entry_error(VMXERR_ENTRY_CONTROLS);
}

static void refuses(uint32_t field, uint64_t value)
{
    vmwrite(field, value);
    is_refused();
}

/* ---- reserved bits: each that the capability MSR fixes, the other way round ---- */

static void refuses_each(enum control_word word)
{
    struct allowed a = allowed_controls(word);
    uint64_t good = vmread(control_field(word));

    guest_at(do_nothing);
    for (unsigned i = 0; i < 32; i++) {
        uint32_t bit = UINT32_C(1) << i;

        if (a.must & bit || !(a.may & bit)) {
            vmwrite(control_field(word), good ^ bit);
            if (guest_try() != FAIL_VALID)
                FAIL("bit %u (%s) the other way round is entered", i, control_name(word, bit));
            check_field(VMCS_INSTRUCTION_ERROR, VMXERR_ENTRY_CONTROLS);
        }
    }
}

TEST(entry_controls, pin_reserved, EXECUTION,
     "reserved bits of the pin-based controls are as the capability MSR says")
{
    refuses_each(PIN);
}

TEST(entry_controls, proc_reserved, EXECUTION,
     "reserved bits of the primary controls are as the capability MSR says")
{
    refuses_each(PROC);
}

TEST(entry_controls, proc2_reserved, EXECUTION,
     "reserved bits of the secondary controls are as the capability MSR says")
{
    set_controls(PROC, PROC_SECONDARY);
    refuses_each(PROC2);
}

TEST(entry_controls, exit_reserved, EXIT,
     "reserved bits of the VM-exit controls are as the capability MSR says")
{
    refuses_each(VMEXIT);
}

TEST(entry_controls, entry_reserved, ENTRY,
     "reserved bits of the VM-entry controls are as the capability MSR says")
{
    refuses_each(VMENTRY);
}

TEST(entry_controls, proc2_inactive, EXECUTION,
     "secondary controls are not looked at unless the primary ones activate them")
{
    need_controls(PROC, PROC_SECONDARY);
    vmwrite(VMCS_PROC2_CONTROLS, UINT32_MAX);
    run_to_done(do_nothing);
}

/* ---- addresses: aligned, and within the physical-address width ---- */

static void refuses_address(enum control_word word, uint32_t control, uint32_t field, uint64_t value)
{
    if (control)
        set_controls(word, control);
    refuses(field, value);
}

#define ADDRESS(NAME, WORD, CONTROL, FIELD, ALIGNED) \
    TEST(entry_controls, NAME##_aligned, EXECUTION, #FIELD ": low bits are 0") \
    { \
        refuses_address(WORD, CONTROL, VMCS_##FIELD, (uint64_t)page_new() + (ALIGNED) / 2); \
    } \
    TEST(entry_controls, NAME##_width, EXECUTION, #FIELD ": no bit beyond the physical-address width") \
    { \
        refuses_address(WORD, CONTROL, VMCS_##FIELD, (uint64_t)page_new() | physical_end()); \
    }
ADDRESS(io_bitmap_a, PROC, PROC_IO_BITMAPS, IO_BITMAP_A, 4096)
ADDRESS(io_bitmap_b, PROC, PROC_IO_BITMAPS, IO_BITMAP_B, 4096)
ADDRESS(msr_bitmap, PROC, PROC_MSR_BITMAPS, MSR_BITMAP, 4096)
ADDRESS(virtual_apic, PROC, PROC_TPR_SHADOW, VIRTUAL_APIC_ADDRESS, 4096)
ADDRESS(apic_access, PROC2, PROC2_APIC_ACCESSES, APIC_ACCESS_ADDRESS, 4096)
ADDRESS(vmread_bitmap, PROC2, PROC2_VMCS_SHADOWING, VMREAD_BITMAP, 4096)
ADDRESS(vmwrite_bitmap, PROC2, PROC2_VMCS_SHADOWING, VMWRITE_BITMAP, 4096)
ADDRESS(ve_information, PROC2, PROC2_EPT_VE, VE_INFORMATION_ADDRESS, 4096)

TEST(entry_controls, address_unused, EXECUTION, "addresses are not looked at if their controls are 0")
{
    vmwrite(VMCS_IO_BITMAP_A, 1);
    vmwrite(VMCS_MSR_BITMAP, 1);
    run_to_done(do_nothing);
}

TEST(entry_controls, pml_aligned, EXECUTION, "PML_ADDRESS: low bits are 0")
{
    ept_on();
    refuses_address(PROC2, PROC2_PML, VMCS_PML_ADDRESS, (uint64_t)page_new() + 8);
}

TEST(entry_controls, pml_needs_ept, EXECUTION, "\"enable PML\" only with \"enable EPT\"")
{
    set_controls(PROC2, PROC2_PML);
    refuses(VMCS_PML_ADDRESS, (uint64_t)page_new());
}

/* ---- the rest of the execution controls ---- */

TEST(entry_controls, cr3_targets, EXECUTION, "the CR3-target count is not greater than IA32_VMX_MISC says")
{
    refuses(VMCS_CR3_TARGET_COUNT, (rdmsr(MSR_VMX_MISC) >> 16 & 0x1ff) + 1);
}

TEST(entry_controls, virtual_nmis, EXECUTION, "\"virtual NMIs\" only with \"NMI exiting\"")
{
    set_controls(PIN, PIN_VIRTUAL_NMIS);
    is_refused();
}

TEST(entry_controls, nmi_window, EXECUTION, "\"NMI-window exiting\" only with \"virtual NMIs\"")
{
    set_controls(PROC, PROC_NMI_WINDOW);
    is_refused();
}

TEST(entry_controls, vpid, EXECUTION, "with \"enable VPID\" the VPID is not 0")
{
    set_controls(PROC2, PROC2_VPID);
    refuses(VMCS_VPID, 0);
}

TEST(entry_controls, tpr_threshold_reserved, EXECUTION,
     "with the TPR shadow bits 31:4 of the threshold are 0")
{
    set_controls(PROC, PROC_TPR_SHADOW);
    vmwrite(VMCS_VIRTUAL_APIC_ADDRESS, (uint64_t)page_new());
    refuses(VMCS_TPR_THRESHOLD, 0x10);
}

TEST(entry_controls, tpr_threshold, EXECUTION, "the TPR threshold is not greater than bits 7:4 of VTPR")
{
    set_controls(PROC, PROC_TPR_SHADOW);
    vmwrite(VMCS_VIRTUAL_APIC_ADDRESS, (uint64_t)page_new());
    refuses(VMCS_TPR_THRESHOLD, 1);
}

TEST(entry_controls, x2apic_needs_shadow, EXECUTION, "\"virtualize x2APIC mode\" only with the TPR shadow")
{
    set_controls(PROC2, PROC2_X2APIC_MODE);
    is_refused();
}

TEST(entry_controls, apic_registers_need_shadow, EXECUTION,
     "\"APIC-register virtualization\" only with the TPR shadow")
{
    set_controls(PROC2, PROC2_APIC_REGISTERS);
    is_refused();
}

TEST(entry_controls, delivery_needs_shadow, EXECUTION,
     "\"virtual-interrupt delivery\" only with the TPR shadow")
{
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    set_controls(PROC2, PROC2_VIRTUAL_INTERRUPTS);
    is_refused();
}

static void shadow_tpr(void)
{
    set_controls(PROC, PROC_TPR_SHADOW);
    vmwrite(VMCS_VIRTUAL_APIC_ADDRESS, (uint64_t)page_new());
}

TEST(entry_controls, two_apics, EXECUTION,
     "not both \"virtualize x2APIC mode\" and \"virtualize APIC accesses\"")
{
    shadow_tpr();
    vmwrite(VMCS_APIC_ACCESS_ADDRESS, (uint64_t)page_new());
    set_controls(PROC2, PROC2_X2APIC_MODE | PROC2_APIC_ACCESSES);
    is_refused();
}

TEST(entry_controls, delivery_needs_exiting, EXECUTION,
     "\"virtual-interrupt delivery\" only with \"external-interrupt exiting\"")
{
    shadow_tpr();
    set_controls(PROC2, PROC2_VIRTUAL_INTERRUPTS);
    is_refused();
}

static void post_interrupts(void)
{
    shadow_tpr();
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT | PIN_POSTED_INTERRUPTS);
    set_controls(PROC2, PROC2_VIRTUAL_INTERRUPTS);
    set_controls(VMEXIT, VMEXIT_ACK_INTERRUPT);
    vmwrite(VMCS_POSTED_DESCRIPTOR, (uint64_t)page_new());
    vmwrite(VMCS_POSTED_VECTOR, INT_FIRST);
}

TEST(entry_controls, posted_works, EXECUTION, "posted interrupts with all that they need are entered")
{
    post_interrupts();
    run_to_done(do_nothing);
}

TEST(entry_controls, posted_needs_delivery, EXECUTION,
     "\"process posted interrupts\" only with \"virtual-interrupt delivery\"")
{
    post_interrupts();
    clear_controls(PROC2, PROC2_VIRTUAL_INTERRUPTS);
    is_refused();
}

TEST(entry_controls, posted_needs_ack, EXECUTION,
     "\"process posted interrupts\" only with \"acknowledge interrupt on exit\"")
{
    post_interrupts();
    clear_controls(VMEXIT, VMEXIT_ACK_INTERRUPT);
    is_refused();
}

TEST(entry_controls, posted_vector, EXECUTION, "the notification vector is at most 255")
{
    post_interrupts();
    refuses(VMCS_POSTED_VECTOR, 0x100);
}

TEST(entry_controls, posted_descriptor, EXECUTION, "the posted-interrupt descriptor is 64-byte aligned")
{
    post_interrupts();
    refuses(VMCS_POSTED_DESCRIPTOR, (uint64_t)page_new() + 32);
}

/* ---- EPT ---- */

static void refuses_eptp(uint64_t clear, uint64_t set)
{
    uint64_t eptp = ept_on();

    refuses(VMCS_EPTP, (eptp & ~clear) | set);
}

TEST(entry_controls, eptp_memory_type, EXECUTION,
     "the EPTP's memory type is one that the capability MSR has: not 3")
{
    refuses_eptp(EPTP_MEMORY_TYPE, 3);
}

TEST(entry_controls, eptp_walk_length, EXECUTION, "the EPTP's page-walk length less 1 is 3")
{
    refuses_eptp(EPTP_WALK_MASK, 2 << 3);
}

TEST(entry_controls, eptp_reserved, EXECUTION, "bits 11:8 of the EPTP are 0")
{
    refuses_eptp(0, 1 << 8);
}

TEST(entry_controls, eptp_width, EXECUTION, "no bit of the EPTP beyond the physical-address width")
{
    refuses_eptp(0, physical_end());
}

TEST(entry_controls, eptp_ad, EXECUTION,
     "bit 6 of the EPTP, A and D flags, is 0 unless the capability MSR has them")
{
    uint64_t eptp = ept_on();

    if (!(ept_vpid_cap() & EPT_CAP_AD)) {
        refuses(VMCS_EPTP, eptp | EPTP_AD);
        return;
    }
    vmwrite(VMCS_EPTP, eptp | EPTP_AD);
    run_to_done(do_nothing);
}

TEST(entry_controls, vm_functions_reserved, EXECUTION,
     "VM-function controls are as IA32_VMX_VMFUNC says: not bit 63")
{
    set_controls(PROC2, PROC2_VMFUNC);
    refuses(VMCS_VM_FUNCTIONS, UINT64_C(1) << 63);
}

TEST(entry_controls, eptp_switching_needs_ept, EXECUTION, "\"EPTP switching\" only with \"enable EPT\"")
{
    set_controls(PROC2, PROC2_VMFUNC);
    vmwrite(VMCS_EPTP_LIST_ADDRESS, (uint64_t)page_new());
    refuses(VMCS_VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING);
}

TEST(entry_controls, eptp_list_aligned, EXECUTION, "EPTP_LIST_ADDRESS: low bits are 0")
{
    ept_on();
    set_controls(PROC2, PROC2_VMFUNC);
    vmwrite(VMCS_VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING);
    refuses(VMCS_EPTP_LIST_ADDRESS, (uint64_t)page_new() + 8);
}

TEST(entry_controls, tsc_multiplier, EXECUTION, "with \"use TSC scaling\" the multiplier is not 0")
{
    set_controls(PROC2, PROC2_TSC_SCALING);
    refuses(VMCS_TSC_MULTIPLIER, 0);
}

/* ---- VM-exit and VM-entry controls ---- */

TEST(entry_controls, timer_saved, EXIT, "the preemption timer is saved only if it is activated")
{
    set_controls(VMEXIT, VMEXIT_SAVE_PREEMPTION_TIMER);
    clear_controls(PIN, PIN_PREEMPTION_TIMER);
    is_refused();
}

static void refuses_list(uint32_t address, uint32_t count, uint64_t value)
{
    vmwrite(count, 1);
    refuses(address, value);
}

#define LIST(NAME, SECTION, ADDRESS_FIELD, COUNT_FIELD) \
    TEST(entry_controls, NAME##_aligned, SECTION, #ADDRESS_FIELD ": bits 3:0 are 0 if the count is not") \
    { \
        refuses_list(VMCS_##ADDRESS_FIELD, VMCS_##COUNT_FIELD, (uint64_t)page_new() + 8); \
    } \
    TEST(entry_controls, NAME##_width, SECTION, #ADDRESS_FIELD ": no bit beyond the physical-address width") \
    { \
        refuses_list(VMCS_##ADDRESS_FIELD, VMCS_##COUNT_FIELD, physical_end()); \
    }
LIST(exit_store, EXIT, EXIT_MSR_STORE_ADDRESS, EXIT_MSR_STORE_COUNT)
LIST(exit_load, EXIT, EXIT_MSR_LOAD_ADDRESS, EXIT_MSR_LOAD_COUNT)
LIST(entry_load, ENTRY, ENTRY_MSR_LOAD_ADDRESS, ENTRY_MSR_LOAD_COUNT)

TEST(entry_controls, list_unused, EXIT, "the address of a list is not looked at if its count is 0")
{
    vmwrite(VMCS_EXIT_MSR_STORE_ADDRESS, 1);
    vmwrite(VMCS_ENTRY_MSR_LOAD_ADDRESS, 1);
    run_to_done(do_nothing);
}

/* ---- event injection ---- */

static void refuses_event(uint32_t info)
{
    vmwrite(VMCS_ENTRY_INSN_LENGTH, 1);
    refuses(VMCS_ENTRY_INTR_INFO, info);
}

TEST(entry_controls, event_type, ENTRY, "an event's type is not 1")
{
    refuses_event(INTR_INFO(INT_FIRST, 1));
}

TEST(entry_controls, event_nmi_vector, ENTRY, "the vector of an NMI is 2")
{
    refuses_event(INTR_INFO(VEC_NMI + 1, EVENT_NMI));
}

TEST(entry_controls, event_exception_vector, ENTRY, "the vector of a hardware exception is at most 31")
{
    refuses_event(INTR_INFO(32, EVENT_HARD_EXCEPTION));
}

TEST(entry_controls, event_other_vector, ENTRY, "the vector of an \"other event\" is 0")
{
    refuses_event(INTR_INFO(1, EVENT_OTHER));
}

static void need_fixed_error_codes(void)
{
    if (rdmsr(MSR_VMX_BASIC) & VMX_BASIC_ANY_ERROR_CODE)
        SKIP("this processor takes hardware exceptions with and without error codes");
}

TEST(entry_controls, event_error_missing, ENTRY, "#GP has an error code")
{
    need_fixed_error_codes();
    refuses_event(INTR_INFO(VEC_GP, EVENT_HARD_EXCEPTION));
}

TEST(entry_controls, event_error_too_many, ENTRY, "#UD has no error code")
{
    need_fixed_error_codes();
    refuses_event(INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
}

TEST(entry_controls, event_error_of_interrupt, ENTRY, "an external interrupt has no error code")
{
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_IF);
    refuses_event(INTR_INFO(INT_FIRST, EVENT_EXTERNAL) | INTR_HAS_ERROR);
}

TEST(entry_controls, event_reserved, ENTRY, "bits 30:12 of an event are 0")
{
    refuses_event(INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION) | INTR_NMI_UNBLOCKING);
}

TEST(entry_controls, event_error_high, ENTRY, "bits 31:16 of an error code are 0")
{
    vmwrite(VMCS_ENTRY_ERROR_CODE, 0x10000);
    refuses_event(INTR_INFO(VEC_GP, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
}

TEST(entry_controls, event_length_long, ENTRY, "the length of a software interrupt is at most 15")
{
    vmwrite(VMCS_ENTRY_INSN_LENGTH, 16);
    refuses(VMCS_ENTRY_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_SOFT_INT));
}

TEST(entry_controls, event_length_zero, ENTRY,
     "the length of a software interrupt is 0 only if IA32_VMX_MISC bit 30 says so")
{
    if (rdmsr(MSR_VMX_MISC) & VMX_MISC_LENGTH_0)
        SKIP("this processor takes a length of 0");
    refuses(VMCS_ENTRY_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_SOFT_INT));
}

TEST(entry_controls, event_invalid_unchecked, ENTRY, "an event that is not valid is not looked at")
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(INT_FIRST, 1) & ~INTR_VALID);
    run_to_done(do_nothing);
}
