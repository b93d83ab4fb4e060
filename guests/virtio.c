/* virtio - drives a virtio disk: reads, writes and flushes, with and without indirect descriptors and event
 * indices; and a virtio NIC, if there is one: it sends frames, in pieces.  QEMU has the devices too.
 *
 *     virtio [SECTOR] [counts] [iommu]
 *
 * Four requests of two sectors each at a time, from SECTOR (default 8) on; what is there afterwards is as it
 * was, but for the last way.  `counts`: also how many notifications and interrupts each way takes.  `iommu`:
 * the devices are in a domain that has memory 256 GiB higher, page by page.
 *
 * Marks: 1 and 2 around each four requests: RDI is 0 for reading, 1 for writing. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/args.h"
#include "lib/iommu.h"
#include "lib/mark.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/traps.h"
#include "lib/virtio.h"

#define VECTOR_DISK     0x35
#define VECTOR_SPURIOUS 0x4f
#define REQUESTS        4
#define HALF            700 /* a request's two sectors lie in two buffers */
#define BYTES           1024

struct request {
    uint32_t type, reserved;
    uint64_t sector;
    volatile uint8_t status;
    _Alignas(16) uint8_t table[4 * VIRTQ_DESC_BYTES];
};

static struct virtio disk;
static struct virtio_queue queue;
static volatile uint32_t interrupts;
static struct request request[REQUESTS];
static uint8_t data[REQUESTS][BYTES], before[REQUESTS][BYTES];
static bool counts;

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static void on_disk(struct trap_frame *frame)
{
    (void)frame;
    interrupts++;
    apic_write(APIC_EOI, 0);
}

/* ---- the IOMMU ---- */

#define DOMAIN  7
#define SHIFT   (256ull << 30)
#define ALIGNED __attribute__((aligned(4096)))

static uint64_t shift; /* of what devices see */

/* As the device sees it. */
static const volatile void *seen(const volatile void *at)
{
    return (const volatile void *)((uint64_t)at + shift);
}

/* Both devices see the first 4 MiB, where everything of this guest is. */
static bool hide_memory(void)
{
    static ALIGNED uint64_t root[512], context[512], level4[512], level3[512], level2[512], level1[1024];
    const uint64_t both = IOMMU_SL_R | IOMMU_SL_W;

    if (!iommu_present())
        return false;
    for (uint64_t page = 0; page < 1024; page++)
        level1[page] = page << 12 | both;
    level2[0] = (uint64_t)level1 | both;
    level2[1] = (uint64_t)(level1 + 512) | both;
    level3[SHIFT >> 30] = (uint64_t)level2 | both;
    level4[0] = (uint64_t)level3 | both;
    for (uint32_t slot = 1; slot < 32; slot++)
        iommu_set_context(&context[2 * (slot << 3)], IOMMU_CONTEXT_TABLES, DOMAIN, level4, level3);
    root[0] = (uint64_t)context | IOMMU_ENTRY_P;
    iommu_translate(root);
    shift = SHIFT;
    return true;
}

/* ---- requests ---- */

/* A header, data in two buffers, a status. */
static void fill_table(uint8_t *table, uint16_t first, struct request *r, uint8_t *bytes, uint32_t n)
{
    uint16_t flags = VIRTQ_DESC_F_NEXT | (r->type == VIRTIO_BLK_T_OUT ? 0 : VIRTQ_DESC_F_WRITE);

    virtio_descriptor(table, first, seen(r), VIRTIO_BLK_HEADER_BYTES, VIRTQ_DESC_F_NEXT,
                      n ? first + 1 : first + 3);
    virtio_descriptor(table, first + 1, seen(bytes), HALF, flags, first + 2);
    virtio_descriptor(table, first + 2, seen(bytes + HALF), n - HALF, flags, first + 3);
    virtio_descriptor(table, first + 3, seen(&r->status), 1, VIRTQ_DESC_F_WRITE, 0);
}

