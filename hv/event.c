/* event.c - an entry delivers one event.  In this order, which is that of SDM vol. 3, table 6-2: the one
 * whose delivery has been interrupted (vcpu_redeliver_event), or the fault of an instruction that has been
 * emulated (vcpu_inject); an NMI; an interrupt.  For what has to wait, an exit at the moment when it need not
 * any more. */
#include "event.h"

#include "arch/insn.h"
#include "arch/x86.h"
#include "posted.h"
#include "step.h"
#include "vm.h"
#include "vmx.h"

#define TYPE_OF(info)          ((info) >> INTR_TYPE_SHIFT & 7)
#define TYPE_IS_SOFTWARE(info) (TYPE_OF(info) >= 4)

/* ---- exceptions ---- */

/* A fault leaves RF in the flags that it pushes (SDM vol. 3, 17.3.1.1); VM entry pushes those of the VMCS. */
void vcpu_inject(unsigned vector, bool has_error, uint32_t error)
{
    uint32_t info = INTR_INFO(vector, EVENT_HARD_EXCEPTION);

    vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | FLAG_RF);
    if (has_error) {
        info |= INTR_HAS_ERROR;
        vmwrite(VMCS_ENTRY_ERROR_CODE, error);
    }
    vmwrite(VMCS_ENTRY_INTR_INFO, info);
}

/* After #PF, #PF is a double fault, and after #DF the end.  Other events take place before the fault's
 * handler, or again after it. */
void vcpu_inject_page_fault(struct vcpu *v, uint32_t error)
{
    uint64_t first = vmread(VMCS_IDT_VECTORING_INFO), vector = first & INTR_VECTOR;
    bool exception = first & INTR_VALID && TYPE_OF(first) == EVENT_HARD_EXCEPTION;

    if (exception && vector == VEC_DF)
        vm_crash(v->vm, "triple fault (an exception in delivering a double fault) at rip 0x%lx",
                 vmread(VMCS_GUEST_RIP));
    else if (exception && vector == VEC_PF)
        vcpu_inject(VEC_DF, true, 0);
    else
        vcpu_inject(VEC_PF, true, error);
}

/* Who is given an NMI must not be in the midst of one (SDM vol. 3, 26.3.1.5). */
static void unblock_nmi(void)
{
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)BLOCKING_NMI);
}

/* An IRET that has exited has ended the blocking of NMIs, and will do so again (SDM vol. 3, 27.2.3
 * "Information About NMI Unblocking Due to IRET").  If its fault is the guest's it has ended it for good. */
static void block_nmi_again(void)
{
    uint64_t unblocked = vmread(VMCS_EXIT_REASON) == EXIT_EPT_VIOLATION
                             ? vmread(VMCS_EXIT_QUALIFICATION) & QUAL_EPT_NMI_UNBLOCKING
                             : vmread(VMCS_EXIT_INTR_INFO) & INTR_NMI_UNBLOCKING;

    if (unblocked)
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_NMI);
}

/* RF in the frame of an event (SDM vol. 3, 17.3.1.1): faults set it; of an interrupt we know what it found; a
 * software interrupt clears it, and so does a trap, unless it is that of a string instruction's iteration,
 * which nothing tells from others. */
static bool frame_resumes(const struct vcpu *v, uint64_t info)
{
    if (TYPE_OF(info) == EVENT_EXTERNAL || TYPE_OF(info) == EVENT_NMI)
        return v->event.resume;
    return TYPE_OF(info) == EVENT_HARD_EXCEPTION && (info & INTR_VECTOR) != VEC_DB;
}

/* Saved by an EPT violation are the flags of the event's frame, but by a page fault those of its own, RF set
 * (SDM vol. 3, 27.3.3 "Saving RIP, RSP, RFLAGS, and SSP"). */
static void restore_flags(const struct vcpu *v, uint64_t info)
{
    if (vmread(VMCS_EXIT_REASON) == EXIT_EXCEPTION_NMI && !frame_resumes(v, info))
        vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) & ~(uint64_t)FLAG_RF);
}

