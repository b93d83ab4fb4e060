/* vmx_intercept.c - instructions that cause VM exits (SDM vol. 3, 25.1 "Instructions That Cause VM Exits").
 *
 * #UD and faults of privilege come before the exit (25.1.1 "Relative Priority of Faults and VM Exits"): a
 * function here raises them itself or returns, and the instruction raises them. */
#include "arch/isa.h"
#include "cpu/exec.h"
#include "cpu/privilege.h"
#include "cpu/vmx.h"

/* ---- exits ---- */

static _Noreturn void leave(struct core *c, const struct insn *in, enum exit_reason reason, u64 qualification)
{
    vmx_leave(
        c, &(struct vmx_exit){.reason = reason, .qualification = qualification, .insn_length = in->length});
}

static bool proc(const struct core *c, u32 control)
{
    return c->s.vmx.proc & control;
}

static bool proc2(const struct core *c, u32 control)
{
    return c->s.vmx.proc2 & control;
}

static void leave_if(struct core *c, const struct insn *in, bool exits, enum exit_reason reason)
{
    if (exits)
        leave(c, in, reason, 0);
}

/* ---- VM-exit instruction information (27.2.5 "Information for VM Exits Due to Instruction Execution") ----
 */

static u32 address_size(const struct insn *in)
{
    return (in->addr_bytes == 8 ? 2u : 1u) << 7;
}

/* The memory operand; bit 10: a register instead. */
static u32 operand_info(const struct insn *in)
{
    u32 info = address_size(in) | (u32)in->seg << 15;
    if (!is_memory(in))
        return 1u << 10 | (u32)in->rm << 3;
    info |= in->index == 0xff ? 1u << 22 : (u32)in->index << 18 | in->scale;
    info |= in->base >= 0xfe ? 1u << 27 : (u32)in->base << 23;
    return info;
}

/* The displacement, and for RIP-relative addressing the address itself. */
static u64 displacement(const struct core *c, const struct insn *in)
{
    u64 base = in->base == 0xfe ? c->s.rip + in->length : 0;
    return is_memory(in) ? base + (u64)(i64)in->disp : 0;
}

static _Noreturn void leave_operand(struct core *c, const struct insn *in, enum exit_reason reason, u32 more)
{
    vmx_leave(c, &(struct vmx_exit){.reason = reason,
                                    .qualification = displacement(c, in),
                                    .insn_length = in->length,
                                    .insn_info = operand_info(in) | more});
}

/* ---- control registers (table 27-3) ---- */

static u64 cr_qualification(unsigned n, enum qual_cr_access access, unsigned gpr)
{
    return n | (u64)access << 4 | (u64)gpr << 8;
}

/* A host-owned bit would differ from its shadow (24.6.6 "Guest/Host Masks and Read Shadows for CR0 and CR4").
 */
static bool differs(u64 value, u64 mask, u64 shadow)
{
    return (value ^ shadow) & mask;
}

static bool is_cr3_target(const struct core *c, u64 value)
{
    for (u64 i = 0; i < c->s.vmx.cr3_target_count; i++)
        if (c->s.vmx.cr3_target[i] == value)
            return true;
    return false;
}

static bool write_exits(const struct core *c, unsigned n, u64 value)
{
    switch (n) {
    case 0: return differs(value, c->s.vmx.cr0_mask, c->s.vmx.cr0_shadow);
    case 3: return proc(c, PROC_CR3_LOAD) && !is_cr3_target(c, value);
    case 4: return differs(value, c->s.vmx.cr4_mask, c->s.vmx.cr4_shadow);
    case 8: return proc(c, PROC_CR8_LOAD);
    default: return false;
    }
}

static void mov_to_cr(struct core *c, const struct insn *in)
{
    if (write_exits(c, in->reg, c->s.gpr[in->rm]))
        leave(c, in, EXIT_CR_ACCESS, cr_qualification(in->reg, QUAL_MOV_TO_CR, in->rm));
}

static void mov_from_cr(struct core *c, const struct insn *in)
{
    if ((in->reg == 3 && proc(c, PROC_CR3_STORE)) || (in->reg == 8 && proc(c, PROC_CR8_STORE)))
        leave(c, in, EXIT_CR_ACCESS, cr_qualification(in->reg, QUAL_MOV_FROM_CR, in->rm));
}

