#include "step.h"

#include "vcpu.h"
#include "vmx.h"

/* The flag is set as long as there is a reason. */
static void follow(struct vcpu *v, unsigned steps)
{
    uint64_t proc = vmread(VMCS_PROC_CONTROLS) & ~(uint64_t)PROC_MONITOR_TRAP_FLAG;

    vmwrite(VMCS_PROC_CONTROLS, proc | (steps ? PROC_MONITOR_TRAP_FLAG : 0));
    v->steps = steps;
}

void step_begin(struct vcpu *v, unsigned why)
{
    follow(v, v->steps | why);
}

void step_end(struct vcpu *v, unsigned why)
{
    follow(v, v->steps & ~why);
}

void step_forget(struct vcpu *v)
{
    v->steps = 0;
}
