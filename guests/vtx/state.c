/* state.c - what entry loads, and exit saves and loads (SDM vol. 3, 26.3.2, 27.3, 27.5). */
#include "vtx/lib/vtx.h"

#define ENTRY_REGISTERS "26.3.2.1 Loading Guest Control Registers, Debug Registers, and MSRs"
#define ENTRY_SEGMENTS  "26.3.2.2 Loading Guest Segment Registers and Descriptor-Table Registers"
#define ENTRY_RIP       "26.3.2.3 Loading Guest RIP, RSP, RFLAGS, and SSP"
#define SAVE_REGISTERS  "27.3.1 Saving Control Registers, Debug Registers, and MSRs"
#define SAVE_SEGMENTS   "27.3.2 Saving Segment Registers and Descriptor-Table Registers"
#define SAVE_OTHER      "27.3.4 Saving Non-Register State"
#define HOST_REGISTERS  "27.5.1 Loading Host Control Registers, Debug Registers, MSRs"
#define HOST_SEGMENTS   "27.5.2 Loading Host Segment and Descriptor-Table Registers"
#define HOST_RIP        "27.5.3 Loading Host RIP, RSP, RFLAGS, and SSP"
#define CR0_KEPT        (CR0_ET | CR0_NW | CR0_CD)
#define A_BASE          UINT64_C(0x123456789000)

static void do_nothing(void)
{
}

/* ---- control and debug registers, MSRs ---- */

static void read_registers(void)
{
    seen[0] = read_cr0();
    seen[1] = read_cr4();
    seen[2] = read_dr7();
}

TEST(entry_state, cr0, ENTRY_REGISTERS, "CR0 is loaded")
{
    vmwrite(VMCS_GUEST_CR0, read_cr0() | CR0_MP | CR0_AM);
    run_to_done(read_registers);
    check_eq("CR0", seen[0], read_cr0() | CR0_MP | CR0_AM);
}

TEST(entry_state, cr0_kept, ENTRY_REGISTERS, "CD, NW and ET of CR0 are not loaded")
{
    vmwrite(VMCS_GUEST_CR0, read_cr0() ^ CR0_KEPT);
    run_to_done(read_registers);
    check_eq("CD, NW and ET", seen[0] & CR0_KEPT, read_cr0() & CR0_KEPT);
}

TEST(entry_state, cr4, ENTRY_REGISTERS, "CR4 is loaded")
{
    vmwrite(VMCS_GUEST_CR4, read_cr4() | CR4_TSD);
    run_to_done(read_registers);
    check_eq("CR4", seen[1], read_cr4() | CR4_TSD);
}

TEST(entry_state, dr7, ENTRY_REGISTERS, "DR7 is loaded with \"load debug controls\"")
{
    set_controls(VMENTRY, VMENTRY_LOAD_DEBUG_CONTROLS);
    vmwrite(VMCS_GUEST_DR7, DR7_FIXED | 2);
    run_to_done(read_registers);
    check_eq("DR7", seen[2], DR7_FIXED | 2);
}

TEST(entry_state, dr7_kept, ENTRY_REGISTERS, "DR7 is not loaded without that control")
{
    clear_controls(VMENTRY, VMENTRY_LOAD_DEBUG_CONTROLS);
    vmwrite(VMCS_GUEST_DR7, DR7_FIXED | 2);
    run_to_done(read_registers);
    check_eq("DR7", seen[2], DR7_FIXED);
}

static uint32_t msr_to_read;

static void read_an_msr(void)
{
    seen[0] = rdmsr(msr_to_read);
}

static void check_msr(uint32_t msr, uint64_t want)
{
    msr_to_read = msr;
    set_controls(PROC, PROC_MSR_BITMAPS);
    vmwrite(VMCS_MSR_BITMAP, (uint64_t)page_new());
    run_to_done(read_an_msr);
    check_eq("the MSR", seen[0], want);
}