void vcpu_redeliver_event(const struct vcpu *v)
{
    uint64_t info = vmread(VMCS_IDT_VECTORING_INFO);

    if (!(info & INTR_VALID)) {
        block_nmi_again();
        return;
    }
    restore_flags(v, info);
    if (info & INTR_HAS_ERROR)
        vmwrite(VMCS_ENTRY_ERROR_CODE, vmread(VMCS_IDT_VECTORING_ERROR));
    if (TYPE_IS_SOFTWARE(info))
        vmwrite(VMCS_ENTRY_INSN_LENGTH, vmread(VMCS_EXIT_INSN_LENGTH));
    if (TYPE_OF(info) == EVENT_NMI)
        unblock_nmi();
    vmwrite(VMCS_ENTRY_INTR_INFO, info & ~(uint64_t)INTR_NMI_UNBLOCKING);
}

/* ---- NMIs and interrupts ---- */

static void inject_interrupt(struct vcpu *v, unsigned vector, enum event_type type)
{
    v->event.resume = vmread(VMCS_GUEST_RFLAGS) & FLAG_RF;
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(vector, type));
}

/* Shadows of STI and MOV SS hold back both, and traps on the instruction before come first: an entry that
 * delivers something else would lose them (SDM vol. 3, 26.7.3 "Delivery of Pending Debug Exceptions after VM
 * Entry"). */
static void deliver(struct vcpu *v)
{
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY);
    int vector;

    if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS) || vmread(VMCS_GUEST_PENDING_DEBUG))
        return;
    if (v->lapic.nmi && !(blocking & BLOCKING_NMI)) {
        v->lapic.nmi = false;
        inject_interrupt(v, VEC_NMI, EVENT_NMI);
        return;
    }
    if (v->posted)
        return; /* the processor delivers interrupts */
    vector = lapic_pending(v);
    if (vector < 0 || !(vmread(VMCS_GUEST_RFLAGS) & FLAG_IF))
        return;
    lapic_take(v, (unsigned)vector);
    inject_interrupt(v, (unsigned)vector, EVENT_EXTERNAL);
}

/* What is left over. */
static void open_windows(struct vcpu *v)
{
    uint32_t windows = v->lapic.nmi ? PROC_NMI_WINDOW : 0, threshold = v->posted ? 0 : lapic_threshold(v);
    uint64_t proc;

    if (!v->posted && lapic_pending(v) >= 0)
        windows |= PROC_INTERRUPT_WINDOW;
    if (windows != v->event.windows) {
        proc = vmread(VMCS_PROC_CONTROLS) & ~(uint64_t)(PROC_NMI_WINDOW | PROC_INTERRUPT_WINDOW);
        vmwrite(VMCS_PROC_CONTROLS, proc | windows);
        v->event.windows = windows;
    }
    if (threshold != v->event.threshold) {
        vmwrite(VMCS_TPR_THRESHOLD, threshold);
        v->event.threshold = threshold;
    }
}

static bool is_idle(const struct vcpu *v)
{
    bool requested = v->lapic.requested && !v->posted;

    return !requested && !v->lapic.nmi && !v->event.windows && !v->event.threshold;
}

void event_prepare(struct vcpu *v)
{
    if (v->posted)
        posted_before_entry(v);
    if (is_idle(v))
        return;
    if (!(v->steps & STEP_APIC_PAGE) && !(vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID))
        deliver(v);
    open_windows(v);
}

/* ---- HLT ---- */

unsigned event_wakers(void)
{
    bool interrupts = vmread(VMCS_GUEST_RFLAGS) & FLAG_IF;
    bool nmis = !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_NMI);

    return (interrupts ? WAKES_BY_INTERRUPT : 0) | (nmis ? WAKES_BY_NMI : 0);
}

bool event_wakes(struct vcpu *v)
{
    if (v->lapic.due)
        lapic_timer_run(v, rdtsc());
    if (v->posted) {
        posted_take(v);
        lapic_look(&v->lapic);
    }
    if (v->lapic.nmi && v->wakers & WAKES_BY_NMI)
        return true;
    return v->wakers & WAKES_BY_INTERRUPT && lapic_pending(v) >= 0;
}
