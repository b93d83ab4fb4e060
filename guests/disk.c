/* disk - a program that uses a virtio disk as a line on its console says:
 *
 *     write SECTOR TEXT      the sector is full of the text, again and again
 *     read SECTOR            says what it begins with
 *     fill FIRST COUNT       writes COUNT sectors, eight at a time; each is full of its number
 *     scan FIRST COUNT       reads them likewise, and says how many are not
 *     hop FIRST COUNT TIMES  reads one of those sectors, anywhere, so many times
 *     flush
 *     quit
 *
 * Each ends with a line that says so.  Marks 1 and 2 around the disk's work: RDI is the number of sectors. */
#include "lib/guest.h"

#include "lib/args.h"
#include "lib/mark.h"
#include "lib/print.h"
#include "lib/uart.h"
#include "lib/virtio.h"

#define LINE_MAX 128
#define SECTOR   512u
#define AT_ONCE  8u
#define SHOWN    48u

static struct virtio disk;
static struct virtio_queue queue;
static uint8_t data[AT_ONCE * SECTOR];

/* ---- requests: one at a time, polled ---- */

static uint8_t request(uint32_t type, uint64_t sector, uint32_t sectors)
{
    static struct {
        uint32_t type, reserved;
        uint64_t sector;
        volatile uint8_t status;
    } it;
    uint16_t flags = VIRTQ_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VIRTQ_DESC_F_WRITE : 0);

    it.type = type;
    it.sector = sector;
    it.status = 0xff;
    virtio_descriptor(queue.desc, 0, &it, VIRTIO_BLK_HEADER_BYTES, VIRTQ_DESC_F_NEXT, sectors ? 1 : 2);
    virtio_descriptor(queue.desc, 1, data, sectors * SECTOR, flags, 2);
    virtio_descriptor(queue.desc, 2, &it.status, 1, VIRTQ_DESC_F_WRITE, 0);
    mark(1, sectors, sector);
    virtio_offer(&queue, 0);
    virtio_kick(&queue);
    while (!virtio_take(&queue, 1))
        __asm__ volatile("pause");
    mark(2, sectors, sector);
    return it.status;
}

static uint32_t piece(uint64_t done, uint64_t count)
{
    return (uint32_t)(count - done < AT_ONCE ? count - done : AT_ONCE);
}

/* ---- commands ---- */

/* What follows the first n words. */
static const char *behind(const char *line, unsigned n)
{
    for (; n > 0; n--) {
        while (*line && *line != ' ')
            line++;
        while (*line == ' ')
            line++;
    }
    return line;
}

static void write_text(uint64_t sector, const char *text)
{
    const char *at = text;

    for (uint32_t i = 0; i < SECTOR; i++, at++) {
        at = *at ? at : text;
        data[i] = (uint8_t)*at;
    }
    print("written: status %u\n", request(VIRTIO_BLK_T_OUT, sector, 1));
}

static void read_text(uint64_t sector)
{
    uint8_t status = request(VIRTIO_BLK_T_IN, sector, 1);

    print("read: status %u: ", status);
    for (uint32_t i = 0; i < SHOWN; i++)
        uart_put(data[i] >= ' ' && data[i] < 0x7f ? (char)data[i] : '.');
    print("\n");
}

static void fill(uint64_t first, uint64_t count)
{
    uint32_t bad = 0;

    for (uint64_t done = 0; done < count; done += AT_ONCE) {
        for (uint32_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)(first + done + i / SECTOR);
        bad += request(VIRTIO_BLK_T_OUT, first + done, piece(done, count)) != VIRTIO_BLK_S_OK;
    }
    print("filled: %u requests failed\n", bad);
}

static uint32_t wrong(uint64_t sector, uint32_t sectors)
{
    uint32_t n = 0;

    if (request(VIRTIO_BLK_T_IN, sector, sectors) != VIRTIO_BLK_S_OK)
        return sectors;
    for (uint32_t i = 0; i < sectors; i++)
        n += data[i * SECTOR] != (uint8_t)(sector + i) ||
             data[i * SECTOR + SECTOR - 1] != (uint8_t)(sector + i);
    return n;
}

static void scan(uint64_t first, uint64_t count)
{
    uint32_t bad = 0;

    for (uint64_t done = 0; done < count; done += AT_ONCE)
        bad += wrong(first + done, piece(done, count));
    print("scanned: %u sectors are not right\n", bad);
}

static void hop(uint64_t first, uint64_t count, uint64_t times)
{
    uint64_t place = 88172645463325252u;
    uint32_t bad = 0;

    for (uint64_t i = 0; i < times; i++) {
        place ^= place << 13;
        place ^= place >> 7;
        place ^= place << 17;
        bad += wrong(first + place % count, 1);
    }
    print("hopped: %u sectors are not right\n", bad);
}

static void obey(const char *line)
{
    uint64_t first = args_number(line, 1, 0), count = args_number(line, 2, 1);

    if (args_is(line, 0, "write") && *behind(line, 2))
        write_text(first, behind(line, 2));
    else if (args_is(line, 0, "read"))
        read_text(first);
    else if (args_is(line, 0, "fill"))
        fill(first, count);
    else if (args_is(line, 0, "scan"))
        scan(first, count);
    else if (args_is(line, 0, "hop") && count)
        hop(first, count, args_number(line, 3, 1));
    else if (args_is(line, 0, "flush"))
        print("flushed: status %u\n", request(VIRTIO_BLK_T_FLUSH, 0, 0));
    else
        print("write SECTOR TEXT, read SECTOR, fill, scan or hop FIRST COUNT [TIMES], flush, or quit\n");
}

static void read_line(char *line)
{
    unsigned n = 0;

    for (char c; (c = uart_get()) != '\n' && c != '\r';)
        if (n < LINE_MAX - 1)
            line[n++] = c;
    line[n] = 0;
}

uint32_t guest_main(const char *args)
{
    char line[LINE_MAX];

    (void)args;
    if (!virtio_find(&disk, VIRTIO_ID_BLOCK, 0) || !virtio_negotiate(&disk, VIRTIO_BIT(VIRTIO_BLK_F_FLUSH))) {
        print("there is no virtio disk\n");
        return 1;
    }
    virtio_queue_init(&queue, &disk, 0, VIRTIO_NO_VECTOR);
    virtio_ready(&disk);
    virtio_interrupt_after(&queue, 0);
    print("a disk of %u sectors\n", virtio_config(&disk, VIRTIO_BLK_CAPACITY));
    for (;;) {
        read_line(line);
        if (args_is(line, 0, "quit"))
            return 0;
        obey(line);
    }
}
