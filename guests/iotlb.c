/* iotlb - a driver that maps each frame's buffer into its NIC's domain before it sends it, and takes the
 * mapping away when it is sent; what that costs, by three ways to do it.
 *
 *     iotlb off|strict|deferred [FRAMES] [BYTES]   sends frames (default 500 of 60 bytes): without
 * translation; with an invalidation that is waited for after each; with one of the whole domain for each 128
 *     iotlb reach [PAGES] [FRAMES] [large]         sends frames (default 1024) from PAGES pages (default 32)
 * in turn, all of which stay mapped; by pages of 2 MiB iotlb window strict|deferred                 takes a
 * buffer's mapping away, and lets a frame arrive there
 *
 * Marks: 1 and 2 around all frames; 3 when the buffer of `window` is no longer mapped: RDI is its address for
 * the NIC, RSI in memory. */
#include "lib/guest.h"

#include "lib/args.h"
#include "lib/e1000.h"
#include "lib/iommu.h"
#include "lib/mark.h"
#include "lib/pci.h"
#include "lib/print.h"

#define DOMAIN    7
#define PAGE      4096u
#define LARGE     0x200000u
#define SPACE     0x40000000u /* where the NIC sees the buffers */
#define PAGES     512u
#define BATCH     128u /* mappings that are taken away before the deferred way invalidates */
#define UNDER_WAY 16u  /* frames in the ring at a time */
#define ALIGNED   __attribute__((aligned(4096)))
#define BOTH      (IOMMU_SL_R | IOMMU_SL_W)

enum way { OFF, STRICT, DEFERRED };

static ALIGNED uint64_t root[512], context[512], level4[512], level3[512], level2[512], of_buffers[512];
static ALIGNED uint64_t low[512], low2[512]; /* of the first GiB, in which the rings are */
static ALIGNED struct nic nic;
static ALIGNED uint8_t buffer[PAGES][PAGE];
static uint32_t done, gone; /* frames that were sent; mappings taken away since the last invalidation */

/* ---- the domain ---- */

/* What the NIC is to find all the time: its rings, where they are. */
static void map_rings(void)
{
    uint64_t first = (uint64_t)&nic & ~(uint64_t)(LARGE - 1);

    low2[first / LARGE] = (uint64_t)low | BOTH;
    for (uint64_t at = (uint64_t)&nic; at < (uint64_t)(&nic + 1); at += PAGE)
        low[at / PAGE % 512] = at | BOTH;
}

static void make_domain(void)
{
    uint64_t *entry = &context[2 * (nic.slot << 3)];

    level4[0] = (uint64_t)level3 | BOTH;
    level3[0] = (uint64_t)low2 | BOTH;
    level3[SPACE >> 30] = (uint64_t)level2 | BOTH;
    level2[0] = (uint64_t)of_buffers | BOTH;
    map_rings();
    root[0] = (uint64_t)context | IOMMU_ENTRY_P;
    entry[1] = IOMMU_CONTEXT_AW_48 | DOMAIN << IOMMU_CONTEXT_DID_SHIFT;
    entry[0] = (uint64_t)level4 | IOMMU_CONTEXT_TABLES | IOMMU_ENTRY_P;
}

static void translation_on(void)
{
    make_domain();
    iommu_queue_on();
    iommu_write64(IOMMU_RTADDR, (uint64_t)root);
    iommu_command(IOMMU_SRTP);
    iommu_forget_contexts();
    iommu_forget_translations();
    iommu_finish();
    iommu_command(IOMMU_TE);
}

/* A page of the NIC's addresses for a buffer.  It is a new one each time, until all have been used. */
static uint64_t map(enum way way, uint32_t i)
{
    const uint8_t *at = buffer[i % PAGES];

    if (way == OFF)
        return (uint64_t)at;
    of_buffers[i % PAGES] = (uint64_t)at | BOTH;
    return SPACE + (uint64_t)(i % PAGES) * PAGE;
}

/* Strict: when this returns the NIC cannot reach it any more. */
static void unmap(enum way way, uint32_t i)
{
    if (way == OFF)
        return;
    of_buffers[i % PAGES] = 0;
    if (way == STRICT) {
        iommu_forget_page(DOMAIN, SPACE + (uint64_t)(i % PAGES) * PAGE);
        iommu_finish();
    } else if (++gone == BATCH) {
        iommu_forget_domain(DOMAIN);
        iommu_finish();
        gone = 0;
    }
}

/* ---- sending ---- */

static bool is_sent(uint32_t i)
{
    return *(volatile uint64_t *)&nic.tx[i % NIC_RING].word >> 32 & E1000_TX_DD;
}

