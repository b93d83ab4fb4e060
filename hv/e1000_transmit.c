/* e1000_transmit.c - frames out of the descriptors of an 82540EM (3.3 "Packet Transmission"): legacy ones,
 * and data with the sums that a context asks for; no segmentation. */
#include "dma.h"
#include "e1000.h"
#include "guests/lib/string.h"
#include "vm.h"

#define AT_ONCE                  256 /* descriptors of one access: the rest waits for the next turn */
#define PADDED_LENGTH            60
#define COMMAND(word)            ((uint32_t)((word) >> E1000_TX_COMMAND) & 0xff)
#define FIELD(word, shift, bits) ((uint32_t)((word) >> (shift)) & ((1u << (bits)) - 1))

/* ---- sums (RFC 1071) ---- */

/* Puts the sum of the bytes from `start` to `end`, that included, at `place`; 0 as an end is the frame's. */
static void insert_sum(struct e1000 *e, uint32_t start, uint32_t place, uint32_t end)
{
    uint32_t sum = 0, behind = end && end < e->length ? end + 1 : e->length;

    if (place + 2 > e->length)
        return;
    for (uint32_t i = start; i < behind; i++)
        sum += (i - start) % 2 ? e->frame[i] : (uint32_t)e->frame[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    e->frame[place] = (uint8_t)(~sum >> 8);
    e->frame[place + 1] = (uint8_t)~sum;
}

/* The field of IP's sum counts as 0. */
static void insert_sums(struct e1000 *e)
{
    uint64_t c = e->context[0];
    uint32_t place = FIELD(c, E1000_TX_IPCSO, 8);

    if (e->options & E1000_TX_IXSM && place + 2 <= e->length) {
        e->frame[place] = e->frame[place + 1] = 0;
        insert_sum(e, FIELD(c, E1000_TX_IPCSS, 8), place, FIELD(c, E1000_TX_IPCSE, 16));
    }
    if (e->options & E1000_TX_TXSM)
        insert_sum(e, FIELD(c, E1000_TX_TUCSS, 8), FIELD(c, E1000_TX_TUCSO, 8), FIELD(c, E1000_TX_TUCSE, 16));
}

/* ---- a frame ---- */

static void pad(struct e1000 *e)
{
    if (e->length >= PADDED_LENGTH || !(*e1000_reg(e, E1000_TCTL) & E1000_TCTL_PSP))
        return;
    memset(e->frame + e->length, 0, PADDED_LENGTH - e->length);
    e->length = PADDED_LENGTH;
}

static void send(struct e1000 *e)
{
    insert_sums(e);
    pad(e);
    e1000_count(e, E1000_GPTC, 1);
    e1000_count(e, E1000_TPT, 1);
    e1000_count_octets(e, E1000_GOTCL, e->length + 4); /* with FCS */
    e1000_count_octets(e, E1000_TOTL, e->length + 4);
    vswitch_send(net_switch(), e->port, e->frame, e->length);
}

/* What is longer than a frame may be is not sent, nor what lies outside the VM's memory. */
static void gather(struct e1000 *e, uint64_t address, uint32_t bytes)
{
    if (bytes > sizeof e->frame - e->length || !dma_read(e->vm, address, e->frame + e->length, bytes))
        e->too_long = true;
    else
        e->length += bytes;
}

static void end_of_frame(struct e1000 *e)
{
    if (!e->too_long && e->length > 0 && *e1000_reg(e, E1000_CTRL) & E1000_CTRL_SLU)
        send(e);
    e->length = 0;
    e->too_long = false;
}

/* ---- a descriptor ---- */

static void legacy(struct e1000 *e, uint64_t address, uint64_t word)
{
    gather(e, address, FIELD(word, E1000_TX_LENGTH, 16));
    e->options = 0;
    if (COMMAND(word) & E1000_TX_EOP && COMMAND(word) & E1000_TX_IC && !e->too_long)
        insert_sum(e, FIELD(word, E1000_TX_CSS, 8), FIELD(word, E1000_TX_CSO, 8), 0);
}

static void data(struct e1000 *e, uint64_t address, uint64_t word)
{
    if (e->length == 0)
        e->options = (uint8_t)FIELD(word, E1000_TX_OPTIONS, 8);
    gather(e, address, FIELD(word, E1000_TX_LENGTH, 20));
    e->too_long |= (COMMAND(word) & E1000_TX_TSE) != 0;
}

static void work(struct e1000 *e, uint64_t address, uint64_t word)
{
    uint32_t command = COMMAND(word);

    if (!(command & E1000_TX_DEXT)) {
        legacy(e, address, word);
    } else if (FIELD(word, E1000_TX_TYPE, 4) == E1000_TX_DATA) {
        data(e, address, word);
    } else {
        e->context[0] = address;
        e->context[1] = word;
        return;
    }
    if (command & E1000_TX_EOP)
        end_of_frame(e);
}

/* Returns the causes that it is. */
static uint32_t one(struct e1000 *e, uint32_t head)
{
    uint64_t at = e1000_descriptor(e, E1000_TDBAL, head), words[2];

    if (!dma_read(e->vm, at, words, sizeof words))
        return 0;
    work(e, words[0], words[1]);
    if (!(COMMAND(words[1]) & E1000_TX_RS))
        return 0;
    words[1] |= (uint64_t)E1000_TX_DD << E1000_TX_STATUS;
    dma_write(e->vm, at + sizeof words[0], &words[1], sizeof words[1]);
    return E1000_ICR_TXDW;
}

static bool may_transmit(struct e1000 *e)
{
    return *e1000_reg(e, E1000_TCTL) & E1000_TCTL_EN && vpci_is_master(e->function);
}

/* Head and tail are the guest's: beyond the ring there is nothing. */
void e1000_transmit(struct e1000 *e)
{
    uint32_t size = e1000_ring_size(e, E1000_TDBAL), *head = e1000_reg(e, E1000_TDH);
    uint32_t tail = *e1000_reg(e, E1000_TDT), causes = 0, before = *head;

    if (!may_transmit(e) || *head >= size || tail >= size)
        return;
    virtio_net_hold();
    for (unsigned n = 0; n < AT_ONCE && *head != tail; n++) {
        causes |= one(e, *head);
        *head = (*head + 1) % size;
    }
    virtio_net_release();
    if (*head != before)
        e1000_cause(e, causes | (*head == tail ? E1000_ICR_TXQE : 0));
}
