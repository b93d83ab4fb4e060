/* exception.c - exceptions and interrupts: how they are raised, combined, and delivered through the IDT. */
#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/segment.h"
#include "cpu/vapic.h"
#include "mmu/mmu.h"

/* ---- classes (SDM vol. 3, 6.15 "Exception and Interrupt Reference", tables 6-4 and 6-5) ---- */

enum event_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE_FAULT };

static bool has_error(unsigned vector)
{
#define ROW(number, mnemonic, error) (u32)(error) << (number) |
    return vector < 32 && (X86_VECTORS(ROW) 0) >> vector & 1;
#undef ROW
}

static enum event_class class_of(u64 vector)
{
    switch (vector) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP: return CLASS_CONTRIBUTORY;
    case VEC_PF:
    case VEC_VE: return CLASS_PAGE_FAULT;
    case VEC_DF: return CLASS_DOUBLE_FAULT;
    default: return CLASS_BENIGN;
    }
}

static bool is_delivering(const struct core *c)
{
    return c->rt.delivering && c->s.event_valid;
}

static bool is_software(u64 type)
{
    return type == EVENT_SOFT_INT || type == EVENT_SOFT_EXCEPTION;
}

/* What a second exception makes of the one being delivered: serial handling, a double fault, or shutdown. */
enum combination { SERIAL, DOUBLE_FAULT, TRIPLE_FAULT };

static enum combination combine(const struct core *c, unsigned vector)
{
    enum event_class second = class_of(vector);
    enum event_class first = CLASS_BENIGN;

    if (c->s.event_type == EVENT_HARD_EXCEPTION)
        first = class_of(c->s.event_vector);
    if (first == CLASS_BENIGN || second == CLASS_BENIGN)
        return SERIAL;
    if (first == CLASS_DOUBLE_FAULT)
        return TRIPLE_FAULT;
    if (first == CLASS_CONTRIBUTORY && second == CLASS_PAGE_FAULT)
        return SERIAL;
    return DOUBLE_FAULT;
}

/* ---- raising ---- */

static void set_event(struct core *c, unsigned vector, enum event_type type, u32 error, u64 next_rip)
{
    c->s.event_valid = 1;
    c->s.event_injected = 0;
    c->s.event_vector = vector;
    c->s.event_type = type;
    c->s.event_has_error = type == EVENT_HARD_EXCEPTION && has_error(vector);
    c->s.event_error = c->s.event_has_error ? error : 0;
    c->s.event_next_rip = next_rip;
}

/* Shutdown (SDM vol. 3, 6.15, "Interrupt 8 - Double Fault Exception"): the board stops. */
static _Noreturn void triple_fault(struct core *c, u64 third)
{
    vmx_exit_triple_fault(c);
    c->rt.delivering = false;
    c->s.event_valid = c->s.event_injected = 0;
    c->s.activity = ACTIVITY_SHUTDOWN;
    board_halt(c, HALT_SHUTDOWN, HALT_STATUS, c->s.double_fault_of | third << 16);
    atom_leave(c, ATOM_DONE);
}

static bool takes_ext(unsigned vector)
{
    return vector == VEC_TS || vector == VEC_NP || vector == VEC_SS || vector == VEC_GP;
}

/* EXT: the exception arose while an event from outside the program was delivered (SDM vol. 3, 6.13 "Error
 * Code"). */
static u32 with_ext(const struct core *c, unsigned vector, u32 error)
{
    bool ext = is_delivering(c) && !is_software(c->s.event_type) && takes_ext(vector);

    return ext ? error | ERROR_EXT : error;
}

static void tell_fault(struct core *c, unsigned vector, u32 error, u64 gva)
{
    c->s.count.faults++;
    PROBE(c, RS_PROBE_fault, vector, vector, error, gva);
    micro(c, MICRO_FAULT);
}

