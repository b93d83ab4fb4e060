/* test_hv_e1000.c - the 82540EM that the hypervisor gives a VM: reset values, causes and messages, filters,
 * rings, and a driver that writes anything anywhere. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../hv/dma.h"
#include "../hv/vm.h"
#include "lib/suite.h"

#define RAM_BYTES 0x40000u
#define TX_RING   0x1000u
#define RX_RING   0x2000u
#define BUFFERS   0x10000u
#define RING      8u
#define ROUNDS    1000000

static uint8_t ram[RAM_BYTES];
static struct vm the_vm;
static struct vswitch net;
static struct vpci_function function;
static const struct vpci_model *plugged;
static unsigned messages, sent;
static uint8_t frame[FRAME_MOST];
static unsigned frame_bytes;

/* ---- what surrounds it ---- */

bool dma_read(struct vm *of, uint64_t gpa, void *to, uint64_t bytes)
{
    (void)of;
    if (gpa > RAM_BYTES || bytes > RAM_BYTES - gpa)
        return false;
    memcpy(to, ram + gpa, bytes);
    return true;
}

bool dma_write(struct vm *of, uint64_t gpa, const void *from, uint64_t bytes)
{
    (void)of;
    if (gpa > RAM_BYTES || bytes > RAM_BYTES - gpa)
        return false;
    memcpy(ram + gpa, from, bytes);
    return true;
}

struct vpci_function *vpci_plug(struct vm *vm, const struct vpci_model *model, void *of)
{
    (void)vm, (void)of;
    plugged = model;
    return &function;
}

bool vpci_is_master(const struct vpci_function *f)
{
    return f == &function;
}

void vpci_interrupt(struct vpci_function *f)
{
    (void)f;
    messages++;
}

void virtio_net_hold(void)
{
}

void virtio_net_release(void)
{
}

bool vm_alive(const struct vm *of)
{
    return of == &the_vm;
}

struct vswitch *net_switch(void)
{
    return &net;
}

static const uint8_t own[MAC_BYTES] = {0x52, 0x49, 0x4e, 0, 0, 1};

struct vswitch_port *net_port(struct vm *vm, bool (*take)(void *of, const uint8_t *frame, unsigned bytes),
                              void *of)
{
    (void)vm;
    return vswitch_add(&net, "vm", own, take, of);
}

static bool take(void *of, const uint8_t *bytes, unsigned length)
{
    (void)of;
    memcpy(frame, bytes, length);
    frame_bytes = length;
    sent++;
    return true;
}

/* ---- its driver ---- */

static uint32_t get(uint32_t at)
{
    return (uint32_t)plugged->bar[0].registers.read(&the_vm.nic, at, 4);
}

static void put(uint32_t at, uint32_t value)
{
    plugged->bar[0].registers.write(&the_vm.nic, at, 4, value);
}

static void set_up(void)
{
    memset(ram, 0, sizeof ram);
    memset(&the_vm, 0, sizeof the_vm);
    memset(&net, 0, sizeof net);
    vswitch_add(&net, "up", NULL, take, NULL);
    ck_assert(e1000_plug(&the_vm));
    messages = sent = 0;
}

static void descriptor(uint32_t at, uint64_t address, uint64_t word)
{
    memcpy(ram + at, &address, 8);
    memcpy(ram + at + 8, &word, 8);
}

static uint64_t word_at(uint32_t at)
{
    uint64_t word;
    memcpy(&word, ram + at + 8, 8);
    return word;
}

