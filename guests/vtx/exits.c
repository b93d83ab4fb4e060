/* exits.c - instructions that leave the guest (SDM vol. 3, 25.1), with what their exits say (27.2). */
#include "vtx/lib/vtx.h"

#define ALWAYS      "25.1.2 Instructions That Cause VM Exits Unconditionally"
#define SOMETIMES   "25.1.3 Instructions That Cause VM Exits Conditionally"
#define PRIORITY    "25.1.1 Relative Priority of Faults and VM Exits"
#define CHANGES     "25.3 Changes to Instruction Behavior in VMX Non-Root Operation"
#define INFORMATION "27.2.5 Information for VM Exits Due to Instruction Execution"
#define STATE       "27.3.3 Saving RIP, RSP, RFLAGS, and SSP"

#define INFO_REGISTER(info)  ((info) >> 3 & 15) /* tables 27-8 to 27-14 */
#define INFO_ADDRESS(info)   ((info) >> 7 & 7)
#define INFO_IS_REGISTER     (1u << 10)
#define INFO_SEGMENT(info)   ((info) >> 15 & 7)
#define INFO_BASE(info)      ((info) >> 23 & 15)
#define INFO_NO_INDEX        (1u << 22)
#define INFO_IDENTITY(info)  ((info) >> 28 & 3) /* which of four instructions */
#define INFO_REGISTER2(info) ((info) >> 28 & 15)
#define ADDRESS_64           2

static void do_nothing(void)
{
}

/* A guest's function of one instruction. */
#define GUEST(NAME, ...) \
    static void NAME(void) \
    { \
        __asm__ volatile(__VA_ARGS__); \
    }
GUEST(do_cpuid, "cpuid" : : : "rax", "rbx", "rcx", "rdx")
GUEST(do_invd, "invd" : : : "memory")
GUEST(do_wbinvd, "wbinvd" : : : "memory")
GUEST(do_hlt, "hlt")
GUEST(do_pause, "pause")
GUEST(do_rdtsc, "rdtsc" : : : "rax", "rdx")
GUEST(do_rdtscp, "rdtscp" : : : "rax", "rcx", "rdx")
GUEST(do_rdpmc, "xorl %%ecx, %%ecx\n\trdpmc" : : : "rax", "rcx", "rdx")
GUEST(do_invlpg, "movl $0x345678, %%ecx\n\tinvlpg 0x10(%%rcx)" : : : "rcx", "memory")
GUEST(do_vmcall, "vmcall")
GUEST(do_vmlaunch, "vmlaunch")
GUEST(do_vmresume, "vmresume")
GUEST(do_vmxoff, "vmxoff")
GUEST(do_vmxon, "vmxon 8(%0)" : : "r"(&seen))
GUEST(do_vmclear, "vmclear 8(%0)" : : "r"(&seen))
GUEST(do_vmptrld, "vmptrld 8(%0)" : : "r"(&seen))
GUEST(do_vmptrst, "vmptrst 8(%0)" : : "r"(&seen))
GUEST(do_vmread, "vmread %%rsi, %%rcx" : : : "rcx")
GUEST(do_vmwrite, "vmwrite %%rcx, %%rsi" : : :)
GUEST(do_invept, "movl $1, %%r9d\n\tinvept 8(%0), %%r9" : : "r"(&seen) : "r9", "memory")
GUEST(do_invvpid, "movl $2, %%r9d\n\tinvvpid 8(%0), %%r9" : : "r"(&seen) : "r9", "memory")
GUEST(do_invpcid, "movl $2, %%r9d\n\tinvpcid 8(%0), %%r9" : : "r"(&seen) : "r9", "memory")
GUEST(do_sgdt, "sgdt 8(%0)" : : "r"(&seen) : "memory")
GUEST(do_sidt, "sidt 8(%0)" : : "r"(&seen) : "memory")
GUEST(do_lgdt, "lgdt 8(%0)" : : "r"(&seen) : "memory")
GUEST(do_lidt, "lidt 8(%0)" : : "r"(&seen) : "memory")
GUEST(do_sldt, "sldt %%ecx" : : : "rcx")
GUEST(do_str, "str %%ecx" : : : "rcx")
GUEST(do_lldt, "lldt %%cx" : : :)
GUEST(do_ltr, "ltr %%cx" : : :)
GUEST(do_getsec, "xorl %%eax, %%eax\n\t.byte 0x0f, 0x37" : : : "rax", "rbx")

