/* control_registers.c - masks, shadows, CR3 targets, and the exits of control-register accesses (SDM vol. 3,
 * 24.6.6 to 24.6.8, 25.1.3, 25.3). */
#include "vtx/lib/vtx.h"

#define CONDITIONS "25.1.3 Instructions That Cause VM Exits Conditionally"
#define CHANGES    "25.3 Changes to Instruction Behavior in VMX Non-Root Operation"
#define QUAL       "27.2.1 Basic VM-Exit Information, table 27-3"

static uint64_t qualification(unsigned n, enum qual_cr_access access, unsigned gpr)
{
    return n | (unsigned)access << 4 | gpr << 8;
}

static void read_cr0_cr4(void)
{
    seen[0] = read_cr0();
    seen[1] = read_cr4();
}

static void smsw(void)
{
    uint64_t value;

    __asm__ volatile("smsw %0" : "=r"(value));
    seen[0] = value;
}

/* ---- CR0 ---- */

TEST(cr0, shadow_is_read, CHANGES, "MOV from CR0 takes host-owned bits from the read shadow")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS | CR0_PE);
    vmwrite(VMCS_CR0_SHADOW, CR0_TS);
    run_to_done(read_cr0_cr4);
    check_eq("CR0 as read", seen[0], (read_cr0() | CR0_TS) & ~(uint64_t)CR0_PE);
}

TEST(cr0, smsw_reads_shadow, CHANGES, "SMSW takes host-owned bits from the read shadow")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS);
    vmwrite(VMCS_CR0_SHADOW, CR0_TS);
    run_to_done(smsw);
    check_eq("CR0.TS as read", seen[0] & CR0_TS, CR0_TS);
}

static void set_ts(void)
{
    uint64_t value = read_cr0() | CR0_TS;

    __asm__ volatile("movq %0, %%cr0" : : "b"(value));
}

static void clear_pg(void)
{
    write_cr0(read_cr0() & ~(uint64_t)CR0_PG);
}

TEST(cr0, owned_bit_exits, QUAL, "MOV to CR0 exits if a host-owned bit would differ from the shadow")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS);
    run_to_instruction(set_ts, EXIT_CR_ACCESS, 3);
    check_field(VMCS_EXIT_QUALIFICATION, qualification(0, QUAL_MOV_TO_CR, REG_RBX));
}

TEST(cr0, same_as_shadow, CHANGES, "MOV to CR0 with host-owned bits as in the shadow leaves those bits")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS);
    vmwrite(VMCS_CR0_SHADOW, CR0_TS);
    run_to_done(set_ts);
    check_eq("CR0.TS of the guest", vmread(VMCS_GUEST_CR0) & CR0_TS, 0);
}

TEST(cr0, guest_bit, CHANGES, "MOV to CR0 changes bits that the guest owns")
{
    run_to_done(set_ts);
    check_eq("CR0.TS of the guest", vmread(VMCS_GUEST_CR0) & CR0_TS, CR0_TS);
}

TEST(cr0, fixed_bit, CHANGES, "MOV to CR0 that clears a fixed bit of the guest's own is #GP")
{
    guest_at(clear_pg);
    expect_exception(VEC_GP);
}

static void clts(void)
{
    __asm__ volatile("clts");
}

TEST(cr0, clts_exits, QUAL, "CLTS exits if TS is host-owned and set in the shadow")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS);
    vmwrite(VMCS_CR0_SHADOW, CR0_TS);
    run_to_instruction(clts, EXIT_CR_ACCESS, 2);
    check_field(VMCS_EXIT_QUALIFICATION, qualification(0, QUAL_CLTS, 0));
}

TEST(cr0, clts_of_clear_shadow, CHANGES, "CLTS leaves CR0.TS if it is host-owned and clear in the shadow")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS);
    vmwrite(VMCS_GUEST_CR0, read_cr0() | CR0_TS);
    run_to_done(clts);
    check_eq("CR0.TS of the guest", vmread(VMCS_GUEST_CR0) & CR0_TS, CR0_TS);
}

TEST(cr0, clts_works, CHANGES, "CLTS clears CR0.TS if the guest owns it")
{
    vmwrite(VMCS_GUEST_CR0, read_cr0() | CR0_TS);
    run_to_done(clts);
    check_eq("CR0.TS of the guest", vmread(VMCS_GUEST_CR0) & CR0_TS, 0);
}

static void lmsw_ts(void)
{
    __asm__ volatile("lmsw %w0" : : "c"(CR0_TS | CR0_PE));
}

