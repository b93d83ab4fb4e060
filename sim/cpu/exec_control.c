/* exec_control.c - instructions on control and debug registers, MSRs, time, translations and caches. */
#include "cpu/debug.h"
#include "cpu/exec.h"
#include "cpu/privilege.h"
#include "cpu/system.h"
#include "cpu/vapic.h"
#include "schedule.h"

#include <string.h>

/* ---- control registers ---- */

static void require_cr(struct core *c, unsigned n)
{
    if (n != 0 && n != 2 && n != 3 && n != 4 && n != 8)
        cpu_fault(c, VEC_UD, 0);
}

void exec_mov_E_CR(struct core *c, const struct insn *in)
{
    require_cr(c, in->reg);
    if (in->reg == 8 && vapic_shadows_tpr(c))
        c->s.gpr[in->rm] = vapic_read_tpr(c) >> 4 & 15;
    else
        c->s.gpr[in->rm] = sys_read_cr(c, in->reg);
}

void exec_mov_CR_E(struct core *c, const struct insn *in)
{
    require_cr(c, in->reg);
    sys_write_cr(c, in->reg, c->s.gpr[in->rm]);
}

/* In memory the machine status word has 16 bits; a register gets as much of CR0 as it holds. */
void exec_smsw(struct core *c, const struct insn *in)
{
    unsigned n = is_memory(in) ? 2 : in->op_bytes;
    struct latch l;

    require_no_umip(c);
    e_prepare_n(c, in, n, &l);
    e_commit_n(c, in, n, &l, sys_read_cr(c, 0));
}

/* Sets MP, EM, TS as given, and PE, which cannot be cleared. */
void exec_lmsw(struct core *c, const struct insn *in)
{
    u64 bits = CR0_MP | CR0_EM | CR0_TS;
    u64 source = e_read_n(c, in, 2);

    sys_write_cr(c, 0, (c->s.cr0 & ~bits) | (source & bits));
}

/* A TS that the host owns and shows clear stays as it is (SDM vol. 3, 25.3). */
void exec_clts(struct core *c, const struct insn *in)
{
    (void)in;
    if (!(c->s.vmx_guest && c->s.vmx.cr0_mask & CR0_TS))
        c->s.cr0 &= ~(u64)CR0_TS;
}

/* ---- an x87 that is absent (SDM vol. 3, 2.5 "Control Registers", EM, MP and TS) ---- */

/* CR0 asks for #NM before the opcode is found to be nobody's. */
void exec_esc(struct core *c, const struct insn *in)
{
    (void)in;
    cpu_fault(c, c->s.cr0 & (CR0_EM | CR0_TS) ? VEC_NM : VEC_UD, 0);
}

/* Else there is no x87 whose exceptions could be pending. */
void exec_fwait(struct core *c, const struct insn *in)
{
    (void)in;
    if (c->s.cr0 & CR0_MP && c->s.cr0 & CR0_TS)
        cpu_fault(c, VEC_NM, 0);
}

/* ---- debug registers (SDM vol. 3, 17.2 "Debug Registers") ---- */

/* Their rows let every CPL in, since MOV-DR exiting comes before all of this (25.1.3). */
static unsigned require_dr(struct core *c, const struct insn *in)
{
    unsigned n = in->reg;

    if (n > 7 || ((n == 4 || n == 5) && c->s.cr4 & CR4_DE))
        cpu_fault(c, VEC_UD, 0);
    if (cpl(c))
        cpu_fault(c, VEC_GP, 0);
    if (c->s.dr[7] & DR7_GD) {
        c->s.pending_debug |= DR6_BD;
        cpu_fault(c, VEC_DB, 0);
    }
    return n == 4 || n == 5 ? n + 2 : n;
}

void exec_mov_E_DR(struct core *c, const struct insn *in)
{
    unsigned n = require_dr(c, in);

    c->s.gpr[in->rm] = c->s.dr[n];
}

void exec_mov_DR_E(struct core *c, const struct insn *in)
{
    unsigned n = require_dr(c, in);
    u64 value = c->s.gpr[in->rm];

    if (n >= 6 && value >> 32)
        cpu_fault(c, VEC_GP, 0);
    if (n == 6)
        value = (value & (DR6_B | DR6_BD | DR6_BS | DR6_BT)) | DR6_FIXED;
    if (n == 7)
        value = (value & DR7_WRITABLE) | DR7_FIXED;
    debug_write(c, n, value);
}

/* ---- MSRs, CPUID, time ---- */

static void write_edx_eax(struct core *c, u64 value)
{
    c->s.gpr[REG_RAX] = (u32)value;
    c->s.gpr[REG_RDX] = value >> 32;
}

void exec_rdmsr(struct core *c, const struct insn *in)
{
    u32 msr = (u32)c->s.gpr[REG_RCX];
    u64 value;

    (void)in;
    PROBE(c, RS_PROBE_msr, msr, false, 0);
    micro(c, MICRO_DEVICE);
    if (!(vapic_has_msr(c, msr, false) ? vapic_read_msr(c, msr, &value) : sys_read_msr(c, msr, &value)))
        cpu_fault(c, VEC_GP, 0);
    write_edx_eax(c, value);
}

