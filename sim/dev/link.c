/* link.c - see link.h. */
#include "dev/link.h"

#include <string.h>

#include "mmu/bytes.h"

#define BANDWIDTH_DEFAULT UINT64_C(1000000000)
#define BANDWIDTH_LEAST   UINT64_C(10000)
#define BANDWIDTH_MOST    UINT64_C(1000000000000)
#define LATENCY_MOST      UINT64_C(10000000000000) /* 10 s */
#define MILLION           UINT64_C(1000000)

/* On the wire (IEEE 802.3, 3.1.1 "Packet format" and 4.4.2 "MAC parameters"). */
#define FCS_BYTES     4
#define WIRE_LEAST    64
#define BETWEEN_BYTES 20 /* preamble, start delimiter, gap */

#define OUTSIDE 0xff /* in place of the second port of an input */

_Static_assert(sizeof((struct board_state *)0)->port == PORTS * sizeof(struct port), "a struct for each");

/* ---- owners ---- */

bool port_attach(struct pci_device *d, const struct port_model *model)
{
    struct machine *m = d->m;
    if (m->ports == PORTS)
        return false;
    struct port_owner *owner = &m->port[m->ports];
    *owner = (struct port_owner){d, model, {0x52, 0x54, 0x00, 0x12, 0x34, (u8)(0x56 + m->ports)}};
    m->ports++;
    return true;
}

static unsigned number_of(const struct pci_device *d)
{
    unsigned port = 0;
    while (port + 1 < d->m->ports && d->m->port[port].device != d)
        port++;
    return port;
}

static struct port *state_of(const struct pci_device *d)
{
    return &d->m->b.port[number_of(d)];
}

const u8 *port_mac(const struct pci_device *d)
{
    return d->m->port[number_of(d)].mac;
}

bool ports_hear(const struct machine *m)
{
    bool any = false;
    for (u32 i = 0; i < m->ports; i++)
        any = any || (!m->b.port[i].peer && !m->b.port[i].cut && pci_is_heard(m->port[i].device));
    return any;
}

bool port_link_up(const struct pci_device *d)
{
    return !state_of(d)->cut;
}

static u64 bandwidth_of(const struct port *p)
{
    return p->bandwidth ? p->bandwidth : BANDWIDTH_DEFAULT;
}

u64 port_bandwidth(const struct pci_device *d)
{
    return bandwidth_of(state_of(d));
}

u64 port_free(const struct pci_device *d)
{
    return state_of(d)->sends;
}

/* ---- time (N2) ---- */

static u64 divide_up(u64 a, u64 b)
{
    return a / b + (a % b != 0);
}

static u64 wire_cycles(const struct machine *m, const struct port *p, unsigned n)
{
    u64 bytes = max(n + FCS_BYTES, WIRE_LEAST) + BETWEEN_BYTES;
    return divide_up(bytes * 8 * m->p.hz, bandwidth_of(p));
}

/* At least one: nothing arrives in the cycle in which it was sent. */
static u64 latency_cycles(const struct machine *m, const struct port *p)
{
    u64 whole = p->latency / MILLION * m->p.hz, rest = p->latency % MILLION * m->p.hz;
    return max(whole / MILLION + divide_up(whole % MILLION * MILLION + rest, MILLION * MILLION), 1);
}

/* ---- frames on their way ---- */

static void schedule(struct machine *m)
{
    u64 first = UINT64_MAX;
    for (unsigned i = 0; i < FLIGHT; i++)
        if (m->b.flight.due[i])
            first = min(first, m->b.flight.due[i]);
    if (first == UINT64_MAX)
        device_cancel(m, DEVICE_LINK);
    else
        device_schedule(m, DEVICE_LINK, first);
}

static void put_frame(struct link_flight *f, unsigned slot, const u8 *frame, unsigned n)
{
    u64 *word = &f->frame[slot * FRAME_WORDS];
    for (unsigned i = 0; i < n; i += 8)
        word[i / 8] = load_le(frame + i, (unsigned)min(8, n - i));
}