#define EXITS(TOPIC, NAME, SECTION, FN, REASON, BYTES, RULE) \
    TEST(TOPIC, NAME, SECTION, RULE) \
    { \
        run_to_instruction(FN, REASON, BYTES); \
    }
#define EXITS_IF(TOPIC, NAME, WORD, CONTROL, FN, REASON, BYTES, RULE) \
    TEST(TOPIC, NAME, SOMETIMES, RULE) \
    { \
        set_controls(WORD, CONTROL); \
        run_to_instruction(FN, REASON, BYTES); \
    }

EXITS(exit, cpuid, ALWAYS, do_cpuid, EXIT_CPUID, 2, "CPUID exits")
EXITS(exit, invd, ALWAYS, do_invd, EXIT_INVD, 2, "INVD exits")
EXITS(exit, vmcall, ALWAYS, do_vmcall, EXIT_VMCALL, 3, "VMCALL exits")
EXITS(exit, vmlaunch, ALWAYS, do_vmlaunch, EXIT_VMLAUNCH, 3, "VMLAUNCH exits")
EXITS(exit, vmresume, ALWAYS, do_vmresume, EXIT_VMRESUME, 3, "VMRESUME exits")
EXITS(exit, vmxoff, ALWAYS, do_vmxoff, EXIT_VMXOFF, 3, "VMXOFF exits")
EXITS(exit, vmread, SOMETIMES, do_vmread, EXIT_VMREAD, 3, "VMREAD exits without \"VMCS shadowing\"")
EXITS(exit, vmwrite, SOMETIMES, do_vmwrite, EXIT_VMWRITE, 3, "VMWRITE exits without \"VMCS shadowing\"")
EXITS_IF(exit, hlt, PROC, PROC_HLT, do_hlt, EXIT_HLT, 1, "HLT exits with \"HLT exiting\"")
EXITS_IF(exit, pause, PROC, PROC_PAUSE, do_pause, EXIT_PAUSE, 2, "PAUSE exits with \"PAUSE exiting\"")
EXITS_IF(exit, rdtsc, PROC, PROC_RDTSC, do_rdtsc, EXIT_RDTSC, 2, "RDTSC exits with \"RDTSC exiting\"")
EXITS_IF(exit, rdpmc, PROC, PROC_RDPMC, do_rdpmc, EXIT_RDPMC, 2, "RDPMC exits with \"RDPMC exiting\"")
EXITS_IF(exit, wbinvd, PROC2, PROC2_WBINVD, do_wbinvd, EXIT_WBINVD, 2, "WBINVD exits with \"WBINVD exiting\"")

#define STAYS(NAME, FN, RULE) \
    TEST(stay, NAME, SOMETIMES, RULE) \
    { \
        run_to_done(FN); \
    }
STAYS(pause, do_pause, "PAUSE does not exit without \"PAUSE exiting\"")
STAYS(rdtsc, do_rdtsc, "RDTSC does not exit without \"RDTSC exiting\"")
STAYS(wbinvd, do_wbinvd, "WBINVD does not exit without \"WBINVD exiting\"")
STAYS(invlpg, do_invlpg, "INVLPG does not exit without \"INVLPG exiting\"")
STAYS(sgdt, do_sgdt, "SGDT does not exit without \"descriptor-table exiting\"")

TEST(exit, rdtscp, SOMETIMES, "RDTSCP exits with \"enable RDTSCP\" and \"RDTSC exiting\"")
{
    set_controls(PROC2, PROC2_RDTSCP);
    set_controls(PROC, PROC_RDTSC);
    run_to_instruction(do_rdtscp, EXIT_RDTSCP, 3);
}

TEST(stay, rdtscp, CHANGES, "RDTSCP works with \"enable RDTSCP\"")
{
    set_controls(PROC2, PROC2_RDTSCP);
    run_to_done(do_rdtscp);
}

