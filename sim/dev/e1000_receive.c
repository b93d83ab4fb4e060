/* e1000_receive.c - frames that arrive, by way of the FIFO, to memory (manual, 3.2 "Packet Reception"); see
 * e1000.h.  A descriptor, up to E1000_CHUNK bytes of data, and a write-back are an atom each. */
#include <string.h>

#include "dev/dma.h"
#include "dev/e1000.h"
#include "dev/words.h"
#include "mmu/bytes.h"

enum e1000_rx { RX_FETCH, RX_DATA, RX_WRITE_BACK, RX_PHASES };

#define FCS_BYTES 4

/* ---- the FIFO: a word of length | inexact << 16, and the frame's own ---- */

static unsigned words_of(unsigned n)
{
    return 1 + (n + 7) / 8;
}

/* PBA gives so many KiB of the packet buffer to reception; the model has 48. */
static u64 fifo_capacity(const struct e1000 *e)
{
    return min((e->pba & 0x3f) * 1024 / 8, E1000_FIFO_WORDS);
}

static u64 *fifo_word(struct e1000 *e, u64 at)
{
    return &e->fifo[(e->fifo_head % E1000_FIFO_WORDS + at) % E1000_FIFO_WORDS];
}

static bool fifo_put(struct e1000 *e, const u8 *frame, unsigned n, bool inexact)
{
    if (e->fifo_words + words_of(n) > fifo_capacity(e))
        return false;
    *fifo_word(e, e->fifo_words) = n | (u64)inexact << 16;
    for (unsigned i = 0; i < n; i += 8)
        *fifo_word(e, e->fifo_words + 1 + i / 8) = load_le(frame + i, (unsigned)min(8, n - i));
    e->fifo_words += words_of(n);
    return true;
}

/* The first frame; its length. */
static unsigned fifo_first(struct e1000 *e, u8 frame[FRAME_WORDS * 8 + FCS_BYTES], bool *inexact)
{
    unsigned n = (unsigned)min(*fifo_word(e, 0) & 0xffff, FRAME_WORDS * 8);
    *inexact = *fifo_word(e, 0) >> 16 & 1;
    for (unsigned i = 0; i < n; i += 8)
        store_le(frame + i, 8, *fifo_word(e, 1 + i / 8));
    return n;
}

static void fifo_drop(struct e1000 *e)
{
    unsigned n = (unsigned)min(*fifo_word(e, 0) & 0xffff, FRAME_WORDS * 8);
    u64 words = min(words_of(n), e->fifo_words);
    for (u64 i = 0; i < words; i++)
        *fifo_word(e, i) = 0;
    e->fifo_head = (e->fifo_head + words) % E1000_FIFO_WORDS;
    e->fifo_words -= words;
}

/* ---- from the wire ---- */

static u64 descriptors(const struct e1000 *e)
{
    return e1000_ring_filled(e->rdlen, e->rdh, e->rdt);
}

/* GORC counts FCS as well. */
static void count_good(struct e1000 *e, const u8 *frame, unsigned n)
{
    bool group = frame[0] & 1, broadcast = group && load_le(frame, 6) == UINT64_C(0xffffffffffff);
    e1000_count(e, E1000_GPRC, 1);
    e1000_count_octets(e, E1000_GORCL, n + FCS_BYTES);
    e1000_count_size(e, E1000_PRC64, n + FCS_BYTES);
    if (group)
        e1000_count(e, broadcast ? E1000_BPRC : E1000_MPRC, 1);
}

static enum frame_end keep(struct pci_device *d, const u8 *frame, unsigned n, bool inexact)
{
    struct e1000 *e = e1000_of(d);
    if (!fifo_put(e, frame, n, inexact)) {
        e1000_count(e, E1000_MPC, 1);
        e1000_cause(d, E1000_ICR_RXO);
        return FRAME_NO_ROOM;
    }
    if (!descriptors(e))
        e1000_count(e, E1000_RNBC, 1);
    count_good(e, frame, n);
    e1000_schedule(d);
    return FRAME_OK;
}

static enum frame_end receive(struct pci_device *d, const u8 *bytes, unsigned n)
{
    struct e1000 *e = e1000_of(d);
    u8 frame[FRAME_WORDS * 8] = {0};
    bool inexact;
    if (!(e->rctl & E1000_RCTL_EN) || !e1000_link_is_up(d))
        return FRAME_OFF;
    memcpy(frame, bytes, n);
    n = (unsigned)max(n, E1000_PADDED); /* the wire's padding */
    e1000_count(e, E1000_TPR, 1);
    e1000_count_octets(e, E1000_TORL, n + FCS_BYTES);
    return e1000_takes(e, frame, n, &inexact) ? keep(d, frame, n, inexact) : FRAME_FILTERED;
}

static void link_changed(struct pci_device *d, bool up)
{
    (void)up;
    e1000_check_link(d);
    e1000_schedule(d);
}

const struct port_model e1000_port = {receive, link_changed};

/* ---- to memory ---- */

bool e1000_can_receive(const struct pci_device *d)
{
    const struct e1000 *e = e1000_of(d);
    return e->rctl & E1000_RCTL_EN && pci_config(d, PCI_COMMAND, 2) & PCI_COMMAND_MASTER && e->fifo_words &&
           descriptors(e);
}