static void offer(uint16_t i, uint32_t type, uint64_t sector, uint32_t n)
{
    struct request *r = &request[i];

    r->type = type;
    r->sector = sector;
    r->status = 0xff;
    if (disk.features & VIRTIO_BIT(VIRTIO_F_RING_INDIRECT_DESC)) {
        fill_table(r->table, 0, r, data[i], n);
        virtio_descriptor(queue.desc, i, seen(r->table), sizeof r->table, VIRTQ_DESC_F_INDIRECT, 0);
        virtio_offer(&queue, i);
    } else {
        fill_table(queue.desc, 4 * i, r, data[i], n);
        virtio_offer(&queue, 4 * i);
    }
}

/* Until n requests have come back.  The interrupt may be of an earlier one, or have come before. */
static void finish(uint16_t n)
{
    virtio_interrupt_after(&queue, n);
    virtio_kick(&queue);
    while (!virtio_take(&queue, n))
        wait_for_interrupt();
}

/* All four at once; how many did not end well. */
static uint32_t transfer(uint32_t type, uint64_t sector)
{
    uint32_t bad = 0;

    mark(1, type, sector);
    for (uint16_t i = 0; i < REQUESTS; i++)
        offer(i, type, sector + 2u * i, BYTES);
    finish(REQUESTS);
    for (uint16_t i = 0; i < REQUESTS; i++)
        bad += request[i].status != VIRTIO_BLK_S_OK;
    mark(2, type, sector);
    return bad;
}

static uint8_t alone(uint32_t type, uint64_t sector, uint32_t n)
{
    offer(0, type, sector, n);
    finish(1);
    return request[0].status;
}

/* ---- ways ---- */

static uint32_t differ(const uint8_t *a, const uint8_t *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < sizeof data; i++)
        n += a[i] != b[i];
    return n;
}

static void copy(uint8_t *to, const uint8_t *from)
{
    for (uint32_t i = 0; i < sizeof data; i++)
        to[i] = from[i];
}

static void pattern(uint8_t *to, uint8_t first)
{
    for (uint32_t i = 0; i < sizeof data; i++)
        to[i] = (uint8_t)(first + i * 7 + i / 256);
}

/* Reads what is there, writes a pattern, reads that; returns what went wrong. */
static uint32_t try_sectors(uint64_t sector, uint8_t first)
{
    static uint8_t written[REQUESTS][BYTES];
    uint32_t bad = transfer(VIRTIO_BLK_T_IN, sector);

    copy(before[0], data[0]);
    pattern(written[0], first);
    copy(data[0], written[0]);
    bad += transfer(VIRTIO_BLK_T_OUT, sector);
    bad += alone(VIRTIO_BLK_T_FLUSH, 0, 0) != VIRTIO_BLK_S_OK;
    pattern(data[0], 0);
    bad += transfer(VIRTIO_BLK_T_IN, sector);
    return bad + differ(data[0], written[0]);
}

static uint32_t restore(uint64_t sector)
{
    copy(data[0], before[0]);
    return transfer(VIRTIO_BLK_T_OUT, sector);
}

static uint32_t try_way(const char *name, uint64_t features, uint64_t sector, bool last)
{
    uint64_t sectors = virtio_config(&disk, VIRTIO_BLK_CAPACITY);

    if (!virtio_negotiate(&disk,
                          features | VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM))) {
        print("%s: the device refuses\n", name);
        return 1;
    }
    bool msix = pci_enable_msix(disk.slot, 0, VECTOR_DISK, 0);
    virtio_queue_init(&queue, &disk, 0, 0);
    virtio_ready(&disk);
    interrupts = 0;
    uint32_t bad = try_sectors(sector, (uint8_t)features);
    uint8_t past = alone(VIRTIO_BLK_T_IN, sectors, BYTES), unknown = alone(99, 0, 0);
    bad += last ? 0 : restore(sector);
    print("%s: %u wrong; behind the end %u, an unknown request %u; %s\n", name, bad, past, unknown,
          msix && interrupts ? "interrupts" : "no interrupts");
    if (counts)
        print("  %u notifications, %u interrupts\n", queue.notifications, interrupts);
    return bad + (past != VIRTIO_BLK_S_IOERR) + (unknown != VIRTIO_BLK_S_UNSUPP);
}

