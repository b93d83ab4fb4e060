/* events.c - exceptions that exit, events that VM entry injects, and events whose delivery exits (SDM vol. 3,
 * 25.2, 26.6, 27.2.2 to 27.2.4). */
#include "vtx/lib/vtx.h"

#define EXCEPTIONS "25.2 Other Causes of VM Exits"
#define INJECTION  "26.6.1 Vectored-Event Injection"
#define DETAILS    "26.6.1.1 Details of Vectored-Event Injection"
#define INFO       "27.2.2 Information for VM Exits Due to Vectored Events"
#define VECTORING  "27.2.4 Information for VM Exits During Event Delivery"
#define HOLE       TRIAL_GVA

#define TYPE_OF(info) (((info)&INTR_TYPE) >> INTR_TYPE_SHIFT)
#define INT3_BYTES    1
#define INT_N_BYTES   2

static void do_nothing(void)
{
}

static void ud2(void)
{
    __asm__ volatile("ud2");
}

static void divide(void)
{
    __asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" : : : "rax", "rcx", "rdx", "cc");
}

static void int3(void)
{
    __asm__ volatile("int3");
}

static void int1(void)
{
    __asm__ volatile(".byte 0xf1");
}

static void int_first(void)
{
    __asm__ volatile("int %0" : : "i"(INT_FIRST));
}

static void load_hole(void)
{
    (void)*(volatile uint8_t *)(HOLE + 0x123);
}

static void store_hole(void)
{
    *(volatile uint8_t *)(HOLE + 0x456) = 1;
}

static void load_bad_ds(void)
{
    __asm__ volatile("mov %0, %%ds" : : "r"(0x1230));
}

/* ---- exceptions that exit ---- */

TEST(exception, ud, EXCEPTIONS, "an exception whose bit of the exception bitmap is 1 exits")
{
    guest_at(ud2);
    expect_exception(VEC_UD);
    check_eq("the type", TYPE_OF(vmread(VMCS_EXIT_INTR_INFO)), EVENT_HARD_EXCEPTION);
    check_eq("the error-code bit", vmread(VMCS_EXIT_INTR_INFO) & INTR_HAS_ERROR, 0);
}

TEST(exception, clear_bit, EXCEPTIONS, "an exception whose bit of the exception bitmap is 0 is the guest's")
{
    vmwrite(VMCS_EXCEPTION_BITMAP, ~(UINT32_C(1) << VEC_UD));
    guest_at(ud2);
    expect_event(VEC_UD);
}

TEST(exception, divide, EXCEPTIONS, "#DE exits by bit 0")
{
    vmwrite(VMCS_EXCEPTION_BITMAP, 1 << VEC_DE);
    guest_at(divide);
    expect_exception(VEC_DE);
}

TEST(exception, error_code, INFO, "an exception with an error code gives it")
{
    guest_at(load_bad_ds);
    expect_exception(VEC_GP);
    check_eq("the error-code bit", vmread(VMCS_EXIT_INTR_INFO) & INTR_HAS_ERROR, INTR_HAS_ERROR);
    check_field(VMCS_EXIT_INTR_ERROR, 0x1230);
}

TEST(exception, page_fault_qualification, "27.2.1 Basic VM-Exit Information",
     "of #PF the qualification is the linear address, and CR2 is not written")
{
    guest_tables();
    guest_at(load_hole);
    __asm__ volatile("movq %0, %%cr2" : : "r"(UINT64_C(0x777)));
    expect_exception(VEC_PF);
    check_field(VMCS_EXIT_QUALIFICATION, HOLE + 0x123);
    check_field(VMCS_EXIT_INTR_ERROR, 0);
    check_eq("CR2", read_cr2(), 0x777);
}

static void filter(bool bit, uint64_t mask, uint64_t match)
{
    guest_tables();
    vmwrite(VMCS_EXCEPTION_BITMAP, bit ? 1 << VEC_PF : 0);
    vmwrite(VMCS_PF_ERROR_MASK, mask);
    vmwrite(VMCS_PF_ERROR_MATCH, match);
}

