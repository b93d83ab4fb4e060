/* e1000_checksum.c - sums of IP, TCP and UDP, and the FCS; see e1000.h. */
#include "dev/e1000.h"

#define ETHERTYPE_IP 0x0800
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define IP_LEAST     20

static u32 word_at(const u8 *bytes)
{
    return (u32)bytes[0] << 8 | bytes[1];
}

u16 e1000_sum(const u8 *bytes, unsigned n, u32 start)
{
    u32 sum = start;
    for (unsigned i = 0; i + 1 < n; i += 2)
        sum += word_at(bytes + i);
    if (n % 2)
        sum += (u32)bytes[n - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (u16)sum;
}

/* IEEE 802.3, 3.2.9 "Frame Check Sequence (FCS) field". */
u32 e1000_fcs(const u8 *frame, unsigned n)
{
    static const u32 table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    u32 crc = 0xffffffff;
    for (unsigned i = 0; i < n; i++) {
        crc = crc >> 4 ^ table[(crc ^ frame[i]) & 15];
        crc = crc >> 4 ^ table[(crc ^ frame[i] >> 4) & 15];
    }
    return ~crc;
}

void e1000_insert(u8 *frame, unsigned n, unsigned from, unsigned to, unsigned at, bool udp, u32 start)
{
    unsigned end = to ? to + 1 : n;
    if (end > n || from >= end || at + 2 > n)
        return;
    u16 sum = (u16)~e1000_sum(frame + from, end - from, start);
    if (udp && sum == 0)
        sum = 0xffff;
    frame[at] = (u8)(sum >> 8);
    frame[at + 1] = (u8)sum;
}

/* ---- of what arrives ---- */

/* A frame with IPv4 in it: its header, and the data that its length says. */
struct packet {
    const u8 *ip;
    unsigned header, total;
};

/* Behind one tag of the type in VET, if there is one. */
static bool find_ip(const struct e1000 *e, const u8 *frame, unsigned n, struct packet *p)
{
    unsigned at = 12;
    if (word_at(frame + at) == e->vet)
        at += 4;
    if (at + 2 + IP_LEAST > n || word_at(frame + at) != ETHERTYPE_IP || frame[at + 2] >> 4 != 4)
        return false;
    p->ip = frame + at + 2;
    p->header = (p->ip[0] & 15) * 4u;
    p->total = word_at(p->ip + 2);
    return p->header >= IP_LEAST && p->header <= p->total && p->total <= n - (at + 2);
}

static bool is_fragment(const struct packet *p)
{
    return word_at(p->ip + 6) & 0x3fff;
}

/* With the pseudo header of RFC 793, 3.1 "Header Format". */
static bool sum_is_right(const struct packet *p)
{
    unsigned n = p->total - p->header;
    u32 start = e1000_sum(p->ip + 12, 8, p->ip[9] + n);
    return e1000_sum(p->ip + p->header, n, start) == 0xffff;
}

/* TCPCS and TCPE; 0: it has no such sum. */
static u64 data_status(const struct packet *p)
{
    u8 protocol = p->ip[9];
    unsigned n = p->total - p->header, least = protocol == PROTOCOL_TCP ? 20 : 8;
    bool known = protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
    if (!known || is_fragment(p) || n < least)
        return 0;
    if (protocol == PROTOCOL_UDP && word_at(p->ip + p->header + 6) == 0)
        return 0; /* the sender computed none */
    return E1000_RX_TCPCS | (sum_is_right(p) ? 0 : (u64)E1000_RX_TCPE << 8);
}

u64 e1000_receive_status(const struct e1000 *e, const u8 *frame, unsigned n)
{
    struct packet p;
    u64 status = 0;
    if (!(e->rxcsum & (E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL)) || !find_ip(e, frame, n, &p))
        return E1000_RX_IXSM;
    if (e->rxcsum & E1000_RXCSUM_IPOFL) {
        bool good = e1000_sum(p.ip, p.header, 0) == 0xffff;
        status |= E1000_RX_IPCS | (good ? 0 : (u64)E1000_RX_IPE << 8);
    }
    if (e->rxcsum & E1000_RXCSUM_TUOFL)
        status |= data_status(&p);
    return status;
}
