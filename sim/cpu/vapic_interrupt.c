/* vapic_interrupt.c - virtual interrupts (SDM vol. 3, 29.1.3 "PPR Virtualization" to 29.2.2
 * "Virtual-Interrupt Delivery", 29.6 "Posted-Interrupt Processing"). */
#include "cpu/vapic.h"

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "mmu/mmu.h"

/* ---- the 256-bit registers VIRR and VISR ---- */

static u32 word_of(u32 base, unsigned vector)
{
    return base + (vector >> 5 << 4);
}

static void set(struct core *c, u32 base, unsigned vector)
{
    u32 at = word_of(base, vector);
    vapic_store(c, at, 4, vapic_load(c, at, 4) | UINT64_C(1) << (vector & 31));
}

static void clear(struct core *c, u32 base, unsigned vector)
{
    u32 at = word_of(base, vector);
    vapic_store(c, at, 4, vapic_load(c, at, 4) & ~(UINT64_C(1) << (vector & 31)));
}

static unsigned highest_bit(u64 bits)
{
    unsigned bit = 31;
    while (bit && !(bits >> bit & 1))
        bit--;
    return bit;
}

/* 0: none.  Words are read from the highest down to the first that has one. */
static unsigned highest(struct core *c, u32 base)
{
    for (unsigned vector = 256; vector; vector -= 32) {
        u64 bits = vapic_load(c, word_of(base, vector - 32), 4);
        if (bits)
            return vector - 32 + highest_bit(bits);
    }
    return 0;
}

/* ---- priorities ---- */

static void virtualise_ppr(struct core *c)
{
    u64 tpr = vapic_load(c, APIC_TPR, 4);
    bool task = (tpr >> 4 & 15) >= c->s.svi >> 4;
    vapic_store(c, APIC_PPR, 4, task ? tpr & 0xff : c->s.svi & 0xf0);
}

/* 29.2.1 "Evaluation of Pending Virtual Interrupts": by what is named here and by nothing else, whatever
 * becomes of RVI and VPPR. */
static void evaluate(struct core *c)
{
    u64 ppr = vapic_load(c, APIC_PPR, 4);
    bool window = c->s.vmx.proc & PROC_INTERRUPT_WINDOW;
    c->s.virtual_interrupt = !window && c->s.rvi >> 4 > (ppr >> 4 & 15);
    c->rt.look_again = 0;
}

void vapic_task_priority_changed(struct core *c)
{
    virtualise_ppr(c);
    evaluate(c);
}

void vapic_load_status(struct core *c, u64 status)
{
    c->s.rvi = status & 0xff;
    c->s.svi = status >> 8 & 0xff;
    virtualise_ppr(c);
    evaluate(c);
}

/* ---- EOI and self-IPI ---- */

void vapic_end_of_interrupt(struct core *c)
{
    unsigned vector = (unsigned)c->s.svi;
    clear(c, APIC_ISR, vector);
    c->s.svi = highest(c, APIC_ISR);
    virtualise_ppr(c);
    vapic_tell(c, VAPIC_EOI, APIC_EOI, vector);
    if (c->s.vmx.eoi_exit[vector >> 6] >> (vector & 63) & 1)
        vapic_exit_later(c, EXIT_VIRTUALIZED_EOI, vector);
    else
        evaluate(c);
}

void vapic_self_ipi(struct core *c, unsigned vector)
{
    set(c, APIC_IRR, vector);
    c->s.rvi = max(c->s.rvi, vector);
    vapic_tell(c, VAPIC_SELF_IPI, word_of(APIC_IRR, vector), vector);
    evaluate(c);
}

/* ---- delivery ---- */

bool vapic_interrupt_due(const struct core *c)
{
    return c->s.virtual_interrupt && c->s.vmx_guest && c->s.rflags & FLAG_IF && !c->s.shadow_sti &&
           !c->s.shadow_ss;
}

unsigned vapic_take_interrupt(struct core *c)
{
    unsigned vector = (unsigned)c->s.rvi;
    set(c, APIC_ISR, vector);
    c->s.svi = vector;
    vapic_store(c, APIC_PPR, 4, vector & 0xf0);
    clear(c, APIC_IRR, vector);
    c->s.rvi = highest(c, APIC_IRR);
    c->s.virtual_interrupt = 0;
    vapic_tell(c, VAPIC_DELIVERY, word_of(APIC_ISR, vector), vector);
    return vector;
}

/* ---- posted interrupts ---- */

static void clear_notification(struct core *c)
{
    u64 at = c->s.vmx.posted_descriptor + POSTED_NOTIFICATION;
    phys_store(c, at, 1, phys_load(c, at, 1) & ~(u64)POSTED_ON);
}

/* 32 vectors of PIR go to VIRR; the highest of them, 0 if there are none. */
static unsigned take_requests(struct core *c, unsigned first)
{
    u64 at = c->s.vmx.posted_descriptor + POSTED_REQUESTS + first / 8, bits = phys_load(c, at, 4);
    u32 to = word_of(APIC_IRR, first);
    if (!bits)
        return 0;
    vapic_store(c, to, 4, vapic_load(c, to, 4) | bits);
    phys_store(c, at, 4, 0);
    return first + highest_bit(bits);
}

bool vapic_takes_posted(struct core *c, u64 vector)
{
    if (!(c->s.vmx.pin & PIN_POSTED_INTERRUPTS) || vector != c->s.vmx.posted_vector)
        return false;
    clear_notification(c);
    apic_write(c, APIC_EOI, 0);
    u64 posted = 0;
    for (unsigned first = 0; first < 256; first += 32)
        posted = max(posted, take_requests(c, first));
    c->s.rvi = max(c->s.rvi, posted);
    vapic_tell(c, VAPIC_POSTED, word_of(APIC_IRR, (unsigned)posted), posted);
    evaluate(c);
    return true;
}