TEST(exception, page_fault_match, EXCEPTIONS, "#PF whose masked error code matches exits if bit 14 is 1")
{
    filter(true, PF_W, PF_W);
    guest_at(store_hole);
    expect_exception(VEC_PF);
}

TEST(exception, page_fault_no_match, EXCEPTIONS,
     "#PF whose masked error code does not match is the guest's if bit 14 is 1")
{
    filter(true, PF_W, PF_W);
    guest_at(load_hole);
    expect_event(VEC_PF);
    check_eq("CR2", event.cr2, HOLE + 0x123);
}

TEST(exception, page_fault_inverse, EXCEPTIONS,
     "#PF whose masked error code does not match exits if bit 14 is 0")
{
    filter(false, PF_W, PF_W);
    guest_at(load_hole);
    expect_exception(VEC_PF);
}

TEST(exception, page_fault_inverse_match, EXCEPTIONS,
     "#PF whose masked error code matches is the guest's if bit 14 is 0")
{
    filter(false, PF_W, PF_W);
    guest_at(store_hole);
    expect_event(VEC_PF);
}

TEST(exception, int3, INFO, "INT3 exits as a software exception, with its length")
{
    guest_at(int3);
    expect_exception(VEC_BP);
    check_eq("the type", TYPE_OF(vmread(VMCS_EXIT_INTR_INFO)), EVENT_SOFT_EXCEPTION);
    check_field(VMCS_EXIT_INSN_LENGTH, INT3_BYTES);
}

TEST(exception, int1, INFO, "INT1 exits as a privileged software exception, with its length")
{
    guest_at(int1);
    expect_exception(VEC_DB);
    check_eq("the type", TYPE_OF(vmread(VMCS_EXIT_INTR_INFO)), EVENT_PRIV_EXCEPTION);
    check_field(VMCS_EXIT_INSN_LENGTH, 1);
}

TEST(exception, int_n, EXCEPTIONS, "INT n does not exit by the exception bitmap")
{
    guest_at(int_first);
    expect_event(INT_FIRST);
}

static void single_step(void)
{
    __asm__ volatile("pushfq\n\torl %0, (%%rsp)\n\tpopfq\n\tnop\n\tnop" : : "i"(FLAG_TF) : "memory", "cc");
}

TEST(exception, db_qualification, "27.2.1 Basic VM-Exit Information, table 27-1",
     "of #DB the qualification has the form of DR6: BS, and DR6 is not written")
{
    guest_at(single_step);
    expect_exception(VEC_DB);
    check_field(VMCS_EXIT_QUALIFICATION, DR6_BS);
    check_eq("DR6", read_dr6(), DR6_FIXED);
}

static void break_idt(void)
{
    vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
    vmwrite(VMCS_EXCEPTION_BITMAP, 0);
}

TEST(exception, triple_fault, EXCEPTIONS, "a triple fault exits with reason 2")
{
    break_idt();
    run_to_exit(ud2, EXIT_TRIPLE_FAULT);
}

