/* console.c - print()'s bytes, a line at a time. */
#include "lib/uart.h"
#include "user.h"

#define LINE_BYTES 256

static char line[LINE_BYTES];
static size_t used;

void flush(void)
{
    write(1, line, used);
    used = 0;
}

void uart_put(char c)
{
    line[used++] = c;
    if (c == '\n' || used == LINE_BYTES)
        flush();
}

void leave(int status)
{
    if (used)
        flush();
    end_process(status);
}
