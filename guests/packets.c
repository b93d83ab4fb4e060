/* packets - frames to a station outside, in bursts, each of which it answers with one frame: what a NIC
 * costs.
 *
 *     packets [BURSTS] [FRAMES] [BYTES]
 *
 * BURSTS bursts of FRAMES frames (at most 8) of BYTES bytes, by the first 82540EM, or else by the first
 * virtio NIC.  Defaults 32, 1, 60.  Each driver works as one for that NIC would: an interrupt is acknowledged
 * and masked (82540EM) or has nothing to acknowledge (virtio), frames are taken until there are none, and
 * interrupts are allowed again.  The doorbell is rung once a burst; what has been sent raises no interrupt,
 * as an answer tells the same.  Marks: 1 and 2 around all bursts, RDI is their number; a few before mark 1
 * warm up.
 *
 * A frame is to 00:01:02:03:04:05, its type 88B5H; behind the header is its number, in network order, which
 * is the burst's. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/args.h"
#include "lib/e1000.h"
#include "lib/mark.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"
#include "lib/virtio.h"

#define VECTOR_NIC      0x35
#define VECTOR_SPURIOUS 0x4f
#define WARM            4
#define FRAMES_MOST     8
#define FRAME_LEAST     60
#define FRAME_MOST      1514
#define MAC             6
#define HEADER          14

/* What a driver does; frames lie in frame[]. */
struct driver {
    const char *name;
    bool (*open)(void);
    void (*send)(uint32_t frames, uint32_t bytes);
    /* The number in the next frame that has come; false: there is none. */
    bool (*take)(uint32_t *number);
    /* An interrupt has come; and: all has been taken, the next one may come. */
    void (*interrupted)(void);
    void (*rearm)(void);
};

static uint8_t own[MAC];
static uint8_t frame[FRAMES_MOST][FRAME_MOST + 2];
static const struct driver *driver;
static volatile bool held; /* an interrupt has come, and no other one may */

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static uint32_t number_in(const uint8_t *f)
{
    return (uint32_t)f[HEADER] << 24 | (uint32_t)f[HEADER + 1] << 16 | (uint32_t)f[HEADER + 2] << 8 |
           f[HEADER + 3];
}

/* ---- 82540EM ---- */

static struct nic nic;

static bool e1000_open(void)
{
    uint32_t slot = pci_find(E1000_VENDOR, E1000_DEVICE, 0);

    if (slot == PCI_NOWHERE || !nic_open(&nic, slot) || !pci_enable_msi(slot, VECTOR_NIC, 0))
        return false;
    memcpy(own, nic.mac, MAC);
    nic_write(&nic, E1000_IMS, E1000_ICR_RXT0);
    return true;
}

static void e1000_send(uint32_t frames, uint32_t bytes)
{
    for (uint32_t i = 0; i < frames; i++)
        nic_offer(&nic, frame[i], bytes, 0);
    nic_ring(&nic);
}

static bool e1000_take(uint32_t *number)
{
    uint32_t bytes;
    const uint8_t *f = nic_received(&nic, &bytes);

    if (!f)
        return false;
    *number = number_in(f);
    nic_next(&nic);
    return true;
}

/* The read tells the causes and clears them.  No more interrupts until all has been looked at.  A bus may
 * keep a write back: behind a read it has arrived. */
static void e1000_interrupted(void)
{
    nic_read(&nic, E1000_ICR);
    nic_write(&nic, E1000_IMC, E1000_ICR_RXT0);
    nic_read(&nic, E1000_STATUS);
}

static void e1000_rearm(void)
{
    nic_write(&nic, E1000_IMS, E1000_ICR_RXT0);
    nic_read(&nic, E1000_STATUS);
}

/* ---- virtio ---- */

struct buffer {
    uint8_t header[VIRTIO_NET_HDR_BYTES], frame[FRAME_MOST + 2];
};

static struct virtio device;
static struct virtio_queue receiver, sender;
static struct buffer in[VIRTIO_QUEUE_ENTRIES];
static uint8_t empty_header[VIRTIO_NET_HDR_BYTES];
static uint16_t in_next;

static void give(uint16_t i)
{
    virtio_descriptor(receiver.desc, i, &in[i], sizeof in[i], VIRTQ_DESC_F_WRITE, 0);
    virtio_offer(&receiver, i);
}