TEST(entry_state, sysenter_cs, ENTRY_REGISTERS, "IA32_SYSENTER_CS is loaded")
{
    vmwrite(VMCS_GUEST_SYSENTER_CS, 0x11);
    check_msr(MSR_SYSENTER_CS, 0x11);
}

TEST(entry_state, sysenter_eip, ENTRY_REGISTERS, "IA32_SYSENTER_EIP is loaded")
{
    vmwrite(VMCS_GUEST_SYSENTER_EIP, A_BASE);
    check_msr(MSR_SYSENTER_EIP, A_BASE);
}

TEST(entry_state, fs_base, ENTRY_REGISTERS, "IA32_FS_BASE is the base of FS")
{
    vmwrite(VMCS_GUEST_FS_BASE, A_BASE);
    check_msr(MSR_FS_BASE, A_BASE);
}

TEST(entry_state, pat, ENTRY_REGISTERS, "IA32_PAT is loaded with \"load IA32_PAT\"")
{
    set_controls(VMENTRY, VMENTRY_LOAD_PAT);
    vmwrite(VMCS_GUEST_PAT, 0x0606060606060606);
    check_msr(MSR_PAT, 0x0606060606060606);
}

TEST(entry_state, pat_kept, ENTRY_REGISTERS, "IA32_PAT is not loaded without that control")
{
    vmwrite(VMCS_GUEST_PAT, 0x0606060606060606);
    check_msr(MSR_PAT, PAT_RESET);
}

TEST(entry_state, efer, ENTRY_REGISTERS, "IA32_EFER is loaded with \"load IA32_EFER\"")
{
    uint64_t efer = rdmsr(MSR_EFER) & ~(uint64_t)EFER_SCE;

    set_controls(VMENTRY, VMENTRY_LOAD_EFER);
    vmwrite(VMCS_GUEST_EFER, efer);
    check_msr(MSR_EFER, efer);
}

TEST(entry_state, msrs_kept, ENTRY_REGISTERS, "MSRs without a field stay: IA32_LSTAR")
{
    wrmsr(MSR_LSTAR, 0x1234);
    check_msr(MSR_LSTAR, 0x1234);
}

/* ---- segments, flags ---- */

static void read_selectors(void)
{
    uint16_t es, cs, tr, ldtr;

    __asm__ volatile("mov %%es, %0\n\tmov %%cs, %1" : "=r"(es), "=r"(cs));
    __asm__ volatile("str %0\n\tsldt %1" : "=r"(tr), "=r"(ldtr));
    seen[0] = es;
    seen[1] = cs;
    seen[2] = tr;
    seen[3] = ldtr;
}

TEST(entry_state, selectors, ENTRY_SEGMENTS, "selectors are loaded without a look at the GDT")
{
    vmwrite(VMCS_GUEST_ES_SELECTOR, 0x550);
    vmwrite(VMCS_GUEST_CS_SELECTOR, 0x660);
    vmwrite(VMCS_GUEST_TR_SELECTOR, 0x770);
    vmwrite(VMCS_GUEST_LDTR_SELECTOR, 0x880);
    run_to_done(read_selectors);
    check_eq("ES", seen[0], 0x550);
    check_eq("CS", seen[1], 0x660);
    check_eq("TR", seen[2], 0x770);
    check_eq("LDTR", seen[3], 0x880);
}

static void load_by_gs(void)
{
    uint64_t value;

    __asm__ volatile("movq %%gs:8, %0" : "=r"(value));
    seen[0] = value;
}

TEST(entry_state, gs_base, ENTRY_SEGMENTS, "the base of GS is loaded, of an unusable GS too")
{
    uint64_t *page = page_new();

    page[1] = 0x7777;
    vmwrite(VMCS_GUEST_GS_BASE, (uint64_t)page);
    vmwrite(VMCS_GUEST_GS_ACCESS_RIGHTS, AR_UNUSABLE);
    run_to_done(load_by_gs);
    check_eq("what the guest loads", seen[0], 0x7777);
}

