/* vmcs.h - what a new VMCS is filled with, and what one says when a VM has crashed (SDM vol. 3, 24). */
#ifndef HV_VMCS_H
#define HV_VMCS_H

#include "core.h"
#include "vm.h"

/* Fills the current VMCS: v starts at `entry`, as the boot protocol has it. */
void vmcs_setup(struct vcpu *v, uint64_t entry);
/* Which exceptions of the VM exit: the settings may have changed. */
void vmcs_choose_exceptions(const struct vm *vm);
/* The host state of the current VMCS that differs from core to core. */
void vmcs_set_core(const struct core *c);
/* Prints v's state; its VMCS is current in words. */
void vmcs_dump(const struct vcpu *v);

#endif
