/* e1000_rig.c - see e1000_rig.h. */
#include "lib/e1000_rig.h"

#include <check.h>
#include <string.h>

#include "mmu/mem.h"

struct rig rig;
u8 frame[FRAME_MOST + 8];

static void on_frame(const struct rs_event *event, void *arg)
{
    (void)arg;
    if (event->field[0] == FRAME_DROPPED) {
        rig.drops++;
        rig.why = (unsigned)event->field[3];
    }
    if (event->field[0] != FRAME_SENT)
        return;
    struct sent *s = &rig.sent[rig.sendings++ % 8];
    s->nic = (unsigned)event->field[1];
    s->n = (unsigned)event->field[2];
    s->cycle = event->cycle;
    memcpy(s->bytes, event->frame, s->n);
}

u64 reg_of(unsigned i, unsigned at)
{
    return rig.nic[i]->model->read(rig.nic[i], 0, at, 4);
}

void set_of(unsigned i, unsigned at, u64 value)
{
    rig.nic[i]->model->write(rig.nic[i], 0, at, 4, value);
}

u64 reg(unsigned at)
{
    return reg_of(0, at);
}

void set(unsigned at, u64 value)
{
    set_of(0, at, value);
}

void rig_open(void)
{
    const struct rs_device device[] = {{.kind = "e1000", .slot = SLOT},
                                       {.kind = "e1000", .slot = SLOT + 1, .mac = {2, 3, 4, 5, 6, 7}}};
    bare_open_devices(&rig.b, RS_FW_XD | RS_FW_LOCK, 1, device, 2);
    rig.m = rig.b.machine;
    rig.c = rig.b.core;
    for (unsigned i = 0; i < 2; i++) {
        rig.nic[i] = rig.m->pci[SLOT + i];
        pci_config_write(rig.m, PCI_ADDRESS(0u, SLOT + i, 0u, PCI_COMMAND), 2,
                         PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    }
    rig.e = &rig.m->b.e1000[0];
    for (unsigned i = 0; i < sizeof frame; i++)
        frame[i] = (u8)(i * 13 + i / 256);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    memcpy(frame, port_mac(rig.nic[0]), MAC_BYTES);
    rig.sendings = rig.drops = 0;
    rs_watch(rig.b.world, RS_PROBE_frame, false, on_frame, NULL);
}

void rig_close(void)
{
    bare_close(&rig.b);
}

void settle(void)
{
    for (unsigned most = 200000; devices_next_due(rig.m) != UINT64_MAX && most; most--)
        devices_atom(rig.m);
    ck_assert_uint_eq(devices_next_due(rig.m), UINT64_MAX);
}

void receiver_on(u64 rctl)
{
    for (unsigned i = 0; i < COUNT; i++) {
        bare_set_u64(&rig.b, RX_RING + 16 * i, BUFFERS + 4096 * i);
        bare_set_u64(&rig.b, RX_RING + 16 * i + 8, 0);
    }
    set(E1000_RDBAL, RX_RING);
    set(E1000_RDLEN, 16 * COUNT);
    set(E1000_RDH, 0);
    set(E1000_RDT, COUNT - 1);
    set(E1000_CTRL, reg(E1000_CTRL) | E1000_CTRL_SLU);
    set(E1000_RCTL, E1000_RCTL_EN | rctl);
}

void transmitter_on(void)
{
    set(E1000_TDBAL, TX_RING);
    set(E1000_TDLEN, 16 * COUNT);
    set(E1000_CTRL, reg(E1000_CTRL) | E1000_CTRL_SLU);
    set(E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

void arrive(const u8 *bytes, unsigned n)
{
    struct rs_error err;
    ck_assert_int_eq(rs_input_frame(rig.m, 0, bytes, n, &err), RS_OK);
    settle();
}

u64 rx_word(unsigned i)
{
    return bare_u64(&rig.b, RX_RING + 16 * i + 8);
}

unsigned rx_length(unsigned i)
{
    return rx_word(i) & 0xffff;
}

unsigned rx_status(unsigned i)
{
    return rx_word(i) >> E1000_RX_STATUS & 0xff;
}

void check_memory(u64 at, const u8 *bytes, unsigned n)
{
    u8 got[FRAME_MOST];
    ck_assert_int_eq(rs_read(rig.m, at, got, n), RS_OK);
    ck_assert_mem_eq(got, bytes, n);
}

void put_data(const u8 *bytes, unsigned n)
{
    bare_put(&rig.b, DATA, (const char *)bytes, n);
}

void descriptor(u64 address, u64 word)
{
    unsigned tail = (unsigned)reg(E1000_TDT);
    bare_set_u64(&rig.b, TX_RING + 16 * tail, address);
    bare_set_u64(&rig.b, TX_RING + 16 * tail + 8, word);
    set(E1000_TDT, (tail + 1) % COUNT);
}
