/* pager.h - how a VM's memory is virtualised: two ways behind one interface.
 *
 * Either way dir->root leads from guest-physical to host-physical, by tables in EPT format (ept.h), and RAM
 * is mapped there when somebody asks for it (vm_page).  The nested pager gives these tables to the processor;
 * the shadow pager makes page tables of them and of the guest's own. */
#ifndef HV_PAGER_H
#define HV_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct vcpu;

struct pager {
    const char *name; /* as in mmu=NAME */
    bool shadow;      /* the guest's CR3 is in the directory, not in the VMCS (arch/vmdir.h) */

    /* What its VMCSs have besides what all have (vmcs.c): VM-execution controls; exceptions that exit; bits
     * of CR0 and EFER that are 1 whatever the guest believes; bits of CR4 whose changes exit; those of them
     * that its processor has not. */
    uint32_t proc, proc2, exceptions;
    uint64_t cr0_set, efer_set, cr4_mask, cr4_absent;

    /* Whether this processor has what it takes for the VM; false, with a message in `why`, if not. */
    bool (*possible)(const struct vm *vm, char *why, size_t size);
    /* Of a VM that has its root and no other table yet: false if memory has run out.  end() gives back what
     * begin() took. */
    bool (*begin)(struct vm *vm);
    void (*end)(struct vm *vm);
    /* The rest of a new VMCS, which is current. */
    void (*setup)(struct vcpu *v);
    /* Drops what this core has cached of the VM's translations; vm_flush does it on every core. */
    void (*flush)(struct vm *vm);
    /* A and D of the leaf entries below dir->root tell all that the guest has used; afterwards whatever it
     * uses sets them anew.  flush() must follow when they have been read and cleared. */
    void (*collect)(struct vm *vm);

    /* Registers of a device lie at gpa, beyond RAM, or no longer do; below dir->root it has been said. False:
     * no memory.  NULL: nothing to do. */
    bool (*adopt)(struct vm *vm, uint64_t gpa);
    void (*forget)(struct vm *vm, uint64_t gpa);

    /* A #PF exit. */
    void (*page_fault)(struct vcpu *v);

    /* The rest is for the shadow pager alone.  The hypervisor has written to this page for the guest, which
     * matters if watches() says so: */
    void (*written)(struct vcpu *v, uint64_t gpa);
    bool (*watches)(struct vm *vm, uint64_t gpa);
    /* An INIT, which may have come in the midst of an instruction; an exit by the monitor trap flag, MOV to
     * CR3, INVLPG, and a new CR0, CR4 or EFER that is in force already. */
    void (*initialised)(struct vcpu *v);
    void (*instruction_done)(struct vcpu *v);
    void (*load_cr3)(struct vcpu *v, uint64_t value);
    void (*invalidate)(struct vcpu *v, uint64_t gva);
    void (*mode_changed)(struct vcpu *v);
};

extern const struct pager pager_nested, pager_shadow;

/* NULL: there is none of that name. */
const struct pager *pager_find(const char *name);

/* Calls page(gpa, bytes, dirty) for each page that was accessed since the last time, or since the VM's start,
 * in ascending order. */
typedef void pager_page(uint64_t gpa, uint64_t bytes, bool dirty);
void pager_harvest(struct vm *vm, pager_page *page);

/* The hypervisor has written to a page for the guest, or has changed what its tables depend on. */
void pager_written(struct vcpu *v, uint64_t gpa);
/* One of the VM's devices has: its virtual CPUs may be anywhere. */
void pager_written_by_device(struct vm *vm, uint64_t gpa);
void pager_mode_changed(struct vcpu *v);

/* A page fault is the guest's own, one that has exited or that its instruction meets in emulation: it gets
 * it, with this address and error code. */
void pager_reflect(struct vcpu *v, uint64_t gva, uint32_t error);

/* The guest has touched an address where it has no RAM: ends it.  access: "read", "write" or "fetch"; linear:
 * NULL if there is none. */
void pager_outside(struct vm *vm, const char *access, uint64_t gpa, const uint64_t *linear);

#endif
