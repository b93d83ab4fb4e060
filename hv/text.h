/* text.h - strings of commands and options. */
#ifndef HV_TEXT_H
#define HV_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t text_length(const char *s);
bool text_equal(const char *a, const char *b);
bool text_starts(const char *s, const char *start);
/* Copies as much as fits into `size` bytes, the zero included; false if it was cut. */
bool text_copy(char *to, const char *from, size_t size);

/* Cuts the next word (ended by spaces) off *s and ends it with a zero; an empty string if there is none. */
char *text_word(char **s);
/* Behind the spaces at s. */
const char *text_skip(const char *s);
/* "8M", "64K", "4096", "0x1000": false if it is no number or does not fit. */
bool text_number(const char *s, uint64_t *value);

#endif
