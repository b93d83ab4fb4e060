/* recv - what `send` sends: a file, which is kept, or a stream, which is counted.
 *
 *     recv [-p PORT] [-k COUNT] [-W MS] [FILE]
 *
 * FILE: where a file is written to; - is descriptor 1, and then nothing is told; without it, bytes are summed
 * up and dropped.  -k: for COUNT transfers, one after the other.  It waits MS ms for the first (for ever). 0:
 * all has arrived; 1: not; 2: called wrongly. */
#include "options.h"
#include "transfer.h"

#define MS       UINT64_C(1000000)
#define SILENCE  (5000 * MS) /* of a sender that has not ended */
#define LINGER   (200 * MS)  /* for a sender that may not have got the report */
#define ACK_EACH 8           /* pieces, if they come faster than they are taken */

static uint64_t port = TRANSFER_PORT, transfers = 1, patience;

static const struct option options[] = {
    {'p', &port, 1, 65535}, {'k', &transfers, 1, 1 << 20}, {'W', &patience, 1, 3600000}, {0}};

static struct transfer_packet in, out;

static struct {
    int there;
    uint16_t bytes;
    uint8_t data[TRANSFER_DATA];
} ahead[WINDOW_MOST]; /* pieces that have come before their turn */

static struct net_datagram sender;
static uint32_t session,
    next; /* next: the first that is missing; of a stream, behind the last that has come */
static int stream, quiet, writes, written;
static uint64_t begin, last, bytes;
static unsigned unacknowledged;
static struct transfer_report report;
static int64_t fd, file = -1;
static const char *name;

static int is_senders(void)
{
    return in.other.address == sender.address && in.other.port == sender.port && in.header.session == session;
}

static void answer(enum transfer_type type, uint16_t n)
{
    out.other = sender;
    out.header.session = session;
    transfer_send(fd, &out, type, n);
}

/* ---- a file ---- */

static void keep(const uint8_t *data, uint16_t n)
{
    report.crc = crc32(report.crc, data, n);
    report.pieces++;
    bytes += n;
    if (writes && write(file, data, n) != n)
        written = 0;
    next++;
}

static void keep_those_ahead(void)
{
    while (ahead[next % WINDOW_MOST].there) {
        ahead[next % WINDOW_MOST].there = 0;
        keep(ahead[next % WINDOW_MOST].data, ahead[next % WINDOW_MOST].bytes);
    }
}

static void take_piece(void)
{
    uint32_t number = in.header.number, distance = number - next;

    if (distance == 0) {
        keep(in.data, in.header.bytes);
        keep_those_ahead();
    } else if (distance < WINDOW_MOST && !ahead[number % WINDOW_MOST].there) {
        ahead[number % WINDOW_MOST].there = 1;
        ahead[number % WINDOW_MOST].bytes = in.header.bytes;
        memcpy(ahead[number % WINDOW_MOST].data, in.data, in.header.bytes);
        report.disorder++;
    } else {
        report.again++;
    }
}

static void acknowledge(void)
{
    out.header.number = next;
    out.header.map = 0;
    for (unsigned i = 1; i < WINDOW_MOST; i++)
        if (ahead[(next + i) % WINDOW_MOST].there)
            out.header.map |= UINT64_C(1) << (i - 1);
    answer(T_ACK, 0);
    unacknowledged = 0;
}

/* ---- a stream ---- */

static void count_frame(void)
{
    report.crc = crc32(report.crc, in.data, in.header.bytes);
    bytes += in.header.bytes;
    report.pieces++;
    if (in.header.number < next)
        report.disorder++;
    else
        next = in.header.number + 1;
}

/* ---- a transfer ---- */

static void start(void)
{
    sender = in.other;
    session = in.header.session;
    stream = in.header.number == 1;
    next = unacknowledged = 0;
    report = (struct transfer_report){0};
    bytes = 0;
    written = 1;
    begin = last = (uint64_t)clock();
    for (unsigned i = 0; i < WINDOW_MOST; i++)
        ahead[i].there = 0;
}

