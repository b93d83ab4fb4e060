/* net - frames to another station: what a NIC costs, and whether they arrive.  The NIC is an E1000, or a
 * virtio one.
 *
 *     net send PEER [FRAMES] [BYTES] [BATCH]   to VM number PEER (its address is 52:49:4e:00:00:PEER), in
 *                                              batches (at most 8), each of which is answered
 *     net receive [FRAMES] [BATCH]             takes them, checks them, and answers
 *     net hostile [ROUNDS]                     registers, rings and descriptors at random
 *
 * Defaults 64, 1000, 8; 2000.  By interrupts (MSI, MSI-X).  Mark 1 and 2 around all frames: RDI is their
 * number. */
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
#include "lib/virtio_net.h"

#define VECTOR_NIC      0x35
#define VECTOR_SPURIOUS 0x4f
#define TYPE_1          0x88 /* 88B5H: for experiments (IEEE 802) */
#define TYPE_2          0xb5
#define HEADER          14
#define BATCH_MOST      8
#define FRAME_LEAST     60
#define FRAME_MOST      1514
#define HELLO           0xffffffffu /* in place of a number */

static struct nic nic;
static struct vnic vnic;
static bool is_virtio;
static const uint8_t *mac;
static uint8_t frames[BATCH_MOST][FRAME_MOST + 2];
static volatile uint32_t interrupts;
static uint32_t got, damaged;

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static void on_nic(struct trap_frame *frame)
{
    (void)frame;
    if (!is_virtio)
        nic_read(&nic, E1000_ICR);
    interrupts++;
    apic_write(APIC_EOI, 0);
}

static bool open_e1000(void)
{
    uint32_t slot = pci_find(E1000_VENDOR, E1000_DEVICE, 0);

    if (slot == PCI_NOWHERE) {
        print("there is no E1000, and no virtio NIC that works\n");
        return false;
    }
    if (!nic_open(&nic, slot) || !pci_enable_msi(slot, VECTOR_NIC, 0)) {
        print("its EEPROM is damaged, or it has no MSI\n");
        return false;
    }
    mac = nic.mac;
    nic_write(&nic, E1000_IMS, E1000_ICR_RXT0);
    return true;
}

static bool open_nic(void)
{
    out8(PORT_PIC_MASK, 0xff);
    out8(PORT_PIC2_MASK, 0xff);
    traps_init();
    trap_set(VECTOR_NIC, on_nic);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    is_virtio = vnic_open(&vnic, VECTOR_NIC);
    mac = vnic.mac;
    return is_virtio || open_e1000();
}

/* ---- what both can ---- */

/* An E1000 is told of each frame, a virtio NIC of all since the last kick. */
static void give(const uint8_t *frame, uint32_t bytes)
{
    if (!is_virtio) {
        nic_send(&nic, frame, bytes, 0);
        return;
    }
    while (!vnic_send(&vnic, frame, bytes))
        vnic_kick(&vnic);
}

static void kick(void)
{
    if (is_virtio)
        vnic_kick(&vnic);
}

static const uint8_t *received(uint32_t *bytes)
{
    return is_virtio ? vnic_received(&vnic, bytes) : nic_received(&nic, bytes);
}

static void next(void)
{
    if (is_virtio)
        vnic_next(&vnic);
    else
        nic_next(&nic);
}

/* ---- frames: each has its number, bytes that follow from it, and their sum ---- */

static uint32_t sum(const uint8_t *at, uint32_t n)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < n; i++)
        total = total * 31 + at[i];
    return total;
}

static void make_frame(uint8_t *f, uint32_t peer, uint32_t number, uint32_t bytes)
{
    const uint8_t to[6] = {0x52, 0x49, 0x4e, 0, 0, (uint8_t)peer};
    uint32_t total;

    memcpy(f, to, sizeof to);
    memcpy(f + 6, mac, 6);
    f[12] = TYPE_1;
    f[13] = TYPE_2;
    memcpy(f + HEADER + 4, &number, sizeof number);
    for (uint32_t i = HEADER + 8; i < bytes; i++)
        f[i] = (uint8_t)(number * 31 + i * 7 + i / 256);
    total = sum(f + HEADER + 4, bytes - HEADER - 4);
    memcpy(f + HEADER, &total, sizeof total);
}

static uint32_t number_of(const uint8_t *f)
{
    uint32_t number;

    memcpy(&number, f + HEADER + 4, sizeof number);
    return number;
}

static bool is_right(const uint8_t *f, uint32_t n, uint32_t number)
{
    uint32_t total;

    memcpy(&total, f + HEADER, sizeof total);
    return f[12] == TYPE_1 && f[13] == TYPE_2 && number_of(f) == number &&
           total == sum(f + HEADER + 4, n - HEADER - 4);
}

static void greet(uint32_t peer)
{
    make_frame(frames[0], peer, HELLO, FRAME_LEAST);
    give(frames[0], FRAME_LEAST);
    kick();
}

/* The next frame; its sender's number in *peer.  A greeting is no frame; who listens answers it. */
static void take(uint32_t *peer, bool answers)
{
    uint32_t n;
    const uint8_t *f;
    bool hello;

    do {
        while (!(f = received(&n)))
            wait_for_interrupt();
        hello = number_of(f) == HELLO;
        *peer = f[11];
        if (!hello)
            damaged += !is_right(f, n, got++);
        next();
        if (hello && answers)
            greet(*peer);
    } while (hello);
}

/* Until the other side is there. */
static void meet(uint32_t peer)
{
    uint32_t n;

    while (!received(&n)) {
        greet(peer);
        for (uint32_t i = 0; i < 20000 && !received(&n); i++)
            __asm__ volatile("pause");
    }
    next();
}

/* ---- the two sides ---- */

