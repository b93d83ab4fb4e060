/* e1000.c - registers of the 82540EM; see e1000.h. */
#include "dev/e1000.h"

#include "mmu/bytes.h"

/* Registers that hold what is written to them: offset, field, value after a reset, bits that are there. */
#define REGISTERS(R) \
    R(FCAL, fcal, 0, 0xffffffff) \
    R(FCAH, fcah, 0, 0xffff) \
    R(FCT, fct, 0, 0xffff) \
    R(FCTTV, fcttv, 0, 0xffff) \
    R(FCRTL, fcrtl, 0, 0x8000fff8) \
    R(FCRTH, fcrth, 0, 0xfff8) \
    R(CTRL_EXT, ctrl_ext, 0, 0xffffffff) \
    R(VET, vet, 0x8100, 0xffff) \
    R(ITR, itr, 0, 0xffff) \
    R(RCTL, rctl, 0, 0x07dff7fe) \
    R(TCTL, tctl, 0, 0x07fffffa) \
    R(TIPG, tipg, 0, 0x3fffffff) \
    R(AIFS, aifs, 0, 0xffff) \
    R(LEDCTL, ledctl, 0x07068302, 0xffffffff) \
    R(PBA, pba, 0x00100030, 0xffff) \
    R(RDBAL, rdbal, 0, 0xfffffff0) \
    R(RDBAH, rdbah, 0, 0xffffffff) \
    R(RDLEN, rdlen, 0, 0xfff80) \
    R(RDH, rdh, 0, 0xffff) \
    R(RDT, rdt, 0, 0xffff) \
    R(RDTR, rdtr, 0, 0xffff) \
    R(RXDCTL, rxdctl, 0x00010000, 0x013f3f3f) \
    R(RADV, radv, 0, 0xffff) \
    R(RSRPD, rsrpd, 0, 0xfff) \
    R(TDBAL, tdbal, 0, 0xfffffff0) \
    R(TDBAH, tdbah, 0, 0xffffffff) \
    R(TDLEN, tdlen, 0, 0xfff80) \
    R(TDH, tdh, 0, 0xffff) \
    R(TDT, tdt, 0, 0xffff) \
    R(TIDV, tidv, 0, 0xffff) \
    R(TXDCTL, txdctl, 0, 0xff3f3f3f) \
    R(TADV, tadv, 0, 0xffff) \
    R(TSPMT, tspmt, 0x01000400, 0xffffffff) \
    R(RXCSUM, rxcsum, 0, 0x3ff) \
    R(WUC, wuc, 0, 0xf) \
    R(WUFC, wufc, 0, 0xf00ff) \
    R(WUS, wus, 0, 0) \
    R(MANC, manc, 0, 0xffffffff)

static const struct plain {
    unsigned offset;
    size_t field;
    u32 reset, bits;
} plain[] = {
#define R(name, field, reset, bits) {E1000_##name, offsetof(struct e1000, field), reset, bits},
    REGISTERS(R)
#undef R
};

#define PLAIN (sizeof plain / sizeof *plain)

static u64 *field_of(struct e1000 *e, const struct plain *p)
{
    return (u64 *)((u8 *)e + p->field);
}

static const struct plain *find_plain(u64 offset)
{
    for (size_t i = 0; i < PLAIN; i++)
        if (plain[i].offset == offset)
            return &plain[i];
    return NULL;
}

/* A table's entry; NULL: the offset is in none.  *bits: those that are there. */
static u64 *find_entry(struct e1000 *e, u64 offset, u32 *bits)
{
    *bits = 0xffffffff;
    if (offset - E1000_MTA < 4 * E1000_TABLE)
        return &e->mta[(offset - E1000_MTA) / 4];
    if (offset - E1000_VFTA < 4 * E1000_TABLE)
        return &e->vfta[(offset - E1000_VFTA) / 4];
    if (offset - E1000_RAL(0) >= 8 * E1000_ADDRESSES)
        return NULL;
    if (offset & 4)
        *bits = E1000_RAH_AV | 0x3ffff;
    return &e->address[(offset - E1000_RAL(0)) / 4];
}

/* ---- statistics ---- */

void e1000_count(struct e1000 *e, unsigned offset, u64 n)
{
    u64 *stat = e1000_stat(e, offset);
    *stat = min(*stat + n, 0xffffffff);
}

void e1000_count_size(struct e1000 *e, unsigned first, u64 n)
{
    static const u16 most[] = {64, 127, 255, 511, 1023};
    unsigned i = 0;
    while (i < 5 && n > most[i])
        i++;
    e1000_count(e, first + 4 * i, 1);
}

