/* names.h - names and quantities that people type: complaints that help, sizes, times. */
#ifndef UI_NAMES_H
#define UI_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The i-th name of a list, NULL after the last. */
typedef const char *names_at(size_t i, const void *arg);

/* Writes "unknown event 'walk.ent': did you mean 'walk.end'?  Known: ...". */
void names_complain(char *text, size_t size, const char *what, const char *name, names_at *at,
                    const void *arg);
/* The name most like `name`, NULL if none is close. */
const char *names_nearest(const char *name, names_at *at, const void *arg);

/* A number without sign, decimal or hexadecimal behind 0x, up to 64 bits. */
bool names_number(const char *text, uint64_t *value);
/* "64M", "8K", "1G", "4096", "0x1000": bytes. */
bool names_size(const char *text, uint64_t *bytes);
/* "10us", "500ns", "1.5ms", "2s" at `hz` cycles a second; or a plain number of cycles. */
bool names_cycles(const char *text, uint64_t hz, uint64_t *cycles);
/* Six bytes in hexadecimal with colons; not all 0, which would mean that none is given. */
bool names_mac(const char *text, uint8_t mac[6]);

/* Appends formatted text to a buffer of `size` bytes; what does not fit is cut. */
void names_add(char *text, size_t size, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

#endif
