/* system.c - power-on, reset, and the control registers (SDM vol. 3, 2.5 "Control Registers", 9.1
 * "Initialization Overview").  The core is in 64-bit mode from its first instruction and cannot leave it. */
#include "cpu/system.h"

#include "arch/apic.h"
#include "arch/boot.h"
#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "cpu/ipi.h"
#include "cpu/vapic.h"
#include "mmu/mmu.h"

#include <string.h>

/* ---- power-on and reset ---- */

static void reset_segments(struct core *c)
{
    static const struct segment code = {BOOT_CS, 0, 0xffffffff, SEG_ATTR_CODE64};
    static const struct segment data = {BOOT_DS, 0, 0xffffffff, SEG_ATTR_DATA};

    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        c->s.seg[i] = i == SEG_CS ? code : data;
    c->s.seg[SEG_LDTR] = (struct segment){0, 0, 0xffff, SEG_ATTR_LDT};
    c->s.seg[SEG_TR] = (struct segment){0, 0, 0xffff, SEG_ATTR_TSS};
    c->s.gdtr_base = c->s.idtr_base = 0;
    c->s.gdtr_limit = c->s.idtr_limit = 0xffff;
}

static void reset_registers(struct core *c)
{
    memset(c->s.gpr, 0, sizeof c->s.gpr);
    c->s.gpr[REG_RDX] = CPU_SIGNATURE;
    c->s.rip = 0;
    c->s.rflags = FLAG_FIXED;
    c->s.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
    c->s.cr2 = c->s.cr3 = 0;
    c->s.cr4 = CR4_PAE;
    c->s.efer = EFER_SCE | EFER_LME | EFER_LMA;
    memset(c->s.dr, 0, sizeof c->s.dr);
    c->s.dr[6] = DR6_FIXED;
    c->s.dr[7] = DR7_FIXED;
}

static void reset_msrs(struct core *c)
{
    c->s.star = c->s.lstar = c->s.cstar = c->s.fmask = c->s.kernel_gs_base = 0;
    c->s.tsc_aux = c->s.tsc_adjust = 0;
    c->s.tsc_reset_cycle = c->s.cycle;
    c->s.pat = PAT_RESET;
    c->s.sysenter_cs = c->s.sysenter_esp = c->s.sysenter_eip = 0;
    c->s.debugctl = 0;
    c->s.misc_enable = MISC_ENABLE_FAST_STRINGS;
    if (!(c->m->b.firmware & RS_FW_XD))
        c->s.misc_enable |= MISC_ENABLE_XD_DISABLE;
}

static void reset_events(struct core *c)
{
    c->s.activity = c->id == 0 ? ACTIVITY_ACTIVE : ACTIVITY_WAIT_SIPI;
    c->s.shadow_sti = c->s.shadow_ss = 0;
    c->s.nmi_blocked = c->s.nmi_pending = c->s.nmi_unblocked = c->s.virtual_nmi_blocked = 0;
    c->s.pending_debug = 0;
    c->s.event_valid = c->s.event_vector = c->s.event_type = 0;
    c->s.event_has_error = c->s.event_error = c->s.event_next_rip = c->s.event_cr2 = 0;
    c->s.event_injected = c->s.double_fault_of = 0;
}

static void reset_vmx(struct core *c)
{
    c->s.vmx_on = c->s.vmxon_hpa = c->s.vmx_guest = c->s.vmx_timer_due = c->s.vmx_mtf_atom = 0;
    c->s.vapic_exit = c->s.vapic_qualification = 0;
    c->s.rvi = c->s.svi = c->s.virtual_interrupt = 0;
    c->s.ple_first = c->s.ple_last = 0;
    c->s.vmcs_hpa = UINT64_MAX;
    memset(&c->s.vmx, 0, sizeof c->s.vmx);
}

static void reset_pipeline(struct core *c)
{
    c->s.prev_writes = 0;
    c->s.redirected = 1;
    c->s.fetch_line = 0;
    c->rt.delivering = false;
    c->rt.look_again = 0;
}

/* Time goes on, counters count on, and IA32_FEATURE_CONTROL stays. */
void cpu_reset(struct core *c)
{
    reset_segments(c);
    reset_registers(c);
    reset_msrs(c);
    reset_events(c);
    reset_vmx(c);
    reset_pipeline(c);
    apic_reset(c);
    ipi_forget(c);
    mmu_reset(c);
}

/* Caches, TLBs, MSRs and the TSC stay, and CR0.CD and CR0.NW.  That the bootstrap processor waits as well,
 * and does not begin at a reset vector, is because there is no firmware at one. */
void cpu_init(struct core *c)
{
    u64 cr0_kept = c->s.cr0 & (CR0_CD | CR0_NW), efer = c->s.efer;

    stall(c, &c->s.count.stall_event, c->m->p.event_cycles);
    reset_segments(c);
    reset_registers(c);
    c->s.cr0 |= cr0_kept;
    c->s.efer = efer;
    reset_events(c);
    apic_init(c);
    pipeline_serialise(c);
    reset_pipeline(c);
    c->s.activity = ACTIVITY_WAIT_SIPI;
    micro(c, MICRO_EVENT);
}

/* What the firmware writes before it boots (SDM vol. 3, 23.7 "Enabling and Entering VMX Operation"). */
static u64 firmware_feature_control(const struct core *c)
{
    u64 vtx = c->m->b.firmware & RS_FW_VTX ? FEATURE_CONTROL_VMX : 0;
    u64 lock = c->m->b.firmware & RS_FW_LOCK ? FEATURE_CONTROL_LOCK : 0;

    return vtx | lock;
}

