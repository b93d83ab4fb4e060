/* device.c - see device.h. */
#include "dev/device.h"

#include "dev/ioapic.h"
#include "dev/link.h"
#include "dev/pci.h"
#include "iommu/iommu.h"
#include "mmu/bus.h"
#include "dev/pit.h"
#include "dev/power.h"
#include "schedule.h"

_Static_assert(sizeof((struct board_state *)0)->device_due == 8 * DEVICES, "a cycle for each device");

/* ---- who asks for which cycle ---- */

/* As state keeps it, where 0 means none. */
static u64 due_or_never(u64 due)
{
    return due ? due : UINT64_MAX;
}

void devices_look_again(struct machine *m)
{
    u64 first = UINT64_MAX;
    for (unsigned i = 0; i < DEVICES; i++)
        first = min(first, due_or_never(m->b.device_due[i]));
    m->devices.first_due = first == UINT64_MAX ? 0 : first;
}

static void set_due(struct machine *m, unsigned device, u64 due)
{
    m->b.device_due[device] = due;
    devices_look_again(m);
}

u64 device_due(const struct machine *m, unsigned device)
{
    return due_or_never(m->b.device_due[device]);
}

u64 devices_next_due(const struct machine *m)
{
    return due_or_never(m->devices.first_due);
}

u64 device_now(const struct machine *m)
{
    if (m->devices.running)
        return m->devices.cycle;
    return m->running ? m->running->s.cycle : machine_cycle(m);
}

void device_schedule(struct machine *m, unsigned device, u64 due)
{
    due = max(max(due, device_now(m)), 1);
    set_due(m, device, due);
    schedule_devices(m, due);
}

void device_cancel(struct machine *m, unsigned device)
{
    set_due(m, device, 0);
}

void device_wait_for_bus(struct machine *m)
{
    device_wait(m, bus_wait(m, m->devices.cycle));
}

/* ---- atoms ---- */

/* Of those that are due at once the lowest number. */
static unsigned first_due(const struct machine *m)
{
    unsigned device = 0;
    while (m->b.device_due[device] != m->devices.first_due)
        device++;
    return device;
}

static void run_device(struct machine *m, unsigned device)
{
    switch (device) {
    case DEVICE_IOAPIC: ioapic_run(m); break;
    case DEVICE_IOMMU: iommu_run(m); break;
    case DEVICE_LINK: link_run(m); break;
    case DEVICE_PIT: pit_run(m); break;
    case DEVICE_POWER: power_run(m); break;
    default: pci_run(m, device - DEVICE_PCI);
    }
}

static void run_atom(struct machine *m)
{
    unsigned device = first_due(m);
    m->devices.cycle = m->b.device_cycle = m->devices.first_due;
    set_due(m, device, 0);
    run_device(m, device);
}

enum run_end devices_atom(struct machine *m)
{
    struct devices *d = &m->devices;
    d->running = true;
    if (setjmp(d->atom.jmp)) {
        d->running = false;
        return RUN_STOPPED_INSIDE;
    }
    run_atom(m);
    d->running = false;
    bool stop = atom_end(&d->atom, d->cycle);
    m->b.device_atoms++;
    if (m->b.halted)
        return RUN_HALTED;
    return stop ? RUN_STOPPED : RUN_GOES_ON;
}
