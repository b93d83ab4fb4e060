/* send - a file to another station, whole, whatever is lost on the way; or a stream of numbered frames, of
 * which the receiver says how many came.
 *
 *     send [-p PORT] [-w WINDOW] [-W MS] FILE ADDRESS              - as FILE: from descriptor 0
 *     send -n KIB [-g US] [-s BYTES] [-p PORT] [-W MS] ADDRESS     a stream of KIB KiB, US us between frames
 *
 * There, `recv` listens on UDP's port PORT (5100).  WINDOW pieces (16, at most 32) are under way at a time;
 * who is not there is waited for MS ms (10000).  0: it has arrived, and its sum is right; 1: not; 2: called
 * wrongly. */
#include "options.h"
#include "transfer.h"

#define MS        UINT64_C(1000000)
#define HELLO_GAP (20 * MS)
#define PATIENCE  12 /* waits in a row without an answer */
#define LATER     3  /* pieces that are there show that one before them is lost */

#define RTO_FIRST (50 * MS)
#define RTO_LEAST (4 * MS)
#define RTO_MOST  (400 * MS)

static uint64_t port = TRANSFER_PORT, window = 16, patience = 10000, kib, gap, size = TRANSFER_DATA;

static const struct option options[] = {
    {'p', &port, 1, 65535},
    {'w', &window, 1, WINDOW_MOST},
    {'W', &patience, 1, 3600000},
    {'n', &kib, 1, 1 << 20},
    {'g', &gap, 0, 1000000},
    {'s', &size, 1, TRANSFER_DATA},
    {0},
};

static struct piece {
    struct transfer_packet packet;
    uint64_t sent; /* when last */
    int there, again;
} pieces[WINDOW_MOST];

static struct transfer_packet in, out;
static const char *name;
static uint32_t address, session, base, next; /* pieces from base to next are under way */
static uint32_t crc, resent;
static uint64_t bytes, rto = RTO_FIRST, round_trip;
static int64_t fd, file, result;

/* ---- what both ways have ---- */

static void to_receiver(struct transfer_packet *p)
{
    p->other = (struct net_datagram){.address = address, .port = (uint16_t)port};
    p->header.session = session;
}

static int is_ours(void)
{
    return in.other.address == address && in.header.session == session;
}

/* Sends `out`, again and again, until an answer of that type comes. */
static int ask(enum transfer_type type, uint16_t n, enum transfer_type wanted, uint64_t until)
{
    do {
        uint64_t again = (uint64_t)clock() + HELLO_GAP;

        to_receiver(&out);
        result = transfer_send(fd, &out, type, n);
        if (result < 0 && result != NET_UNREACHABLE)
            return 0;
        while (transfer_receive(fd, &in, again) == 1)
            if (is_ours() && in.header.type == wanted)
                return 1;
    } while ((uint64_t)clock() < until);
    return 0;
}

static int fail(const char *why)
{
    print("send: %s: %s\n", address_text(address), why);
    return 1;
}

static int hello(int stream)
{
    session = (uint32_t)clock() * 2654435761u + (uint32_t)getpid();
    out.header.number = (uint32_t)stream;
    return ask(T_HELLO, 0, T_WELCOME, (uint64_t)clock() + patience * MS);
}

/* The receiver's last word, which `in` has. */
static int end(void)
{
    out.end = (struct transfer_end){.pieces = next, .crc = crc, .bytes = bytes};
    if (!ask(T_END, sizeof out.end, T_REPORT, (uint64_t)clock() + PATIENCE * RTO_MOST) ||
        in.header.bytes != sizeof in.report)
        return 0;
    to_receiver(&out);
    transfer_send(fd, &out, T_BYE, 0);
    return 1;
}

/* ---- a file ---- */

static struct piece *piece_of(uint32_t number)
{
    return &pieces[number % WINDOW_MOST];
}

static void send_piece(uint32_t number)
{
    struct piece *p = piece_of(number);

    p->sent = (uint64_t)clock();
    to_receiver(&p->packet);
    p->packet.header.number = number;
    result = transfer_send(fd, &p->packet, T_DATA, p->packet.header.bytes);
}

static void send_again(uint32_t number)
{
    piece_of(number)->again = 1;
    resent++;
    send_piece(number);
}

/* A whole piece, unless the file ends: pipes give what they have. */
static int64_t read_piece(uint8_t *data)
{
    int64_t done = 0, n;

    while (done < TRANSFER_DATA && (n = read(file, data + done, (size_t)(TRANSFER_DATA - done))) != 0) {
        if (n < 0)
            return -1;
        done += n;
    }
    return done;
}

/* More of the file, as far as the window goes: 1; the file has ended: 0; -1: it cannot be read. */
static int send_more(void)
{
    while (next - base < window) {
        struct piece *p = piece_of(next);
        int64_t n = read_piece(p->packet.data);

        if (n <= 0)
            return (int)n;
        p->there = p->again = 0;
        p->packet.header.bytes = (uint16_t)n;
        crc = crc32(crc, p->packet.data, (size_t)n);
        bytes += (uint64_t)n;
        send_piece(next++);
    }
    return 1;
}