TEST(stay, rdtscp_off, CHANGES, "RDTSCP is #UD without \"enable RDTSCP\", whatever \"RDTSC exiting\" is")
{
    set_controls(PROC, PROC_RDTSC);
    guest_at(do_rdtscp);
    expect_exception(VEC_UD);
}

TEST(exit, invlpg, "27.2.1 Basic VM-Exit Information",
     "INVLPG exits with \"INVLPG exiting\", and the qualification is its address")
{
    set_controls(PROC, PROC_INVLPG);
    run_to_instruction(do_invlpg, EXIT_INVLPG, 4);
    check_field(VMCS_EXIT_QUALIFICATION, 0x345688);
}

TEST(exit, invpcid, SOMETIMES, "INVPCID exits with \"enable INVPCID\" and \"INVLPG exiting\"")
{
    set_controls(PROC2, PROC2_INVPCID);
    set_controls(PROC, PROC_INVLPG);
    run_to_exit(do_invpcid, EXIT_INVPCID);
    check_eq("register 2 of the instruction information", INFO_REGISTER2(vmread(VMCS_EXIT_INSN_INFO)),
             REG_R9);
    check_field(VMCS_EXIT_QUALIFICATION, 8);
}

TEST(stay, invpcid_off, CHANGES, "INVPCID is #UD without \"enable INVPCID\"")
{
    set_controls(PROC, PROC_INVLPG);
    guest_at(do_invpcid);
    expect_exception(VEC_UD);
}

/* ---- instruction information (tables 27-8 to 27-14) ---- */

static void check_operand(void)
{
    uint64_t info = vmread(VMCS_EXIT_INSN_INFO);

    check_field(VMCS_EXIT_QUALIFICATION, 8);
    check_eq("the address size", INFO_ADDRESS(info), ADDRESS_64);
    check_eq("the register bit", info & INFO_IS_REGISTER, 0);
    check_eq("the segment", INFO_SEGMENT(info), SEG_DS);
    check_eq("\"no index\"", info & INFO_NO_INDEX, INFO_NO_INDEX);
}

#define OPERAND(NAME, FN, REASON, TEXT) \
    TEST(operand, NAME, INFORMATION, TEXT ": displacement, address size, segment and index of the operand") \
    { \
        need_instruction(REASON); \
        run_to_exit(FN, REASON); \
        check_operand(); \
    }
OPERAND(vmxon, do_vmxon, EXIT_VMXON, "VMXON")
OPERAND(vmclear, do_vmclear, EXIT_VMCLEAR, "VMCLEAR")
OPERAND(vmptrld, do_vmptrld, EXIT_VMPTRLD, "VMPTRLD")
OPERAND(vmptrst, do_vmptrst, EXIT_VMPTRST, "VMPTRST")
OPERAND(invept, do_invept, EXIT_INVEPT, "INVEPT")
OPERAND(invvpid, do_invvpid, EXIT_INVVPID, "INVVPID")

#define TABLE(NAME, FN, REASON, IDENTITY, TEXT) \
    TEST(operand, NAME, INFORMATION, TEXT " exits with \"descriptor-table exiting\": operand and identity") \
    { \
        set_controls(PROC2, PROC2_DESCRIPTOR_TABLE); \
        run_to_exit(FN, REASON); \
        check_operand(); \
        check_eq("the identity", INFO_IDENTITY(vmread(VMCS_EXIT_INSN_INFO)), IDENTITY); \
    }
TABLE(sgdt, do_sgdt, EXIT_GDTR_IDTR, 0, "SGDT")
TABLE(sidt, do_sidt, EXIT_GDTR_IDTR, 1, "SIDT")
TABLE(lgdt, do_lgdt, EXIT_GDTR_IDTR, 2, "LGDT")
TABLE(lidt, do_lidt, EXIT_GDTR_IDTR, 3, "LIDT")

#define TABLE_REGISTER(NAME, FN, IDENTITY, TEXT) \
    TEST(operand, NAME, INFORMATION, TEXT " exits with \"descriptor-table exiting\": register and identity") \
    { \
        set_controls(PROC2, PROC2_DESCRIPTOR_TABLE); \
        run_to_exit(FN, EXIT_LDTR_TR); \
        uint64_t info = vmread(VMCS_EXIT_INSN_INFO); \
        check_eq("the register bit", info &INFO_IS_REGISTER, INFO_IS_REGISTER); \
        check_eq("the register", INFO_REGISTER(info), REG_RCX); \
        check_eq("the identity", INFO_IDENTITY(info), IDENTITY); \
    }
