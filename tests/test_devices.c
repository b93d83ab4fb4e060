/* test_devices.c - the devices' atoms, PCI, DMA, messages and the I/O APIC (docs/machine.md, "Devices"), with
 * the edu device. */
#include "arch/apic.h"
#include "arch/board.h"
#include "arch/edu.h"
#include "arch/ioapic.h"
#include "cpu/cpu.h"
#include "dev/device.h"
#include "dev/dma.h"
#include "dev/pci.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "mmu/cache.h"
#include "mmu/mem.h"
#include "schedule.h"

#include <check.h>

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define SLOT     5
#define LINE     UINT64_C(0x600000)
#define VECTOR   0x41
#define MEM      170 /* mem_latency */
#define BUSY     10  /* mem_busy */
#define IPI      150 /* ipi_latency */

static struct bare b;
static struct machine *m;
static struct core *c;
static struct pci_device *edu;
static u64 registers; /* where edu's are */

static void set_up(void)
{
    const struct rs_device device = {.kind = "edu", .slot = SLOT};
    bare_open_devices(&b, FIRMWARE, 2, &device, 1);
    m = b.machine;
    c = b.core;
    edu = m->pci[SLOT];
    registers = pci_config(edu, PCI_BAR(0), 4);
    apic_write(c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
}

static void tear_down(void)
{
    bare_close(&b);
}

/* ---- configuration space ---- */

static u32 config(unsigned slot, unsigned at, unsigned n)
{
    board_out(c, PORT_PCI_ADDRESS, 4, PCI_ADDRESS(0u, slot, 0u, at & ~3u));
    return (u32)board_in(c, (u16)(PORT_PCI_DATA + (at & 3)), n);
}

static void set_config(unsigned slot, unsigned at, unsigned n, u32 value)
{
    board_out(c, PORT_PCI_ADDRESS, 4, PCI_ADDRESS(0u, slot, 0u, at & ~3u));
    board_out(c, (u16)(PORT_PCI_DATA + (at & 3)), n, value);
}

static u64 reg(unsigned at, unsigned n)
{
    return board_mmio_read(c, registers + at, n);
}

static void set_reg(unsigned at, unsigned n, u64 value)
{
    board_mmio_write(c, registers + at, n, value);
}

static void master_on(void)
{
    set_config(SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

START_TEST(the_bus_is_there)
{
    ck_assert_uint_eq(config(SLOT, PCI_VENDOR, 4), (u32)EDU_DEVICE << 16 | EDU_VENDOR);
    ck_assert_uint_eq(config(SLOT, PCI_DEVICE, 2), EDU_DEVICE);
    ck_assert_uint_eq(config(SLOT, PCI_REVISION, 1), 0x10);
    ck_assert_uint_eq(config(0, PCI_CLASS + 2, 1), 0x06); /* the host bridge */
    ck_assert_uint_eq(config(SLOT + 1, PCI_VENDOR, 4), 0xffffffff);
    ck_assert_uint_eq(config(SLOT + 1, PCI_VENDOR, 2), 0xffff);
    board_out(c, PORT_PCI_ADDRESS, 4, PCI_ADDRESS(1u, SLOT, 0u, 0u));
    ck_assert_uint_eq(board_in(c, PORT_PCI_DATA, 4), 0xffffffff); /* another bus */
    board_out(c, PORT_PCI_ADDRESS, 4, PCI_ADDRESS(0u, SLOT, 1u, 0u));
    ck_assert_uint_eq(board_in(c, PORT_PCI_DATA, 4), 0xffffffff); /* another function */
    board_out(c, PORT_PCI_ADDRESS, 4, SLOT << 11);
    ck_assert_uint_eq(board_in(c, PORT_PCI_DATA, 4), 0xffffffff); /* not enabled */
    board_out(c, PORT_PCI_ADDRESS, 1, 0xff);                      /* only as a double word */
    ck_assert_uint_eq(board_in(c, PORT_PCI_ADDRESS, 4), SLOT << 11);
}
END_TEST

START_TEST(software_changes_what_it_may)
{
    set_config(SLOT, PCI_VENDOR, 4, 0);
    ck_assert_uint_eq(config(SLOT, PCI_VENDOR, 2), EDU_VENDOR);
    set_config(SLOT, PCI_INTERRUPT_LINE, 1, 0x77);
    ck_assert_uint_eq(config(SLOT, PCI_INTERRUPT_LINE, 2), 0x0177); /* the pin stays */
    set_config(SLOT, PCI_BAR(0), 4, 0xffffffff);
    ck_assert_uint_eq(config(SLOT, PCI_BAR(0), 4), ~(EDU_BAR_BYTES - 1u)); /* its size */
    ck_assert_uint_eq(config(SLOT, PCI_BAR(1), 4), 0);
}
END_TEST

START_TEST(the_enhanced_mechanism_shows_the_same)
{
    u64 ecam = PCI_ECAM_BASE + ((u64)SLOT << 15);
    ck_assert_uint_eq(board_mmio_read(c, ecam, 4), (u32)EDU_DEVICE << 16 | EDU_VENDOR);
    ck_assert_uint_eq(board_mmio_read(c, ecam + 0x100, 4), 0); /* no extended capability */
    ck_assert_uint_eq(board_mmio_read(c, ecam + 0x8000, 4), 0xffffffff);
    board_mmio_write(c, ecam + PCI_INTERRUPT_LINE, 1, 9);
    ck_assert_uint_eq(config(SLOT, PCI_INTERRUPT_LINE, 1), 9);
    for (unsigned at = 0xf8; at < 0x100; at++) { /* over its end */
        board_mmio_write(c, ecam + at, 4, 0xffffffff);
        board_mmio_write(c, ecam + at, 8, UINT64_MAX);
    }
    ck_assert_uint_eq(m->b.pci[SLOT].msix[0], 0);
    ck_assert_uint_eq(config(SLOT, PCI_COMMAND, 2), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}
END_TEST

START_TEST(a_bar_answers_where_it_is)
{
    u64 before = registers, moved = PCI_WINDOW_END - EDU_BAR_BYTES;
    ck_assert_uint_eq(board_mmio_read(c, before, 4), EDU_ID_VALUE);
    set_config(SLOT, PCI_BAR(0), 4, (u32)moved);
    ck_assert_uint_eq(board_mmio_read(c, before, 4), 0xffffffff);
    ck_assert_uint_eq(board_mmio_read(c, moved, 4), EDU_ID_VALUE);
    set_config(SLOT, PCI_COMMAND, 2, 0);
    ck_assert_uint_eq(board_mmio_read(c, moved, 4), 0xffffffff);
    ck_assert_int_eq(board_page_kind(c, moved), PAGE_DEVICE);
}
END_TEST

/* ---- atoms of the devices (D1) ---- */

static void run_until_cycle(u64 cycle)
{
    machine_run(m, UINT64_MAX, cycle);
}

/* Both cores go round in the same place. */
static void spin(void)
{
    for (u32 i = 0; i < 2; i++) {
        bare_put(&b, BARE_CODE + BARE_PART * i, "\xeb\xfe", 2);
        m->core[i]->s.activity = ACTIVITY_ACTIVE;
    }
}

START_TEST(a_device_comes_when_it_said_and_before_the_cores)
{
    spin();
    machine_align_clocks(m);
    u64 now = c->s.cycle;
    set_reg(EDU_FACTORIAL, 4, 500);
    ck_assert_uint_eq(device_due(m, SLOT), now + 501);
    run_until_cycle(now + 501);
    ck_assert_uint_eq(reg(EDU_STATUS, 4), EDU_STATUS_COMPUTING);
    u64 atom = machine_atom(m);
    while (machine_next_core(m)) /* both reach that cycle, or pass it with an atom that began before */
        machine_run(m, 1, UINT64_MAX);
    ck_assert_uint_eq(machine_cycle(m), now + 501);
    ck_assert(c->s.cycle >= now + 501 && m->core[1]->s.cycle >= now + 501);
    machine_run(m, 1, UINT64_MAX);
    ck_assert_uint_eq(reg(EDU_STATUS, 4), 0);
    ck_assert_uint_eq(m->b.device_atoms, 1);
    ck_assert_uint_ge(machine_atom(m), atom + 1);
}
END_TEST

START_TEST(a_machine_that_sleeps_is_woken)
{
    bare_put(&b, BARE_CODE, "\xfb\xf4\xeb\xfd", 4); /* sti; hlt; jmp to hlt */
    m->core[1]->s.activity = ACTIVITY_WAIT_SIPI;
    master_on();
    unsigned msi = edu->msi_at;
    set_config(SLOT, msi + PCI_MSI_ADDRESS, 4, MSI_ADDRESS);
    set_config(SLOT, msi + PCI_MSI_DATA, 2, VECTOR);
    set_config(SLOT, msi + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
    set_reg(EDU_STATUS, 4, EDU_STATUS_INTERRUPT);
    u64 due = c->s.cycle + 100001;
    set_reg(EDU_FACTORIAL, 4, 100000);
    run_until_cycle(due + IPI);
    ck_assert_int_eq(m->b.halted, HALT_NONE);
    ck_assert_int_eq(c->s.activity, ACTIVITY_HLT);
    ck_assert_uint_eq(c->s.cycle, due + IPI);
    machine_run(m, 1, UINT64_MAX);
    ck_assert_uint_eq(c->s.rip, bare_handler(VECTOR));
}
END_TEST

START_TEST(a_message_has_the_bus)
{
    master_on();
    set_config(SLOT, edu->msi_at + PCI_MSI_ADDRESS, 4, MSI_ADDRESS);
    set_config(SLOT, edu->msi_at + PCI_MSI_DATA, 2, VECTOR);
    set_config(SLOT, edu->msi_at + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
    c->s.cycle += 10000; /* the bus is free */
    u64 now = c->s.cycle;
    enum rs_hit from;
    set_reg(EDU_IRQ_RAISE, 4, 1);
    ck_assert_uint_eq(device_due(m, SLOT), now);
    devices_atom(m);
    ck_assert_uint_eq(c->s.ipi_due[VECTOR], now + IPI);
    ck_assert_uint_eq(cache_read(c, LINE, &from), BUSY + 10 + MEM); /* a line waits for it */
}
END_TEST

/* ---- DMA (D2, D3) ---- */

/* The transfer that edu makes in its next atom. */
static void dma(u64 ram, u64 n, u64 command)
{
    bool to_ram = command & EDU_DMA_TO_RAM;
    set_reg(EDU_DMA_SOURCE, 8, to_ram ? EDU_DMA_BUFFER : ram);
    set_reg(EDU_DMA_DEST, 8, to_ram ? ram : EDU_DMA_BUFFER);
    set_reg(EDU_DMA_COUNT, 8, n);
    set_reg(EDU_DMA_COMMAND, 4, command | EDU_DMA_START);
}

static u64 atom_cycles(void)
{
    u64 start = device_due(m, SLOT);
    devices_atom(m);
    return m->devices.cycle - start;
}

START_TEST(a_transfer_takes_its_time_on_the_bus)
{
    master_on();
    c->s.cycle += 10000; /* the bus is free */
    dma(LINE, 64, 0);
    ck_assert_uint_eq(atom_cycles(), MEM);
    c->s.cycle += 10000;
    dma(LINE, 64, EDU_DMA_TO_RAM);
    ck_assert_uint_eq(atom_cycles(), BUSY);
    dma(LINE, 64, EDU_DMA_TO_RAM); /* at once: the bus carries the one before */
    ck_assert_uint_eq(atom_cycles(), BUSY + BUSY);
}
END_TEST

START_TEST(what_a_device_writes_leaves_the_caches)
{
    enum rs_hit from;
    master_on();
    cache_read(c, LINE, &from);
    cache_read(c, LINE + 64, &from);
    bare_set_u64(&b, LINE, 0x1111);
    dma(LINE, 8, 0);
    devices_atom(m);
    ck_assert(cache_has(c, CACHE_L1D, LINE >> LINE_SHIFT)); /* it only read */
    dma(LINE + 4, 8, EDU_DMA_TO_RAM);
    devices_atom(m);
    ck_assert(!cache_has(c, CACHE_L1D, LINE >> LINE_SHIFT) && !cache_has(c, CACHE_L2, LINE >> LINE_SHIFT));
    ck_assert(cache_has(c, CACHE_L1D, (LINE + 64) >> LINE_SHIFT));
    ck_assert_uint_eq(bare_u64(&b, LINE), UINT64_C(0x111100001111));
}
END_TEST

START_TEST(no_master_no_transfer)
{
    bare_set_u64(&b, LINE, 0x2222);
    dma(LINE, 8, EDU_DMA_TO_RAM);
    devices_atom(m);
    ck_assert_uint_eq(bare_u64(&b, LINE), 0x2222);
    ck_assert_uint_eq(reg(EDU_DMA_COMMAND, 4) & EDU_DMA_START, 0);
    dma(LINE, 8, 0);
    devices_atom(m);
    ck_assert_uint_eq(m->b.edu[0].buffer[0], UINT64_MAX);
}
END_TEST

START_TEST(nothing_lies_outside)
{
    u8 bytes[16];
    master_on();
    ck_assert(dma_read(edu, m->ram_bytes - 8, bytes, 16)); /* its last 8 bytes, and nobody behind them */
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(bytes[i], 0);
    ck_assert(dma_write(edu, UINT64_MAX - 7, bytes, 8));
    dma(LINE, EDU_DMA_BUFFER_BYTES + 1, EDU_DMA_TO_RAM); /* more than the buffer holds */
    devices_atom(m);
    ck_assert_uint_eq(reg(EDU_DMA_COMMAND, 4) & EDU_DMA_START, 0);
    ck_assert_uint_eq(mem_stamp(m->mem, LINE), 0);
}
END_TEST

/* ---- the I/O APIC ---- */

static void io_write(unsigned number, u64 value)
{
    board_mmio_write(c, IOAPIC_BASE + IOAPIC_SELECT, 4, number);
    board_mmio_write(c, IOAPIC_BASE + IOAPIC_WINDOW, 4, value);
}

static u64 io_read(unsigned number)
{
    board_mmio_write(c, IOAPIC_BASE + IOAPIC_SELECT, 4, number);
    return board_mmio_read(c, IOAPIC_BASE + IOAPIC_WINDOW, 4);
}

#define PIN PCI_LINE_OF(SLOT)

/* All atoms of devices that are due by now, and what they send has arrived. */
static void settle(void)
{
    c->s.cycle += 10000;
    while (devices_next_due(m) <= c->s.cycle)
        devices_atom(m);
    c->s.cycle += 10000;
    cpu_between_instructions(c);
}

START_TEST(a_level_interrupts_until_it_is_served)
{
    ck_assert_uint_eq(io_read(IOAPIC_VERSION), IOAPIC_VERSION_VALUE);
    ck_assert_uint_eq(io_read(IOAPIC_ENTRY(PIN)), IOAPIC_MASKED);
    io_write(IOAPIC_ENTRY(PIN), VECTOR | IOAPIC_LEVEL);
    set_reg(EDU_IRQ_RAISE, 4, 1);
    ck_assert(config(SLOT, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), VECTOR);
    ck_assert_uint_eq(io_read(IOAPIC_ENTRY(PIN)), VECTOR | IOAPIC_LEVEL | IOAPIC_REMOTE_IRR);
    apic_acknowledge(c);
    apic_write(c, APIC_EOI, 0); /* nobody has looked at the device */
    settle();
    ck_assert_int_eq(apic_pending_vector(c), VECTOR);
    apic_acknowledge(c);
    set_reg(EDU_IRQ_ACK, 4, 1);
    apic_write(c, APIC_EOI, 0);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1);
    ck_assert_uint_eq(io_read(IOAPIC_ENTRY(PIN)), VECTOR | IOAPIC_LEVEL);
}
END_TEST

START_TEST(an_edge_interrupts_once)
{
    io_write(IOAPIC_ENTRY(PIN), VECTOR);
    set_reg(EDU_IRQ_RAISE, 4, 1);
    settle();
    ck_assert_int_eq(apic_acknowledge(c), VECTOR);
    apic_write(c, APIC_EOI, 0);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1);
    set_reg(EDU_IRQ_RAISE, 4, 2); /* the line is asserted already */
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1);
}
END_TEST

START_TEST(a_masked_edge_is_lost_and_a_masked_level_waits)
{
    set_reg(EDU_IRQ_RAISE, 4, 1);
    io_write(IOAPIC_ENTRY(PIN), VECTOR);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1);
    io_write(IOAPIC_ENTRY(PIN), VECTOR | IOAPIC_LEVEL);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), VECTOR);
}
END_TEST

