/* apic.c - the local APIC (SDM vol. 3, 10 "Advanced Programmable Interrupt Controller (APIC)"): registers,
 * interrupt acceptance, the timer, inter-processor interrupts. */
#include "cpu/apic.h"

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "cpu/ipi.h"
#include "cpu/system.h"
#include "mmu/mmu.h"

static u64 *reg(struct core *c, u32 offset)
{
    return &c->s.apic_reg[offset >> 4];
}

static u64 reg_value(const struct core *c, u32 offset)
{
    return c->s.apic_reg[offset >> 4];
}

static bool in_x2apic_mode(const struct core *c)
{
    return c->s.apic_base & APIC_BASE_X2APIC;
}

static bool is_enabled(const struct core *c)
{
    return c->s.apic_base & APIC_BASE_ENABLE && reg_value(c, APIC_SVR) & APIC_SVR_ENABLE;
}

/* ---- the 256-bit registers: ISR, TMR, IRR ---- */

static void vector_set(struct core *c, u32 base, unsigned vector)
{
    *reg(c, base + (vector >> 5 << 4)) |= UINT64_C(1) << (vector & 31);
}

static void vector_clear(struct core *c, u32 base, unsigned vector)
{
    *reg(c, base + (vector >> 5 << 4)) &= ~(UINT64_C(1) << (vector & 31));
}

static bool vector_has(const struct core *c, u32 base, unsigned vector)
{
    return reg_value(c, base + (vector >> 5 << 4)) >> (vector & 31) & 1;
}

static int vector_highest(const struct core *c, u32 base)
{
    for (int i = 7; i >= 0; i--)
        for (int bit = 31; reg_value(c, base + 16 * (u32)i) && bit >= 0; bit--)
            if (reg_value(c, base + 16 * (u32)i) >> bit & 1)
                return 32 * i + bit;
    return -1;
}

/* ---- acceptance (SDM vol. 3, 10.8 "Handling Interrupts") ---- */

/* Processor-priority register: the higher of the task's and that of the interrupt in service (10.8.3.1). */
static void update_ppr(struct core *c)
{
    u64 tpr = reg_value(c, APIC_TPR);
    int in_service = vector_highest(c, APIC_ISR);
    u64 class = in_service < 0 ? 0 : (u64)in_service & 0xf0;

    *reg(c, APIC_PPR) = (tpr & 0xf0) >= class ? tpr : class;
}

/* Of those that the local APIC has itself. */
static int local_vector(const struct core *c)
{
    int vector;

    if (!is_enabled(c))
        return -1;
    vector = vector_highest(c, APIC_IRR);
    return vector >= 0 && ((u64)vector & 0xf0) > (reg_value(c, APIC_PPR) & 0xf0) ? vector : -1;
}

/* The 8259s' INTR is LINT0, and reaches the core as ExtINT, whatever its priority; or past an APIC that is
 * off (10.5.1 "Local Vector Table", 10.4.3 "Enabling or Disabling the Local APIC"). */
static bool hears_board(const struct core *c)
{
    u64 lvt = reg_value(c, APIC_LVT_LINT0);

    if (!(c->s.apic_base & APIC_BASE_ENABLE))
        return c->id == 0;
    return (lvt & (APIC_LVT_MASKED | APIC_LVT_DELIVERY)) == APIC_LVT_DELIVERY_EXTINT;
}

int apic_pending_vector(const struct core *c)
{
    int vector = local_vector(c);

    return vector < 0 && unlikely(hears_board(c)) ? board_external_vector(c->m) : vector;
}

int apic_acknowledge(struct core *c)
{
    int vector = local_vector(c);

    if (vector < 0 && hears_board(c) && board_external_vector(c->m) >= 0)
        return (int)board_acknowledge(c->m);
    if (vector < 0)
        return (int)(reg_value(c, APIC_SVR) & 0xff); /* spurious (10.9 "Spurious Interrupt") */
    vector_clear(c, APIC_IRR, (unsigned)vector);
    vector_set(c, APIC_ISR, (unsigned)vector);
    update_ppr(c);
    return vector;
}
static void end_of_interrupt(struct core *c)
{
    int vector = vector_highest(c, APIC_ISR);

    if (vector < 0)
        return;
    vector_clear(c, APIC_ISR, (unsigned)vector);
    update_ppr(c);
    if (vector_has(c, APIC_TMR, (unsigned)vector))
        board_end_of_interrupt(c->m, (unsigned)vector);
}

/* ---- errors (SDM vol. 3, 10.5.3 "Error Handling") ---- */

