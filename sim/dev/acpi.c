/* acpi.c - ACPI tables (ACPI Specification 6.4, 5.2 "ACPI System Description Tables"; MCFG: PCI Firmware
 * Specification 3.3, 4.1.2; DMAR: VT-d specification, 8 "BIOS Considerations"). */
#include "arch/apic.h"
#include "arch/firmware.h"
#include "arch/ioapic.h"
#include "arch/iommu.h"
#include "arch/pci.h"
#include "arch/power.h"
#include "arch/rtc.h"
#include "arch/x86.h"
#include "dev/firmware.h"
#include "dev/isa.h"
#include "mmu/mem.h"

#define HEADER_BYTES 36
#define RSDP_BYTES   36
#define TABLES_MAX   8

/* Where the next table goes, and those that XSDT names. */
struct tables {
    struct machine *m;
    u64 next;
    u64 address[TABLES_MAX];
    unsigned count;
};

static void put_header(struct table *t, const char *signature, unsigned revision)
{
    t->n = 0;
    table_text(t, 4, signature, 0);
    table_put(t, 4, 0); /* length: seal */
    table_put(t, 1, revision);
    table_put(t, 1, 0); /* checksum */
    table_text(t, 6, "RNGSDE", ' ');
    table_text(t, 8, "RINGSIDE", ' ');
    table_put(t, 4, 1);
    table_text(t, 4, "RSDE", ' ');
    table_put(t, 4, 1);
}

/* Puts it into memory, at a multiple of 64; returns where. */
static u64 place(struct tables *all, const struct table *t)
{
    u64 at = all->next;
    mem_copy_in(all->m->mem, at, t->byte, t->n);
    all->next = (at + t->n + 63) & ~UINT64_C(63);
    return at;
}

static u64 seal(struct tables *all, struct table *t)
{
    table_patch(t, 4, 4, t->n);
    table_checksum(t, 0, t->n, 9);
    return place(all, t);
}

static void seal_named(struct tables *all, struct table *t)
{
    all->address[all->count++] = seal(all, t);
}

/* ---- FADT (5.2.9), FACS (5.2.10), DSDT ---- */

#define FADT_LEGACY    0x0001 /* IAPC_BOOT_ARCH: there are devices on ISA, */
#define FADT_8042      0x0002 /* and a keyboard controller */
#define FADT_WBINVD    0x0001
#define FADT_C1        0x0004
#define FADT_NO_BUTTON 0x0030 /* neither power nor sleep button is fixed hardware */
#define FADT_NO_RTC    0x0040 /* the RTC's wake status is no fixed hardware */
#define FADT_RESETS    0x0400

/* A generic address (5.2.3.2) of so many bytes of ports; 0: none. */
static void put_ports(struct table *t, u64 port, unsigned bytes)
{
    table_put(t, 1, bytes ? 1 : 0);
    table_put(t, 1, 8 * bytes);
    table_put(t, 1, 0);
    table_put(t, 1, bytes == 4 ? 3 : bytes);
    table_put(t, 8, port);
}

/* Old fields, of 32 bits. */
static void put_fixed_hardware(struct table *t)
{
    table_put(t, 2, IRQ_ACPI);
    table_put(t, 8, 0); /* no SMI: ACPI is on already */
    table_put(t, 4, PORT_PM + PM_STATUS);
    table_put(t, 4, 0);
    table_put(t, 4, PORT_PM + PM_CONTROL);
    table_put(t, 8, 0);
    table_put(t, 4, PORT_PM + PM_TIMER);
    table_put(t, 8, 0);
    table_put(t, 4, 0x04000204); /* lengths: events 4, control 2, none, timer 4 */
    table_put(t, 4, 0);
    table_put(t, 4, 0xffffffff); /* no C2, no C3 */
    table_put(t, 8, 0);
    table_put(t, 1, RTC_CENTURY);
    table_put(t, 2, FADT_LEGACY | FADT_8042);
    table_put(t, 1, 0);
    table_put(t, 4, FADT_WBINVD | FADT_C1 | FADT_NO_BUTTON | FADT_NO_RTC | FADT_RESETS);
}

static void put_fadt(struct tables *all, struct table *t, u64 facs, u64 dsdt)
{
    put_header(t, "FACP", 4);
    table_put(t, 4, facs);
    table_put(t, 4, dsdt);
    table_put(t, 2, 0);
    put_fixed_hardware(t);
    put_ports(t, PORT_RESET, 1);
    table_put(t, 1, RESET_VALUE);
    table_put(t, 3, 0);
    table_put(t, 8, 0); /* FACS: above */
    table_put(t, 8, dsdt);
    put_ports(t, PORT_PM + PM_STATUS, 4);
    put_ports(t, 0, 0);
    put_ports(t, PORT_PM + PM_CONTROL, 2);
    put_ports(t, 0, 0);
    put_ports(t, 0, 0);
    put_ports(t, PORT_PM + PM_TIMER, 4);
    put_ports(t, 0, 0);
    put_ports(t, 0, 0);
    seal_named(all, t);
}

