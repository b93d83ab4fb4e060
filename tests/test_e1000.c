/* test_e1000.c - the 82540EM against its manual: registers after a reset and what they do, EEPROM and PHY,
 * filters, rings, checksums, interrupts and their delays. */
#include <string.h>

#include "arch/apic.h"
#include "arch/board.h"
#include "arch/e1000.h"
#include "cpu/cpu.h"
#include "dev/dma.h"
#include "dev/e1000.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "mmu/bytes.h"
#include "mmu/mem.h"

#include <check.h>

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define SLOT     4
#define RX_RING  UINT64_C(0x600000)
#define TX_RING  UINT64_C(0x610000)
#define BUFFERS  UINT64_C(0x620000) /* 4 KiB each */
#define DATA     UINT64_C(0x700000)
#define COUNT    8 /* descriptors of a ring */

static struct bare b;
static struct machine *m;
static struct core *c;
static struct pci_device *nic[2];
static struct e1000 *e; /* the first one's */
static u8 frame[FRAME_MOST + 8];

/* The last frames that were sent. */
static struct sent {
    unsigned nic, n;
    u64 cycle;
    u8 bytes[FRAME_MOST];
} sent[8];
static unsigned sendings, drops, why;

static void on_frame(const struct rs_event *event, void *arg)
{
    (void)arg;
    if (event->field[0] == FRAME_DROPPED) {
        drops++;
        why = (unsigned)event->field[3];
    }
    if (event->field[0] != FRAME_SENT)
        return;
    struct sent *s = &sent[sendings++ % 8];
    s->nic = (unsigned)event->field[1];
    s->n = (unsigned)event->field[2];
    s->cycle = event->cycle;
    memcpy(s->bytes, event->frame, s->n);
}

static u64 reg_of(unsigned i, unsigned at)
{
    return nic[i]->model->read(nic[i], 0, at, 4);
}

static void set_of(unsigned i, unsigned at, u64 value)
{
    nic[i]->model->write(nic[i], 0, at, 4, value);
}

static u64 reg(unsigned at)
{
    return reg_of(0, at);
}

static void set(unsigned at, u64 value)
{
    set_of(0, at, value);
}