static void read_tables(void)
{
    struct {
        uint16_t pad[3], limit;
        uint64_t base;
    } gdtr, idtr;

    __asm__ volatile("sgdt %0\n\tsidt %1"
                     : "=m"(gdtr.limit), "=m"(idtr.limit), "=m"(gdtr.base), "=m"(idtr.base));
    seen[0] = gdtr.limit;
    seen[1] = gdtr.base;
    seen[2] = idtr.limit;
    seen[3] = idtr.base;
}

TEST(entry_state, tables, ENTRY_SEGMENTS, "GDTR and IDTR are loaded")
{
    vmwrite(VMCS_GUEST_GDTR_BASE, A_BASE);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, 0x1234);
    vmwrite(VMCS_GUEST_IDTR_BASE, A_BASE + 0x1000);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, 0x4321);
    run_to_done(read_tables);
    check_eq("the GDTR's limit", seen[0], 0x1234);
    check_eq("the GDTR's base", seen[1], A_BASE);
    check_eq("the IDTR's limit", seen[2], 0x4321);
    check_eq("the IDTR's base", seen[3], A_BASE + 0x1000);
}

static void read_flags(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
    seen[0] = flags;
}

TEST(entry_state, rflags, ENTRY_RIP, "RFLAGS is loaded")
{
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_ID | FLAG_AC);
    run_to_done(read_flags);
    check_eq("ID and AC", seen[0] & (FLAG_ID | FLAG_AC), FLAG_ID | FLAG_AC);
}

TEST(entry_state, cpl, ENTRY_SEGMENTS, "the CPL is the DPL of SS")
{
    vmwrite(VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    guest_at_ring3(read_registers);
    expect_exception(VEC_GP);
}

/* ---- what an exit saves ---- */

static void change_registers(void)
{
    write_cr0(read_cr0() | CR0_MP);
    write_cr4(read_cr4() | CR4_TSD);
    write_dr7(DR7_FIXED | 8);
}

TEST(exit_save, control_registers, SAVE_REGISTERS, "CR0 and CR4 are saved")
{
    run_to_done(change_registers);
    check_field(VMCS_GUEST_CR0, read_cr0() | CR0_MP);
    check_field(VMCS_GUEST_CR4, read_cr4() | CR4_TSD);
}

TEST(exit_save, dr7, SAVE_REGISTERS, "DR7 is saved with \"save debug controls\"")
{
    set_controls(VMEXIT, VMEXIT_SAVE_DEBUG_CONTROLS);
    run_to_done(change_registers);
    check_field(VMCS_GUEST_DR7, DR7_FIXED | 8);
}

TEST(exit_save, dr7_kept, SAVE_REGISTERS, "DR7 is not saved without that control")
{
    clear_controls(VMEXIT, VMEXIT_SAVE_DEBUG_CONTROLS);
    run_to_done(change_registers);
    check_field(VMCS_GUEST_DR7, DR7_FIXED);
}

static void write_pat_efer(void)
{
    wrmsr(MSR_PAT, 0x0606060606060606);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_SCE);
    wrmsr(MSR_SYSENTER_ESP, A_BASE);
}

static void with_msrs(void)
{
    set_controls(PROC, PROC_MSR_BITMAPS);
    vmwrite(VMCS_MSR_BITMAP, (uint64_t)page_new());
}

TEST(exit_save, pat, SAVE_REGISTERS, "IA32_PAT is saved with \"save IA32_PAT\"")
{
    with_msrs();
    set_controls(VMEXIT, VMEXIT_SAVE_PAT);
    run_to_done(write_pat_efer);
    check_field(VMCS_GUEST_PAT, 0x0606060606060606);
}

TEST(exit_save, efer, SAVE_REGISTERS, "IA32_EFER is saved with \"save IA32_EFER\"")
{
    uint64_t efer = rdmsr(MSR_EFER) & ~(uint64_t)EFER_SCE;

    with_msrs();
    set_controls(VMEXIT, VMEXIT_SAVE_EFER);
    run_to_done(write_pat_efer);
    check_field(VMCS_GUEST_EFER, efer);
}

