/* test_hv_blk.c - the virtio disk that the hypervisor gives a VM, over a disk of the machine's that ends its
 * work when the test says so: requests, errors, flushes, filters, ends in the midst of it, and any driver. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../hv/uart.h"
#include "lib/chance.h"
#include "lib/hv_bus.h"
#include "lib/suite.h"

#define ROUNDS  300000
#define SIZE    16u
#define RING    0x2000u
#define TABLES  0x6000u
#define BUFFERS 0x10000u
#define SECTORS 64u
#define WORKS   3

/* ---- the machine's disk ---- */

static uint8_t medium[SECTORS * SECTOR_BYTES];
static uint8_t pages[WORKS][WORK_PAGES][PAGE_BYTES];
static struct {
    struct disk_work work;
    bool taken, given;
} works[WORKS];
static struct disk_waiter *waiting;
static bool readonly, fails, cached, opened;
static unsigned flushed, written;

struct disk *disk_open(unsigned slot, char *why, size_t size)
{
    (void)slot, (void)why, (void)size;
    opened = true;
    return (struct disk *)medium;
}

struct disk *disk_at(unsigned i)
{
    (void)i;
    return NULL;
}

void disk_close(struct disk *d)
{
    ck_assert_ptr_eq(d, medium);
    opened = false;
}

unsigned disk_slot(const struct disk *d)
{
    (void)d;
    return 4;
}

uint64_t disk_sectors(const struct disk *d)
{
    (void)d;
    return SECTORS;
}

bool disk_readonly(const struct disk *d)
{
    (void)d;
    return readonly;
}

bool disk_has_cache(const struct disk *d)
{
    (void)d;
    return cached;
}

struct disk_work *disk_take(struct disk *d, struct disk_waiter *waiter)
{
    (void)d;
    for (unsigned i = 0; i < WORKS; i++)
        if (!works[i].taken) {
            works[i].taken = true;
            for (unsigned page = 0; page < WORK_PAGES; page++)
                works[i].work.page[page] = pages[i][page];
            return &works[i].work;
        }
    waiting = waiter;
    waiter->waits = true;
    return NULL;
}

static unsigned number(const struct disk_work *w)
{
    for (unsigned i = 0; i < WORKS; i++)
        if (w == &works[i].work)
            return i;
    ck_abort_msg("work of nobody");
    return 0;
}

void disk_give(struct disk *d, struct disk_work *w)
{
    (void)d;
    ck_assert(works[number(w)].taken && !works[number(w)].given);
    ck_assert(w->verb == DISK_FLUSH || (w->sectors > 0 && w->sectors <= WORK_SECTORS));
    ck_assert(w->verb == DISK_FLUSH || w->sector + w->sectors <= SECTORS);
    works[number(w)].given = true;
}

void disk_put_back(struct disk *d, struct disk_work *w)
{
    struct disk_waiter *next = waiting;
    (void)d;
    ck_assert(works[number(w)].taken && !works[number(w)].given);
    works[number(w)].taken = false;
    waiting = NULL;
    if (next) {
        next->waits = false;
        next->free(next->of);
    }
}

void disk_forget(struct disk *d, struct disk_waiter *waiter)
{
    (void)d;
    waiter->waits = false;
    waiting = waiting == waiter ? NULL : waiting;
}

static void do_work(const struct disk_work *w)
{
    flushed += w->verb == DISK_FLUSH;
    for (unsigned i = 0; i < w->sectors && w->verb != DISK_FLUSH; i++) {
        uint8_t *ours = w->page[i / PAGE_SECTORS] + i % PAGE_SECTORS * SECTOR_BYTES,
                *its = medium + (w->sector + i) * SECTOR_BYTES;
        memcpy(w->verb == DISK_READ ? ours : its, w->verb == DISK_READ ? its : ours, SECTOR_BYTES);
        written += w->verb == DISK_WRITE;
    }
}