static uint32_t send(uint32_t peer, uint32_t count, uint32_t bytes, uint32_t batch)
{
    uint32_t answerer;

    meet(peer);
    mark(1, count, bytes);
    for (uint32_t first = 0; first < count; first += batch) {
        for (uint32_t i = 0; i < batch; i++) {
            make_frame(frames[i], peer, first + i, bytes);
            give(frames[i], bytes);
        }
        kick();
        take(&answerer, false);
        damaged += answerer != peer;
    }
    mark(2, count, bytes);
    print("%u frames of %u bytes sent, %u answers, %u damaged\n", count, bytes, got, damaged);
    return damaged;
}

static uint32_t receive(uint32_t count, uint32_t batch)
{
    uint32_t peer = 0;

    for (uint32_t i = 0; i < count / batch; i++) {
        for (uint32_t k = 0; k < batch; k++)
            take(&peer, true);
        make_frame(frames[0], peer, i, FRAME_LEAST);
        give(frames[0], FRAME_LEAST);
        kick();
    }
    print("%u frames received, %u damaged", got, damaged);
    if (!is_virtio)
        print("; sent %u, received %u", nic_read(&nic, E1000_GPTC), nic_read(&nic, E1000_GPRC));
    print("\n");
    return damaged || !interrupts;
}

/* ---- hostile ---- */

static uint64_t seed = 88172645463325252u;

static uint64_t random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Into what may be a ring, a descriptor, or a frame. */
static void spoil(void)
{
    uint64_t *words = (uint64_t *)&nic.tx;

    for (uint32_t i = 0; i < 8; i++)
        words[random() % (2 * NIC_RING)] = random() % 4 ? random() & 0x0f30000007ff : random();
    for (uint32_t i = 0; i < 4; i++)
        ((uint64_t *)&nic.rx)[random() % (2 * NIC_RING)] = random() % 2 ? random() & 0xffffff : random();
}

static uint32_t hostile(uint32_t rounds)
{
    static const uint16_t likely[] = {E1000_TDBAL, E1000_TDBAH, E1000_TDLEN, E1000_TDH,  E1000_TDT,
                                      E1000_RDBAL, E1000_RDLEN, E1000_RDH,   E1000_RDT,  E1000_RCTL,
                                      E1000_TCTL,  E1000_CTRL,  E1000_IMS,   E1000_MDIC, E1000_EERD};

    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t at = random() % 4 ? likely[random() % (sizeof likely / sizeof likely[0])]
                                   : (uint32_t)random() & (E1000_BAR_BYTES - 4);
        uint32_t value = random() % 2 ? (uint32_t)random() : (uint32_t)random() & 0xfff;

        if (i % 64 == 0)
            nic_open(&nic, nic.slot);
        if (i % 16 == 0)
            nic_write(&nic, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_BAM);
        spoil();
        if (random() % 3)
            nic_write(&nic, at, value);
        else
            nic_read(&nic, at);
        nic_write(&nic, E1000_TDT, (uint32_t)random() % (2 * NIC_RING));
    }
    print("%u rounds\n", rounds);
    return 0;
}

/* Both rings of a virtio NIC, and its registers: what cannot be followed makes it need a reset, which it gets
 * now and then. */
static uint32_t hostile_virtio(uint32_t rounds)
{
    uint32_t resets = 0;

    for (uint32_t i = 0; i < rounds; i++) {
        struct virtio_queue *q = random() % 2 ? &vnic.tx : &vnic.rx;
        uint64_t at = random() % (sizeof q->desc + sizeof q->avail) & ~7u;

        if (i % 16 == 0) {
            resets +=
                *(volatile uint8_t *)(vnic.device.common + VIRTIO_DEVICE_STATUS) & VIRTIO_NEEDS_RESET ? 1 : 0;
            vnic_open(&vnic, VECTOR_NIC);
            for (uint16_t k = 0; k < VIRTIO_QUEUE_ENTRIES; k++) /* chains of two */
                virtio_descriptor(vnic.tx.desc, k, frames[k / 2], 100, k % 2 ? 0 : VIRTQ_DESC_F_NEXT, k + 1);
        }
        if (random() % 4 == 0)
            *(uint64_t *)(q->desc + at) = random() % 4 ? random() & 0x0003000f00ffffff : random();
        virtio_offer(q, (uint16_t)(random() % VIRTIO_QUEUE_ENTRIES));
        if (random() % 16 == 0)
            *(volatile uint32_t *)(vnic.device.common + (random() & 0x30fc)) = (uint32_t)random();
        *(volatile uint16_t *)q->bell = q->number;
    }
    print("%u rounds, %s\n", rounds, resets ? "and resets that were needed" : "and no reset was needed");
    return resets == 0;
}

uint32_t guest_main(const char *args)
{
    bool sends = args_is(args, 1, "send");
    uint32_t count = (uint32_t)args_number(args, sends ? 3 : 2, 64);
    uint32_t bytes = sends ? (uint32_t)args_number(args, 4, 1000) : FRAME_LEAST;
    uint32_t batch = (uint32_t)args_number(args, sends ? 5 : 3, BATCH_MOST);

    if (bytes < FRAME_LEAST || bytes > FRAME_MOST || batch < 1 || batch > BATCH_MOST || count % batch) {
        print("a frame has 60 to 1514 bytes, a batch 1 to 8 of them, and there are whole batches\n");
        return 1;
    }
    if (!open_nic())
        return 1;
    if (sends)
        return send((uint32_t)args_number(args, 2, 2), count, bytes, batch);
    if (args_is(args, 1, "receive"))
        return receive(count, batch);
    count = (uint32_t)args_number(args, 2, 2000);
    return is_virtio ? hostile_virtio(count) : hostile(count);
}