/* What was sent once alone tells how long an answer takes (Karn's rule). */
static void note_round_trip(uint64_t took)
{
    round_trip = round_trip ? (7 * round_trip + took) / 8 : took;
    rto = 2 * round_trip + RTO_LEAST;
    rto = rto < RTO_MOST ? rto : RTO_MOST;
}

static void note_there(uint32_t number, uint64_t now)
{
    struct piece *p = piece_of(number);

    if (number - base >= next - base || p->there)
        return;
    p->there = 1;
    if (!p->again)
        note_round_trip(now - p->sent);
}

/* Pieces before others that have come are lost, unless they were sent again a moment ago. */
static void repair(uint64_t now)
{
    unsigned later = 0;

    for (uint32_t i = next; i-- != base;)
        if (piece_of(i)->there)
            later++;
        else if (later >= LATER && now - piece_of(i)->sent > (piece_of(i)->again ? rto : 0))
            send_again(i);
}

/* Whether it tells anything new. */
static int take_ack(void)
{
    uint64_t now = (uint64_t)clock();
    uint32_t first = in.header.number, before = base;

    if (!is_ours() || in.header.type != T_ACK || first - base > next - base)
        return 0;
    for (unsigned i = 0; i < WINDOW_MOST; i++)
        if (in.header.map >> i & 1)
            note_there(first + 1 + i, now);
    while (base != first)
        note_there(base, now), base++;
    repair(now);
    return base != before;
}

/* Until something has arrived there; nothing for so long that all is sent again: 0. */
static int await_progress(void)
{
    uint64_t until = (uint64_t)clock() + rto;

    while (transfer_receive(fd, &in, until) == 1)
        if (take_ack())
            return 1;
    for (uint32_t i = base; i != next; i++)
        if (!piece_of(i)->there)
            send_again(i);
    rto = 2 * rto < RTO_MOST ? 2 * rto : RTO_MOST;
    return 0;
}

static int send_pieces(void)
{
    unsigned silent = 0;
    int more = 1;

    do {
        if (more > 0)
            more = send_more();
        if (more < 0)
            return fail("the file cannot be read");
        if (base != next)
            silent = await_progress() ? 0 : silent + 1;
        if (silent == PATIENCE)
            return fail("no answer any more");
    } while (more || base != next);
    return 0;
}

static int send_file(void)
{
    uint64_t begin;

    file = same(name, "-") ? 0 : open(name);
    if (file < 0) {
        print("send: there is no '%s'\n", name);
        return 1;
    }
    if (!hello(0))
        return fail(result < 0 ? net_error(result) : "nobody receives there");
    begin = (uint64_t)clock();
    if (send_pieces())
        return 1;
    if (!end())
        return fail("no answer to the end");
    print("send: %s: %lu bytes in %u pieces, %u sent again, crc %08x, ", name, bytes, next, resent, crc);
    transfer_print_rate(bytes, (uint64_t)clock() - begin);
    print("\n");
    return in.report.intact && in.report.written
               ? 0
               : fail(in.report.intact ? "it could not be written there" : "it arrived damaged");
}

/* ---- a stream ---- */

static void wait_gap(uint64_t since)
{
    while (gap && (uint64_t)clock() < since + gap * 1000)
        ;
}

/* Bytes that follow from the number of their frame. */
static void fill(uint8_t *data, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        data[i] = (uint8_t)(next * 31 + i * 7);
}

static int send_stream(void)
{
    uint64_t begin, sent, left = kib * 1024;

    if (!hello(1))
        return fail(result < 0 ? net_error(result) : "nobody receives there");
    for (begin = sent = (uint64_t)clock(); left > 0; next++) {
        uint64_t n = left < size ? left : size;

        wait_gap(sent);
        fill(out.data, n);
        out.header.number = next;
        to_receiver(&out);
        sent = (uint64_t)clock();
        if (transfer_send(fd, &out, T_DATA, (uint16_t)n) < 0)
            return fail("a frame could not be sent");
        bytes += n;
        left -= n;
    }
    sent = (uint64_t)clock();
    print("send: %lu bytes in %u frames, ", bytes, next);
    transfer_print_rate(bytes, sent - begin);
    print("\n");
    if (!end())
        return fail("no answer to the end");
    print("send: %u arrived, %u lost, %u again, %u out of order\n", in.report.pieces, next - in.report.pieces,
          in.report.again, in.report.disorder);
    return in.report.pieces != next;
}

int main(int argc, char **argv)
{
    int at = parse_options(argc, argv, options), files = kib ? 0 : 1;

    if (at != argc - 1 - files || !(address = parse_address(argv[argc - 1]))) {
        print("usage: send [-p PORT] [-w WINDOW] [-W MS] FILE ADDRESS\n"
              "       send -n KIB [-g US] [-s BYTES] [-p PORT] [-W MS] ADDRESS\n");
        return 2;
    }
    if ((fd = socket(NET_UDP, 0)) < 0) {
        print("send: no socket is left\n");
        return 1;
    }
    name = argv[at];
    return kib ? send_stream() : send_file();
}