static _Noreturn void raise_exception(struct core *c, unsigned vector, u32 error, u64 gva)
{
    bool nested = is_delivering(c);
    enum combination how = nested ? combine(c, vector) : SERIAL;
    u64 first = c->s.event_vector;

    run_leaves(c);
    if (vector != VEC_DB)
        debug_forget(c);
    error = with_ext(c, vector, error);
    tell_fault(c, vector, error, gva);
    set_event(c, vector, EVENT_HARD_EXCEPTION, error, c->s.rip);
    c->s.event_cr2 = gva;
    if (nested && c->s.vmx_guest)
        vmx_exit_on_event(
            c); /* the bitmap sees it before it combines, while the event that it interrupts is known */
    if (how == TRIPLE_FAULT)
        triple_fault(c, vector);
    if (how == DOUBLE_FAULT) {
        if (vector == VEC_PF)
            c->s.cr2 = gva;
        c->s.double_fault_of = first | vector << 8;
        set_event(c, VEC_DF, EVENT_HARD_EXCEPTION, 0, c->s.rip);
        tell_fault(c, VEC_DF, 0, 0);
    }
    c->rt.delivering = false;
    atom_leave(c, ATOM_DONE);
}

void cpu_fault(struct core *c, unsigned vector, u32 error)
{
    raise_exception(c, vector, has_error(vector) ? error : 0, 0);
}

void cpu_page_fault(struct core *c, u64 gva, u32 error)
{
    raise_exception(c, VEC_PF, error, gva);
}

void cpu_not_canonical(struct core *c, bool stack)
{
    cpu_fault(c, stack ? VEC_SS : VEC_GP, 0);
}

void cpu_software_interrupt(struct core *c, unsigned vector, enum event_type type, u64 next_rip)
{
    set_event(c, vector, type, 0, next_rip);
    if (type == EVENT_SOFT_INT) {
        PROBE(c, RS_PROBE_interrupt, vector);
        micro(c, MICRO_EVENT);
    } else {
        tell_fault(c, vector, 0, 0);
    }
}

/* ---- delivery (SDM vol. 3, 6.12.1 "Exception- or Interrupt-Handler Procedures", 6.14 "64-bit mode") ---- */

/* What is known of the handler before anything changes. */
struct handler {
    u64 rip;
    u16 selector;
    unsigned cpl; /* the handler's */
    unsigned ist;
    bool clears_if; /* interrupt gate */
    struct descriptor code;
    struct descriptor_mark mark;
};

static void read_gate(struct core *c, struct handler *h)
{
    u64 vector = c->s.event_vector;
    u32 error = (u32)vector << 3 | ERROR_IDT;
    u64 gva = c->s.idtr_base + vector * 16;

    if (vector * 16 + 15 > c->s.idtr_limit)
        cpu_fault(c, VEC_GP, error);
    u64 half[2];
    segment_load_words(c, gva, 2, half);
    u64 low = half[0], high = half[1];
    u64 type = low >> 40 & (SEG_TYPE | SEG_S);
    if (type != SYS_INTERRUPT_GATE && type != SYS_TRAP_GATE)
        cpu_fault(c, VEC_GP, error);
    if (is_software(c->s.event_type) && desc_dpl(low) < cpl(c))
        cpu_fault(c, VEC_GP, error);
    if (!(low & DESC_P))
        cpu_fault(c, VEC_NP, error);
    h->rip = (low & 0xffff) | (low >> 48 << 16) | high << 32;
    h->selector = (u16)(low >> 16);
    h->ist = low >> 32 & 7;
    h->clears_if = type == SYS_INTERRUPT_GATE;
}

static void read_code_segment(struct core *c, struct handler *h)
{
    u32 error = h->selector & 0xfffcu;

    if (selector_is_null(h->selector))
        cpu_fault(c, VEC_GP, 0);
    segment_read_or_gp(c, h->selector, 8, &h->code);
    u64 low = h->code.low;
    if (!desc_is_code(low) || desc_dpl(low) > cpl(c))
        cpu_fault(c, VEC_GP, error);
    if (!(low & DESC_P))
        cpu_fault(c, VEC_NP, error);
    if (!desc_is_64bit(low))
        cpu_fault(c, VEC_GP, error);
    h->cpl = desc_is_conforming(low) ? cpl(c) : desc_dpl(low);
    cpu_check_canonical(c, h->rip, false);
    segment_mark_check(c, &h->code, DESC_ACCESSED, &h->mark);
}

