/* apic.c - the virtual local APIC (SDM vol. 3, 29 "APIC Virtualization and Virtual Interrupts"). */
#include "vtx/lib/vtx.h"

#define ACCESSES   "29.4.1 Priority of APIC-Access VM Exits"
#define QUAL       "27.2.1 Basic VM-Exit Information, table 27-6"
#define READS      "29.4.2 Virtualizing Reads from the APIC-Access Page"
#define WRITES     "29.4.3.1 Determining Whether a Write Access is Virtualized"
#define EMULATION  "29.4.3.2 APIC-Write Emulation"
#define X2APIC     "29.5 Virtualizing MSR-Based APIC Accesses"
#define EVALUATION "29.2.1 Evaluation of Pending Virtual Interrupts"
#define DELIVERY   "29.2.2 Virtual-Interrupt Delivery"
#define EOI        "29.1.4 EOI Virtualization"
#define POSTED     "29.6 Posted-Interrupt Processing"
#define IF_ON      (FLAG_FIXED | FLAG_IF)

#define OF_CLASS(vector) ((vector)&0xf0)

/* The guest finds its APIC page where the linear map has it: physical and linear addresses are the same. */
static volatile uint32_t *access_page, *virtual_page;

static void do_nothing(void)
{
}

static volatile uint32_t *reg(uint32_t offset)
{
    return access_page + offset / 4;
}

static volatile uint32_t *virtual_reg(uint32_t offset)
{
    return virtual_page + offset / 4;
}

static void shadow_tpr(void)
{
    virtual_page = page_new();
    set_controls(PROC, PROC_TPR_SHADOW);
    vmwrite(VMCS_VIRTUAL_APIC_ADDRESS, (uint64_t)virtual_page);
}

/* A page of the identity map, for the guest as for the host, whose accesses are real. */
static void virtualise_accesses(void)
{
    access_page = page_new();
    set_controls(PROC2, PROC2_APIC_ACCESSES);
    vmwrite(VMCS_APIC_ACCESS_ADDRESS, (uint64_t)access_page);
}

static void virtualise_registers(void)
{
    shadow_tpr();
    virtualise_accesses();
    set_controls(PROC2, PROC2_APIC_REGISTERS);
}

static void load_tpr(void)
{
    seen[0] = *reg(APIC_TPR);
}

static void store_tpr(void)
{
    *reg(APIC_TPR) = 0x45;
}

static void load_version(void)
{
    seen[0] = *reg(APIC_VERSION);
}

static void store_version(void)
{
    *reg(APIC_VERSION) = 1;
}

static void store_svr(void)
{
    *reg(APIC_SVR) = 0x1ff;
}

static void store_icr_high(void)
{
    *reg(APIC_ICR_HIGH) = 0x12345678;
}

static void load_current_count(void)
{
    seen[0] = *reg(APIC_TIMER_CURRENT);
}

static void load_wide(void)
{
    seen[0] = *(volatile uint64_t *)reg(APIC_TPR);
}

static void store_eoi(void)
{
    *reg(APIC_EOI) = 0;
}

static void fetch_page(void)
{
    ((void (*)(void))(uintptr_t)access_page)();
}

/* ---- APIC-access exits ---- */

static void check_access(uint32_t offset, enum qual_apic_kind kind)
{
    check_field(VMCS_EXIT_QUALIFICATION, offset | (uint64_t)kind << QUAL_APIC_KIND_SHIFT);
}

TEST(apic_access, read, QUAL, "a load from the APIC-access page exits: offset and kind")
{
    virtualise_accesses();
    run_to_exit(load_tpr, EXIT_APIC_ACCESS);
    check_access(APIC_TPR, QUAL_APIC_READ);
}

TEST(apic_access, write, QUAL, "a store to the APIC-access page exits: offset and kind")
{
    virtualise_accesses();
    run_to_exit(store_tpr, EXIT_APIC_ACCESS);
    check_access(APIC_TPR, QUAL_APIC_WRITE);
}

TEST(apic_access, fetch, QUAL, "a fetch from the APIC-access page exits, whatever is virtualised: kind 2")
{
    virtualise_registers();
    run_to_exit(fetch_page, EXIT_APIC_ACCESS);
    check_eq("the kind", QUAL_APIC_KIND(vmread(VMCS_EXIT_QUALIFICATION)), QUAL_APIC_FETCH);
}

