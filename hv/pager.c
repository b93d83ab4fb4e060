#include "pager.h"

#include "arch/insn.h"
#include "ept.h"
#include "reach.h"
#include "text.h"
#include "vm.h"
#include "vmx.h"

static const struct pager *const pagers[] = {&pager_nested, &pager_shadow};

const struct pager *pager_find(const char *name)
{
    for (unsigned i = 0; i < sizeof pagers / sizeof pagers[0]; i++)
        if (text_equal(pagers[i]->name, name))
            return pagers[i];
    return NULL;
}

void pager_harvest(struct vm *vm, pager_page *page)
{
    vcpus_exit(vm); /* A and D may not change between the look and the clearing */
    vm->config.pager->collect(vm);
    ept_harvest(vm->dir->root, vm->config.ram_bytes, page);
    vm_flush(vm);
}

void pager_written(struct vcpu *v, uint64_t gpa)
{
    ept_mark(v->vm->dir->root, gpa, EPT_A | EPT_D);
    if (v->vm->config.pager->written)
        v->vm->config.pager->written(v, gpa);
}

/* Rare enough for the whole VM to be stopped: it has a page table where a device writes. */
void pager_written_by_device(struct vm *vm, uint64_t gpa)
{
    ept_mark(vm->dir->root, gpa, EPT_A | EPT_D);
    if (!vm->config.pager->watches || !vm->config.pager->watches(vm, gpa))
        return;
    vcpus_exit(vm);
    vm->config.pager->written(&vm->vcpu[0], gpa);
    vm_flush(vm);
}

void pager_mode_changed(struct vcpu *v)
{
    if (v->vm->config.pager->mode_changed)
        v->vm->config.pager->mode_changed(v);
}

void pager_reflect(struct vcpu *v, uint64_t gva, uint32_t error)
{
    v->vm->stats.fault = FAULT_TRUE;
    write_cr2(gva); /* CR2 is in no VMCS: the core holds the guest's */
    vcpu_inject_page_fault(v, error);
}

void pager_outside(struct vm *vm, const char *access, uint64_t gpa, const uint64_t *linear)
{
    uint64_t rip = vmread(VMCS_GUEST_RIP), ram = vm->config.ram_bytes >> 10;

    if (linear)
        vm_crash(vm, "%s of guest-physical 0x%lx (linear 0x%lx) at rip 0x%lx, where it has no RAM (%lu KiB)",
                 access, gpa, *linear, rip, ram);
    else
        vm_crash(vm, "%s of guest-physical 0x%lx at rip 0x%lx, where it has no RAM (%lu KiB)", access, gpa,
                 rip, ram);
}
