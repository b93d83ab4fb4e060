/* e1000_transmit.c - frames from memory to the wire (manual, 3.3 "Packet Transmission"); see e1000.h.  A
 * descriptor, up to E1000_CHUNK bytes of data, a frame that is handed to the wire, and a write-back are an
 * atom each. */
#include <string.h>

#include "dev/dma.h"
#include "dev/e1000.h"
#include "dev/words.h"
#include "mmu/bytes.h"

enum e1000_tx { TX_FETCH, TX_DATA, TX_SEGMENT, TX_SEND, TX_WRITE_BACK };

#define FCS_BYTES 4

/* ---- the descriptor at hand ---- */

static u64 command(const struct e1000 *e)
{
    return e->tx_descriptor[1] >> E1000_TX_COMMAND & 0xff;
}

static bool is_extended(const struct e1000 *e)
{
    return command(e) & E1000_TX_DEXT;
}

static bool is_context(const struct e1000 *e)
{
    return is_extended(e) && !(e->tx_descriptor[1] >> E1000_TX_TYPE & 15);
}

static u64 data_bytes(const struct e1000 *e)
{
    return is_extended(e) ? e->tx_descriptor[1] & 0xfffff : e->tx_descriptor[1] & 0xffff;
}

static u64 context(const struct e1000 *e, unsigned shift, u64 mask)
{
    return e->tx_context[0] >> shift & mask;
}

static u64 context_command(const struct e1000 *e)
{
    return e->tx_context[1] >> E1000_TX_TUCMD & 0xff;
}

/* ---- of the frame's first descriptor ---- */

static void begin_frame(struct e1000 *e)
{
    u64 special = e->tx_descriptor[1] >> E1000_TX_SPECIAL, options = e->tx_descriptor[1] >> E1000_TX_OPTIONS;
    e->tx_options = (options & 0xff) | command(e) << 8 | special << 16;
    e->tx_n = e->tx_segment = 0;
    e->tx_begun = 1;
}

static u64 frame_command(const struct e1000 *e)
{
    return e->tx_options >> 8 & 0xff;
}

static bool is_segmented(const struct e1000 *e)
{
    return frame_command(e) & E1000_TX_DEXT && frame_command(e) & E1000_TX_TSE &&
           context_command(e) & E1000_TX_TSE;
}

static u64 header_bytes(const struct e1000 *e)
{
    return e->tx_context[1] >> E1000_TX_HDRLEN & 0xff;
}

static u64 segment_bytes(const struct e1000 *e)
{
    return max(e->tx_context[1] >> E1000_TX_MSS & 0xffff, 1);
}

/* Bytes at which the frame goes out though more may follow. */
static u64 full_bytes(const struct e1000 *e)
{
    return is_segmented(e) ? header_bytes(e) + segment_bytes(e) : UINT64_MAX;
}

/* ---- what the wire gets ---- */

struct out {
    u8 bytes[E1000_TX_MOST + 4];
    unsigned n;
};

static void add_at(struct out *o, u64 at, unsigned n, u64 value)
{
    if (at + n > o->n)
        return;
    for (unsigned i = n; i-- > 0; value >>= 8) {
        value += o->bytes[at + i];
        o->bytes[at + i] = (u8)value;
    }
}

static void set_at(struct out *o, u64 at, u64 value)
{
    if (at + 2 > o->n)
        return;
    o->bytes[at] = (u8)(value >> 8);
    o->bytes[at + 1] = (u8)value;
}

/* Lengths, identification and sequence number of a segment (3.5.6 "TCP Segmentation"); FIN and PSH are the
 * last one's only. */
static void fix_headers(const struct e1000 *e, struct out *o, bool last)
{
    u64 ip = context(e, E1000_TX_IPCSS, 0xff), tcp = context(e, E1000_TX_TUCSS, 0xff);
    if (context_command(e) & E1000_TX_IP) {
        set_at(o, ip + 2, o->n - ip);
        add_at(o, ip + 4, 2, e->tx_segment);
    } else {
        set_at(o, ip + 4, o->n - ip - 40);
    }
    if (!(context_command(e) & E1000_TX_TCP)) {
        set_at(o, tcp + 4, o->n - tcp);
        return;
    }
    add_at(o, tcp + 4, 4, e->tx_segment * segment_bytes(e));
    if (!last && tcp + 13 < o->n)
        o->bytes[tcp + 13] &= (u8)~0x09u;
}