/* A frame that is half in memory comes again as a whole. */
void e1000_stop_receiver(struct e1000 *e)
{
    e->rx_phase = RX_FETCH;
    e->rx_moved = 0;
}

static u64 descriptor_at(const struct e1000 *e)
{
    return (e->rdbah << 32 | e->rdbal) + e->rdh * E1000_DESCRIPTOR;
}

static u64 buffer_bytes(const struct e1000 *e)
{
    u64 code = e->rctl >> E1000_RCTL_BSIZE_SHIFT & 3;
    if (e->rctl & E1000_RCTL_BSEX && code)
        return UINT64_C(32768) >> code;
    return UINT64_C(2048) >> code;
}

/* The first frame as it goes to memory. */
struct arrival {
    u8 bytes[FRAME_WORDS * 8 + FCS_BYTES];
    unsigned n; /* with FCS, unless that is stripped */
    u64 status; /* as e1000_receive_status, and checksum and tag where the descriptor has them */
    u64 fields;
};

static bool is_tagged(const struct e1000 *e, const u8 *frame)
{
    return ((u64)frame[12] << 8 | frame[13]) == e->vet;
}

/* Takes the tag out (9.3 "802.1q VLAN Packet Filtering"). */
static void strip_tag(struct arrival *a)
{
    u64 tag = (u64)a->bytes[14] << 8 | a->bytes[15];
    memmove(a->bytes + 12, a->bytes + 16, a->n - 16);
    a->n -= 4;
    a->status |= E1000_RX_VP;
    a->fields |= tag << E1000_RX_SPECIAL;
}

/* The inverted sum from PCSS on, as the wire has it. */
static u64 packet_checksum(const struct e1000 *e, const u8 *frame, unsigned n)
{
    unsigned from = (unsigned)min(e->rxcsum & E1000_RXCSUM_PCSS, n);
    u16 sum = (u16)~e1000_sum(frame + from, n - from, 0);
    return (u64)(sum >> 8 | (sum & 0xff) << 8);
}

static void look_at(struct e1000 *e, struct arrival *a)
{
    bool inexact;
    unsigned n = fifo_first(e, a->bytes, &inexact);
    a->status = e1000_receive_status(e, a->bytes, n) | (inexact ? E1000_RX_PIF : 0);
    a->fields = packet_checksum(e, a->bytes, n) << E1000_RX_CHECKSUM;
    a->n = n;
    if (!(e->rctl & E1000_RCTL_SECRC)) {
        store_le(a->bytes + n, FCS_BYTES, e1000_fcs(a->bytes, n));
        a->n += FCS_BYTES;
    }
    if (e->ctrl & E1000_CTRL_VME && n >= 18 && is_tagged(e, a->bytes))
        strip_tag(a);
}

/* A buffer at 0 is none: its descriptor comes back empty. */
static void fetch(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    u8 descriptor[E1000_DESCRIPTOR];
    dma_read(d, descriptor_at(e), descriptor, sizeof descriptor);
    e->rx_address = load_le(descriptor, 8);
    e->rx_in_buffer = 0;
    e->rx_phase = e->rx_address ? RX_DATA : RX_WRITE_BACK;
}

static void move_data(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    struct arrival a;
    look_at(e, &a);
    u64 moved = min(e->rx_moved, a.n), used = min(e->rx_in_buffer, buffer_bytes(e));
    unsigned n = (unsigned)min(min(a.n - moved, buffer_bytes(e) - used), E1000_CHUNK);
    if (n)
        dma_write(d, e->rx_address + used, a.bytes + moved, n);
    e->rx_moved = moved + n;
    e->rx_in_buffer = used + n;
    if (e->rx_moved == a.n || e->rx_in_buffer == buffer_bytes(e))
        e->rx_phase = RX_WRITE_BACK;
}

/* RXDMT0, once for each time that they get few (3.2.7.2.1). */
static void check_threshold(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    u64 code = e->rctl >> E1000_RCTL_RDMTS_SHIFT & 3;
    bool low = descriptors(e) <= e1000_ring_count(e->rdlen) >> (code < 3 ? code + 1 : 3);
    if (low && !e->rx_low)
        e1000_cause(d, E1000_ICR_RXDMT0);
    e->rx_low = low;
}

static void write_back(struct pci_device *d)
{
    struct e1000 *e = e1000_of(d);
    struct arrival a;
    look_at(e, &a);
    bool last = e->rx_moved >= a.n;
    u64 status = E1000_RX_DD | (last ? E1000_RX_EOP | a.status : 0);
    u64 word = e->rx_in_buffer << E1000_RX_LENGTH | status << E1000_RX_STATUS | (last ? a.fields : 0);
    dma_write_value(d, descriptor_at(e) + 8, 8, word);
    e->rdh = (e->rdh + 1) % e1000_ring_count(e->rdlen);
    e->rx_phase = RX_FETCH;
    if (last) {
        fifo_drop(e);
        e->rx_moved = 0;
        e1000_received(d);
    }
    check_threshold(d);
}

void e1000_receive_step(struct pci_device *d)
{
    switch (e1000_of(d)->rx_phase) {
    case RX_FETCH: fetch(d); break;
    case RX_DATA: move_data(d); break;
    default: write_back(d);
    }
}
