/* ip.c - see ip.h.  Nothing that a header says is believed before it is within the frame. */
#include "kernel/ip.h"

#include <stddef.h>

#include "kernel/arp.h"
#include "kernel/net_bytes.h"
#include "kernel/socket.h"
#include "lib/string.h"

/* Of a header of IPv4's. */
#define IP_VERSION   0 /* and length, in words of 4 bytes */
#define IP_LENGTH    2
#define IP_ID        4
#define IP_FRAGMENT  6
#define IP_TTL       8
#define IP_PROTOCOL  9
#define IP_SUM       10
#define IP_FROM      12
#define IP_TO        16
#define IP_MORE      0x3fff /* more fragments, or not the first */
#define IP_DONT      0x4000
#define IP_4_5       0x45
#define TTL          64
#define ALL_STATIONS UINT32_C(0xffffffff)

#define UDP_FROM   0
#define UDP_TO     2
#define UDP_LENGTH 4
#define UDP_SUM    6

#define ICMP_TYPE       0
#define ICMP_SUM        2
#define ICMP_ID         4
#define ICMP_SEQUENCE   6
#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO       8

static uint32_t mask_of(const struct netdev *dev)
{
    return dev->setting.prefix ? ~UINT32_C(0) << (32 - dev->setting.prefix) : 0;
}

static bool is_broadcast(const struct netdev *dev, uint32_t address)
{
    return address == ALL_STATIONS ||
           (dev->setting.prefix < 31 && address == (dev->setting.address | ~mask_of(dev)));
}

/* What one station may have. */
static bool is_single(const struct netdev *dev, uint32_t address)
{
    return address >> 24 && address >> 28 < 14 && !is_broadcast(dev, address);
}

/* ---- what is sent ---- */

/* Of two interfaces in one network each reaches the other's address by the wire. */
struct netdev *ip_route(uint32_t address, uint32_t *next)
{
    struct netdev *dev;

    *next = address;
    for (unsigned i = 0; (dev = netdev_nth(i)) != NULL; i++)
        if (address != dev->setting.address && ((address ^ dev->setting.address) & mask_of(dev)) == 0 &&
            dev->driver->link(dev))
            return dev;
    for (unsigned i = 0; (dev = netdev_nth(i)) != NULL; i++)
        if (address != dev->setting.address && dev->driver->link(dev) &&
            (dev->setting.gateway || address == ALL_STATIONS)) {
            *next = address == ALL_STATIONS ? address : dev->setting.gateway;
            return dev;
        }
    return NULL;
}

bool ip_resolve(struct netdev *dev, uint32_t next, uint8_t mac[MAC_BYTES])
{
    if (!is_broadcast(dev, next))
        return arp_resolve(dev, next, mac);
    memset(mac, 0xff, MAC_BYTES);
    return true;
}

static void ip_header(const struct netdev *dev, uint8_t *ip, uint8_t protocol, uint32_t to, uint32_t bytes)
{
    static uint16_t id;

    memset(ip, 0, IP_BYTES);
    ip[IP_VERSION] = IP_4_5;
    put16(ip + IP_LENGTH, IP_BYTES + bytes);
    put16(ip + IP_ID, ++id);
    put16(ip + IP_FRAGMENT, IP_DONT);
    ip[IP_TTL] = TTL;
    ip[IP_PROTOCOL] = protocol;
    put32(ip + IP_FROM, dev->setting.address);
    put32(ip + IP_TO, to);
    put16(ip + IP_SUM, ~(uint32_t)net_sum(ip, IP_BYTES, 0));
}

/* What UDP's sum covers besides: both addresses, the protocol and the length. */
static uint32_t pseudo_header(const uint8_t *ip, uint32_t bytes)
{
    return (uint32_t)net_sum(ip + IP_FROM, 8, NET_UDP) + bytes;
}

static void udp_header(const uint8_t *ip, uint8_t *udp, uint16_t from, uint16_t to, uint32_t bytes)
{
    uint16_t sum;

    put16(udp + UDP_FROM, from);
    put16(udp + UDP_TO, to);
    put16(udp + UDP_LENGTH, bytes);
    put16(udp + UDP_SUM, 0);
    sum = (uint16_t)~net_sum(udp, bytes, pseudo_header(ip, bytes));
    put16(udp + UDP_SUM, sum ? sum : 0xffff); /* 0: no sum */
}

static void echo_header(uint8_t *icmp, uint8_t type, uint16_t id, uint16_t sequence, uint32_t bytes)
{
    put16(icmp + ICMP_TYPE, (uint32_t)type << 8);
    put16(icmp + ICMP_SUM, 0);
    put16(icmp + ICMP_ID, id);
    put16(icmp + ICMP_SEQUENCE, sequence);
    put16(icmp + ICMP_SUM, ~(uint32_t)net_sum(icmp, bytes, 0));
}

void ip_send(struct netdev *dev, uint8_t *frame, const uint8_t *mac, uint8_t protocol, uint16_t from,
             const struct net_datagram *to, uint32_t bytes)
{
    bytes += INNER_DATA;
    ether_header(dev, frame, mac, ETHER_IPV4);
    ip_header(dev, frame + IP_AT, protocol, to->address, bytes);
    if (protocol == NET_UDP)
        udp_header(frame + IP_AT, frame + INNER_AT, from, to->port, bytes);
    else
        echo_header(frame + INNER_AT, ICMP_ECHO, from, to->port, bytes);
    netdev_send(dev, frame, INNER_AT + bytes);
}