static void rings_on(uint32_t rctl)
{
    for (uint32_t i = 0; i < RING; i++)
        descriptor(RX_RING + 16 * i, BUFFERS + 0x800 * i, 0);
    put(E1000_CTRL, E1000_CTRL_SLU);
    put(E1000_RDBAL, RX_RING);
    put(E1000_RDLEN, 16 * RING);
    put(E1000_RDT, RING - 1);
    put(E1000_RCTL, E1000_RCTL_EN | rctl);
    put(E1000_TDBAL, TX_RING);
    put(E1000_TDLEN, 16 * RING);
    put(E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

/* ---- tests ---- */

START_TEST(after_a_reset)
{
    for (int i = 0; i < 2; i++) {
        uint32_t sum = 0;
        ck_assert_uint_eq(get(E1000_CTRL), E1000_CTRL_FD | E1000_CTRL_SPEED_1000);
        ck_assert_uint_eq(get(E1000_STATUS) & E1000_STATUS_LU, 0);
        ck_assert_uint_eq(get(E1000_RCTL) | get(E1000_TCTL) | get(E1000_IMS) | get(E1000_TDT), 0);
        ck_assert_uint_eq(get(E1000_VET), 0x8100);
        ck_assert_uint_eq(get(E1000_RAL(0)), 0x004e4952);
        ck_assert_uint_eq(get(E1000_RAH(0)), E1000_RAH_AV | 0x0100);
        for (uint32_t word = 0; word < E1000_EEPROM_WORDS; word++) {
            put(E1000_EERD, E1000_EERD_START | word << E1000_EERD_ADDRESS);
            ck_assert(get(E1000_EERD) & E1000_EERD_DONE);
            sum += get(E1000_EERD) >> E1000_EERD_DATA;
        }
        ck_assert_uint_eq(sum & 0xffff, E1000_EEPROM_SUM);
        rings_on(0);
        put(E1000_IMS, 0xffff);
        put(E1000_CTRL, E1000_CTRL_RST);
    }
}
END_TEST

START_TEST(causes_and_messages)
{
    put(E1000_ICS, E1000_ICR_RXT0);
    ck_assert_uint_eq(messages, 0); /* masked */
    put(E1000_IMS, E1000_ICR_RXT0 | E1000_ICR_TXDW);
    ck_assert_uint_eq(messages, 1);
    put(E1000_ICS, E1000_ICR_TXDW);
    ck_assert_uint_eq(messages, 1); /* nobody has read */
    ck_assert_uint_eq(get(E1000_ICR), E1000_ICR_RXT0 | E1000_ICR_TXDW);
    ck_assert_uint_eq(get(E1000_ICR), 0);
    put(E1000_ICS, E1000_ICR_TXDW);
    ck_assert_uint_eq(messages, 2);
    put(E1000_IMC, E1000_ICR_TXDW);
    put(E1000_IMS, E1000_ICR_TXDW);
    ck_assert_uint_eq(messages, 3);
    put(E1000_CTRL, E1000_CTRL_SLU);
    ck_assert_uint_eq(get(E1000_ICR), E1000_ICR_TXDW | E1000_ICR_LSC);
}
END_TEST

/* Whether a frame to this address is taken. */
static bool taken(const char *to)
{
    uint8_t bytes[60] = {0};
    uint32_t before = get(E1000_RDH);
    memcpy(bytes, to, MAC_BYTES);
    ck_assert(e1000_receive(&the_vm.nic, bytes, sizeof bytes));
    put(E1000_RDT, (get(E1000_RDH) + RING - 1) % RING);
    return get(E1000_RDH) != before;
}

START_TEST(filters)
{
    static const char multicast[] = "\x01\x00\x5e\x00\x12\x34";
    rings_on(0);
    ck_assert(taken((const char *)own) && !taken("\x52\x49\x4e\0\0\2"));
    ck_assert(!taken("\xff\xff\xff\xff\xff\xff") && !taken(multicast));
    rings_on(E1000_RCTL_BAM);
    ck_assert(taken("\xff\xff\xff\xff\xff\xff") && !taken(multicast));
    rings_on(E1000_RCTL_UPE);
    ck_assert(taken("\x52\x49\x4e\0\0\2") && !taken(multicast));
    rings_on(E1000_RCTL_MPE);
    ck_assert(taken(multicast));
    for (uint32_t mo = 0; mo < 4; mo++) { /* 3412H from bit 4, 3, 2, 0 on */
        static const uint32_t hash[] = {0x341, 0x682, 0xd04, 0x412};
        rings_on(mo << E1000_RCTL_MO_SHIFT);
        ck_assert(!taken(multicast));
        put(E1000_MTA + 4 * (hash[mo] >> 5), UINT32_C(1) << (hash[mo] & 31));
        ck_assert(taken(multicast));
        put(E1000_MTA + 4 * (hash[mo] >> 5), 0);
    }
    rings_on(0);
    put(E1000_RAL(3), 0x030201aa);
    put(E1000_RAH(3), 0x0504);
    ck_assert(!taken("\xaa\1\2\3\4\5"));
    put(E1000_RAH(3), E1000_RAH_AV | 0x0504);
    ck_assert(taken("\xaa\1\2\3\4\5"));
}
END_TEST

/* 300 bytes and FCS in buffers of 256; then one descriptor too few. */
START_TEST(reception)
{
    uint8_t bytes[300];
    uint32_t crc = 0xffffffff;
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    memcpy(bytes, own, MAC_BYTES);
    rings_on(3u << E1000_RCTL_BSIZE_SHIFT);
    ck_assert(e1000_receive(&the_vm.nic, bytes, sizeof bytes));
    ck_assert_uint_eq(word_at(RX_RING) & 0xffff, 256);
    ck_assert_uint_eq(word_at(RX_RING) >> 32 & 3, E1000_RX_DD);
    ck_assert_uint_eq(word_at(RX_RING + 16) & 0xffff, 48);
    ck_assert_uint_eq(word_at(RX_RING + 16) >> 32 & 3, E1000_RX_DD | E1000_RX_EOP);
    ck_assert_int_eq(memcmp(ram + BUFFERS, bytes, 256), 0);
    ck_assert_int_eq(memcmp(ram + BUFFERS + 0x800, bytes + 256, 44), 0);
    for (unsigned i = 0; i < 304; i++) {
        crc ^= ram[i < 256 ? BUFFERS + i : BUFFERS + 0x800 + i - 256];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    ck_assert_uint_eq(crc, 0xdebb20e3); /* what is left of any right frame */
    put(E1000_RDT, 3);
    get(E1000_ICR);
    ck_assert(!e1000_receive(&the_vm.nic, bytes, sizeof bytes));
    ck_assert_uint_eq(get(E1000_ICR), E1000_ICR_RXO);
    ck_assert_uint_eq(get(E1000_MPC), 1);
    ck_assert_uint_eq(get(E1000_MPC), 0);
    ck_assert_uint_eq(get(E1000_GPRC), 1);
    ck_assert_uint_eq(get(E1000_GORCL), 304);
    ck_assert_uint_eq(get(E1000_GORCH), 0);
    ck_assert_uint_eq(get(E1000_GORCL), 0);
}
END_TEST

static uint64_t tx(unsigned bytes, unsigned command)
{
    return bytes | (uint64_t)command << E1000_TX_COMMAND;
}

/* Two descriptors make a frame, which is padded, and summed; one that is too long goes nowhere. */
START_TEST(transmission)
{
    uint8_t *bytes = ram + BUFFERS;
    rings_on(0);
    memcpy(bytes, "\0\1\2\3\4\5\x52\x49\x4e\0\0\1\x08\0", 14);
    memcpy(bytes + 14, "\1\2\3\4\5\6", 6);
    descriptor(TX_RING, BUFFERS, tx(10, 0));
    descriptor(TX_RING + 16, BUFFERS + 10,
               tx(10, E1000_TX_EOP | E1000_TX_RS | E1000_TX_IC) | 18u << E1000_TX_CSO |
                   (uint64_t)14 << E1000_TX_CSS);
    put(E1000_TDT, 2);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(frame_bytes, 60);
    ck_assert_int_eq(memcmp(frame, bytes, 18), 0);
    ck_assert_uint_eq(frame[18] << 8 | frame[19], 0xffff - (0x0102 + 0x0304 + 0x0506));
    ck_assert_uint_eq(word_at(TX_RING + 16) >> 32 & 1, E1000_TX_DD);
    ck_assert_uint_eq(get(E1000_ICR) & (E1000_ICR_TXDW | E1000_ICR_TXQE), E1000_ICR_TXDW | E1000_ICR_TXQE);
    for (unsigned i = 2; i < 8; i++)
        descriptor(TX_RING + 16 * i, BUFFERS, tx(i < 5 ? 700 : 60, i == 4 || i > 5 ? E1000_TX_EOP : 0));
    descriptor(TX_RING, RAM_BYTES - 10, tx(60, E1000_TX_EOP)); /* beyond RAM */
    put(E1000_TDT, 1);
    ck_assert_uint_eq(sent, 3); /* 2100 bytes are none, 120 and 60 are */
    ck_assert_uint_eq(get(E1000_TDH), 1);
    ck_assert_uint_eq(get(E1000_GPTC), 3);
    ck_assert_uint_eq(get(E1000_GOTCL), 64 + 124 + 64);
}
END_TEST

/* ---- anything ---- */

static uint64_t seed = 88172645463325252u;

static uint64_t chance(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A descriptor that is likely to mean something, or any. */
static void spoil(uint32_t ring)
{
    uint64_t word = chance() % 4 ? (chance() & 0xff0003ff) : chance();
    descriptor(ring + 16 * (uint32_t)(chance() % RING), chance() % 4 ? chance() % RAM_BYTES : chance(), word);
}

START_TEST(anything)
{
    static const uint32_t ring[] = {E1000_TDBAL, E1000_TDLEN, E1000_TDH, E1000_TDT,  E1000_RDBAL,
                                    E1000_RDLEN, E1000_RDH,   E1000_RDT, E1000_RCTL, E1000_TCTL};
    const struct mmio_model *m = &plugged->bar[0].registers;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t at = chance() % 2 ? ring[chance() % 10] : (uint32_t)(chance() % (E1000_BAR_BYTES - 8));
        uint64_t value = chance() % 2 ? chance() : chance() % 64;
        unsigned n = chance() % 4 ? 4 : 1u << chance() % 4;
        if (i % 64 == 0) {
            put(E1000_TDH, 0);
            rings_on(E1000_RCTL_UPE | (uint32_t)(chance() & 0x7ff0000));
        }
        spoil(chance() % 2 ? TX_RING : RX_RING);
        if (chance() % 4)
            m->write(&the_vm.nic, at, n, value);
        else
            m->read(&the_vm.nic, at, n);
        if (chance() % 4 == 0)
            e1000_receive(&the_vm.nic, ram + BUFFERS, 14 + (unsigned)(chance() % (FRAME_MOST - 13)));
        if (chance() % 16 == 0)
            e1000_turn(&the_vm.nic);
        if (chance() % 8 == 0)
            put(E1000_TDT, (uint32_t)(chance() % RING));
        ck_assert_uint_le(the_vm.nic.length, FRAME_MOST);
    }
    ck_assert_uint_gt(sent, 1000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_e1000");
    TCase *t = tcase_create("82540EM");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, after_a_reset);
    tcase_add_test(t, causes_and_messages);
    tcase_add_test(t, filters);
    tcase_add_test(t, reception);
    tcase_add_test(t, transmission);
    tcase_add_test(t, anything);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
