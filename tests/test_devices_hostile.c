/* test_devices_hostile.c - a hostile guest has every device of the board, in a domain of a MiB: random
 * registers, configuration, ports, rings, descriptors, queues and frames.  Nothing outside the domain is
 * written. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "arch/edu.h"
#include "arch/e1000.h"
#include "arch/iommu.h"
#include "dev/device.h"
#include "dev/ports.h"
#include "lib/bare.h"
#include "lib/chance.h"
#include "lib/suite.h"
#include "lib/temporary.h"
#include "lib/virtio_driver.h"

#define CASES           8
#define MUTATIONS_USUAL 1000000 /* of all cases; RINGSIDE_MUTATIONS sets another number */
#define ATOMS_A_TURN    12
#define PARTS           64 /* of a case: the rest of memory is looked at after each */

#define TABLES      UINT64_C(0x500000) /* root, context, level 4 to 1 */
#define ARENA       UINT64_C(0x600000) /* what the domain has, at its own address */
#define ARENA_BYTES UINT64_C(0x100000)
#define DOMAIN      9

enum { SLOT_EDU = 1, SLOT_NIC, SLOT_NIC_2, SLOT_DISK, SLOT_VIRTIO_NIC, SLOTS };

static struct bare b;
static rs_machine *m;
static uint64_t mutations_made, transfers;

static uint64_t mutations(void)
{
    const char *text = getenv("RINGSIDE_MUTATIONS");
    return text ? strtoull(text, NULL, 10) : MUTATIONS_USUAL;
}

/* ---- the domain ---- */

static void put_tables(void)
{
    const u64 both = IOMMU_SL_R | IOMMU_SL_W;
    u64 root = TABLES, context = TABLES + 0x1000, level = TABLES + 0x2000;
    bare_set_u64(&b, root, context | IOMMU_ENTRY_P);
    for (unsigned slot = 1; slot < SLOTS; slot++) {
        bare_set_u64(&b, context + 16 * (slot << 3), level | IOMMU_ENTRY_P);
        bare_set_u64(&b, context + 16 * (slot << 3) + 8,
                     IOMMU_CONTEXT_AW_48 | DOMAIN << IOMMU_CONTEXT_DID_SHIFT);
    }
    bare_set_u64(&b, level, (level + 0x1000) | both);
    bare_set_u64(&b, level + 0x1000, (level + 0x2000) | both);
    bare_set_u64(&b, level + 0x2000 + 8 * (ARENA >> 21), (level + 0x3000) | both);
    for (u64 page = ARENA; page < ARENA + ARENA_BYTES; page += 4096)
        bare_set_u64(&b, level + 0x3000 + 8 * (page >> 12 & 511), page | both);
    m->b.iommu.root = root;
    m->b.iommu.gsts = IOMMU_TE | IOMMU_SRTP;
}

static void open_all(void)
{
    static const char zeros[1 << 16];
    char disk[256];
    struct rs_device device[] = {{.kind = "edu"},
                                 {.kind = "e1000"},
                                 {.kind = "e1000"},
                                 {.kind = "virtio-blk"},
                                 {.kind = "virtio-net"}};
    struct rs_link link;
    ck_assert(temporary_file(disk));
    FILE *f = fopen(disk, "wb");
    ck_assert(f && fwrite(zeros, sizeof zeros, 1, f) == 1 && fclose(f) == 0);
    device[3].file = disk;
    bare_open_devices(&b, RS_FW_VTX | RS_FW_VTD, 1, device, sizeof device / sizeof *device);
    unlink(disk);
    m = b.machine;
    rs_link_init(&link);
    ck_assert_int_eq(rs_link(m, 0, m, 1, &link, NULL), RS_OK);
    put_tables();
}

static void close_all(void)
{
    bare_close(&b);
}

/* Of all that the domain has not. */
static u64 outside(void)
{
    static u8 page[4096];
    u64 hash = 0;
    for (u64 at = 0; at < m->ram_bytes; at += sizeof page) {
        if (at >= ARENA && at < ARENA + ARENA_BYTES)
            continue;
        ck_assert_int_eq(rs_read(m, at, page, sizeof page), RS_OK);
        hash = XXH3_64bits_withSeed(page, sizeof page, hash);
    }
    return hash;
}