TEST(exception, triple_fault_vectoring, VECTORING,
     "the exit of a triple fault has no IDT-vectoring information")
{
    break_idt();
    run_to_exit(ud2, EXIT_TRIPLE_FAULT);
    check_eq("its valid bit", vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
}

/* ---- exits during delivery ---- */

TEST(vectoring, double_fault, VECTORING,
     "#DF that exits is not in the IDT-vectoring information as what led to it")
{
    break_idt();
    vmwrite(VMCS_EXCEPTION_BITMAP, 1 << VEC_DF);
    guest_at(divide);
    expect_exception(VEC_DF);
    check_eq("the error-code bit", vmread(VMCS_EXIT_INTR_INFO) & INTR_HAS_ERROR, INTR_HAS_ERROR);
    check_eq("the valid bit of IDT vectoring", vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
}

TEST(vectoring, exception, VECTORING,
     "an exception that exits while another is delivered: that one is recorded")
{
    break_idt();
    vmwrite(VMCS_EXCEPTION_BITMAP, 1 << VEC_GP);
    guest_at(ud2);
    expect_exception(VEC_GP);
    check_field(VMCS_IDT_VECTORING_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
}

TEST(vectoring, software_interrupt, VECTORING,
     "of INT n the vector, the type and the instruction's length are recorded")
{
    vmwrite(VMCS_GUEST_IDTR_LIMIT, INT_FIRST * 16 - 1);
    guest_at(int_first);
    expect_exception(VEC_GP);
    check_field(VMCS_IDT_VECTORING_INFO, INTR_INFO(INT_FIRST, EVENT_SOFT_INT));
    check_field(VMCS_EXIT_INSN_LENGTH, INT_N_BYTES);
}

TEST(vectoring, int3_itself, VECTORING,
     "INT3 that exits by the exception bitmap has no IDT-vectoring information")
{
    guest_at(int3);
    expect_exception(VEC_BP);
    check_eq("its valid bit", vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
}

static void inject(uint64_t vector, enum event_type type)
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(vector, type));
}

TEST(vectoring, injected, VECTORING, "an injected event whose delivery exits is recorded as it was injected")
{
    vmwrite(VMCS_GUEST_IDTR_LIMIT, INT_FIRST * 16 - 1);
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_IF);
    inject(INT_FIRST, EVENT_EXTERNAL);
    guest_at(do_nothing);
    expect_exception(VEC_GP);
    check_field(VMCS_IDT_VECTORING_INFO, INTR_INFO(INT_FIRST, EVENT_EXTERNAL));
    check_field(VMCS_EXIT_INTR_ERROR, INT_FIRST << 3 | ERROR_IDT | ERROR_EXT);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}

TEST(vectoring, injected_error_code, VECTORING, "an injected exception's error code is recorded")
{
    vmwrite(VMCS_GUEST_IDTR_LIMIT, VEC_NP * 16 - 1);
    vmwrite(VMCS_EXCEPTION_BITMAP, 1 << VEC_DF | 1 << VEC_GP);
    vmwrite(VMCS_ENTRY_ERROR_CODE, 0x44);
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_AC, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    guest_at(do_nothing);
    expect_exception(VEC_GP);
    check_field(VMCS_IDT_VECTORING_INFO, INTR_INFO(VEC_AC, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    check_field(VMCS_IDT_VECTORING_ERROR, 0x44);
}

TEST(vectoring, ept_violation, VECTORING, "an EPT violation while an event is delivered records the event")
{
    ept_on();
    guest_tables();
    guest_map(HOLE, TRIAL_GPA, PTE_P | PTE_W);
    vmwrite(VMCS_EXCEPTION_BITMAP, 0);
    guest_at(ud2);
    vmwrite(VMCS_GUEST_IDTR_BASE, HOLE);
    expect_exit(EXIT_EPT_VIOLATION);
    check_field(VMCS_IDT_VECTORING_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    check_field(VMCS_GUEST_LINEAR_ADDRESS, HOLE + 16 * VEC_UD);
}

/* ---- injection ---- */

TEST(injection, external, INJECTION,
     "an external interrupt is delivered by the guest's IDT, and IF is cleared by the gate")
{
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_IF);
    inject(INT_SECOND, EVENT_EXTERNAL);
    guest_at(do_nothing);
    expect_event(INT_SECOND);
    check_eq("the RIP that was pushed", event.rip, (uint64_t)do_nothing);
    check_eq("the RFLAGS that were pushed", event.rflags, FLAG_FIXED | FLAG_IF);
    check_eq("IF in the handler", vmread(VMCS_GUEST_RFLAGS) & FLAG_IF, 0);
    expect_done();
}

TEST(injection, not_by_bitmap, INJECTION, "an injected exception does not exit by the exception bitmap")
{
    inject(VEC_UD, EVENT_HARD_EXCEPTION);
    guest_at(do_nothing);
    expect_event(VEC_UD);
}

TEST(injection, error_code, DETAILS, "the error code is pushed")
{
    vmwrite(VMCS_ENTRY_ERROR_CODE, 0x1230);
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_GP, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    guest_at(do_nothing);
    expect_event(VEC_GP);
    check_eq("the error code", event.error, 0x1230);
}

TEST(injection, page_fault_cr2, DETAILS, "#PF that is injected leaves CR2")
{
    __asm__ volatile("movq %0, %%cr2" : : "r"(UINT64_C(0x555)));
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_PF, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    guest_at(do_nothing);
    expect_event(VEC_PF);
    check_eq("CR2", event.cr2, 0x555);
}

TEST(injection, debug_dr6, DETAILS, "#DB that is injected leaves DR6")
{
    inject(VEC_DB, EVENT_HARD_EXCEPTION);
    guest_at(do_nothing);
    expect_event(VEC_DB);
    check_eq("DR6", event.dr6, DR6_FIXED);
}

TEST(injection, software_length, DETAILS,
     "the RIP that a software interrupt pushes is that of the guest plus the length")
{
    vmwrite(VMCS_ENTRY_INSN_LENGTH, 3);
    inject(INT_FIRST, EVENT_SOFT_INT);
    guest_at(do_nothing);
    expect_event(INT_FIRST);
    check_eq("the RIP that was pushed", event.rip, (uint64_t)do_nothing + 3);
}

TEST(injection, software_exception, DETAILS,
     "the RIP that a software exception pushes is that of the guest plus the length")
{
    vmwrite(VMCS_ENTRY_INSN_LENGTH, INT3_BYTES);
    inject(VEC_BP, EVENT_SOFT_EXCEPTION);
    guest_at(do_nothing);
    expect_event(VEC_BP);
    check_eq("the RIP that was pushed", event.rip, (uint64_t)do_nothing + INT3_BYTES);
}

TEST(injection, software_dpl, DETAILS, "of a software interrupt the gate's DPL is checked: #GP in ring 3")
{
    vmwrite(VMCS_ENTRY_INSN_LENGTH, INT_N_BYTES);
    inject(INT_FIRST, EVENT_SOFT_INT);
    guest_at_ring3(do_nothing);
    expect_exception(VEC_GP);
    check_field(VMCS_EXIT_INTR_ERROR, INT_FIRST << 3 | ERROR_IDT);
}

TEST(injection, hardware_dpl, DETAILS,
     "of an external interrupt the gate's DPL is not checked, and ring 3 is left by RSP0")
{
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_IF);
    inject(INT_FIRST, EVENT_EXTERNAL);
    guest_at_ring3(do_nothing);
    expect_event(INT_FIRST);
    check_eq("the CS that was pushed", event.frame->cs, SEL_USER_CODE);
}

TEST(injection, nmi_blocks, DETAILS, "an NMI that is injected blocks NMIs until IRET")
{
    inject(VEC_NMI, EVENT_NMI);
    guest_at(do_nothing);
    expect_event(VEC_NMI);
    check_eq("blocking by NMI", vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI, BLOCKING_NMI);
    expect_done();
    check_eq("blocking by NMI after IRET", vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI, 0);
}

TEST(injection, wakes_hlt, "26.7.2 Activity State",
     "an event that is injected into HLT makes the guest active")
{
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_IF);
    inject(INT_FIRST, EVENT_EXTERNAL);
    guest_at(do_nothing);
    expect_event(INT_FIRST);
    check_field(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_ACTIVE);
}

TEST(injection, once, INJECTION, "an event is injected by one entry alone")
{
    inject(VEC_UD, EVENT_HARD_EXCEPTION);
    guest_at(do_nothing);
    expect_event(VEC_UD);
    run_to_done(do_nothing);
    check_eq("the count of events", event.count, 1);
}

TEST(injection, pending_debug, "26.7.3 Delivery of Pending Debug Exceptions after VM Entry",
     "a pending debug exception is delivered before the first instruction")
{
    vmwrite(VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
    guest_at(do_nothing);
    expect_exception(VEC_DB);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
    check_field(VMCS_EXIT_QUALIFICATION, DR6_BS);
}