void exec_wrmsr(struct core *c, const struct insn *in)
{
    u32 msr = (u32)c->s.gpr[REG_RCX];
    u64 value = c->s.gpr[REG_RDX] << 32 | (u32)c->s.gpr[REG_RAX];

    (void)in;
    PROBE(c, RS_PROBE_msr, msr, true, value);
    micro(c, MICRO_DEVICE);
    if (!(vapic_has_msr(c, msr, true) ? vapic_write_msr(c, msr, value) : sys_write_msr(c, msr, value)))
        cpu_fault(c, VEC_GP, 0);
}

void exec_cpuid(struct core *c, const struct insn *in)
{
    u32 out[4];

    (void)in;
    sys_cpuid(c, (u32)c->s.gpr[REG_RAX], (u32)c->s.gpr[REG_RCX], out);
    c->s.gpr[REG_RAX] = out[0];
    c->s.gpr[REG_RBX] = out[1];
    c->s.gpr[REG_RCX] = out[2];
    c->s.gpr[REG_RDX] = out[3];
}

void exec_rdtsc(struct core *c, const struct insn *in)
{
    (void)in;
    require_tsc(c);
    write_edx_eax(c, sys_tsc(c));
}

void exec_rdtscp(struct core *c, const struct insn *in)
{
    exec_rdtsc(c, in);
    c->s.gpr[REG_RCX] = c->s.tsc_aux;
}

/* There are no performance counters, so every counter's number is invalid. */
void exec_rdpmc(struct core *c, const struct insn *in)
{
    (void)in;
    cpu_fault(c, VEC_GP, 0);
}

/* ---- the processor's state ---- */

void exec_hlt(struct core *c, const struct insn *in)
{
    (void)in;
    c->s.activity = ACTIVITY_HLT;
    schedule_yield(c);
}

static void set_ac(struct core *c, u64 value)
{
    if (cpl(c) != 0)
        cpu_fault(c, VEC_UD, 0);
    flags_put(c, FLAG_AC, value);
}

void exec_clac(struct core *c, const struct insn *in)
{
    (void)in;
    set_ac(c, 0);
}

void exec_stac(struct core *c, const struct insn *in)
{
    (void)in;
    set_ac(c, FLAG_AC);
}

/* ---- translations (SDM vol. 3, 4.10.4.1) ---- */

/* An address that is not canonical has no translation to drop. */
void exec_invlpg(struct core *c, const struct insn *in)
{
    u64 gva = ea(c, in);

    if (sys_canonical(gva))
        mmu_flush_page(c, gva, FLUSH_INVLPG);
}

static u64 current_pcid(const struct core *c)
{
    return c->s.cr4 & CR4_PCIDE ? c->s.cr3 & CR3_PCID : 0;
}

enum invpcid_type { INVPCID_ADDRESS, INVPCID_SINGLE, INVPCID_ALL, INVPCID_ALL_BUT_GLOBAL };

/* Of another PCID an address takes all translations with it, which the manual allows. */
static void invpcid(struct core *c, u64 type, u64 pcid, u64 gva)
{
    switch (type) {
    case INVPCID_ADDRESS:
        if (pcid == current_pcid(c))
            mmu_flush_page(c, gva, FLUSH_INVPCID);
        else
            mmu_flush_pcid(c, pcid, false, FLUSH_INVPCID);
        break;
    case INVPCID_SINGLE: mmu_flush_pcid(c, pcid, false, FLUSH_INVPCID); break;
    case INVPCID_ALL: mmu_flush_linear(c, true, FLUSH_INVPCID); break;
    default: mmu_flush_linear(c, false, FLUSH_INVPCID); break;
    }
}

/* Its row lets every CPL in, since in non-root operation a missing control is #UD before that. */
void exec_invpcid(struct core *c, const struct insn *in)
{
    u64 type = g_read(c, in);
    u64 gva = ea(c, in);

    if (cpl(c))
        cpu_fault(c, VEC_GP, 0);
    u64 low = mem_load(c, in, gva, 8);
    u64 address = mem_load(c, in, gva + 8, 8);
    bool bad_pcid = type <= INVPCID_SINGLE && low && !(c->s.cr4 & CR4_PCIDE);
    bool bad_address = type == INVPCID_ADDRESS && !sys_canonical(address);
    if (type > INVPCID_ALL_BUT_GLOBAL || low >> 12 || bad_pcid || bad_address)
        cpu_fault(c, VEC_GP, 0);
    invpcid(c, type, low, address);
}

/* ---- caches: they hold no data, so both do the same ---- */

void exec_invd(struct core *c, const struct insn *in)
{
    (void)in;
    memset(c->s.l1i, 0, sizeof c->s.l1i);
    memset(c->s.l1d, 0, sizeof c->s.l1d);
    memset(c->s.l2, 0, sizeof c->s.l2);
}

void exec_wbinvd(struct core *c, const struct insn *in)
{
    exec_invd(c, in);
}