void e1000_count_octets(struct e1000 *e, unsigned low, u64 n)
{
    u64 *stat = e1000_stat(e, low), sum = (stat[1] << 32 | stat[0]) + n;
    stat[0] = sum & 0xffffffff;
    stat[1] = sum >> 32;
}

static bool is_octets_low(u64 offset)
{
    return offset == E1000_GORCL || offset == E1000_GOTCL || offset == E1000_TORL || offset == E1000_TOTL;
}

/* The lower half of 64 bits waits for the read of the upper one. */
static u64 read_stat(struct e1000 *e, u64 offset)
{
    u64 *stat = e1000_stat(e, (unsigned)offset), value = *stat;
    if (is_octets_low(offset))
        return value;
    *stat = 0;
    if (is_octets_low(offset - 4))
        stat[-1] = 0;
    return value;
}

/* ---- reset ---- */

static void load_address(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    const u8 *mac = port_mac(d);
    e->address[0] = load_le(mac, 4);
    e->address[1] = load_le(mac + 4, 2) | E1000_RAH_AV;
}

/* All but the PHY, IOADDR and where the EEPROM's and MDI's wires are. */
static void reset_mac(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d), before = *e;
    *e = (struct e1000){.eecd = before.eecd, .io_address = before.io_address};
    e->ee_bits = before.ee_bits;
    e->ee_count = before.ee_count;
    for (unsigned i = 0; i < 32; i++)
        e->phy[i] = before.phy[i];
    for (size_t i = 0; i < PLAIN; i++)
        *field_of(e, &plain[i]) = plain[i].reset;
    e->ctrl = E1000_CTRL_FD | E1000_CTRL_SPEED_1000;
    load_address(d);
    pci_interrupt_level(d, false);
    e1000_schedule(d);
}

static void reset(struct pci_device *d)
{
    *e1000_of(d) = (struct e1000){.eecd = 0x10};
    reset_mac(d);
    e1000_phy_reset(d);
}

/* ---- registers ---- */

static void write_ctrl(struct pci_device *d, u64 value)
{
    struct e1000 *e = e1000_of(d);
    if (value & E1000_CTRL_RST) {
        reset_mac(d);
        return;
    }
    if (value & E1000_CTRL_PHY_RST)
        e1000_phy_reset(d);
    e->ctrl = value & 0x58fc1be9; /* without what clears itself and what is reserved */
    e1000_check_link(d);
}

/* What the receiver or transmitter was about is over when it is switched off. */
static void wrote(struct pci_device *d, u64 offset, u64 value)
{
    struct e1000 *e = e1000_of(d);
    if (offset == E1000_RCTL && !(value & E1000_RCTL_EN))
        e1000_stop_receiver(e);
    if (offset == E1000_TCTL && !(value & E1000_TCTL_EN))
        e1000_stop_transmitter(e);
    if (offset == E1000_RDTR && value & E1000_RDTR_FPD)
        e1000_flush_receive_delay(d);
    if (offset == E1000_PBA) /* the other part of the 64 KiB */
        e->pba = (min(value & 0xffff, 0x40)) | (0x40 - min(value & 0xffff, 0x40)) << 16;
}

static u64 read_register(struct pci_device *d, u64 offset)
{
    struct e1000 *e = e1000_of(d);
    const struct plain *p = find_plain(offset);
    u32 bits;
    u64 *entry = find_entry(e, offset, &bits);
    if (p)
        return *field_of(e, p);
    if (entry)
        return *entry;
    if (offset - E1000_STATS < 4 * sizeof e->stat / sizeof *e->stat)
        return read_stat(e, offset);
    switch (offset) {
    case E1000_CTRL:
    case E1000_CTRL_DUP: return e->ctrl;
    case E1000_STATUS: return e1000_status(d);
    case E1000_EECD: return e1000_eecd_read(d);
    case E1000_EERD: return e->eerd;
    case E1000_MDIC: return e->mdic;
    case E1000_ICR: return e1000_icr_read(d);
    case E1000_IMS: return e->ims;
    default: return 0;
    }
}

