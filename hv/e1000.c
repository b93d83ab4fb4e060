#include "e1000.h"

#include <stddef.h>

#include "guests/lib/string.h"
#include "net.h"
#include "vm.h"

/* ---- registers that hold what is written to them ---- */

#define ALL 0xffffffffu

/* Those first that a driver uses for each frame. */
static const struct plain {
    uint32_t offset, bits, reset;
} plain[] = {
    {E1000_TDT, 0xffff, 0},
    {E1000_RDT, 0xffff, 0},
    {E1000_TDH, 0xffff, 0},
    {E1000_RDH, 0xffff, 0},
    {E1000_RCTL, 0x07dff7fe, 0},
    {E1000_TCTL, 0x07fffffa, 0},
    {E1000_TDBAL, 0xfffffff0, 0},
    {E1000_TDBAH, ALL, 0},
    {E1000_TDLEN, 0xfff80, 0},
    {E1000_RDBAL, 0xfffffff0, 0},
    {E1000_RDBAH, ALL, 0},
    {E1000_RDLEN, 0xfff80, 0},
    {E1000_FCAL, ALL, 0},
    {E1000_FCAH, 0xffff, 0},
    {E1000_FCT, 0xffff, 0},
    {E1000_FCTTV, 0xffff, 0},
    {E1000_FCRTL, 0x8000fff8, 0},
    {E1000_FCRTH, 0xfff8, 0},
    {E1000_CTRL_EXT, ALL, 0},
    {E1000_VET, 0xffff, 0x8100},
    {E1000_ITR, 0xffff, 0},
    {E1000_TIPG, 0x3fffffff, 0},
    {E1000_AIFS, 0xffff, 0},
    {E1000_LEDCTL, ALL, 0x07068302},
    {E1000_PBA, 0xffff, 0x00100030},
    {E1000_RDTR, 0xffff, 0},
    {E1000_RXDCTL, 0x013f3f3f, 0x00010000},
    {E1000_RADV, 0xffff, 0},
    {E1000_RSRPD, 0xfff, 0},
    {E1000_TIDV, 0xffff, 0},
    {E1000_TXDCTL, 0xff3f3f3f, 0},
    {E1000_TADV, 0xffff, 0},
    {E1000_TSPMT, ALL, 0x01000400},
    {E1000_RXCSUM, 0x3ff, 0},
    {E1000_WUC, 0xf, 0},
    {E1000_WUFC, 0xf00ff, 0},
    {E1000_MANC, ALL, 0},
};
#define PLAIN (sizeof plain / sizeof plain[0])

static bool in_table(uint32_t offset, uint32_t first, uint32_t bytes)
{
    return offset - first < bytes;
}

/* Bits of a register that a write may change; 0: it is none of those. */
static uint32_t plain_bits(uint32_t offset)
{
    for (unsigned i = 0; i < PLAIN; i++)
        if (plain[i].offset == offset)
            return plain[i].bits;
    if (in_table(offset, E1000_MTA, 4 * E1000_TABLE) || in_table(offset, E1000_VFTA, 4 * E1000_TABLE))
        return ALL;
    if (in_table(offset, E1000_RAL(0), 8 * E1000_ADDRESSES))
        return offset & 4 ? E1000_RAH_AV | 0x3ffff : ALL;
    return 0;
}

/* ---- interrupts ---- */

/* A message is sent when there is a cause that the mask lets through and there was none: the driver's read of
 * ICR clears all. */
static void follow(struct e1000 *e, bool before)
{
    if (!before && e->causes & *e1000_reg(e, E1000_IMS))
        vpci_interrupt(e->function);
}

static bool asserted(struct e1000 *e)
{
    return e->causes & *e1000_reg(e, E1000_IMS);
}

void e1000_cause(struct e1000 *e, uint32_t bits)
{
    bool before = asserted(e);

    e->causes |= bits & E1000_ICR_ALL;
    follow(e, before);
}

static void write_mask(struct e1000 *e, uint32_t mask)
{
    bool before = asserted(e);

    *e1000_reg(e, E1000_IMS) = mask & E1000_ICR_ALL;
    follow(e, before);
}

static uint32_t read_causes(struct e1000 *e)
{
    uint32_t causes = e->causes;

    e->causes = 0;
    return causes;
}

/* ---- statistics ---- */

void e1000_count(struct e1000 *e, uint32_t offset, uint32_t n)
{
    uint32_t *stat = e1000_reg(e, offset);

    *stat = *stat + n < n ? ALL : *stat + n; /* it stays at its end */
}

void e1000_count_octets(struct e1000 *e, uint32_t low, uint32_t n)
{
    uint32_t *stat = e1000_reg(e, low);
    uint64_t sum = (stat[0] | (uint64_t)stat[1] << 32) + n;

    stat[0] = (uint32_t)sum;
    stat[1] = (uint32_t)(sum >> 32);
}

static bool is_octets(uint32_t offset)
{
    return offset == E1000_GORCL || offset == E1000_GOTCL || offset == E1000_TORL || offset == E1000_TOTL;
}