static void clts(struct core *c, const struct insn *in)
{
    if (c->s.vmx.cr0_mask & c->s.vmx.cr0_shadow & CR0_TS)
        leave(c, in, EXIT_CR_ACCESS, cr_qualification(0, QUAL_CLTS, 0));
}

/* LMSW cannot clear PE, so PE matters only where it would be set. */
static void lmsw(struct core *c, const struct insn *in)
{
    u64 source = e_read_n(c, in, 2), mask = c->s.vmx.cr0_mask, shadow = c->s.vmx.cr0_shadow;
    u64 changed = (source ^ shadow) & (CR0_MP | CR0_EM | CR0_TS);
    if (!((changed | (source & ~shadow & CR0_PE)) & mask))
        return;
    struct vmx_exit x = {.reason = EXIT_CR_ACCESS, .insn_length = in->length};
    x.qualification = cr_qualification(0, QUAL_LMSW, 0) | source << 16;
    if (is_memory(in)) {
        x.qualification |= QUAL_CR_LMSW_MEMORY;
        x.gva = ea(c, in);
    }
    vmx_leave(c, &x);
}

/* ---- debug registers (table 27-4): before #GP by the CPL, #UD by CR4.DE and #DB by DR7.GD (25.1.3
 * "Instructions That Cause VM Exits Conditionally") ---- */

static void mov_dr(struct core *c, const struct insn *in, bool read)
{
    if (proc(c, PROC_MOV_DR) && in->reg <= 7)
        leave(c, in, EXIT_MOV_DR, in->reg | (read ? QUAL_DR_READ : 0) | (u64)in->rm << 8);
}

/* ---- ports (24.6.4 "I/O-Bitmap Addresses", table 27-5) ---- */

static bool bitmap_bit(struct core *c, u64 bitmap, u32 bit)
{
    return phys_load(c, bitmap + bit / 8, 1) >> bit % 8 & 1;
}

static bool port_exits(struct core *c, u32 port)
{
    if (port > 0xffff)
        return true; /* an access that wraps around */
    u64 bitmap = port < 0x8000 ? c->s.vmx.io_bitmap_a : c->s.vmx.io_bitmap_b;
    return bitmap_bit(c, bitmap, port & 0x7fff);
}

static bool io_exits(struct core *c, u32 port, unsigned n)
{
    if (!proc(c, PROC_IO_BITMAPS))
        return proc(c, PROC_UNCONDITIONAL_IO);
    for (u32 i = 0; i < n; i++)
        if (port_exits(c, port + i))
            return true;
    return false;
}

enum io_form { IO_OUT = 0, IO_IN = QUAL_IO_IN, IO_IMMEDIATE = QUAL_IO_IMMEDIATE, IO_STRING = QUAL_IO_STRING };

static u64 io_qualification(const struct insn *in, u32 form, u16 port)
{
    bool rep = form & IO_STRING && in->rep;
    return (in->op_bytes - 1u) | form | (rep ? QUAL_IO_REP : 0) | (u64)port << 16;
}

static void io(struct core *c, const struct insn *in, u32 form)
{
    u16 port = (u16)(form & IO_IMMEDIATE ? in->imm : c->s.gpr[REG_RDX]);
    require_port(c, port, in->op_bytes);
    if (io_exits(c, port, in->op_bytes))
        leave(c, in, EXIT_IO, io_qualification(in, form, port));
}

/* INS and OUTS record the linear address, and in the instruction information address size and segment. */
static void io_string(struct core *c, const struct insn *in, u32 form)
{
    u16 port = (u16)c->s.gpr[REG_RDX];
    bool input = form & IO_IN;
    require_port(c, port, in->op_bytes);
    if (rep_is_over(c, in) || !io_exits(c, port, in->op_bytes))
        return;
    vmx_leave(c, &(struct vmx_exit){.reason = EXIT_IO,
                                    .qualification = io_qualification(in, form | IO_STRING, port),
                                    .gva = input ? string_destination(c, in) : string_source(c, in),
                                    .insn_length = in->length,
                                    .insn_info = address_size(in) | (input ? SEG_ES : (u32)in->seg) << 15});
}

