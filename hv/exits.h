/* exits.h - entering a VM and handling the exit that ends the entry (SDM vol. 3, 27 "VM Exits"). */
#ifndef HV_EXITS_H
#define HV_EXITS_H

#include "vm.h"

/* What a VM may end with, as the run of a bare machine does. */
#define STATUS_NONE    0 /* stopped from outside */
#define STATUS_SUCCESS 1 /* debug-exit of 0: 2 value + 1 */
#define STATUS_HALTED  255

/* One entry into v, whose VMCS is current, and the handling of its exit.  Returns the basic exit reason. */
uint64_t vcpu_run_once(struct vcpu *v);

/* Handlers that have files of their own.  v is the virtual CPU that has exited; its VMCS is current. */
void exit_cpuid(struct vcpu *v);
void exit_rdmsr(struct vcpu *v);
void exit_wrmsr(struct vcpu *v);
void exit_cr_access(struct vcpu *v);
void exit_io(struct vcpu *v);
void exit_vmcall(struct vcpu *v);
void exit_ept_violation(struct vcpu *v);

#endif
