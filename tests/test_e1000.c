/* test_e1000.c - the 82540EM against its manual: registers after a reset and what they do, EEPROM and PHY,
 * interrupts and their delays. */
#include <check.h>
#include <string.h>

#include "arch/apic.h"
#include "arch/board.h"
#include "cpu/cpu.h"
#include "lib/e1000_rig.h"
#include "lib/suite.h"

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
    ck_assert_uint_eq(pci_config(rig.nic[0], PCI_VENDOR, 4), 0x100e8086);
    ck_assert_uint_eq(pci_config(rig.nic[0], PCI_CLASS, 3), 0x020000);
    ck_assert_uint_eq(pci_config(rig.nic[0], PCI_CAPABILITIES, 1), 0xf0);
    ck_assert_uint_eq(pci_config(rig.nic[0], 0xf0, 2), PCI_CAP_MSI);
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
    ck_assert(pci_config(rig.nic[0], PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    set(E1000_CTRL, E1000_CTRL_RST | E1000_CTRL_SLU);
    ck_assert(!(pci_config(rig.nic[0], PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
    ck_assert_uint_eq(reg(E1000_CTRL), 0x201);
    ck_assert_uint_eq(reg(E1000_RAL(0)), 0x12005452);
    ck_assert_uint_eq(reg(E1000_RCTL) | reg(E1000_IMS) | reg(E1000_ICR), 0);
    ck_assert_uint_eq(rig.e->phy[E1000_PHY_ADVERTISE], 0x61);
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
    rig.nic[0]->model->write(rig.nic[0], 0, E1000_VET, 2, 0x1234); /* narrower: swallowed */
    ck_assert_uint_eq(reg(E1000_VET), 0x8100);
    ck_assert_uint_eq(rig.nic[0]->model->read(rig.nic[0], 0, E1000_VET + 1, 1) & 0xff, 0x81);
    rig.nic[0]->model->write(rig.nic[0], 0, E1000_MTA, 8, UINT64_C(0x1122334455667788));
    ck_assert_uint_eq(reg(E1000_MTA), 0x55667788);
    ck_assert_uint_eq(rig.nic[0]->model->read(rig.nic[0], 0, E1000_MTA, 8), UINT64_C(0x1122334455667788));
}
END_TEST

START_TEST(ports_reach_the_same_registers)
{
    u16 port = (u16)(pci_config(rig.nic[0], PCI_BAR(1), 4) & ~3u);
    board_out(rig.c, port, 4, E1000_VET);
    ck_assert_uint_eq(board_in(rig.c, port, 4), E1000_VET);
    ck_assert_uint_eq(board_in(rig.c, (u16)(port + 4), 4), 0x8100);
    board_out(rig.c, (u16)(port + 4), 4, 0x88a8);
    ck_assert_uint_eq(reg(E1000_VET), 0x88a8);
    board_out(rig.c, port, 4, 0xfffffff0);
    board_out(rig.c, (u16)(port + 4), 4, 1);
    ck_assert_uint_eq(board_in(rig.c, (u16)(port + 4), 4), 0);
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
    rs_link(rig.m, 0, rig.m, 1, &link, NULL);
    ck_assert_uint_eq(reg(E1000_STATUS), 1);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_LSC);
    ck_assert_uint_eq(phy(E1000_PHY_STATUS) & 0x24, 0);
    link.cut = 0;
    link.bandwidth = 100000000;
    rs_link(rig.m, 0, rig.m, 1, &link, NULL);
    ck_assert_uint_eq(reg(E1000_STATUS), 0x143);
    set(E1000_MDIC, E1000_MDIC_WRITE | 1u << E1000_MDIC_PHY | 0x1940); /* power down */
    ck_assert_uint_eq(reg(E1000_STATUS), 1);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(causes_are_masked_set_and_cleared)
{
    set(E1000_ICS, E1000_ICR_TXDW | E1000_ICR_RXO);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
    set(E1000_IMS, E1000_ICR_RXO);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 1);
    set(E1000_IMC, E1000_ICR_RXO);
    ck_assert_uint_eq(reg(E1000_IMS), 0);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
    set(E1000_IMS, E1000_ICR_RXO);
    set(E1000_ICR, E1000_ICR_RXO); /* a one clears */
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
    set(E1000_ICS, E1000_ICR_RXO);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_TXDW | E1000_ICR_RXO);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
}
END_TEST

/* 4 x 256 ns are 1024 cycles; and with 3 GHz three times as many. */
START_TEST(interrupts_are_throttled_to_the_cycle)
{
    for (unsigned ghz = 1; ghz <= 3; ghz += 2) {
        rig.m->p.hz = ghz * UINT64_C(1000000000);
        rig.c->s.cycle += 100000;
        set(E1000_ITR, 4);
        set(E1000_IMS, E1000_ICR_RXO);
        u64 first = device_now(rig.m);
        set(E1000_ICS, E1000_ICR_RXO);
        ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 1);
        reg(E1000_ICR);
        ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
        rig.c->s.cycle += 100;
        set(E1000_ICS, E1000_ICR_RXO);
        ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
        ck_assert_uint_eq(device_due(rig.m, SLOT), first + 1024 * ghz);
        devices_atom(rig.m);
        ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 1);
        reg(E1000_ICR);
        set(E1000_ICS, E1000_ICR_RXO); /* counted from that one */
        ck_assert_uint_eq(device_due(rig.m, SLOT), first + 2 * 1024 * ghz);
        reg(E1000_ICR);
        ck_assert_uint_eq(device_due(rig.m, SLOT), UINT64_MAX);
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
    rs_input_frame(rig.m, 0, frame, 60, &err);
    while (!rig.e->rx_delay)
        devices_atom(rig.m);
    u64 first = rig.m->devices.cycle;
    ck_assert_uint_eq(rig.e->rx_delay, first + 10240);
    ck_assert_uint_eq(rig.e->rx_absolute, first + 16384);
    rig.c->s.cycle = first + 9000;
    rs_input_frame(rig.m, 0, frame, 60, &err);
    while (rig.e->rx_delay == first + 10240)
        devices_atom(rig.m);
    ck_assert_uint_gt(rig.e->rx_delay, first + 16384);
    ck_assert_uint_eq(device_due(rig.m, SLOT), first + 16384);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
    devices_atom(rig.m);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 1);
    ck_assert_uint_eq(rig.e->rx_delay | rig.e->rx_absolute, 0);
    reg(E1000_ICR);
    arrive(frame, 60);
    ck_assert_uint_eq(reg(E1000_ICR) & E1000_ICR_RXT0, E1000_ICR_RXT0); /* settle has waited */
    rs_input_frame(rig.m, 0, frame, 60, &err);
    while (!rig.e->rx_delay)
        devices_atom(rig.m);
    set(E1000_RDTR, 10 | E1000_RDTR_FPD);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 1);
}
END_TEST

