/* main.c - the kernel's start: what each part needs, in the order in which they need each other. */
#include "arch/boot.h"
#include "kernel/clock.h"
#include "kernel/fs.h"
#include "kernel/initrd.h"
#include "kernel/memory.h"
#include "kernel/netdev.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "kernel/segments.h"
#include "kernel/timer.h"
#include "kernel/trap.h"
#include "lib/print.h"
#include "lib/uart.h"

#define COMMAND_BYTES 512

static char command_line[COMMAND_BYTES];

/* What follows the image's name.  Kept: the block lies in memory that will be used. */
static void keep_command_line(const struct boot_info *info)
{
    const char *from = info->flags & BOOT_INFO_CMDLINE ? direct(info->cmdline) : "";

    while (*from && *from != ' ')
        from++;
    while (*from == ' ')
        from++;
    for (unsigned i = 0; i < COMMAND_BYTES - 1 && from[i]; i++)
        command_line[i] = from[i];
}

_Noreturn void kernel_main(uint64_t info_pa);

void kernel_main(uint64_t info_pa)
{
    const struct boot_info *info = direct(info_pa);
    uint64_t ram_end = info->flags & BOOT_INFO_MEMORY ? (uint64_t)(info->mem_upper + 1024) * 1024 : 0;
    uint64_t used, image_end_pa;
    const char *commands;

    __asm__("movabsq $load_end, %0" : "=r"(image_end_pa));
    uart_init();
    segments_init();
    trap_init();
    keep_command_line(info);
    used = initrd_init(info);
    page_init(used > image_end_pa ? used : image_end_pa, ram_end);
    tables_init(ram_end);
    timer_init();
    clock_init();
    commands = netdev_init(command_line);
    fs_init();
    print("kernel: ready\n");
    process_run(commands);
}