/* False: there is no room. */
static bool launch(struct machine *m, u64 due, unsigned port, const u8 *frame, unsigned n)
{
    struct link_flight *f = &m->b.flight;
    unsigned slot = 0;
    while (slot < FLIGHT && f->due[slot])
        slot++;
    if (slot == FLIGHT)
        return false;
    f->due[slot] = due;
    f->order[slot] = f->next++;
    f->what[slot] = (u64)n << 8 | port;
    put_frame(f, slot, frame, n);
    schedule(m);
    return true;
}

static bool comes_before(const struct link_flight *f, unsigned a, unsigned b)
{
    return f->due[a] < f->due[b] || (f->due[a] == f->due[b] && f->order[a] < f->order[b]);
}

/* FLIGHT: none. */
static unsigned first_of(const struct link_flight *f)
{
    unsigned first = FLIGHT;
    for (unsigned i = 0; i < FLIGHT; i++)
        if (f->due[i] && (first == FLIGHT || comes_before(f, i, first)))
            first = i;
    return first;
}

/* Takes it off the wire, whose place may hold anything afterwards: zeros. */
static void take_frame(struct link_flight *f, unsigned slot, u8 frame[FRAME_WORDS * 8])
{
    u64 *word = &f->frame[slot * FRAME_WORDS];
    for (unsigned i = 0; i < FRAME_WORDS; i++)
        store_le(frame + 8 * i, 8, word[i]);
    memset(word, 0, FRAME_WORDS * sizeof *word);
    f->due[slot] = f->order[slot] = f->what[slot] = 0;
}

/* ---- telling ---- */

static void tell(struct machine *m, enum frame_event event, unsigned port, const u8 *frame, unsigned n,
                 enum frame_end end)
{
    m->devices.frame = frame;
    PROBE_DEVICE(m, RS_PROBE_frame, event, port, n, end);
    m->devices.frame = NULL;
    device_micro(m, MICRO_DEVICE);
}

/* ---- sending (N2, N3) ---- */