/* Errors gather in the upper half of ESR's word until a write to ESR shows them. */
#define ESR_GATHERED 32

/* The first that the LVT lets through interrupts; a write to ESR arms that again. */
static void error(struct core *c, u64 bit)
{
    u64 lvt = reg_value(c, APIC_LVT_ERROR);
    unsigned vector = lvt & APIC_LVT_VECTOR;

    *reg(c, APIC_ESR) |= bit << ESR_GATHERED;
    if (lvt & APIC_LVT_MASKED || vector < 16 || c->s.apic_error_raised)
        return;
    c->s.apic_error_raised = 1;
    apic_raise(c, vector);
}

static void write_esr(struct core *c)
{
    *reg(c, APIC_ESR) >>= ESR_GATHERED;
    c->s.apic_error_raised = 0;
}

void apic_raise(struct core *c, unsigned vector)
{
    if (!is_enabled(c))
        return;
    if (vector < 16) {
        error(c, APIC_ESR_RECEIVE_VECTOR);
        return;
    }
    vector_clear(c, APIC_TMR, vector);
    vector_set(c, APIC_IRR, vector);
    c->rt.look_again = 0;
}

void apic_raise_level(struct core *c, unsigned vector)
{
    apic_raise(c, vector);
    if (is_enabled(c) && vector >= 16)
        vector_set(c, APIC_TMR, vector);
}

/* ---- timer (SDM vol. 3, 10.5.4 "APIC Timer") ---- */

/* It counts at the crystal's frequency, which CPUID leaf 15H relates to the cycles of the core. */
static u64 cycles_per_count(const struct core *c)
{
    u64 code = reg_value(c, APIC_TIMER_DIVIDE);
    u64 shift = ((code & 3) | (code >> 1 & 4)) + 1;

    return sys_cycles_per_crystal(c) << (shift & 7);
}

static u64 timer_mode(const struct core *c)
{
    return reg_value(c, APIC_LVT_TIMER) & APIC_TIMER_MODE;
}

static bool timer_masked(const struct core *c)
{
    return reg_value(c, APIC_LVT_TIMER) & APIC_LVT_MASKED;
}

static u64 timer_period(const struct core *c)
{
    return reg_value(c, APIC_TIMER_INITIAL) * cycles_per_count(c);
}

static void timer_start(struct core *c, u64 initial)
{
    *reg(c, APIC_TIMER_INITIAL) = initial;
    c->s.apic_timer_start = c->s.cycle;
    c->s.apic_timer_due = initial ? c->s.cycle + timer_period(c) : 0;
}

static u64 timer_current(const struct core *c)
{
    if (!c->s.apic_timer_due || timer_mode(c) == APIC_TIMER_TSC_DEADLINE)
        return 0;
    return (c->s.apic_timer_due - c->s.cycle + cycles_per_count(c) - 1) / cycles_per_count(c);
}

static void timer_divide(struct core *c, u64 code)
{
    u64 current = timer_current(c);

    *reg(c, APIC_TIMER_DIVIDE) = code;
    if (current)
        c->s.apic_timer_due = c->s.cycle + current * cycles_per_count(c);
}

void apic_tsc_moved(struct core *c)
{
    u64 now = tsc_now(c);

    if (timer_mode(c) != APIC_TIMER_TSC_DEADLINE || !c->s.tsc_deadline)
        return;
    c->s.apic_timer_due = c->s.cycle;
    if (c->s.tsc_deadline > now)
        c->s.apic_timer_due += c->s.tsc_deadline - now;
    if (c->s.apic_timer_due < c->s.cycle) /* farther than time goes */
        c->s.apic_timer_due = UINT64_MAX;
    if (!c->s.apic_timer_due)
        c->s.apic_timer_due = 1; /* cycle 0: 0 would mean none */
}

/* Ignored unless in TSC-deadline mode; 0 disarms (SDM vol. 3, 10.5.4.1 "TSC-Deadline Mode"). */
void apic_write_deadline(struct core *c, u64 tsc)
{
    if (timer_mode(c) != APIC_TIMER_TSC_DEADLINE)
        return;
    c->s.tsc_deadline = tsc;
    c->s.apic_timer_due = 0;
    apic_tsc_moved(c);
}

/* A masked timer wakes nobody: what it passes is caught up on when it is next looked at. */
u64 apic_next_due(const struct core *c)
{
    return c->s.apic_timer_due && !timer_masked(c) ? c->s.apic_timer_due : UINT64_MAX;
}