void cpu_power_on(struct core *c)
{
    c->s.feature_control = firmware_feature_control(c);
    cpu_reset(c);
}

/* ---- reading ---- */

/* In non-root operation software sees the shadow of the bits that the host owns (SDM vol. 3, 25.3). */
static u64 seen(const struct core *c, u64 value, u64 mask, u64 shadow)
{
    return c->s.vmx_guest ? (value & ~mask) | (shadow & mask) : value;
}

/* CR8 is TPR (SDM vol. 3, 10.8.6.1 "Interaction of Task Priorities between CR8 and APIC"). */
u64 sys_read_cr(const struct core *c, unsigned n)
{
    switch (n) {
    case 0: return seen(c, c->s.cr0, c->s.vmx.cr0_mask, c->s.vmx.cr0_shadow);
    case 2: return c->s.cr2;
    case 3: return c->s.cr3;
    case 4: return seen(c, c->s.cr4, c->s.vmx.cr4_mask, c->s.vmx.cr4_shadow);
    default: return (vapic_shadows_tpr(c) ? vapic_tpr(c) : c->s.apic_reg[APIC_TPR >> 4]) >> 4 & 15;
    }
}

/* ---- writing (SDM vol. 2B, "MOV - Move to/from Control Registers") ---- */

static void require(struct core *c, bool legal)
{
    if (!legal)
        cpu_fault(c, VEC_GP, 0);
}

/* Bits that the host owns keep their values; a write that differs from their shadow has made its exit. */
static u64 keep_owned(const struct core *c, u64 old, u64 value, u64 mask)
{
    return c->s.vmx_guest ? (old & mask) | (value & ~mask) : value;
}

static void require_vmx(struct core *c, unsigned n, u64 value)
{
    if (c->s.vmx_on)
        require(c, vmx_cr_allowed(c, n, value));
}

/* CR0.PE and CR0.PG stay set: there is no mode without them. */
static bool cr0_legal(u64 value)
{
    return value & CR0_PE && value & CR0_PG && (value & CR0_CD || !(value & CR0_NW));
}

static void write_cr0(struct core *c, u64 value)
{
    require(c, !(value >> 32));
    value = keep_owned(c, c->s.cr0, (value & CR0_ALL) | CR0_ET, c->s.vmx.cr0_mask);
    require(c, cr0_legal(value));
    require_vmx(c, 0, value);
    c->s.cr0 = value;
}

/* What it invalidates: SDM vol. 3, 4.10.4.1 "Operations that Invalidate TLBs and Paging-Structure Caches". */
static void write_cr3(struct core *c, u64 value)
{
    bool pcide = c->s.cr4 & CR4_PCIDE;
    bool keep = pcide && value & CR3_NOFLUSH;

    if (pcide)
        value &= ~CR3_NOFLUSH;
    require(c, !(value & ~PHYS_MASK));
    c->s.cr3 = value;
    if (!keep)
        mmu_flush_pcid(c, pcide ? value & CR3_PCID : 0, false, FLUSH_CR3);
}

u64 sys_cr4_supported(const struct core *c)
{
    u64 bits =
        CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_UMIP | CR4_PCIDE | CR4_SMEP | CR4_SMAP;

    return bits | (c->m->b.firmware & RS_FW_VTX ? CR4_VMXE : 0);
}

static void flush_for_cr4(struct core *c, u64 old, u64 new)
{
    u64 changed = old ^ new;

    if (changed & CR4_PGE || old & ~new &CR4_PCIDE)
        mmu_flush_linear(c, true, FLUSH_CR0_CR4);
    else if (new & ~old & CR4_SMEP)
        mmu_flush_pcid(c, new &CR4_PCIDE ? c->s.cr3 &CR3_PCID : 0, true, FLUSH_CR0_CR4);
}

static bool cr4_legal(const struct core *c, u64 value)
{
    return !(value & ~sys_cr4_supported(c)) && value & CR4_PAE;
}

static void write_cr4(struct core *c, u64 value)
{
    u64 old = c->s.cr4;

    value = keep_owned(c, old, value, c->s.vmx.cr4_mask);
    require(c, cr4_legal(c, value));
    if (value & ~old & CR4_PCIDE)
        require(c, !(c->s.cr3 & CR3_PCID));
    require_vmx(c, 4, value);
    c->s.cr4 = value;
    flush_for_cr4(c, old, value);
}

bool sys_load_crs(struct core *c, u64 cr0, u64 cr3, u64 cr4)
{
    if (cr0 >> 32 || !cr0_legal(cr0) || cr3 & ~PHYS_MASK || !cr4_legal(c, cr4) ||
        (cr4 & CR4_PCIDE && cr3 & CR3_PCID))
        return false;
    c->s.cr0 = (cr0 & CR0_ALL) | CR0_ET;
    c->s.cr3 = cr3;
    c->s.cr4 = cr4;
    mmu_flush_linear(c, true, FLUSH_STARTUP);
    return true;
}

static void write_cr8(struct core *c, u64 value)
{
    require(c, !(value & ~UINT64_C(15)));
    if (vapic_shadows_tpr(c))
        vapic_write_cr8(c, value);
    else
        apic_write(c, APIC_TPR, value << 4);
}

void sys_write_cr(struct core *c, unsigned n, u64 value)
{
    switch (n) {
    case 0: write_cr0(c, value); break;
    case 2: c->s.cr2 = value; break;
    case 3: write_cr3(c, value); break;
    case 4: write_cr4(c, value); break;
    default: write_cr8(c, value);
    }
}