/* ---- a NIC ---- */

/* Frame i in three pieces: header, addresses and type, data. */
static void offer_frame(struct virtio_queue *q, uint16_t i, const uint8_t mac[6])
{
    static uint8_t header[VIRTIO_NET_HDR_BYTES], ethernet[REQUESTS][14];

    for (uint32_t k = 0; k < 6; k++) {
        ethernet[i][k] = 0xff;
        ethernet[i][6 + k] = mac[k];
    }
    ethernet[i][12] = 0x88; /* for local experiments */
    ethernet[i][13] = 0xb5;
    virtio_descriptor(q->desc, 3 * i, seen(header), sizeof header, VIRTQ_DESC_F_NEXT, 3 * i + 1);
    virtio_descriptor(q->desc, 3 * i + 1, seen(ethernet[i]), 14, VIRTQ_DESC_F_NEXT, 3 * i + 2);
    virtio_descriptor(q->desc, 3 * i + 2, seen(data[i]), 46 + 300u * i, 0, 0);
    virtio_offer(q, 3 * i);
}

static uint32_t try_nic(void)
{
    static struct virtio nic;
    static struct virtio_queue transmit;
    uint8_t mac[6];

    if (!virtio_find(&nic, VIRTIO_ID_NET, 0))
        return 0;
    nic.shift = shift;
    if (!virtio_negotiate(&nic, VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) |
                                    VIRTIO_BIT(VIRTIO_F_ACCESS_PLATFORM))) {
        print("the NIC refuses\n");
        return 1;
    }
    virtio_queue_init(&transmit, &nic, VIRTIO_NET_TRANSMIT, VIRTIO_NO_VECTOR);
    virtio_ready(&nic);
    for (uint32_t i = 0; i < 6; i++)
        mac[i] = virtio_config8(&nic, VIRTIO_NET_MAC + i);
    for (uint16_t i = 0; i < REQUESTS; i++)
        offer_frame(&transmit, i, mac);
    virtio_interrupt_after(&transmit, 0);
    virtio_kick(&transmit);
    while (!virtio_take(&transmit, REQUESTS))
        continue;
    print("a NIC %02x:%02x:%02x:%02x:%02x:%02x, link %s: %u frames are sent\n", mac[0], mac[1], mac[2],
          mac[3], mac[4], mac[5],
          virtio_config8(&nic, VIRTIO_NET_STATUS) & VIRTIO_NET_LINK_UP ? "up" : "down", REQUESTS);
    return 0;
}

static bool has_word(const char *args, const char *word)
{
    return args_is(args, 1, word) || args_is(args, 2, word) || args_is(args, 3, word);
}

uint32_t guest_main(const char *args)
{
    const uint64_t indirect = VIRTIO_BIT(VIRTIO_F_RING_INDIRECT_DESC),
                   event = VIRTIO_BIT(VIRTIO_F_RING_EVENT_IDX);
    uint64_t sector = args_number(args, 1, 8);
    uint32_t bad = 0;

    if (!virtio_find(&disk, VIRTIO_ID_BLOCK, 0)) {
        print("there is no virtio disk\n");
        return 1;
    }
    counts = has_word(args, "counts");
    if (has_word(args, "iommu") && !hide_memory()) {
        print("there is no IOMMU\n");
        return 1;
    }
    disk.shift = shift;
    out8(PORT_PIC_MASK, 0xff);
    out8(PORT_PIC2_MASK, 0xff);
    traps_init();
    trap_set(VECTOR_DISK, on_disk);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    print("a disk of %u sectors, from sector %lu on\n", virtio_config(&disk, VIRTIO_BLK_CAPACITY), sector);
    bad += try_way("plain", 0, sector, false);
    bad += try_way("indirect", indirect, sector, false);
    bad += try_way("event indices", event, sector, false);
    bad += try_way("both", indirect | event, sector, true);
    bad += try_nic();
    return bad != 0;
}
