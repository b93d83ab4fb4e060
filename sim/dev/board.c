/* board.c - what answers at which port and address; dev/ports.c has the ports of a byte. */
#include "arch/board.h"

#include "arch/apic.h"
#include "arch/ioapic.h"
#include "arch/power.h"
#include "cpu/cpu.h"
#include "cpu/vapic.h"
#include "dev/board.h"
#include "dev/ioapic.h"
#include "dev/link.h"
#include "dev/pci.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/ports.h"
#include "dev/power.h"
#include "dev/ps2.h"
#include "dev/rtc.h"
#include "dev/vga.h"
#include "dev/uart.h"
#include "iommu/iommu.h"
#include "mmu/bus.h"
#include "mmu/mem.h"

void board_reset(struct machine *m)
{
    uart_reset(&m->b.uart[0]);
    uart_reset(&m->b.uart[1]);
    pci_reset(m);
    ioapic_reset(m);
    iommu_reset(m);
    pic_reset(m);
    pit_reset(m);
    ps2_reset(m);
    vga_reset(m);
    rtc_reset(m);
    power_registers_reset(m);
    m->b.sipi_entry_struct = 0;
    m->b.halted = HALT_NONE;
    m->b.exit_status = m->b.halt_detail = m->b.halt_core = 0;
}

/* ---- ports ---- */

/* Rule E5, the event and its micro. */
static void reach_port(struct core *c, u16 port, bool write, unsigned n, u64 value)
{
    pipeline_drain_stores(c);
    stall(c, &c->s.count.stall_device, bus_wait(c->m, c->s.cycle));
    stall(c, &c->s.count.stall_device, c->m->p.device_latency);
    PROBE(c, RS_PROBE_io, port, write, n, value);
    micro(c, MICRO_DEVICE);
}

/* PCI configuration knows accesses of several bytes, within a double word. */
static bool is_pci_port(u16 port, unsigned n)
{
    unsigned offset = port - PORT_PCI_ADDRESS;
    bool resets = port == PORT_RESET && n == 1; /* it lies in the same place, for bytes */
    return port >= PORT_PCI_ADDRESS && offset < 8 && offset % 4 + n <= 4 && !resets;
}

u64 board_in(struct core *c, u16 port, unsigned n)
{
    u64 value = 0;
    reach_port(c, port, false, n, 0);
    if (is_pci_port(port, n))
        return pci_port_read(c->m, port - PORT_PCI_ADDRESS, n);
    if (pci_io_read(c->m, port, n, &value))
        return value;
    for (unsigned i = 0; i < n; i++)
        value |= (u64)ports_in(c->m, (u16)(port + i)) << 8 * i;
    return value;
}

void board_halt(struct core *c, enum halt_cause cause, u64 status, u64 detail)
{
    c->m->b.halted = cause;
    c->m->b.exit_status = status;
    c->m->b.halt_detail = detail;
    c->m->b.halt_core = c->id;
    PROBE(c, RS_PROBE_halt, cause, status);
    micro(c, MICRO_EVENT);
}

void board_out(struct core *c, u16 port, unsigned n, u64 value)
{
    reach_port(c, port, true, n, value);
    if (port == PORT_DEBUG_EXIT) {
        board_halt(c, HALT_DEBUG_EXIT, (2 * value + 1) & 0xff, 0);
        return;
    }
    if (is_pci_port(port, n)) {
        pci_port_write(c->m, port - PORT_PCI_ADDRESS, n, value);
        return;
    }
    if (pci_io_write(c->m, port, n, value))
        return;
    for (unsigned i = 0; i < n; i++)
        ports_out(c->m, (u16)(port + i), (u8)(value >> 8 * i));
}

/* ---- addresses ---- */

static bool in_apic_page(const struct core *c, u64 hpa)
{
    u64 mode = c->s.apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    return mode == APIC_BASE_ENABLE && hpa >> PAGE_SHIFT == (c->s.apic_base & PHYS_MASK) >> PAGE_SHIFT;
}

enum page_kind board_page_kind(const struct core *c, u64 hpa)
{
    if (vapic_virtualises(c, hpa))
        return PAGE_APIC_ACCESS;
    if (in_apic_page(c, hpa))
        return PAGE_APIC;
    if (hpa - BOARD_HOLE < BOARD_HOLE_END - BOARD_HOLE)
        return PAGE_DEVICE;
    return mem_has(c->m->mem, hpa, 1) ? PAGE_RAM : PAGE_NONE;
}

bool board_is_ram(const struct machine *m, u64 hpa, u64 n)
{
    return mem_has(m->mem, hpa, n) && (hpa + n <= BOARD_HOLE || hpa >= BOARD_HOLE_END);
}

/* A 32-bit register stands at every 16th byte of the page (SDM vol. 3, 10.4.1 "The Local APIC Block
 * Diagram"). */
static u64 apic_page_read(struct core *c, u64 hpa)
{
    return (hpa & 15) < 4 ? apic_read(c, hpa & 0xff0) >> 8 * (hpa & 3) : 0;
}

static void apic_page_write(struct core *c, u64 hpa, unsigned n, u64 value)
{
    if (hpa & 15 || n < 4)
        return;
    apic_write(c, hpa & 0xff0, value & 0xffffffff);
    c->rt.look_again = 0;
}

static bool in_ioapic(u64 hpa)
{
    return hpa - IOAPIC_BASE < IOAPIC_BYTES;
}

/* It may begin to hear the timer, or not. */
static void write_ioapic(struct machine *m, u64 offset, unsigned n, u64 value)
{
    pit_catch_up(m);
    ioapic_write(m, offset, n, value);
    pit_reschedule(m);
}

u64 board_mmio_read(struct core *c, u64 hpa, unsigned n)
{
    u64 ones = n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX, value = UINT64_MAX;
    if (in_apic_page(c, hpa))
        value = apic_page_read(c, hpa);
    else if (in_ioapic(hpa))
        value = ioapic_read(c->m, hpa - IOAPIC_BASE, n);
    else if (iommu_answers(c->m, hpa))
        value = iommu_read(c->m, hpa - IOMMU_BASE, n);
    else
        pci_mmio_read(c->m, hpa, n, &value);
    return value & ones;
}

void board_mmio_write(struct core *c, u64 hpa, unsigned n, u64 value)
{
    if (in_apic_page(c, hpa))
        apic_page_write(c, hpa, n, value);
    else if (in_ioapic(hpa))
        write_ioapic(c->m, hpa - IOAPIC_BASE, n, value);
    else if (iommu_answers(c->m, hpa))
        iommu_write(c->m, hpa - IOMMU_BASE, n, value);
    else
        pci_mmio_write(c->m, hpa, n, value);
}

/* ---- interrupts ---- */

void board_end_of_interrupt(struct machine *m, unsigned vector)
{
    ioapic_end_of_interrupt(m, vector);
}

unsigned board_awaits(const struct machine *m)
{
    return (uart_hears(m, 0) ? RS_AWAITS_CONSOLE : 0) | (uart_hears(m, 1) ? RS_AWAITS_MANAGEMENT : 0) |
           (ps2_hears(m) ? RS_AWAITS_KEYS : 0) | (ports_hear(m) ? RS_AWAITS_FRAMES : 0);
}

int board_external_vector(const struct machine *m)
{
    return pic_pending_vector(m);
}

unsigned board_acknowledge(struct machine *m)
{
    return pic_acknowledge(m);
}
