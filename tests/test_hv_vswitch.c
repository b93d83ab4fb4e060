/* test_hv_vswitch.c - the hypervisor's virtual switch: where frames go and where they do not, tags, two
 * uplinks, and frames of any bytes. */
#include <check.h>
#include <string.h>

#include "../hv/vswitch.h"
#include "lib/chance.h"
#include "lib/suite.h"

#define VMS 4

/* What a port has been given. */
struct sink {
    unsigned frames, bytes;
    bool full;
    uint8_t last[FRAME_MOST];
};

static struct vswitch sw;
static struct sink vm[VMS], up[3];
static struct vswitch_port *port[VMS], *uplink[2];

static bool take(void *of, const uint8_t *frame, unsigned bytes)
{
    struct sink *to = of;
    ck_assert_uint_ge(bytes, FRAME_LEAST);
    ck_assert_uint_le(bytes, FRAME_MOST);
    if (to->full)
        return false;
    memcpy(to->last, frame, bytes);
    to->bytes = bytes;
    to->frames++;
    return true;
}

static const uint8_t *mac_of(unsigned i)
{
    static uint8_t mac[VMS + 1][MAC_BYTES];
    memcpy(mac[i], "\x52\x49\x4e\0\0", 5);
    mac[i][5] = (uint8_t)i;
    return mac[i];
}

static const uint8_t everybody[MAC_BYTES] = {255, 255, 255, 255, 255, 255},
                     stranger[MAC_BYTES] = {0, 1, 2, 3, 4, 5};

static void set_up(void)
{
    static const char *const name[] = {"a", "b", "c", "d"};
    chance_seed(1);
    memset(&sw, 0, sizeof sw);
    memset(vm, 0, sizeof vm);
    memset(up, 0, sizeof up);
    for (unsigned i = 0; i < VMS; i++)
        port[i] = vswitch_add(&sw, name[i], mac_of(i), take, &vm[i]);
}

static void add_uplinks(void)
{
    uplink[0] = vswitch_add(&sw, "up0", NULL, take, &up[0]);
    uplink[1] = vswitch_add(&sw, "up1", NULL, take, &up[1]);
    memset(up, 0, sizeof up); /* the first has told of all */
}

/* 60 bytes; tag: of a VLAN, 0: none. */
static void send(struct vswitch_port *from, const uint8_t *to, const uint8_t *source, unsigned tag)
{
    uint8_t frame[64] = {0};
    memcpy(frame, to, MAC_BYTES);
    memcpy(frame + MAC_BYTES, source, MAC_BYTES);
    uint8_t *at = frame + 12;
    if (tag) {
        *at++ = 0x81;
        *at++ = 0;
        *at++ = (uint8_t)(tag >> 8);
        *at++ = (uint8_t)tag;
    }
    memcpy(at, "\x08\x00payload", 9);
    vswitch_send(&sw, from, frame, tag ? 64 : 60);
}

/* Frames at a, b, c, d and both uplinks since the last time. */
static void went_to(unsigned a, unsigned b, unsigned c, unsigned d, unsigned up0, unsigned up1)
{
    const unsigned wanted[] = {a, b, c, d, up0, up1};
    for (unsigned i = 0; i < 6; i++) {
        struct sink *at = i < VMS ? &vm[i] : &up[i - VMS];
        ck_assert_msg(at->frames == wanted[i], "%u: %u frames, not %u", i, at->frames, wanted[i]);
        at->frames = 0;
    }
}

START_TEST(by_address)
{
    send(port[0], mac_of(1), mac_of(0), 0);
    went_to(0, 1, 0, 0, 0, 0);
    ck_assert_uint_eq(vm[1].bytes, 60);
    ck_assert_int_eq(memcmp(vm[1].last + 14, "payload", 7), 0);
    send(port[0], everybody, mac_of(0), 0);
    went_to(0, 1, 1, 1, 0, 0);
    send(port[0], mac_of(0), mac_of(0), 0); /* to itself */
    send(port[0], stranger, mac_of(0), 0);
    went_to(0, 0, 0, 0, 0, 0);
    ck_assert_uint_eq(port[0]->counts.nowhere, 1);
    add_uplinks();
    send(port[0], stranger, mac_of(0), 0);
    went_to(0, 0, 0, 0, 1, 0);
    send(port[0], mac_of(1), mac_of(0), 0); /* stays inside */
    went_to(0, 1, 0, 0, 0, 0);
    ck_assert_uint_eq(port[0]->counts.in, 6);
    ck_assert_uint_eq(port[1]->counts.out, 3);
    ck_assert_uint_eq(port[1]->counts.out_bytes, 180);
}
END_TEST

