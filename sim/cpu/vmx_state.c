/* vmx_state.c - guest and host state between the registers and the VMCS. */
#include "cpu/debug.h"
#include "cpu/vmx.h"

/* Bits of CR0 that neither entry nor exit changes: ET, NW, CD and reserved ones (SDM vol.
 * 3, 26.3.2.1, 27.5.1). */
#define CR0_KEPT (0xffffffff00000000ull | CR0_ET | 0xffc0ull | 1ull << 17 | 0x1ff80000ull | CR0_NW | CR0_CD)

static void load_cr0(struct core *c, u64 value)
{
    c->s.cr0 = (c->s.cr0 & CR0_KEPT) | (value & ~CR0_KEPT);
}

/* ---- guest: segments and tables, in the order of enum segment_reg ---- */

static void load_segments(struct core *c)
{
    for (unsigned i = 0; i < 8; i++) {
        c->s.seg[i].selector = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_SELECTOR + i));
        c->s.seg[i].base = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_BASE + i));
        c->s.seg[i].limit = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_LIMIT + i));
        c->s.seg[i].attr = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_ACCESS_RIGHTS + i));
    }
    c->s.gdtr_base = VMCS_GET(c, GUEST_GDTR_BASE);
    c->s.gdtr_limit = VMCS_GET(c, GUEST_GDTR_LIMIT);
    c->s.idtr_base = VMCS_GET(c, GUEST_IDTR_BASE);
    c->s.idtr_limit = VMCS_GET(c, GUEST_IDTR_LIMIT);
}

static void save_segments(struct core *c)
{
    for (unsigned i = 0; i < 8; i++) {
        vmcs_slot_write(c, (enum vmcs_slot)(SLOT_GUEST_ES_SELECTOR + i), c->s.seg[i].selector);
        vmcs_slot_write(c, (enum vmcs_slot)(SLOT_GUEST_ES_BASE + i), c->s.seg[i].base);
        vmcs_slot_write(c, (enum vmcs_slot)(SLOT_GUEST_ES_LIMIT + i), c->s.seg[i].limit);
        vmcs_slot_write(c, (enum vmcs_slot)(SLOT_GUEST_ES_ACCESS_RIGHTS + i),
                        c->s.seg[i].attr & ~(u64)AR_RESERVED);
    }
    VMCS_PUT(c, GUEST_GDTR_BASE, c->s.gdtr_base);
    VMCS_PUT(c, GUEST_GDTR_LIMIT, c->s.gdtr_limit);
    VMCS_PUT(c, GUEST_IDTR_BASE, c->s.idtr_base);
    VMCS_PUT(c, GUEST_IDTR_LIMIT, c->s.idtr_limit);
}

/* ---- guest: interruptibility, activity, pending debug exceptions (24.4.2 "Guest Non-Register State") ----
 */

static void load_interruptibility(struct core *c)
{
    u64 blocking = VMCS_GET(c, GUEST_INTERRUPTIBILITY);
    u64 debug = VMCS_GET(c, GUEST_PENDING_DEBUG);
    c->s.shadow_sti = !!(blocking & BLOCKING_STI);
    c->s.shadow_ss = !!(blocking & BLOCKING_MOV_SS);
    c->s.nmi_blocked = blocking & BLOCKING_NMI && !vmx_virtual_nmis(c);
    c->s.virtual_nmi_blocked = blocking & BLOCKING_NMI && vmx_virtual_nmis(c);
    bool due = debug & (PENDING_DEBUG_ENABLED | PENDING_DEBUG_BS);
    c->s.pending_debug = due ? debug & (PENDING_DEBUG_B | PENDING_DEBUG_BS) : 0;
    c->s.activity = VMCS_GET(c, GUEST_ACTIVITY);
}

