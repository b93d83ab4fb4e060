/* pci.c - configuration space and BARs; see pci.h. */
#include "dev/pci.h"

#include <stdlib.h>
#include <string.h>

#include "mmu/bytes.h"

/* ---- bytes of configuration space, as state keeps them ---- */

static struct pci_function *state_of(const struct pci_device *d)
{
    return &d->m->b.pci[d->slot];
}

static u8 get_byte(const struct pci_device *d, unsigned at)
{
    return (u8)(state_of(d)->config[at / 8] >> 8 * (at % 8));
}

static void put_byte(struct pci_device *d, unsigned at, u8 value)
{
    u64 *word = &state_of(d)->config[at / 8];
    unsigned shift = 8 * (at % 8);
    *word = (*word & ~(UINT64_C(0xff) << shift)) | (u64)value << shift;
}

/* Interrupt Status follows the interrupt logic, whatever the line does (2.2.6, 6.2.3 "Device Status"). */
static u8 now(const struct pci_device *d, unsigned at)
{
    return get_byte(d, at) | (at == PCI_STATUS && state_of(d)->wants ? PCI_STATUS_INTERRUPT : 0);
}

u32 pci_config(const struct pci_device *d, unsigned at, unsigned n)
{
    u32 value = 0;
    for (unsigned i = 0; i < n; i++)
        value |= (u32)now(d, at + i) << 8 * i;
    return value;
}

void pci_set_config(struct pci_device *d, unsigned at, unsigned n, u32 value)
{
    for (unsigned i = 0; i < n; i++)
        put_byte(d, at + i, (u8)(value >> 8 * i));
}

/* ---- what a model makes of it ---- */

void pci_fixed(struct pci_device *d, unsigned at, unsigned n, u32 value)
{
    store_le(d->fixed + at, n, value);
}

void pci_writable(struct pci_device *d, unsigned at, unsigned n, u32 bits)
{
    store_le(d->writable + at, n, bits);
}

/* At the head of the list. */
unsigned pci_add_capability(struct pci_device *d, u8 id, unsigned n)
{
    unsigned at = d->next_capability;
    pci_fixed(d, at, 1, id);
    pci_fixed(d, at + 1, 1, d->fixed[PCI_CAPABILITIES]);
    pci_fixed(d, PCI_CAPABILITIES, 1, at);
    pci_fixed(d, PCI_STATUS, 2, PCI_STATUS_CAPABILITIES);
    d->next_capability = (u8)(at + ((n + 3) & ~3u));
    return at;
}

static void build_bars(struct pci_device *d)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        u32 bytes = d->model->bar[i].bytes, flags = d->model->bar[i].flags;
        if (!bytes)
            continue;
        pci_fixed(d, PCI_BAR(i), 4, flags);
        pci_writable(d, PCI_BAR(i), 4, ~(bytes - 1) & ~(flags & PCI_BAR_IO ? 3u : 15u));
        if (flags & PCI_BAR_64)
            pci_writable(d, PCI_BAR(i + 1), 4, 0xffffffff);
    }
}

static void build_msi(struct pci_device *d)
{
    if (d->model->msix_vectors) {
        unsigned at = pci_add_capability(d, PCI_CAP_MSIX, PCI_MSIX_BYTES);
        pci_fixed(d, at + PCI_MSIX_CONTROL, 2, d->model->msix_vectors - 1u);
        pci_writable(d, at + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASKED);
        pci_fixed(d, at + PCI_MSIX_TABLE, 4, d->model->msix_bar);
        pci_fixed(d, at + PCI_MSIX_PBA, 4, d->model->msix_bar | PCI_MSIX_PBA_OFFSET);
        d->msix_at = (u8)at;
    }
    if (d->model->msi) {
        d->next_capability = d->model->msi_at ? d->model->msi_at : d->next_capability;
        unsigned at = pci_add_capability(d, PCI_CAP_MSI, PCI_MSI_BYTES);
        pci_fixed(d, at + PCI_MSI_CONTROL, 2, PCI_MSI_64);
        pci_writable(d, at + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
        pci_writable(d, at + PCI_MSI_ADDRESS, 4, ~3u);
        pci_writable(d, at + PCI_MSI_ADDRESS + 4, 4, ~0u);
        pci_writable(d, at + PCI_MSI_DATA, 2, 0xffff);
        d->msi_at = (u8)at;
    }
}

static void build_header(struct pci_device *d)
{
    const struct pci_model *model = d->model;
    pci_fixed(d, PCI_VENDOR, 2, model->vendor);
    pci_fixed(d, PCI_DEVICE, 2, model->device);
    pci_fixed(d, PCI_REVISION, 1, model->revision);
    pci_fixed(d, PCI_CLASS, 3, model->class);
    pci_fixed(d, PCI_SUBVENDOR, 2, model->subvendor);
    pci_fixed(d, PCI_SUBSYSTEM, 2, model->subsystem);
    pci_fixed(d, PCI_INTERRUPT_PIN, 1, model->intx);
    pci_writable(d, PCI_COMMAND, 2,
                 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    pci_writable(d, PCI_CACHE_LINE, 1, 0xff);
    pci_writable(d, PCI_LATENCY, 1, 0xf8);
    pci_writable(d, PCI_INTERRUPT_LINE, 1, 0xff);
}

bool pci_plug(struct machine *m, unsigned slot, const struct pci_model *model, unsigned instance)
{
    if (slot >= PCI_SLOTS || m->pci[slot])
        return false;
    struct pci_device *d = calloc(1, sizeof *d);
    if (!d)
        abort();
    *d = (struct pci_device){
        .m = m, .model = model, .slot = slot, .instance = instance, .next_capability = 0x40};
    build_header(d);
    build_bars(d);
    build_msi(d);
    if (model->build)
        model->build(d);
    m->pci[slot] = d;
    return true;
}

void pci_unplug_all(struct machine *m)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        free(m->pci[slot]);
        m->pci[slot] = NULL;
    }
}