static void timer_rewind(struct core *c)
{
    u64 period = timer_period(c);

    if (timer_mode(c) == APIC_TIMER_PERIODIC && period) {
        c->s.apic_timer_due += ((c->s.cycle - c->s.apic_timer_due) / period + 1) * period;
        return;
    }
    c->s.apic_timer_due = 0;
    c->s.tsc_deadline = 0;
}

void apic_run_due(struct core *c)
{
    if (!c->s.apic_timer_due || c->s.apic_timer_due > c->s.cycle)
        return;
    timer_rewind(c);
    if (!timer_masked(c))
        apic_raise(c, reg_value(c, APIC_LVT_TIMER) & APIC_LVT_VECTOR);
}

static void write_lvt_timer(struct core *c, u64 value)
{
    u64 old = timer_mode(c);
    u64 new = value &APIC_TIMER_MODE;

    *reg(c, APIC_LVT_TIMER) = value;
    if (old != new && (old == APIC_TIMER_TSC_DEADLINE || new == APIC_TIMER_TSC_DEADLINE)) {
        c->s.apic_timer_due = 0;
        c->s.tsc_deadline = 0;
        *reg(c, APIC_TIMER_INITIAL) = 0;
    }
}

/* ---- inter-processor interrupts (SDM vol. 3, 10.6 "Issuing Interprocessor Interrupts") ---- */

static bool matches_logical(const struct core *to, u64 dest)
{
    u64 ldr = reg_value(to, APIC_LDR);

    if (in_x2apic_mode(to))
        return ldr >> 16 == dest >> 16 && ldr & dest & 0xffff;
    ldr >>= 24;
    if (reg_value(to, APIC_DFR) >> 28 == 0xf)
        return ldr & dest;
    return (ldr >> 4 == dest >> 4 || dest >> 4 == 0xf) && ldr & dest & 0xf; /* cluster model */
}

/* In xAPIC mode software may have changed it. */
static u64 apic_id(const struct core *c)
{
    return in_x2apic_mode(c) ? c->id : reg_value(c, APIC_ID) >> 24;
}

bool apic_is_destination(const struct core *to, u64 dest, bool logical, u64 broadcast)
{
    if (!(to->s.apic_base & APIC_BASE_ENABLE))
        return false;
    if (dest == broadcast)
        return true;
    return logical ? matches_logical(to, dest) : apic_id(to) == dest;
}

struct core *apic_lowest(struct core *a, struct core *b)
{
    if (!a || !is_enabled(a))
        return b && is_enabled(b) ? b : NULL;
    return b && is_enabled(b) && reg_value(b, APIC_PPR) < reg_value(a, APIC_PPR) ? b : a;
}

static bool matches(const struct core *from, const struct core *to, u64 icr)
{
    u64 broadcast = in_x2apic_mode(from) ? 0xffffffff : 0xff;
    u64 dest = in_x2apic_mode(from) ? icr >> 32 : icr >> 56;

    if (!(to->s.apic_base & APIC_BASE_ENABLE))
        return false;
    switch (icr & APIC_ICR_SHORTHAND) {
    case APIC_ICR_TO_SELF: return to == from;
    case APIC_ICR_TO_ALL: return true;
    case APIC_ICR_TO_OTHERS: return to != from;
    default: break;
    }
    return apic_is_destination(to, dest, icr & APIC_ICR_LOGICAL, broadcast);
}

/* What the manual calls invalid goes nowhere: shorthands that include the sender with anything but fixed
 * delivery (tables 10-3 and 10-4), and the INIT level de-assert that processors no longer know (10.6.1). */
static bool is_valid_ipi(u64 icr)
{
    u64 mode = icr & APIC_ICR_DELIVERY, shorthand = icr & APIC_ICR_SHORTHAND;

    if (mode == APIC_ICR_INIT && icr & APIC_ICR_LEVEL && !(icr & APIC_ICR_ASSERT))
        return false;
    return mode == APIC_ICR_FIXED || shorthand == APIC_ICR_TO_DEST || shorthand == APIC_ICR_TO_OTHERS;
}

/* Of the cores that it is for, the one of the lowest processor priority takes it; of those the first
 * (10.6.2.4 "Lowest Priority Delivery Mode"). */
static void send_to_lowest(struct core *c, u64 icr)
{
    struct core *lowest = NULL;

    for (u32 i = 0; i < c->m->cores; i++)
        if (matches(c, c->m->core[i], icr))
            lowest = apic_lowest(lowest, c->m->core[i]);
    if (lowest)
        ipi_send(c, lowest, icr);
}