static void save_interruptibility(struct core *c)
{
    u64 debug = c->s.pending_debug & (PENDING_DEBUG_B | PENDING_DEBUG_BS);
    u64 blocking = (c->s.shadow_sti ? BLOCKING_STI : 0) | (c->s.shadow_ss ? BLOCKING_MOV_SS : 0) |
                   (*vmx_nmi_blocking(c) ? BLOCKING_NMI : 0);
    VMCS_PUT(c, GUEST_INTERRUPTIBILITY, blocking);
    VMCS_PUT(c, GUEST_PENDING_DEBUG, debug & PENDING_DEBUG_B ? debug | PENDING_DEBUG_ENABLED : debug);
    VMCS_PUT(c, GUEST_ACTIVITY, c->s.activity);
    if (c->s.vmx.proc2 & PROC2_VIRTUAL_INTERRUPTS)
        VMCS_PUT(c, GUEST_INTERRUPT_STATUS, c->s.rvi | c->s.svi << 8);
    if (c->s.vmx.proc2 & PROC2_PML)
        VMCS_PUT(c, PML_INDEX, c->s.vmx.pml_index);
}

/* ---- guest: MSRs and debug registers, some by controls ---- */

static void load_guest_msrs(struct core *c)
{
    u64 controls = VMCS_GET(c, ENTRY_CONTROLS);
    c->s.sysenter_cs = VMCS_GET(c, GUEST_SYSENTER_CS);
    c->s.sysenter_esp = VMCS_GET(c, GUEST_SYSENTER_ESP);
    c->s.sysenter_eip = VMCS_GET(c, GUEST_SYSENTER_EIP);
    if (controls & VMENTRY_LOAD_DEBUG_CONTROLS) {
        debug_write(c, 7, (VMCS_GET(c, GUEST_DR7) & DR7_WRITABLE) | DR7_FIXED);
        c->s.debugctl = VMCS_GET(c, GUEST_DEBUGCTL);
    }
    if (controls & VMENTRY_LOAD_PAT)
        c->s.pat = VMCS_GET(c, GUEST_PAT);
    if (controls & VMENTRY_LOAD_EFER)
        c->s.efer = VMCS_GET(c, GUEST_EFER);
    c->s.efer |= EFER_LMA | EFER_LME; /* "IA-32e mode guest" is 1 */
}

static void save_guest_msrs(struct core *c)
{
    u64 controls = c->s.vmx.exit;
    VMCS_PUT(c, GUEST_SYSENTER_CS, c->s.sysenter_cs);
    VMCS_PUT(c, GUEST_SYSENTER_ESP, c->s.sysenter_esp);
    VMCS_PUT(c, GUEST_SYSENTER_EIP, c->s.sysenter_eip);
    if (controls & VMEXIT_SAVE_DEBUG_CONTROLS) {
        VMCS_PUT(c, GUEST_DR7, c->s.dr[7]);
        VMCS_PUT(c, GUEST_DEBUGCTL, c->s.debugctl);
    }
    if (controls & VMEXIT_SAVE_PAT)
        VMCS_PUT(c, GUEST_PAT, c->s.pat);
    if (controls & VMEXIT_SAVE_EFER)
        VMCS_PUT(c, GUEST_EFER, c->s.efer);
    if (controls & VMEXIT_SAVE_PREEMPTION_TIMER)
        VMCS_PUT(c, PREEMPTION_TIMER, vmx_timer_value(c));
}

void vmx_load_guest(struct core *c)
{
    load_cr0(c, VMCS_GET(c, GUEST_CR0));
    c->s.cr3 = VMCS_GET(c, GUEST_CR3);
    c->s.cr4 = VMCS_GET(c, GUEST_CR4);
    c->s.gpr[REG_RSP] = VMCS_GET(c, GUEST_RSP);
    c->s.rip = VMCS_GET(c, GUEST_RIP);
    c->s.rflags = VMCS_GET(c, GUEST_RFLAGS);
    load_segments(c);
    load_guest_msrs(c);
    load_interruptibility(c);
}

void vmx_save_guest(struct core *c, u64 rflags)
{
    VMCS_PUT(c, GUEST_CR0, c->s.cr0);
    VMCS_PUT(c, GUEST_CR3, c->s.cr3);
    VMCS_PUT(c, GUEST_CR4, c->s.cr4);
    VMCS_PUT(c, GUEST_RSP, c->s.gpr[REG_RSP]);
    VMCS_PUT(c, GUEST_RIP, c->s.rip);
    VMCS_PUT(c, GUEST_RFLAGS, rflags);
    save_segments(c);
    save_guest_msrs(c);
    save_interruptibility(c);
}