/* The generator splitmix64. */
static u64 draw(u64 *state)
{
    u64 z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static bool is_lost(struct port *p)
{
    return p->loss && draw(&p->chance) % MILLION < p->loss;
}

static enum frame_end onto_link(struct machine *m, struct port *p, const u8 *frame, unsigned n)
{
    if (p->cut)
        return FRAME_CUT;
    if (is_lost(p))
        return FRAME_LOST;
    if (!p->peer || p->peer > m->ports)
        return FRAME_OK;
    u64 due = p->sends + latency_cycles(m, p);
    return launch(m, due, (unsigned)p->peer - 1, frame, n) ? FRAME_OK : FRAME_WIRE_FULL;
}

u64 port_send(struct pci_device *d, const u8 *frame, unsigned n)
{
    struct machine *m = d->m;
    unsigned port = number_of(d);
    struct port *p = &m->b.port[port];
    if (n < FRAME_LEAST || n > FRAME_MOST) {
        tell(m, FRAME_DROPPED, port, frame, n, FRAME_LENGTH);
        return device_now(m);
    }
    p->sends = max(p->sends, device_now(m)) + wire_cycles(m, p, n);
    enum frame_end end = onto_link(m, p, frame, n);
    tell(m, FRAME_SENT, port, frame, n, FRAME_OK);
    if (end != FRAME_OK)
        tell(m, FRAME_DROPPED, port, frame, n, end);
    return p->sends;
}

/* ---- arriving ---- */

static enum frame_end receive(struct machine *m, unsigned port, const u8 *frame, unsigned n)
{
    struct port_owner *owner = &m->port[port];
    if (n < FRAME_LEAST || n > FRAME_MOST) /* nobody but a forged state sends that */
        return FRAME_LENGTH;
    return m->b.port[port].cut ? FRAME_CUT : owner->model->receive(owner->device, frame, n);
}

void link_run(struct machine *m)
{
    u8 frame[FRAME_WORDS * 8];
    unsigned slot = first_of(&m->b.flight);
    if (slot == FLIGHT)
        return;
    unsigned port = m->b.flight.what[slot] & 0xff;
    unsigned n = (unsigned)min(m->b.flight.what[slot] >> 8, FRAME_MOST + 1);
    take_frame(&m->b.flight, slot, frame);
    schedule(m);
    if (port >= m->ports)
        return;
    enum frame_end end = receive(m, port, frame, n);
    tell(m, end == FRAME_OK ? FRAME_RECEIVED : FRAME_DROPPED, port, frame, n, end);
}

/* ---- inputs ---- */

bool link_room(const struct machine *m)
{
    for (unsigned i = 0; i < FLIGHT; i++)
        if (!m->b.flight.due[i])
            return true;
    return false;
}

bool link_input_possible(const struct machine *m, u64 port, u64 n)
{
    return port < m->ports && n >= FRAME_LEAST && n <= FRAME_MOST;
}

bool link_input(struct machine *m, u64 port, const u8 *frame, u64 n)
{
    struct port *p = &m->b.port[port];
    u64 due = max(p->receives, device_now(m)) + wire_cycles(m, p, (unsigned)n);
    if (!launch(m, due, (unsigned)port, frame, (unsigned)n))
        return false;
    p->receives = due;
    return true;
}

/* What an input holds. */
struct change {
    unsigned a, b; /* b: OUTSIDE */
    struct rs_link link;
};

#define CHANGE_BYTES (5 * 8)

static struct change change_of(u64 ports, const u8 *bytes)
{
    struct change c = {(unsigned)(ports & 0xff), (unsigned)(ports >> 8 & 0xff), {0}};
    u64 *const field[] = {&c.link.bandwidth, &c.link.latency, &c.link.loss, &c.link.seed, &c.link.cut};
    for (unsigned i = 0; i < CHANGE_BYTES / 8; i++)
        *field[i] = load_le(bytes + 8 * i, 8);
    return c;
}

static bool settings_possible(const struct rs_link *l)
{
    return l->bandwidth >= BANDWIDTH_LEAST && l->bandwidth <= BANDWIDTH_MOST && l->latency <= LATENCY_MOST &&
           l->loss <= MILLION && l->cut <= 1;
}

bool link_change_possible(const struct machine *m, u64 ports, const u8 *bytes, u64 n)
{
    if (n != CHANGE_BYTES || ports >> 16)
        return false;
    struct change c = change_of(ports, bytes);
    return c.a < m->ports && (c.b < m->ports || c.b == OUTSIDE) && c.a != c.b && settings_possible(&c.link);
}

/* What was at the other end has nothing there any more but the outside. */
static void unplug(struct machine *m, unsigned port)
{
    u64 peer = m->b.port[port].peer;
    if (peer && peer <= m->ports)
        m->b.port[peer - 1].peer = 0;
    m->b.port[port].peer = 0;
}

static void plug(struct machine *m, unsigned port, unsigned peer, const struct rs_link *l)
{
    struct port *p = &m->b.port[port];
    struct port_owner *owner = &m->port[port];
    bool changed = p->cut != l->cut;
    p->peer = peer == OUTSIDE ? 0 : peer + 1;
    p->bandwidth = l->bandwidth;
    p->latency = l->latency;
    p->loss = l->loss;
    p->chance = l->seed + port;
    p->cut = l->cut;
    if (changed && owner->model->link_changed)
        owner->model->link_changed(owner->device, !l->cut);
}

bool link_change(struct machine *m, u64 ports, const u8 *bytes)
{
    struct change c = change_of(ports, bytes);
    unplug(m, c.a);
    if (c.b != OUTSIDE)
        unplug(m, c.b);
    plug(m, c.a, c.b, &c.link);
    if (c.b != OUTSIDE)
        plug(m, c.b, c.a, &c.link);
    return true;
}

void link_power_cycle(struct machine *m, const struct port wiring[PORTS])
{
    for (unsigned i = 0; i < PORTS; i++) {
        m->b.port[i] = wiring[i];
        m->b.port[i].sends = m->b.port[i].receives = 0;
    }
}