/* ---- firmware ---- */

/* The next place of that size, at a multiple of it. */
static u32 take_place(u32 *next, u32 bytes)
{
    u32 at = (*next + bytes - 1) & ~(bytes - 1);
    *next = at + bytes;
    return at;
}

/* What a PC's firmware does: places for all BARs, and decoding on. */
static void configure(struct pci_device *d, u32 *memory, u32 *ports)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        u32 bytes = d->model->bar[i].bytes, flags = d->model->bar[i].flags;
        if (bytes)
            pci_set_config(d, PCI_BAR(i), 4, take_place(flags & PCI_BAR_IO ? ports : memory, bytes) | flags);
    }
    pci_set_config(d, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    if (d->model->intx)
        pci_set_config(d, PCI_INTERRUPT_LINE, 1, PCI_LINE_OF(d->slot));
}

void pci_reset(struct machine *m)
{
    u32 memory = PCI_WINDOW, ports = PCI_PORTS;
    m->b.pci_address = 0;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        struct pci_device *d = m->pci[slot];
        if (!d)
            continue;
        *state_of(d) = (struct pci_function){0};
        for (unsigned i = 0; i < PCI_MSIX_MAX; i++)
            state_of(d)->msix[2 * i + 1] = (u64)PCI_MSIX_VECTOR_MASKED << 32;
        for (unsigned at = 0; at < PCI_CONFIG_BYTES; at++)
            put_byte(d, at, d->fixed[at]);
        configure(d, &memory, &ports);
        device_cancel(m, DEVICE_PCI + slot);
        if (d->model->reset)
            d->model->reset(d);
    }
}

/* ---- atoms ---- */

/* Messages that wait go first, as an atom of their own. */
void pci_reschedule(struct pci_device *d)
{
    const struct pci_function *f = state_of(d);
    if (f->send)
        device_schedule(d->m, DEVICE_PCI + d->slot, 0);
    else if (f->due)
        device_schedule(d->m, DEVICE_PCI + d->slot, f->due);
    else
        device_cancel(d->m, DEVICE_PCI + d->slot);
}

void pci_schedule(struct pci_device *d, u64 due)
{
    state_of(d)->due = max(due, 1);
    pci_reschedule(d);
}

void pci_cancel(struct pci_device *d)
{
    state_of(d)->due = 0;
    pci_reschedule(d);
}

void pci_run(struct machine *m, unsigned slot)
{
    struct pci_device *d = m->pci[slot];
    struct pci_function *f = &m->b.pci[slot];
    if (!d)
        return;
    if (f->send) {
        pci_send_messages(d);
        pci_reschedule(d);
        return;
    }
    f->due = 0;
    if (d->model->run)
        d->model->run(d);
}

/* ---- configuration accesses ---- */

/* The function that an address of mechanism 1 names: bus 0, function 0. */
static struct pci_device *addressed(const struct machine *m, u32 address)
{
    bool here = address & PCI_ADDRESS_ENABLE && !(address >> 8 & 0xff07 & ~0xf8u);
    return here ? m->pci[address >> 11 & 31] : NULL;
}

u32 pci_config_read(struct machine *m, u32 address, unsigned n)
{
    struct pci_device *d = addressed(m, address);
    u32 ones = n < 4 ? (1u << 8 * n) - 1 : 0xffffffff;
    if (d && d->model->configuring)
        d->model->configuring(d, address & 0xff);
    return d ? pci_config(d, address & 0xff, n) : ones;
}

void pci_config_write(struct machine *m, u32 address, unsigned n, u32 value)
{
    struct pci_device *d = addressed(m, address);
    if (!d)
        return;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (address & 0xff) + i;
        u8 bits = d->writable[at];
        put_byte(d, at, (u8)((get_byte(d, at) & ~bits) | (value >> 8 * i & bits)));
    }
    pci_interrupt_configured(d);
    if (d->model->configured)
        d->model->configured(d, address & 0xff);
}

/* The address register is reached by all four bytes at once. */
u64 pci_port_read(struct machine *m, unsigned offset, unsigned n)
{
    if (offset < 4)
        return offset == 0 && n == 4 ? m->b.pci_address : (UINT64_C(1) << 8 * n) - 1;
    return pci_config_read(m, (u32)(m->b.pci_address & ~UINT64_C(3)) + (offset - 4), n);
}

