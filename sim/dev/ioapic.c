/* ioapic.c - see ioapic.h. */
#include "dev/ioapic.h"

#include "arch/ioapic.h"
#include "arch/pci.h"
#include "dev/dma.h"

static bool is_level(u64 entry)
{
    return entry & IOAPIC_LEVEL;
}

/* ---- which pins send ---- */

/* Lines that are asserted and level-triggered are sent until the EOI, and then again (2.0 "Functional
 * Description"). */
static void look_at_levels(struct machine *m)
{
    struct ioapic *io = &m->b.ioapic;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        if (is_level(io->entry[pin]) && io->lines >> pin & 1 &&
            !(io->entry[pin] & (IOAPIC_MASKED | IOAPIC_REMOTE_IRR)))
            io->send |= UINT64_C(1) << pin;
    if (io->send)
        device_schedule(m, DEVICE_IOAPIC, 0);
}

/* An edge that comes while its pin is masked is lost. */
void ioapic_line(struct machine *m, unsigned pin, bool level)
{
    struct ioapic *io = &m->b.ioapic;
    u64 bit = UINT64_C(1) << pin;
    bool rises = level && !(io->lines & bit);
    io->lines = level ? io->lines | bit : io->lines & ~bit;
    if (rises && !is_level(io->entry[pin]) && !(io->entry[pin] & IOAPIC_MASKED))
        io->send |= bit;
    look_at_levels(m);
}

void ioapic_end_of_interrupt(struct machine *m, unsigned vector)
{
    struct ioapic *io = &m->b.ioapic;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        if (is_level(io->entry[pin]) && (io->entry[pin] & IOAPIC_VECTOR) == vector)
            io->entry[pin] &= ~(u64)IOAPIC_REMOTE_IRR;
    look_at_levels(m);
}

/* ---- messages ---- */

/* Bits 63:48 of an entry are 19:4 of the address, whatever they mean (VT-d specification, 5.1.5.1 "I/OxAPIC
 * Programming"). */
static u64 address_of(u64 entry)
{
    return MSI_ADDRESS | entry >> 48 << 4 | (entry & IOAPIC_LOGICAL ? MSI_LOGICAL : 0);
}

static u32 data_of(u64 entry)
{
    u32 trigger = is_level(entry) ? MSI_LEVEL | MSI_ASSERT : 0;
    return (u32)(entry & (IOAPIC_VECTOR | IOAPIC_DELIVERY)) | trigger;
}

static void send(struct machine *m, unsigned pin)
{
    u64 *entry = &m->b.ioapic.entry[pin];
    if (*entry & IOAPIC_MASKED)
        return;
    if (is_level(*entry))
        *entry |= IOAPIC_REMOTE_IRR;
    device_message(m, IOAPIC_REQUESTER, address_of(*entry), data_of(*entry));
}

void ioapic_run(struct machine *m)
{
    u64 pins = m->b.ioapic.send;
    m->b.ioapic.send = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        if (pins >> pin & 1)
            send(m, pin);
}

/* ---- registers ---- */

static u64 entry_now(const struct ioapic *io, unsigned pin)
{
    return io->entry[pin] | (io->send >> pin & 1 ? IOAPIC_PENDING : 0);
}

static u64 read_register(const struct ioapic *io, unsigned number)
{
    switch (number) {
    case IOAPIC_ID:
    case IOAPIC_ARBITRATION: return io->id;
    case IOAPIC_VERSION: return IOAPIC_VERSION_VALUE;
    default: break;
    }
    unsigned pin = (number - IOAPIC_ENTRY(0)) / 2;
    return number >= IOAPIC_ENTRY(0) && pin < IOAPIC_PINS
               ? entry_now(io, pin) >> 32 * (number & 1) & 0xffffffff
               : 0;
}

static void write_entry(struct machine *m, unsigned pin, bool upper, u64 value)
{
    u64 *entry = &m->b.ioapic.entry[pin];
    u64 low =
        IOAPIC_VECTOR | IOAPIC_DELIVERY | IOAPIC_LOGICAL | IOAPIC_LOW_ACTIVE | IOAPIC_LEVEL | IOAPIC_MASKED;
    u64 bits = upper ? UINT64_C(0xffff) << 48 : low;
    *entry = (*entry & ~bits) | (value << (upper ? 32 : 0) & bits);
    if (!is_level(*entry))
        *entry &= ~(u64)IOAPIC_REMOTE_IRR;
    look_at_levels(m);
}

static void write_register(struct machine *m, unsigned number, u64 value)
{
    unsigned pin = (number - IOAPIC_ENTRY(0)) / 2;
    if (number == IOAPIC_ID)
        m->b.ioapic.id = value & IOAPIC_ID_BITS;
    else if (number >= IOAPIC_ENTRY(0) && pin < IOAPIC_PINS)
        write_entry(m, pin, number & 1, value);
}

u64 ioapic_read(const struct machine *m, u64 offset, unsigned n)
{
    const struct ioapic *io = &m->b.ioapic;
    if (n < 4)
        return 0;
    switch (offset) {
    case IOAPIC_SELECT: return io->select;
    case IOAPIC_WINDOW: return read_register(io, (unsigned)io->select);
    default: return 0;
    }
}

void ioapic_write(struct machine *m, u64 offset, unsigned n, u64 value)
{
    if (n < 4)
        return;
    value &= 0xffffffff;
    switch (offset) {
    case IOAPIC_SELECT: m->b.ioapic.select = value & 0xff; break;
    case IOAPIC_WINDOW: write_register(m, (unsigned)m->b.ioapic.select, value); break;
    case IOAPIC_EOI: ioapic_end_of_interrupt(m, value & 0xff); break;
    default: break;
    }
}

void ioapic_reset(struct machine *m)
{
    m->b.ioapic = (struct ioapic){0};
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        m->b.ioapic.entry[pin] = IOAPIC_MASKED;
    device_cancel(m, DEVICE_IOAPIC);
}