static bool virtio_open(void)
{
    uint64_t wanted = VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_F_RING_EVENT_IDX);

    if (!virtio_find(&device, VIRTIO_ID_NET, 0) || !virtio_negotiate(&device, wanted) ||
        !pci_enable_msix(device.slot, 0, VECTOR_NIC, 0))
        return false;
    for (uint32_t i = 0; i < MAC; i++)
        own[i] = virtio_config8(&device, i);
    virtio_queue_init(&receiver, &device, VIRTIO_NET_RECEIVE, 0);
    virtio_queue_init(&sender, &device, VIRTIO_NET_TRANSMIT, VIRTIO_NO_VECTOR);
    virtio_interrupt_after(&sender, 0);
    for (uint16_t i = 0; i < VIRTIO_QUEUE_ENTRIES; i++)
        give(i);
    virtio_interrupt_after(&receiver, 1);
    virtio_ready(&device);
    virtio_kick(&receiver);
    return true;
}

/* A header and a frame each; the ring holds a burst, whose answer says that it is free again. */
static void virtio_send(uint32_t frames, uint32_t bytes)
{
    for (uint32_t i = 0; i < frames; i++) {
        uint16_t at = (uint16_t)(2 * i);

        virtio_descriptor(sender.desc, at, empty_header, sizeof empty_header, VIRTQ_DESC_F_NEXT, at + 1);
        virtio_descriptor(sender.desc, at + 1, frame[i], bytes, 0, 0);
        virtio_offer(&sender, at);
    }
    virtio_kick(&sender);
}

static bool virtio_take_frame(uint32_t *number)
{
    if (!virtio_take(&receiver, 1))
        return false;
    *number = number_in(in[in_next].frame);
    give(in_next);
    in_next = (in_next + 1) % VIRTIO_QUEUE_ENTRIES;
    virtio_kick(&receiver);
    return true;
}

static void virtio_interrupted(void)
{
}

static void virtio_rearm(void)
{
    virtio_interrupt_after(&receiver, 1);
}

/* ---- both ---- */

static const struct driver drivers[] = {
    {"82540EM", e1000_open, e1000_send, e1000_take, e1000_interrupted, e1000_rearm},
    {"virtio", virtio_open, virtio_send, virtio_take_frame, virtio_interrupted, virtio_rearm},
};

static void on_nic(struct trap_frame *f)
{
    (void)f;
    driver->interrupted();
    held = true;
    apic_write(APIC_EOI, 0);
}

static bool open_nic(void)
{
    trap_set(VECTOR_NIC, on_nic);
    out8(PORT_PIC_MASK, 0xff);
    out8(PORT_PIC2_MASK, 0xff);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    for (uint32_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        driver = &drivers[i];
        if (driver->open())
            return true;
    }
    print("there is no NIC that this knows\n");
    return false;
}

static void make_frames(uint32_t number, uint32_t frames)
{
    static const uint8_t station[MAC] = {0, 1, 2, 3, 4, 5};

    for (uint32_t i = 0; i < frames; i++) {
        uint8_t *f = frame[i];

        memcpy(f, station, MAC);
        memcpy(f + MAC, own, MAC);
        f[12] = 0x88;
        f[13] = 0xb5;
        for (uint32_t k = 0; k < 4; k++)
            f[HEADER + k] = (uint8_t)(number >> (24 - 8 * k));
    }
}

/* Sleeps until there is one.  What has come before interrupts were allowed again raised none. */
static uint32_t next_answer(void)
{
    uint32_t number;

    while (!driver->take(&number)) {
        if (held) {
            held = false;
            driver->rearm();
        } else {
            wait_for_interrupt();
        }
    }
    return number;
}

static uint32_t run(uint32_t first, uint32_t bursts, uint32_t frames, uint32_t bytes)
{
    uint32_t wrong = 0;

    for (uint32_t i = first; i < first + bursts; i++) {
        make_frames(i, frames);
        driver->send(frames, bytes);
        wrong += next_answer() != i;
    }
    return wrong;
}

uint32_t guest_main(const char *args)
{
    uint32_t bursts = (uint32_t)args_number(args, 1, 32), frames = (uint32_t)args_number(args, 2, 1),
             bytes = (uint32_t)args_number(args, 3, FRAME_LEAST), wrong;

    if (frames < 1 || frames > FRAMES_MOST || bytes < FRAME_LEAST || bytes > FRAME_MOST) {
        print("a burst has 1 to 8 frames, a frame 60 to 1514 bytes\n");
        return 1;
    }
    if (!open_nic())
        return 1;
    wrong = run(0, WARM, frames, bytes);
    mark(1, bursts, 0);
    wrong += run(WARM, bursts, frames, bytes);
    mark(2, bursts, 0);
    print("%s: %u bursts of %u frames of %u bytes, %u answers wrong\n", driver->name, bursts, frames, bytes,
          wrong);
    return wrong != 0;
}