/* What is reported as written stays, whatever happens to the machine. */
static void finish(void)
{
    if (writes && !quiet && sync() < 0)
        written = 0;
    report.bytes = bytes;
    report.written = (uint32_t)written;
    report.intact = report.pieces == in.end.pieces && bytes == in.end.bytes && report.crc == in.end.crc;
    out.report = report;
    answer(T_REPORT, sizeof out.report);
}

/* The report may be lost: it is given as often as it is asked for, until the sender has gone. */
static void linger(void)
{
    while (transfer_receive(fd, &in, (uint64_t)clock() + LINGER) == 1)
        if (is_senders() && in.header.type == T_BYE)
            return;
        else if (is_senders() && in.header.type == T_END) {
            out.report = report;
            answer(T_REPORT, sizeof out.report);
        }
}

static void take_data(void)
{
    last = (uint64_t)clock();
    if (stream) {
        count_frame();
        return;
    }
    take_piece();
    if (++unacknowledged == ACK_EACH || await(fd, 0) == 0)
        acknowledge();
}

/* Until the sender's END: 1. */
static int receive_all(void)
{
    while (transfer_receive(fd, &in, (uint64_t)clock() + SILENCE) == 1) {
        if (!is_senders())
            continue; /* one at a time: others will ask again */
        if (in.header.type == T_HELLO)
            answer(T_WELCOME, 0);
        else if (in.header.type == T_DATA && in.header.bytes)
            take_data();
        else if (in.header.type == T_END && in.header.bytes == sizeof in.end)
            return 1;
    }
    return 0;
}

static void tell(uint32_t pieces, uint64_t ns)
{
    if (quiet)
        return;
    print("recv: %s from %s: %lu bytes, ", stream ? "stream" : "file", address_text(sender.address), bytes);
    if (stream)
        print("%u frames, %u lost, %u out of order, crc %08x, ", report.pieces, pieces - report.pieces,
              report.disorder, report.crc);
    else
        print("%u pieces, %u again, crc %08x %s, ", report.pieces, report.again, report.crc,
              report.intact ? "is right" : "is wrong");
    transfer_print_rate(bytes, ns);
    print("\n");
}

/* Waits for a HELLO, and for all that follows: 0, if it is whole. */
static int transfer(uint64_t until)
{
    uint32_t pieces;

    do
        if (transfer_receive(fd, &in, until) != 1) {
            print("recv: nobody sends\n");
            return 1;
        }
    while (in.header.type != T_HELLO);
    start();
    answer(T_WELCOME, 0);
    if (!receive_all()) {
        print("recv: %s is silent; %lu bytes came\n", address_text(sender.address), bytes);
        return 1;
    }
    pieces = in.end.pieces;
    finish();
    linger();
    tell(pieces, last - begin);
    if (!written)
        print("recv: %s could not be written\n", name);
    return !written || (!stream && !report.intact);
}

static int open_output(void)
{
    writes = name != NULL;
    quiet = writes && same(name, "-");
    file = !writes ? -1 : quiet ? 1 : create(name);
    if (writes && file < 0)
        print("recv: '%s' cannot be written\n", name);
    return !writes || file >= 0;
}

int main(int argc, char **argv)
{
    int at = parse_options(argc, argv, options), failed = 0;
    int64_t why;

    if (at < argc - 1 || at > argc) {
        print("usage: recv [-p PORT] [-k COUNT] [-W MS] [FILE]\n");
        return 2;
    }
    name = at < argc ? argv[at] : NULL;
    why = fd = socket(NET_UDP, (unsigned)port);
    if (why < 0) {
        print("recv: port %lu: %s\n", port, net_error(why));
        return 1;
    }
    if (!open_output())
        return 1;
    for (uint64_t i = 0; i < transfers && !failed; i++)
        failed = transfer(patience ? (uint64_t)clock() + patience * MS : UINT64_MAX);
    return failed;
}
