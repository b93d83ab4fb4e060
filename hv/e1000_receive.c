/* e1000_receive.c - frames into the descriptors of an 82540EM (3.2 "Packet Reception"). */
#include "dma.h"
#include "e1000.h"
#include "guests/lib/string.h"
#include "vm.h"

#define FCS_BYTES 4

/* ---- which frames (3.2.1 "Packet Address Filtering") ---- */

static bool is_exact(struct e1000 *e, const uint8_t *mac)
{
    uint32_t low = mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24,
             high = mac[4] | (uint32_t)mac[5] << 8;

    for (unsigned i = 0; i < E1000_ADDRESSES; i++) {
        uint32_t rah = *e1000_reg(e, E1000_RAH(i));

        if (rah & E1000_RAH_AV && (rah & 0xffff) == high && *e1000_reg(e, E1000_RAL(i)) == low)
            return true;
    }
    return false;
}

/* 12 bits of the address, from bit 47 - 36, 35, 34 or 32 on, choose one of 4096. */
static bool is_in_table(struct e1000 *e, uint32_t rctl, const uint8_t *mac)
{
    static const uint8_t shift[] = {4, 3, 2, 0};
    uint32_t hash = ((uint32_t)mac[5] << 8 | mac[4]) >> shift[rctl >> E1000_RCTL_MO_SHIFT & 3] & 0xfff;

    return *e1000_reg(e, E1000_MTA + 4 * (hash >> 5)) >> (hash & 31) & 1;
}

static bool is_broadcast(const uint8_t *mac)
{
    static const uint8_t all[MAC_BYTES] = {255, 255, 255, 255, 255, 255};

    return memcmp(mac, all, MAC_BYTES) == 0;
}

static bool accepts(struct e1000 *e, uint32_t rctl, const uint8_t *mac)
{
    if (is_broadcast(mac))
        return rctl & E1000_RCTL_BAM;
    if (mac[0] & 1)
        return rctl & E1000_RCTL_MPE || is_exact(e, mac) || is_in_table(e, rctl, mac);
    return rctl & E1000_RCTL_UPE || is_exact(e, mac);
}

/* ---- where to ---- */

static uint32_t buffer_bytes(uint32_t rctl)
{
    uint32_t code = rctl >> E1000_RCTL_BSIZE_SHIFT & 3;

    return rctl & E1000_RCTL_BSEX ? (code ? 32768u >> code : 2048) : 2048u >> code;
}

/* Descriptors that are the NIC's; with head or tail beyond the ring there are none. */
static uint32_t available(struct e1000 *e)
{
    uint32_t size = e1000_ring_size(e, E1000_RDBAL), head = *e1000_reg(e, E1000_RDH),
             tail = *e1000_reg(e, E1000_RDT);

    return head < size && tail < size ? (tail + size - head) % size : 0;
}

/* The check sequence (IEEE 802.3, 3.2.9), for drivers that do not have it stripped. */
static uint32_t check_sequence(const uint8_t *frame, unsigned bytes)
{
    uint32_t crc = 0xffffffff;

    for (unsigned i = 0; i < bytes; i++) {
        crc ^= frame[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* One descriptor's part.  An address outside the VM's memory swallows it. */
static void fill(struct e1000 *e, const uint8_t *bytes, uint32_t n, bool last)
{
    uint32_t *head = e1000_reg(e, E1000_RDH);
    uint64_t at = e1000_descriptor(e, E1000_RDBAL, *head), address, word;

    if (dma_read(e->vm, at, &address, sizeof address))
        dma_write(e->vm, address, bytes, n);
    word = (uint64_t)n << E1000_RX_LENGTH |
           (uint64_t)(E1000_RX_DD | E1000_RX_IXSM | (last ? E1000_RX_EOP : 0)) << E1000_RX_STATUS;
    dma_write(e->vm, at + sizeof address, &word, sizeof word);
    *head = (*head + 1) % e1000_ring_size(e, E1000_RDBAL);
}

static void put(struct e1000 *e, uint32_t rctl, const uint8_t *frame, uint32_t bytes)
{
    uint32_t most = buffer_bytes(rctl), n;

    for (; bytes > 0; bytes -= n, frame += n) {
        n = bytes < most ? bytes : most;
        fill(e, frame, n, n == bytes);
    }
}

/* ---- all of it ---- */

static void count(struct e1000 *e, const uint8_t *mac, uint32_t bytes)
{
    e1000_count(e, E1000_GPRC, 1);
    e1000_count(e, E1000_TPR, 1);
    e1000_count_octets(e, E1000_GORCL, bytes + FCS_BYTES);
    e1000_count_octets(e, E1000_TORL, bytes + FCS_BYTES);
    if (mac[0] & 1)
        e1000_count(e, is_broadcast(mac) ? E1000_BPRC : E1000_MPRC, 1);
}

static uint32_t causes(struct e1000 *e, uint32_t rctl)
{
    uint32_t least = e1000_ring_size(e, E1000_RDBAL) >> (1 + (rctl >> E1000_RCTL_RDMTS_SHIFT & 3));

    return E1000_ICR_RXT0 | (available(e) <= least ? E1000_ICR_RXDMT0 : 0);
}

static bool is_ready(struct e1000 *e, uint32_t rctl)
{
    return rctl & E1000_RCTL_EN && *e1000_reg(e, E1000_CTRL) & E1000_CTRL_SLU && vpci_is_master(e->function);
}

bool e1000_receive(void *of, const uint8_t *frame, unsigned bytes)
{
    struct e1000 *e = of;
    uint32_t rctl = *e1000_reg(e, E1000_RCTL), most = buffer_bytes(rctl), length = bytes, sum;
    uint8_t with_fcs[FRAME_MOST + FCS_BYTES];

    if (!vm_alive(e->vm) || !is_ready(e, rctl))
        return false;
    if (!accepts(e, rctl, frame))
        return true;
    if (!(rctl & E1000_RCTL_SECRC)) {
        sum = check_sequence(frame, bytes);
        memcpy(with_fcs, frame, bytes);
        memcpy(with_fcs + bytes, &sum, FCS_BYTES);
        frame = with_fcs;
        length += FCS_BYTES;
    }
    if (available(e) < (length + most - 1) / most) {
        e1000_count(e, E1000_MPC, 1);
        e1000_count(e, E1000_RNBC, 1);
        e1000_cause(e, E1000_ICR_RXO);
        return false;
    }
    put(e, rctl, frame, length);
    count(e, frame, bytes);
    e1000_cause(e, causes(e, rctl));
    return true;
}
