/* virtio_net.c - see virtio_net.h.  Frames go to and from memory by atoms of a few lines (docs/machine.md, V5
 * and V6); all that arrive are for the driver, as there is no control queue to filter by. */
#include "dev/virtio_net.h"

#include "dev/link.h"
#include "dev/virtqueue.h"
#include "dev/words.h"
#include "mmu/bytes.h"

#define CHUNK 512 /* bytes that move in an atom */

_Static_assert(FRAME_MOST <= 8 * VIRTIO_NET_WORDS, "state has room for a frame");

static struct virtio_net *state_of(const struct pci_device *d)
{
    return &d->m->b.virtio_net[d->instance];
}

static struct virtio *virtio_of(const struct pci_device *d)
{
    return &state_of(d)->virtio;
}

/* ---- configuration (5.1.4 "Device configuration layout") ---- */

static u64 features(const struct pci_device *d)
{
    (void)d;
    return FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS);
}

static u64 config_read(const struct pci_device *d, unsigned at, unsigned n)
{
    u8 config[VIRTIO_NET_CONFIG_BYTES];
    memcpy(config + VIRTIO_NET_MAC, port_mac(d), MAC_BYTES);
    store_le(config + VIRTIO_NET_STATUS, 2, port_link_up(d) ? VIRTIO_NET_LINK_UP : 0);
    return load_le(config + at, n);
}

static void link_changed(struct pci_device *d, bool up)
{
    (void)up;
    if (virtio_has(d, VIRTIO_NET_F_STATUS))
        virtio_config_changed(d);
}

static void reset(struct pci_device *d)
{
    struct virtio_net *s = state_of(d);
    s->first = s->frames = s->received = s->gathered = 0;
}

/* ---- frames that arrive ---- */

static u64 *waiting(struct virtio_net *s, u64 i)
{
    return s->frame + (s->first + i) % VIRTIO_NET_FRAMES * VIRTIO_NET_WORDS;
}

static enum frame_end receive(struct pci_device *d, const u8 *frame, unsigned n)
{
    struct virtio_net *s = state_of(d);
    if (!virtio_live(d) || !virtio_of(d)->queue[VIRTIO_NET_RECEIVE].enabled)
        return FRAME_OFF;
    if (s->frames >= VIRTIO_NET_FRAMES)
        return FRAME_NO_ROOM;
    words_put(waiting(s, s->frames), 0, frame, n);
    s->length[(s->first + s->frames) % VIRTIO_NET_FRAMES] = n;
    s->frames++;
    virtio_look(d, VIRTIO_NET_RECEIVE);
    return FRAME_OK;
}

static bool wants(const struct pci_device *d, unsigned queue)
{
    return queue != VIRTIO_NET_RECEIVE || state_of(d)->frames;
}

static void forget_first(struct virtio_net *s)
{
    s->first = (s->first + 1) % VIRTIO_NET_FRAMES;
    s->frames--;
    s->received = 0;
}

static u64 first_length(const struct virtio_net *s)
{
    return min(s->length[s->first % VIRTIO_NET_FRAMES], FRAME_MOST);
}

/* There is one buffer chain for a frame, and neither checksum nor segments (5.1.6.4). */
static bool write_header(struct pci_device *d, struct virtqueue *q)
{
    u8 header[VIRTIO_NET_HDR_BYTES] = {[VIRTIO_NET_HDR_BUFFERS] = 1};
    state_of(d)->received = sizeof header;
    return virtqueue_write(d, q, header, sizeof header);
}

static bool write_chunk(struct pci_device *d, struct virtqueue *q)
{
    struct virtio_net *s = state_of(d);
    u8 bytes[CHUNK];
    u64 at = s->received - VIRTIO_NET_HDR_BYTES;
    unsigned n = (unsigned)min(CHUNK, first_length(s) - min(at, first_length(s)));
    words_get(waiting(s, 0), (unsigned)min(at, first_length(s)), bytes, n);
    s->received += n;
    return n && virtqueue_write(d, q, bytes, n);
}

/* A chain that is too small for the frame waits for another. */
static void work_receive(struct pci_device *d, struct virtqueue *q)
{
    struct virtio_net *s = state_of(d);
    u64 all = first_length(s) + VIRTIO_NET_HDR_BYTES;
    bool begins = s->received == 0;
    if (!s->frames || (begins && q->write_bytes < all)) {
        if (s->frames)
            forget_first(s);
        virtqueue_put_back(q);
    } else if (!(begins ? write_header(d, q) : write_chunk(d, q))) {
        virtio_break(d);
    } else if (s->received >= all) {
        forget_first(s);
        virtqueue_return(q);
    }
}

/* ---- frames that are sent ---- */

static bool read_header(struct pci_device *d, struct virtqueue *q)
{
    u8 header[VIRTIO_NET_HDR_BYTES];
    state_of(d)->gathered = sizeof header;
    return virtqueue_read(d, q, header, sizeof header);
}

static bool read_chunk(struct pci_device *d, struct virtqueue *q)
{
    struct virtio_net *s = state_of(d);
    u8 bytes[CHUNK];
    u64 at = min(s->gathered - VIRTIO_NET_HDR_BYTES, FRAME_MOST);
    unsigned n = (unsigned)min(CHUNK, min(q->read_bytes, FRAME_MOST - at));
    if (!n || !virtqueue_read(d, q, bytes, n))
        return false;
    words_put(s->out, (unsigned)at, bytes, n);
    s->gathered += n;
    return true;
}

/* The chain goes back when the frame is through.  What is no frame is not sent. */
static void send(struct pci_device *d, struct virtqueue *q)
{
    struct virtio_net *s = state_of(d);
    u8 frame[FRAME_MOST];
    u64 n = s->gathered - VIRTIO_NET_HDR_BYTES;
    if (n >= FRAME_LEAST && n <= FRAME_MOST && q->read_bytes == 0) {
        words_get(s->out, 0, frame, (unsigned)n);
        q->due = port_send(d, frame, (unsigned)n);
    }
    s->gathered = 0;
    virtqueue_return(q);
}

static void work_transmit(struct pci_device *d, struct virtqueue *q)
{
    u64 gathered = state_of(d)->gathered;
    if (gathered == 0 || (q->read_bytes && gathered < VIRTIO_NET_HDR_BYTES + FRAME_MOST)) {
        if (!(gathered ? read_chunk(d, q) : read_header(d, q)))
            virtio_break(d);
    } else {
        send(d, q);
    }
}

static void work(struct pci_device *d, unsigned queue)
{
    struct virtqueue *q = &virtio_of(d)->queue[queue];
    if (queue == VIRTIO_NET_RECEIVE)
        work_receive(d, q);
    else
        work_transmit(d, q);
}

/* ---- the model ---- */

static const struct port_model port = {.receive = receive, .link_changed = link_changed};

static void build(struct pci_device *d)
{
    virtio_build(d);
    port_attach(d, &port);
}

const struct virtio_model virtio_net_model = {
    .pci = VIRTIO_PCI("virtio-net", VIRTIO_ID_NET, 0x020000, 3, build),
    .queues = 2,
    .config_bytes = VIRTIO_NET_CONFIG_BYTES,
    .state = virtio_of,
    .features = features,
    .reset = reset,
    .config_read = config_read,
    .wants = wants,
    .work = work,
};
