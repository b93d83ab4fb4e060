/* test_e1000_frames.c - the 82540EM against its manual: filters, rings, checksums, segmentation. */
#include <check.h>
#include <string.h>

#include "lib/e1000_rig.h"
#include "lib/suite.h"

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
    ck_assert_uint_eq(rig.why, FRAME_FILTERED);
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
    ck_assert_uint_eq(rig.why, FRAME_OFF);
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
    ck_assert_uint_eq(bare_u64(&rig.b, BUFFERS + 1004) & 0xffffffff, 0);
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
    ck_assert_uint_eq(bare_u64(&rig.b, BUFFERS + 60) & 0xffffffff, 0x04128908);
    set(E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_SECRC);
    arrive(zeros, 60);
    ck_assert_uint_eq(rx_length(1), 60);
    ck_assert_uint_eq(bare_u64(&rig.b, BUFFERS + 4096 + 60) & 0xffffffff, 0);
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
    ck_assert_uint_eq(bare_u64(&rig.b, BUFFERS + 256), 0); /* no further */
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
    ck_assert_uint_eq(rig.why, FRAME_NO_ROOM);
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
    pci_config_write(rig.m, PCI_ADDRESS(0u, SLOT, 0u, PCI_COMMAND), 2, PCI_COMMAND_MEMORY);
    arrive(frame, 100);
    ck_assert_uint_eq(reg(E1000_RDH), 0);
    pci_config_write(rig.m, PCI_ADDRESS(0u, SLOT, 0u, PCI_COMMAND), 2,
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
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
    memcpy(frame, port_mac(rig.nic[0]), MAC_BYTES);
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

static u64 tx_status(unsigned i)
{
    return bare_u64(&rig.b, TX_RING + 16 * i + 8) >> E1000_TX_STATUS & 0xf;
}

START_TEST(a_frame_leaves_memory)
{
    transmitter_on();
    put_data(frame, 700);
    descriptor(DATA, 300 | COMMAND(E1000_TX_IFCS));
    descriptor(DATA + 300, 400 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS));
    settle();
    ck_assert_uint_eq(rig.sendings, 1);
    ck_assert_uint_eq(rig.sent[0].n, 700);
    ck_assert_mem_eq(rig.sent[0].bytes, frame, 700);
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
    ck_assert_uint_eq(rig.sent[0].n, 60);
    ck_assert_mem_eq(rig.sent[0].bytes, frame, 20);
    ck_assert_uint_eq(rig.sent[0].bytes[20], 0);
    descriptor(DATA, 1519 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    descriptor(DATA, 0xffff | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS));
    settle();
    ck_assert_uint_eq(rig.sendings, 1);
    ck_assert_uint_eq(rig.drops, 2);
    ck_assert_uint_eq(rig.why, FRAME_LENGTH);
    ck_assert_uint_eq(tx_status(2), E1000_TX_DD);
    descriptor(DATA, 64 | COMMAND(E1000_TX_EOP)); /* with an FCS of the software's */
    settle();
    ck_assert_uint_eq(rig.sent[1].n, 60);
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
    ck_assert_uint_eq(rig.sent[0].n, n);
    ck_assert_mem_eq(rig.sent[0].bytes, want, n);
    descriptor(DATA, n | 40u << E1000_TX_CSO | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_IC) |
                         UINT64_C(34) << E1000_TX_CSS); /* legacy: this one only */
    settle();
    want[24] = want[25] = 0;
    ck_assert_mem_eq(rig.sent[1].bytes, want, n);
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
    ck_assert_uint_eq(rig.sendings, 3);
    for (unsigned i = 0; i < 3; i++) {
        const u8 *s = rig.sent[i].bytes;
        unsigned bytes = i < 2 ? 100 : 50;
        ck_assert_uint_eq(rig.sent[i].n, 54 + bytes);
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
    ck_assert_uint_eq(rig.sent[0].n, 100); /* not without CTRL.VME */
    set(E1000_CTRL, reg(E1000_CTRL) | E1000_CTRL_VME);
    descriptor(DATA, 100 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_VLE) |
                         UINT64_C(0x2065) << E1000_TX_SPECIAL);
    settle();
    ck_assert_uint_eq(rig.sent[1].n, 104);
    ck_assert_mem_eq(rig.sent[1].bytes + 12, "\x81\x00\x20\x65\x88\xb5", 6);
}
END_TEST

START_TEST(without_a_link_nothing_leaves)
{
    struct rs_link link;
    rs_link_init(&link);
    link.cut = 1;
    transmitter_on();
    rs_link(rig.m, 0, NULL, 0, &link, NULL);
    descriptor(DATA, 100 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    settle();
    ck_assert_uint_eq(reg(E1000_TDH), 0);
    link.cut = 0;
    rs_link(rig.m, 0, NULL, 0, &link, NULL);
    settle();
    ck_assert_uint_eq(reg(E1000_TDH), 1);
    ck_assert_uint_eq(rig.sendings, 1);
}
END_TEST

/* The wire is never idle between two frames, though their data comes through memory. */
START_TEST(frames_leave_at_the_rate_of_the_wire)
{
    transmitter_on();
    for (unsigned i = 0; i < 5; i++)
        descriptor(DATA, 1514 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    settle();
    ck_assert_uint_eq(rig.sendings, 5);
    ck_assert_uint_eq(port_free(rig.nic[0]), rig.sent[0].cycle + 5 * 8 * (1518 + 20));
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

/* ---- two of them ---- */

START_TEST(frames_go_from_one_to_the_other)
{
    struct rs_link link;
    rs_link_init(&link);
    rs_link(rig.m, 1, rig.m, 0, &link, NULL);
    receiver_on(E1000_RCTL_SECRC);
    put_data(frame, 1400);
    set_of(1, E1000_TDBAL, TX_RING);
    set_of(1, E1000_TDLEN, 16 * COUNT);
    set_of(1, E1000_CTRL, E1000_CTRL_SLU);
    set_of(1, E1000_TCTL, E1000_TCTL_EN);
    bare_set_u64(&rig.b, TX_RING, DATA);
    bare_set_u64(&rig.b, TX_RING + 8, 1400 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS));
    set_of(1, E1000_TDT, 1);
    settle();
    ck_assert_uint_eq(rx_length(0), 1400);
    check_memory(BUFFERS, frame, 1400);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("e1000's frames");
    TCase *t = tcase_create("frames");
    tcase_add_checked_fixture(t, rig_open, rig_close);
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
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
