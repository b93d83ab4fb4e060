#include "console.h"

#include "arch/vmdir.h"
#include "print.h"

#define RING_BYTES 65536u /* a power of 2 */

static uint8_t rings[VMDIR_VMS][RING_BYTES];

void console_init(struct console *c, struct vmdir_vm *dir, unsigned index)
{
    c->dir = dir;
    dir->console = (uint64_t)rings[index];
    dir->console_bytes = RING_BYTES;
}

void console_flush(struct console *c)
{
    if (c->used == 0)
        return;
    c->line[c->used] = 0;
    print("[%s] %s\n", c->dir->name, c->line);
    c->used = 0;
}

void console_put(struct console *c, char byte)
{
    uint8_t *ring = (uint8_t *)c->dir->console;

    ring[c->dir->console_written++ % RING_BYTES] = (uint8_t)byte;
    if (byte == '\r')
        return;
    if (byte != '\n')
        c->line[c->used++] = byte;
    else if (c->used == 0)
        print("[%s]\n", c->dir->name);
    if (byte == '\n' || c->used == CONSOLE_LINE - 1)
        console_flush(c);
}