START_TEST(transmission_is_told_of_after_a_delay)
{
    transmitter_on();
    reg(E1000_ICR);
    set(E1000_TIDV, 100);
    descriptor(DATA, 60 | COMMAND(E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS | E1000_TX_IDE));
    while (!rig.e->tx_delay)
        devices_atom(rig.m);
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_TXQE);
    ck_assert_uint_eq(device_due(rig.m, SLOT), rig.m->devices.cycle + 102400);
    settle();
    ck_assert_uint_eq(reg(E1000_ICR), E1000_ICR_TXDW);
}
END_TEST

START_TEST(a_message_takes_the_line_s_place)
{
    apic_write(rig.c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    pci_config_write(rig.m, PCI_ADDRESS(0u, SLOT, 0u, 0xf0u + PCI_MSI_ADDRESS), 4, MSI_ADDRESS);
    pci_config_write(rig.m, PCI_ADDRESS(0u, SLOT, 0u, 0xf0u + PCI_MSI_DATA), 2, 0x55);
    pci_config_write(rig.m, PCI_ADDRESS(0u, SLOT, 0u, 0xf0u + PCI_MSI_CONTROL), 2, PCI_MSI_ENABLE);
    set(E1000_IMS, E1000_ICR_RXO);
    set(E1000_ICS, E1000_ICR_RXO);
    settle();
    rig.c->s.cycle += 10000;
    cpu_between_instructions(rig.c);
    ck_assert_int_eq(apic_pending_vector(rig.c), 0x55);
    ck_assert_uint_eq(rig.m->b.pci[SLOT].intx, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("e1000");
    TCase *t = tcase_create("registers");
    tcase_add_checked_fixture(t, rig_open, rig_close);
    tcase_add_test(t, registers_after_a_reset);
    tcase_add_test(t, a_reset_by_ctrl_leaves_phy_and_ports);
    tcase_add_test(t, registers_have_32_bits_and_only_their_own);
    tcase_add_test(t, ports_reach_the_same_registers);
    tcase_add_test(t, pba_divides_the_packet_buffer);
    tcase_add_test(t, the_eeprom_has_the_address_and_its_sum);
    tcase_add_test(t, the_eeprom_can_be_clocked_out);
    tcase_add_test(t, the_phy_answers_by_mdic);
    tcase_add_test(t, the_link_is_up_if_all_want_it);
    tcase_add_test(t, causes_are_masked_set_and_cleared);
    tcase_add_test(t, interrupts_are_throttled_to_the_cycle);
    tcase_add_test(t, reception_is_told_of_after_a_delay);
    tcase_add_test(t, transmission_is_told_of_after_a_delay);
    tcase_add_test(t, a_message_takes_the_line_s_place);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