/* ---- MSRs (24.6.9 "MSR-Bitmap Address") ---- */

static bool msr_exits(struct core *c, u32 msr, bool write)
{
    u64 part = write ? 0x800 : 0; /* read low, read high, write low, write high: 1 KiB each */
    if (!proc(c, PROC_MSR_BITMAPS))
        return true;
    if (msr >= 0xc0000000)
        part += 0x400;
    if ((msr & ~0xc0000000u) > 0x1fff || (msr >= 0x2000 && msr < 0xc0000000))
        return true;
    return bitmap_bit(c, c->s.vmx.msr_bitmap + part, msr & 0x1fff);
}

static void msr(struct core *c, const struct insn *in, bool write)
{
    if (msr_exits(c, (u32)c->s.gpr[REG_RCX], write))
        leave(c, in, write ? EXIT_WRMSR : EXIT_RDMSR, 0);
}

/* ---- descriptor tables (tables 27-10 and 27-11); identity: bits 29:28 of the instruction information ----
 */

static void tables(struct core *c, const struct insn *in, enum exit_reason reason, u32 identity)
{
    bool stores = identity < 2;
    if (stores)
        require_no_umip(c);
    if (!proc2(c, PROC2_DESCRIPTOR_TABLE))
        return;
    leave_operand(c, in, reason, identity << 28);
}

/* ---- time, translations, VMCALL ---- */

static void rdtsc(struct core *c, const struct insn *in)
{
    require_tsc(c);
    leave_if(c, in, proc(c, PROC_RDTSC), EXIT_RDTSC);
}

static void rdtscp(struct core *c, const struct insn *in)
{
    if (!proc2(c, PROC2_RDTSCP))
        cpu_fault(c, VEC_UD, 0);
    require_tsc(c);
    leave_if(c, in, proc(c, PROC_RDTSC), EXIT_RDTSCP);
}

static void rdpmc(struct core *c, const struct insn *in)
{
    bool allowed = cpl(c) == 0 || c->s.cr4 & CR4_PCE;
    leave_if(c, in, allowed && proc(c, PROC_RDPMC), EXIT_RDPMC);
}

static void invlpg(struct core *c, const struct insn *in)
{
    if (proc(c, PROC_INVLPG))
        leave(c, in, EXIT_INVLPG, ea(c, in));
}

static void invpcid(struct core *c, const struct insn *in)
{
    if (!proc2(c, PROC2_INVPCID))
        cpu_fault(c, VEC_UD, 0);
    if (!cpl(c) && proc(c, PROC_INVLPG))
        leave_operand(c, in, EXIT_INVPCID, (u32)in->reg << 28);
}

static _Noreturn void vmcall(struct core *c, const struct insn *in)
{
    const u64 *gpr = c->s.gpr;
    PROBE(c, RS_PROBE_hypercall, gpr[REG_RAX], gpr[REG_RBX], gpr[REG_RCX], gpr[REG_RDX]);
    micro(c, MICRO_EVENT);
    leave(c, in, EXIT_VMCALL, 0);
}

/* VMREAD and VMWRITE: the register that holds the field is register 2, one that holds the value register 1.
 * With VMCS shadowing those whose bit is clear go on, to the VMCS that the link pointer names (24.6.15 "VMCS
 * Shadowing Bitmap Addresses"). */
static void vmcs_access(struct core *c, const struct insn *in, enum exit_reason reason, u64 bitmap)
{
    u64 field = c->s.gpr[in->reg];
    if (!proc2(c, PROC2_VMCS_SHADOWING) || field >> 15 || bitmap_bit(c, bitmap, (u32)field))
        leave_operand(c, in, reason, (u32)in->reg << 28);
}

/* Without EPT it is not there: #UD, which comes before an exit. */
static void invept(struct core *c, const struct insn *in)
{
    if (vmx_has_ept(c))
        leave_operand(c, in, EXIT_INVEPT, (u32)in->reg << 28);
}