static void reclaim(enum way way, uint32_t sent)
{
    while (done < sent && is_sent(done))
        unmap(way, done++);
}

static void fill(uint8_t *frame, uint32_t number)
{
    for (uint32_t i = 0; i < 6; i++) {
        frame[i] = 0xff;
        frame[6 + i] = nic.mac[i];
    }
    frame[12] = 0x88; /* for experiments */
    frame[13] = 0xb5;
    *(uint32_t *)(frame + 16) = number;
}

static void send_frames(enum way way, uint32_t frames, uint32_t bytes)
{
    if (way != OFF)
        translation_on();
    mark(1, frames, bytes);
    for (uint32_t i = 0; i < frames; i++) {
        while (i - done >= UNDER_WAY)
            reclaim(way, i);
        fill(buffer[i % PAGES], i);
        nic_send(&nic, (const void *)map(way, i), bytes, 0);
        reclaim(way, i + 1);
    }
    while (done < frames)
        reclaim(way, frames);
    mark(2, frames, bytes);
    print("%u frames of %u bytes sent\n", frames, bytes);
}

/* ---- what the IOTLB holds ---- */

static void map_all(bool large)
{
    uint64_t first = (uint64_t)buffer & ~(uint64_t)(LARGE - 1);

    for (uint32_t i = 0; i < PAGES; i++)
        of_buffers[i] = (uint64_t)buffer[i] | BOTH;
    for (uint32_t i = 0; large && i < 3; i++)
        level2[i] = (first + (uint64_t)i * LARGE) | BOTH | IOMMU_SL_PS;
}

static void reach(uint32_t pages, uint32_t frames, bool large)
{
    uint64_t offset = large ? (uint64_t)buffer % LARGE : 0;

    translation_on();
    map_all(large);
    mark(1, frames, pages);
    for (uint32_t i = 0; i < frames; i++) {
        nic_send(&nic, (const void *)(SPACE + offset + (uint64_t)(i % pages) * PAGE), 60, 0);
        while (!nic_sent(&nic))
            continue;
    }
    mark(2, frames, pages);
    print("%u frames sent from %u pages\n", frames, pages);
}

/* ---- the window ---- */

/* The frame comes to where the ring says; the driver has checked what was there, and believes that it is its
 * own by now. */
static void window(enum way way)
{
    volatile uint32_t *word = (volatile uint32_t *)buffer[0];
    uint64_t address;
    uint32_t bytes;

    translation_on();
    address = map(way, 0);
    iommu_finish();
    nic_write(&nic, E1000_RCTL, 0);
    nic.rx[0] = (struct nic_descriptor){address, 0};
    nic.rx[1] = (struct nic_descriptor){address, 0};
    nic_write(&nic, E1000_RDH, 0);
    nic_write(&nic, E1000_RDT, 2);
    nic_write(&nic, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_SECRC);
    print("waits for a frame\n");
    while (!nic_received(&nic, &bytes))
        continue;
    nic.rx_next = 1;
    unmap(way, 0);
    print("the first word is %08x, and the buffer is no longer mapped\n", *word);
    mark(3, address, (uint64_t)buffer);
    while (!nic_received(&nic, &bytes))
        continue;
    print("now it is %08x\n", *word);
}

/* ---- all of it ---- */

static bool open_nic(void)
{
    uint32_t slot = pci_find(E1000_VENDOR, E1000_DEVICE, 0);

    if (slot == PCI_NOWHERE || !iommu_present()) {
        print(slot == PCI_NOWHERE ? "there is no E1000\n" : "there is no IOMMU\n");
        return false;
    }
    nic_open(&nic, slot);
    while (!(nic_read(&nic, E1000_STATUS) & E1000_STATUS_LU))
        continue;
    return true;
}

static enum way way_of(const char *args, unsigned word)
{
    return args_is(args, word, "off") ? OFF : args_is(args, word, "strict") ? STRICT : DEFERRED;
}

uint32_t guest_main(const char *args)
{
    uint32_t pages = (uint32_t)args_number(args, 2, 32);

    if (!open_nic())
        return 1;
    if (args_is(args, 1, "window"))
        window(way_of(args, 2));
    else if (args_is(args, 1, "reach"))
        reach(pages > 0 && pages <= PAGES ? pages : PAGES, (uint32_t)args_number(args, 3, 1024),
              args_is(args, 4, "large"));
    else
        send_frames(way_of(args, 1), (uint32_t)args_number(args, 2, 500),
                    (uint32_t)args_number(args, 3, 60) % 1515);
    return 0;
}
