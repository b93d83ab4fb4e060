/* packet.h - packets of gdb's remote serial protocol: "$TEXT#SUM", acknowledged by + or -.
 *
 * gdb's manual, "Remote Protocol", "Overview". */
#ifndef GDB_PACKET_H
#define GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 0x4000 /* bytes of a packet's text, as qSupported says */

/* ---- bytes that grow ---- */

struct bytes {
    char *at; /* ends in a 0 that n does not count; NULL while empty */
    size_t n, room;
};

/* All of these abort where the host has no memory left. */
void bytes_add(struct bytes *b, const void *data, size_t n);
void bytes_addf(struct bytes *b, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
void bytes_add_hex(struct bytes *b, const void *data, size_t n);
/* Drops the first n. */
void bytes_drop(struct bytes *b, size_t n);
void bytes_free(struct bytes *b);

/* ---- hexadecimal ---- */

/* -1: none. */
int hex_digit(char digit);
/* Digits from *at on, moving *at behind them; false if there is none, or more than 16. */
bool hex_number(const char **at, uint64_t *value);
/* Pairs of digits, all of text; false if it is anything else, or more than `room` bytes. */
bool hex_bytes(const char *text, uint8_t *bytes, size_t room, size_t *n);

/* ---- packets in ---- */

enum packet_event {
    PACKET_NOTHING, /* more bytes are wanted */
    PACKET_WHOLE,
    PACKET_DAMAGED, /* wrong sum, or too long */
    PACKET_ACK,
    PACKET_NAK,
    PACKET_INTERRUPT /* Ctrl-C, outside of a packet */
};

struct packet_in {
    enum { BETWEEN, IN_TEXT, IN_SUM, AT_END } state;
    bool escaped, damaged;
    uint8_t sum, want;
    size_t n;
    char text[PACKET_MAX + 1]; /* unescaped, with a 0 behind */
};

/* One byte of what has come.  After PACKET_WHOLE the text stands until the next byte is taken. */
enum packet_event packet_take(struct packet_in *p, uint8_t byte);

/* Where among n bytes, which begin between packets, an interrupt comes, behind packets that are whole; n: it
 * does not. */
size_t packet_find_interrupt(const char *bytes, size_t n);

/* ---- packets out ---- */

/* Appends a packet: text is escaped and summed. */
void packet_put(struct bytes *out, const void *text, size_t n);

#endif
