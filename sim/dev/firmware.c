/* firmware.c - see firmware.h. */
#include "dev/firmware.h"

#include "arch/firmware.h"
#include "arch/vga.h"
#include "mmu/mem.h"

static void clear_screen(struct machine *m)
{
    for (u64 at = 0; at < 2 * VGA_COLUMNS * VGA_ROWS; at += 2)
        mem_write(m->mem, VGA_TEXT + at, 2, VGA_BLANK);
}

void firmware_write(struct machine *m)
{
    mem_write(m->mem, BIOS_EBDA, 2, 0);
    mem_write(m->mem, BIOS_KIB, 2, 640);
    clear_screen(m);
    acpi_write(m);
    mp_table_write(m);
}
