/* main.c - from the boot protocol to running VMs, and the end. */
#include "apic.h"
#include "arch/board.h"
#include "boot_info.h"
#include "core.h"
#include "lock.h"
#include "manage.h"
#include "page.h"
#include "panic.h"
#include "print.h"
#include "scheduler.h"
#include "traps.h"
#include "uart.h"
#include "uplink.h"
#include "vm.h"
#include "vmx.h"

static void create_vms(const struct boot_info *info)
{
    const struct boot_module *m;

    for (unsigned i = 0; (m = boot_module(info, i)) != NULL; i++)
        vm_create((const char *)(uint64_t)m->string, (const uint8_t *)(uint64_t)m->start, m->end - m->start);
    if (!vm_at(0))
        print("hv: there is no boot module, so there is no VM\n");
}

static void summary(void)
{
    for (unsigned i = 0; vm_at(i); i++) {
        const struct vm *vm = vm_at(i);

        print("hv: %s %s, status %llu; %lu exits, %lu cycles in the guest, %lu in handlers\n", vm->dir->name,
              vm_state_name(vm), vm->dir->status, stats_exits(&vm->stats), vm->stats.guest_cycles,
              stats_handler_cycles(&vm->stats));
    }
}

static void init_memory(const struct boot_info *info)
{
    uint64_t first, end;

    boot_free_memory(info, &first, &end);
    page_init(first, end);
}

_Noreturn void hv_main(uint32_t magic, const struct boot_info *info);

_Noreturn void hv_main(uint32_t magic, const struct boot_info *info)
{
    bool well;

    uart_init(PORT_CONSOLE);
    core_init();
    if (magic != BOOT_MAGIC)
        fatal("not started by the boot protocol: EAX is 0x%x, not 0x%x", magic, BOOT_MAGIC);
    init_memory(info);
    vmx_init();
    vmx_on();
    apic_init();
    scheduler_init();
    lock_take();
    cores_start(scheduler_serve);
    print("hv: VMX operation, %u core%s, %lu KiB free\n", cores_count(), cores_count() == 1 ? "" : "s",
          page_free_bytes() >> 10);
    manage_start();
    uplinks_start(info);
    create_vms(info);
    well = scheduler_run(boot_option(info, "--stay"));
    summary();
    end_run(well ? HV_EXIT_SUCCESS : HV_EXIT_FAILURE);
}
