/* print.h - formatted text, to the host's console or anywhere. */
#ifndef HV_PRINT_H
#define HV_PRINT_H

#include <stdarg.h>
#include <stddef.h>

typedef void put_char(void *to, char c);

/* %s %c %d %u %x, %lu %lx (64 bits), %%.  A number before the letter is a width: u and x pad on the left with
 * spaces, or with zeros if it begins with one; s pads on the right. */
void vformat(put_char *put, void *to, const char *format, va_list args);

/* To the host's console, as it stands. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void vprint(const char *format, va_list args);
/* Into a buffer of `size` bytes, cut if too long, zero at the end. */
void format_text(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
