/* lapic_page.c - of accesses to the xAPIC's page the processor serves most by itself from the virtual-APIC
 * page, and exits behind a write so that we do what follows from it (APIC-write exit).  What it does not know
 * (two registers that are not mere memory, and reserved places) exits before the access (APIC-access exit).
 *
 * No decoder is needed for those: for the length of one instruction the accesses are not virtualised, so that
 * they reach the page that lies there.  It holds what is to be read, and what is written to it is lost. */
#include "lapic_page.h"

#include "arch/apic.h"
#include "arch/x86.h"
#include "ept.h"
#include "exits.h"
#include "guests/lib/string.h"
#include "page.h"
#include "step.h"
#include "vmcs.h"
#include "vmx.h"

#define REGISTER_BYTES 16

bool lapic_page_offered(void)
{
    return vmx_offers(WORD_PROC, PROC_MONITOR_TRAP_FLAG) &&
           vmx_offers(WORD_PROC2, PROC2_APIC_ACCESSES | PROC2_APIC_REGISTERS);
}

/* The page goes back with the EPT. */
bool lapic_page_map(struct vm *vm)
{
    vm->apic_page = 0;
    if (!lapic_page_offered())
        return true;
    vm->apic_page = page_alloc();
    return vm->apic_page && ept_map(vm->dir->root, APIC_PHYS_BASE, vm->apic_page, PAGE_BYTES);
}

uint8_t *lapic_page_at(const struct vm *vm, uint64_t gpa)
{
    return gpa / PAGE_BYTES == APIC_PHYS_BASE / PAGE_BYTES ? (uint8_t *)vm->apic_page : NULL;
}

void lapic_page_setup(const struct vcpu *v)
{
    vmwrite(VMCS_VIRTUAL_APIC_ADDRESS, (uint64_t)v->lapic.page);
    vmwrite(VMCS_TPR_THRESHOLD, 0);
    if (!lapic_page_offered())
        return;
    vmwrite(VMCS_APIC_ACCESS_ADDRESS, v->vm->apic_page);
    lapic_page_follow_mode(v);
}

static bool in_xapic_mode(const struct lapic *a)
{
    return (a->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
}

/* In other modes nothing is there, and accesses exit (but for those of TPR: CR8's shadow answers them). */
void lapic_page_follow_mode(const struct vcpu *v)
{
    uint64_t proc2 = vmread(VMCS_PROC2_CONTROLS) & ~(uint64_t)PROC2_APIC_REGISTERS;

    vmwrite(VMCS_PROC2_CONTROLS,
            proc2 | PROC2_APIC_ACCESSES | (in_xapic_mode(&v->lapic) ? PROC2_APIC_REGISTERS : 0));
}

/* ---- APIC-write exits ---- */

/* The value is in the page already, with bits that are not to be. */
void exit_apic_write(struct vcpu *v)
{
    uint32_t offset = QUAL_APIC_OFFSET(vmread(VMCS_EXIT_QUALIFICATION)) & ~(uint32_t)(REGISTER_BYTES - 1);
    uint64_t value = *(const uint32_t *)(v->lapic.page + offset) & lapic_bits(offset);

    if (offset == APIC_ICR_LOW)
        value |= (uint64_t)lapic_read(v, APIC_ICR_HIGH) << 32;
    lapic_write(v, offset, value);
}

/* ---- APIC-access exits ---- */

/* Translations tell which accesses are virtualised, and would go on telling (29.4.5 "Issues Pertaining to
 * Page Size and TLB Management"). */
static void virtualise_accesses(const struct vcpu *v, bool virtual)
{
    uint64_t proc2 = vmread(VMCS_PROC2_CONTROLS) & ~(uint64_t)PROC2_APIC_ACCESSES;

    vmwrite(VMCS_PROC2_CONTROLS, proc2 | (virtual ? PROC2_APIC_ACCESSES : 0));
    vmx_flush_vpid(v->vpid);
}

/* What a load finds: reserved places read as 0, and both ways of touching them are an error (10.5.3). */
static void fill(struct vcpu *v, uint32_t offset)
{
    uint8_t *place = (uint8_t *)v->vm->apic_page + offset;
    uint32_t value = 0;

    if (lapic_allows(offset, APIC_READ))
        value = lapic_read(v, offset);
    else if (!lapic_allows(offset, APIC_WRITE))
        lapic_error(v, APIC_ESR_REGISTER);
    memset(place, 0, REGISTER_BYTES);
    memcpy(place, &value, sizeof value);
}

static bool is_load_or_store(uint64_t qualification)
{
    unsigned kind = QUAL_APIC_KIND(qualification);

    return kind == QUAL_APIC_READ || kind == QUAL_APIC_WRITE;
}

static bool is_in_use(const struct vm *vm)
{
    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        if (vm->vcpu[i].steps & STEP_APIC_PAGE)
            return true;
    return false;
}

/* While another virtual CPU of the VM steps, the page is its: this one tries again. */
void exit_apic_access(struct vcpu *v)
{
    uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
    uint32_t offset = QUAL_APIC_OFFSET(q) & ~(uint32_t)(REGISTER_BYTES - 1);

    if (!in_xapic_mode(&v->lapic)) {
        vm_crash(v->vm, "access to 0x%x at rip 0x%lx, where its APIC has no page in this mode",
                 (unsigned)APIC_PHYS_BASE + offset, vmread(VMCS_GUEST_RIP));
    } else if (!is_load_or_store(q)) {
        vm_crash(v->vm, "its APIC's page holds code, a stack or tables (0x%x) at rip 0x%lx",
                 (unsigned)APIC_PHYS_BASE + offset, vmread(VMCS_GUEST_RIP));
    } else if (!is_in_use(v->vm)) {
        fill(v, offset);
        virtualise_accesses(v, false);
        step_begin(v, STEP_APIC_PAGE);
    }
}

/* Whether the instruction has run or something came before it: then it will exit again. */
void lapic_page_end_step(struct vcpu *v)
{
    virtualise_accesses(v, true);
    step_end(v, STEP_APIC_PAGE);
}
