/* mp_table.c - the MP table (MultiProcessor Specification 1.4, 4 "MP Configuration Table"): what MADT says,
 * for kernels that came before ACPI. */
#include "arch/apic.h"
#include "arch/firmware.h"
#include "arch/ioapic.h"
#include "arch/pci.h"
#include "cpu/cpu.h"
#include "dev/firmware.h"
#include "dev/isa.h"
#include "mmu/mem.h"

#define POINTER_BYTES 16
#define HEADER_BYTES  44

enum { ENTRY_PROCESSOR, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL };
enum { BUS_PCI, BUS_ISA };
enum { TYPE_INT, TYPE_NMI, TYPE_SMI, TYPE_EXTINT };

#define PROCESSOR_ENABLED 1
#define PROCESSOR_BOOTS   2
#define IOAPIC_ENABLED    1
#define LEVEL_LOW         0xf /* level-triggered, active low */
#define ALL_APICS         0xff

static void put_processor(struct table *t, const struct core *c)
{
    u32 id[4];
    sys_cpuid(c, 1, 0, id);
    table_put(t, 1, ENTRY_PROCESSOR);
    table_put(t, 1, c->id);
    table_put(t, 1, APIC_VERSION_VALUE & 0xff);
    table_put(t, 1, PROCESSOR_ENABLED | (c->id == 0 ? PROCESSOR_BOOTS : 0));
    table_put(t, 4, id[0]);
    table_put(t, 4, id[3]);
    table_put(t, 8, 0);
}

static void put_bus(struct table *t, unsigned id, const char *name)
{
    table_put(t, 1, ENTRY_BUS);
    table_put(t, 1, id);
    table_text(t, 6, name, ' ');
}

static void put_ioapic(struct table *t)
{
    table_put(t, 1, ENTRY_IOAPIC);
    table_put(t, 1, 0);
    table_put(t, 1, IOAPIC_VERSION_VALUE & 0xff);
    table_put(t, 1, IOAPIC_ENABLED);
    table_put(t, 4, IOAPIC_BASE);
}

struct source {
    unsigned entry, type, flags, bus, irq, apic, pin;
};

static void put_source(struct table *t, struct source s)
{
    table_put(t, 1, s.entry);
    table_put(t, 1, s.type);
    table_put(t, 2, s.flags);
    table_put(t, 1, s.bus);
    table_put(t, 1, s.irq);
    table_put(t, 1, s.apic);
    table_put(t, 1, s.pin);
}

/* IRQ 2 is the cascade of the 8259s. */
static unsigned put_isa(struct table *t)
{
    for (unsigned irq = 0; irq < 16; irq++)
        if (irq != 2)
            put_source(t, (struct source){ENTRY_INTERRUPT, TYPE_INT, 0, BUS_ISA, irq, 0,
                                          irq == IRQ_TIMER ? ISA_PIN_TIMER : irq});
    return 15;
}

static unsigned put_pci(struct table *t)
{
    for (unsigned slot = 0; slot < 32; slot++)
        put_source(t, (struct source){ENTRY_INTERRUPT, TYPE_INT, LEVEL_LOW, BUS_PCI, slot << 2, 0,
                                      PCI_LINE_OF(slot)});
    return 32;
}

/* LINT0 has the 8259s, LINT1 NMI, on every local APIC. */
static unsigned put_local(struct table *t)
{
    put_source(t, (struct source){ENTRY_LOCAL, TYPE_EXTINT, 0, BUS_ISA, 0, ALL_APICS, 0});
    put_source(t, (struct source){ENTRY_LOCAL, TYPE_NMI, 0, BUS_ISA, 0, ALL_APICS, 1});
    return 2;
}

static unsigned put_entries(struct table *t, const struct machine *m)
{
    for (u32 i = 0; i < m->cores; i++)
        put_processor(t, m->core[i]);
    put_bus(t, BUS_PCI, "PCI");
    put_bus(t, BUS_ISA, "ISA");
    put_ioapic(t);
    unsigned sources = put_isa(t);
    sources += put_pci(t);
    sources += put_local(t);
    return m->cores + 3 + sources;
}

static void put_pointer(struct table *t)
{
    table_text(t, 4, "_MP_", 0);
    table_put(t, 4, FIRMWARE_MP + POINTER_BYTES);
    table_put(t, 1, 1); /* in units of 16 bytes */
    table_put(t, 1, 4); /* specification 1.4 */
    table_put(t, 6, 0);
    table_checksum(t, 0, POINTER_BYTES, 10);
}

void mp_table_write(struct machine *m)
{
    struct table t = {.n = 0};
    put_pointer(&t);
    table_text(&t, 4, "PCMP", 0);
    table_put(&t, 2, 0); /* length: below */
    table_put(&t, 1, 4);
    table_put(&t, 1, 0); /* checksum */
    table_text(&t, 8, "RINGSIDE", ' ');
    table_text(&t, 12, "BOARD", ' ');
    table_put(&t, 6, 0); /* no table of the maker's */
    table_put(&t, 2, 0); /* entries */
    table_put(&t, 4, APIC_PHYS_BASE);
    table_put(&t, 4, 0);
    unsigned entries = put_entries(&t, m);
    table_patch(&t, POINTER_BYTES + 4, 2, t.n - POINTER_BYTES);
    table_patch(&t, POINTER_BYTES + HEADER_BYTES - 10, 2, entries);
    table_checksum(&t, POINTER_BYTES, t.n, POINTER_BYTES + 7);
    mem_copy_in(m->mem, FIRMWARE_MP, t.byte, t.n);
}
