/* An interrupt that one frame has raised is for all that have arrived since: a batch, as long as the ring at
 * most. What goes out needs none: a descriptor that the NIC has done is free, and is looked at when it is
 * needed. */
#include "uplink.h"

#include "guests/lib/e1000.h"
#include "guests/lib/string.h"
#include "irq.h"
#include "net.h"
#include "panic.h"
#include "physical.h"
#include "print.h"
#include "text.h"
#include "virtio_net.h"

#define SLOTS     32 /* of bus 0; the first has the host bridge */
#define VALUE_MAX 32
#define WHY_MAX   128
#define NAME_MAX  sizeof "uplink1"

/* An interrupt each 20 us at most, so that a flood of frames leaves VMs some time: each ends their turns. */
#define THROTTLE (20000 / E1000_ITR_NS)

struct uplink {
    struct nic nic; /* with its rings, which it reaches as they lie here: our memory is mapped one to one */
    uint8_t out[NIC_RING][FRAME_MOST + 2];
    uint32_t waiting; /* frames that the NIC has got, less those that it is known to have sent */
    struct vswitch_port *port;
    char name[NAME_MAX];
};

static struct uplink uplinks[VSWITCH_UPLINKS];
static unsigned count;

/* ---- frames ---- */

static bool take(void *of, const uint8_t *frame, unsigned bytes)
{
    struct uplink *u = of;
    uint8_t *copy = u->out[u->nic.tx_next];

    if (!nic_room(&u->nic))
        return false;
    memcpy(copy, frame, bytes);
    nic_send(&u->nic, copy, bytes, 0);
    u->waiting++;
    return true;
}

/* All that the ring may have held when the interrupt came.  What comes meanwhile raises one of its own. */
static void take_batch(struct uplink *u)
{
    const uint8_t *frame;
    uint32_t bytes;

    virtio_net_hold();
    for (unsigned i = 0; i < NIC_RING && (frame = nic_received(&u->nic, &bytes)); i++) {
        vswitch_send(net_switch(), u->port, frame, bytes);
        nic_take(&u->nic);
    }
    nic_give(&u->nic);
    virtio_net_release();
}

static bool has_link(const struct uplink *u)
{
    return nic_read(&u->nic, E1000_STATUS) & E1000_STATUS_LU;
}

/* A NIC without a link keeps what it has.  It may not send that when the link is back: it would come too
 * late, and teach the switches outside that the VMs are here.  The head of its ring may stand at one that is
 * on the wire, but its statistics tell how many have left. */
static void divert_unsent(struct uplink *u)
{
    uint32_t at;

    u->waiting -= nic_read(&u->nic, E1000_GPTC);
    if (u->waiting >= NIC_RING) /* after 2^32 frames: the statistics have stopped */
        u->waiting = 0;
    for (; u->waiting; u->waiting--) {
        at = (u->nic.tx_next + NIC_RING - u->waiting) % NIC_RING;
        vswitch_divert(net_switch(), u->port, u->out[at], u->nic.tx[at].word & 0xffff);
    }
    nic_empty(&u->nic);
}

static void set_link(struct uplink *u, bool link)
{
    if (link == u->port->link)
        return;
    vswitch_link(net_switch(), u->port, link);
    if (!link)
        divert_unsent(u);
    print("hv: %s has %s its link\n", u->name, link ? "found" : "lost");
}

/* To read the causes clears them.  What has come before the link was lost is taken while the port has it. */
static void on_interrupt(void *of)
{
    struct uplink *u = of;
    uint32_t causes = nic_read(&u->nic, E1000_ICR);

    if (causes & E1000_ICR_LSC && has_link(u))
        set_link(u, true);
    if (causes & E1000_ICR_RXO)
        u->port->counts.missed += nic_read(&u->nic, E1000_MPC);
    take_batch(u);
    if (causes & E1000_ICR_LSC && !has_link(u))
        set_link(u, false);
}

/* ---- start ---- */

/* What comes in is for any VM: the switch looks, not the NIC. */
static void open_nic(struct uplink *u, struct physical *p)
{
    uint8_t vector = irq_take(on_interrupt, u);

    if (!nic_open(&u->nic, p->slot))
        print("hv: %s: the sum of the EEPROM in slot %u is wrong; its address may be\n", u->name,
              (unsigned)p->slot);
    nic_write(&u->nic, E1000_RCTL, nic_read(&u->nic, E1000_RCTL) | E1000_RCTL_UPE | E1000_RCTL_MPE);
    nic_write(&u->nic, E1000_ITR, THROTTLE);
    if (!vector || !physical_interrupt(p, 0, vector, IRQ_APIC_ID))
        fatal("%s: no interrupt is left for the E1000 in slot %u", u->name, (unsigned)p->slot);
}

static void start(unsigned slot)
{
    struct uplink *u = &uplinks[count];
    struct physical *p;
    char why[WHY_MAX];

    format_text(u->name, sizeof u->name, "uplink%u", ++count);
    p = physical_take(PHYSICAL_NIC, slot, u->name, why, sizeof why);
    if (!p)
        fatal("uplinks=: %s", why);
    open_nic(u, p);
    u->port = vswitch_add(net_switch(), u->name, NULL, take, u);
    memcpy(u->port->mac, u->nic.mac, MAC_BYTES);
    vswitch_link(net_switch(), u->port, has_link(u));
    nic_write(&u->nic, E1000_IMS, E1000_ICR_RXT0 | E1000_ICR_RXO | E1000_ICR_LSC);
}

/* "2" or "2,3": how many there are; 0: it is something else. */
static unsigned parse_slots(char *text, unsigned slot[VSWITCH_UPLINKS])
{
    for (unsigned n = 0; n < VSWITCH_UPLINKS; n++) {
        char *comma = text;
        uint64_t number;

        while (*comma && *comma != ',')
            comma++;
        bool last = *comma == 0;
        *comma = 0;
        if (!text_number(text, &number) || number < 1 || number >= SLOTS)
            return 0;
        slot[n] = (unsigned)number;
        if (last)
            return n + 1;
        text = comma + 1;
    }
    return 0;
}

void uplinks_start(const struct boot_info *info)
{
    unsigned slot[VSWITCH_UPLINKS], n;
    char value[VALUE_MAX], copy[VALUE_MAX];

    if (boot_value(info, "bond=", value, sizeof value) && !net_bond(value))
        fatal("bond=%s: possible is failover or spread", value);
    if (!boot_value(info, "uplinks=", value, sizeof value))
        return;
    text_copy(copy, value, sizeof copy);
    n = parse_slots(copy, slot);
    if (!n)
        fatal("uplinks=%s: possible is a slot of the machine, 1 to 31, or two with a comma between them",
              value);
    for (unsigned i = 0; i < n; i++)
        start(slot[i]);
}
