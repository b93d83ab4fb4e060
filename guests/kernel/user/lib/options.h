/* options.h - a program's options: letters, with or without a number. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

struct option {
    char letter; /* 0: the list's end */
    uint64_t *value;
    uint64_t least, most; /* most 0: without a number, *value becomes 1 */
};

/* The index of the first argument that is no option; argc + 1 for one that is unknown or whose number is not
 * in its bounds. */
int parse_options(int argc, char **argv, const struct option *options);

#endif
