#include "lib/print.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/uart.h"

static void put_text(const char *text)
{
    while (*text)
        uart_put(*text++);
}

static void put_number(uint64_t value, unsigned base, unsigned width)
{
    char digits[24];
    unsigned n = 0;

    do
        digits[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    for (; width > n; width--)
        uart_put('0');
    while (n)
        uart_put(digits[--n]);
}

static void put_signed(int value)
{
    if (value < 0)
        uart_put('-');
    put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 0);
}

/* One conversion; returns the character after it. */
static const char *put_conversion(const char *f, va_list *args)
{
    unsigned width = 0;
    bool wide = false;

    for (; *f >= '0' && *f <= '9'; f++)
        width = width * 10 + (unsigned)(*f - '0');
    for (; *f == 'l'; f++)
        wide = true;
    if (*f == 's')
        put_text(va_arg(*args, const char *));
    else if (*f == 'c')
        uart_put((char)va_arg(*args, int));
    else if (*f == 'd')
        put_signed(va_arg(*args, int));
    else if (*f == 'u' || *f == 'x')
        put_number(wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), *f == 'u' ? 10 : 16, width);
    else
        uart_put(*f);
    return f + 1;
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (const char *f = format; *f;)
        if (*f == '%' && f[1])
            f = put_conversion(f + 1, &args);
        else
            uart_put(*f++);
    va_end(args);
}
