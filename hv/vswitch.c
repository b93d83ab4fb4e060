#include "vswitch.h"

#include <stddef.h>

#include "guests/lib/string.h"

#define TAG_BYTES  4
#define TAG_AT     (2 * MAC_BYTES)
#define TAG_TYPE_1 0x81 /* 8100H */
#define TAG_TYPE_2 0x00
#define VID_BITS   0x0fff
#define GROUP_BIT  1 /* of the first byte of an address: more than one station */

#define FRAME_PADDED 60 /* what a NIC pads to */
#define RARP_SENDER  22 /* hardware addresses, behind the header and 8 bytes */
#define RARP_TARGET  32

/* A frame on its way: bytes as they came, the VLAN that it is in, and the tag's other bits. */
struct frame {
    const uint8_t *bytes;
    unsigned length;
    bool tagged;
    uint16_t vlan, priority;
};

/* ---- in ---- */

static bool is_tagged(const uint8_t *bytes, unsigned length)
{
    return length >= FRAME_LEAST + TAG_BYTES && bytes[TAG_AT] == TAG_TYPE_1 &&
           bytes[TAG_AT + 1] == TAG_TYPE_2;
}

/* Behind an access port's frame's own tag there may be no other: taken for its VLAN's, the frame would leave
 * by a trunk as one of the VLAN of the tag inside. */
static bool hides_tag(const struct frame *f)
{
    const uint8_t *type = f->bytes + TAG_AT + (f->tagged ? TAG_BYTES : 0);
    bool service = type[0] == 0x88 && type[1] == 0xa8; /* 802.1ad */

    return service || (f->tagged && type[0] == TAG_TYPE_1 && type[1] == TAG_TYPE_2);
}

/* VLAN 0 means a priority alone.  False: the frame may not come in here, and is counted. */
static bool classify(struct vswitch_port *from, struct frame *f)
{
    uint16_t tag = 0;

    f->tagged = is_tagged(f->bytes, f->length);
    if (f->tagged)
        tag = (uint16_t)(f->bytes[TAG_AT + 2] << 8 | f->bytes[TAG_AT + 3]);
    f->priority = (uint16_t)(tag & ~VID_BITS);
    f->vlan = tag & VID_BITS ? tag & VID_BITS : from->vlan;
    if (f->length < FRAME_LEAST || f->length > FRAME_MOST - (f->tagged ? 0 : TAG_BYTES) ||
        f->vlan > VLAN_MOST)
        from->counts.malformed++;
    else if (!from->trunk && (tag & VID_BITS || hides_tag(f)))
        from->counts.vlan++;
    else
        return true;
    return false;
}

/* ---- out ---- */

static bool carries(const struct vswitch_port *p, uint16_t vlan)
{
    return p->trunk || p->vlan == vlan;
}

/* The frame with or without its tag, as the port has it. */
static unsigned dress(const struct vswitch_port *to, const struct frame *f, uint8_t *out)
{
    unsigned at = TAG_AT, skip = f->tagged ? TAG_BYTES : 0;
    uint16_t tag = f->priority | f->vlan;

    memcpy(out, f->bytes, TAG_AT);
    if (to->trunk && to->vlan != f->vlan) {
        out[at++] = TAG_TYPE_1;
        out[at++] = TAG_TYPE_2;
        out[at++] = (uint8_t)(tag >> 8);
        out[at++] = (uint8_t)tag;
    }
    memcpy(out + at, f->bytes + TAG_AT + skip, f->length - TAG_AT - skip);
    at += f->length - TAG_AT - skip;
    if (at < FRAME_PADDED && f->length >= FRAME_PADDED) {
        memset(out + at, 0, FRAME_PADDED - at);
        at = FRAME_PADDED;
    }
    return at;
}

static bool give(struct vswitch_port *to, const uint8_t *bytes, unsigned length)
{
    if (!to->link || !to->take(to->of, bytes, length)) {
        to->counts.no_room++;
        return false;
    }
    to->counts.out++;
    to->counts.out_bytes += length;
    return true;
}

static bool put(struct vswitch_port *to, const struct frame *f)
{
    bool tag = to->trunk && to->vlan != f->vlan;
    uint8_t other[FRAME_MOST];

    return tag == f->tagged ? give(to, f->bytes, f->length) : give(to, other, dress(to, f, other));
}

/* ---- between ---- */

static bool is_group(const uint8_t *mac)
{
    return mac[0] & GROUP_BIT;
}

/* The guest's port that was given the address; NULL: none. */
static struct vswitch_port *owner(struct vswitch *s, const uint8_t *mac)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (s->port[i].kind == VSWITCH_GUEST && memcmp(s->port[i].mac, mac, MAC_BYTES) == 0)
            return &s->port[i];
    return NULL;
}

/* What is for others leaves by the sender's uplink, unless it has come from one. */
static void put_outside(struct vswitch_port *from, const struct frame *f)
{
    if (from->kind == VSWITCH_UPLINK || !from->way_out)
        from->counts.nowhere++;
    else
        put(from->way_out, f);
}

static void flood(struct vswitch *s, struct vswitch_port *from, const struct frame *f)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        struct vswitch_port *to = &s->port[i];

        if (to->kind == VSWITCH_GUEST && to != from && carries(to, f->vlan))
            put(to, f);
    }
    if (from->kind == VSWITCH_GUEST && from->way_out)
        put(from->way_out, f);
}

