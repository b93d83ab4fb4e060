#include "stats.h"

#include <stddef.h>

#include "arch/insn.h"
#include "core.h"
#include "scheduler.h"
#include "vm.h"
#include "vmx.h"

static void add(struct stats_cause *cause, uint64_t cycles)
{
    cause->exits++;
    cause->cycles += cycles;
}

void stats_exit(struct stats *s, uint64_t reason, uint64_t cycles)
{
    add(&s->cause[reason % STATS_REASONS], cycles);
    if (s->fault == FAULT_NONE)
        return;
    add(&s->fault_cause[s->fault], cycles);
    s->fault = FAULT_NONE;
}

uint64_t stats_exits(const struct stats *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < STATS_REASONS; i++)
        sum += s->cause[i].exits;
    return sum;
}

uint64_t stats_handler_cycles(const struct stats *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < STATS_REASONS; i++)
        sum += s->cause[i].cycles;
    return sum;
}

static const char *const fault_name[STATS_FAULTS] = {NULL, "true", "hidden", "trace", "mmio"};
static uint64_t turns(const struct vm *vm)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        sum += vm->vcpu[i].turn.count;
    return sum;
}

/* The share is of one core's time, in per mille, since the VM was started. */
static void show_vcpu(const struct vcpu *v, stats_line *line)
{
    uint64_t age = rdtsc() - v->vm->started, cycles = v->turn.cycles;

    line("vcpu=%lu state=%s core=%d turns=%lu cycles=%lu share=%lu", v->index, vcpu_state_name(v),
         v->last_core ? (int)v->last_core->number : -1, v->turn.count, cycles, age ? cycles * 1000 / age : 0);
}

static void show_work(const struct vmdir_shadow_work *work, stats_line *line)
{
    line("made=%lu freed=%lu synced=%lu compared=%lu changed=%lu", work->made, work->freed, work->synced,
         work->compared, work->changed);
}

static void show_device(const struct virtio_device *d, stats_line *line)
{
    line("device=%s notifications=%lu interrupts=%lu chains=%lu", d->kind->name, d->notifications,
         d->interrupts, d->chains);
}

void stats_show(const struct vm *vm, stats_line *line)
{
    const struct stats *s = &vm->stats;

    line("vm=%s state=%s exits=%lu guest_cycles=%lu handler_cycles=%lu turns=%lu quantum=%lu weight=%lu "
         "faults_to=%s",
         vm->dir->name, vm_state_name(vm), stats_exits(s), s->guest_cycles, stats_handler_cycles(s),
         turns(vm), (uint64_t)QUANTUM_CYCLES, vm->config.weight,
         vm->config.faults_exit || vm->config.pager->shadow ? "hypervisor" : "guest");
    for (uint64_t i = 0; vm->ever_started && i < vm->dir->vcpus; i++)
        show_vcpu(&vm->vcpu[i], line);
    for (unsigned i = 0; i < STATS_REASONS; i++)
        if (s->cause[i].exits)
            line("exit=%u count=%lu cycles=%lu mean=%lu reason=%s", i, s->cause[i].exits, s->cause[i].cycles,
                 s->cause[i].cycles / s->cause[i].exits, exit_reason_name(i));
    if (vm->dir->shadow)
        show_work(&vm->dir->work, line);
    if (vm->ever_started && vm->config.nic == NIC_VIRTIO)
        show_device(&vm->virtio_net.device, line);
    if (vm->ever_started && vm->config.disk_virtio && vm->virtio_blk.device.kind)
        show_device(&vm->virtio_blk.device, line);
    for (unsigned i = FAULT_TRUE; i < STATS_FAULTS; i++)
        if (s->fault_cause[i].exits)
            line("fault=%u count=%lu cycles=%lu mean=%lu reason=%s", i, s->fault_cause[i].exits,
                 s->fault_cause[i].cycles, s->fault_cause[i].cycles / s->fault_cause[i].exits, fault_name[i]);
}
