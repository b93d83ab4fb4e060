/* vmx_event.c - VM exits that no instruction causes: events, timers and windows (SDM vol. 3, 25.2 "Other
 * Causes of VM Exits"). */
#include "cpu/vapic.h"
#include "cpu/vmx.h"

const char *vmx_reason_name(u32 reason)
{
    switch (reason & 0xffff) {
/* clang-format off */
#define EXIT_REASON(ID, number, name) case number: return name;
#include "arch/exit_reasons.def"
        /* clang-format on */
    default: return NULL;
    }
}

void vmx_exit(struct core *c, u32 reason, u64 qualification)
{
    vmx_leave(c, &(struct vmx_exit){.reason = (enum exit_reason)reason, .qualification = qualification});
}

/* "NMI unblocking due to IRET": its fault, not one of an event's delivery (27.2.1, 27.2.3). */
static bool unblocking_shows(const struct core *c)
{
    return c->s.nmi_unblocked && !c->rt.delivering;
}

u64 vmx_unblocking(const struct core *c)
{
    return unblocking_shows(c) ? QUAL_EPT_NMI_UNBLOCKING : 0;
}

void vmx_exit_ept(struct core *c, u32 reason, u64 qualification, u64 gpa, u64 gva)
{
    if (reason != EXIT_EPT_MISCONFIG)
        qualification |= vmx_unblocking(c);
    vmx_leave(
        c, &(struct vmx_exit){
               .reason = (enum exit_reason)reason, .qualification = qualification, .gpa = gpa, .gva = gva});
}

void vmx_exit_triple_fault(struct core *c)
{
    if (!c->s.vmx_guest)
        return;
    c->rt.delivering = false; /* no IDT-vectoring information (27.2.4) */
    vmx_exit(c, EXIT_TRIPLE_FAULT, 0);
}

/* ---- exceptions ---- */

/* Page faults exit by their error code: the bitmap's bit 14 says on match, or on mismatch. */
static bool exception_exits(const struct core *c)
{
    bool bit = c->s.vmx.exception_bitmap >> (c->s.event_vector & 31) & 1;
    bool match = (c->s.event_error & c->s.vmx.pf_mask) == c->s.vmx.pf_match;
    return c->s.event_vector == VEC_PF ? bit == match : bit;
}

static u64 exception_qualification(const struct core *c)
{
    if (c->s.event_type != EVENT_HARD_EXCEPTION)
        return 0;
    switch (c->s.event_vector) {
    case VEC_PF: return c->s.event_cr2;
    case VEC_DB: return c->s.pending_debug & (DR6_B | DR6_BD | DR6_BS);
    default: return 0;
    }
}

static _Noreturn void exception_exit(struct core *c)
{
    struct vmx_exit x = {.reason = EXIT_EXCEPTION_NMI, .qualification = exception_qualification(c)};
    x.intr_info = INTR_INFO(c->s.event_vector, c->s.event_type) | (c->s.event_has_error ? INTR_HAS_ERROR : 0);
    x.intr_error = c->s.event_has_error ? (u32)c->s.event_error : 0;
    if (unblocking_shows(c) && c->s.event_vector != VEC_DF)
        x.intr_info |= INTR_NMI_UNBLOCKING;
    if (c->s.event_type != EVENT_HARD_EXCEPTION)
        x.insn_length = (u32)(c->s.event_next_rip - c->s.rip);
    vmx_leave(c, &x);
}

/* Interrupts and NMIs that exit never become the pending event, and INT n never exits. */
void vmx_exit_on_event(struct core *c)
{
    u64 type = c->s.event_type;
    bool exception =
        type == EVENT_HARD_EXCEPTION || type == EVENT_PRIV_EXCEPTION || type == EVENT_SOFT_EXCEPTION;
    bool injected = c->s.event_injected;
    c->s.event_injected = 0;
    if (c->s.vmx_guest && exception && !injected && exception_exits(c))
        exception_exit(c);
}

