/* device.c - see device.h. */
#include "kernel/device.h"

#include <stddef.h>

#include "arch/insn.h"
#include "kernel/memory.h"
#include "kernel/timer.h"
#include "kernel/trap.h"
#include "lib/bus.h"
#include "lib/pci.h"

#define DEVICES (VECTOR_DEVICES_END - VECTOR_DEVICES)

static struct attached {
    device_call *call;
    void *of;
    bool polled, again;
} devices[DEVICES];

static unsigned count;

bool device_init(void)
{
    bus_offset = DIRECT_MAP;
    return pci_present();
}

void device_map(uint32_t slot)
{
    for (unsigned bar = 0; bar < PCI_BARS; bar++) {
        uint64_t bytes = pci_bar_bytes(slot, bar);

        if (bytes)
            tables_map_device(pci_bar(slot, bar), bytes);
        if (bytes && pci_read(slot, PCI_BAR(bar)) & PCI_BAR_64)
            bar++;
    }
}

static struct attached *add(device_call *call, void *of)
{
    devices[count] = (struct attached){.call = call, .of = of};
    return &devices[count++];
}

const char *device_attach(uint32_t slot, device_call *call, void *of)
{
    uint8_t vector = (uint8_t)(VECTOR_DEVICES + count), apic;
    struct attached *d;

    if (count == DEVICES)
        return NULL;
    d = add(call, of);
    apic = timer_present() ? timer_apic_id() : 0;
    if (timer_present() && pci_enable_msix(slot, 0, vector, apic))
        return "MSI-X";
    if (timer_present() && pci_enable_msi(slot, vector, apic))
        return "MSI";
    d->polled = true;
    return "polled";
}

bool device_attach_entry(uint32_t slot, unsigned entry, device_call *call, void *of)
{
    if (count == DEVICES || !timer_present() ||
        !pci_enable_msix(slot, entry, (uint8_t)(VECTOR_DEVICES + count), timer_apic_id()))
        return false;
    add(call, of);
    return true;
}

bool device_interrupt(uint64_t vector)
{
    struct attached *d = &devices[vector - VECTOR_DEVICES];

    if (vector < VECTOR_DEVICES || vector >= VECTOR_DEVICES_END)
        return false;
    if (d->call)
        d->again = d->call(d->of);
    timer_acknowledge();
    return true;
}

bool device_poll(void)
{
    bool any = false;

    for (struct attached *d = devices; d < devices + count; d++)
        if (d->polled || d->again) {
            any = true;
            d->again = d->call(d->of);
        }
    return any;
}

void device_wait(void)
{
    bool polled = device_poll();

    if (!timer_present())
        __asm__ volatile("pause");
    else if (polled)
        take_interrupts(); /* others interrupt all the same */
    else
        wait_for_interrupt();
}