static void write_other(struct pci_device *d, u64 offset, u64 value)
{
    struct e1000 *e = e1000_of(d);
    switch (offset) {
    case E1000_CTRL:
    case E1000_CTRL_DUP: write_ctrl(d, value); break;
    case E1000_EECD: e1000_eecd_write(d, value); break;
    case E1000_EERD: e1000_eerd_write(d, value); break;
    case E1000_MDIC: e1000_mdic_write(d, value); break;
    case E1000_ICR: e->icr &= ~value; break;
    case E1000_ICS: e->icr |= value & E1000_ICR_ALL; break;
    case E1000_IMS: e->ims |= value & E1000_ICR_ALL; break;
    case E1000_IMC: e->ims &= ~value; break;
    default: break;
    }
}

static void write_register(struct pci_device *d, u64 offset, u64 value)
{
    struct e1000 *e = e1000_of(d);
    const struct plain *p = find_plain(offset);
    u32 bits;
    u64 *entry = find_entry(e, offset, &bits);
    if (p) {
        *field_of(e, p) = value & p->bits;
        wrote(d, offset, value);
    } else if (entry) {
        *entry = value & bits;
    } else {
        write_other(d, offset, value);
    }
    e1000_interrupt(d);
}

/* ---- accesses ---- */

/* Registers have 4 bytes: a narrower read has its part of them, a narrower write is swallowed, one of 8 bytes
 * is two. */
static u64 read_wide(struct pci_device *d, u64 offset, unsigned n)
{
    unsigned shift = 8 * (offset & 3);
    u64 value = read_register(d, offset & ~UINT64_C(3)) >> shift;
    if (n == 8)
        value |= read_register(d, (offset & ~UINT64_C(3)) + 4) << 32;
    return value;
}

static void write_wide(struct pci_device *d, u64 offset, unsigned n, u64 value)
{
    if (n < 4 || offset % 4)
        return;
    write_register(d, offset, value & 0xffffffff);
    if (n == 8)
        write_register(d, offset + 4, value >> 32);
}

static u64 e1000_read(struct pci_device *d, unsigned bar, u64 offset, unsigned n)
{
    struct e1000 *e = e1000_of(d);
    if (bar == 0)
        return read_wide(d, offset, n);
    if (offset == E1000_IOADDR)
        return e->io_address;
    return offset == E1000_IODATA && e->io_address < E1000_BAR_BYTES
               ? read_register(d, e->io_address & ~UINT64_C(3))
               : 0;
}

static void e1000_write(struct pci_device *d, unsigned bar, u64 offset, unsigned n, u64 value)
{
    struct e1000 *e = e1000_of(d);
    if (bar == 0)
        write_wide(d, offset, n, value);
    else if (offset == E1000_IOADDR && n == 4)
        e->io_address = value & 0xffffffff;
    else if (offset == E1000_IODATA && n == 4 && e->io_address < E1000_BAR_BYTES)
        write_wide(d, e->io_address, n, value);
}

/* ---- what is done when ---- */

void e1000_schedule(struct pci_device *d)
{
    u64 now = device_now(d->m), next = e1000_timers_due(d);
    if (e1000_can_receive(d))
        next = min(next, now);
    if (e1000_can_transmit(d))
        next = min(next, max(now, e1000_transmit_due(d)));
    if (next == UINT64_MAX)
        pci_cancel(d);
    else
        pci_schedule(d, next);
}

/* Reception and transmission take turns. */
static void step(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    bool receive = e1000_can_receive(d);
    bool transmit = e1000_can_transmit(d) && e1000_transmit_due(d) <= device_now(d->m);
    if (receive && (e->rx_has_turn || !transmit)) {
        e->rx_has_turn = 0;
        e1000_receive_step(d);
    } else if (transmit) {
        e->rx_has_turn = 1;
        e1000_transmit_step(d);
    }
}

static void run(struct pci_device *d)
{
    if (e1000_timers_due(d) <= device_now(d->m))
        e1000_timers_run(d);
    else
        step(d);
    e1000_schedule(d);
}

static void configured(struct pci_device *d, unsigned at)
{
    (void)at;
    e1000_schedule(d);
}

static void build(struct pci_device *d)
{
    port_attach(d, &e1000_port);
}

const struct pci_model e1000_model = {
    .name = "e1000",
    .vendor = E1000_VENDOR,
    .device = E1000_DEVICE,
    .subvendor = 0x8086,
    .subsystem = 0x1008,
    .class = 0x020000,
    .revision = 0x02,
    .bar = {{.bytes = E1000_BAR_BYTES}, {.bytes = E1000_PORT_BYTES, .flags = PCI_BAR_IO}},
    .intx = true,
    .msi = true,
    .msi_at = 0xf0,
    .build = build,
    .reset = reset,
    .read = e1000_read,
    .write = e1000_write,
    .run = run,
    .configured = configured,
};
