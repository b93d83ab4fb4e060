/* dma.c - see dma.h. */
#include "dev/dma.h"

#include <string.h>

#include "cpu/message.h"
#include "iommu/iommu.h"
#include "mmu/bytes.h"
#include "mmu/cache.h"
#include "mmu/coherence.h"
#include "mmu/mem.h"

/* A transfer, and the part of it that is next: within a page. */
struct transfer {
    struct pci_device *d;
    u64 address;
    bool write;
    u8 *bytes;
    unsigned n;
};

static unsigned part_of(const struct transfer *t)
{
    unsigned room = PAGE_BYTES - (unsigned)(t->address & (PAGE_BYTES - 1));
    return t->n < room ? t->n : room;
}

/* D2: each line waits for the bus, and has it for `mem_busy` cycles; what is read is there `mem_latency`
 * cycles after its first line began. */
static void take_bus(struct machine *m, u64 hpa, unsigned n, bool write)
{
    u64 first = hpa >> LINE_SHIFT, last = (hpa + n - 1) >> LINE_SHIFT, there = 0;
    for (u64 line = first; line <= last; line++) {
        device_wait_for_bus(m);
        if (line == first && !write)
            there = m->devices.cycle + m->p.mem_latency;
        device_wait(m, m->p.mem_busy);
    }
    m->devices.cycle = max(m->devices.cycle, there);
}

/* D3 */
static void lines_written(struct machine *m, u64 hpa, unsigned n)
{
    for (u64 line = hpa >> LINE_SHIFT; line <= (hpa + n - 1) >> LINE_SHIFT; line++)
        coherence_device_write(m, line);
}

static void move(struct transfer *t, u64 hpa, unsigned n)
{
    struct machine *m = t->d->m;
    if (!board_is_ram(m, hpa, n)) {
        if (!t->write)
            memset(t->bytes, 0xff, n);
        return;
    }
    if (t->write) {
        mem_copy_in(m->mem, hpa, t->bytes, n);
        lines_written(m, hpa, n);
    } else {
        mem_copy_out(m->mem, hpa, t->bytes, n);
    }
}

static bool may_move(const struct pci_device *d)
{
    return pci_config(d, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

static bool is_interrupt(u64 address)
{
    return (address & ~UINT64_C(0xfffff)) == MSI_ADDRESS;
}

/* What is read from the interrupts' addresses is ones; of writes those of an aligned double word interrupt
 * (VT-d specification, 3.13 "Handling Requests to Interrupt Address Range"). */
static void reach_interrupts(struct transfer *t, unsigned n)
{
    if (!t->write)
        memset(t->bytes, 0xff, n);
    else if (n == 4 && t->address % 4 == 0)
        device_message(t->d->m, pci_requester(t->d), t->address, (u32)load_le(t->bytes, 4));
}

static bool move_part(struct transfer *t, unsigned n)
{
    struct machine *m = t->d->m;
    struct iommu_access access = {pci_requester(t->d), t->write, t->address};
    u64 hpa;
    if (!may_move(t->d))
        return false;
    if (is_interrupt(t->address)) {
        reach_interrupts(t, n);
        return true;
    }
    if (!iommu_translate(m, &access, &hpa))
        return false;
    take_bus(m, hpa, n, t->write);
    move(t, hpa, n);
    PROBE_DEVICE(m, RS_PROBE_dma, pci_requester(t->d), t->address, hpa, t->write, n);
    device_micro(m, MICRO_DEVICE);
    return true;
}

static bool move_all(struct transfer t)
{
    while (t.n) {
        unsigned n = part_of(&t);
        if (!move_part(&t, n)) {
            if (!t.write)
                memset(t.bytes, 0xff, t.n);
            return false;
        }
        t.address += n;
        t.bytes += n;
        t.n -= n;
    }
    return true;
}

bool dma_read(struct pci_device *d, u64 address, void *bytes, unsigned n)
{
    return move_all((struct transfer){d, address, false, bytes, n});
}

bool dma_write(struct pci_device *d, u64 address, const void *bytes, unsigned n)
{
    return move_all((struct transfer){d, address, true, (u8 *)bytes, n});
}

bool dma_write_value(struct pci_device *d, u64 address, unsigned n, u64 value)
{
    u8 bytes[8];
    store_le(bytes, n, value);
    return dma_write(d, address, bytes, n);
}

/* ---- messages ---- */

void dma_message(struct pci_device *d, u64 address, u32 data)
{
    if (is_interrupt(address))
        device_message(d->m, pci_requester(d), address, data);
    else
        dma_write_value(d, address, 4, data);
}

void device_message(struct machine *m, u16 requester, u64 address, u32 data)
{
    struct message message;
    if (!iommu_remap(m, requester, address, data, &message))
        return;
    device_wait_for_bus(m);
    u64 arrival = m->devices.cycle + m->p.ipi_latency;
    message_send(m, &message, arrival);
    PROBE_DEVICE(m, RS_PROBE_message, requester, address, data, message.vector, arrival);
    device_micro(m, MICRO_EVENT);
}