static u64 put_facs(struct tables *all, struct table *t)
{
    t->n = 0;
    table_text(t, 4, "FACS", 0);
    table_put(t, 4, 64);
    for (unsigned i = 0; i < 3; i++)
        table_put(t, 8, 0);
    table_put(t, 1, 2); /* version, behind three fields of 8 bytes */
    while (t->n < 64)
        table_put(t, 1, 0);
    return place(all, t);
}

static u64 put_dsdt(struct tables *all, struct table *t)
{
    put_header(t, "DSDT", 2);
    aml_dsdt(t);
    return seal(all, t);
}

/* ---- MADT (5.2.12) ---- */

static void put_override(struct table *t, unsigned irq, unsigned pin, unsigned flags)
{
    table_put(t, 2, 2 | 10 << 8); /* type and length */
    table_put(t, 1, 0);           /* ISA */
    table_put(t, 1, irq);
    table_put(t, 4, pin);
    table_put(t, 2, flags);
}

static void put_madt(struct tables *all, struct table *t)
{
    put_header(t, "APIC", 4);
    table_put(t, 4, APIC_PHYS_BASE);
    table_put(t, 4, 1); /* there are 8259s as well */
    for (u32 i = 0; i < all->m->cores; i++) {
        table_put(t, 2, 0 | 8 << 8);
        table_put(t, 1, i);
        table_put(t, 1, i);
        table_put(t, 4, 1); /* enabled */
    }
    table_put(t, 2, 1 | 12 << 8);
    table_put(t, 2, 0); /* ID */
    table_put(t, 4, IOAPIC_BASE);
    table_put(t, 4, 0);
    put_override(t, IRQ_TIMER, ISA_PIN_TIMER, 0);
    put_override(t, IRQ_ACPI, IRQ_ACPI, 0xd); /* level-triggered, active high */
    table_put(t, 2, 4 | 6 << 8);
    table_put(t, 1, 0xff); /* of all processors */
    table_put(t, 2, 0);
    table_put(t, 1, 1); /* LINT1: NMI */
    seal_named(all, t);
}

/* ---- MCFG, DMAR ---- */

static void put_mcfg(struct tables *all, struct table *t)
{
    put_header(t, "MCFG", 1);
    table_put(t, 8, 0);
    table_put(t, 8, PCI_ECAM_BASE);
    table_put(t, 2, 0);
    table_put(t, 2, 0); /* first and last bus */
    table_put(t, 4, 0);
    seal_named(all, t);
}

#define DMAR_REMAPS_INTERRUPTS 1
#define DRHD_ALL               1
#define SCOPE_IOAPIC           3

/* One unit, for all functions and for the I/O APIC. */
static void put_dmar(struct tables *all, struct table *t)
{
    put_header(t, "DMAR", 1);
    table_put(t, 1, PHYS_BITS - 1);
    table_put(t, 1, DMAR_REMAPS_INTERRUPTS);
    table_put(t, 8, 0);
    table_put(t, 2, 0);
    table_put(t, 2, 0);
    table_put(t, 2, 24);
    table_put(t, 2, DRHD_ALL);
    table_put(t, 2, 0); /* segment */
    table_put(t, 8, IOMMU_BASE);
    table_put(t, 2, SCOPE_IOAPIC | 8 << 8);
    table_put(t, 2, 0);
    table_put(t, 1, 0); /* the I/O APIC's ID */
    table_put(t, 1, IOAPIC_REQUESTER >> 8);
    table_put(t, 1, IOAPIC_REQUESTER >> 3 & 31);
    table_put(t, 1, IOAPIC_REQUESTER & 7);
    seal_named(all, t);
}

/* ---- RSDP (5.2.5.3), XSDT (5.2.8) and RSDT (5.2.7) ---- */

static u64 put_root(struct tables *all, struct table *t, const char *signature, unsigned bytes)
{
    put_header(t, signature, 1);
    for (unsigned i = 0; i < all->count; i++)
        table_put(t, bytes, all->address[i]);
    return seal(all, t);
}

static void put_rsdp(struct tables *all, struct table *t, u64 rsdt, u64 xsdt)
{
    t->n = 0;
    table_text(t, 8, "RSD PTR ", 0);
    table_put(t, 1, 0);
    table_text(t, 6, "RNGSDE", ' ');
    table_put(t, 1, 2);
    table_put(t, 4, rsdt);
    table_put(t, 4, RSDP_BYTES);
    table_put(t, 8, xsdt);
    table_put(t, 4, 0);
    table_checksum(t, 0, 20, 8);
    table_checksum(t, 0, RSDP_BYTES, 32);
    mem_copy_in(all->m->mem, FIRMWARE_RSDP, t->byte, t->n);
}

void acpi_write(struct machine *m)
{
    struct tables all = {.m = m, .next = FIRMWARE_ACPI};
    struct table t = {.n = 0};
    u64 facs = put_facs(&all, &t), dsdt = put_dsdt(&all, &t);
    put_fadt(&all, &t, facs, dsdt);
    put_madt(&all, &t);
    put_mcfg(&all, &t);
    if (m->b.firmware & RS_FW_VTD)
        put_dmar(&all, &t);
    u64 rsdt = put_root(&all, &t, "RSDT", 4), xsdt = put_root(&all, &t, "XSDT", 8);
    put_rsdp(&all, &t, rsdt, xsdt);
}