START_TEST(msi_takes_the_place_of_the_line)
{
    io_write(IOAPIC_ENTRY(PIN), VECTOR | IOAPIC_LEVEL);
    master_on();
    set_config(SLOT, edu->msi_at + PCI_MSI_ADDRESS, 4, MSI_ADDRESS | 1 << MSI_DESTINATION_SHIFT);
    set_config(SLOT, edu->msi_at + PCI_MSI_DATA, 2, VECTOR + 1);
    set_config(SLOT, edu->msi_at + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
    apic_write(m->core[1], APIC_SVR, APIC_SVR_ENABLE | 0xff);
    set_reg(EDU_IRQ_RAISE, 4, 1);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1);
    ck_assert_uint_ne(m->core[1]->s.ipi_due[VECTOR + 1], 0);
    set_config(SLOT, edu->msi_at + PCI_MSI_CONTROL, 2, 0);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), VECTOR); /* the line again, since it still asks */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("devices");
    TCase *t = tcase_create("devices");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_bus_is_there);
    tcase_add_test(t, software_changes_what_it_may);
    tcase_add_test(t, the_enhanced_mechanism_shows_the_same);
    tcase_add_test(t, a_bar_answers_where_it_is);
    tcase_add_test(t, a_device_comes_when_it_said_and_before_the_cores);
    tcase_add_test(t, a_machine_that_sleeps_is_woken);
    tcase_add_test(t, a_message_has_the_bus);
    tcase_add_test(t, a_transfer_takes_its_time_on_the_bus);
    tcase_add_test(t, what_a_device_writes_leaves_the_caches);
    tcase_add_test(t, no_master_no_transfer);
    tcase_add_test(t, nothing_lies_outside);
    tcase_add_test(t, a_level_interrupts_until_it_is_served);
    tcase_add_test(t, an_edge_interrupts_once);
    tcase_add_test(t, a_masked_edge_is_lost_and_a_masked_level_waits);
    tcase_add_test(t, msi_takes_the_place_of_the_line);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
