/* network.c - ports, links and frames as faces have them (ringside.h, "the network"). */
#include <string.h>

#include "dev/link.h"
#include "mmu/bytes.h"
#include "world.h"

#define OUTSIDE 0xff
#define FIELDS  5

void rs_link_init(struct rs_link *link)
{
    *link = (struct rs_link){.bandwidth = 1000000000, .latency = 1000000, .seed = 1};
}

size_t rs_nics(const rs_machine *m)
{
    return m->ports;
}

const char *rs_nic(const rs_machine *m, size_t nic, uint8_t mac[6])
{
    if (nic >= m->ports)
        return NULL;
    memcpy(mac, m->port[nic].mac, MAC_BYTES);
    return m->port[nic].device->model->name;
}

static enum rs_status check_nic(const rs_machine *m, size_t nic, struct rs_error *err)
{
    if (nic < m->ports)
        return RS_OK;
    return rs_fail(err, "%s has no NIC %zu: it has %u", m->name, nic + 1, m->ports);
}

enum rs_status rs_link_of(const rs_machine *m, size_t nic, struct rs_link *link, size_t *peer)
{
    if (nic >= m->ports)
        return RS_FAILED;
    const struct port *p = &m->b.port[nic];
    *link = (struct rs_link){p->bandwidth, p->latency, p->loss, p->chance, p->cut};
    *peer = p->peer ? (size_t)p->peer - 1 : RS_OUTSIDE;
    return RS_OK;
}

static void set_input(struct machine *m, struct input *in)
{
    if (m->booted)
        history_input(m->world, in);
    else
        input_apply(m, in);
}

enum rs_status rs_link(rs_machine *a, size_t nic_a, rs_machine *b, size_t nic_b, const struct rs_link *link,
                       struct rs_error *err)
{
    const u64 field[FIELDS] = {link->bandwidth, link->latency, link->loss, link->seed, link->cut};
    u8 bytes[8 * FIELDS];
    for (unsigned i = 0; i < FIELDS; i++)
        store_le(bytes + 8 * i, 8, field[i]);
    if (check_nic(a, nic_a, err) != RS_OK || (b && check_nic(b, nic_b, err) != RS_OK))
        return RS_FAILED;
    if (b == a && nic_a == nic_b)
        return rs_fail(err, "%s: a link joins two NICs, and both ends are NIC %zu", a->name, nic_a + 1);
    u64 ports = nic_a | (b ? nic_b : OUTSIDE) << 8;
    struct input in = {.kind = INPUT_LINK, .hpa = ports, .bytes = bytes, .n = sizeof bytes};
    if (!input_possible(a, &in))
        return rs_fail(err,
                       "a link's bandwidth is 10 kbit to 1 Tbit a second, its latency at most 10 s, its loss "
                       "at most 1000000 frames of a million");
    set_input(a, &in);
    return RS_OK;
}

enum rs_status rs_input_frame(rs_machine *m, size_t nic, const void *bytes, size_t n, struct rs_error *err)
{
    if (check_nic(m, nic, err) != RS_OK)
        return RS_FAILED;
    if (n < FRAME_LEAST || n > FRAME_MOST)
        return rs_fail(err, "a frame has %d to %d bytes: two addresses, type and data, no FCS", FRAME_LEAST,
                       FRAME_MOST);
    if (!link_room(m))
        return rs_fail(
            err, "%s: %d frames are on their way, and there is no room for another: let the machine run",
            m->name, FLIGHT);
    struct input in = {.kind = INPUT_FRAME, .hpa = nic, .bytes = (u8 *)(uintptr_t)bytes, .n = n};
    history_input(m->world, &in);
    return RS_OK;
}
