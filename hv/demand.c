/* demand.c - EPT violations: RAM that is mapped when it is first touched (lazy=yes), and accesses where there
 * is none. */
#include "exits.h"
#include "print.h"
#include "vmcs.h"
#include "vmx.h"

static const char *access_name(uint64_t qualification)
{
    return qualification & QUAL_EPT_FETCH ? "fetch" : qualification & QUAL_EPT_WRITE ? "write" : "read";
}

static void crash_outside(struct vm *vm, uint64_t gpa, uint64_t qualification)
{
    uint64_t rip = vmread(VMCS_GUEST_RIP);

    if (qualification & QUAL_EPT_LINEAR_VALID)
        vm_crash(vm, "%s of guest-physical 0x%lx (linear 0x%lx) at rip 0x%lx, where it has no RAM (%lu KiB)",
                 access_name(qualification), gpa, vmread(VMCS_GUEST_LINEAR_ADDRESS), rip,
                 vm->config.ram_bytes >> 10);
    else
        vm_crash(vm, "%s of guest-physical 0x%lx at rip 0x%lx, where it has no RAM (%lu KiB)",
                 access_name(qualification), gpa, rip, vm->config.ram_bytes >> 10);
}

/* A violation leaves no translation of the page in the processor (SDM vol. 3, 28.3.3.1), so no INVEPT is
 * needed.  The instruction runs again, or the event that was being delivered is delivered again. */
void exit_ept_violation(struct vcpu *v)
{
    struct vm *vm = v->vm;
    uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS), qualification = vmread(VMCS_EXIT_QUALIFICATION);

    if (gpa >= vm->config.ram_bytes) {
        crash_outside(vm, gpa, qualification);
    } else if (!vm_page(vm, gpa)) {
        vm_crash(vm, "no memory left for its page at guest-physical 0x%lx", gpa);
    } else {
        vcpu_redeliver_event();
    }
}
