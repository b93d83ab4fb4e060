/* console.c - lines from the UART, polled: nothing here needs an interrupt controller. */
#include "kernel/console.h"

#include "arch/board.h"
#include "arch/insn.h"
#include "kernel/process.h"
#include "kernel/timer.h"
#include "lib/uart.h"

#define LINE_BYTES 128
#define BACKSPACE  8
#define DELETE     127

/* Others have their turns meanwhile; when there are none, the processor rests until the timer's next
 * interrupt. */
static char wait_for_key(void)
{
    while (!(in8(PORT_CONSOLE + UART_LSR) & UART_LSR_READY) && !current->killed)
        if (process_others_ready())
            process_yield();
        else if (timer_present())
            wait_for_interrupt();
    return current->killed ? '\n' : uart_get();
}

static void echo(const char *text)
{
    while (*text)
        uart_put(*text++);
}

static char line[LINE_BYTES];
static uint64_t line_bytes, line_read; /* the line typed last, and how much of it programs have */

/* A full line ends without '\n'. */
static void type_line(void)
{
    char key = 0;

    for (line_bytes = line_read = 0; line_bytes < LINE_BYTES && key != '\n';) {
        key = wait_for_key();
        if (key == '\r')
            key = '\n';
        if (key != BACKSPACE && key != DELETE) {
            uart_put(line[line_bytes++] = key);
        } else if (line_bytes > 0) {
            line_bytes--;
            echo("\b \b");
        }
    }
}

int64_t console_read(uint64_t va, uint64_t n)
{
    if (line_read == line_bytes && n > 0)
        type_line();
    if (n > line_bytes - line_read)
        n = line_bytes - line_read;
    if (current->killed || !copy_out(&current->space, va, line + line_read, n))
        return -1;
    line_read += n;
    return (int64_t)n;
}

int64_t console_write(uint64_t va, uint64_t n)
{
    char part[LINE_BYTES];
    uint64_t bytes;

    for (uint64_t done = 0; done < n; done += bytes) {
        bytes = n - done < LINE_BYTES ? n - done : LINE_BYTES;
        if (!copy_in(&current->space, part, va + done, bytes))
            return -1;
        for (uint64_t i = 0; i < bytes; i++)
            uart_put(part[i]);
    }
    return (int64_t)n;
}
