/* start.c - from the boot protocol's information block to guest_main(). */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/traps.h"
#include "lib/uart.h"

static uint64_t top_of_ram;

static void read_memory(const struct boot_info *info)
{
    if (info->flags & BOOT_INFO_MEMORY)
        top_of_ram = (uint64_t)(info->mem_upper + 1024) * 1024;
}

uint64_t ram_bytes(void)
{
    return top_of_ram;
}

_Noreturn void debug_exit(uint32_t value)
{
    out32(PORT_DEBUG_EXIT, value);
    for (;;)
        __asm__ volatile("cli; hlt");
}

_Noreturn void guest_start(const struct boot_info *info);

_Noreturn void guest_start(const struct boot_info *info)
{
    const char *args = info->flags & BOOT_INFO_CMDLINE ? (const char *)(uintptr_t)info->cmdline : "";

    uart_init();
    traps_init();
    read_memory(info);
    debug_exit(guest_main(args));
}
