/* hv_bus.c - see hv_bus.h. */
#include "lib/hv_bus.h"

#include <check.h>
#include <string.h>

#include "../../hv/page.h"
#include "arch/board.h"

#define FIRST_VECTOR 0x30

struct vm bus_vm;
uint8_t bus_ram[BUS_RAM_BYTES];
unsigned bus_sent[BUS_VECTORS];
bool bus_alive;

void bus_reset(void)
{
    memset(&bus_vm, 0, sizeof bus_vm);
    memset(bus_ram, 0, sizeof bus_ram);
    memset(bus_sent, 0, sizeof bus_sent);
    bus_alive = true;
    vpci_init(&bus_vm.pci);
}

/* ---- the rest of the hypervisor ---- */

bool vm_alive(const struct vm *vm)
{
    return vm == &bus_vm && bus_alive;
}

uint8_t *vm_page(struct vm *vm, uint64_t gpa)
{
    return vm == &bus_vm && gpa < BUS_RAM_BYTES ? bus_ram + (gpa & ~(uint64_t)(PAGE_BYTES - 1)) : NULL;
}

void pager_written_by_device(struct vm *vm, uint64_t gpa)
{
    ck_assert_ptr_eq(vm, &bus_vm);
    ck_assert_uint_lt(gpa, BUS_RAM_BYTES);
}

void lapic_message(struct vm *vm, uint32_t address, uint32_t data)
{
    (void)address;
    ck_assert_ptr_eq(vm, &bus_vm);
    bus_sent[data % BUS_VECTORS]++;
}

struct mmio_range *mmio_add(struct mmio *m, const struct mmio_range *range)
{
    for (unsigned i = 0; i < MMIO_RANGES; i++)
        if (m->range[i].bytes == 0) {
            m->range[i] = *range;
            return &m->range[i];
        }
    return NULL;
}

void mmio_remove(struct mmio_range *range)
{
    range->bytes = 0;
}

/* ---- its driver ---- */

static unsigned port_of(unsigned at)
{
    vpci_out(&bus_vm.pci, PORT_PCI_ADDRESS, 4, PCI_ADDRESS(0u, 1u, 0u, at & 0xfcu));
    return PORT_PCI_DATA + (at & 3);
}

uint32_t bus_config(unsigned at, unsigned n)
{
    return vpci_in(&bus_vm.pci, port_of(at), n);
}

void bus_set_config(unsigned at, unsigned n, uint32_t value)
{
    vpci_out(&bus_vm.pci, port_of(at), n, value);
}

static const struct mmio_range *behind(unsigned bar)
{
    uint32_t gpa = bus_config(PCI_BAR(bar), 4);
    for (unsigned i = 0; i < MMIO_RANGES; i++)
        if (bus_vm.mmio.range[i].bytes && bus_vm.mmio.range[i].gpa == gpa)
            return &bus_vm.mmio.range[i];
    ck_abort_msg("BAR %u leads nowhere", bar);
    return NULL;
}

uint64_t bus_read(unsigned bar, uint64_t at, unsigned n)
{
    const struct mmio_range *r = behind(bar);
    return r->model->read(r->of, at, n);
}

void bus_write(unsigned bar, uint64_t at, unsigned n, uint64_t value)
{
    const struct mmio_range *r = behind(bar);
    r->model->write(r->of, at, n, value);
}

static unsigned msix(void)
{
    unsigned at = bus_config(PCI_CAPABILITIES, 1);
    while (bus_config(at, 1) != PCI_CAP_MSIX)
        at = bus_config(at + 1, 1);
    return at + PCI_MSIX_CONTROL;
}

void bus_messages_on(unsigned vectors)
{
    bus_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    bus_set_config(msix(), 2, PCI_MSIX_ENABLE);
    for (unsigned v = 0; v < vectors; v++) {
        bus_write(1, 16 * v, 8, MSI_ADDRESS);
        bus_write(1, 16 * v + 8, 8, FIRST_VECTOR + v);
    }
}

void bus_messages_off(void)
{
    bus_set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    bus_set_config(msix(), 2, 0);
}