static void lmsw_memory(void)
{
    seen[1] = CR0_TS | CR0_PE;
    __asm__ volatile("lmsw (%0)" : : "r"(&seen[1]) : "memory");
}

TEST(cr0, lmsw_exits, QUAL,
     "LMSW exits if a host-owned bit would differ from the shadow, and gives its source")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS);
    run_to_instruction(lmsw_ts, EXIT_CR_ACCESS, 3);
    check_field(VMCS_EXIT_QUALIFICATION, qualification(0, QUAL_LMSW, 0) | (uint64_t)(CR0_TS | CR0_PE) << 16);
}

TEST(cr0, lmsw_memory, QUAL, "LMSW of memory says so, and gives the linear address")
{
    vmwrite(VMCS_CR0_MASK, CR0_TS);
    run_to_exit(lmsw_memory, EXIT_CR_ACCESS);
    check_eq("the qualification's bit 6", vmread(VMCS_EXIT_QUALIFICATION) & QUAL_CR_LMSW_MEMORY,
             QUAL_CR_LMSW_MEMORY);
    check_field(VMCS_GUEST_LINEAR_ADDRESS, (uint64_t)&seen[1]);
}

TEST(cr0, lmsw_pe, CONDITIONS, "LMSW cannot clear PE, so PE in mask and shadow makes no exit")
{
    vmwrite(VMCS_CR0_MASK, CR0_PE);
    vmwrite(VMCS_CR0_SHADOW, CR0_PE);
    run_to_done(lmsw_ts);
}

/* ---- CR4 ---- */

static void set_tsd(void)
{
    uint64_t value = read_cr4() | CR4_TSD;

    __asm__ volatile("movq %0, %%cr4" : : "d"(value));
}

static void clear_vmxe(void)
{
    write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
}

TEST(cr4, shadow_is_read, CHANGES, "MOV from CR4 takes host-owned bits from the read shadow")
{
    vmwrite(VMCS_CR4_MASK, CR4_VMXE);
    run_to_done(read_cr0_cr4);
    check_eq("CR4 as read", seen[1], read_cr4() & ~(uint64_t)CR4_VMXE);
}

TEST(cr4, owned_bit_exits, QUAL, "MOV to CR4 exits if a host-owned bit would differ from the shadow")
{
    vmwrite(VMCS_CR4_MASK, CR4_TSD);
    run_to_instruction(set_tsd, EXIT_CR_ACCESS, 3);
    check_field(VMCS_EXIT_QUALIFICATION, qualification(4, QUAL_MOV_TO_CR, REG_RDX));
}

TEST(cr4, guest_bit, CHANGES, "MOV to CR4 changes bits that the guest owns")
{
    run_to_done(set_tsd);
    check_eq("CR4.TSD of the guest", vmread(VMCS_GUEST_CR4) & CR4_TSD, CR4_TSD);
}

TEST(cr4, fixed_bit, CHANGES, "MOV to CR4 that clears VMXE of the guest's own is #GP")
{
    guest_at(clear_vmxe);
    expect_exception(VEC_GP);
}

/* ---- CR3 ---- */

static void load_cr3(void)
{
    uint64_t value = read_cr3();

    __asm__ volatile("movq %0, %%cr3" : : "c"(value) : "memory");
}

static void store_cr3(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr3, %0" : "=d"(value));
    seen[0] = value;
}

static void load_cr3_exiting(void)
{
    set_controls(PROC, PROC_CR3_LOAD);
    vmwrite(VMCS_CR3_TARGET1, read_cr3());
}

TEST(cr3, load_exits, QUAL, "MOV to CR3 exits with \"CR3-load exiting\"")
{
    set_controls(PROC, PROC_CR3_LOAD);
    run_to_instruction(load_cr3, EXIT_CR_ACCESS, 3);
    check_field(VMCS_EXIT_QUALIFICATION, qualification(3, QUAL_MOV_TO_CR, REG_RCX));
}

TEST(cr3, store_exits, QUAL, "MOV from CR3 exits with \"CR3-store exiting\"")
{
    set_controls(PROC, PROC_CR3_STORE);
    run_to_instruction(store_cr3, EXIT_CR_ACCESS, 3);
    check_field(VMCS_EXIT_QUALIFICATION, qualification(3, QUAL_MOV_FROM_CR, REG_RDX));
}

