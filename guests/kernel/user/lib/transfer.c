#include "transfer.h"

#define BEFORE_DATA (sizeof(struct net_datagram) + sizeof(struct transfer_header))

int64_t transfer_send(int64_t fd, struct transfer_packet *p, enum transfer_type type, uint16_t bytes)
{
    p->header.magic = TRANSFER_MAGIC;
    p->header.type = (uint16_t)type;
    p->header.bytes = bytes;
    return write(fd, p, BEFORE_DATA + bytes);
}

int transfer_receive(int64_t fd, struct transfer_packet *p, uint64_t deadline)
{
    for (;;) {
        uint64_t now = (uint64_t)clock();
        int64_t n = await(fd, now < deadline ? deadline - now : 0);

        if (n <= 0)
            return (int)n;
        if ((n = read(fd, p, sizeof *p)) < 0)
            return -1;
        if (n >= (int64_t)BEFORE_DATA && p->header.magic == TRANSFER_MAGIC &&
            n == (int64_t)BEFORE_DATA + p->header.bytes)
            return 1;
    }
}

void transfer_print_rate(uint64_t bytes, uint64_t ns)
{
    uint64_t kbit = ns ? bytes * 8 * 1000000 / ns : 0;

    print("%lu.%03lu ms, %lu.%lu Mbit/s", ns / 1000000, ns / 1000 % 1000, kbit / 1000, kbit / 100 % 10);
}
