/* packet.c - see packet.h. */
#include "packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes that grow ---- */

static void make_room(struct bytes *b, size_t n)
{
    if (b->n + n < b->room)
        return;
    b->room = 2 * (b->n + n) + 64;
    b->at = realloc(b->at, b->room);
    if (!b->at)
        abort();
}

void bytes_add(struct bytes *b, const void *data, size_t n)
{
    make_room(b, n);
    if (n)
        memcpy(b->at + b->n, data, n);
    b->n += n;
    b->at[b->n] = 0;
}

void bytes_addf(struct bytes *b, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(NULL, 0, format, list);
    va_end(list);
    make_room(b, (size_t)n);
    va_start(list, format);
    vsnprintf(b->at + b->n, (size_t)n + 1, format, list);
    va_end(list);
    b->n += (size_t)n;
}

void bytes_add_hex(struct bytes *b, const void *data, size_t n)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *from = data;
    for (size_t i = 0; i < n; i++)
        bytes_add(b, (char[]){digit[from[i] >> 4], digit[from[i] & 15]}, 2);
}

void bytes_drop(struct bytes *b, size_t n)
{
    if (n == 0)
        return;
    b->n -= n;
    memmove(b->at, b->at + n, b->n + 1);
}

void bytes_free(struct bytes *b)
{
    free(b->at);
    *b = (struct bytes){NULL, 0, 0};
}

/* ---- hexadecimal ---- */

int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool hex_number(const char **at, uint64_t *value)
{
    const char *from = *at;
    for (*value = 0; hex_digit(**at) >= 0; ++*at)
        *value = *value << 4 | (unsigned)hex_digit(**at);
    return *at > from && *at - from <= 16;
}

bool hex_bytes(const char *text, uint8_t *bytes, size_t room, size_t *n)
{
    for (*n = 0; *text; text += 2) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || *n == room)
            return false;
        bytes[(*n)++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- packets in ---- */

#define ESCAPE    0x7d /* the byte behind it has bit 5 turned */
#define INTERRUPT 0x03

static void begin(struct packet_in *p)
{
    p->state = IN_TEXT;
    p->escaped = p->damaged = false;
    p->sum = p->want = 0;
    p->n = 0;
}

static enum packet_event between(struct packet_in *p, uint8_t byte)
{
    switch (byte) {
    case '$': begin(p); return PACKET_NOTHING;
    case '+': return PACKET_ACK;
    case '-': return PACKET_NAK;
    case INTERRUPT: return PACKET_INTERRUPT;
    default: return PACKET_NOTHING;
    }
}

static void keep(struct packet_in *p, uint8_t byte)
{
    if (p->n < PACKET_MAX)
        p->text[p->n++] = (char)byte;
    else
        p->damaged = true;
}

static void in_text(struct packet_in *p, uint8_t byte)
{
    if (byte == '$') { /* the rest of the packet before was lost */
        begin(p);
        return;
    }
    if (byte == '#') {
        p->state = IN_SUM;
        return;
    }
    p->sum = (uint8_t)(p->sum + byte);
    if (p->escaped)
        keep(p, byte ^ 0x20);
    else if (byte != ESCAPE)
        keep(p, byte);
    p->escaped = !p->escaped && byte == ESCAPE;
}

static void digit_of_sum(struct packet_in *p, uint8_t byte)
{
    int digit = hex_digit((char)byte);
    p->damaged |= digit < 0;
    p->want = (uint8_t)(p->want << 4 | (digit & 15));
}

enum packet_event packet_take(struct packet_in *p, uint8_t byte)
{
    switch (p->state) {
    case BETWEEN: return between(p, byte);
    case IN_TEXT: in_text(p, byte); return PACKET_NOTHING;
    case IN_SUM:
        digit_of_sum(p, byte);
        p->state = AT_END;
        return PACKET_NOTHING;
    default:
        digit_of_sum(p, byte);
        p->state = BETWEEN;
        p->text[p->n] = 0;
        return p->damaged || p->want != p->sum ? PACKET_DAMAGED : PACKET_WHOLE;
    }
}

/* Behind the packet whose $ is at bytes[i], or n. */
static size_t behind_packet(const char *bytes, size_t i, size_t n)
{
    while (i < n && bytes[i] != '#')
        i++;
    return n - i > 3 ? i + 3 : n;
}

size_t packet_find_interrupt(const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && bytes[i] != INTERRUPT)
        i = bytes[i] == '$' ? behind_packet(bytes, i, n) : i + 1;
    return i;
}

/* ---- packets out ---- */

static bool special(char byte)
{
    return byte == '$' || byte == '#' || byte == '*' || byte == ESCAPE;
}

void packet_put(struct bytes *out, const void *text, size_t n)
{
    const char *from = text;
    uint8_t sum = 0;
    bytes_add(out, "$", 1);
    size_t start = out->n;
    for (size_t i = 0; i < n; i++) {
        if (special(from[i]))
            bytes_add(out, (char[]){ESCAPE, (char)(from[i] ^ 0x20)}, 2);
        else
            bytes_add(out, &from[i], 1);
    }
    for (size_t i = start; i < out->n; i++)
        sum = (uint8_t)(sum + (uint8_t)out->at[i]);
    bytes_addf(out, "#%02x", sum);
}