/* ---- host (27.5 "Loading Host State") ---- */

/* A flat segment; a null selector makes it unusable. */
static void load_flat(struct segment *seg, u64 selector, u64 attr)
{
    *seg = (struct segment){selector, 0, 0xffffffff, selector ? attr : AR_UNUSABLE};
}

static void load_host_segments(struct core *c)
{
    struct segment *seg = c->s.seg;
    seg[SEG_CS] = (struct segment){VMCS_GET(c, HOST_CS_SELECTOR), 0, 0xffffffff, SEG_ATTR_CODE64};
    load_flat(&seg[SEG_SS], VMCS_GET(c, HOST_SS_SELECTOR), SEG_ATTR_DATA);
    load_flat(&seg[SEG_DS], VMCS_GET(c, HOST_DS_SELECTOR), SEG_ATTR_DATA);
    load_flat(&seg[SEG_ES], VMCS_GET(c, HOST_ES_SELECTOR), SEG_ATTR_DATA);
    load_flat(&seg[SEG_FS], VMCS_GET(c, HOST_FS_SELECTOR), SEG_ATTR_DATA);
    load_flat(&seg[SEG_GS], VMCS_GET(c, HOST_GS_SELECTOR), SEG_ATTR_DATA);
    seg[SEG_FS].base = VMCS_GET(c, HOST_FS_BASE);
    seg[SEG_GS].base = VMCS_GET(c, HOST_GS_BASE);
    seg[SEG_TR] =
        (struct segment){VMCS_GET(c, HOST_TR_SELECTOR), VMCS_GET(c, HOST_TR_BASE), 0x67, SEG_ATTR_TSS};
    seg[SEG_LDTR] = (struct segment){0, 0, 0, AR_UNUSABLE};
    c->s.gdtr_base = VMCS_GET(c, HOST_GDTR_BASE);
    c->s.idtr_base = VMCS_GET(c, HOST_IDTR_BASE);
    c->s.gdtr_limit = c->s.idtr_limit = 0xffff;
}

static void load_host_msrs(struct core *c)
{
    u64 controls = VMCS_GET(c, EXIT_CONTROLS);
    c->s.debugctl = 0;
    c->s.sysenter_cs = VMCS_GET(c, HOST_SYSENTER_CS);
    c->s.sysenter_esp = VMCS_GET(c, HOST_SYSENTER_ESP);
    c->s.sysenter_eip = VMCS_GET(c, HOST_SYSENTER_EIP);
    if (controls & VMEXIT_LOAD_PAT)
        c->s.pat = VMCS_GET(c, HOST_PAT);
    if (controls & VMEXIT_LOAD_EFER)
        c->s.efer = VMCS_GET(c, HOST_EFER);
    c->s.efer |= EFER_LMA | EFER_LME; /* "host address-space size" is 1 */
}

static void load_host_events(struct core *c)
{
    c->s.activity = ACTIVITY_ACTIVE;
    c->s.shadow_sti = c->s.shadow_ss = 0;
    c->s.pending_debug = 0;
    c->s.nmi_unblocked = c->s.virtual_nmi_blocked = 0;
    c->s.event_valid = c->s.event_injected = 0;
    c->s.vmx_timer_due = c->s.vmx_mtf_atom = c->s.vapic_exit = c->s.virtual_interrupt = 0;
    c->s.ple_first = c->s.ple_last = 0;
    c->rt.delivering = false;
}

void vmx_load_host(struct core *c)
{
    load_cr0(c, VMCS_GET(c, HOST_CR0));
    c->s.cr3 = VMCS_GET(c, HOST_CR3);
    c->s.cr4 = VMCS_GET(c, HOST_CR4);
    debug_write(c, 7, DR7_FIXED);
    c->s.gpr[REG_RSP] = VMCS_GET(c, HOST_RSP);
    c->s.rip = VMCS_GET(c, HOST_RIP);
    c->s.rflags = FLAG_FIXED;
    load_host_segments(c);
    load_host_msrs(c);
    load_host_events(c);
    c->s.vmx_guest = 0;
}
