#include "vpci.h"

#include <stddef.h>

#include "arch/board.h"
#include "vm.h"

#define FIRST_SLOT       1
#define FIRST_CAPABILITY 0x40

/* ---- configuration space ---- */

uint32_t vpci_config(const struct vpci_function *f, unsigned at, unsigned bytes)
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

void vpci_set_config(struct vpci_function *f, unsigned at, unsigned bytes, uint32_t value)
{
    put(f->config, at, bytes, value);
}

void vpci_set_writable(struct vpci_function *f, unsigned at, unsigned bytes, uint32_t bits)
{
    put(f->writable, at, bytes, bits);
}

unsigned vpci_add_capability(struct vpci_function *f, uint8_t id, unsigned bytes)
{
    unsigned at = f->next_capability;

    put(f->config, at, 1, id);
    put(f->config, at + 1, 1, f->config[PCI_CAPABILITIES]);
    put(f->config, PCI_CAPABILITIES, 1, at);
    put(f->config, PCI_STATUS, 2, PCI_STATUS_CAPABILITIES);
    f->next_capability = (uint8_t)(at + ((bytes + 3) & ~3u));
    return at;
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

static bool is_table(const struct vpci_function *f, unsigned bar)
{
    return f->model->msix_vectors && bar == f->model->msix_bar;
}

static void map_bar(struct vpci_function *f, unsigned bar)
{
    bool table = is_table(f, bar);
    const struct mmio_range range = {.gpa = vpci_config(f, PCI_BAR(bar), 4),
                                     .bytes = f->model->bar[bar].bytes,
                                     .model = table ? &vpci_msix_table : &f->model->bar[bar].registers,
                                     .of = table ? f : f->of};

    if (f->mapped[bar] && f->mapped[bar]->gpa == range.gpa)
        return;
    unmap(f, bar);
    f->mapped[bar] = mmio_add(&f->vm->mmio, &range);
}

/* Configuration space has changed. */
static void map_bars(struct vpci_function *f)
{
    bool decodes = vpci_config(f, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;

    for (unsigned i = 0; i < PCI_BARS; i++)
        if (f->model->place && f->model->bar[i].bytes && !is_table(f, i))
            f->model->place(f->of, i, decodes ? vpci_config(f, PCI_BAR(i), 4) : 0);
        else if (f->model->bar[i].bytes && decodes)
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
    *f = (struct vpci_function){.vm = vm, .model = model, .of = of, .next_capability = FIRST_CAPABILITY};
    build_header(f);
    vpci_build_messages(f);
    if (model->build)
        model->build(f);
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

static uint32_t read_config(struct vpci_function *f, unsigned at, unsigned bytes)
{
    if (f->model->configuring)
        f->model->configuring(f->of, at);
    return vpci_config(f, at, bytes);
}

uint32_t vpci_in(struct vpci *bus, unsigned port, unsigned bytes)
{
    struct vpci_function *f = addressed(bus);

    if (port == PORT_PCI_ADDRESS)
        return bus->address;
    return f ? read_config(f, (bus->address & 0xfc) + port - PORT_PCI_DATA, bytes) : 0xffffffff;
}

static void write_config(struct vpci_function *f, unsigned at, unsigned bytes, uint32_t value)
{
    for (unsigned i = at; i < at + bytes; i++, value >>= 8)
        f->config[i] = (uint8_t)((f->config[i] & ~f->writable[i]) | (value & f->writable[i]));
    map_bars(f);
    vpci_send_pending(f);
    if (f->model->configured)
        f->model->configured(f->of, at);
}

void vpci_out(struct vpci *bus, unsigned port, unsigned bytes, uint32_t value)
{
    struct vpci_function *f = addressed(bus);

    if (port == PORT_PCI_ADDRESS)
        bus->address = value & 0x80fffffc;
    else if (f)
        write_config(f, (bus->address & 0xfc) + port - PORT_PCI_DATA, bytes, value);
}

bool vpci_is_master(const struct vpci_function *f)
{
    return f->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}
