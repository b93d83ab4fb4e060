/* e1000_phy.c - EEPROM and PHY of the 82540EM (manual, 5 "EEPROM Interface", 13.5 "PHY Registers"); see
 * e1000.h.  The EEPROM can be read only.  Autonegotiation takes no time. */
#include "dev/e1000.h"

/* ---- EEPROM ---- */

/* Its words but the addresses: subsystem, device, vendor. */
static u16 plain_word(unsigned at)
{
    switch (at) {
    case 0x0a: return 0x4000; /* initialization control word 1: bits 15:14 sign it as valid */
    case 0x0b: return 0x1008;
    case 0x0c: return E1000_VENDOR;
    case 0x0d: return E1000_DEVICE;
    case 0x0e: return E1000_VENDOR;
    default: return 0;
    }
}

static u16 data_word(const struct pci_device *d, unsigned at)
{
    const u8 *mac = port_mac(d);
    return at < 3 ? (u16)(mac[2 * at] | mac[2 * at + 1] << 8) : plain_word(at);
}

static u16 eeprom_word(const struct pci_device *d, unsigned at)
{
    u32 sum = E1000_EEPROM_SUM;
    if (at != E1000_EEPROM_CHECKSUM)
        return data_word(d, at);
    for (unsigned i = 0; i < E1000_EEPROM_CHECKSUM; i++)
        sum -= data_word(d, i);
    return (u16)sum;
}

void e1000_eerd_write(struct pci_device *d, u64 value)
{
    struct e1000 *e = e1000_of(d);
    unsigned at = value >> E1000_EERD_ADDRESS & 0xff;
    e->eerd = value & 0xff00;
    if (value & E1000_EERD_START)
        e->eerd |= E1000_EERD_DONE | (u64)eeprom_word(d, at % E1000_EEPROM_WORDS) << E1000_EERD_DATA;
}

/* Microwire (5.3): a start bit, the opcode, 6 bits of address; then words, highest bit first. */
#define EE_COMMAND_BITS 9
#define EE_READ         6

static bool ee_reads(const struct e1000 *e)
{
    return e->ee_count >= EE_COMMAND_BITS && e->ee_bits >> 6 == EE_READ;
}

/* A rising edge of SK, with CS. */
static void ee_clock(struct e1000 *e, bool bit)
{
    if (e->ee_count == 0 && !bit)
        return; /* it waits for the start bit */
    if (e->ee_count < EE_COMMAND_BITS)
        e->ee_bits = (e->ee_bits << 1 | bit) & 0x1ff;
    e->ee_count++;
}

void e1000_eecd_write(struct pci_device *d, u64 value)
{
    struct e1000 *e = e1000_of(d);
    bool rises = value & E1000_EECD_SK && !(e->eecd & E1000_EECD_SK);
    e->eecd = value & (E1000_EECD_SK | E1000_EECD_CS | E1000_EECD_DI | E1000_EECD_FWE | E1000_EECD_REQ);
    if (!(value & E1000_EECD_CS))
        e->ee_bits = e->ee_count = 0;
    else if (rises)
        ee_clock(e, value & E1000_EECD_DI);
}

/* DO: a zero behind the address, then data; else it is pulled up. */
static bool ee_out(const struct pci_device *d)
{
    const struct e1000 *e = e1000_of(d);
    if (!ee_reads(e))
        return true;
    u64 n = e->ee_count - EE_COMMAND_BITS;
    if (n == 0)
        return false;
    unsigned at = (unsigned)((e->ee_bits & 63) + (n - 1) / 16) % E1000_EEPROM_WORDS;
    return eeprom_word(d, at) >> (15 - (n - 1) % 16) & 1;
}

u64 e1000_eecd_read(struct pci_device *d)
{
    u64 value = e1000_of(d)->eecd | E1000_EECD_PRES;
    return value | (value & E1000_EECD_REQ ? E1000_EECD_GNT : 0) | (ee_out(d) ? E1000_EECD_DO : 0);
}

/* ---- PHY ---- */