/* The machine's disk ends a piece of work; false: it has none. */
static bool end_one(void)
{
    for (unsigned i = 0; i < WORKS; i++)
        if (works[i].given) {
            if (!fails)
                do_work(&works[i].work);
            works[i].given = false;
            if (works[i].work.of)
                works[i].work.done(works[i].work.of, &works[i].work, !fails);
            else
                disk_put_back((struct disk *)medium, &works[i].work);
            return true;
        }
    return false;
}

static unsigned end_all(void)
{
    unsigned n = 0;
    while (end_one())
        n++;
    return n;
}

struct vm *vm_at(unsigned i)
{
    return i == 0 ? &bus_vm : NULL;
}

/* Nothing is printed. */
void uart_put(uint16_t port, char c)
{
    (void)port, (void)c;
}

/* ---- a driver ---- */

static struct virtio_blk *blk;
static struct vmdir_vm dir = {.name = "vm"};

static uint64_t get(uint64_t at, unsigned n)
{
    return bus_read(0, at, n) & (n < 8 ? (UINT64_C(1) << 8 * n) - 1 : UINT64_MAX);
}

static void put(uint64_t at, unsigned n, uint64_t value)
{
    bus_write(0, at, n, value);
}

static void plug(const struct vm_config *config)
{
    char why[VM_WHY];
    memset(works, 0, sizeof works);
    waiting = NULL;
    bus_reset();
    bus_vm.config = *config;
    bus_vm.dir = &dir;
    blk = &bus_vm.virtio_blk;
    ck_assert_msg(virtio_blk_plug(blk, &bus_vm, why, sizeof why), "%s", why);
}

static void set_up(void)
{
    chance_seed(1);
    readonly = fails = false;
    cached = true;
    flushed = written = 0;
    for (unsigned i = 0; i < sizeof medium; i++)
        medium[i] = (uint8_t)(i * 7 + i / SECTOR_BYTES);
    plug(&(struct vm_config){0});
}

static void drive(uint64_t features)
{
    features |= FEATURE_BIT(VIRTIO_F_VERSION_1) | FEATURE_BIT(VIRTIO_F_RING_INDIRECT_DESC);
    memset(bus_ram + RING + 0x800, 0, VIRTQ_AVAIL_BYTES(SIZE));
    memset(bus_ram + RING + 0x1000, 0, VIRTQ_USED_BYTES(SIZE));
    put(VIRTIO_DEVICE_STATUS, 1, 0);
    for (unsigned i = 0; i < 2; i++) {
        put(VIRTIO_DRIVER_FEATURE_SELECT, 4, i);
        put(VIRTIO_DRIVER_FEATURE, 4, features >> 32 * i & 0xffffffff);
    }
    put(VIRTIO_DEVICE_STATUS, 1, VIRTIO_FEATURES_OK);
    ck_assert(get(VIRTIO_DEVICE_STATUS, 1) & VIRTIO_FEATURES_OK);
    put(VIRTIO_QUEUE_SELECT, 2, 0);
    put(VIRTIO_QUEUE_SIZE, 2, SIZE);
    put(VIRTIO_QUEUE_MSIX_VECTOR, 2, 0);
    put(VIRTIO_QUEUE_DESC, 8, RING);
    put(VIRTIO_QUEUE_DRIVER, 8, RING + 0x800);
    put(VIRTIO_QUEUE_DEVICE, 8, RING + 0x1000);
    put(VIRTIO_QUEUE_ENABLE, 2, 1);
    put(VIRTIO_DEVICE_STATUS, 1, VIRTIO_DRIVER_OK);
    bus_messages_on(2);
}

static const uint64_t flush = FEATURE_BIT(VIRTIO_BLK_F_FLUSH);

static void descriptor(uint32_t table, unsigned i, uint64_t gpa, uint32_t bytes, unsigned flags,
                       unsigned next)
{
    const uint64_t words[] = {gpa, bytes | (uint64_t)flags << 32 | (uint64_t)next << 48};
    memcpy(bus_ram + table + 16 * i, words, sizeof words);
}

static uint16_t word_at(uint32_t at)
{
    uint16_t word;
    memcpy(&word, bus_ram + at, 2);
    return word;
}