static void send(struct core *c, u64 icr)
{
    u64 mode = icr & APIC_ICR_DELIVERY;

    if ((mode == APIC_ICR_FIXED || mode == APIC_ICR_LOWEST) && (icr & APIC_ICR_VECTOR) < 16) {
        error(c, APIC_ESR_SEND_VECTOR);
        return;
    }
    if (!is_valid_ipi(icr))
        return;
    if (mode == APIC_ICR_LOWEST) {
        send_to_lowest(c, icr);
        return;
    }
    for (u32 i = 0; i < c->m->cores; i++)
        if (matches(c, c->m->core[i], icr))
            ipi_send(c, c->m->core[i], icr);
}

/* ---- registers (SDM vol. 3, 10.4.1, table 10-1; 10.12.1.2, table 10-6) ---- */

struct reg_rule {
    u32 bits; /* that a write may set */
    u8 use;
};

static const struct reg_rule reg_rule[APIC_REGISTERS] = {
#define APIC_REGISTER(offset, bits, use) [(offset) >> 4] = {bits, use},
#include "arch/apic_registers.def"
};

/* NULL: not there for that use. */
static const struct reg_rule *rule_of(u32 offset, unsigned use)
{
    const struct reg_rule *r = &reg_rule[offset >> 4 & (APIC_REGISTERS - 1)];

    return r->use & use && offset >> 4 < APIC_REGISTERS ? r : NULL;
}

static bool is_lvt(u32 offset)
{
    return offset >= APIC_LVT_TIMER && offset <= APIC_LVT_ERROR;
}

/* Software disable masks every local source (SDM vol. 3, 10.4.7.2 "Local APIC State After It Has Been
 * Software Disabled"). */
static void write_svr(struct core *c, u64 value)
{
    *reg(c, APIC_SVR) = value;
    if (value & APIC_SVR_ENABLE)
        return;
    for (u32 lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 16)
        *reg(c, lvt) |= APIC_LVT_MASKED;
}

static void write_lvt(struct core *c, u32 offset, u64 value)
{
    if (!(reg_value(c, APIC_SVR) & APIC_SVR_ENABLE))
        value |= APIC_LVT_MASKED;
    if (offset == APIC_LVT_TIMER)
        write_lvt_timer(c, value);
    else
        *reg(c, offset) = value;
}

static void write_icr(struct core *c, u64 icr)
{
    *reg(c, APIC_ICR_LOW) = icr & 0xffffffff;
    *reg(c, APIC_ICR_HIGH) = icr >> 32;
    send(c, icr);
}

/* A write that passed its checks; value has only bits that may be set. */
static void write_register(struct core *c, u32 offset, u64 value)
{
    switch (offset) {
    case APIC_TPR:
        *reg(c, APIC_TPR) = value;
        update_ppr(c);
        break;
    case APIC_EOI: end_of_interrupt(c); break;
    case APIC_DFR: *reg(c, APIC_DFR) = value | 0xfffffff; break;
    case APIC_SVR: write_svr(c, value); break;
    case APIC_ESR: write_esr(c); break;
    case APIC_ICR_LOW: write_icr(c, reg_value(c, APIC_ICR_HIGH) << 32 | value); break;
    case APIC_TIMER_INITIAL:
        if (timer_mode(c) != APIC_TIMER_TSC_DEADLINE)
            timer_start(c, value);
        break;
    case APIC_TIMER_DIVIDE: timer_divide(c, value); break;
    case APIC_SELF_IPI: send(c, value | APIC_ICR_TO_SELF); break;
    default:
        if (is_lvt(offset))
            write_lvt(c, offset, value);
        else
            *reg(c, offset) = value;
    }
}

static u64 read_register(struct core *c, u32 offset)
{
    apic_run_due(c);
    return (offset == APIC_TIMER_CURRENT ? timer_current(c) : reg_value(c, offset)) & 0xffffffff;
}

u64 apic_read(struct core *c, u32 offset)
{
    if (rule_of(offset, APIC_READ))
        return read_register(c, offset);
    if (!rule_of(offset, APIC_WRITE))
        error(c, APIC_ESR_REGISTER);
    return 0;
}

void apic_write(struct core *c, u32 offset, u64 value)
{
    const struct reg_rule *rule = rule_of(offset, APIC_WRITE);

    if (!rule) {
        if (!rule_of(offset, APIC_READ))
            error(c, APIC_ESR_REGISTER);
        return;
    }
    apic_run_due(c);
    write_register(c, offset, value & rule->bits);
    c->rt.look_again = 0;
}