/* ---- what arrives ---- */

/* Behind the header of IPv4, which is right: `bytes` of another protocol. */
struct packet {
    struct netdev *dev;
    const uint8_t *frame, *ip, *inner;
    uint32_t bytes;
    bool to_all;
};

/* Back to the station that it came from, whatever ARP says. */
static void answer_echo(const struct packet *p)
{
    uint8_t *frame = p->dev->driver->room(p->dev);

    if (!frame) {
        p->dev->count[NET_tx_no_room]++;
        return;
    }
    memcpy(frame + INNER_AT, p->inner, p->bytes);
    ether_header(p->dev, frame, p->frame + ETHER_FROM, ETHER_IPV4);
    ip_header(p->dev, frame + IP_AT, NET_ICMP, get32(p->ip + IP_FROM), p->bytes);
    echo_header(frame + INNER_AT, ICMP_ECHO_REPLY, get16(p->inner + ICMP_ID), get16(p->inner + ICMP_SEQUENCE),
                p->bytes);
    netdev_send(p->dev, frame, INNER_AT + p->bytes);
}

static void deliver(const struct packet *p, uint8_t protocol, uint16_t to, uint16_t from)
{
    const struct net_datagram other = {.address = get32(p->ip + IP_FROM), .port = from, .ttl = p->ip[IP_TTL]};

    switch (socket_deliver(protocol, to, &other, p->inner + INNER_DATA, p->bytes - INNER_DATA)) {
    case SOCKET_NOBODY: p->dev->count[NET_rx_port]++; break;
    case SOCKET_FULL: p->dev->count[NET_rx_no_room]++; break;
    default: break;
    }
}

static void icmp_input(const struct packet *p)
{
    if (p->bytes < INNER_DATA)
        p->dev->count[NET_rx_malformed]++;
    else if (net_sum(p->inner, p->bytes, 0) != 0xffff)
        p->dev->count[NET_rx_checksum]++;
    else if (get16(p->inner) == ICMP_ECHO << 8 && !p->to_all)
        answer_echo(p);
    else if (get16(p->inner) == ICMP_ECHO_REPLY)
        deliver(p, NET_ICMP, get16(p->inner + ICMP_ID), get16(p->inner + ICMP_SEQUENCE));
    else
        p->dev->count[NET_rx_protocol]++;
}

static void udp_input(struct packet *p)
{
    uint32_t length = p->bytes < INNER_DATA ? 0 : get16(p->inner + UDP_LENGTH);

    if (length < INNER_DATA || length > p->bytes) {
        p->dev->count[NET_rx_malformed]++;
        return;
    }
    p->bytes = length;
    if (get16(p->inner + UDP_SUM) && net_sum(p->inner, length, pseudo_header(p->ip, length)) != 0xffff)
        p->dev->count[NET_rx_checksum]++;
    else
        deliver(p, NET_UDP, get16(p->inner + UDP_TO), get16(p->inner + UDP_FROM));
}

/* What is wrong with a header, as what is counted; NET_COUNTS: nothing. */
static enum net_count fault_of(const struct netdev *dev, const uint8_t *ip, uint32_t bytes)
{
    uint32_t header = bytes < IP_BYTES ? 0 : 4 * (ip[IP_VERSION] & 15u), to;

    if (bytes < IP_BYTES || ip[IP_VERSION] >> 4 != 4 || header < IP_BYTES || header > bytes ||
        get16(ip + IP_LENGTH) < header || get16(ip + IP_LENGTH) > bytes)
        return NET_rx_malformed;
    if (net_sum(ip, header, 0) != 0xffff)
        return NET_rx_checksum;
    if (!is_single(dev, get32(ip + IP_FROM)))
        return NET_rx_malformed;
    to = get32(ip + IP_TO);
    if (to != dev->setting.address && !is_broadcast(dev, to))
        return NET_rx_address;
    return get16(ip + IP_FRAGMENT) & IP_MORE ? NET_rx_fragments : NET_COUNTS;
}

void ip_input(struct netdev *dev, const uint8_t *frame, uint32_t bytes)
{
    struct packet p = {.dev = dev, .frame = frame, .ip = frame + IP_AT};
    enum net_count fault = fault_of(dev, p.ip, bytes - IP_AT);
    uint32_t header;

    if (fault != NET_COUNTS) {
        dev->count[fault]++;
        return;
    }
    header = 4 * (p.ip[IP_VERSION] & 15u);
    p.inner = p.ip + header;
    p.bytes = get16(p.ip + IP_LENGTH) - header;
    p.to_all = get32(p.ip + IP_TO) != dev->setting.address;
    if (p.ip[IP_PROTOCOL] == NET_ICMP)
        icmp_input(&p);
    else if (p.ip[IP_PROTOCOL] == NET_UDP)
        udp_input(&p);
    else
        dev->count[NET_rx_protocol]++;
}
