/* reach.h - reaching the virtual CPUs of a VM on whatever core they are. */
#ifndef HV_REACH_H
#define HV_REACH_H

#include "core.h"
#include "vm.h"

/* Makes all other cores leave the VM's guest.  None is in it when this returns, nor enters it before the
 * caller has given the lock back; then they go on by what vcpu_runnable says. */
void vcpus_exit(struct vm *vm);

/* The same for one virtual CPU. */
void vcpu_exit(struct vcpu *v);
/* Something has come for v: it leaves its guest to see to it, or wakes. */
void vcpu_notify(struct vcpu *v);

/* Every core forgets what it has cached of the VM's translations before it next enters the VM, and no core is
 * in it with old ones when this returns. */
void vcpus_flush(struct vm *vm);
/* What is left of that for v's next entry on this core. */
void vcpus_flush_here(struct vcpu *v, struct core *c);
static inline void vcpus_before_entry(struct vcpu *v, struct core *c)
{
    if (__builtin_expect(c->flushed[v->vm->number] != v->vm->flushes, 0))
        vcpus_flush_here(v, c);
}

/* For a VM that does not run: returns when no core holds the state of one of its virtual CPUs any more. Gives
 * the lock back in between. */
void vcpus_release(struct vm *vm);

#endif
