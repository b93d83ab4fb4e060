/* test_e1000_hostile.c - two 82540EMs that are linked, with random registers, descriptors, rings and frames:
 * nothing goes round for ever, and nothing is written but what descriptors name. */
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "lib/chance.h"
#include "lib/e1000_rig.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>

#define MUTATIONS_USUAL 200000 /* RINGSIDE_MUTATIONS sets another number */
#define ATOMS_A_TURN    40
#define RING_BYTES \
    UINT64_C(0x10000) /* a part for rings of each kind, so that none has others' words in it \
                       */
#define ARENA       UINT64_C(0x600000) /* rings lie here, and behind them */
#define ARENA_BYTES UINT64_C(0x100000) /* buffers, the last of which may reach */
#define GUARD_BYTES 0x4000             /* into this */

static u64 mutations(void)
{
    const char *text = getenv("RINGSIDE_MUTATIONS");
    return text ? strtoull(text, NULL, 10) : MUTATIONS_USUAL;
}

/* ---- what a guest may do ---- */

static const unsigned known[] = {
    E1000_CTRL, E1000_EECD, E1000_EERD,   E1000_MDIC,   E1000_ICR,    E1000_ITR,   E1000_ICS,
    E1000_IMS,  E1000_IMC,  E1000_RCTL,   E1000_TCTL,   E1000_PBA,    E1000_RDLEN, E1000_RDH,
    E1000_RDT,  E1000_RDTR, E1000_RADV,   E1000_TDLEN,  E1000_TDH,    E1000_TDT,   E1000_TIDV,
    E1000_TADV, E1000_VET,  E1000_RXCSUM, E1000_RAL(0), E1000_RAH(3), E1000_MTA,   E1000_VFTA,
};

static u64 small_or_any(u64 n)
{
    return chance_once_in(4) ? chance() : chance_below(n);
}

static u64 buffer_address(void)
{
    return BUFFERS + chance_below(ARENA + ARENA_BYTES - BUFFERS);
}

static u64 ring_address(u64 part)
{
    return part + (chance_below(RING_BYTES - 4096) & ~UINT64_C(15));
}

static void random_register(void)
{
    unsigned at = chance_once_in(3) ? (unsigned)chance_below(E1000_BAR_BYTES - 8)
                                    : known[chance_below(sizeof known / sizeof *known)];
    unsigned i = (unsigned)chance_below(2), n = chance_once_in(8) ? 1u << chance_below(4) : 4;
    bool ring = at - E1000_RDBAL < 8 || at - E1000_TDBAL < 8; /* rings stay where set_rings puts them */
    if (ring || (n == 8 && (at + 4 - E1000_RDBAL < 8 || at + 4 - E1000_TDBAL < 8)))
        return;
    bool length = at == E1000_RDLEN || at == E1000_TDLEN; /* and no longer than there is room */
    u64 value = length ? chance_below(4096) : small_or_any(4096);
    if (at < 8)
        value &= ~((u64)E1000_CTRL_RST << 32 | E1000_CTRL_RST);
    if (chance_once_in(3))
        rig.nic[i]->model->read(rig.nic[i], 0, at, n);
    else
        rig.nic[i]->model->write(rig.nic[i], 0, at, n, value);
}

