/* args.h - words of a command line; word 0 is the image's name. */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stdint.h>

/* The i-th word as a decimal number, or `otherwise` if it is missing or no number. */
uint64_t args_number(const char *args, unsigned i, uint64_t otherwise);
/* True if the i-th word is `word`. */
bool args_is(const char *args, unsigned i, const char *word);

#endif
