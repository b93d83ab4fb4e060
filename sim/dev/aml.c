/* aml.c - what DSDT says, in AML (ACPI Specification 6.4, 20 "ACPI Machine Language (AML) Specification";
 * resources: 6.4 "Resource Data Types for ACPI"): the PCI bus with its interrupts, UARTs and keyboard, and
 * the state S5. */
#include "arch/board.h"
#include "arch/pci.h"
#include "arch/power.h"
#include "arch/ps2.h"
#include "dev/firmware.h"
#include "dev/isa.h"

enum {
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_DWORD = 0x0c,
    AML_SCOPE = 0x10,
    AML_BUFFER = 0x11,
    AML_PACKAGE = 0x12,
    AML_EXTENDED = 0x5b,
    AML_ROOT = 0x5c,
    AML_DEVICE = 0x82
};

/* ---- the language ---- */

/* A package's length is put in by `end`, in three bytes, whatever it is (20.2.4 "Package Length Encoding").
 */
static unsigned begin(struct table *t)
{
    table_put(t, 3, 0);
    return t->n - 3;
}

static void end(struct table *t, unsigned at)
{
    unsigned n = t->n - at;
    table_patch(t, at, 3, 0x80 | (n & 15) | (n >> 4 & 0xff) << 8 | (u64)(n >> 12) << 16);
}

static void name(struct table *t, const char *segment)
{
    table_put(t, 1, AML_NAME);
    table_text(t, 4, segment, '_');
}

static void byte(struct table *t, u64 value)
{
    table_put(t, 1, AML_BYTE);
    table_put(t, 1, value);
}

static void dword(struct table *t, u64 value)
{
    table_put(t, 1, AML_DWORD);
    table_put(t, 4, value);
}

/* "PNP0501" in four bytes: three letters of five bits, four digits. */
static void eisa_id(struct table *t, const char *text)
{
    u64 letters = 0, digits = 0;
    for (unsigned i = 0; i < 3; i++)
        letters = letters << 5 | (text[i] & 0x1f);
    for (unsigned i = 3; i < 7; i++)
        digits = digits << 4 | (u64)(text[i] <= '9' ? text[i] - '0' : text[i] - 'A' + 10);
    dword(t, letters >> 8 | (letters & 0xff) << 8 | digits >> 8 << 16 | (digits & 0xff) << 24);
}

static unsigned device(struct table *t, const char *segment, const char *id, unsigned number)
{
    table_put(t, 1, AML_EXTENDED);
    table_put(t, 1, AML_DEVICE);
    unsigned at = begin(t);
    table_text(t, 4, segment, '_');
    name(t, "_HID");
    eisa_id(t, id);
    name(t, "_UID");
    byte(t, number);
    return at;
}

/* ---- resources ---- */

struct resources {
    unsigned package, size;
};

static struct resources resources(struct table *t)
{
    name(t, "_CRS");
    table_put(t, 1, AML_BUFFER);
    struct resources r = {.package = begin(t)};
    table_put(t, 1, AML_DWORD);
    r.size = t->n;
    table_put(t, 4, 0);
    return r;
}

static void end_resources(struct table *t, struct resources r)
{
    table_put(t, 2, 0x0079); /* end tag; a checksum of 0 is none */
    table_patch(t, r.size, 4, t->n - r.size - 4);
    end(t, r.package);
}

static void ports(struct table *t, unsigned first, unsigned count)
{
    table_put(t, 2, 0x0147); /* I/O ports, all 16 bits decoded */
    table_put(t, 2, first);
    table_put(t, 2, first);
    table_put(t, 1, 1);
    table_put(t, 1, count);
}

static void irq(struct table *t, unsigned number)
{
    table_put(t, 1, 0x22);
    table_put(t, 2, UINT64_C(1) << number);
}

enum range { RANGE_MEMORY, RANGE_PORTS, RANGE_BUSES };