static void forward(struct vswitch *s, struct vswitch_port *from, const struct frame *f)
{
    struct vswitch_port *to = owner(s, f->bytes);

    if (is_group(f->bytes))
        flood(s, from, f);
    else if (!to || !carries(to, f->vlan))
        put_outside(from, f);
    else if (to != from)
        put(to, f);
}

/* Two uplinks lead to the same network: what is for all comes by both, and what a VM has sent by one comes
 * back by the other. */
static bool is_echo(struct vswitch *s, struct vswitch_port *from, const uint8_t *bytes)
{
    if (from->kind != VSWITCH_UPLINK)
        return false;
    if (owner(s, bytes + MAC_BYTES))
        from->counts.returned++;
    else if (from != s->active && is_group(bytes))
        from->counts.standby++;
    else
        return false;
    return true;
}

void vswitch_send(struct vswitch *s, struct vswitch_port *from, const uint8_t *bytes, unsigned length)
{
    struct frame f = {.bytes = bytes, .length = length};

    if (!from->link)
        return;
    from->counts.in++;
    from->counts.in_bytes += length;
    if (!classify(from, &f) || is_echo(s, from, bytes))
        return;
    if (from->kind == VSWITCH_GUEST && memcmp(from->mac, bytes + MAC_BYTES, MAC_BYTES) != 0)
        from->counts.foreign++;
    forward(s, from, &f);
}

/* ---- uplinks ---- */

/* The active one stays as long as it has its link. */
static void choose_active(struct vswitch *s)
{
    if (s->active && s->active->kind == VSWITCH_UPLINK && s->active->link)
        return;
    s->active = NULL;
    for (unsigned i = 0; i < VSWITCH_PORTS && !s->active; i++)
        if (s->port[i].kind == VSWITCH_UPLINK && s->port[i].link)
            s->active = &s->port[i];
}

/* By its address: of the uplinks that have a link, the one whose turn it is. */
static struct vswitch_port *share_of(struct vswitch *s, const struct vswitch_port *p)
{
    struct vswitch_port *live[VSWITCH_UPLINKS];
    unsigned n = 0;

    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (s->port[i].kind == VSWITCH_UPLINK && s->port[i].link)
            live[n++] = &s->port[i];
    return n ? live[p->mac[MAC_BYTES - 1] % n] : NULL;
}

static struct vswitch_port *way_of(struct vswitch *s, const struct vswitch_port *p)
{
    return s->spread ? share_of(s, p) : s->active;
}

static void choose_uplinks(struct vswitch *s)
{
    choose_active(s);
    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        struct vswitch_port *p = &s->port[i], *before = p->way_out;

        if (p->kind != VSWITCH_GUEST)
            continue;
        p->way_out = way_of(s, p);
        if (p->way_out != before)
            vswitch_announce(p);
    }
}

static unsigned uplinks(const struct vswitch *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        n += s->port[i].kind == VSWITCH_UPLINK;
    return n;
}

/* "What is the protocol address of this station?": to all, both hardware addresses the VM's, no protocol
 * addresses, padded to Ethernet's least length. */
void vswitch_announce(struct vswitch_port *port)
{
    static const uint8_t request[] = {0x80, 0x35,        /* RARP */
                                      0,    1,    8, 0,  /* Ethernet, IPv4 */
                                      6,    4,    0, 3}; /* bytes of their addresses; request reverse */
    uint8_t bytes[FRAME_PADDED] = {255, 255, 255, 255, 255, 255};
    const struct frame f = {.bytes = bytes, .length = sizeof bytes, .vlan = port->vlan};

    if (!port->way_out)
        return;
    memcpy(bytes + MAC_BYTES, port->mac, MAC_BYTES);
    memcpy(bytes + TAG_AT, request, sizeof request);
    memcpy(bytes + RARP_SENDER, port->mac, MAC_BYTES);
    memcpy(bytes + RARP_TARGET, port->mac, MAC_BYTES);
    if (put(port->way_out, &f))
        port->way_out->counts.announced++;
}

void vswitch_link(struct vswitch *s, struct vswitch_port *port, bool link)
{
    port->link = link;
    choose_uplinks(s);
}

/* All uplinks have the same tags. */
void vswitch_divert(struct vswitch *s, struct vswitch_port *uplink, const uint8_t *frame, unsigned bytes)
{
    if (s->active && give(s->active, frame, bytes))
        uplink->counts.diverted++;
}

void vswitch_spread(struct vswitch *s, bool spread)
{
    s->spread = spread;
    choose_uplinks(s);
}

/* ---- ports ---- */

static struct vswitch_port *free_port(struct vswitch *s)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (s->port[i].kind == VSWITCH_FREE)
            return &s->port[i];
    return NULL;
}

struct vswitch_port *vswitch_add(struct vswitch *s, const char *name, const uint8_t *mac,
                                 bool (*take)(void *of, const uint8_t *frame, unsigned bytes), void *of)
{
    struct vswitch_port *p = free_port(s);

    if (!p || (!mac && uplinks(s) == VSWITCH_UPLINKS))
        return NULL;
    *p = (struct vswitch_port){.kind = mac ? VSWITCH_GUEST : VSWITCH_UPLINK,
                               .name = name,
                               .vlan = VLAN_DEFAULT,
                               .trunk = !mac,
                               .link = true,
                               .take = take,
                               .of = of};
    if (mac) {
        memcpy(p->mac, mac, MAC_BYTES);
        p->way_out = way_of(s, p);
    } else {
        choose_uplinks(s);
    }
    return p;
}

void vswitch_remove(struct vswitch *s, struct vswitch_port *port)
{
    port->kind = VSWITCH_FREE;
    choose_uplinks(s);
}