TEST(apic_access, event, QUAL, "an access to the APIC-access page by an event's delivery exits: kind 3")
{
    virtualise_accesses();
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    guest_at(do_nothing);
    vmwrite(VMCS_GUEST_RSP, (uint64_t)access_page + 0x800);
    expect_exit(EXIT_APIC_ACCESS);
    check_eq("the kind", QUAL_APIC_KIND(vmread(VMCS_EXIT_QUALIFICATION)), QUAL_APIC_EVENT);
    check_field(VMCS_IDT_VECTORING_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
}

TEST(apic_access, off, ACCESSES, "without \"virtualize APIC accesses\" the page is plain memory")
{
    access_page = page_new();
    vmwrite(VMCS_APIC_ACCESS_ADDRESS, (uint64_t)access_page);
    *reg(APIC_TPR) = 0x99;
    run_to_done(load_tpr);
    check_eq("what the guest loads", seen[0], 0x99);
}

TEST(apic_access, tpr_read, READS, "with the TPR shadow a load of the TPR is of VTPR")
{
    shadow_tpr();
    virtualise_accesses();
    *virtual_reg(APIC_TPR) = 0x37;
    run_to_done(load_tpr);
    check_eq("what the guest loads", seen[0], 0x37);
}

TEST(apic_access, tpr_write, EMULATION,
     "with the TPR shadow a store to the TPR is to VTPR, and not to the page")
{
    shadow_tpr();
    virtualise_accesses();
    run_to_done(store_tpr);
    check_eq("VTPR", *virtual_reg(APIC_TPR), 0x45);
    check_eq("the APIC-access page", *reg(APIC_TPR), 0);
}

TEST(apic_access, tpr_write_threshold, "29.1.2 TPR Virtualization",
     "a store that takes VTPR below the threshold makes exit 43, behind it")
{
    shadow_tpr();
    virtualise_accesses();
    *virtual_reg(APIC_TPR) = 0x70;
    vmwrite(VMCS_TPR_THRESHOLD, 5);
    run_to_exit(store_tpr, EXIT_TPR_BELOW_THRESHOLD);
    check_eq("VTPR", *virtual_reg(APIC_TPR), 0x45);
}

TEST(apic_access, threshold_at_entry, "26.7.7 VM Exits Induced by the TPR Threshold",
     "an entry with VTPR below the threshold exits at once")
{
    shadow_tpr();
    virtualise_accesses();
    vmwrite(VMCS_TPR_THRESHOLD, 5);
    run_to_exit(do_nothing, EXIT_TPR_BELOW_THRESHOLD);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
}

TEST(apic_access, other_register, READS,
     "without \"APIC-register virtualization\" a load of another register exits")
{
    shadow_tpr();
    virtualise_accesses();
    run_to_exit(load_version, EXIT_APIC_ACCESS);
    check_access(APIC_VERSION, QUAL_APIC_READ);
}

TEST(apic_access, register_read, READS,
     "with \"APIC-register virtualization\" a load is of the virtual-APIC page")
{
    virtualise_registers();
    *virtual_reg(APIC_VERSION) = 0x60015;
    run_to_done(load_version);
    check_eq("what the guest loads", seen[0], 0x60015);
}

TEST(apic_access, unknown_register, READS,
     "a register that is not on the list exits: the timer's current count")
{
    virtualise_registers();
    run_to_exit(load_current_count, EXIT_APIC_ACCESS);
    check_access(APIC_TIMER_CURRENT, QUAL_APIC_READ);
}

TEST(apic_access, wide_read, READS, "a load of 8 bytes exits")
{
    virtualise_registers();
    run_to_exit(load_wide, EXIT_APIC_ACCESS);
}

TEST(apic_access, read_only_register, WRITES, "a store to a register that is only read exits: the version")
{
    virtualise_registers();
    run_to_exit(store_version, EXIT_APIC_ACCESS);
    check_access(APIC_VERSION, QUAL_APIC_WRITE);
}

TEST(apic_access, register_write, EMULATION,
     "a virtualised store goes to the virtual-APIC page and makes the exit \"APIC write\", behind it")
{
    virtualise_registers();
    run_to_exit(store_svr, EXIT_APIC_WRITE);
    check_field(VMCS_EXIT_QUALIFICATION, APIC_SVR);
    check_eq("the virtual SVR", *virtual_reg(APIC_SVR), 0x1ff);
    expect_done();
}

TEST(apic_access, icr_high_write, EMULATION, "a store to ICR_HI clears its low 24 bits and makes no exit")
{
    virtualise_registers();
    run_to_done(store_icr_high);
    check_eq("the virtual ICR_HI", *virtual_reg(APIC_ICR_HIGH), 0x12000000);
}

/* ---- x2APIC mode ---- */

static void read_x2apic_tpr(void)
{
    seen[0] = rdmsr(X2APIC_MSR(APIC_TPR));
}

static void write_x2apic_tpr(void)
{
    wrmsr(X2APIC_MSR(APIC_TPR), 0x45);
}

static void read_x2apic_version(void)
{
    seen[0] = rdmsr(X2APIC_MSR(APIC_VERSION));
}

static void write_x2apic_high(void)
{
    wrmsr(X2APIC_MSR(APIC_TPR), 0x100);
}

static void virtualise_x2apic(void)
{
    shadow_tpr();
    set_controls(PROC2, PROC2_X2APIC_MODE);
    set_controls(PROC, PROC_MSR_BITMAPS);
    vmwrite(VMCS_MSR_BITMAP, (uint64_t)page_new());
}

TEST(x2apic_mode, tpr_read, X2APIC, "RDMSR of the TPR is of VTPR")
{
    virtualise_x2apic();
    *virtual_reg(APIC_TPR) = 0x37;
    run_to_done(read_x2apic_tpr);
    check_eq("what the guest reads", seen[0], 0x37);
}

TEST(x2apic_mode, tpr_write, X2APIC, "WRMSR of the TPR is to VTPR")
{
    virtualise_x2apic();
    run_to_done(write_x2apic_tpr);
    check_eq("VTPR", *virtual_reg(APIC_TPR), 0x45);
}

TEST(x2apic_mode, tpr_threshold, X2APIC, "WRMSR that takes VTPR below the threshold makes exit 43, behind it")
{
    virtualise_x2apic();
    *virtual_reg(APIC_TPR) = 0x70;
    vmwrite(VMCS_TPR_THRESHOLD, 5);
    run_to_exit(write_x2apic_tpr, EXIT_TPR_BELOW_THRESHOLD);
}

TEST(x2apic_mode, reserved, X2APIC, "WRMSR of the TPR with reserved bits is #GP")
{
    virtualise_x2apic();
    guest_at(write_x2apic_high);
    expect_exception(VEC_GP);
}

TEST(x2apic_mode, register_read, X2APIC,
     "with \"APIC-register virtualization\" RDMSR is of the virtual-APIC page, whatever the register")
{
    virtualise_x2apic();
    set_controls(PROC2, PROC2_APIC_REGISTERS);
    *virtual_reg(APIC_VERSION) = 0x60015;
    run_to_done(read_x2apic_version);
    check_eq("what the guest reads", seen[0], 0x60015);
}

TEST(x2apic_mode, bitmap_first, X2APIC, "the MSR bitmap decides first: RDMSR exits")
{
    virtualise_x2apic();
    clear_controls(PROC, PROC_MSR_BITMAPS);
    run_to_exit(read_x2apic_tpr, EXIT_RDMSR);
}

/* ---- virtual interrupts ---- */

static void with_delivery(void)
{
    virtualise_registers();
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    set_controls(PROC2, PROC2_VIRTUAL_INTERRUPTS);
}

static void request(uint32_t vector)
{
    vmwrite(VMCS_GUEST_INTERRUPT_STATUS, vector);
    *virtual_reg(APIC_IRR + (vector >> 5 << 4)) = 1u << (vector & 31);
}

static uint32_t bit_of(uint32_t base, uint32_t vector)
{
    return *virtual_reg(base + (vector >> 5 << 4)) >> (vector & 31) & 1;
}

TEST(virtual_interrupt, delivered, DELIVERY,
     "RVI above the priority is delivered at entry by the guest's IDT: VISR, VIRR, SVI and VPPR follow")
{
    with_delivery();
    request(INT_FIRST);
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    guest_at(do_nothing);
    expect_event(INT_FIRST);
    check_eq("its bit of VISR", bit_of(APIC_ISR, INT_FIRST), 1);
    check_eq("its bit of VIRR", bit_of(APIC_IRR, INT_FIRST), 0);
    check_field(VMCS_GUEST_INTERRUPT_STATUS, INT_FIRST << 8);
    check_eq("VPPR", *virtual_reg(APIC_PPR), OF_CLASS(INT_FIRST));
}

TEST(virtual_interrupt, masked, DELIVERY, "it waits while RFLAGS.IF is clear")
{
    with_delivery();
    request(INT_FIRST);
    run_to_done(do_nothing);
    check_field(VMCS_GUEST_INTERRUPT_STATUS, INT_FIRST);
}

TEST(virtual_interrupt, priority, EVALUATION, "it waits while its class is not above that of VTPR")
{
    with_delivery();
    request(INT_FIRST);
    *virtual_reg(APIC_TPR) = OF_CLASS(INT_FIRST);
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    run_to_done(do_nothing);
}

static void lower_tpr(void)
{
    *reg(APIC_TPR) = 0;
    __asm__ volatile("nop");
}

TEST(virtual_interrupt, tpr_lowered, "29.1.2 TPR Virtualization",
     "it is delivered when the guest lowers VTPR")
{
    with_delivery();
    request(INT_FIRST);
    *virtual_reg(APIC_TPR) = OF_CLASS(INT_FIRST);
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    guest_at(lower_tpr);
    expect_event(INT_FIRST);
}

TEST(virtual_interrupt, window, EVALUATION,
     "with \"interrupt-window exiting\" none is recognised: the window exits")
{
    with_delivery();
    request(INT_FIRST);
    set_controls(PROC, PROC_INTERRUPT_WINDOW);
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    run_to_exit(do_nothing, EXIT_INTERRUPT_WINDOW);
}

TEST(virtual_interrupt, wakes_hlt, DELIVERY, "it ends HLT")
{
    with_delivery();
    request(INT_FIRST);
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    guest_at(do_nothing);
    expect_event(INT_FIRST);
}

static void in_service(uint32_t vector)
{
    vmwrite(VMCS_GUEST_INTERRUPT_STATUS, vector << 8);
    *virtual_reg(APIC_ISR + (vector >> 5 << 4)) = 1u << (vector & 31);
}

TEST(virtual_interrupt, eoi, EOI, "a store to EOI ends the interrupt in service without an exit")
{
    with_delivery();
    in_service(INT_FIRST);
    run_to_done(store_eoi);
    check_eq("its bit of VISR", bit_of(APIC_ISR, INT_FIRST), 0);
    check_field(VMCS_GUEST_INTERRUPT_STATUS, 0);
}

TEST(virtual_interrupt, eoi_exits, EOI,
     "EOI of a vector whose bit of the EOI-exit bitmap is 1 exits, behind it, with the vector")
{
    with_delivery();
    in_service(INT_FIRST);
    vmwrite(VMCS_EOI_EXIT_BITMAP0 + 2 * (INT_FIRST / 64), UINT64_C(1) << INT_FIRST % 64);
    run_to_exit(store_eoi, EXIT_VIRTUALIZED_EOI);
    check_field(VMCS_EXIT_QUALIFICATION, INT_FIRST);
    check_eq("its bit of VISR", bit_of(APIC_ISR, INT_FIRST), 0);
}

static void self_ipi(void)
{
    *reg(APIC_ICR_LOW) = APIC_ICR_TO_SELF | INT_SECOND;
    __asm__ volatile("nop");
}

static void other_ipi(void)
{
    *reg(APIC_ICR_LOW) = APIC_ICR_TO_OTHERS | INT_SECOND;
}

TEST(virtual_interrupt, self_ipi, "29.1.5 Self-IPI Virtualization",
     "a store to ICR_LO that is an IPI to oneself is delivered without an exit")
{
    with_delivery();
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    guest_at(self_ipi);
    expect_event(INT_SECOND);
}

TEST(virtual_interrupt, other_ipi, EMULATION,
     "a store to ICR_LO that is no IPI to oneself makes the exit \"APIC write\"")
{
    with_delivery();
    run_to_exit(other_ipi, EXIT_APIC_WRITE);
    check_field(VMCS_EXIT_QUALIFICATION, APIC_ICR_LOW);
}

static void x2apic_self_ipi(void)
{
    wrmsr(X2APIC_MSR(APIC_SELF_IPI), INT_SECOND);
    __asm__ volatile("nop");
}

static void x2apic_eoi(void)
{
    wrmsr(X2APIC_MSR(APIC_EOI), 0);
}

static void with_x2apic_delivery(void)
{
    virtualise_x2apic();
    set_controls(PIN, PIN_EXTERNAL_INTERRUPT);
    set_controls(PROC2, PROC2_VIRTUAL_INTERRUPTS);
}

TEST(virtual_interrupt, x2apic_self_ipi, X2APIC, "WRMSR of SELF_IPI is delivered without an exit")
{
    with_x2apic_delivery();
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    guest_at(x2apic_self_ipi);
    expect_event(INT_SECOND);
}

TEST(virtual_interrupt, x2apic_eoi, X2APIC, "WRMSR of EOI ends the interrupt in service without an exit")
{
    with_x2apic_delivery();
    in_service(INT_FIRST);
    run_to_done(x2apic_eoi);
    check_eq("its bit of VISR", bit_of(APIC_ISR, INT_FIRST), 0);
}

/* ---- posted interrupts ---- */

static volatile uint8_t *with_posting(void)
{
    uint8_t *descriptor;

    need_controls(PIN, PIN_POSTED_INTERRUPTS);
    with_delivery();
    descriptor = page_new();
    set_controls(PIN, PIN_POSTED_INTERRUPTS);
    set_controls(VMEXIT, VMEXIT_ACK_INTERRUPT);
    vmwrite(VMCS_POSTED_VECTOR, INT_SECOND);
    vmwrite(VMCS_POSTED_DESCRIPTOR, (uint64_t)descriptor);
    return descriptor;
}

static void post(volatile uint8_t *descriptor, uint32_t vector)
{
    descriptor[vector / 8] = (uint8_t)(1 << vector % 8);
    descriptor[POSTED_NOTIFICATION] = POSTED_ON;
    interrupt_self(INT_SECOND);
}

TEST(posted_interrupt, delivered, POSTED,
     "the notification vector makes no exit: what is posted is delivered, PIR and ON are clear")
{
    volatile uint8_t *descriptor = with_posting();

    post(descriptor, INT_FIRST);
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    guest_at(do_nothing);
    expect_event(INT_FIRST);
    check_eq("its byte of PIR", descriptor[INT_FIRST / 8], 0);
    check_eq("ON", descriptor[POSTED_NOTIFICATION] & POSTED_ON, 0);
    check_eq("the APIC's ISR of the notification", apic_read(APIC_ISR + (INT_SECOND >> 5 << 4)), 0);
}

TEST(posted_interrupt, masked, POSTED, "while RFLAGS.IF is clear it waits in VIRR and RVI")
{
    post(with_posting(), INT_FIRST);
    run_to_done(do_nothing);
    check_eq("its bit of VIRR", bit_of(APIC_IRR, INT_FIRST), 1);
    check_field(VMCS_GUEST_INTERRUPT_STATUS, INT_FIRST);
}

TEST(posted_interrupt, other_vector, POSTED, "another vector exits, acknowledged")
{
    with_posting();
    interrupt_self(INT_FIRST);
    run_to_exit(do_nothing, EXIT_EXTERNAL_INTERRUPT);
    check_field(VMCS_EXIT_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_EXTERNAL));
}

TEST(posted_interrupt, highest, POSTED, "RVI is the highest of what was posted and what it was")
{
    volatile uint8_t *descriptor = with_posting();

    request(INT_SECOND);
    post(descriptor, INT_FIRST);
    run_to_done(do_nothing);
    check_field(VMCS_GUEST_INTERRUPT_STATUS, INT_SECOND);
}