/* ---- x2APIC (SDM vol. 3, 10.12 "Extended XAPIC (x2APIC)") ---- */

static bool x2apic_write(struct core *c, u32 offset, u64 value)
{
    const struct reg_rule *rule = rule_of(offset, APIC_X2_WRITE);
    u64 bits = offset == APIC_ICR_LOW ? APIC_ICR_BITS | UINT64_C(0xffffffff) << 32 : rule ? rule->bits : 0;

    if (!rule || value & ~bits)
        return false;
    if (offset == APIC_LVT_TIMER && (value & APIC_TIMER_MODE) == APIC_TIMER_MODE)
        return false;
    apic_run_due(c);
    if (offset == APIC_ICR_LOW)
        write_icr(c, value);
    else
        write_register(c, offset, value);
    c->rt.look_again = 0;
    return true;
}

bool apic_msr(struct core *c, u32 msr, bool write, u64 *value)
{
    u32 offset = (msr - MSR_X2APIC_FIRST) << 4;

    if (msr < MSR_X2APIC_FIRST || msr > MSR_X2APIC_FIRST + 0x3f || !in_x2apic_mode(c))
        return false;
    if (write)
        return x2apic_write(c, offset, *value);
    if (!rule_of(offset, APIC_X2_READ))
        return false;
    *value = read_register(c, offset);
    if (offset == APIC_ICR_LOW)
        *value |= reg_value(c, APIC_ICR_HIGH) << 32;
    return true;
}

/* ---- reset and modes (SDM vol. 3, 10.4.7 "Local APIC State", 10.12.5 "x2APIC State Transitions") ---- */

static void reset_registers(struct core *c)
{
    for (unsigned i = 0; i < sizeof c->s.apic_reg / sizeof *c->s.apic_reg; i++)
        c->s.apic_reg[i] = 0;
    *reg(c, APIC_ID) = (u64)c->id << 24;
    *reg(c, APIC_VERSION) = APIC_VERSION_VALUE;
    *reg(c, APIC_DFR) = 0xffffffff;
    *reg(c, APIC_SVR) = 0xff;
    for (u32 lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 16)
        *reg(c, lvt) = APIC_LVT_MASKED;
    c->s.apic_error_raised = 0;
    c->s.apic_timer_start = 0;
    c->s.apic_timer_due = 0;
    c->s.tsc_deadline = 0;
}

void apic_reset(struct core *c)
{
    c->s.apic_base = APIC_PHYS_BASE | APIC_BASE_ENABLE | (c->id == 0 ? APIC_BASE_BSP : 0);
    reset_registers(c);
}

/* As reset, but for the ID, and in x2APIC mode what follows from it (SDM vol. 3, 10.4.7.3 "Local APIC State
 * After an INIT Reset", 10.12.5.1 "x2APIC States"). */
void apic_init(struct core *c)
{
    u64 id = reg_value(c, APIC_ID), ldr = in_x2apic_mode(c) ? reg_value(c, APIC_LDR) : 0;

    reset_registers(c);
    *reg(c, APIC_ID) = id;
    *reg(c, APIC_LDR) = ldr;
}

/* Legal: disabled to xAPIC, xAPIC to x2APIC, either to disabled; and staying. */
static bool may_change_mode(u64 old, u64 new)
{
    u64 modes = APIC_BASE_ENABLE | APIC_BASE_X2APIC;

    if ((new &modes) == APIC_BASE_X2APIC)
        return false;
    if ((old & modes) == modes && (new &modes) == APIC_BASE_ENABLE)
        return false;
    return (old & modes) || (new &modes) != modes;
}

bool apic_write_base(struct core *c, u64 value)
{
    u64 legal = (PHYS_MASK & ~UINT64_C(0xfff)) | APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE;
    u64 old = c->s.apic_base;

    if (value & ~legal || !may_change_mode(old, value))
        return false;
    c->s.apic_base = value;
    if (value ^ old)
        mmu_flush_everything(c, FLUSH_APIC_BASE); /* a TLB entry knows what kind of page it leads to */
    if (!(value & APIC_BASE_ENABLE))
        reset_registers(c);
    if (value & ~old & APIC_BASE_X2APIC) {
        *reg(c, APIC_ID) = c->id;
        *reg(c, APIC_LDR) = (u64)(c->id >> 4) << 16 | UINT64_C(1) << (c->id & 15);
        *reg(c, APIC_ICR_HIGH) = 0;
    }
    c->rt.look_again = 0;
    return true;
}
