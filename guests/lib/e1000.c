/* e1000.c - see e1000.h. */
#include "lib/e1000.h"

#include <stddef.h>

#include "lib/bus.h"
#include "lib/pci.h"

uint16_t nic_eeprom(const struct nic *n, uint32_t at)
{
    uint32_t value;

    nic_write(n, E1000_EERD, E1000_EERD_START | at << E1000_EERD_ADDRESS);
    do
        value = nic_read(n, E1000_EERD);
    while (!(value & E1000_EERD_DONE));
    return (uint16_t)(value >> E1000_EERD_DATA);
}

uint16_t nic_phy(const struct nic *n, uint32_t at)
{
    uint32_t value;

    nic_write(n, E1000_MDIC,
              E1000_MDIC_READ | E1000_PHY_ADDRESS << E1000_MDIC_PHY | at << E1000_MDIC_REGISTER);
    do
        value = nic_read(n, E1000_MDIC);
    while (!(value & E1000_MDIC_READY));
    return (uint16_t)value;
}

static bool read_address(struct nic *n)
{
    uint16_t sum = 0;

    for (uint32_t i = 0; i < E1000_EEPROM_WORDS; i++)
        sum = (uint16_t)(sum + nic_eeprom(n, i));
    for (uint32_t i = 0; i < 3; i++) {
        uint16_t word = nic_eeprom(n, i);
        n->mac[2 * i] = (uint8_t)word;
        n->mac[2 * i + 1] = (uint8_t)(word >> 8);
    }
    return sum == E1000_EEPROM_SUM;
}

static void receiver_on(struct nic *n)
{
    for (uint32_t i = 0; i < NIC_RING; i++)
        n->rx[i] = (struct nic_descriptor){bus_address(n->buffer[i]), 0};
    nic_write(n, E1000_RDBAL, (uint32_t)bus_address(n->rx));
    nic_write(n, E1000_RDBAH, (uint32_t)(bus_address(n->rx) >> 32));
    nic_write(n, E1000_RDLEN, sizeof n->rx);
    nic_write(n, E1000_RDH, 0);
    nic_write(n, E1000_RDT, NIC_RING - 1);
    nic_write(n, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_BAM | E1000_RCTL_SECRC);
}

static void transmitter_on(struct nic *n)
{
    nic_write(n, E1000_TDBAL, (uint32_t)bus_address(n->tx));
    nic_write(n, E1000_TDBAH, (uint32_t)(bus_address(n->tx) >> 32));
    nic_write(n, E1000_TDLEN, sizeof n->tx);
    nic_write(n, E1000_TDH, 0);
    nic_write(n, E1000_TDT, 0);
    nic_write(n, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

bool nic_open(struct nic *n, uint32_t slot)
{
    n->slot = slot;
    pci_enable(slot);
    n->bar = bus_seen(pci_bar(slot, 0));
    nic_write(n, E1000_CTRL, E1000_CTRL_RST);
    nic_write(n, E1000_IMC, 0xffffffff);
    nic_read(n, E1000_ICR);
    nic_write(n, E1000_CTRL, nic_read(n, E1000_CTRL) | E1000_CTRL_SLU);
    for (uint32_t i = 0; i < E1000_TABLE; i++)
        nic_write(n, E1000_MTA + 4 * i, 0);
    bool good = read_address(n);
    receiver_on(n);
    transmitter_on(n);
    return good;
}

/* ---- frames ---- */

static void put(struct nic *n, uint64_t address, uint64_t word)
{
    n->tx[n->tx_next] = (struct nic_descriptor){address, word};
    n->tx_next = (n->tx_next + 1) % NIC_RING;
}

void nic_ring(struct nic *n)
{
    __atomic_signal_fence(__ATOMIC_RELEASE);
    nic_write(n, E1000_TDT, n->tx_next);
}

/* Behind 14 bytes of Ethernet: IP's sum at 24, UDP's at 40. */
void nic_offload_udp(struct nic *n)
{
    uint64_t ip = 14u << E1000_TX_IPCSS | 24u << E1000_TX_IPCSO | 33u << E1000_TX_IPCSE;
    uint64_t udp = (uint64_t)34 << E1000_TX_TUCSS | (uint64_t)40 << E1000_TX_TUCSO;

    put(n, ip | udp, (uint64_t)(E1000_TX_DEXT | E1000_TX_IP) << E1000_TX_TUCMD);
    nic_ring(n);
}

void nic_offer(struct nic *n, const void *frame, uint32_t bytes, uint32_t options)
{
    uint64_t command = E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS, word = bytes;

    if (options)
        word |= (uint64_t)options << E1000_TX_OPTIONS | E1000_TX_DATA << E1000_TX_TYPE;
    command |= options ? E1000_TX_DEXT : 0;
    put(n, bus_address(frame), word | command << E1000_TX_COMMAND);
}

void nic_send(struct nic *n, const void *frame, uint32_t bytes, uint32_t options)
{
    nic_offer(n, frame, bytes, options);
    nic_ring(n);
}

/* Of the two ends of the ring, TDH would cost an access to the NIC. */
static bool is_done(const struct nic *n, uint32_t at)
{
    uint64_t word = *(const volatile uint64_t *)&n->tx[at].word;

    return word == 0 || word >> E1000_TX_STATUS & E1000_TX_DD;
}

/* A ring whose tail is its head is an empty one, so one more must be done. */
bool nic_room(const struct nic *n)
{
    return is_done(n, n->tx_next) && is_done(n, (n->tx_next + 1) % NIC_RING);
}

void nic_empty(struct nic *n)
{
    nic_write(n, E1000_TCTL, 0);
    for (uint32_t i = 0; i < NIC_RING; i++)
        n->tx[i] = (struct nic_descriptor){0, 0};
    n->tx_next = 0;
    transmitter_on(n);
}

bool nic_sent(const struct nic *n)
{
    return nic_read(n, E1000_TDH) == n->tx_next;
}

const uint8_t *nic_received(const struct nic *n, uint32_t *bytes)
{
    uint64_t word = *(const volatile uint64_t *)&n->rx[n->rx_next].word;

    if (!(word >> E1000_RX_STATUS & E1000_RX_DD))
        return NULL;
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    *bytes = (uint32_t)(word & 0xffff);
    return n->buffer[n->rx_next];
}

void nic_take(struct nic *n)
{
    n->rx[n->rx_next].word = 0;
    n->rx_next = (n->rx_next + 1) % NIC_RING;
}

void nic_give(struct nic *n)
{
    __atomic_signal_fence(__ATOMIC_RELEASE);
    nic_write(n, E1000_RDT, (n->rx_next + NIC_RING - 1) % NIC_RING);
}

void nic_next(struct nic *n)
{
    nic_take(n);
    nic_give(n);
}