/* ---- what a guest may do ---- */

static u64 small_or_any(u64 n)
{
    return chance_once_in(6) ? chance() : chance_below(n);
}

/* Mostly in the domain; now and then anywhere. */
static u64 somewhere(void)
{
    if (chance_once_in(8))
        return chance_once_in(2) ? chance() : chance_below(m->ram_bytes);
    return ARENA + (chance_below(ARENA_BYTES) & ~(u64)(chance_once_in(4) ? 0 : 63));
}

static unsigned random_slot(void)
{
    return 1 + (unsigned)chance_below(SLOTS - 1);
}

static void reach(struct pci_device *d, unsigned bar, u64 at, unsigned n, u64 value)
{
    if (chance_once_in(3))
        d->model->read(d, bar, at, n);
    else
        d->model->write(d, bar, at, n, value);
}

static void random_register(void)
{
    struct pci_device *d = m->pci[random_slot()];
    unsigned bar = (unsigned)chance_below(2), n = 1u << chance_below(4);
    if (d->model->bar[bar].bytes < 8 || (d->model->msix_vectors && d->model->msix_bar == bar))
        return;
    u64 at = chance_below(chance_once_in(2) ? 0x100 : d->model->bar[bar].bytes) & ~(u64)(n - 1);
    reach(d, bar, at, n, chance_once_in(3) ? somewhere() : small_or_any(0x1000));
}

