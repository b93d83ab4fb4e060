/* exits.h - entering a VM and handling the exit that ends the entry (SDM vol. 3, 27 "VM Exits"). */
#ifndef HV_EXITS_H
#define HV_EXITS_H

#include "vm.h"

/* What a VM may end with, as the run of a bare machine does. */
#define STATUS_NONE    0 /* stopped from outside */
#define STATUS_SUCCESS 1 /* debug-exit of 0: 2 value + 1 */
#define STATUS_HALTED  255

/* One entry into vm, whose VMCS is current, and the handling of its exit.  Returns the basic exit reason. */
uint64_t vm_enter_once(struct vm *vm);

/* Handlers that have files of their own.  vm is the VM that has exited; its VMCS is current. */
void exit_cpuid(struct vm *vm);
void exit_rdmsr(struct vm *vm);
void exit_wrmsr(struct vm *vm);
void exit_cr_access(struct vm *vm);
void exit_io(struct vm *vm);
void exit_vmcall(struct vm *vm);
void exit_ept_violation(struct vm *vm);

#endif
