#include "lapic.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "guests/lib/string.h"
#include "lapic_page.h"
#include "page.h"
#include "posted.h"
#include "vm.h"

#define CLASS(vector) ((uint32_t)(vector)&0xf0)

static uint32_t *reg(const struct lapic *a, uint32_t offset)
{
    return (uint32_t *)(a->page + offset);
}

static bool is_lvt(uint32_t offset)
{
    return offset >= APIC_LVT_TIMER && offset <= APIC_LVT_ERROR;
}

bool lapic_in_x2apic_mode(const struct lapic *a)
{
    return a->base & APIC_BASE_X2APIC;
}

static bool is_enabled(const struct lapic *a)
{
    return a->base & APIC_BASE_ENABLE && *reg(a, APIC_SVR) & APIC_SVR_ENABLE;
}

uint32_t lapic_id(const struct vcpu *v)
{
    const struct lapic *a = &v->lapic;

    return lapic_in_x2apic_mode(a) ? (uint32_t)v->index : *reg(a, APIC_ID) >> 24;
}

/* ---- the 256-bit registers: ISR, TMR, IRR ---- */

static uint32_t *word_of(const struct lapic *a, uint32_t base, unsigned vector)
{
    return reg(a, base + (vector >> 5 << 4));
}

static uint32_t bit_of(unsigned vector)
{
    return UINT32_C(1) << (vector & 31);
}

static int highest(const struct lapic *a, uint32_t base)
{
    for (int vector = 224; vector >= 0; vector -= 32) {
        uint32_t bits = *word_of(a, base, (unsigned)vector);

        if (bits)
            return vector + 31 - __builtin_clz(bits);
    }
    return -1;
}

/* ---- acceptance (10.8 "Handling Interrupts") ---- */

static uint32_t class_in_service(const struct lapic *a)
{
    int vector = highest(a, APIC_ISR);

    return vector < 0 ? 0 : CLASS(vector);
}

uint32_t lapic_ppr(const struct lapic *a)
{
    uint32_t tpr = *reg(a, APIC_TPR) & 0xff, class = class_in_service(a);

    return CLASS(tpr) >= class ? tpr : class;
}

int lapic_pending(const struct vcpu *v)
{
    const struct lapic *a = &v->lapic;
    int vector;

    if (!a->requested || !is_enabled(a))
        return -1;
    vector = highest(a, APIC_IRR);
    return CLASS(vector) > CLASS(lapic_ppr(a)) ? vector : -1;
}

/* What lapic_error makes of a vector; 0: nothing. */
static unsigned error_vector(const struct lapic *a)
{
    uint32_t lvt = *reg(a, APIC_LVT_ERROR);

    return lvt & APIC_LVT_MASKED || a->error_raised ? 0 : lvt & APIC_LVT_VECTOR;
}

bool lapic_would_take(const struct vcpu *v, unsigned vector)
{
    const struct lapic *a = &v->lapic;

    if (vector < APIC_VECTOR_MIN)
        vector = error_vector(a);
    return is_enabled(a) && vector >= APIC_VECTOR_MIN && CLASS(vector) > CLASS(lapic_ppr(a));
}

uint32_t lapic_threshold(const struct vcpu *v)
{
    const struct lapic *a = &v->lapic;
    uint32_t class;

    if (!a->requested || !is_enabled(a))
        return 0;
    class = CLASS(highest(a, APIC_IRR));
    return class > class_in_service(a) && class <= CLASS(*reg(a, APIC_TPR)) ? class >> 4 : 0;
}

void lapic_take(struct vcpu *v, unsigned vector)
{
    struct lapic *a = &v->lapic;

    *word_of(a, APIC_IRR, vector) &= ~bit_of(vector);
    *word_of(a, APIC_ISR, vector) |= bit_of(vector);
    a->requested = highest(a, APIC_IRR) >= 0;
}

/* The first error that the LVT lets through interrupts; a write to ESR arms that again. */
void lapic_error(struct vcpu *v, uint32_t bit)
{
    struct lapic *a = &v->lapic;
    unsigned vector = error_vector(a);

    a->errors |= bit;
    if (vector < APIC_VECTOR_MIN)
        return;
    a->error_raised = true;
    lapic_raise(v, vector);
}

/* Vectors 0 to 15 are illegal (10.5.2 "Valid Interrupt Vectors").  All interrupts here are edge-triggered. */
void lapic_raise(struct vcpu *v, unsigned vector)
{
    struct lapic *a = &v->lapic;

    if (!is_enabled(a))
        return;
    if (vector < APIC_VECTOR_MIN) {
        lapic_error(v, APIC_ESR_RECEIVE_VECTOR);
        return;
    }
    if (v->posted) {
        posted_request(v, vector);
        return;
    }
    *word_of(a, APIC_IRR, vector) |= bit_of(vector);
    a->requested = true;
}

/* ---- what the processor delivers by itself (posted.h) ---- */

void lapic_accept(struct lapic *a, unsigned i, uint64_t vectors)
{
    if (!is_enabled(a))
        return;
    *word_of(a, APIC_IRR, 64 * i) |= (uint32_t)vectors;
    *word_of(a, APIC_IRR, 64 * i + 32) |= (uint32_t)(vectors >> 32);
    a->changed = true;
}

void lapic_look(struct lapic *a)
{
    a->requested = highest(a, APIC_IRR) >= 0;
}

unsigned lapic_requested(const struct lapic *a)
{
    int vector = is_enabled(a) ? highest(a, APIC_IRR) : 0;

    return vector < 0 ? 0 : (unsigned)vector;
}