/* A read clears; that of a lower half leaves it to the upper one, which clears both. */
static uint32_t read_statistic(struct e1000 *e, uint32_t offset)
{
    uint32_t *stat = e1000_reg(e, offset), value = *stat;

    if (is_octets(offset))
        return value;
    if (is_octets(offset - 4))
        stat[-1] = 0;
    *stat = 0;
    return value;
}

/* ---- rings ---- */

uint32_t e1000_ring_size(struct e1000 *e, uint32_t ring)
{
    return *e1000_reg(e, ring + E1000_RDLEN - E1000_RDBAL) / E1000_DESCRIPTOR;
}

uint64_t e1000_descriptor(struct e1000 *e, uint32_t ring, uint32_t k)
{
    uint64_t base = *e1000_reg(e, ring) | (uint64_t)*e1000_reg(e, ring + 4) << 32;

    return base + (uint64_t)k * E1000_DESCRIPTOR;
}

/* ---- EEPROM and PHY ---- */

#define EEPROM_SUBSYSTEM 0x0b
#define EEPROM_SUBVENDOR 0x0c
#define EEPROM_DEVICE    0x0d
#define EEPROM_VENDOR    0x0e
#define SUBSYSTEM        0x1008

static uint16_t eeprom_word(const struct e1000 *e, uint32_t at)
{
    switch (at) {
    case 0:
    case 1:
    case 2: return (uint16_t)(e->port->mac[2 * at] | e->port->mac[2 * at + 1] << 8);
    case EEPROM_SUBSYSTEM: return SUBSYSTEM;
    case EEPROM_SUBVENDOR:
    case EEPROM_VENDOR: return E1000_VENDOR;
    case EEPROM_DEVICE: return E1000_DEVICE;
    default: return 0;
    }
}

/* The last word makes the sum of all right. */
static uint16_t eeprom(const struct e1000 *e, uint32_t at)
{
    uint32_t sum = 0;

    if (at != E1000_EEPROM_CHECKSUM)
        return eeprom_word(e, at);
    for (uint32_t i = 0; i < E1000_EEPROM_CHECKSUM; i++)
        sum += eeprom_word(e, i);
    return (uint16_t)(E1000_EEPROM_SUM - sum);
}

static void write_eerd(struct e1000 *e, uint32_t value)
{
    uint32_t at = value >> E1000_EERD_ADDRESS & (E1000_EEPROM_WORDS - 1);

    *e1000_reg(e, E1000_EERD) =
        (value & 0xff00) | E1000_EERD_DONE | (uint32_t)eeprom(e, at) << E1000_EERD_DATA;
}

static uint16_t phy(const struct e1000 *e, uint32_t at)
{
    bool link = e->reg[E1000_CTRL / 4] & E1000_CTRL_SLU;

    switch (at) {
    case E1000_PHY_CONTROL: return 0x1140; /* 1000 Mbit/s, negotiates */
    case E1000_PHY_STATUS: return 0x7949 | (link ? E1000_PHY_STATUS_LINK | E1000_PHY_STATUS_DONE : 0);
    case E1000_PHY_ID: return E1000_PHY_ID_VALUE >> 16;
    case E1000_PHY_ID + 1: return E1000_PHY_ID_VALUE & 0xffff;
    case E1000_PHY_ADVERTISE: return 0x0de1;
    case E1000_PHY_PARTNER: return link ? 0xcde1 : 0;
    case E1000_PHY_1000T_CONTROL: return 0x0300;
    case E1000_PHY_1000T_STATUS: return link ? 0x3c00 : 0;
    case E1000_PHY_EXTENDED: return 0x3000;
    case E1000_PHY_SPECIFIC_STATUS:
        return 2 << E1000_PHY_SPECIFIC_SPEED | E1000_PHY_SPECIFIC_DUPLEX | E1000_PHY_SPECIFIC_RESULTS |
               (link ? E1000_PHY_SPECIFIC_LINK : 0);
    default: return 0;
    }
}

/* The PHY's registers take no value here. */
static void write_mdic(struct e1000 *e, uint32_t value)
{
    uint32_t at = value >> E1000_MDIC_REGISTER & 31, reply = value & ~(E1000_MDIC_ERROR | E1000_MDIC_READY);

    if ((value >> E1000_MDIC_PHY & 31) != E1000_PHY_ADDRESS)
        reply |= E1000_MDIC_ERROR;
    else if (value & E1000_MDIC_READ)
        reply = (reply & ~0xffffu) | phy(e, at);
    *e1000_reg(e, E1000_MDIC) = reply | E1000_MDIC_READY;
    if (value & E1000_MDIC_INTERRUPT)
        e1000_cause(e, E1000_ICR_MDAC);
}

/* ---- reset, and the rest of the registers ---- */

