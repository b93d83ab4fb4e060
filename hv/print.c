#include "print.h"

#include <stdbool.h>
#include <stdint.h>

#include "arch/board.h"
#include "uart.h"

struct out {
    put_char *put;
    void *to;
};

struct spec {
    unsigned width;
    bool zeros, wide;
};

static void pad(struct out *o, char with, unsigned from, unsigned width)
{
    for (; from < width; from++)
        o->put(o->to, with);
}

static void put_text(struct out *o, struct spec s, const char *text)
{
    unsigned n = 0;

    for (; text[n]; n++)
        o->put(o->to, text[n]);
    pad(o, ' ', n, s.width);
}

static void put_number(struct out *o, struct spec s, uint64_t value, unsigned base)
{
    char digits[24];
    unsigned n = 0;

    do
        digits[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    pad(o, s.zeros ? '0' : ' ', n, s.width);
    while (n)
        o->put(o->to, digits[--n]);
}

static void put_signed(struct out *o, struct spec s, int value)
{
    if (value < 0)
        o->put(o->to, '-');
    put_number(o, s, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static struct spec read_spec(const char **f)
{
    struct spec s = {.zeros = **f == '0'};

    for (; **f >= '0' && **f <= '9'; ++*f)
        s.width = s.width * 10 + (unsigned)(**f - '0');
    for (; **f == 'l'; ++*f)
        s.wide = true;
    return s;
}

/* One conversion; returns the character after it. */
static const char *put_conversion(struct out *o, const char *f, va_list *args)
{
    struct spec s = read_spec(&f);

    if (*f == 's')
        put_text(o, s, va_arg(*args, const char *));
    else if (*f == 'c')
        o->put(o->to, (char)va_arg(*args, int));
    else if (*f == 'd')
        put_signed(o, s, va_arg(*args, int));
    else if (*f == 'u' || *f == 'x')
        put_number(o, s, s.wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), *f == 'u' ? 10 : 16);
    else
        o->put(o->to, *f);
    return f + 1;
}

void vformat(put_char *put, void *to, const char *format, va_list args)
{
    struct out o = {put, to};
    va_list copy;

    va_copy(copy, args);
    for (const char *f = format; *f;)
        if (*f == '%' && f[1])
            f = put_conversion(&o, f + 1, &copy);
        else
            put(to, *f++);
    va_end(copy);
}

static void put_console(void *to, char c)
{
    (void)to;
    uart_put(PORT_CONSOLE, c);
}

void vprint(const char *format, va_list args)
{
    vformat(put_console, NULL, format, args);
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprint(format, args);
    va_end(args);
}

struct buffer {
    char *at, *end; /* end: where the zero may go at the latest */
};

static void put_buffer(void *to, char c)
{
    struct buffer *b = to;

    if (b->at < b->end)
        *b->at++ = c;
}

void format_text(char *buffer, size_t size, const char *format, ...)
{
    struct buffer b = {buffer, buffer + size - 1};
    va_list args;

    va_start(args, format);
    vformat(put_buffer, &b, format, args);
    va_end(args);
    *b.at = 0;
}
