/* ping - asks another station for echoes (ICMP), and says how many came back and how soon.
 *
 *     ping [-q] [-c COUNT] [-i MS] [-s BYTES] [-W MS] ADDRESS
 *
 * COUNT requests (4) with BYTES bytes of data (56), one each MS ms (1000), of which none is waited for longer
 * than -W (1000).  -q: only the summary.  0 if any came back, else 1; 2: it was called wrongly. */
#include "options.h"
#include "user.h"

#define MS      UINT64_C(1000000)
#define COUNTED 256 /* of the requests sent last, whether they have been answered */

static uint64_t count = 4, interval = 1000, bytes = 56, patience = 1000, quiet;
static uint32_t address;

static const struct option options[] = {
    {'c', &count, 1, 65535},      {'i', &interval, 0, 3600000}, {'s', &bytes, 8, NET_DATA_MOST},
    {'W', &patience, 1, 3600000}, {'q', &quiet, 0, 0},          {0},
};

static struct {
    struct net_datagram other;
    uint8_t data[NET_DATA_MOST];
} out, in;

static uint8_t answered[COUNTED];
static uint64_t received, repeated, damaged, least = UINT64_MAX, most, total;

static void print_ms(uint64_t ns)
{
    print("%lu.%03lu", ns / MS, ns % MS / 1000);
}

static int64_t request(int64_t fd, uint16_t sequence)
{
    int64_t now = clock();

    out.other = (struct net_datagram){.address = address, .port = sequence};
    memcpy(out.data, &now, sizeof now);
    for (uint64_t i = sizeof now; i < bytes; i++)
        out.data[i] = (uint8_t)(i + sequence);
    answered[sequence % COUNTED] = 0;
    return write(fd, &out, sizeof out.other + bytes);
}

/* What came back is what was sent. */
static int is_right(uint64_t n)
{
    if (n != bytes)
        return 0;
    for (uint64_t i = sizeof(int64_t); i < bytes; i++)
        if (in.data[i] != (uint8_t)(i + in.other.port))
            return 0;
    return 1;
}

static void note(uint64_t n, uint64_t took)
{
    uint8_t *seen = &answered[in.other.port % COUNTED];
    const char *remark = !is_right(n) ? " (damaged)" : *seen ? " (again)" : "";

    damaged += !is_right(n);
    repeated += *seen;
    if (!*seen && is_right(n)) {
        received++;
        total += took;
        least = took < least ? took : least;
        most = took > most ? took : most;
    }
    *seen = 1;
    if (quiet)
        return;
    print("%lu bytes from %s: seq=%u ttl=%u time=", n + 8, address_text(in.other.address), in.other.port,
          in.other.ttl);
    print_ms(took);
    print(" ms%s\n", remark);
}

/* Echoes, until then, or until all that were sent have come back. */
static void take_until(int64_t fd, uint64_t deadline, uint64_t sent, int all)
{
    uint64_t now;

    while ((!all || received + damaged < sent) && (now = (uint64_t)clock()) < deadline &&
           await(fd, deadline - now) == 1) {
        int64_t n = read(fd, &in, sizeof in), then;

        if (n < (int64_t)(sizeof in.other + sizeof then))
            continue;
        memcpy(&then, in.data, sizeof then);
        note((uint64_t)n - sizeof in.other, (uint64_t)(clock() - then));
    }
}

static int summary(uint64_t sent)
{
    print("--- %s: %lu sent, %lu received, %lu%% lost", address_text(address), sent, received,
          sent ? (sent - received) * 100 / sent : 0);
    if (repeated || damaged)
        print(", %lu again, %lu damaged", repeated, damaged);
    if (received) {
        print(", round trip min/avg/max ");
        print_ms(least);
        print("/");
        print_ms(total / received);
        print("/");
        print_ms(most);
        print(" ms");
    }
    print("\n");
    return received == 0;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: ping [-q] [-c COUNT] [-i MS] [-s BYTES] [-W MS] ADDRESS\n";
    int next = parse_options(argc, argv, options);
    uint64_t begin;
    int64_t fd, result;

    if (next != argc - 1 || !(address = parse_address(argv[next]))) {
        print("%s", usage);
        return 2;
    }
    if ((fd = socket(NET_ICMP, 0)) < 0) {
        print("ping: no socket is left\n");
        return 1;
    }
    print("ping %s: %lu bytes of data\n", address_text(address), bytes);
    begin = (uint64_t)clock();
    for (uint64_t i = 1; i <= count; i++) {
        if ((result = request(fd, (uint16_t)i)) < 0) {
            print("ping: %s: %s\n", address_text(address), net_error(result));
            if (i == 1)
                return 1;
        }
        take_until(fd, i < count ? begin + i * interval * MS : (uint64_t)clock() + patience * MS, i,
                   i == count);
    }
    return summary(count);
}