static void offer(unsigned head)
{
    uint16_t index = word_at(RING + 0x802), value = (uint16_t)head;
    memcpy(bus_ram + RING + 0x800 + VIRTQ_AVAIL_RING(index % SIZE), &value, 2);
    value = index + 1;
    memcpy(bus_ram + RING + 0x802, &value, 2);
}

static uint32_t data_of(unsigned i)
{
    return BUFFERS + 0x8000 * i + 0x1000;
}

static uint8_t status_of(unsigned i)
{
    return bus_ram[BUFFERS + 0x8000 * i + 0x100];
}

/* Request i, in a table of its own: header, data in two buffers, status. */
static void request(unsigned i, uint32_t type, uint64_t sector, uint32_t bytes)
{
    uint32_t header = BUFFERS + 0x8000 * i, table = TABLES + 0x100 * i, n = 0;
    unsigned flags = VIRTQ_DESC_F_NEXT | (type == VIRTIO_BLK_T_OUT ? 0 : VIRTQ_DESC_F_WRITE);
    memcpy(bus_ram + header, &type, 4);
    memcpy(bus_ram + header + 8, &sector, 8);
    bus_ram[header + 0x100] = 0xff;
    descriptor(table, n++, header, 16, VIRTQ_DESC_F_NEXT, 1);
    if (bytes > 100) {
        descriptor(table, n, data_of(i), 100, flags, n + 1);
        n++;
        descriptor(table, n, data_of(i) + 100, bytes - 100, flags, n + 1);
        n++;
    }
    descriptor(table, n++, header + 0x100, 1, VIRTQ_DESC_F_WRITE, 0);
    descriptor(RING, i, table, 16 * n, VIRTQ_DESC_F_INDIRECT, 0);
    offer(i);
}

static void kick(void)
{
    put(0x3000, 2, 0);
}

static uint16_t used(void)
{
    return word_at(RING + 0x1002);
}

static bool needs_reset(void)
{
    return get(VIRTIO_DEVICE_STATUS, 1) & VIRTIO_NEEDS_RESET;
}

/* Does it whole, and returns its status. */
static uint8_t whole(uint32_t type, uint64_t sector, uint32_t bytes)
{
    request(0, type, sector, bytes);
    kick();
    end_all();
    return status_of(0);
}

/* ---- tests ---- */

START_TEST(reads_and_writes)
{
    drive(flush);
    ck_assert_uint_eq(get(0x2000, 8), SECTORS);
    request(0, VIRTIO_BLK_T_IN, 3, 2 * SECTOR_BYTES);
    kick();
    ck_assert_uint_eq(used(), 0); /* the VM goes on meanwhile */
    ck_assert_uint_eq(end_all(), 1);
    ck_assert_uint_eq(used(), 1);
    ck_assert_uint_eq(bus_sent[0], 1);
    ck_assert_uint_eq(status_of(0), VIRTIO_BLK_S_OK);
    ck_assert_mem_eq(bus_ram + data_of(0), medium + 3 * SECTOR_BYTES, 2 * SECTOR_BYTES);
    memset(bus_ram + data_of(1), 0x5a, 40 * SECTOR_BYTES);
    request(1, VIRTIO_BLK_T_OUT, 10, 40 * SECTOR_BYTES); /* more than one piece */
    kick();
    ck_assert_uint_eq(end_all(), 2);
    ck_assert_uint_eq(written, 40);
    ck_assert_uint_eq(flushed, 0);
    ck_assert_uint_eq(medium[10 * SECTOR_BYTES - 1], (uint8_t)(5119 * 7 + 9));
    for (unsigned i = 10 * SECTOR_BYTES; i < 50 * SECTOR_BYTES; i++)
        ck_assert_uint_eq(medium[i], 0x5a);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(flushed, 1);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_GET_ID, 0, 120), VIRTIO_BLK_S_OK);
    ck_assert_str_eq((char *)bus_ram + data_of(0), "vm");
    ck_assert_uint_eq(blk->reads + blk->writes + blk->flushes, 3);
}
END_TEST