TEST(exit_save, sysenter, SAVE_REGISTERS, "IA32_SYSENTER_ESP is saved")
{
    with_msrs();
    run_to_done(write_pat_efer);
    check_field(VMCS_GUEST_SYSENTER_ESP, A_BASE);
}

static void load_null_es(void)
{
    __asm__ volatile("mov %0, %%es" : : "r"(0));
}

TEST(exit_save, null_segment, SAVE_SEGMENTS, "a segment that the guest has made null is unusable")
{
    run_to_done(load_null_es);
    check_field(VMCS_GUEST_ES_SELECTOR, 0);
    check_eq("the unusable bit", vmread(VMCS_GUEST_ES_ACCESS_RIGHTS) & AR_UNUSABLE, AR_UNUSABLE);
}

TEST(exit_save, segments, SAVE_SEGMENTS, "selectors, bases, limits and rights are saved as they were loaded")
{
    vmwrite(VMCS_GUEST_FS_SELECTOR, 0x330);
    vmwrite(VMCS_GUEST_FS_BASE, A_BASE);
    run_to_done(do_nothing);
    check_field(VMCS_GUEST_FS_SELECTOR, 0x330);
    check_field(VMCS_GUEST_FS_BASE, A_BASE);
    check_field(VMCS_GUEST_FS_LIMIT, UINT32_MAX);
    check_field(VMCS_GUEST_FS_ACCESS_RIGHTS, SEG_ATTR_DATA);
    check_field(VMCS_GUEST_CS_ACCESS_RIGHTS, SEG_ATTR_CODE64);
    check_field(VMCS_GUEST_TR_ACCESS_RIGHTS, SEG_ATTR_TSS);
}

static void cpuid_behind_sti(void)
{
    __asm__ volatile("sti\n\tcpuid" : : "a"(0) : "rbx", "rcx", "rdx");
}

TEST(exit_save, sti_blocking, SAVE_OTHER, "blocking by STI is saved")
{
    run_to_exit(cpuid_behind_sti, EXIT_CPUID);
    check_field(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_STI);
}

static void cpuid_behind_mov_ss(void)
{
    __asm__ volatile("mov %%ss, %%eax\n\tmov %%eax, %%ss\n\tcpuid" : : : "rax", "rbx", "rcx", "rdx");
}

TEST(exit_save, ss_blocking, SAVE_OTHER, "blocking by MOV SS is saved")
{
    run_to_exit(cpuid_behind_mov_ss, EXIT_CPUID);
    check_field(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS);
}

static void step_behind_mov_ss(void)
{
    __asm__ volatile("mov %%ss, %%ebx\n\tpushfq\n\torl %0, (%%rsp)\n\tpopfq\n\tmov %%ebx, %%ss\n\tcpuid"
                     :
                     : "i"(FLAG_TF), "a"(0)
                     : "rbx", "rcx", "rdx", "memory", "cc");
}