/* The pseudo header that software has summed lacks a segment's length. */
static void insert_checksums(const struct e1000 *e, struct out *o)
{
    u64 c = e->tx_context[0];
    unsigned tu = c >> E1000_TX_TUCSS & 0xff;
    if (e->tx_options & E1000_TX_TXSM)
        e1000_insert(o->bytes, o->n, tu, c >> E1000_TX_TUCSE & 0xffff, c >> E1000_TX_TUCSO & 0xff,
                     !(context_command(e) & E1000_TX_TCP), is_segmented(e) && o->n > tu ? o->n - tu : 0);
    if (e->tx_options & E1000_TX_IXSM)
        e1000_insert(o->bytes, o->n, c >> E1000_TX_IPCSS & 0xff, c >> E1000_TX_IPCSE & 0xffff,
                     c >> E1000_TX_IPCSO & 0xff, false, 0);
}

/* Legacy: where the last descriptor says. */
static void insert_legacy(const struct e1000 *e, struct out *o)
{
    if (command(e) & E1000_TX_IC)
        e1000_insert(o->bytes, o->n, e->tx_descriptor[1] >> E1000_TX_CSS & 0xff, 0,
                     e->tx_descriptor[1] >> E1000_TX_CSO & 0xff, false, 0);
}

static void insert_tag(const struct e1000 *e, struct out *o)
{
    u64 special = is_extended(e) ? e->tx_options >> 16 : e->tx_descriptor[1] >> E1000_TX_SPECIAL;
    if (!(e->ctrl & E1000_CTRL_VME) || !(command(e) & E1000_TX_VLE) || o->n < FRAME_LEAST)
        return;
    memmove(o->bytes + 16, o->bytes + 12, o->n - 12);
    o->n += 4;
    set_at(o, 12, e->vet);
    set_at(o, 14, special);
}

/* Without IFCS the last four bytes are the software's FCS, which nobody checks. */
static void finish(const struct e1000 *e, struct out *o, bool last)
{
    o->n = (unsigned)min(e->tx_n, E1000_TX_MOST);
    words_get(e->tx_frame, 0, o->bytes, o->n);
    if (is_segmented(e))
        fix_headers(e, o, last);
    if (frame_command(e) & E1000_TX_DEXT)
        insert_checksums(e, o);
    else
        insert_legacy(e, o);
    insert_tag(e, o);
    if (!(command(e) & E1000_TX_IFCS) && last && o->n >= FRAME_LEAST + FCS_BYTES)
        o->n -= FCS_BYTES;
    if (e->tctl & E1000_TCTL_PSP && o->n < E1000_PADDED) {
        memset(o->bytes + o->n, 0, E1000_PADDED - o->n);
        o->n = E1000_PADDED;
    }
}

static void count_sent(struct e1000 *e, const struct out *o)
{
    unsigned n = (unsigned)max(o->n, E1000_PADDED) + FCS_BYTES;
    bool group = o->bytes[0] & 1, broadcast = group && load_le(o->bytes, 6) == UINT64_C(0xffffffffffff);
    e1000_count(e, E1000_TPT, 1);
    e1000_count(e, E1000_GPTC, 1);
    e1000_count_octets(e, E1000_TOTL, n);
    e1000_count_octets(e, E1000_GOTCL, n);
    e1000_count_size(e, E1000_PTC64, n);
    if (group)
        e1000_count(e, broadcast ? E1000_BPTC : E1000_MPTC, 1);
    if (is_segmented(e))
        e1000_count(e, E1000_TSCTC, e->tx_segment == 0);
}

/* The next may queue behind it as soon as it begins: the wire never waits for memory. */
static void send(struct pci_device *d, bool last)
{
    struct e1000 *e = e1000_of(d);
    struct out o;
    if (!e->tx_n)
        return;
    finish(e, &o, last);
    e->tx_begins = max(port_free(d), device_now(d->m));
    if (o.n >= FRAME_LEAST && o.n <= FRAME_MOST)
        count_sent(e, &o);
    port_send(d, o.bytes, o.n);
}