TEST(cr3, free, CONDITIONS, "MOV to and from CR3 do not exit without those controls")
{
    clear_controls(PROC, PROC_CR3_LOAD | PROC_CR3_STORE);
    run_to_done(load_cr3);
}

TEST(cr3, target, "24.6.7 CR3-Target Controls", "MOV to CR3 of one of the CR3-target values does not exit")
{
    load_cr3_exiting();
    vmwrite(VMCS_CR3_TARGET_COUNT, 2);
    clear_controls(PROC, PROC_CR3_STORE);
    run_to_done(load_cr3);
}

TEST(cr3, target_beyond_count, "24.6.7 CR3-Target Controls",
     "CR3-target values beyond the count do not matter")
{
    load_cr3_exiting();
    vmwrite(VMCS_CR3_TARGET_COUNT, 1);
    run_to_exit(load_cr3, EXIT_CR_ACCESS);
}

TEST(cr3, target_zero, "24.6.7 CR3-Target Controls", "with a count of 0 each MOV to CR3 exits")
{
    load_cr3_exiting();
    vmwrite(VMCS_CR3_TARGET0, read_cr3());
    run_to_exit(load_cr3, EXIT_CR_ACCESS);
}

/* ---- CR8 ---- */

static void load_cr8(void)
{
    __asm__ volatile("movq %0, %%cr8" : : "r"(UINT64_C(5)));
}

static void store_cr8(void)
{
    uint64_t value;

    __asm__ volatile("movq %%cr8, %0" : "=a"(value));
    seen[0] = value;
}

TEST(cr8, load_exits, QUAL, "MOV to CR8 exits with \"CR8-load exiting\"")
{
    set_controls(PROC, PROC_CR8_LOAD);
    run_to_exit(load_cr8, EXIT_CR_ACCESS);
    check_eq("the register", QUAL_CR_NUMBER(vmread(VMCS_EXIT_QUALIFICATION)), 8);
    check_eq("the access", QUAL_CR_ACCESS(vmread(VMCS_EXIT_QUALIFICATION)), QUAL_MOV_TO_CR);
}

TEST(cr8, store_exits, QUAL, "MOV from CR8 exits with \"CR8-store exiting\"")
{
    set_controls(PROC, PROC_CR8_STORE);
    run_to_exit(store_cr8, EXIT_CR_ACCESS);
    check_field(VMCS_EXIT_QUALIFICATION, qualification(8, QUAL_MOV_FROM_CR, REG_RAX));
}

TEST(cr8, real, CHANGES, "without the TPR shadow MOV to CR8 changes the processor's task priority")
{
    run_to_done(load_cr8);
    check_eq("the APIC's TPR", apic_read(APIC_TPR), 0x50);
}

static uint8_t *shadow_tpr(void)
{
    uint8_t *page = page_new();

    set_controls(PROC, PROC_TPR_SHADOW);
    vmwrite(VMCS_VIRTUAL_APIC_ADDRESS, (uint64_t)page);
    return page;
}

TEST(tpr_shadow, load, "29.3 Virtualizing CR8-Based TPR Accesses",
     "MOV to CR8 writes VTPR, and not the processor's task priority")
{
    volatile uint8_t *page = shadow_tpr();

    run_to_done(load_cr8);
    check_eq("VTPR", page[APIC_TPR], 0x50);
    check_eq("the APIC's TPR", apic_read(APIC_TPR), 0);
}

TEST(tpr_shadow, store, "29.3 Virtualizing CR8-Based TPR Accesses", "MOV from CR8 reads bits 7:4 of VTPR")
{
    shadow_tpr()[APIC_TPR] = 0xa3;
    run_to_done(store_cr8);
    check_eq("CR8", seen[0], 10);
}

TEST(tpr_shadow, below_threshold, "29.1.2 TPR Virtualization",
     "a MOV to CR8 that takes VTPR below the threshold makes exit 43, behind it")
{
    shadow_tpr()[APIC_TPR] = 0x70;
    vmwrite(VMCS_TPR_THRESHOLD, 6);
    run_to_exit(load_cr8, EXIT_TPR_BELOW_THRESHOLD);
    vmwrite(VMCS_TPR_THRESHOLD, 0);
    expect_done();
}

TEST(tpr_shadow, at_threshold, "29.1.2 TPR Virtualization",
     "a MOV to CR8 that takes VTPR to the threshold does not exit")
{
    shadow_tpr()[APIC_TPR] = 0x70;
    vmwrite(VMCS_TPR_THRESHOLD, 5);
    run_to_done(load_cr8);
}