START_TEST(errors_are_passed_on)
{
    drive(flush);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, SECTORS - 1, 2 * SECTOR_BYTES), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, UINT64_MAX, SECTOR_BYTES), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, 0, SECTOR_BYTES + 1), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, SECTORS, 0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(whole(99, 0, 0), VIRTIO_BLK_S_UNSUPP);
    fails = true;
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, 0, SECTOR_BYTES), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_OUT, 0, SECTOR_BYTES), VIRTIO_BLK_S_IOERR);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_IOERR);
    fails = false;
    readonly = true;
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_OUT, 0, SECTOR_BYTES), VIRTIO_BLK_S_IOERR);
    put(VIRTIO_DEVICE_FEATURE_SELECT, 4, 0);
    ck_assert(get(VIRTIO_DEVICE_FEATURE, 4) & FEATURE_BIT(VIRTIO_BLK_F_RO));
    ck_assert_uint_eq(written, 0);
    ck_assert_uint_eq(blk->errors, 8);
    ck_assert(!needs_reset());
    request(0, VIRTIO_BLK_T_IN, 0, SECTOR_BYTES);
    descriptor(TABLES, 2, UINT64_MAX - 100, SECTOR_BYTES - 100, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 3);
    kick();
    end_all();
    ck_assert_uint_eq(status_of(0), VIRTIO_BLK_S_IOERR); /* data that may not be reached */
    ck_assert(!needs_reset());
}
END_TEST

/* A driver without FLUSH, or one that has turned WRITEBACK off, has what it wrote on the disk. */
START_TEST(what_is_written_through)
{
    drive(0);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_OUT, 0, 40 * SECTOR_BYTES), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(flushed, 1);
    drive(flush | FEATURE_BIT(VIRTIO_BLK_F_CONFIG_WCE));
    whole(VIRTIO_BLK_T_OUT, 0, SECTOR_BYTES);
    ck_assert_uint_eq(flushed, 1);
    ck_assert_uint_eq(get(0x2000 + VIRTIO_BLK_WRITEBACK, 1), 1);
    put(0x2000 + VIRTIO_BLK_WRITEBACK, 1, 0);
    whole(VIRTIO_BLK_T_OUT, 0, SECTOR_BYTES);
    ck_assert_uint_eq(flushed, 2);
    cached = false; /* a disk that keeps all at once */
    whole(VIRTIO_BLK_T_OUT, 0, SECTOR_BYTES);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
    ck_assert_uint_eq(flushed, 2);
}
END_TEST

/* More requests than may be under way, and more of those than the disk takes: each is done, once. */
START_TEST(many_at_once)
{
    drive(flush);
    for (unsigned i = 0; i < 5; i++)
        request(i, VIRTIO_BLK_T_IN, 2 * i, 2 * SECTOR_BYTES);
    kick();
    ck_assert_uint_eq(end_all(), 5);
    ck_assert_uint_eq(used(), 5);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(status_of(i), VIRTIO_BLK_S_OK);
        ck_assert_mem_eq(bus_ram + data_of(i), medium + 2 * i * SECTOR_BYTES, 2 * SECTOR_BYTES);
    }
    ck_assert_uint_eq(blk->device.notifications, 1);
}
END_TEST

START_TEST(a_part_of_a_disk)
{
    char why[VM_WHY] = "";
    plug(&(struct vm_config){.disk_first = 10, .disk_sectors = 4});
    drive(flush);
    ck_assert_uint_eq(get(0x2000, 8), 4);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, 3, SECTOR_BYTES), VIRTIO_BLK_S_OK);
    ck_assert_mem_eq(bus_ram + data_of(0), medium + 13 * SECTOR_BYTES, SECTOR_BYTES);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_OUT, 4, SECTOR_BYTES), VIRTIO_BLK_S_IOERR);
    struct virtio_blk other = {0};
    bus_vm.config.disk_first = 13;
    bus_vm.config.disk_sectors = 0;
    ck_assert(!virtio_blk_plug(&other, &bus_vm, why, sizeof why));
    ck_assert_str_eq(why, "sectors 13 to 63 of the disk in slot 4: vm has some of them");
    bus_vm.config.disk_first = SECTORS;
    ck_assert(!virtio_blk_plug(&other, &bus_vm, why, sizeof why));
    ck_assert_str_eq(why, "the disk in slot 4 has 64 sectors: disk_first=64 disk_sectors=0 is beyond");
    virtio_blk_end(blk);
    ck_assert(!opened);
    bus_vm.config.disk_first = 13;
    vpci_init(&bus_vm.pci);
    ck_assert(virtio_blk_plug(&other, &bus_vm, why, sizeof why));
    ck_assert_uint_eq(other.sectors, SECTORS - 13);
}
END_TEST