/* ---- its work ---- */

static u64 descriptors(const struct e1000 *e)
{
    return e1000_ring_filled(e->tdlen, e->tdh, e->tdt);
}

bool e1000_can_transmit(const struct pci_device *d)
{
    const struct e1000 *e = e1000_of(d);
    return e->tctl & E1000_TCTL_EN && pci_config(d, PCI_COMMAND, 2) & PCI_COMMAND_MASTER && descriptors(e) &&
           e1000_link_is_up(d);
}

u64 e1000_transmit_due(const struct pci_device *d)
{
    const struct e1000 *e = e1000_of(d);
    return e->tx_phase == TX_SEND || e->tx_phase == TX_SEGMENT ? e->tx_begins : 0;
}

/* What was put together is forgotten. */
void e1000_stop_transmitter(struct e1000 *e)
{
    e->tx_phase = TX_FETCH;
    e->tx_begun = e->tx_n = e->tx_moved = 0;
}

static u64 descriptor_at(const struct e1000 *e)
{
    return (e->tdbah << 32 | e->tdbal) + e->tdh * E1000_DESCRIPTOR;
}

static void fetch(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    u8 bytes[E1000_DESCRIPTOR];
    dma_read(d, descriptor_at(e), bytes, sizeof bytes);
    e->tx_descriptor[0] = load_le(bytes, 8);
    e->tx_descriptor[1] = load_le(bytes + 8, 8);
    e->tx_moved = 0;
    e->tx_phase = TX_DATA;
    if (is_context(e)) {
        memcpy(e->tx_context, e->tx_descriptor, sizeof e->tx_context);
        e->tx_phase = TX_WRITE_BACK;
    } else if (!e->tx_begun) {
        begin_frame(e);
    }
}

/* What has no room makes the frame too long, which port_send refuses. */
static void append(struct e1000 *e, const u8 *bytes, unsigned n)
{
    unsigned room = (unsigned)(E1000_TX_MOST - min(e->tx_n, E1000_TX_MOST));
    words_put(e->tx_frame, min(e->tx_n, E1000_TX_MOST), bytes, n < room ? n : room);
    e->tx_n += n;
}

static void move_data(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    u8 bytes[E1000_CHUNK];
    u64 left = data_bytes(e) - min(e->tx_moved, data_bytes(e)),
        room = full_bytes(e) - min(e->tx_n, full_bytes(e));
    unsigned n = (unsigned)min(min(left, room), E1000_CHUNK);
    if (n) {
        dma_read(d, e->tx_descriptor[0] + e->tx_moved, bytes, n);
        append(e, bytes, n);
        e->tx_moved += n;
    }
    if (n == left)
        e->tx_phase = command(e) & E1000_TX_EOP ? TX_SEND : TX_WRITE_BACK;
    else if (e->tx_n >= full_bytes(e))
        e->tx_phase = TX_SEGMENT;
}

/* The headers stay for the next one. */
static void send_segment(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    send(d, false);
    e->tx_n = min(header_bytes(e), e->tx_n);
    e->tx_segment++;
    e->tx_phase = TX_DATA;
}

static void send_frame(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    send(d, true);
    e->tx_begun = 0;
    e->tx_phase = TX_WRITE_BACK;
}

static void write_back(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    bool report = command(e) & E1000_TX_RS;
    if (report)
        dma_write_value(d, descriptor_at(e) + 12, 4, e->tx_descriptor[1] >> 32 | E1000_TX_DD);
    e->tdh = (e->tdh + 1) % e1000_ring_count(e->tdlen);
    e->tx_phase = TX_FETCH;
    if (report)
        e1000_transmitted(d, command(e) & E1000_TX_IDE);
    if (!descriptors(e))
        e1000_cause(d, E1000_ICR_TXQE);
}

void e1000_transmit_step(struct pci_device *d)
{
    switch (e1000_of(d)->tx_phase) {
    case TX_FETCH: fetch(d); break;
    case TX_DATA: move_data(d); break;
    case TX_SEGMENT: send_segment(d); break;
    case TX_SEND: send_frame(d); break;
    default: write_back(d);
    }
}