TABLE_REGISTER(sldt, do_sldt, 0, "SLDT")
TABLE_REGISTER(str, do_str, 1, "STR")
TABLE_REGISTER(lldt, do_lldt, 2, "LLDT")
TABLE_REGISTER(ltr, do_ltr, 3, "LTR")

TEST(operand, vmread_registers, INFORMATION, "VMREAD: register 1 takes the value, register 2 has the field")
{
    run_to_exit(do_vmread, EXIT_VMREAD);
    uint64_t info = vmread(VMCS_EXIT_INSN_INFO);
    check_eq("the register bit", info & INFO_IS_REGISTER, INFO_IS_REGISTER);
    check_eq("register 1", INFO_REGISTER(info), REG_RCX);
    check_eq("register 2", INFO_REGISTER2(info), REG_RSI);
}

TEST(operand, invept_register, INFORMATION, "INVEPT: register 2 has the type")
{
    need_instruction(EXIT_INVEPT);
    run_to_exit(do_invept, EXIT_INVEPT);
    check_eq("register 2", INFO_REGISTER2(vmread(VMCS_EXIT_INSN_INFO)), REG_R9);
}

/* ---- priorities ---- */

TEST(priority, hlt_ring3, PRIORITY, "#GP by the CPL comes before the exit of HLT")
{
    set_controls(PROC, PROC_HLT);
    guest_at_ring3(do_hlt);
    expect_exception(VEC_GP);
}

TEST(priority, invd_ring3, PRIORITY, "#GP by the CPL comes before the exit of INVD")
{
    guest_at_ring3(do_invd);
    expect_exception(VEC_GP);
}

TEST(priority, cpuid_ring3, ALWAYS, "CPUID exits in ring 3 too")
{
    guest_at_ring3(do_cpuid);
    expect_exit(EXIT_CPUID);
}

TEST(priority, vmcall_ring3, "30.3 VMCALL", "VMCALL exits in ring 3 too")
{
    guest_at_ring3(do_vmcall);
    expect_exit(EXIT_VMCALL);
}

TEST(priority, vmxoff_ring3, "30.3 VMXOFF", "the exit of VMXOFF comes before #GP by the CPL")
{
    guest_at_ring3(do_vmxoff);
    expect_exit(EXIT_VMXOFF);
}

TEST(priority, rdtsc_tsd, PRIORITY, "#GP by CR4.TSD comes before the exit of RDTSC")
{
    set_controls(PROC, PROC_RDTSC);
    vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | CR4_TSD);
    guest_at_ring3(do_rdtsc);
    expect_exception(VEC_GP);
}

TEST(priority, rdpmc_ring3, PRIORITY, "#GP by CR4.PCE comes before the exit of RDPMC")
{
    set_controls(PROC, PROC_RDPMC);
    guest_at_ring3(do_rdpmc);
    expect_exception(VEC_GP);
}

TEST(priority, getsec, SOMETIMES, "GETSEC is #UD while CR4.SMXE is 0")
{
    guest_at(do_getsec);
    expect_exception(VEC_UD);
}

/* ---- state at the exit ---- */

static void cpuid_with_flags(void)
{
    __asm__ volatile("movl $0xffffffff, %%eax\n\taddl $1, %%eax\n\tcpuid"
                     :
                     :
                     : "rax", "rbx", "rcx", "rdx", "cc");
}

TEST(exit_state, rip, STATE, "RIP is that of the instruction, RFLAGS as before it, RSP the guest's")
{
    run_to_exit(cpuid_with_flags, EXIT_CPUID);
    const uint8_t *at = (const uint8_t *)vmread(VMCS_GUEST_RIP);
    check(at[0] == 0x0f && at[1] == 0xa2, "RIP is at the CPUID");
    check_field(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF);
}