static void set_up(void)
{
    const struct rs_device device[] = {{.kind = "e1000", .slot = SLOT},
                                       {.kind = "e1000", .slot = SLOT + 1, .mac = {2, 3, 4, 5, 6, 7}}};
    bare_open_devices(&b, FIRMWARE, 1, device, 2);
    m = b.machine;
    c = b.core;
    for (unsigned i = 0; i < 2; i++) {
        nic[i] = m->pci[SLOT + i];
        pci_config_write(m, PCI_ADDRESS(0u, SLOT + i, 0u, PCI_COMMAND), 2,
                         PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    }
    e = &m->b.e1000[0];
    for (unsigned i = 0; i < sizeof frame; i++)
        frame[i] = (u8)(i * 13 + i / 256);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    memcpy(frame, port_mac(nic[0]), MAC_BYTES);
    sendings = drops = 0;
    rs_watch(b.world, RS_PROBE_frame, false, on_frame, NULL);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void settle(void)
{
    for (unsigned most = 200000; devices_next_due(m) != UINT64_MAX && most; most--)
        devices_atom(m);
    ck_assert_uint_eq(devices_next_due(m), UINT64_MAX);
}

/* A ring of buffers of 4 KiB, all but one the hardware's; interrupts stay masked. */
static void receiver_on(u64 rctl)
{
    for (unsigned i = 0; i < COUNT; i++) {
        bare_set_u64(&b, RX_RING + 16 * i, BUFFERS + 4096 * i);
        bare_set_u64(&b, RX_RING + 16 * i + 8, 0);
    }
    set(E1000_RDBAL, RX_RING);
    set(E1000_RDLEN, 16 * COUNT);
    set(E1000_RDH, 0);
    set(E1000_RDT, COUNT - 1);
    set(E1000_CTRL, reg(E1000_CTRL) | E1000_CTRL_SLU);
    set(E1000_RCTL, E1000_RCTL_EN | rctl);
}

static void transmitter_on(void)
{
    set(E1000_TDBAL, TX_RING);
    set(E1000_TDLEN, 16 * COUNT);
    set(E1000_CTRL, reg(E1000_CTRL) | E1000_CTRL_SLU);
    set(E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

static void arrive(const u8 *bytes, unsigned n)
{
    struct rs_error err;
    ck_assert_int_eq(rs_input_frame(m, 0, bytes, n, &err), RS_OK);
    settle();
}

static u64 rx_word(unsigned i)
{
    return bare_u64(&b, RX_RING + 16 * i + 8);
}

static unsigned rx_length(unsigned i)
{
    return rx_word(i) & 0xffff;
}

static unsigned rx_status(unsigned i)
{
    return rx_word(i) >> E1000_RX_STATUS & 0xff;
}

static void check_memory(u64 at, const u8 *bytes, unsigned n)
{
    u8 got[FRAME_MOST];
    ck_assert_int_eq(rs_read(m, at, got, n), RS_OK);
    ck_assert_mem_eq(got, bytes, n);
}

/* ---- registers ---- */

START_TEST(registers_after_a_reset)
{
    static const struct {
        unsigned at;
        u32 value;
    } known[] = {
        {E1000_CTRL, 0x201},
        {E1000_CTRL_DUP, 0x201},
        {E1000_STATUS, 0x1},
        {E1000_VET, 0x8100},
        {E1000_ICR, 0},
        {E1000_IMS, 0},
        {E1000_ITR, 0},
        {E1000_RCTL, 0},
        {E1000_TCTL, 0},
        {E1000_PBA, 0x100030},
        {E1000_RDTR, 0},
        {E1000_RADV, 0},
        {E1000_RXDCTL, 0x10000},
        {E1000_RDLEN, 0},
        {E1000_TDLEN, 0},
        {E1000_RXCSUM, 0},
        {E1000_RAL(0), 0x12005452},
        {E1000_RAH(0), 0x80005634},
        {E1000_RAH(1), 0},
        {E1000_MTA, 0},
        {E1000_STATS, 0},
        {0x1ff0, 0},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_msg(reg(known[i].at) == known[i].value, "%#x: %#llx", known[i].at,
                      (unsigned long long)reg(known[i].at));
    ck_assert_uint_eq(reg_of(1, E1000_RAL(0)), 0x05040302);
    ck_assert_uint_eq(pci_config(nic[0], PCI_VENDOR, 4), 0x100e8086);
    ck_assert_uint_eq(pci_config(nic[0], PCI_CLASS, 3), 0x020000);
    ck_assert_uint_eq(pci_config(nic[0], PCI_CAPABILITIES, 1), 0xf0);
    ck_assert_uint_eq(pci_config(nic[0], 0xf0, 2), PCI_CAP_MSI);
}
END_TEST

START_TEST(a_reset_by_ctrl_leaves_phy_and_ports)
{
    set(E1000_MDIC,
        E1000_MDIC_WRITE | 1u << E1000_MDIC_PHY | E1000_PHY_ADVERTISE << E1000_MDIC_REGISTER | 0x61);
    set(E1000_RAL(0), 1);
    set(E1000_RCTL, E1000_RCTL_EN);
    set(E1000_IMS, 0xffffffff);
    set(E1000_ICS, E1000_ICR_LSC);
    ck_assert(pci_config(nic[0], PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    set(E1000_CTRL, E1000_CTRL_RST | E1000_CTRL_SLU);
    ck_assert(!(pci_config(nic[0], PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
    ck_assert_uint_eq(reg(E1000_CTRL), 0x201);
    ck_assert_uint_eq(reg(E1000_RAL(0)), 0x12005452);
    ck_assert_uint_eq(reg(E1000_RCTL) | reg(E1000_IMS) | reg(E1000_ICR), 0);
    ck_assert_uint_eq(e->phy[E1000_PHY_ADVERTISE], 0x61);
}
END_TEST

START_TEST(registers_have_32_bits_and_only_their_own)
{
    set(E1000_RDLEN, 0xffffffff);
    ck_assert_uint_eq(reg(E1000_RDLEN), 0xfff80);
    set(E1000_TDBAL, 0xffffffff);
    ck_assert_uint_eq(reg(E1000_TDBAL), 0xfffffff0);
    set(E1000_STATUS, 0xffffffff);
    ck_assert_uint_eq(reg(E1000_STATUS), 1);
    set(E1000_RAH(5), 0xffffffff);
    ck_assert_uint_eq(reg(E1000_RAH(5)), 0x8003ffff);
    nic[0]->model->write(nic[0], 0, E1000_VET, 2, 0x1234); /* narrower: swallowed */
    ck_assert_uint_eq(reg(E1000_VET), 0x8100);
    ck_assert_uint_eq(nic[0]->model->read(nic[0], 0, E1000_VET + 1, 1) & 0xff, 0x81);
    nic[0]->model->write(nic[0], 0, E1000_MTA, 8, UINT64_C(0x1122334455667788));
    ck_assert_uint_eq(reg(E1000_MTA), 0x55667788);
    ck_assert_uint_eq(nic[0]->model->read(nic[0], 0, E1000_MTA, 8), UINT64_C(0x1122334455667788));
}
END_TEST

START_TEST(ports_reach_the_same_registers)
{
    u16 port = (u16)(pci_config(nic[0], PCI_BAR(1), 4) & ~3u);
    board_out(c, port, 4, E1000_VET);
    ck_assert_uint_eq(board_in(c, port, 4), E1000_VET);
    ck_assert_uint_eq(board_in(c, (u16)(port + 4), 4), 0x8100);
    board_out(c, (u16)(port + 4), 4, 0x88a8);
    ck_assert_uint_eq(reg(E1000_VET), 0x88a8);
    board_out(c, port, 4, 0xfffffff0);
    board_out(c, (u16)(port + 4), 4, 1);
    ck_assert_uint_eq(board_in(c, (u16)(port + 4), 4), 0);
}
END_TEST

START_TEST(pba_divides_the_packet_buffer)
{
    set(E1000_PBA, 0x10);
    ck_assert_uint_eq(reg(E1000_PBA), 0x300010);
    set(E1000_PBA, 0xff);
    ck_assert_uint_eq(reg(E1000_PBA), 0x40);
}
END_TEST

/* ---- EEPROM ---- */

static u16 eerd(unsigned at)
{
    set(E1000_EERD, E1000_EERD_START | at << E1000_EERD_ADDRESS);
    ck_assert(reg(E1000_EERD) & E1000_EERD_DONE);
    return (u16)(reg(E1000_EERD) >> E1000_EERD_DATA);
}

START_TEST(the_eeprom_has_the_address_and_its_sum)
{
    u16 sum = 0;
    ck_assert_uint_eq(eerd(0), 0x5452);
    ck_assert_uint_eq(eerd(2), 0x5634);
    for (unsigned i = 0; i < E1000_EEPROM_WORDS; i++)
        sum = (u16)(sum + eerd(i));
    ck_assert_uint_eq(sum, E1000_EEPROM_SUM);
}
END_TEST

/* Falling, then rising edge; returns DO. */
static unsigned clock_bit(unsigned bit)
{
    u64 value = E1000_EECD_CS | (bit ? E1000_EECD_DI : 0);
    set(E1000_EECD, value);
    set(E1000_EECD, value | E1000_EECD_SK);
    return !!(reg(E1000_EECD) & E1000_EECD_DO);
}

static unsigned clock_bits(unsigned value, unsigned n)
{
    unsigned out = 0;
    while (n--)
        out = out << 1 | clock_bit(value >> n & 1);
    return out;
}

START_TEST(the_eeprom_can_be_clocked_out)
{
    set(E1000_EECD, E1000_EECD_REQ);
    ck_assert_uint_eq(reg(E1000_EECD) & (E1000_EECD_GNT | E1000_EECD_PRES), E1000_EECD_GNT | E1000_EECD_PRES);
    clock_bit(0); /* before the start bit */
    clock_bits(6, 3);
    ck_assert_uint_eq(clock_bits(1, 6) & 1, 0); /* a zero behind the address */
    ck_assert_uint_eq(clock_bits(0, 16), eerd(1));
    ck_assert_uint_eq(clock_bits(0, 16), eerd(2)); /* and on */
    set(E1000_EECD, 0);
    clock_bits(6, 3);
    clock_bits(0x3f, 6);
    ck_assert_uint_eq(clock_bits(0, 16), eerd(0x3f));
}
END_TEST

/* ---- PHY and link ---- */

static u16 phy(unsigned at)
{
    set(E1000_MDIC, E1000_MDIC_READ | 1u << E1000_MDIC_PHY | at << E1000_MDIC_REGISTER);
    ck_assert_uint_eq(reg(E1000_MDIC) & (E1000_MDIC_READY | E1000_MDIC_ERROR), E1000_MDIC_READY);
    return reg(E1000_MDIC) & 0xffff;
}

START_TEST(the_phy_answers_by_mdic)
{
    ck_assert_uint_eq(phy(E1000_PHY_ID), 0x0141);
    ck_assert_uint_eq(phy(E1000_PHY_ID + 1), 0x0c20);
    ck_assert_uint_eq(phy(E1000_PHY_STATUS) & 0x24, 0x24); /* done, link */
    ck_assert_uint_eq(phy(E1000_PHY_SPECIFIC_STATUS) >> 14, 2);
    set(E1000_MDIC, E1000_MDIC_READ | 2u << E1000_MDIC_PHY);
    ck_assert(reg(E1000_MDIC) & E1000_MDIC_ERROR);
    set(E1000_MDIC, E1000_MDIC_READ | E1000_MDIC_INTERRUPT | 1u << E1000_MDIC_PHY);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_MDAC);
    set(E1000_MDIC, E1000_MDIC_WRITE | 1u << E1000_MDIC_PHY | 0x9300);
    ck_assert_uint_eq(phy(E1000_PHY_CONTROL), 0x1140); /* reset, and no longer that */
}
END_TEST

START_TEST(the_link_is_up_if_all_want_it)
{
    struct rs_link link;
    rs_link_init(&link);
    set(E1000_CTRL, E1000_CTRL_SLU);
    ck_assert_uint_eq(reg(E1000_STATUS), 0x283); /* full duplex, up, 1000 */
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_LSC);
    ck_assert_uint_eq(reg(E1000_ICR), 0);
    link.cut = 1;
    rs_link(m, 0, m, 1, &link, NULL);
    ck_assert_uint_eq(reg(E1000_STATUS), 1);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_LSC);
    ck_assert_uint_eq(phy(E1000_PHY_STATUS) & 0x24, 0);
    link.cut = 0;
    link.bandwidth = 100000000;
    rs_link(m, 0, m, 1, &link, NULL);
    ck_assert_uint_eq(reg(E1000_STATUS), 0x143);
    set(E1000_MDIC, E1000_MDIC_WRITE | 1u << E1000_MDIC_PHY | 0x1940); /* power down */
    ck_assert_uint_eq(reg(E1000_STATUS), 1);
}
END_TEST

/* ---- filters ---- */

/* Whether a frame to that address, with that tag (0: none), gets to memory. */
static bool taken(const char *mac, unsigned tag)
{
    unsigned before = (unsigned)reg(E1000_RDH);
    memcpy(frame, mac, MAC_BYTES);
    frame[12] = tag ? 0x81 : 0x88;
    frame[13] = tag ? 0x00 : 0xb5;
    frame[14] = (u8)(tag >> 8);
    frame[15] = (u8)tag;
    arrive(frame, 64);
    bool yes = reg(E1000_RDH) != before;
    set(E1000_RDT, (reg(E1000_RDH) + COUNT - 1) % COUNT);
    return yes;
}

#define OTHER "\x52\x54\x00\x12\x34\x99"
#define OWN   "\x52\x54\x00\x12\x34\x56"
#define ALL   "\xff\xff\xff\xff\xff\xff"
#define GROUP "\x01\x00\x5e\x00\xab\xcd"

START_TEST(addresses_are_filtered)
{
    receiver_on(0);
    ck_assert(taken(OWN, 0) && !taken(OTHER, 0) && !taken(ALL, 0) && !taken(GROUP, 0));
    ck_assert_uint_eq(why, FRAME_FILTERED);
    set(E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_BAM);
    ck_assert(taken(ALL, 0) && !taken(GROUP, 0));
    set(E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE);
    ck_assert(taken(OTHER, 0) && !taken(GROUP, 0));
    set(E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_MPE);
    ck_assert(!taken(OTHER, 0) && taken(GROUP, 0) && taken(ALL, 0));
    set(E1000_RCTL, E1000_RCTL_EN);
    set(E1000_RAL(7), 0x12005452);
    set(E1000_RAH(7), 0x80009934);
    ck_assert(taken(OTHER, 0));
    set(E1000_RAH(0), 0x5634);
    ck_assert(!taken(OWN, 0)); /* not valid any more */
    set(E1000_RCTL, 0);
    ck_assert(!taken(OTHER, 0));
    ck_assert_uint_eq(why, FRAME_OFF);
}
END_TEST

START_TEST(groups_are_found_by_hash)
{
    /* The last bytes are ab cd: bits 47:36 of the address are cda, 46:35 9b5, 45:34 36a, 43:32 dab. */
    static const unsigned hash[4] = {0xcda, 0x9b5, 0x36a, 0xdab};
    receiver_on(0);
    for (unsigned mo = 0; mo < 4; mo++) {
        set(E1000_RCTL, E1000_RCTL_EN | mo << E1000_RCTL_MO_SHIFT);
        ck_assert(!taken(GROUP, 0));
        set(E1000_MTA + 4 * (hash[mo] >> 5), 1u << (hash[mo] & 31));
        unsigned at = (unsigned)reg(E1000_RDH);
        ck_assert(taken(GROUP, 0));
        ck_assert(rx_status(at) & E1000_RX_PIF);
        set(E1000_MTA + 4 * (hash[mo] >> 5), 0);
    }
}
END_TEST

START_TEST(vlans_are_filtered_and_stripped)
{
    receiver_on(E1000_RCTL_VFE);
    ck_assert(taken(OWN, 0) && !taken(OWN, 0x2065));
    set(E1000_VFTA + 4 * (0x65 >> 5), 1u << (0x65 & 31));
    unsigned at = (unsigned)reg(E1000_RDH);
    ck_assert(taken(OWN, 0x2065) && !taken(OWN, 0x2066));
    ck_assert_uint_eq(rx_length(at), 68);
    ck_assert(!(rx_status(at) & E1000_RX_VP));
    set(E1000_CTRL, reg(E1000_CTRL) | E1000_CTRL_VME);
    at = (unsigned)reg(E1000_RDH);
    ck_assert(taken(OWN, 0x2065));
    ck_assert_uint_eq(rx_length(at), 64);
    ck_assert(rx_status(at) & E1000_RX_VP);
    ck_assert_uint_eq(rx_word(at) >> E1000_RX_SPECIAL, 0x2065);
    check_memory(BUFFERS + 4096 * at + 12, frame + 16, 48);
}
END_TEST

/* ---- reception ---- */

START_TEST(a_frame_goes_to_memory)
{
    receiver_on(0);
    arrive(frame, 1000);
    ck_assert_uint_eq(reg(E1000_RDH), 1);
    ck_assert_uint_eq(rx_length(0), 1004);
    ck_assert_uint_eq(rx_status(0), E1000_RX_DD | E1000_RX_EOP | E1000_RX_IXSM);
    check_memory(BUFFERS, frame, 1000);
    ck_assert_uint_eq(bare_u64(&b, BUFFERS + 1004) & 0xffffffff, 0);
    ck_assert_uint_eq(reg(E1000_ICR) & E1000_ICR_RXT0, E1000_ICR_RXT0);
    ck_assert_uint_eq(reg(E1000_GPRC), 1);
    ck_assert_uint_eq(reg(E1000_GPRC), 0); /* the read has cleared it */
    ck_assert_uint_eq(reg(E1000_GORCL), 1004);
    ck_assert_uint_eq(reg(E1000_GORCL), 1004);
    ck_assert_uint_eq(reg(E1000_GORCH), 0);
    ck_assert_uint_eq(reg(E1000_GORCL), 0);
    ck_assert_uint_eq(reg(E1000_PRC64 + 16), 1); /* up to 1023 */
}
END_TEST

/* 60 zeros end with this FCS (the CRC-32 of zlib). */
START_TEST(short_frames_are_padded_and_end_with_their_fcs)
{
    static const u8 zeros[60];
    receiver_on(E1000_RCTL_UPE);
    arrive(zeros, 14);
    ck_assert_uint_eq(rx_length(0), 64);
    ck_assert_uint_eq(bare_u64(&b, BUFFERS + 60) & 0xffffffff, 0x04128908);
    set(E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_SECRC);
    arrive(zeros, 60);
    ck_assert_uint_eq(rx_length(1), 60);
    ck_assert_uint_eq(bare_u64(&b, BUFFERS + 4096 + 60) & 0xffffffff, 0);
    ck_assert_uint_eq(reg(E1000_PRC64), 2);
}
END_TEST

START_TEST(small_buffers_are_filled_one_after_the_other)
{
    receiver_on(3u << E1000_RCTL_BSIZE_SHIFT | E1000_RCTL_SECRC); /* 256 bytes */
    arrive(frame, 600);
    ck_assert_uint_eq(reg(E1000_RDH), 3);
    ck_assert(rx_length(0) == 256 && rx_length(1) == 256 && rx_length(2) == 88);
    ck_assert_uint_eq(rx_status(0), E1000_RX_DD);
    ck_assert_uint_eq(rx_status(2), E1000_RX_DD | E1000_RX_EOP | E1000_RX_IXSM);
    check_memory(BUFFERS + 4096, frame + 256, 256);
    check_memory(BUFFERS + 2 * 4096, frame + 512, 88);
    ck_assert_uint_eq(bare_u64(&b, BUFFERS + 256), 0); /* no further */
    set(E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_BSEX | 3u << E1000_RCTL_BSIZE_SHIFT);
    arrive(frame, 1500);
    ck_assert_uint_eq(reg(E1000_RDH), 4); /* 4096 bytes */
}
END_TEST

START_TEST(frames_wait_for_descriptors_and_miss_the_fifo)
{
    receiver_on(0);
    set(E1000_RDT, 0);
    set(E1000_PBA, 2); /* 2 KiB */
    arrive(frame, 1500);
    ck_assert_uint_eq(reg(E1000_RNBC), 1);
    ck_assert_uint_eq(reg(E1000_MPC), 0);
    arrive(frame, 1500);
    ck_assert_uint_eq(reg(E1000_MPC), 1);
    ck_assert_uint_eq(why, FRAME_NO_ROOM);
    ck_assert(reg(E1000_ICR) & E1000_ICR_RXO);
    set(E1000_RDT, 2);
    settle();
    ck_assert_uint_eq(reg(E1000_RDH), 1);
    check_memory(BUFFERS, frame, 1500);
    for (unsigned i = 0; i < 20; i++) { /* round the FIFO's end */
        set(E1000_RDT, (reg(E1000_RDH) + 2) % COUNT);
        unsigned at = (unsigned)reg(E1000_RDH);
        arrive(frame, 1000 + i);
        check_memory(BUFFERS + 4096 * at, frame, 1000 + i);
    }
}
END_TEST

START_TEST(few_descriptors_are_told_of_once)
{
    receiver_on(0); /* a half: 4 */
    for (unsigned i = 0; i < 5; i++) {
        reg(E1000_ICR);
        arrive(frame, 60);
        u64 low = reg(E1000_ICR) & E1000_ICR_RXDMT0;
        ck_assert_uint_eq(low, i == 2 ? E1000_ICR_RXDMT0 : 0); /* 7 - 3 are left */
    }
}
END_TEST

START_TEST(no_master_no_ring)
{
    receiver_on(0);
    pci_config_write(m, PCI_ADDRESS(0u, SLOT, 0u, PCI_COMMAND), 2, PCI_COMMAND_MEMORY);
    arrive(frame, 100);
    ck_assert_uint_eq(reg(E1000_RDH), 0);
    pci_config_write(m, PCI_ADDRESS(0u, SLOT, 0u, PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    settle();
    ck_assert_uint_eq(reg(E1000_RDH), 1);
}
END_TEST

/* ---- checksums ---- */

/* A UDP or TCP packet in a frame to the NIC, with right sums; returns the frame's length. */
static unsigned ip_packet(u8 protocol, unsigned data)
{
    unsigned n = protocol == 6 ? 20 : 8, total = 20 + n + data;
    static const u8 ip[20] = {0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, 0, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
    memcpy(frame, port_mac(nic[0]), MAC_BYTES);
    frame[12] = 0x08;
    frame[13] = 0x00;
    u8 *h = frame + 14, *t = h + 20;
    memcpy(h, ip, 20);
    h[2] = (u8)(total >> 8);
    h[3] = (u8)total;
    h[9] = protocol;
    memset(t, 0, n);
    t[1] = 7;
    t[3] = 9;
    if (protocol == 6) {
        t[12] = 0x50;
        t[13] = 0x19; /* FIN, PSH, ACK */
    } else {
        t[4] = (u8)((n + data) >> 8);
        t[5] = (u8)(n + data);
    }
    return 14 + total;
}

/* What software leaves in the field: the sum of the pseudo header, with the length or without. */
static void put_pseudo(u8 protocol, unsigned length)
{
    u16 sum = e1000_sum(frame + 26, 8, protocol + length);
    u8 *at = frame + 34 + (protocol == 6 ? 16 : 6);
    at[0] = (u8)(sum >> 8);
    at[1] = (u8)sum;
}

static void put_sums(u8 protocol, unsigned n)
{
    put_pseudo(protocol, n - 34);
    e1000_insert(frame, n, 34, 0, 34 + (protocol == 6 ? 16 : 6), protocol == 17, 0);
    frame[24] = frame[25] = 0;
    e1000_insert(frame, n, 14, 33, 24, false, 0);
}

START_TEST(sums_of_what_arrives_are_checked)
{
    receiver_on(0);
    set(E1000_RXCSUM, E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL);
    for (unsigned i = 0; i < 2; i++) {
        unsigned n = ip_packet(i ? 6 : 17, 101);
        put_sums(i ? 6 : 17, n);
        ck_assert_uint_eq(e1000_sum(frame + 14, 20, 0), 0xffff);
        arrive(frame, n);
        ck_assert_uint_eq(rx_word(3 * i) >> E1000_RX_STATUS & 0xffff, 0x63); /* DD, EOP, TCPCS, IPCS */
        frame[80] ^= 1;
        arrive(frame, n);
        ck_assert_uint_eq(rx_word(3 * i + 1) >> E1000_RX_ERRORS & 0xff, E1000_RX_TCPE);
        frame[80] ^= 1;
        frame[18] ^= 1;
        arrive(frame, n);
        ck_assert_uint_eq(rx_word(3 * i + 2) >> E1000_RX_ERRORS & 0xff, E1000_RX_IPE);
    }
}
END_TEST

/* ---- transmission ---- */

static void put_data(const u8 *bytes, unsigned n)
{
    bare_put(&b, DATA, (const char *)bytes, n);
}

static unsigned tail;

static void descriptor(u64 address, u64 word)
{
    tail = (unsigned)reg(E1000_TDT);
    bare_set_u64(&b, TX_RING + 16 * tail, address);
    bare_set_u64(&b, TX_RING + 16 * tail + 8, word);
    set(E1000_TDT, (tail + 1) % COUNT);
}

#define COMMAND(bits) ((u64)(bits) << E1000_TX_COMMAND)

static u64 tx_status(unsigned i)
{
    return bare_u64(&b, TX_RING + 16 * i + 8) >> E1000_TX_STATUS & 0xf;
}

START_TEST(a_frame_leaves_memory)
{
    transmitter_on();
    put_data(frame, 700);
    descriptor(DATA, 300 | COMMAND(E1000_TX_IFCS));
    descriptor(DATA + 300, 400 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS));
    settle();
    ck_assert_uint_eq(sendings, 1);
    ck_assert_uint_eq(sent[0].n, 700);
    ck_assert_mem_eq(sent[0].bytes, frame, 700);
    ck_assert_uint_eq(tx_status(0), 0);
    ck_assert_uint_eq(tx_status(1), E1000_TX_DD);
    ck_assert_uint_eq(reg(E1000_TDH), 2);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_TXDW | E1000_ICR_TXQE | E1000_ICR_LSC);
    ck_assert_uint_eq(reg(E1000_GPTC), 1);
    ck_assert_uint_eq(reg(E1000_TPT), 1);
    ck_assert_uint_eq(reg(E1000_GOTCL), 704);
    ck_assert_uint_eq(reg(E1000_PTC64 + 16), 1);
}
END_TEST

START_TEST(what_is_short_is_padded_and_what_is_long_not_sent)
{
    transmitter_on();
    put_data(frame, 20);
    descriptor(DATA, 20 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    settle();
    ck_assert_uint_eq(sent[0].n, 60);
    ck_assert_mem_eq(sent[0].bytes, frame, 20);
    ck_assert_uint_eq(sent[0].bytes[20], 0);
    descriptor(DATA, 1519 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    descriptor(DATA, 0xffff | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS));
    settle();
    ck_assert_uint_eq(sendings, 1);
    ck_assert_uint_eq(drops, 2);
    ck_assert_uint_eq(why, FRAME_LENGTH);
    ck_assert_uint_eq(tx_status(2), E1000_TX_DD);
    descriptor(DATA, 64 | COMMAND(E1000_TX_EOP)); /* with an FCS of the software's */
    settle();
    ck_assert_uint_eq(sent[1].n, 60);
}
END_TEST

START_TEST(sums_are_inserted)
{
    u8 want[200];
    unsigned n = ip_packet(17, 50);
    put_sums(17, n);
    memcpy(want, frame, n);
    transmitter_on();
    frame[24] = frame[25] = 0;
    put_pseudo(17, n - 34);
    put_data(frame, n);
    descriptor(UINT64_C(33) << E1000_TX_IPCSE | 24u << E1000_TX_IPCSO | 14 | UINT64_C(34) << E1000_TX_TUCSS |
                   UINT64_C(40) << E1000_TX_TUCSO,
               COMMAND(E1000_TX_DEXT | E1000_TX_IP));
    descriptor(DATA, n | E1000_TX_DATA << E1000_TX_TYPE |
                         COMMAND(E1000_TX_DEXT | E1000_TX_EOP | E1000_TX_IFCS) |
                         (u64)(E1000_TX_IXSM | E1000_TX_TXSM) << E1000_TX_OPTIONS);
    settle();
    ck_assert_uint_eq(sent[0].n, n);
    ck_assert_mem_eq(sent[0].bytes, want, n);
    descriptor(DATA, n | 40u << E1000_TX_CSO | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_IC) |
                         UINT64_C(34) << E1000_TX_CSS); /* legacy: this one only */
    settle();
    want[24] = want[25] = 0;
    ck_assert_mem_eq(sent[1].bytes, want, n);
}
END_TEST

/* 250 bytes of data by segments of 100. */
START_TEST(a_long_packet_is_cut_into_segments)
{
    unsigned n = ip_packet(6, 250);
    put_pseudo(6, 0);
    put_data(frame, n);
    transmitter_on();
    descriptor(UINT64_C(33) << E1000_TX_IPCSE | 24u << E1000_TX_IPCSO | 14 | UINT64_C(34) << E1000_TX_TUCSS |
                   UINT64_C(50) << E1000_TX_TUCSO,
               COMMAND(E1000_TX_DEXT | E1000_TX_IP | E1000_TX_TCP | E1000_TX_TSE) |
                   UINT64_C(54) << E1000_TX_HDRLEN | UINT64_C(100) << E1000_TX_MSS);
    descriptor(DATA, n | E1000_TX_DATA << E1000_TX_TYPE |
                         COMMAND(E1000_TX_DEXT | E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_TSE | E1000_TX_RS) |
                         (u64)(E1000_TX_IXSM | E1000_TX_TXSM) << E1000_TX_OPTIONS);
    settle();
    ck_assert_uint_eq(sendings, 3);
    for (unsigned i = 0; i < 3; i++) {
        const u8 *s = sent[i].bytes;
        unsigned bytes = i < 2 ? 100 : 50;
        ck_assert_uint_eq(sent[i].n, 54 + bytes);
        ck_assert_mem_eq(s + 54, frame + 54 + 100 * i, bytes);
        ck_assert_uint_eq(s[16] << 8 | s[17], 40 + bytes);
        ck_assert_uint_eq(s[18] << 8 | s[19], 0x1234 + i);
        ck_assert_uint_eq(s[41], 100 * i); /* sequence number */
        ck_assert_uint_eq(s[47], i < 2 ? 0x10 : 0x19);
        ck_assert_uint_eq(e1000_sum(s + 14, 20, 0), 0xffff);
        ck_assert_uint_eq(e1000_sum(s + 34, 20 + bytes, e1000_sum(s + 26, 8, 6 + 20 + bytes)), 0xffff);
    }
    ck_assert_uint_eq(reg(E1000_TSCTC), 1);
    ck_assert_uint_eq(reg(E1000_GPTC), 3);
}
END_TEST

START_TEST(a_tag_is_inserted)
{
    transmitter_on();
    put_data(frame, 100);
    descriptor(DATA, 100 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_VLE) |
                         UINT64_C(0x2065) << E1000_TX_SPECIAL);
    settle();
    ck_assert_uint_eq(sent[0].n, 100); /* not without CTRL.VME */
    set(E1000_CTRL, reg(E1000_CTRL) | E1000_CTRL_VME);
    descriptor(DATA, 100 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_VLE) |
                         UINT64_C(0x2065) << E1000_TX_SPECIAL);
    settle();
    ck_assert_uint_eq(sent[1].n, 104);
    ck_assert_mem_eq(sent[1].bytes + 12, "\x81\x00\x20\x65\x88\xb5", 6);
}
END_TEST

START_TEST(without_a_link_nothing_leaves)
{
    struct rs_link link;
    rs_link_init(&link);
    link.cut = 1;
    transmitter_on();
    rs_link(m, 0, NULL, 0, &link, NULL);
    descriptor(DATA, 100 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    settle();
    ck_assert_uint_eq(reg(E1000_TDH), 0);
    link.cut = 0;
    rs_link(m, 0, NULL, 0, &link, NULL);
    settle();
    ck_assert_uint_eq(reg(E1000_TDH), 1);
    ck_assert_uint_eq(sendings, 1);
}
END_TEST

/* The wire is never idle between two frames, though their data comes through memory. */
START_TEST(frames_leave_at_the_rate_of_the_wire)
{
    transmitter_on();
    for (unsigned i = 0; i < 5; i++)
        descriptor(DATA, 1514 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    settle();
    ck_assert_uint_eq(sendings, 5);
    ck_assert_uint_eq(port_free(nic[0]), sent[0].cycle + 5 * 8 * (1518 + 20));
}
END_TEST

START_TEST(a_tail_outside_the_ring_moves_nothing)
{
    transmitter_on();
    set(E1000_TDT, COUNT);
    receiver_on(0);
    set(E1000_RDT, COUNT);
    arrive(frame, 100);
    ck_assert_uint_eq(reg(E1000_TDH) + reg(E1000_RDH), 0);
    set(E1000_RDT, 1);
    set(E1000_RDLEN, 0);
    settle();
    ck_assert_uint_eq(reg(E1000_RDH), 0);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(causes_are_masked_set_and_cleared)
{
    set(E1000_ICS, E1000_ICR_TXDW | E1000_ICR_RXO);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
    set(E1000_IMS, E1000_ICR_RXO);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 1);
    set(E1000_IMC, E1000_ICR_RXO);
    ck_assert_uint_eq(reg(E1000_IMS), 0);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
    set(E1000_IMS, E1000_ICR_RXO);
    set(E1000_ICR, E1000_ICR_RXO); /* a one clears */
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
    set(E1000_ICS, E1000_ICR_RXO);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_TXDW | E1000_ICR_RXO);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
}
END_TEST

/* 4 x 256 ns are 1024 cycles; and with 3 GHz three times as many. */
START_TEST(interrupts_are_throttled_to_the_cycle)
{
    for (unsigned ghz = 1; ghz <= 3; ghz += 2) {
        m->p.hz = ghz * UINT64_C(1000000000);
        c->s.cycle += 100000;
        set(E1000_ITR, 4);
        set(E1000_IMS, E1000_ICR_RXO);
        u64 first = device_now(m);
        set(E1000_ICS, E1000_ICR_RXO);
        ck_assert_uint_eq(m->b.pci[SLOT].intx, 1);
        reg(E1000_ICR);
        ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
        c->s.cycle += 100;
        set(E1000_ICS, E1000_ICR_RXO);
        ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
        ck_assert_uint_eq(device_due(m, SLOT), first + 1024 * ghz);
        devices_atom(m);
        ck_assert_uint_eq(m->b.pci[SLOT].intx, 1);
        reg(E1000_ICR);
        set(E1000_ICS, E1000_ICR_RXO); /* counted from that one */
        ck_assert_uint_eq(device_due(m, SLOT), first + 2 * 1024 * ghz);
        reg(E1000_ICR);
        ck_assert_uint_eq(device_due(m, SLOT), UINT64_MAX);
    }
}
END_TEST

/* RXT0 comes 10 x 1024 ns behind the last frame, or 16 behind the first. */
START_TEST(reception_is_told_of_after_a_delay)
{
    receiver_on(0);
    set(E1000_IMS, E1000_ICR_RXT0);
    reg(E1000_ICR);
    set(E1000_RDTR, 10);
    set(E1000_RADV, 16);
    struct rs_error err;
    rs_input_frame(m, 0, frame, 60, &err);
    while (!e->rx_delay)
        devices_atom(m);
    u64 first = m->devices.cycle;
    ck_assert_uint_eq(e->rx_delay, first + 10240);
    ck_assert_uint_eq(e->rx_absolute, first + 16384);
    c->s.cycle = first + 9000;
    rs_input_frame(m, 0, frame, 60, &err);
    while (e->rx_delay == first + 10240)
        devices_atom(m);
    ck_assert_uint_gt(e->rx_delay, first + 16384);
    ck_assert_uint_eq(device_due(m, SLOT), first + 16384);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
    devices_atom(m);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 1);
    ck_assert_uint_eq(e->rx_delay | e->rx_absolute, 0);
    reg(E1000_ICR);
    arrive(frame, 60);
    ck_assert_uint_eq(reg(E1000_ICR) & E1000_ICR_RXT0, E1000_ICR_RXT0); /* settle has waited */
    rs_input_frame(m, 0, frame, 60, &err);
    while (!e->rx_delay)
        devices_atom(m);
    set(E1000_RDTR, 10 | E1000_RDTR_FPD);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 1);
}
END_TEST

START_TEST(transmission_is_told_of_after_a_delay)
{
    transmitter_on();
    reg(E1000_ICR);
    set(E1000_TIDV, 100);
    descriptor(DATA, 60 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS | E1000_TX_IDE));
    while (!e->tx_delay)
        devices_atom(m);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_TXQE);
    ck_assert_uint_eq(device_due(m, SLOT), m->devices.cycle + 102400);
    settle();
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_TXDW);
}
END_TEST

START_TEST(a_message_takes_the_line_s_place)
{
    apic_write(c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    pci_config_write(m, PCI_ADDRESS(0u, SLOT, 0u, 0xf0u + PCI_MSI_ADDRESS), 4, MSI_ADDRESS);
    pci_config_write(m, PCI_ADDRESS(0u, SLOT, 0u, 0xf0u + PCI_MSI_DATA), 2, 0x55);
    pci_config_write(m, PCI_ADDRESS(0u, SLOT, 0u, 0xf0u + PCI_MSI_CONTROL), 2, PCI_MSI_ENABLE);
    set(E1000_IMS, E1000_ICR_RXO);
    set(E1000_ICS, E1000_ICR_RXO);
    settle();
    c->s.cycle += 10000;
    cpu_between_instructions(c);
    ck_assert_int_eq(apic_pending_vector(c), 0x55);
    ck_assert_uint_eq(m->b.pci[SLOT].intx, 0);
}
END_TEST

/* ---- two of them ---- */

START_TEST(frames_go_from_one_to_the_other)
{
    struct rs_link link;
    rs_link_init(&link);
    rs_link(m, 1, m, 0, &link, NULL);
    receiver_on(E1000_RCTL_SECRC);
    put_data(frame, 1400);
    set_of(1, E1000_TDBAL, TX_RING);
    set_of(1, E1000_TDLEN, 16 * COUNT);
    set_of(1, E1000_CTRL, E1000_CTRL_SLU);
    set_of(1, E1000_TCTL, E1000_TCTL_EN);
    bare_set_u64(&b, TX_RING, DATA);
    bare_set_u64(&b, TX_RING + 8, 1400 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    set_of(1, E1000_TDT, 1);
    settle();
    ck_assert_uint_eq(rx_length(0), 1400);
    check_memory(BUFFERS, frame, 1400);
}
END_TEST

static TCase *registers_case(void)
{
    TCase *t = tcase_create("registers");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, registers_after_a_reset);
    tcase_add_test(t, a_reset_by_ctrl_leaves_phy_and_ports);
    tcase_add_test(t, registers_have_32_bits_and_only_their_own);
    tcase_add_test(t, ports_reach_the_same_registers);
    tcase_add_test(t, pba_divides_the_packet_buffer);
    tcase_add_test(t, the_eeprom_has_the_address_and_its_sum);
    tcase_add_test(t, the_eeprom_can_be_clocked_out);
    tcase_add_test(t, the_phy_answers_by_mdic);
    tcase_add_test(t, the_link_is_up_if_all_want_it);
    return t;
}

static TCase *frames_case(void)
{
    TCase *t = tcase_create("frames");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, addresses_are_filtered);
    tcase_add_test(t, groups_are_found_by_hash);
    tcase_add_test(t, vlans_are_filtered_and_stripped);
    tcase_add_test(t, a_frame_goes_to_memory);
    tcase_add_test(t, short_frames_are_padded_and_end_with_their_fcs);
    tcase_add_test(t, small_buffers_are_filled_one_after_the_other);
    tcase_add_test(t, frames_wait_for_descriptors_and_miss_the_fifo);
    tcase_add_test(t, few_descriptors_are_told_of_once);
    tcase_add_test(t, no_master_no_ring);
    tcase_add_test(t, sums_of_what_arrives_are_checked);
    tcase_add_test(t, a_frame_leaves_memory);
    tcase_add_test(t, what_is_short_is_padded_and_what_is_long_not_sent);
    tcase_add_test(t, sums_are_inserted);
    tcase_add_test(t, a_long_packet_is_cut_into_segments);
    tcase_add_test(t, a_tag_is_inserted);
    tcase_add_test(t, without_a_link_nothing_leaves);
    tcase_add_test(t, frames_leave_at_the_rate_of_the_wire);
    tcase_add_test(t, a_tail_outside_the_ring_moves_nothing);
    tcase_add_test(t, frames_go_from_one_to_the_other);
    return t;
}

static TCase *interrupts_case(void)
{
    TCase *t = tcase_create("interrupts");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, causes_are_masked_set_and_cleared);
    tcase_add_test(t, interrupts_are_throttled_to_the_cycle);
    tcase_add_test(t, reception_is_told_of_after_a_delay);
    tcase_add_test(t, transmission_is_told_of_after_a_delay);
    tcase_add_test(t, a_message_takes_the_line_s_place);
    return t;
}

int main(void)
{
    Suite *suite = suite_create("e1000");
    suite_add_tcase(suite, registers_case());
    suite_add_tcase(suite, frames_case());
    suite_add_tcase(suite, interrupts_case());
    return suite_run(suite);
}
