/* transfer.h - what `send` and `recv` say to each other, in datagrams of UDP: a header and data, numbers with
 * their lowest byte first.
 *
 *     HELLO ->  <- WELCOME      there is a receiver, who is free
 *     DATA ->   <- ACK          a file's: the receiver says what it has, the sender repeats the rest; a
 * stream has no ACK, and what is lost is lost END ->    <- REPORT       how many pieces there were, and their
 * sum; what has become of them BYE ->                    the report has come
 *
 * HELLO and END are repeated until they are answered. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "user.h"

#define TRANSFER_MAGIC 0x31545352u /* "RST1" */
#define TRANSFER_PORT  5100
#define TRANSFER_DATA  (NET_DATA_MOST - (int)sizeof(struct transfer_header))
#define WINDOW_MOST    32 /* pieces that may be under way */

enum transfer_type { T_HELLO, T_WELCOME, T_DATA, T_ACK, T_END, T_REPORT, T_BYE };

struct transfer_header {
    uint32_t magic;
    uint16_t type, bytes; /* of data behind it */
    uint32_t session;
    uint32_t number; /* DATA: which piece, from 0; ACK: the first that is missing; HELLO: 1 for a stream */
    uint64_t map;    /* ACK: bit i is set if number + 1 + i is there */
};

struct transfer_end {
    uint32_t pieces, crc;
    uint64_t bytes;
};

struct transfer_report {
    uint32_t pieces, again, disorder, crc; /* again: came more than once; disorder: after a later one */
    uint64_t bytes;
    uint32_t intact, written; /* written: what came could be kept */
};

/* One datagram, as read and written. */
struct transfer_packet {
    struct net_datagram other;
    struct transfer_header header;
    union {
        uint8_t data[TRANSFER_DATA];
        struct transfer_end end;
        struct transfer_report report;
    };
};

/* Fills the header in and sends; what write() gives. */
int64_t transfer_send(int64_t fd, struct transfer_packet *p, enum transfer_type type, uint16_t bytes);
/* The next packet that has our form, until then: 1; the time is up: 0; -1: it cannot be read. */
int transfer_receive(int64_t fd, struct transfer_packet *p, uint64_t deadline);
/* "1.234 ms, 56.7 Mbit/s" */
void transfer_print_rate(uint64_t bytes, uint64_t ns);

#endif