static void reset(struct e1000 *e)
{
    const uint8_t *mac = e->port->mac;

    memset(e->reg, 0, sizeof e->reg);
    for (unsigned i = 0; i < PLAIN; i++)
        *e1000_reg(e, plain[i].offset) = plain[i].reset;
    *e1000_reg(e, E1000_CTRL) = E1000_CTRL_FD | E1000_CTRL_SPEED_1000;
    *e1000_reg(e, E1000_EECD) = 0x10;
    *e1000_reg(e, E1000_RAL(0)) = mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24;
    *e1000_reg(e, E1000_RAH(0)) = mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_AV;
    e->causes = 0;
    e->length = 0;
    e->too_long = false;
}

/* VLAN tags are not taken off or put in here: VME stays 0. */
static void write_ctrl(struct e1000 *e, uint32_t value)
{
    uint32_t before = *e1000_reg(e, E1000_CTRL);

    if (value & E1000_CTRL_RST) {
        reset(e);
        return;
    }
    *e1000_reg(e, E1000_CTRL) = value & 0x18fc1be9;
    *e1000_reg(e, E1000_CTRL) |= value & E1000_CTRL_SLU;
    if ((before ^ value) & E1000_CTRL_SLU)
        e1000_cause(e, E1000_ICR_LSC);
}

static uint32_t status(struct e1000 *e)
{
    bool up = *e1000_reg(e, E1000_CTRL) & E1000_CTRL_SLU;

    return E1000_STATUS_FD | (up ? E1000_STATUS_LU : 0) | 2 << E1000_STATUS_SPEED_SHIFT |
           2 << E1000_STATUS_ASDV_SHIFT;
}

static uint32_t read_eecd(struct e1000 *e)
{
    uint32_t value = *e1000_reg(e, E1000_EECD);

    return value | E1000_EECD_PRES | (value & E1000_EECD_REQ ? E1000_EECD_GNT : 0);
}

static uint32_t read_register(struct e1000 *e, uint32_t offset)
{
    if (in_table(offset, E1000_STATS, 0x100))
        return read_statistic(e, offset);
    switch (offset) {
    case E1000_CTRL_DUP: return *e1000_reg(e, E1000_CTRL);
    case E1000_STATUS: return status(e);
    case E1000_EECD: return read_eecd(e);
    case E1000_ICR: return read_causes(e);
    case E1000_ICS:
    case E1000_IMC: return 0;
    default: return offset < E1000_REGISTER_BYTES ? *e1000_reg(e, offset) : 0;
    }
}

static void write_special(struct e1000 *e, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case E1000_CTRL:
    case E1000_CTRL_DUP: write_ctrl(e, value); break;
    case E1000_EECD: *e1000_reg(e, E1000_EECD) = value & (E1000_EECD_REQ | E1000_EECD_FWE); break;
    case E1000_EERD:
        if (value & E1000_EERD_START)
            write_eerd(e, value);
        break;
    case E1000_MDIC: write_mdic(e, value); break;
    case E1000_ICR: e->causes &= ~value; break;
    case E1000_ICS: e1000_cause(e, value); break;
    case E1000_IMS: write_mask(e, *e1000_reg(e, E1000_IMS) | value); break;
    case E1000_IMC: write_mask(e, *e1000_reg(e, E1000_IMS) & ~value); break;
    default: break;
    }
}

static void write_register(struct e1000 *e, uint32_t offset, uint32_t value)
{
    uint32_t bits = plain_bits(offset);

    if (!bits)
        write_special(e, offset, value);
    else
        *e1000_reg(e, offset) = value & bits;
    if (offset == E1000_TDT)
        e1000_transmit(e);
}

/* ---- accesses: registers have 4 bytes; 8 are two of them, of fewer there are reads alone ---- */

static uint64_t read(void *of, uint64_t offset, unsigned bytes)
{
    uint32_t at = (uint32_t)offset & ~3u;
    uint64_t value = read_register(of, at) >> 8 * (offset & 3);

    return bytes == 8 ? value | (uint64_t)read_register(of, at + 4) << 32 : value;
}

static void write(void *of, uint64_t offset, unsigned bytes, uint64_t value)
{
    if (bytes < 4 || offset % 4)
        return;
    write_register(of, (uint32_t)offset, (uint32_t)value);
    if (bytes == 8)
        write_register(of, (uint32_t)offset + 4, (uint32_t)(value >> 32));
}

static const struct vpci_model model = {
    .vendor = E1000_VENDOR,
    .device = E1000_DEVICE,
    .subvendor = E1000_VENDOR,
    .subsystem = SUBSYSTEM,
    .class = 0x020000,
    .revision = 2,
    .bar = {{.bytes = E1000_BAR_BYTES, .registers = {read, write}}},
};

bool e1000_plug(struct vm *vm)
{
    struct e1000 *e = &vm->nic;

    memset(e, 0, sizeof *e);
    e->vm = vm;
    e->port = net_port(vm, e1000_receive, e);
    e->function = vpci_plug(vm, &model, e);
    if (!e->port || !e->function)
        return false;
    reset(e);
    return true;
}

void e1000_turn(struct e1000 *e)
{
    if (*e1000_reg(e, E1000_TDH) != *e1000_reg(e, E1000_TDT))
        e1000_transmit(e);
}
