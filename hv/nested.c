/* nested.c - the nested pager: the processor walks the guest's tables and, for each address in them, ours
 * (SDM vol. 3, 28.3 "The Extended Page Table Mechanism").  What is left to do is EPT violations: RAM that is
 * mapped when it is first touched (lazy=yes), and accesses where there is none. */
#include "arch/insn.h"
#include "ept.h"
#include "exits.h"
#include "pager.h"
#include "print.h"
#include "vmx.h"

static bool possible(const struct vm *vm, char *why, size_t size)
{
    (void)vm;
    if (!vmx_offers(WORD_PROC2, PROC2_EPT))
        format_text(why, size, "this processor offers no EPT, which mmu=nested needs; mmu=shadow does not");
    else if (!(rdmsr(MSR_VMX_EPT_VPID_CAP) & EPT_CAP_INVEPT_SINGLE))
        format_text(why, size, "this processor offers no single-context INVEPT, which mmu=nested needs");
    else
        return true;
    return false;
}

static bool begin(struct vm *vm)
{
    (void)vm;
    return true;
}

static void end(struct vm *vm)
{
    (void)vm;
}

static void setup(struct vcpu *v)
{
    vmwrite(VMCS_EPTP, ept_pointer(v->vm->dir->root));
}

static void flush(struct vm *vm)
{
    vmx_flush_ept(ept_pointer(vm->dir->root));
}

/* With faults=hypervisor.  The guest's tables are the only ones that make #PF here, so all are its own. */
static void page_fault(struct vcpu *v)
{
    pager_reflect(v, vmread(VMCS_EXIT_QUALIFICATION), (uint32_t)vmread(VMCS_EXIT_INTR_ERROR));
}

/* The processor keeps A and D up to date, where it can; without, everything counts as used. */
static void collect(struct vm *vm)
{
    if (!ept_has_flags())
        ept_mark_all(vm->dir->root);
}

const struct pager pager_nested = {
    .name = "nested",
    .proc2 = PROC2_EPT | PROC2_INVPCID,
    .possible = possible,
    .begin = begin,
    .end = end,
    .setup = setup,
    .flush = flush,
    .collect = collect,
    .page_fault = page_fault,
};

/* To set A and D in EPT the processor counts references to the guest's tables as writes (28.3.3.2): in words
 * they are what the guest would call them. */
static const char *access_name(uint64_t qualification)
{
    bool table = (qualification & (QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED)) == QUAL_EPT_LINEAR_VALID;

    return qualification & QUAL_EPT_FETCH             ? "fetch"
           : qualification & QUAL_EPT_WRITE && !table ? "write"
                                                      : "read";
}

/* A load or store of an instruction: no fetch, no reference to the guest's tables, no event's frame.  RAM
 * comes before devices. */
static bool is_data(uint64_t qualification)
{
    const uint64_t translated = QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED;

    return (qualification & (translated | QUAL_EPT_FETCH)) == translated &&
           !(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID);
}

/* A violation leaves no translation of the page in the processor (SDM vol. 3, 28.3.3.1), so no INVEPT is
 * needed.  The instruction runs again, or the event that was being delivered is delivered again. */
void exit_ept_violation(struct vcpu *v)
{
    struct vm *vm = v->vm;
    uint64_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS), qualification = vmread(VMCS_EXIT_QUALIFICATION);
    uint64_t linear = vmread(VMCS_GUEST_LINEAR_ADDRESS);

    if (gpa >= vm->config.ram_bytes && is_data(qualification) && mmio_find(&vm->mmio, gpa))
        mmio_exit(v);
    else if (gpa >= vm->config.ram_bytes)
        pager_outside(vm, access_name(qualification), gpa,
                      qualification & QUAL_EPT_LINEAR_VALID ? &linear : NULL);
    else if (!vm_page(vm, gpa))
        vm_crash(vm, "no memory left for its page at guest-physical 0x%lx", gpa);
    else
        vcpu_redeliver_event(v);
}