static void set_rings(unsigned i)
{
    set_of(i, E1000_RDBAL, ring_address(RX_RING));
    set_of(i, E1000_TDBAL, ring_address(TX_RING));
    set_of(i, E1000_RDLEN, 128 * chance_below(8));
    set_of(i, E1000_TDLEN, 128 * chance_below(8));
    set_of(i, E1000_RDH, 0);
    set_of(i, E1000_TDH, 0);
    set_of(i, E1000_CTRL, E1000_CTRL_SLU | (chance_once_in(2) ? E1000_CTRL_VME : 0));
    set_of(i, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | (chance() & 0x07dff7fe));
    set_of(i, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
}

static void random_descriptor(void)
{
    u64 at = ring_address(chance_once_in(2) ? RX_RING : TX_RING);
    u64 word = chance_once_in(3) ? chance() : chance_below(3000) | (chance() & 0xff00000000000000);
    word |= (chance() & 0xff) << E1000_TX_COMMAND;
    word &= chance_once_in(16) ? UINT64_MAX : ~UINT64_C(0xf0000); /* up to 1 MiB takes long */
    bare_set_u64(&rig.b, at, chance_once_in(8) ? 0 : buffer_address());
    bare_set_u64(&rig.b, at + 8, word);
}

/* All descriptors of a ring; a context now and then, and contexts cut segments. */
static void fill_ring(unsigned i)
{
    const struct e1000 *e = &rig.m->b.e1000[i];
    for (u64 k = 0; k < e->tdlen / 16; k++) {
        bare_set_u64(&rig.b, e->tdbal + 16 * k,
                     chance_once_in(3) ? chance() & 0x00ff00ff003f3f3f : buffer_address());
        bare_set_u64(&rig.b, e->tdbal + 16 * k + 8,
                     (chance() & 0xffff0fff00000000) | COMMAND(chance() & 0xff) | chance_below(4) << 20 |
                         chance_below(2000));
    }
    for (u64 k = 0; k < e->rdlen / 16; k++)
        bare_set_u64(&rig.b, e->rdbal + 16 * k, buffer_address());
    set_of(i, E1000_RDT, chance_below(e->rdlen / 16 + 1));
    set_of(i, E1000_TDT, chance_below(e->tdlen / 16 + 1));
}

static void random_frame(void)
{
    static u8 bytes[FRAME_MOST];
    struct rs_error err;
    unsigned n = FRAME_LEAST + (unsigned)chance_below(FRAME_MOST - FRAME_LEAST + 1);
    for (unsigned i = 0; i < n; i += 8) {
        u64 word = chance();
        memcpy(bytes + i, &word, n - i < 8 ? n - i : 8);
    }
    if (chance_once_in(2))
        memcpy(bytes + 12, chance_once_in(2) ? "\x08\x00\x45" : "\x81\x00\x00\x01\x08\x00\x45", 7);
    rs_input_frame(rig.m, chance_below(2), bytes, n, &err);
}

static void random_link(void)
{
    struct rs_link link = {1000000000 + chance_below(100000000000), chance_below(1000000),
                           chance_below(500000), chance(), chance_once_in(4)};
    rs_link(rig.m, 0, chance_once_in(4) ? NULL : rig.m, 1, &link, NULL);
}

static void mutate(void)
{
    switch (chance_below(16)) {
    case 0:
    case 1: set_rings((unsigned)chance_below(2)); break;
    case 2:
    case 3: fill_ring((unsigned)chance_below(2)); break;
    case 4:
    case 5: random_frame(); break;
    case 6: random_descriptor(); break;
    case 7:
        if (chance_once_in(16))
            random_link();
        break;
    default: random_register();
    }
    for (unsigned i = 0; i < ATOMS_A_TURN && devices_next_due(rig.m) <= rig.c->s.cycle; i++)
        devices_atom(rig.m);
    rig.c->s.cycle += chance_below(20000);
}

/* ---- what must hold ---- */

static u64 outside_hash(void)
{
    u64 hash = 0, word;
    for (u64 at = 0; at < rig.m->ram_bytes; at += 8) {
        if (at == ARENA)
            at += ARENA_BYTES + GUARD_BYTES;
        word = bare_u64(&rig.b, at);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void check_sane(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct e1000 *e = &rig.m->b.e1000[i];
        ck_assert_uint_le(e->fifo_words, E1000_FIFO_WORDS);
        ck_assert_uint_lt(e->fifo_head, E1000_FIFO_WORDS);
        ck_assert_uint_eq(rig.m->b.pci[SLOT + i].intx, e->asserted);
    }
}

START_TEST(nothing_that_a_guest_does_hurts)
{
    u64 total = mutations() / 4, before = outside_hash();
    chance_seed(1000 + (u64)_i);
    for (unsigned i = 0; i < 2; i++)
        set_rings(i);
    for (u64 n = 0; n < total; n++) {
        mutate();
        if (n % 64 == 0)
            check_sane();
    }
    ck_assert_uint_gt(rig.sendings, total / 100); /* and something happened */
    ck_assert(outside_hash() == before);
    for (unsigned i = 0; i < 2; i++) /* the rings come to an end */
        set_of(i, E1000_CTRL, E1000_CTRL_RST);
    settle();
}
END_TEST

/* Whatever a forged snapshot says: no atom looks outside an array. */
START_TEST(a_forged_state_hurts_nobody)
{
    chance_seed(7 + (u64)_i);
    for (unsigned turn = 0; turn < 200; turn++) {
        u64 *words = (u64 *)&rig.m->b.e1000[0];
        for (size_t i = 0; i < sizeof(struct e1000) / 8; i++)
            if (chance_once_in(2))
                words[i] = small_or_any(64);
        rig.e->rctl |= E1000_RCTL_EN | E1000_RCTL_UPE;
        rig.e->tctl |= E1000_TCTL_EN;
        rig.e->ctrl |= E1000_CTRL_SLU;
        rig.e->phy[0] = 0;
        rig.e->rdlen = rig.e->tdlen = 128;
        rig.e->rdh = rig.e->tdh = 0;
        rig.e->rdt = rig.e->tdt = 5;
        random_frame();
        e1000_schedule(rig.nic[0]);
        for (unsigned i = 0; i < 100 && devices_next_due(rig.m) != UINT64_MAX; i++)
            devices_atom(rig.m);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hostile e1000");
    TCase *t = tcase_create("hostile");
    tcase_add_checked_fixture(t, rig_open, rig_close);
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, nothing_that_a_guest_does_hurts, 0, 4);
    tcase_add_loop_test(t, a_forged_state_hurts_nobody, 0, 4);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