TEST(exit_state, no_vectoring, "27.2.4 Information for VM Exits During Event Delivery",
     "the IDT-vectoring information is not valid after an instruction's exit")
{
    run_to_exit(do_cpuid, EXIT_CPUID);
    check_eq("its valid bit", vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
}

TEST(exit_state, no_interruption, "27.2.2 Information for VM Exits Due to Vectored Events",
     "the interruption information is not valid after an instruction's exit")
{
    run_to_exit(do_cpuid, EXIT_CPUID);
    check_eq("its valid bit", vmread(VMCS_EXIT_INTR_INFO) & INTR_VALID, 0);
}

TEST(exit_state, clears_event, "27.2 Recording VM-Exit Information and Updating VM-entry Control Fields",
     "an exit clears the valid bit of the VM-entry interruption information")
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    guest_at(do_nothing);
    expect_event(VEC_UD);
    check_eq("its valid bit", vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID, 0);
}

/* ---- MOV DR ---- */

GUEST(load_dr3, "xorl %%ecx, %%ecx\n\tmovq %%rcx, %%dr3" : : : "rcx")
GUEST(store_dr7, "movq %%dr7, %%rdx" : : : "rdx")

TEST(mov_dr, load, "27.2.1 Basic VM-Exit Information, table 27-4",
     "MOV to DR exits with \"MOV-DR exiting\": DR, direction, register")
{
    set_controls(PROC, PROC_MOV_DR);
    run_to_instruction(load_dr3, EXIT_MOV_DR, 3);
    check_field(VMCS_EXIT_QUALIFICATION, 3 | REG_RCX << 8);
}

TEST(mov_dr, store, "27.2.1 Basic VM-Exit Information, table 27-4",
     "MOV from DR exits with \"MOV-DR exiting\": DR, direction, register")
{
    set_controls(PROC, PROC_MOV_DR);
    run_to_instruction(store_dr7, EXIT_MOV_DR, 3);
    check_field(VMCS_EXIT_QUALIFICATION, 7 | QUAL_DR_READ | REG_RDX << 8);
}

TEST(mov_dr, ring3, SOMETIMES, "the exit of MOV DR comes before #GP by the CPL")
{
    set_controls(PROC, PROC_MOV_DR);
    guest_at_ring3(store_dr7);
    expect_exit(EXIT_MOV_DR);
}

TEST(mov_dr, stays, SOMETIMES, "MOV DR does not exit without \"MOV-DR exiting\"")
{
    run_to_done(load_dr3);
}

/* ---- PAUSE loops ---- */

static void spin(void)
{
    for (unsigned i = 0; i < 100000; i++)
        __asm__ volatile("pause");
}

static void watch_loops(uint64_t gap, uint64_t window)
{
    set_controls(PROC2, PROC2_PAUSE_LOOP);
    vmwrite(VMCS_PLE_GAP, gap);
    vmwrite(VMCS_PLE_WINDOW, window);
}

TEST(pause_loop, exits, SOMETIMES,
     "a loop of PAUSE longer than PLE_Window, with no gap beyond PLE_Gap, exits")
{
    watch_loops(1000, 4000);
    run_to_instruction(spin, EXIT_PAUSE, 2);
}

TEST(pause_loop, short_loop, SOMETIMES, "a loop of PAUSE within PLE_Window does not exit")
{
    watch_loops(1000, UINT32_MAX);
    run_to_done(do_pause);
}

static void spin_in_ring3(void)
{
    for (unsigned i = 0; i < 10000; i++)
        __asm__ volatile("pause");
    __asm__ volatile("cpuid" : : "a"(0) : "rbx", "rcx", "rdx");
}

TEST(pause_loop, ring3, SOMETIMES, "a loop of PAUSE in ring 3 does not exit")
{
    watch_loops(1000, 4000);
    guest_at_ring3(spin_in_ring3);
    expect_exit(EXIT_CPUID);
}

TEST(pause_loop, pause_exiting, SOMETIMES,
     "with \"PAUSE exiting\" PAUSE-loop exiting is ignored: the first one exits")
{
    watch_loops(1000, UINT32_MAX);
    set_controls(PROC, PROC_PAUSE);
    run_to_exit(do_pause, EXIT_PAUSE);
}