/* 64-bit mode aligns the stack to 16 bytes (SDM vol. 3, 6.14.2 "64-Bit Mode Stack Frame"). */
static u64 handler_stack(struct core *c, const struct handler *h)
{
    u64 rsp = c->s.gpr[REG_RSP];

    if (h->ist)
        rsp = segment_tss_stack(c, TSS_IST1 + 8 * (h->ist - 1));
    else if (h->cpl < cpl(c))
        rsp = segment_tss_stack(c, TSS_RSP0 + 8 * h->cpl);
    return rsp & ~UINT64_C(15);
}

static bool pushes_next_rip(u64 type)
{
    return is_software(type) || type == EVENT_PRIV_EXCEPTION;
}

/* Of debug exceptions general detect alone: a handler of instruction breakpoints sets RF itself. */
static bool is_fault(const struct core *c)
{
    switch (c->s.event_vector) {
    case VEC_DB: return c->s.pending_debug & DR6_BD;
    case VEC_DF:
    case VEC_MC: return false;
    default: return true;
    }
}

u64 cpu_flags_image(const struct core *c)
{
    if (c->s.event_injected)
        return c->s.rflags;
    if (pushes_next_rip(c->s.event_type))
        return c->s.rflags & ~(u64)FLAG_RF;
    return c->s.event_type == EVENT_HARD_EXCEPTION && is_fault(c) ? c->s.rflags | FLAG_RF : c->s.rflags;
}

struct frame {
    u64 word[6]; /* in the order of the pushes */
    unsigned words;
    bool together; /* they go where `all` says, not where `latch` does */
    struct words_latch all;
    struct latch latch[6];
};

static void make_frame(struct core *c, struct frame *f)
{
    f->words = 0;
    f->word[f->words++] = c->s.seg[SEG_SS].selector;
    f->word[f->words++] = c->s.gpr[REG_RSP];
    f->word[f->words++] = c->rt.delivered.rflags;
    f->word[f->words++] = c->s.seg[SEG_CS].selector;
    f->word[f->words++] = pushes_next_rip(c->s.event_type) ? c->s.event_next_rip : c->s.rip;
    if (c->s.event_has_error)
        f->word[f->words++] = c->s.event_error;
}

/* The pushes have the handler's privilege, not that of what it interrupts. */
static void check_frame(struct core *c, struct frame *f, u64 rsp, unsigned new_cpl)
{
    unsigned access = MMU_WRITE | (new_cpl == 3 ? MMU_USER : 0);

    f->together = mmu_store_check_words(c, rsp, f->words, access, &f->all);
    if (f->together)
        return;
    for (unsigned i = 0; i < f->words; i++) {
        rsp -= 8;
        cpu_check_canonical(c, rsp, true);
        mmu_store_check(c, rsp, 8, access, &f->latch[i]);
    }
}

static void commit_frame(struct core *c, const struct frame *f)
{
    if (f->together) {
        mmu_store_commit_words(c, &f->all, f->word);
        return;
    }
    for (unsigned i = 0; i < f->words; i++)
        mmu_store_commit(c, &f->latch[i], f->word[i]);
}

/* What changes when the event begins to be delivered, even if delivery then fails (SDM vol. 3, 27.1
 * "Architectural State before a VM Exit").  Injection leaves CR2 and debug registers alone (26.6.1.1 "Details
 * of Vectored-Event Injection"). */
static void before_delivery(struct core *c, bool injected, u64 rflags)
{
    bool exception = c->s.event_type == EVENT_HARD_EXCEPTION || c->s.event_type == EVENT_PRIV_EXCEPTION;

    exception = exception && !injected;
    if (exception && c->s.event_vector == VEC_PF)
        c->s.cr2 = c->s.event_cr2;
    if (exception && c->s.event_vector == VEC_DB) {
        c->s.dr[6] = (c->s.dr[6] & ~(u64)DR6_B) | DR6_FIXED | c->s.pending_debug;
        c->s.dr[7] &= ~(u64)DR7_GD;
        c->s.pending_debug = 0;
    }
    if (c->s.event_type == EVENT_NMI)
        *vmx_nmi_blocking(c) = 1;
    c->s.activity = ACTIVITY_ACTIVE;
    c->s.nmi_unblocked = 0;
    c->rt.delivered = (struct delivered){c->s.event_vector, c->s.event_type,     c->s.event_has_error,
                                         c->s.event_error,  c->s.event_next_rip, rflags};
    c->rt.delivering = true;
}

