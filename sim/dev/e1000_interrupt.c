/* e1000_interrupt.c - causes, mask, throttling and delays (manual, 3.2.7 "Receive Interrupts", 13.4.17 to
 * 13.4.22); see e1000.h. */
#include "dev/e1000.h"

/* A part of a cycle is one. */
static u64 cycles_of(const struct pci_device *d, u64 ns)
{
    u64 product = ns * d->m->p.hz;
    return product / 1000000000 + (product % 1000000000 != 0);
}

static u64 after(const struct pci_device *d, u64 units, u64 unit_ns)
{
    return device_now(d->m) + cycles_of(d, (units & 0xffff) * unit_ns);
}

/* The interrupt is raised when a cause that is not masked appears, but not within ITR of the one before. */
void e1000_interrupt(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    bool wanted = e->icr & e->ims;
    if (wanted && !e->asserted && e->throttled <= device_now(d->m)) {
        e->asserted = 1;
        e->throttled = e->itr ? after(d, e->itr, E1000_ITR_NS) : 0;
        pci_interrupt_level(d, true);
        pci_interrupt_message(d, 0);
    } else if (!wanted && e->asserted) {
        e->asserted = 0;
        pci_interrupt_level(d, false);
    }
    e1000_schedule(d);
}

void e1000_cause(struct pci_device *d, u64 bits)
{
    e1000_of(d)->icr |= bits & E1000_ICR_ALL;
    e1000_interrupt(d);
}

u64 e1000_icr_read(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    u64 value = e->icr;
    e->icr = 0;
    e1000_interrupt(d);
    return value;
}

/* ---- delays ---- */

/* The first begins anew with each event, the second with the first event that has not been told. */
static void delay(const struct pci_device *d, u64 *timer, u64 units, u64 *absolute, u64 absolute_units)
{
    *timer = after(d, units, E1000_DELAY_NS);
    if (absolute_units && !*absolute)
        *absolute = after(d, absolute_units, E1000_DELAY_NS);
}

void e1000_received(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    if (e->rdtr & 0xffff)
        delay(d, &e->rx_delay, e->rdtr, &e->rx_absolute, e->radv);
    else
        e1000_cause(d, E1000_ICR_RXT0);
}

void e1000_transmitted(struct pci_device *d, bool wait)
{
    struct e1000 *e = e1000_of(d);
    if (wait && e->tidv)
        delay(d, &e->tx_delay, e->tidv, &e->tx_absolute, e->tadv);
    else
        e1000_cause(d, E1000_ICR_TXDW);
}

static void end_receive_delay(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    e->rx_delay = e->rx_absolute = 0;
    e1000_cause(d, E1000_ICR_RXT0);
}

static void end_transmit_delay(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    e->tx_delay = e->tx_absolute = 0;
    e1000_cause(d, E1000_ICR_TXDW);
}

void e1000_flush_receive_delay(struct pci_device *d)
{
    if (e1000_of(d)->rx_delay)
        end_receive_delay(d);
}

/* ---- their atom ---- */

static u64 first_of(u64 a, u64 b)
{
    return min(a - 1, b - 1) + 1; /* 0 is never */
}

static u64 due_of(u64 timer)
{
    return timer ? timer : UINT64_MAX;
}

u64 e1000_timers_due(const struct pci_device *d)
{
    const struct e1000 *e = e1000_of(d);
    u64 first = first_of(first_of(e->rx_delay, e->rx_absolute), first_of(e->tx_delay, e->tx_absolute));
    bool waits = e->icr & e->ims && !e->asserted;
    return min(due_of(first), waits ? e->throttled : UINT64_MAX);
}

void e1000_timers_run(struct pci_device *d)
{
    const struct e1000 *e = e1000_of(d);
    u64 now = device_now(d->m);
    if (first_of(e->rx_delay, e->rx_absolute) - 1 < now)
        end_receive_delay(d);
    if (first_of(e->tx_delay, e->tx_absolute) - 1 < now)
        end_transmit_delay(d);
    e1000_interrupt(d);
}
