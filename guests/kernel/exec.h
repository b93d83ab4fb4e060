/* exec.h - a program takes a process's place. */
#ifndef KERNEL_EXEC_H
#define KERNEL_EXEC_H

#include <stdbool.h>
#include <stddef.h>

#define ARGUMENTS_MAX      16
#define ARGUMENT_BYTES_MAX 1024

struct arguments { /* strings, one behind the other; the first is the program's name */
    unsigned count;
    size_t bytes;
    char text[ARGUMENT_BYTES_MAX];
};

/* False if there is no room. */
bool exec_add_argument(struct arguments *args, const char *text);
/* Gives `current` the address space of an ELF64 program of the initrd, its arguments on the stack, and a
 * frame that begins there.  -1, and nothing has changed, if there is no such program or no memory. */
int exec_image(const struct arguments *args);

#endif