static void vmx_instruction(struct core *c, const struct insn *in)
{
    switch (in->row) {
    case ROW_vmcall: vmcall(c, in);
    case ROW_vmlaunch: leave(c, in, EXIT_VMLAUNCH, 0);
    case ROW_vmresume: leave(c, in, EXIT_VMRESUME, 0);
    case ROW_vmxoff: leave(c, in, EXIT_VMXOFF, 0);
    case ROW_vmxon: leave_operand(c, in, EXIT_VMXON, 0);
    case ROW_vmclear: leave_operand(c, in, EXIT_VMCLEAR, 0);
    case ROW_vmptrld: leave_operand(c, in, EXIT_VMPTRLD, 0);
    case ROW_vmptrst: leave_operand(c, in, EXIT_VMPTRST, 0);
    case ROW_vmread: vmcs_access(c, in, EXIT_VMREAD, c->s.vmx.vmread_bitmap); return;
    case ROW_vmwrite: vmcs_access(c, in, EXIT_VMWRITE, c->s.vmx.vmwrite_bitmap); return;
    case ROW_invept: invept(c, in); return;
    case ROW_invvpid: leave_operand(c, in, EXIT_INVVPID, (u32)in->reg << 28);
    default: return; /* VMFUNC decides itself: vmx_function.c */
    }
}

static void control_register(struct core *c, const struct insn *in)
{
    switch (in->row) {
    case ROW_mov_CR_E: mov_to_cr(c, in); return;
    case ROW_mov_E_CR: mov_from_cr(c, in); return;
    case ROW_clts: clts(c, in); return;
    case ROW_lmsw: lmsw(c, in); return;
    case ROW_mov_DR_E: mov_dr(c, in, false); return;
    case ROW_mov_E_DR: mov_dr(c, in, true); return;
    default: vmx_instruction(c, in); return;
    }
}

static void port_or_table(struct core *c, const struct insn *in)
{
    switch (in->row) {
    case ROW_in_A_I_b:
    case ROW_in_A_I_z: io(c, in, IO_IN | IO_IMMEDIATE); return;
    case ROW_in_A_DX_b:
    case ROW_in_A_DX_z: io(c, in, IO_IN); return;
    case ROW_out_I_A_b:
    case ROW_out_I_A_z: io(c, in, IO_OUT | IO_IMMEDIATE); return;
    case ROW_out_DX_A_b:
    case ROW_out_DX_A_z: io(c, in, IO_OUT); return;
    case ROW_ins_b:
    case ROW_ins_z: io_string(c, in, IO_IN); return;
    case ROW_outs_b:
    case ROW_outs_z: io_string(c, in, IO_OUT); return;
    case ROW_sgdt: tables(c, in, EXIT_GDTR_IDTR, 0); return;
    case ROW_sidt: tables(c, in, EXIT_GDTR_IDTR, 1); return;
    case ROW_lgdt: tables(c, in, EXIT_GDTR_IDTR, 2); return;
    case ROW_lidt: tables(c, in, EXIT_GDTR_IDTR, 3); return;
    case ROW_sldt: tables(c, in, EXIT_LDTR_TR, 0); return;
    case ROW_str: tables(c, in, EXIT_LDTR_TR, 1); return;
    case ROW_lldt: tables(c, in, EXIT_LDTR_TR, 2); return;
    case ROW_ltr: tables(c, in, EXIT_LDTR_TR, 3); return;
    default: control_register(c, in); return;
    }
}

void vmx_intercept(struct core *c, const struct insn *in)
{
    switch (in->row) {
    case ROW_cpuid: leave(c, in, EXIT_CPUID, 0);
    case ROW_invd: leave(c, in, EXIT_INVD, 0);
    case ROW_hlt: leave_if(c, in, proc(c, PROC_HLT), EXIT_HLT); return;
    case ROW_pause: leave_if(c, in, vmx_pause_exits(c), EXIT_PAUSE); return;
    case ROW_wbinvd: leave_if(c, in, proc2(c, PROC2_WBINVD), EXIT_WBINVD); return;
    case ROW_rdtsc: rdtsc(c, in); return;
    case ROW_rdtscp: rdtscp(c, in); return;
    case ROW_rdpmc: rdpmc(c, in); return;
    case ROW_rdmsr: msr(c, in, false); return;
    case ROW_wrmsr: msr(c, in, true); return;
    case ROW_invlpg: invlpg(c, in); return;
    case ROW_invpcid: invpcid(c, in); return;
    default: port_or_table(c, in); return;
    }
}