void pci_port_write(struct machine *m, unsigned offset, unsigned n, u64 value)
{
    if (offset >= 4)
        pci_config_write(m, (u32)(m->b.pci_address & ~UINT64_C(3)) + (offset - 4), n, (u32)value);
    else if (offset == 0 && n == 4)
        m->b.pci_address = value & 0x80fffffc;
}

/* The enhanced mechanism: a page for each function of bus 0, of which the first 256 bytes are there. */
static u32 enhanced(u64 offset)
{
    return (u32)(PCI_ADDRESS_ENABLE | (offset >> 12) << 8 | (offset & 0xff));
}

static bool beyond_header(u64 offset)
{
    return (offset & 0xfff) >= PCI_CONFIG_BYTES;
}

static u64 enhanced_read(struct machine *m, u64 offset, unsigned n)
{
    u64 value = 0;
    for (unsigned i = 0; i < n; i++) {
        u32 byte = pci_config_read(m, enhanced(offset + i), 1);
        bool there = addressed(m, enhanced(offset + i)) != NULL;
        value |= (u64)(there && beyond_header(offset + i) ? 0 : byte) << 8 * i;
    }
    return value;
}

/* Up to four bytes; those behind the end of the header are swallowed. */
static void enhanced_write_part(struct machine *m, u64 offset, unsigned n, u32 value)
{
    if (!beyond_header(offset))
        pci_config_write(m, enhanced(offset), (unsigned)min(n, PCI_CONFIG_BYTES - (offset & 0xfff)), value);
}

static void enhanced_write(struct machine *m, u64 offset, unsigned n, u64 value)
{
    unsigned first = n > 4 ? 4 : n;
    enhanced_write_part(m, offset, first, (u32)value);
    if (n > first)
        enhanced_write_part(m, offset + first, n - first, (u32)(value >> 32));
}

/* ---- behind BARs ---- */

/* A place in a BAR. */
struct place {
    struct pci_device *d;
    unsigned bar;
    u64 offset;
};

static u64 bar_address(const struct pci_device *d, unsigned bar)
{
    u32 flags = d->model->bar[bar].flags;
    u64 low = pci_config(d, PCI_BAR(bar), 4) & ~(flags & PCI_BAR_IO ? 3u : 15u);
    return flags & PCI_BAR_64 ? low | (u64)pci_config(d, PCI_BAR(bar + 1), 4) << 32 : low;
}

static bool holds(const struct pci_device *d, unsigned bar, bool io, u64 address, struct place *p)
{
    u32 bytes = d->model->bar[bar].bytes;
    if (!bytes || io != !!(d->model->bar[bar].flags & PCI_BAR_IO))
        return false;
    u64 offset = address - bar_address(d, bar);
    *p = (struct place){(struct pci_device *)d, bar, offset};
    return offset < bytes;
}

/* False: nobody answers there. */
static bool find_place(const struct machine *m, bool io, u64 address, struct place *p)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        const struct pci_device *d = m->pci[slot];
        if (!d || !(pci_config(d, PCI_COMMAND, 2) & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
            continue;
        for (unsigned bar = 0; bar < PCI_BARS; bar++)
            if (holds(d, bar, io, address, p))
                return true;
    }
    return false;
}

static bool is_msix_table(const struct place *p)
{
    return p->d->msix_at && p->bar == p->d->model->msix_bar;
}

static u64 read_place(const struct place *p, unsigned n)
{
    return is_msix_table(p) ? pci_msix_read(p->d, p->offset, n)
                            : p->d->model->read(p->d, p->bar, p->offset, n);
}

static void write_place(const struct place *p, unsigned n, u64 value)
{
    if (is_msix_table(p))
        pci_msix_write(p->d, p->offset, n, value);
    else
        p->d->model->write(p->d, p->bar, p->offset, n, value);
}

bool pci_mmio_read(struct machine *m, u64 hpa, unsigned n, u64 *value)
{
    struct place p;
    if (hpa - PCI_ECAM_BASE < PCI_ECAM_BYTES) {
        *value = enhanced_read(m, hpa - PCI_ECAM_BASE, n);
        return true;
    }
    if (!find_place(m, false, hpa, &p))
        return false;
    *value = read_place(&p, n);
    return true;
}

bool pci_mmio_write(struct machine *m, u64 hpa, unsigned n, u64 value)
{
    struct place p;
    if (hpa - PCI_ECAM_BASE < PCI_ECAM_BYTES) {
        enhanced_write(m, hpa - PCI_ECAM_BASE, n, value);
        return true;
    }
    if (!find_place(m, false, hpa, &p))
        return false;
    write_place(&p, n, value);
    return true;
}

bool pci_io_read(struct machine *m, u16 port, unsigned n, u64 *value)
{
    struct place p;
    if (!find_place(m, true, port, &p))
        return false;
    *value = read_place(&p, n);
    return true;
}

bool pci_io_write(struct machine *m, u16 port, unsigned n, u64 value)
{
    struct place p;
    if (!find_place(m, true, port, &p))
        return false;
    write_place(&p, n, value);
    return true;
}