/* ---- what is due before an instruction ---- */

static bool shadowed(const struct core *c)
{
    return c->s.shadow_sti || c->s.shadow_ss;
}

static bool mtf_pending(const struct core *c)
{
    return c->s.vmx_mtf_atom && c->s.atom >= c->s.vmx_mtf_atom;
}

static void exit_mtf(struct core *c)
{
    if (mtf_pending(c))
        vmx_exit(c, EXIT_MONITOR_TRAP_FLAG, 0);
}

static void exit_timer(struct core *c)
{
    if (c->s.vmx_timer_due && c->s.vmx_timer_due <= c->s.cycle)
        vmx_exit(c, EXIT_PREEMPTION_TIMER, 0);
}

static bool window_open(const struct core *c)
{
    return c->s.vmx.proc & PROC_INTERRUPT_WINDOW && c->s.rflags & FLAG_IF && !shadowed(c);
}

static void exit_window(struct core *c)
{
    if (window_open(c))
        vmx_exit(c, EXIT_INTERRUPT_WINDOW, 0);
}

/* It exits unless it is the notification of posted interrupts. */
static void take_interrupt(struct core *c, u64 vector)
{
    struct vmx_exit x = {.reason = EXIT_EXTERNAL_INTERRUPT};
    PROBE(c, RS_PROBE_interrupt, vector);
    micro(c, MICRO_EVENT);
    if (c->s.vmx.exit & VMEXIT_ACK_INTERRUPT) {
        x.intr_info = INTR_INFO(apic_acknowledge(c), EVENT_EXTERNAL);
        c->s.count.interrupts++;
    }
    if (!vapic_takes_posted(c, vector))
        vmx_leave(c, &x);
}

/* RFLAGS.IF does not mask interrupts that exit.  They stay pending unless acknowledged on exit.  A virtual
 * interrupt comes before them (29.2.2 "Virtual-Interrupt Delivery"). */
static void exit_interrupt(struct core *c)
{
    int vector;
    if (!(c->s.vmx.pin & PIN_EXTERNAL_INTERRUPT) || shadowed(c))
        return;
    while (!vapic_interrupt_due(c) && (vector = apic_pending_vector(c)) >= 0)
        take_interrupt(c, (u64)vector);
}

/* Debug exceptions come after MTF VM exits and before the rest (25.5.1, 25.5.2; table 6-2 "Priority
 * Among Concurrent Events").  An NMI that does not exit is delivered before interrupt windows and interrupts
 * (25.2). */
void vmx_exit_if_due(struct core *c)
{
    exit_mtf(c);
    if (c->s.pending_debug && !c->s.shadow_ss)
        return;
    exit_timer(c);
    vmx_exit_nmi_window(c);
    vmx_exit_nmi(c);
    if (cpu_nmi_is_due(c))
        return;
    exit_window(c);
    exit_interrupt(c);
}

bool vmx_exit_is_waiting(const struct core *c)
{
    return c->s.vmx_guest &&
           (mtf_pending(c) || window_open(c) || vmx_nmi_window_is_open(c) || c->s.vapic_exit);
}

/* In HLT and wait-for-SIPI no instruction and no event has been that an MTF VM exit could come behind
 * (25.5.2). */
void vmx_idle(struct core *c)
{
    if (c->s.vmx_mtf_atom > c->s.atom)
        c->s.vmx_mtf_atom++;
}

/* A pending MTF VM exit wants a look before the next instruction. */
u64 vmx_next_due(const struct core *c)
{
    if (!c->s.vmx_guest)
        return UINT64_MAX;
    if (c->s.vmx_mtf_atom && (mtf_pending(c) || c->s.activity == ACTIVITY_ACTIVE))
        return c->s.cycle + 1;
    return c->s.vmx_timer_due ? c->s.vmx_timer_due : UINT64_MAX;
}