static void switch_on(unsigned slot)
{
    pci_config_write(m, PCI_ADDRESS(0u, slot, 0u, PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void random_config(void)
{
    unsigned slot = random_slot();
    pci_config_write(m, PCI_ADDRESS(0u, slot, 0u, (u32)chance_below(256) & ~3u), 4, (u32)small_or_any(256));
    if (!chance_once_in(8))
        switch_on(slot);
}

static void random_port(void)
{
    static const u16 port[] = {0x20,  0x21,  0xa0,  0xa1,  0x40,  0x41,  0x42,  0x43,  0x61,
                               0x60,  0x70,  0x71,  0x3d4, 0x3d5, 0x3f8, 0x3f9, 0x3fa, 0x3fb,
                               0x3fc, 0x3fd, 0x2f8, 0x2f9, 0x2fb, 0x2fc, 0x4d0, 0x4d1};
    u16 at = port[chance_below(sizeof port / sizeof *port)];
    if (chance_once_in(2))
        ports_in(m, at);
    else
        ports_out(m, at, (u8)chance());
}

static void random_edu(void)
{
    struct pci_device *d = m->pci[SLOT_EDU];
    u64 to_ram = chance_once_in(2) ? EDU_DMA_TO_RAM : 0, own = EDU_DMA_BUFFER + chance_below(4096);
    d->model->write(d, 0, EDU_DMA_SOURCE, 8, to_ram ? own : somewhere());
    d->model->write(d, 0, EDU_DMA_DEST, 8, to_ram ? somewhere() : own);
    d->model->write(d, 0, EDU_DMA_COUNT, 8, small_or_any(600));
    d->model->write(d, 0, EDU_DMA_COMMAND, 4, EDU_DMA_START | to_ram | (chance() & EDU_DMA_INTERRUPT));
}

static void random_rings(void)
{
    struct pci_device *d = m->pci[SLOT_NIC + chance_below(2)];
    const u64 value[][2] = {
        {E1000_RDBAL, somewhere() & ~UINT64_C(15)},
        {E1000_TDBAL, somewhere() & ~UINT64_C(15)},
        {E1000_RDLEN, 128 * chance_below(6)},
        {E1000_TDLEN, 128 * chance_below(6)},
        {E1000_RDT, chance_below(48)},
        {E1000_CTRL, E1000_CTRL_SLU},
        {E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | (chance() & 0x07dff7fe)},
        {E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP},
        {E1000_TDT, chance_below(48)},
    };
    for (size_t i = 0; i < sizeof value / sizeof *value; i++)
        d->model->write(d, 0, (unsigned)value[i][0], 4, value[i][1] & 0xffffffff);
}

/* What a descriptor of some device may be: an address, and lengths and flags. */
static void random_memory(void)
{
    u64 at = ARENA + (chance_below(ARENA_BYTES - 4096) & ~UINT64_C(15));
    for (unsigned i = 0; i < 16; i++, at += 16) {
        bare_set_u64(&b, at, chance_once_in(16) ? 0 : somewhere());
        bare_set_u64(&b, at + 8, (chance() & 0xffffff00000000) | small_or_any(1600));
    }
}

static void random_queue(void)
{
    struct driver v;
    struct driver_queue q;
    unsigned slot = chance_once_in(2) ? SLOT_DISK : SLOT_VIRTIO_NIC;
    u64 memory = ARENA + 0x4000 * chance_below(ARENA_BYTES / 0x4000);
    driver_open(&v, &b, slot);
    driver_negotiate(&v, chance());
    driver_queue(&q, &v, slot == SLOT_DISK ? 0 : (unsigned)chance_below(2), 1u << chance_below(6), memory);
    driver_ok(&v);
    for (unsigned i = 0; i < q.size; i++)
        driver_descriptor(&q, i, somewhere(), (u32)small_or_any(700), (unsigned)chance_below(8),
                          (unsigned)chance_below(chance_once_in(8) ? 0x10000 : q.size));
    for (u64 n = chance_below(q.size + 1); n; n--)
        driver_offer(&q, (unsigned)chance_below(chance_once_in(20) ? 0x10000 : q.size));
    driver_notify(&q);
}

static void random_frame(void)
{
    static u8 bytes[1600];
    struct rs_error err;
    size_t n = 14 + chance_below(1518 - 14 + 1);
    for (size_t i = 0; i < n; i += 8) {
        u64 word = chance();
        memcpy(bytes + i, &word, 8);
    }
    bytes[0] = 0xff;
    rs_input_frame(m, chance_below(3), bytes, n, &err);
}

static void mutate(void)
{
    switch (chance_below(24)) {
    case 0: random_config(); break;
    case 1: random_queue(); break;
    case 2:
        if (chance_once_in(4))
            random_frame();
        break;
    case 3:
    case 4: random_edu(); break;
    case 5:
    case 6: random_rings(); break;
    case 7:
    case 8: random_memory(); break;
    case 9:
    case 10: random_port(); break;
    default: random_register();
    }
    for (unsigned i = 0; i < ATOMS_A_TURN && devices_next_due(m) <= b.core->s.cycle; i++)
        devices_atom(m);
    b.core->s.cycle += chance_below(6000);
    mutations_made++;
}

static void count_transfer(const struct rs_event *e, void *arg)
{
    (void)arg;
    transfers++;
    ck_assert_uint_ge(e->field[2], ARENA); /* where it was, and how long */
    ck_assert_uint_le(e->field[2] + e->field[4], ARENA + ARENA_BYTES);
}

START_TEST(nothing_outside_the_domain_is_reached)
{
    u64 before = outside(), total = mutations() / CASES;
    chance_seed(77 + (u64)_i);
    for (unsigned slot = 1; slot < SLOTS; slot++)
        switch_on(slot);
    rs_watch(b.world, RS_PROBE_dma, true, count_transfer, NULL);
    for (unsigned part = 0; part < PARTS; part++) {
        for (u64 n = 0; n < total / PARTS + 1; n++)
            mutate();
        if (part % 16 == 15)
            ck_assert_uint_eq(outside(), before);
    }
    ck_assert_uint_gt(transfers, total / 100); /* and something happened */
    ck_assert_uint_gt(m->b.iommu_count.faults, total / 1000);
    ck_assert_uint_eq(m->b.halted, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hostile devices");
    TCase *t = tcase_create("hostile");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_set_timeout(t, 1200);
    tcase_add_loop_test(t, nothing_outside_the_domain_is_reached, 0, CASES);
    suite_add_tcase(s, t);
    return suite_run(s);
}