unsigned lapic_in_service(const struct lapic *a)
{
    int vector = highest(a, APIC_ISR);

    return vector < 0 ? 0 : (unsigned)vector;
}

/* ---- registers ---- */

static const struct {
    uint32_t bits;
    uint8_t use;
} rules[APIC_REGISTERS] = {
#define APIC_REGISTER(offset, bits, use) [(offset) >> 4] = {bits, use},
#include "arch/apic_registers.def"
};

bool lapic_allows(uint32_t offset, unsigned use)
{
    return offset >> 4 < APIC_REGISTERS && rules[offset >> 4].use & use;
}

uint32_t lapic_bits(uint32_t offset)
{
    return rules[offset >> 4].bits;
}

/* What is due comes first: the registers tell of it. */
static void catch_up(struct vcpu *v)
{
    if (v->lapic.due)
        lapic_timer_run(v, rdtsc());
}

uint32_t lapic_read(struct vcpu *v, uint32_t offset)
{
    catch_up(v);
    switch (offset) {
    case APIC_PPR: return lapic_ppr(&v->lapic);
    case APIC_TIMER_CURRENT: return lapic_timer_current(v);
    default: return *reg(&v->lapic, offset);
    }
}

static void end_of_interrupt(struct lapic *a)
{
    int vector = highest(a, APIC_ISR);

    if (vector >= 0)
        *word_of(a, APIC_ISR, (unsigned)vector) &= ~bit_of((unsigned)vector);
    *reg(a, APIC_EOI) = 0; /* a write through the page has left what it wrote */
}

static void write_esr(struct lapic *a)
{
    *reg(a, APIC_ESR) = a->errors;
    a->errors = 0;
    a->error_raised = false;
}

/* Software disable masks every local source (10.4.7.2 "Local APIC State After It Has Been Software
 * Disabled").
 */
static void write_svr(struct lapic *a, uint32_t value)
{
    *reg(a, APIC_SVR) = value;
    for (uint32_t lvt = APIC_LVT_TIMER; !(value & APIC_SVR_ENABLE) && lvt <= APIC_LVT_ERROR; lvt += 16)
        *reg(a, lvt) |= APIC_LVT_MASKED;
}

static void write_lvt(struct vcpu *v, uint32_t offset, uint32_t value)
{
    struct lapic *a = &v->lapic;
    bool enabled = *reg(a, APIC_SVR) & APIC_SVR_ENABLE;

    *reg(a, offset) = enabled ? value : value | APIC_LVT_MASKED;
    if (offset == APIC_LVT_TIMER)
        lapic_timer_mode(v, value);
}

static void write_icr(struct vcpu *v, uint64_t icr)
{
    *reg(&v->lapic, APIC_ICR_LOW) = (uint32_t)icr;
    *reg(&v->lapic, APIC_ICR_HIGH) = (uint32_t)(icr >> 32);
    lapic_send(v, icr);
}

void lapic_write(struct vcpu *v, uint32_t offset, uint64_t value)
{
    struct lapic *a = &v->lapic;
    uint32_t low = (uint32_t)value;

    a->changed = true;
    catch_up(v);
    switch (offset) {
    case APIC_EOI: end_of_interrupt(a); break;
    case APIC_DFR: *reg(a, APIC_DFR) = low | 0xfffffff; break;
    case APIC_SVR: write_svr(a, low); break;
    case APIC_ESR: write_esr(a); break;
    case APIC_ICR_LOW: write_icr(v, value); break;
    case APIC_TIMER_INITIAL: lapic_timer_start(v, low); break;
    case APIC_TIMER_DIVIDE: lapic_timer_divide(v, low); break;
    case APIC_SELF_IPI: lapic_send(v, low | APIC_ICR_TO_SELF); break;
    default:
        if (is_lvt(offset))
            write_lvt(v, offset, low);
        else
            *reg(a, offset) = low;
    }
}

/* The logical ID follows from the number (10.12.10.2 "Deriving Logical x2APIC ID from the Local x2APIC ID").
 */
void lapic_enter_x2apic_mode(struct vcpu *v)
{
    struct lapic *a = &v->lapic;
    uint32_t id = (uint32_t)v->index;

    a->base |= APIC_BASE_X2APIC;
    *reg(a, APIC_ID) = id;
    *reg(a, APIC_LDR) = id >> 4 << 16 | UINT32_C(1) << (id & 15);
    *reg(a, APIC_ICR_HIGH) = 0;
}

/* ---- reset (10.4.7.1 "Local APIC State After Power-Up or Reset") ---- */

void lapic_reset(struct vcpu *v)
{
    struct lapic *a = &v->lapic;

    memset(a->page, 0, PAGE_BYTES);
    if (v->posted)
        posted_forget(v);
    *reg(a, APIC_ID) = (uint32_t)v->index << 24;
    *reg(a, APIC_VERSION) = APIC_VERSION_VALUE;
    *reg(a, APIC_DFR) = 0xffffffff;
    write_svr(a, 0xff);
    *a = (struct lapic){.page = a->page, .base = a->base, .changed = true};
    lapic_timer_divide(v, 0);
}

/* Where the processor cannot virtualise the page there is none: the APIC is in x2APIC mode for good. */
bool lapic_init(struct vcpu *v)
{
    struct lapic *a = &v->lapic;

    if (!a->page)
        a->page = (uint8_t *)page_alloc();
    if (!a->page)
        return false;
    a->base = APIC_PHYS_BASE | APIC_BASE_ENABLE | (v->index == 0 ? APIC_BASE_BSP : 0);
    lapic_reset(v);
    if (!lapic_page_offered())
        lapic_enter_x2apic_mode(v);
    return true;
}