/* What a bridge passes on, in words or in double words (memory). */
static void range(struct table *t, enum range kind, u64 first, u64 last)
{
    static const u8 flags[] = {[RANGE_MEMORY] = 1, [RANGE_PORTS] = 3, [RANGE_BUSES] = 0};
    unsigned bytes = kind == RANGE_MEMORY ? 4 : 2;
    table_put(t, 1, kind == RANGE_MEMORY ? 0x87 : 0x88);
    table_put(t, 2, 3 + 5 * bytes);
    table_put(t, 1, kind);
    table_put(t, 1, 0x0c); /* both ends are fixed */
    table_put(t, 1, flags[kind]);
    table_put(t, bytes, 0);
    table_put(t, bytes, first);
    table_put(t, bytes, last);
    table_put(t, bytes, 0);
    table_put(t, bytes, last - first + 1);
}

/* ---- devices ---- */

/* INTA# of each slot (6.2.13 "_PRT"). */
static void interrupts(struct table *t)
{
    name(t, "_PRT");
    table_put(t, 1, AML_PACKAGE);
    unsigned all = begin(t);
    table_put(t, 1, 32);
    for (unsigned slot = 0; slot < 32; slot++) {
        table_put(t, 1, AML_PACKAGE);
        unsigned at = begin(t);
        table_put(t, 1, 4);
        dword(t, slot << 16 | 0xffff);
        byte(t, 0);
        byte(t, 0);
        byte(t, PCI_LINE_OF(slot));
        end(t, at);
    }
    end(t, all);
}

static void pci(struct table *t)
{
    unsigned at = device(t, "PCI0", "PNP0A08", 0);
    name(t, "_CID");
    eisa_id(t, "PNP0A03");
    struct resources r = resources(t);
    range(t, RANGE_BUSES, 0, 0);
    ports(t, PORT_PCI_ADDRESS, 8);
    range(t, RANGE_PORTS, 0, PORT_PCI_ADDRESS - 1);
    range(t, RANGE_PORTS, PORT_PCI_ADDRESS + 8, 0xffff);
    range(t, RANGE_MEMORY, 0xa0000, 0xbffff);
    range(t, RANGE_MEMORY, PCI_WINDOW, PCI_WINDOW_END - 1);
    end_resources(t, r);
    interrupts(t);
    end(t, at);
}

static void uart(struct table *t, const char *segment, unsigned number, unsigned port, unsigned line)
{
    unsigned at = device(t, segment, "PNP0501", number);
    struct resources r = resources(t);
    ports(t, port, UART_PORTS);
    irq(t, line);
    end_resources(t, r);
    end(t, at);
}

static void keyboard(struct table *t)
{
    unsigned at = device(t, "KBD_", "PNP0303", 0);
    struct resources r = resources(t);
    ports(t, PORT_PS2_DATA, 1);
    ports(t, PORT_PS2_COMMAND, 1);
    irq(t, IRQ_KEYBOARD);
    end_resources(t, r);
    end(t, at);
}

/* What goes into PM1a_CNT.SLP_TYP, and what would go into PM1b_CNT's. */
static void soft_off(struct table *t)
{
    name(t, "_S5_");
    table_put(t, 1, AML_PACKAGE);
    unsigned at = begin(t);
    table_put(t, 1, 4);
    byte(t, PM_TYPE_OFF);
    byte(t, PM_TYPE_OFF);
    byte(t, 0);
    byte(t, 0);
    end(t, at);
}

void aml_dsdt(struct table *t)
{
    soft_off(t);
    table_put(t, 1, AML_SCOPE);
    unsigned at = begin(t);
    table_put(t, 1, AML_ROOT);
    table_text(t, 4, "_SB_", 0);
    pci(t);
    uart(t, "COM1", 1, PORT_CONSOLE, IRQ_CONSOLE);
    uart(t, "COM2", 2, PORT_MANAGEMENT, IRQ_MANAGEMENT);
    keyboard(t);
    end(t, at);
}
