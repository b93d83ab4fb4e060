/* print.h - formatted output to the console. */
#ifndef PRINT_H
#define PRINT_H

/* %s %c %d %u %x, %lu %lx (64 bits), %%; a number before u or x pads with zeros. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
