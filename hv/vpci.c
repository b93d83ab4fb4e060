#include "vpci.h"

#include <stddef.h>

#include "arch/board.h"
#include "dma.h"
#include "vm.h"

#define FIRST_SLOT       1
#define FIRST_CAPABILITY 0x40
#define MSI_PREFIX       (MSI_ADDRESS >> 20)

/* ---- configuration space ---- */

static uint32_t get(const struct vpci_function *f, unsigned at, unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)f->config[at + i] << 8 * i;
    return value;
}

static void put(uint8_t *space, unsigned at, unsigned bytes, uint32_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        space[at + i] = (uint8_t)(value >> 8 * i);
}

static void build_header(struct vpci_function *f)
{
    const struct vpci_model *m = f->model;

    put(f->config, PCI_VENDOR, 2, m->vendor);
    put(f->config, PCI_DEVICE, 2, m->device);
    put(f->config, PCI_REVISION, 1, m->revision);
    put(f->config, PCI_CLASS, 3, m->class);
    put(f->config, PCI_SUBVENDOR, 2, m->subvendor);
    put(f->config, PCI_SUBSYSTEM, 2, m->subsystem);
    put(f->config, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    put(f->writable, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    put(f->writable, PCI_CACHE_LINE, 1, 0xff);
    put(f->writable, PCI_LATENCY, 1, 0xf8);
    put(f->writable, PCI_INTERRUPT_LINE, 1, 0xff);
}

static void build_msi(struct vpci_function *f)
{
    unsigned at = FIRST_CAPABILITY;

    f->msi = (uint8_t)at;
    put(f->config, PCI_STATUS, 2, PCI_STATUS_CAPABILITIES);
    put(f->config, PCI_CAPABILITIES, 1, at);
    put(f->config, at, 1, PCI_CAP_MSI);
    put(f->config, at + PCI_MSI_CONTROL, 2, PCI_MSI_64);
    put(f->writable, at + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
    put(f->writable, at + PCI_MSI_ADDRESS, 4, ~3u);
    put(f->writable, at + PCI_MSI_ADDRESS + 4, 4, ~0u);
    put(f->writable, at + PCI_MSI_DATA, 2, 0xffff);
}

/* A BAR is as long as its lowest bit that can be written says, and lies at a multiple of that. */
static void build_bars(struct vpci_function *f, uint32_t *next)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint32_t bytes = f->model->bar[i].bytes;

        if (!bytes)
            continue;
        *next = (*next + bytes - 1) & ~(bytes - 1);
        put(f->config, PCI_BAR(i), 4, *next);
        put(f->writable, PCI_BAR(i), 4, ~(bytes - 1));
        *next += bytes;
    }
}

/* ---- where the registers are ---- */

static void unmap(struct vpci_function *f, unsigned bar)
{
    if (f->mapped[bar])
        mmio_remove(f->mapped[bar]);
    f->mapped[bar] = NULL;
}

static void map_bar(struct vpci_function *f, unsigned bar)
{
    const struct mmio_range range = {.gpa = get(f, PCI_BAR(bar), 4),
                                     .bytes = f->model->bar[bar].bytes,
                                     .model = &f->model->bar[bar].registers,
                                     .of = f->of};

    if (f->mapped[bar] && f->mapped[bar]->gpa == range.gpa)
        return;
    unmap(f, bar);
    f->mapped[bar] = mmio_add(&f->vm->mmio, &range);
}

/* Configuration space has changed. */
static void map_bars(struct vpci_function *f)
{
    bool decodes = get(f, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;

    for (unsigned i = 0; i < PCI_BARS; i++)
        if (f->model->bar[i].bytes && decodes)
            map_bar(f, i);
        else
            unmap(f, i);
}

/* ---- the bus ---- */

void vpci_init(struct vpci *bus)
{
    bus->address = 0;
    bus->next_memory = PCI_WINDOW;
    bus->count = 0;
}

struct vpci_function *vpci_plug(struct vm *vm, const struct vpci_model *model, void *of)
{
    struct vpci *bus = &vm->pci;
    struct vpci_function *f = &bus->function[bus->count];

    if (bus->count == VPCI_FUNCTIONS)
        return NULL;
    bus->count++;
    *f = (struct vpci_function){.vm = vm, .model = model, .of = of};
    build_header(f);
    build_msi(f);
    build_bars(f, &bus->next_memory);
    map_bars(f);
    return f;
}

/* The function that the address register names; NULL: none. */
static struct vpci_function *addressed(struct vpci *bus)
{
    uint32_t slot = bus->address >> 11 & 31, others = bus->address >> 8 & 0xff07;

    if (!(bus->address & PCI_ADDRESS_ENABLE) || others || slot < FIRST_SLOT ||
        slot - FIRST_SLOT >= bus->count)
        return NULL;
    return &bus->function[slot - FIRST_SLOT];
}

/* The address register is reached by all four bytes at once; the data's ports as one pleases. */
bool vpci_has_port(const struct vpci *bus, unsigned port, unsigned bytes)
{
    if (bus->count == 0)
        return false;
    return (port == PORT_PCI_ADDRESS && bytes == 4) ||
           (port >= PORT_PCI_DATA && port + bytes <= PORT_PCI_DATA + 4);
}

uint32_t vpci_in(struct vpci *bus, unsigned port, unsigned bytes)
{
    const struct vpci_function *f = addressed(bus);

    if (port == PORT_PCI_ADDRESS)
        return bus->address;
    return f ? get(f, (bus->address & 0xfc) + port - PORT_PCI_DATA, bytes) : 0xffffffff;
}

static void write_config(struct vpci_function *f, unsigned at, unsigned bytes, uint32_t value)
{
    for (unsigned i = at; i < at + bytes; i++, value >>= 8)
        f->config[i] = (uint8_t)((f->config[i] & ~f->writable[i]) | (value & f->writable[i]));
    map_bars(f);
}

void vpci_out(struct vpci *bus, unsigned port, unsigned bytes, uint32_t value)
{
    struct vpci_function *f = addressed(bus);

    if (port == PORT_PCI_ADDRESS)
        bus->address = value & 0x80fffffc;
    else if (f)
        write_config(f, (bus->address & 0xfc) + port - PORT_PCI_DATA, bytes, value);
}

/* ---- what the device does ---- */

bool vpci_is_master(const struct vpci_function *f)
{
    return f->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

/* A message is a write; elsewhere than to the local APICs it is one to memory. */
void vpci_interrupt(struct vpci_function *f)
{
    uint64_t address = get(f, f->msi + PCI_MSI_ADDRESS, 4) | (uint64_t)get(f, f->msi + PCI_MSI_ADDRESS + 4, 4)
                                                                 << 32;
    uint32_t data = get(f, f->msi + PCI_MSI_DATA, 2);

    if (!(get(f, f->msi + PCI_MSI_CONTROL, 2) & PCI_MSI_ENABLE) || !vpci_is_master(f))
        return;
    if (address >> 20 == MSI_PREFIX)
        lapic_message(f->vm, (uint32_t)address, data);
    else
        dma_write(f->vm, address, &data, sizeof data);
}