/* A reset, or the VM's end, while the machine's disk works: it may end what it has begun, and nobody hears.
 */
START_TEST(ends_in_the_midst)
{
    drive(flush);
    for (unsigned i = 0; i < 5; i++)
        request(i, VIRTIO_BLK_T_IN, 0, SECTOR_BYTES);
    kick();
    put(VIRTIO_DEVICE_STATUS, 1, 0);
    ck_assert_uint_eq(end_all(), WORKS);
    ck_assert_uint_eq(used(), 0);
    ck_assert_uint_eq(status_of(0), 0xff);
    drive(flush);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, 0, SECTOR_BYTES), VIRTIO_BLK_S_OK);
    request(0, VIRTIO_BLK_T_IN, 0, SECTOR_BYTES);
    kick();
    virtio_blk_end(blk);
    end_all();
    ck_assert_uint_eq(status_of(0), 0xff);
}
END_TEST

/* ---- filters ---- */

static const char secret[] = "nothing that the machine's disk may see";

START_TEST(encrypted)
{
    struct vm_config config = {.disk_first = 20, .disk_filters = DISK_FILTER_ENCRYPT};
    struct xts key;
    uint8_t sector[SECTOR_BYTES];
    for (unsigned i = 0; i < sizeof config.disk_key; i++)
        config.disk_key[i] = (uint8_t)(i * 11);
    plug(&config);
    drive(flush);
    for (unsigned i = 0; i < 20; i++)
        memcpy(bus_ram + data_of(0) + i * SECTOR_BYTES, secret, sizeof secret);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_OUT, 5, 20 * SECTOR_BYTES), VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i + 8 <= sizeof medium; i++)
        ck_assert_mem_ne(medium + i, secret, 8);
    ck_assert_mem_ne(medium + 25 * SECTOR_BYTES, medium + 26 * SECTOR_BYTES,
                     16); /* alike, and each its own */
    memcpy(sector, medium + (20 + 5 + 13) * SECTOR_BYTES, sizeof sector);
    xts_set_key(&key, config.disk_key);
    xts_decrypt(&key, 5 + 13, sector, sizeof sector);
    ck_assert_mem_eq(sector, secret, sizeof secret);
    memset(bus_ram + data_of(0), 0, 20 * SECTOR_BYTES);
    ck_assert_uint_eq(whole(VIRTIO_BLK_T_IN, 5, 20 * SECTOR_BYTES), VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_mem_eq(bus_ram + data_of(0) + i * SECTOR_BYTES, secret, sizeof secret);
}
END_TEST

static char lines[4096];

static void take_line(const char *format, ...)
{
    va_list args;
    size_t n = strlen(lines);
    va_start(args, format);
    vsnprintf(lines + n, sizeof lines - n, format, args);
    va_end(args);
    strcat(lines, "\n");
}