void e1000_phy_reset(struct pci_device *d)
{
    u64 *phy = e1000_of(d)->phy;
    for (unsigned i = 0; i < 32; i++)
        phy[i] = 0;
    phy[E1000_PHY_CONTROL] = 0x1140; /* autonegotiation, full duplex, 1000 */
    phy[E1000_PHY_STATUS] = 0x7949;
    phy[E1000_PHY_ID] = E1000_PHY_ID_VALUE >> 16;
    phy[E1000_PHY_ID + 1] = E1000_PHY_ID_VALUE & 0xffff;
    phy[E1000_PHY_ADVERTISE] = 0x0de1;
    phy[E1000_PHY_PARTNER] = 0x4de1;
    phy[E1000_PHY_EXPANSION] = 0x0001;
    phy[E1000_PHY_1000T_CONTROL] = 0x0e00;
    phy[E1000_PHY_1000T_STATUS] = 0x3c00; /* the partner can 1000 */
    phy[E1000_PHY_EXTENDED] = 0x3000;
    phy[E1000_PHY_SPECIFIC] = 0x0360;
}

static bool phy_has_link(const struct pci_device *d)
{
    return port_link_up(d) && !(e1000_of(d)->phy[E1000_PHY_CONTROL] & E1000_PHY_CONTROL_DOWN);
}

static u64 speed(const struct pci_device *d)
{
    u64 bandwidth = port_bandwidth(d);
    return bandwidth >= 1000000000 ? 2 : bandwidth >= 100000000;
}

static u64 phy_read(const struct pci_device *d, unsigned at)
{
    bool link = phy_has_link(d);
    u64 value = e1000_of(d)->phy[at];
    if (at == E1000_PHY_STATUS && link)
        value |= E1000_PHY_STATUS_LINK | E1000_PHY_STATUS_DONE;
    if (at == E1000_PHY_SPECIFIC_STATUS && link)
        value = E1000_PHY_SPECIFIC_LINK | E1000_PHY_SPECIFIC_RESULTS | E1000_PHY_SPECIFIC_DUPLEX |
                speed(d) << E1000_PHY_SPECIFIC_SPEED;
    return value;
}

static void phy_write(struct pci_device *d, unsigned at, u64 value)
{
    u64 *phy = e1000_of(d)->phy;
    bool writable = at == E1000_PHY_CONTROL || at == E1000_PHY_ADVERTISE || at == E1000_PHY_1000T_CONTROL ||
                    (at >= E1000_PHY_SPECIFIC && at != E1000_PHY_SPECIFIC_STATUS);
    if (at == E1000_PHY_CONTROL && value & E1000_PHY_CONTROL_RESET)
        e1000_phy_reset(d);
    else if (writable)
        phy[at] = at == E1000_PHY_CONTROL ? value & ~(u64)E1000_PHY_CONTROL_RESTART : value;
    e1000_check_link(d);
}

void e1000_mdic_write(struct pci_device *d, u64 value)
{
    struct e1000 *e = e1000_of(d);
    unsigned at = value >> E1000_MDIC_REGISTER & 31;
    u64 operation = value & (E1000_MDIC_READ | E1000_MDIC_WRITE);
    e->mdic = (value & ~(u64)E1000_MDIC_ERROR) | E1000_MDIC_READY;
    if ((value >> E1000_MDIC_PHY & 31) != E1000_PHY_ADDRESS)
        e->mdic |= E1000_MDIC_ERROR; /* nobody answers */
    else if (operation == E1000_MDIC_READ)
        e->mdic = (e->mdic & ~UINT64_C(0xffff)) | phy_read(d, at);
    else if (operation == E1000_MDIC_WRITE)
        phy_write(d, at, value & 0xffff);
    if (value & E1000_MDIC_INTERRUPT)
        e1000_cause(d, E1000_ICR_MDAC);
}

/* ---- the link ---- */

bool e1000_link_is_up(const struct pci_device *d)
{
    return e1000_of(d)->ctrl & E1000_CTRL_SLU && phy_has_link(d);
}

u64 e1000_status(struct pci_device *d)
{
    if (!e1000_link_is_up(d))
        return E1000_STATUS_FD;
    return E1000_STATUS_FD | E1000_STATUS_LU | speed(d) << E1000_STATUS_SPEED_SHIFT |
           speed(d) << E1000_STATUS_ASDV_SHIFT;
}

void e1000_check_link(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    bool up = e1000_link_is_up(d);
    if (up == e->link_up)
        return;
    e->link_up = up;
    e1000_cause(d, E1000_ICR_LSC);
}