/* What it sends goes out; what is for its new address does not come in, as nothing is learned. */
START_TEST(a_new_address_is_unreachable)
{
    add_uplinks();
    send(port[0], mac_of(1), stranger, 0);
    went_to(0, 1, 0, 0, 0, 0);
    ck_assert_uint_eq(port[0]->counts.foreign, 1);
    send(port[1], stranger, mac_of(1), 0);
    went_to(0, 0, 0, 0, 1, 0);
    send(uplink[0], stranger, everybody, 0);
    went_to(0, 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(vlans)
{
    add_uplinks();
    port[0]->vlan = port[1]->vlan = 10;
    port[3]->trunk = true;
    send(port[0], everybody, mac_of(0), 0);
    went_to(0, 1, 0, 1, 1, 0);
    ck_assert_uint_eq(vm[1].bytes, 60); /* untagged, tagged, tagged */
    ck_assert_uint_eq(vm[3].bytes, 64);
    ck_assert_int_eq(memcmp(vm[3].last + 12, "\x81\0\0\x0a\x08\0payload", 13), 0);
    ck_assert_int_eq(memcmp(up[0].last + 12, "\x81\0\0\x0a\x08\0payload", 13), 0);
    send(port[0], mac_of(2), mac_of(0), 0); /* in another VLAN: not here */
    went_to(0, 0, 0, 0, 1, 0);
    send(port[3], mac_of(1), mac_of(3), 0x600a); /* priority 3 */
    went_to(0, 1, 0, 0, 0, 0);
    ck_assert_uint_eq(vm[1].bytes, 60);
    send(port[3], stranger, mac_of(3), 0x600b);
    ck_assert_int_eq(memcmp(up[0].last + 12, "\x81\0\x60\x0b", 4), 0);
    send(port[3], mac_of(2), mac_of(3), 0); /* the native VLAN */
    send(port[2], mac_of(3), mac_of(2), 0);
    went_to(0, 0, 1, 1, 1, 0);
    ck_assert_uint_eq(vm[3].bytes, 60);
    send(port[0], mac_of(1), mac_of(0), 10); /* tagged, from an access port */
    went_to(0, 0, 0, 0, 0, 0);
    ck_assert_uint_eq(port[0]->counts.vlan, 1);
    send(port[0], mac_of(1), mac_of(0), 0x2000); /* a priority alone */
    went_to(0, 1, 0, 0, 0, 0);
    send(port[3], mac_of(1), mac_of(3), 0x0fff);
    ck_assert_uint_eq(port[3]->counts.malformed, 1);
    send(uplink[0], mac_of(0), stranger, 11);
    send(uplink[0], mac_of(0), stranger, 10);
    went_to(1, 0, 0, 0, 0, 0);
}
END_TEST

/* A tag inside a priority tag, and one of 802.1ad: out of an access port neither gets into another VLAN. */
START_TEST(no_tag_behind_a_tag)
{
    static const uint8_t twice[] = {0x81, 0, 0xe0, 0, 0x81, 0, 0, 20, 0x88, 0xb5};
    static const uint8_t service[] = {0x88, 0xa8, 0, 20, 0x88, 0xb5};
    uint8_t frame[60] = {0};
    set_up();
    add_uplinks();
    port[3]->trunk = true;
    memcpy(frame, everybody, MAC_BYTES);
    memcpy(frame + MAC_BYTES, mac_of(0), MAC_BYTES);
    memcpy(frame + 12, twice, sizeof twice);
    vswitch_send(&sw, port[0], frame, sizeof frame);
    memcpy(frame + 12, service, sizeof service);
    vswitch_send(&sw, port[0], frame, sizeof frame);
    ck_assert_uint_eq(up[0].frames + vm[1].frames + vm[3].frames, 0);
    ck_assert_uint_eq(port[0]->counts.vlan, 2);
    memcpy(frame + 12, twice, sizeof twice);
    frame[16] = 0x88; /* a priority alone */
    vswitch_send(&sw, port[0], frame, sizeof frame);
    ck_assert_uint_eq(vm[1].frames, 1);
    ck_assert_uint_eq(vm[1].bytes, 60); /* without its tag, padded */
}
END_TEST

START_TEST(two_uplinks)
{
    add_uplinks();
    ck_assert_ptr_null(vswitch_add(&sw, "up2", NULL, take, &up[2]));
    send(uplink[0], everybody, stranger, 0);
    send(uplink[1], everybody, stranger, 0); /* the same once more */
    went_to(1, 1, 1, 1, 0, 0);
    ck_assert_uint_eq(uplink[1]->counts.standby, 1);
    send(uplink[1], mac_of(2), stranger, 0);
    went_to(0, 0, 1, 0, 0, 0);
    send(uplink[0], stranger, everybody, 0); /* never to the other */
    went_to(0, 0, 0, 0, 0, 0);
    ck_assert_uint_eq(uplink[0]->counts.nowhere, 1);
    send(uplink[1], everybody, mac_of(0), 0); /* what VM a has sent */
    went_to(0, 0, 0, 0, 0, 0);
    ck_assert_uint_eq(uplink[1]->counts.returned, 1);
    vswitch_link(&sw, uplink[0], false);
    went_to(0, 0, 0, 0, 0, VMS); /* announced */
    send(port[0], stranger, mac_of(0), 0);
    send(uplink[0], mac_of(0), stranger, 0);
    went_to(0, 0, 0, 0, 0, 1);
    vswitch_link(&sw, uplink[0], true); /* it does not come back by itself */
    send(port[0], stranger, mac_of(0), 0);
    went_to(0, 0, 0, 0, 0, 1);
    vswitch_remove(&sw, uplink[1]);
    went_to(0, 0, 0, 0, VMS, 0);
    send(port[0], stranger, mac_of(0), 0);
    went_to(0, 0, 0, 0, 1, 0);
    vswitch_link(&sw, uplink[0], false);
    send(port[0], stranger, mac_of(0), 0);
    went_to(0, 0, 0, 0, 0, 0);
}
END_TEST

/* RFC 903, and the header before it: from the VM, to all. */
static const uint8_t request[] = {255,  255,  255,  255, 255, 255, 0x52, 0x49, 0x4e, 0, 0, 3, /* header */
                                  0x80, 0x35, 0,    1,   8,   0,   6,    4,    0,    3,       /* what */
                                  0x52, 0x49, 0x4e, 0,   0,   3,   0,    0,    0,    0,       /* sender */
                                  0x52, 0x49, 0x4e, 0,   0,   3,   0,    0,    0,    0};      /* target */

START_TEST(the_uplink_that_takes_over_is_told)
{
    add_uplinks();
    port[3]->vlan = 10; /* the last, so its frame is the one that is kept */
    vswitch_link(&sw, uplink[1], false);
    went_to(0, 0, 0, 0, 0, 0);
    vswitch_link(&sw, uplink[1], true);
    went_to(0, 0, 0, 0, 0, 0);
    vswitch_link(&sw, uplink[0], false);
    went_to(0, 0, 0, 0, 0, VMS);
    ck_assert_uint_eq(up[1].bytes, 64);
    ck_assert_int_eq(memcmp(up[1].last, request, 12), 0);
    ck_assert_int_eq(memcmp(up[1].last + 12, "\x81\0\0\x0a", 4), 0);
    ck_assert_int_eq(memcmp(up[1].last + 16, request + 12, sizeof request - 12), 0);
    for (unsigned i = sizeof request + 4; i < up[1].bytes; i++)
        ck_assert_uint_eq(up[1].last[i], 0);
    ck_assert_uint_eq(uplink[1]->counts.announced, VMS);
    ck_assert_uint_eq(uplink[1]->counts.out, VMS);
    vswitch_link(&sw, uplink[1], false); /* nobody is left to tell */
    went_to(0, 0, 0, 0, 0, 0);
    vswitch_announce(port[0]);
    up[0].full = true;
    vswitch_link(&sw, uplink[0], true);
    ck_assert_uint_eq(uplink[0]->counts.no_room, VMS);
    ck_assert_uint_eq(uplink[0]->counts.announced, VMS); /* when it was added */
    up[0].full = false;
    vswitch_remove(&sw, port[3]);
    port[3] = vswitch_add(&sw, "e", mac_of(3), take, &vm[3]);
    went_to(0, 0, 0, 0, 0, 0); /* not before its VLAN is known */
    vswitch_announce(port[3]);
    went_to(0, 0, 0, 0, 1, 0);
    ck_assert_uint_eq(up[0].bytes, 60);
    ck_assert_int_eq(memcmp(up[0].last, request, sizeof request), 0);
}
END_TEST

/* A VM is always behind one uplink; all that holds of two uplinks holds. */
START_TEST(spread_over_uplinks)
{
    add_uplinks();
    vswitch_spread(&sw, true);
    went_to(0, 0, 0, 0, 0, 2); /* the odd ones have moved */
    for (unsigned i = 0; i < VMS; i++) {
        send(port[i], stranger, mac_of(i), 0);
        went_to(0, 0, 0, 0, i % 2 == 0, i % 2);
    }
    send(port[0], everybody, mac_of(0), 0);
    went_to(0, 1, 1, 1, 1, 0);
    send(port[1], everybody, mac_of(1), 0);
    went_to(1, 0, 1, 1, 0, 1);
    send(port[0], mac_of(1), mac_of(0), 0);
    went_to(0, 1, 0, 0, 0, 0);
    send(uplink[0], everybody, mac_of(1), 0); /* VM b's, from the other uplink */
    send(uplink[1], everybody, mac_of(0), 0);
    send(uplink[1], everybody, stranger, 0);
    went_to(0, 0, 0, 0, 0, 0);
    send(uplink[0], everybody, stranger, 0);
    went_to(1, 1, 1, 1, 0, 0);
    send(uplink[0], mac_of(1), stranger, 0); /* a switch that has not learned it yet */
    send(uplink[1], stranger, everybody, 0);
    went_to(0, 1, 0, 0, 0, 0);
    vswitch_link(&sw, uplink[0], false);
    went_to(0, 0, 0, 0, 0, 2); /* the even ones */
    send(uplink[1], everybody, stranger, 0);
    went_to(1, 1, 1, 1, 0, 0);
    vswitch_link(&sw, uplink[0], true);
    went_to(0, 0, 0, 0, 2, 0);               /* and back */
    send(uplink[0], everybody, stranger, 0); /* still the other's */
    went_to(0, 0, 0, 0, 0, 0);
    vswitch_spread(&sw, false);
    went_to(0, 0, 0, 0, 0, 2);
}
END_TEST

START_TEST(no_room)
{
    vm[1].full = true;
    send(port[0], everybody, mac_of(0), 0);
    went_to(0, 0, 1, 1, 0, 0);
    ck_assert_uint_eq(port[1]->counts.no_room, 1);
    ck_assert_uint_eq(port[1]->counts.out, 0);
    for (unsigned i = VMS; i < VSWITCH_PORTS; i++)
        ck_assert_ptr_nonnull(vswitch_add(&sw, "more", mac_of(VMS), take, &up[2]));
    ck_assert_ptr_null(vswitch_add(&sw, "too many", mac_of(VMS), take, &up[2]));
}
END_TEST

/* Any length, any bytes, any setting: what comes out is a frame, in the form that the port has. */
START_TEST(any_bytes)
{
    add_uplinks();
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t frame[FRAME_MOST + 8];
        unsigned length =
            chance_once_in(4) ? (unsigned)chance_below(sizeof frame) : 10 + (unsigned)chance_below(20);
        struct vswitch_port *p = &sw.port[chance_below(VMS + 2)];
        for (unsigned k = 0; k < 32; k++)
            frame[k] = (uint8_t)chance();
        if (chance_once_in(2))
            memcpy(frame, mac_of((unsigned)chance_below(VMS)), MAC_BYTES);
        if (chance_once_in(2))
            memcpy(frame + 12, "\x81\0\0", 3);
        p->trunk = p->kind == VSWITCH_UPLINK || chance_once_in(2);
        p->vlan = (uint16_t)(1 + chance_below(3));
        vswitch_link(&sw, p, !chance_once_in(8));
        vswitch_spread(&sw, chance_once_in(2));
        uint64_t before = p->counts.in + p->counts.in_bytes;
        vswitch_send(&sw, &sw.port[chance_below(VMS + 2)], frame, length);
        ck_assert(p->counts.in + p->counts.in_bytes >= before);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_vswitch");
    TCase *t = tcase_create("switch");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, by_address);
    tcase_add_test(t, a_new_address_is_unreachable);
    tcase_add_test(t, vlans);
    tcase_add_test(t, no_tag_behind_a_tag);
    tcase_add_test(t, two_uplinks);
    tcase_add_test(t, the_uplink_that_takes_over_is_told);
    tcase_add_test(t, spread_over_uplinks);
    tcase_add_test(t, no_room);
    tcase_add_test(t, any_bytes);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