TEST(exit_save, pending_step, SAVE_OTHER, "a single step that MOV SS holds back is saved as pending: BS")
{
    run_to_exit(step_behind_mov_ss, EXIT_CPUID);
    check_field(VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
}

/* ---- what an exit loads ---- */

TEST(exit_load, dr7, HOST_REGISTERS, "DR7 is 400H")
{
    write_dr7(DR7_FIXED | 2);
    run_to_done(do_nothing);
    check_eq("DR7", read_dr7(), DR7_FIXED);
}

TEST(exit_load, sysenter, HOST_REGISTERS, "IA32_SYSENTER_CS, ESP and EIP are loaded")
{
    vmwrite(VMCS_HOST_SYSENTER_CS, 0x11);
    vmwrite(VMCS_HOST_SYSENTER_ESP, A_BASE);
    vmwrite(VMCS_HOST_SYSENTER_EIP, A_BASE + 1);
    run_to_done(do_nothing);
    check_eq("IA32_SYSENTER_CS", rdmsr(MSR_SYSENTER_CS), 0x11);
    check_eq("IA32_SYSENTER_ESP", rdmsr(MSR_SYSENTER_ESP), A_BASE);
    check_eq("IA32_SYSENTER_EIP", rdmsr(MSR_SYSENTER_EIP), A_BASE + 1);
}

TEST(exit_load, bases, HOST_SEGMENTS, "the bases of FS and GS are loaded")
{
    vmwrite(VMCS_HOST_FS_BASE, A_BASE);
    vmwrite(VMCS_HOST_GS_BASE, A_BASE + 1);
    run_to_done(do_nothing);
    check_eq("IA32_FS_BASE", rdmsr(MSR_FS_BASE), A_BASE);
    check_eq("IA32_GS_BASE", rdmsr(MSR_GS_BASE), A_BASE + 1);
}

TEST(exit_load, table_limits, HOST_SEGMENTS, "the limits of GDTR and IDTR are FFFFH, LDTR is null")
{
    uint16_t ldtr;

    run_to_done(do_nothing);
    read_tables();
    check_eq("the GDTR's limit", seen[0], 0xffff);
    check_eq("the IDTR's limit", seen[2], 0xffff);
    __asm__ volatile("sldt %0" : "=r"(ldtr));
    check_eq("LDTR", ldtr, 0);
}

TEST(exit_load, selectors, HOST_SEGMENTS, "the selectors are loaded")
{
    vmwrite(VMCS_GUEST_TR_SELECTOR, 0x770);
    vmwrite(VMCS_GUEST_ES_SELECTOR, 0x550);
    vmwrite(VMCS_GUEST_CS_SELECTOR, 0x660);
    run_to_done(do_nothing);
    read_selectors();
    check_eq("ES", seen[0], SEL_DATA);
    check_eq("CS", seen[1], SEL_CODE);
    check_eq("TR", seen[2], SEL_TSS);
}

TEST(exit_load, rflags, HOST_RIP, "RFLAGS is 2: interrupts are off")
{
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_IF | FLAG_ID | FLAG_AC);
    run_to_done(do_nothing);
    read_flags();
    check_eq("IF, ID and AC", seen[0] & (FLAG_IF | FLAG_ID | FLAG_AC), 0);
}

TEST(exit_load, pat, HOST_REGISTERS, "IA32_PAT is loaded with \"load IA32_PAT\"")
{
    set_controls(VMEXIT, VMEXIT_LOAD_PAT);
    vmwrite(VMCS_HOST_PAT, 0x0606060606060606);
    run_to_done(do_nothing);
    check_eq("IA32_PAT", rdmsr(MSR_PAT), 0x0606060606060606);
}

TEST(exit_load, efer, HOST_REGISTERS, "IA32_EFER is loaded with \"load IA32_EFER\"")
{
    uint64_t efer = rdmsr(MSR_EFER) & ~(uint64_t)EFER_SCE;

    set_controls(VMEXIT, VMEXIT_LOAD_EFER);
    vmwrite(VMCS_HOST_EFER, efer);
    run_to_done(do_nothing);
    check_eq("IA32_EFER", rdmsr(MSR_EFER), efer);
}

TEST(exit_load, cr0_kept, HOST_REGISTERS, "CD, NW and ET of CR0 are not loaded")
{
    vmwrite(VMCS_HOST_CR0, read_cr0() ^ CR0_KEPT);
    uint64_t before = read_cr0();
    run_to_done(do_nothing);
    check_eq("CR0", read_cr0(), before);
}

TEST(exit_load, cr4, HOST_REGISTERS, "CR4 is loaded")
{
    vmwrite(VMCS_HOST_CR4, read_cr4() | CR4_TSD);
    run_to_done(do_nothing);
    check_eq("CR4.TSD", read_cr4() & CR4_TSD, CR4_TSD);
}

TEST(exit_load, msrs_kept, "27.5 Loading Host State",
     "MSRs without a field stay as the guest has left them: IA32_LSTAR")
{
    with_msrs();
    wrmsr(MSR_LSTAR, 0x1234);
    run_to_done(do_nothing);
    check_eq("IA32_LSTAR", rdmsr(MSR_LSTAR), 0x1234);
}
