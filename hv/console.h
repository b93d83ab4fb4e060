/* console.h - what a VM has written: a ring that watchers read through the VM directory, and lines on the
 * host's console. */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include <stdint.h>

#define CONSOLE_LINE 160

struct vmdir_vm;

struct console {
    struct vmdir_vm *dir;
    char line[CONSOLE_LINE];
    unsigned used;
};

/* The ring of VM number `index` becomes this console's. */
void console_init(struct console *c, struct vmdir_vm *dir, unsigned index);
void console_put(struct console *c, char byte);
/* Shows a line that has no end yet. */
void console_flush(struct console *c);

#endif
