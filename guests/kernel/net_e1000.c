/* net_e1000.c - an 82540EM as an interface (guests/lib/e1000.h). */
#include <stddef.h>

#include "kernel/device.h"
#include "kernel/memory.h"
#include "kernel/netdev.h"
#include "lib/e1000.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/string.h"

/* Of a descriptor's errors, those that are the frame's and not of sums (3.2.3.3 "Receive Descriptor Errors").
 */
#define FRAME_ERRORS (0xffu & ~(E1000_RX_TCPE | E1000_RX_IPE))
#define CAUSES       (E1000_ICR_RXT0 | E1000_ICR_RXO | E1000_ICR_RXDMT0 | E1000_ICR_LSC)

struct e1000 {
    struct netdev dev; /* first: the same address */
    struct nic nic;
    bool wants_room;
    uint8_t out[NIC_RING][NETDEV_BUFFER];
};

static struct e1000 *of(struct netdev *dev)
{
    return (struct e1000 *)dev;
}

static bool has_link(const struct netdev *dev)
{
    return nic_read(&((const struct e1000 *)dev)->nic, E1000_STATUS) & E1000_STATUS_LU;
}

static uint8_t *room(struct netdev *dev)
{
    struct nic *nic = &of(dev)->nic;

    return nic_room(nic) ? of(dev)->out[nic->tx_next] : NULL;
}

static void send(struct netdev *dev, uint32_t bytes)
{
    struct nic *nic = &of(dev)->nic;

    nic_send(nic, of(dev)->out[nic->tx_next], bytes, 0);
}

/* If the ring has become empty before, the cause is there already, and this makes it interrupt. */
static void want_room(struct netdev *dev)
{
    of(dev)->wants_room = true;
    if (!dev->polled)
        nic_write(&of(dev)->nic, E1000_IMS, E1000_ICR_TXQE);
}

static const uint8_t *receive(struct netdev *dev, uint32_t *bytes)
{
    const struct nic *nic = &of(dev)->nic;
    const uint8_t *frame = nic_received(nic, bytes);
    uint64_t word = nic->rx[nic->rx_next].word;

    if (frame && (!(word >> E1000_RX_STATUS & E1000_RX_EOP) || word >> E1000_RX_ERRORS & FRAME_ERRORS ||
                  *bytes > FRAME_MOST))
        *bytes = 0;
    return frame;
}

static void take(struct netdev *dev)
{
    nic_take(&of(dev)->nic);
    dev->taken = true;
}

static void give(struct netdev *dev)
{
    if (dev->taken)
        nic_give(&of(dev)->nic);
    dev->taken = false;
}

static bool acknowledge(struct netdev *dev)
{
    struct e1000 *e = of(dev);
    uint32_t causes = nic_read(&e->nic, E1000_ICR);

    if (e->wants_room)
        nic_write(&e->nic, E1000_IMC, E1000_ICR_TXQE);
    e->wants_room = false;
    return causes & E1000_ICR_LSC;
}

static const struct netdev_driver driver = NETDEV_DRIVER("e1000");

bool net_e1000_find(unsigned n)
{
    uint32_t slot = pci_find(E1000_VENDOR, E1000_DEVICE, n);
    uint64_t pa = slot == PCI_NOWHERE ? 0 : page_run(sizeof(struct e1000));
    struct e1000 *e = direct(pa);

    if (!pa)
        return false;
    device_map(slot);
    if (!nic_open(&e->nic, slot)) {
        print("kernel: the E1000 in slot %u is left alone: its EEPROM's sum is wrong\n", slot);
        return true;
    }
    memcpy(e->dev.mac, e->nic.mac, MAC_BYTES);
    if (!netdev_add(&e->dev, &driver, slot))
        return false;
    if (!e->dev.polled)
        nic_write(&e->nic, E1000_IMS, CAUSES);
    return true;
}
