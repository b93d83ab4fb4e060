#include "reach.h"

#include <stddef.h>

#include "lock.h"
#include "pager.h"

static bool in_guest_of(const struct core *c, const struct vm *vm)
{
    const struct vcpu *v = __atomic_load_n(&c->in_guest, __ATOMIC_ACQUIRE);

    return v && v->vm == vm;
}

/* The interrupt of a core that has not entered yet waits for it, and is the cause of its next exit (SDM vol.
 * 3, 26.7.6 "Pending ... Events", 25.2).  A core that has left its guest waits for our lock. */
void vcpus_exit(struct vm *vm)
{
    for (unsigned i = 0; i < cores_count(); i++)
        if (in_guest_of(core_at(i), vm))
            core_kick(core_at(i));
    for (unsigned i = 0; i < cores_count(); i++)
        while (in_guest_of(core_at(i), vm))
            __asm__ volatile("pause");
}

static bool in_guest(const struct vcpu *v)
{
    return v->core && __atomic_load_n(&v->core->in_guest, __ATOMIC_ACQUIRE) == v;
}

void vcpu_exit(struct vcpu *v)
{
    if (in_guest(v))
        core_kick(v->core);
    while (in_guest(v))
        __asm__ volatile("pause");
}

void vcpu_notify(struct vcpu *v)
{
    if (in_guest(v))
        core_kick(v->core);
    else if (v->halted && vcpu_runnable(v))
        scheduler_wake(v);
}

/* Translations are cached by the EPT's root on every core where the VM has ever run (SDM vol. 3, 28.3.3.3
 * "Guidelines for Use of the INVEPT Instruction"), but only one that runs it now must be told at once. */
void vcpus_flush(struct vm *vm)
{
    vm->flushes++;
    vcpus_exit(vm);
}

void vcpus_flush_here(struct vcpu *v, struct core *c)
{
    v->vm->config.pager->flush(v->vm);
    c->flushed[v->vm->number] = v->vm->flushes;
}

static bool holds(const struct core *c, const struct vm *vm)
{
    return c->current && c->current->vm == vm;
}

/* The others do it before they choose what to run next (scheduler.c). */
void vcpus_release(struct vm *vm)
{
    if (holds(this_core(), vm))
        vcpu_put_down();
    for (unsigned i = 0; i < cores_count(); i++)
        while (holds(core_at(i), vm)) {
            core_wake(core_at(i));
            lock_give();
            __asm__ volatile("pause");
            lock_take();
        }
}