static void enter_handler(struct core *c, const struct handler *h, u64 rsp)
{
    if (h->cpl < cpl(c))
        segment_set_null(&c->s.seg[SEG_SS], (u16)h->cpl, h->cpl);
    segment_set(&c->s.seg[SEG_CS], (u16)((h->selector & ~SELECTOR_RPL) | h->cpl), h->code.low);
    c->s.gpr[REG_RSP] = rsp;
    c->s.rip = c->rt.next_rip = h->rip;
    c->s.rflags &= ~(u64)(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
    if (h->clears_if)
        c->s.rflags &= ~(u64)FLAG_IF;
    c->s.shadow_sti = c->s.shadow_ss = 0;
    c->s.event_valid = c->s.event_injected = 0;
    c->rt.delivering = false;
}

void cpu_deliver_event(struct core *c)
{
    struct handler h;
    struct frame f;
    bool injected = c->s.event_injected;
    u64 rflags = cpu_flags_image(c);

    debug_begin(c);
    c->rt.delivering = false;
    if (c->s.vmx_guest)
        vmx_exit_on_event(c);
    before_delivery(c, injected, rflags);
    stall(c, &c->s.count.stall_event, c->m->p.event_cycles);
    read_gate(c, &h);
    read_code_segment(c, &h);
    u64 rsp = handler_stack(c, &h);
    make_frame(c, &f);
    check_frame(c, &f, rsp, h.cpl);
    segment_mark_commit(c, &h.mark);
    commit_frame(c, &f);
    enter_handler(c, &h, rsp - 8 * f.words);
    pipeline_serialise(c);
    micro(c, MICRO_EVENT);
}

/* ---- interrupts (SDM vol. 3, 6.8 "Enabling and Disabling Interrupts") ---- */

static bool shadowed(const struct core *c)
{
    return c->s.shadow_sti || c->s.shadow_ss;
}

/* In non-root operation with NMI exiting or external-interrupt exiting, vmx_exit_if_due() takes them. */
bool cpu_nmi_is_due(const struct core *c)
{
    bool exits = c->s.vmx_guest && c->s.vmx.pin & PIN_NMI;

    return c->s.nmi_pending && !c->s.nmi_blocked && !c->s.shadow_ss && !exits;
}

static bool external_due(const struct core *c)
{
    bool exits = c->s.vmx_guest && c->s.vmx.pin & PIN_EXTERNAL_INTERRUPT;

    return c->s.rflags & FLAG_IF && !shadowed(c) && !exits && apic_pending_vector(c) >= 0;
}

static void take(struct core *c, unsigned vector, enum event_type type)
{
    set_event(c, vector, type, 0, c->s.rip);
    c->s.count.interrupts++;
    PROBE(c, RS_PROBE_interrupt, vector);
    micro(c, MICRO_EVENT);
}

bool cpu_take_interrupt(struct core *c)
{
    if (cpu_nmi_is_due(c)) {
        c->s.nmi_pending = 0;
        take(c, VEC_NMI, EVENT_NMI);
        return true;
    }
    if (vapic_interrupt_due(c)) {
        take(c, vapic_take_interrupt(c), EVENT_EXTERNAL);
        return true;
    }
    if (external_due(c)) {
        take(c, (unsigned)apic_acknowledge(c), EVENT_EXTERNAL);
        return true;
    }
    return false;
}

/* With external-interrupt exiting an interrupt ends HLT whatever IF says: it leaves the guest (25.2). */
bool cpu_hears(const struct core *c)
{
    return c->s.rflags & FLAG_IF || (c->s.vmx_guest && c->s.vmx.pin & PIN_EXTERNAL_INTERRUPT);
}

bool cpu_wakes(const struct core *c)
{
    if (c->s.activity == ACTIVITY_WAIT_SIPI)
        return false;
    if (c->s.event_valid || c->s.pending_debug || vmx_next_due(c) <= c->s.cycle || vmx_exit_is_waiting(c))
        return true;
    if ((c->s.nmi_pending && !c->s.nmi_blocked) || vapic_interrupt_due(c))
        return true;
    return apic_pending_vector(c) >= 0 && cpu_hears(c);
}