START_TEST(profiled)
{
    plug(&(struct vm_config){.disk_filters = DISK_FILTER_PROFILE});
    drive(flush);
    for (unsigned i = 0; i < 4; i++)
        whole(VIRTIO_BLK_T_IN, 8 + 4 * i, 4 * SECTOR_BYTES);
    whole(VIRTIO_BLK_T_OUT, 10, SECTOR_BYTES);
    whole(VIRTIO_BLK_T_OUT, 10, SECTOR_BYTES);
    whole(VIRTIO_BLK_T_OUT, 11, 3 * SECTOR_BYTES);
    whole(VIRTIO_BLK_T_FLUSH, 0, 0);
    whole(VIRTIO_BLK_T_IN, SECTORS, SECTOR_BYTES); /* is none */
    lines[0] = 0;
    disk_profile_show(&blk->filters.profile, take_line);
    ck_assert_str_eq(lines, "reads=4 sectors=16 sequential=3 random=1\n"
                            "writes=3 sectors=5 sequential=1 random=2\n"
                            "flushes=1\n"
                            "size=1 reads=0 writes=2\n"
                            "size=4 reads=4 writes=1\n"
                            "hot from=10 to=10 read=1 written=2\n"
                            "hot from=11 to=11 read=1 written=1\n"
                            "hot from=12 to=12 read=1 written=1\n"
                            "hot from=13 to=13 read=1 written=1\n");
}
END_TEST

START_TEST(names_of_filters)
{
    unsigned chosen = 9;
    char text[32];
    ck_assert(disk_filters_parse(&chosen, "none") && chosen == 0);
    ck_assert(disk_filters_parse(&chosen, "encrypt,profile"));
    disk_filters_name(chosen, text, sizeof text);
    ck_assert_str_eq(text, "profile,encrypt");
    disk_filters_name(0, text, sizeof text);
    ck_assert_str_eq(text, "none");
    ck_assert(!disk_filters_parse(&chosen, ""));
    ck_assert(!disk_filters_parse(&chosen, "encrypt,"));
    ck_assert(!disk_filters_parse(&chosen, "encryp"));
    ck_assert(!disk_filters_parse(&chosen, "profile,none"));
}
END_TEST

/* ---- anything ---- */

static void spoil(void)
{
    uint32_t table = chance_once_in(4) ? RING : TABLES + 0x100 * (uint32_t)chance_below(5);
    uint64_t gpa = chance_once_in(8) ? chance() : chance_below(BUS_RAM_BYTES);
    uint32_t bytes = chance_once_in(8) ? (uint32_t)chance() : (uint32_t)chance_below(4000);
    descriptor(table, (unsigned)chance_below(5), gpa, bytes, (unsigned)chance_below(8),
               (unsigned)chance_below(6));
}

START_TEST(hostile)
{
    struct vm_config config = {.disk_first = 8, .disk_sectors = 32, .disk_filters = DISK_FILTER_PROFILE};
    uint8_t before[8 * SECTOR_BYTES];
    memcpy(before, medium, sizeof before);
    plug(&config);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 16 == 0)
            drive(chance_once_in(2) ? flush : FEATURE_BIT(VIRTIO_F_RING_EVENT_IDX));
        request((unsigned)chance_below(5), chance_once_in(8) ? (uint32_t)chance() : (uint32_t)chance_below(5),
                chance_once_in(8) ? chance() : chance_below(40), SECTOR_BYTES * (uint32_t)chance_below(12));
        if (chance_once_in(2))
            spoil();
        if (chance_once_in(16))
            bus_write(0, chance_below(0x2040), 1u << chance_below(4), chance());
        if (chance_once_in(2))
            kick();
        fails = chance_once_in(8);
        for (uint64_t n = chance_below(4); n > 0; n--)
            end_one();
    }
    end_all();
    for (unsigned i = 0; i < WORKS; i++)
        ck_assert(!works[i].taken);
    ck_assert_mem_eq(medium, before, sizeof before);
    ck_assert_uint_gt(blk->reads, 1000);
    ck_assert_uint_gt(blk->writes, 1000);
    ck_assert_uint_gt(blk->errors, 1000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_blk");
    TCase *t = tcase_create("disk");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, reads_and_writes);
    tcase_add_test(t, errors_are_passed_on);
    tcase_add_test(t, what_is_written_through);
    tcase_add_test(t, many_at_once);
    tcase_add_test(t, a_part_of_a_disk);
    tcase_add_test(t, ends_in_the_midst);
    tcase_add_test(t, encrypted);
    tcase_add_test(t, profiled);
    tcase_add_test(t, names_of_filters);
    tcase_add_test(t, hostile);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
