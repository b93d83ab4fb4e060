/* device.h - what devices do by themselves, and when (docs/machine.md, "Devices").
 *
 * Each device is a number; PCI functions have that of their slot.  What it does at the cycle that it has
 * asked for is an atom of the devices, with a clock of its own that starts there. */
#ifndef RINGSIDE_DEV_DEVICE_H
#define RINGSIDE_DEV_DEVICE_H

#include "cpu/cpu.h"
#include "machine.h"

#define PCI_SLOTS 32

enum device {
    DEVICE_PCI = 0, /* the function in slot 0, and those behind it */
    DEVICE_IOAPIC = PCI_SLOTS,
    DEVICE_IOMMU,
    DEVICE_LINK, /* frames that arrive: link.h */
    DEVICE_PIT,
    DEVICE_POWER,
    DEVICES
};

/* The device asks for an atom at cycle `due`, or at once if that has passed; it forgets what it asked for
 * before. */
void device_schedule(struct machine *m, unsigned device, u64 due);
/* It asks for none. */
void device_cancel(struct machine *m, unsigned device);

/* The cycle that it has asked for; UINT64_MAX: none. */
u64 device_due(const struct machine *m, unsigned device);

/* The clock of the atom in progress, of a core or of the devices. */
u64 device_now(const struct machine *m);

/* In an atom of the devices: its clock moves on. */
static inline void device_wait(struct machine *m, u64 cycles)
{
    m->devices.cycle += cycles;
}

/* Until a transfer of its gets the bus (T7). */
void device_wait_for_bus(struct machine *m);

static inline void device_micro(struct machine *m, enum micro_kind kind)
{
    atom_micro(&m->devices.atom, m->devices.cycle, kind);
}

/* ---- for the scheduler ---- */

/* After a change of state from outside: what is derived of it. */
void devices_look_again(struct machine *m);

/* The first cycle that any has asked for; UINT64_MAX: none. */
u64 devices_next_due(const struct machine *m);
/* The atom that is due then, or a part of it if somebody wants to stop inside. */
enum run_end devices_atom(struct machine *m);

#endif
