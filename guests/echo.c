/* echo - gives every line that it reads from the console back, until the line is `quit`. */
#include "lib/guest.h"

#include "lib/print.h"
#include "lib/string.h"
#include "lib/uart.h"

#define LINE_MAX 128

/* Reads up to the end of a line, which is not kept; what does not fit is lost. */
static unsigned read_line(char *line)
{
    unsigned n = 0;

    for (;;) {
        char c = uart_get();

        if (c == '\n' || c == '\r') {
            line[n] = 0;
            return n;
        }
        if (n < LINE_MAX - 1)
            line[n++] = c;
    }
}

uint32_t guest_main(const char *args)
{
    char line[LINE_MAX];

    (void)args;
    print("type, and `quit`\n");
    for (;;) {
        unsigned n = read_line(line);

        if (n == 4 && memcmp(line, "quit", 4) == 0)
            return 0;
        print("%s\n", line);
    }
}
