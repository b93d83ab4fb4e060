/* vapic_access.c - the APIC-access page (SDM vol. 3, 29.4 "Virtualizing Memory-Mapped APIC Accesses"). */
#include "cpu/vapic.h"

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "mmu/mmu.h"

/* ---- which accesses are virtualised ---- */

/* Registers that APIC-register virtualization knows, the first and the last of a row. */
static const struct {
    u16 first, last;
    bool writes;
} registers[] = {
    {APIC_ID, APIC_ID, true},
    {APIC_VERSION, APIC_VERSION, false},
    {APIC_TPR, APIC_TPR, true},
    {APIC_EOI, APIC_EOI, true},
    {APIC_LDR, APIC_LDR, true},
    {APIC_DFR, APIC_DFR, true},
    {APIC_SVR, APIC_SVR, true},
    {APIC_ISR, APIC_ESR - 16, false},
    {APIC_ESR, APIC_ESR, true},
    {APIC_ICR_LOW, APIC_ICR_HIGH, true},
    {APIC_LVT_TIMER, APIC_LVT_ERROR, true},
    {APIC_TIMER_INITIAL, APIC_TIMER_INITIAL, true},
    {APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE, true},
};

static bool knows_register(u32 offset, bool write)
{
    u32 start = offset & ~15u;
    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++)
        if (start >= registers[i].first && start <= registers[i].last)
            return registers[i].writes || !write;
    return false;
}

/* 29.4.2 "Virtualizing Reads from the APIC-Access Page", 29.4.3.1 "Determining Whether a Write Access is
 * Virtualized" */
static bool offset_is_virtualised(const struct core *c, u32 offset, bool write)
{
    if (c->s.vmx.proc2 & PROC2_APIC_REGISTERS)
        return knows_register(offset, write);
    bool also = write && vapic_delivers(c) && (offset == APIC_EOI || offset == APIC_ICR_LOW);
    return offset == APIC_TPR || also;
}

/* Within the four bytes of a register. */
static bool in_register(u32 offset, unsigned n)
{
    return (offset & 15) + n <= 4;
}

/* An operation that writes twice does so to one place. */
static u64 write_key(u32 offset, unsigned n)
{
    return (u64)offset << 8 | n;
}

static bool is_virtualised(const struct core *c, u32 offset, unsigned n, unsigned access)
{
    bool write = access & MMU_WRITE && !(access & MMU_MODIFY);
    u64 written = c->rt.vapic_write;
    if (!vapic_shadows_tpr(c) || access & MMU_FETCH || !in_register(offset, n) ||
        !offset_is_virtualised(c, offset, write))
        return false;
    return access & MMU_MODIFY || !written || (write && written == write_key(offset, n));
}

/* ---- APIC-access VM exits (table 27-6) ---- */

static enum qual_apic_kind kind_of(const struct core *c, unsigned access)
{
    if (c->rt.delivering)
        return QUAL_APIC_EVENT;
    if (access & MMU_FETCH)
        return QUAL_APIC_FETCH;
    return access & MMU_WRITE ? QUAL_APIC_WRITE : QUAL_APIC_READ;
}

/* A read-modify-write that is refused is one of a write. */
enum page_kind vapic_access(struct core *c, u64 hpa, unsigned n, unsigned access)
{
    u32 offset = (u32)(hpa & (PAGE_BYTES - 1));
    if (!vapic_virtualises(c, hpa))
        return board_page_kind(c, hpa);
    if (!is_virtualised(c, offset, n, access)) {
        run_leaves(c);
        vmx_exit(c, EXIT_APIC_ACCESS, offset | (u64)kind_of(c, access) << QUAL_APIC_KIND_SHIFT);
    }
    if (access & MMU_WRITE)
        c->rt.vapic_write = write_key(offset, n);
    return PAGE_APIC_ACCESS;
}

/* 29.4.6.1 "Guest-Physical Accesses to the APIC-Access Page".  The offset is undefined: 0 here. */
void vapic_exit_physical(struct core *c)
{
    u64 kind = c->rt.delivering ? QUAL_APIC_PHYSICAL_EVENT : QUAL_APIC_PHYSICAL;
    vmx_exit(c, EXIT_APIC_ACCESS, kind << QUAL_APIC_KIND_SHIFT);
}

/* ---- virtualised accesses ---- */

u64 vapic_read(struct core *c, u64 hpa, unsigned n)
{
    u32 offset = (u32)(hpa & (PAGE_BYTES - 1));
    u64 value = vapic_load(c, offset, n);
    vapic_tell(c, VAPIC_READ, offset, value);
    return value;
}

/* A fixed, edge-triggered interrupt of a legal vector, by the shorthand for oneself; delivery status and what
 * is reserved are 0. */
#define VICR_ZERO (0xfff33000u | APIC_ICR_LEVEL | APIC_ICR_DELIVERY)

static bool is_self_ipi(u64 icr)
{
    return !(icr & VICR_ZERO) && (icr & APIC_ICR_SHORTHAND) == APIC_ICR_TO_SELF && icr & 0xf0;
}

static void write_eoi(struct core *c, u32 offset)
{
    if (!vapic_delivers(c)) {
        vapic_exit_later(c, EXIT_APIC_WRITE, offset);
        return;
    }
    vapic_store(c, APIC_EOI, 4, 0);
    vapic_end_of_interrupt(c);
}

static void write_icr(struct core *c, u32 offset)
{
    u64 icr = vapic_delivers(c) ? vapic_load(c, APIC_ICR_LOW, 4) : 0;
    if (is_self_ipi(icr))
        vapic_self_ipi(c, icr & APIC_ICR_VECTOR);
    else
        vapic_exit_later(c, EXIT_APIC_WRITE, offset);
}

static void write_tpr(struct core *c)
{
    vapic_store(c, APIC_TPR + 1, 3, 0);
    vapic_virtualise_tpr(c);
}

/* 29.4.3.2 "APIC-Write Emulation": by the offset of the access, which need not be that of its register. */
static void emulate_write(struct core *c, u32 offset)
{
    switch (offset) {
    case APIC_TPR: write_tpr(c); return;
    case APIC_EOI: write_eoi(c, offset); return;
    case APIC_ICR_LOW: write_icr(c, offset); return;
    }
    if ((offset & ~15u) == APIC_ICR_HIGH)
        vapic_store(c, APIC_ICR_HIGH, 3, 0);
    else
        vapic_exit_later(c, EXIT_APIC_WRITE, offset);
}

/* No other access of the operation is behind a write, so what follows it can be done at once. */
void vapic_write(struct core *c, u64 hpa, unsigned n, u64 value)
{
    u32 offset = (u32)(hpa & (PAGE_BYTES - 1));
    vapic_store(c, offset, n, value);
    vapic_tell(c, VAPIC_WRITE, offset, value);
    emulate_write(c, offset);
    c->rt.look_again = 0;
}
