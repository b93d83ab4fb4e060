/* vmx.c - VMX operation, and the guest that two phases resume. */
#include <stdbool.h>
#include <stddef.h>

#include "arch/insn.h"
#include "lib/guest.h"
#include "lib/paging.h"
#include "lib/vmx.h"
#include "lib/vmx_insn.h"
#include "phase.h"

#define EPT_CAPS     (EPT_CAP_WALK_4 | EPT_CAP_WB)
#define TSS_SELECTOR 0x18               /* of a descriptor that nobody reads */
#define EPT_BEGIN    UINT64_C(0x100000) /* guest.ld: the image's first page */

uint64_t vmx_launch(void); /* loops.S */

extern const char image_end[];

static uint32_t vmxon_region[VMCS_BYTES / 4] __attribute__((aligned(4096)));
static uint32_t vmcs[VMCS_BYTES / 4] __attribute__((aligned(4096)));
static struct tss64 tss __attribute__((aligned(16)));

static void vmwrite(uint32_t field, uint64_t value)
{
    try_vmwrite(field, value);
}

/* ---- VMX operation ---- */

static const char *capabilities_lacking(void)
{
    if (!has_controls(PROC, PROC_SECONDARY) || !has_controls(PROC2, PROC2_EPT | PROC2_VPID))
        return "this processor has no EPT with VPIDs";
    if ((rdmsr(MSR_VMX_EPT_VPID_CAP) & EPT_CAPS) != EPT_CAPS)
        return "this processor has no EPT of four levels in write-back memory";
    return NULL;
}

static bool enter_vmx(void)
{
    *vmxon_region = *vmcs = (uint32_t)(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_REVISION_BITS);
    write_cr0(read_cr0() | rdmsr(MSR_VMX_CR0_FIXED0));
    write_cr4(read_cr4() | CR4_VMXE);
    return try_vmxon((uint64_t)vmxon_region) == SUCCEED && try_vmclear((uint64_t)vmcs) == SUCCEED &&
           try_vmptrld((uint64_t)vmcs) == SUCCEED;
}

/* ---- the guest ---- */

_Static_assert(EPT_RWX == (PTE_P | PTE_W | PTE_U), "an entry that links page tables links EPT tables");

static uint64_t ept_new(void)
{
    uint64_t *root = paging_new();

    for (uint64_t gpa = EPT_BEGIN; gpa < (uint64_t)image_end; gpa += PAGE_4K)
        *paging_entry(root, gpa, PAGE_4K) = gpa | EPT_RWX | EPT_WB;
    return (uint64_t)root | EPTP_WALK_4 | EPTP_WB;
}

static void write_controls(enum control_word word, uint32_t bits)
{
    vmwrite(control_field(word), allowed_controls(word).must | bits);
}

static void fill_controls(void)
{
    write_controls(PIN, 0);
    write_controls(PROC, PROC_SECONDARY);
    write_controls(PROC2, PROC2_EPT | PROC2_VPID);
    write_controls(VMEXIT, VMEXIT_HOST_64);
    write_controls(VMENTRY, VMENTRY_GUEST_64);
    vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    vmwrite(VMCS_EPTP, ept_new());
    vmwrite(VMCS_VPID, 1);
}

static void fill_state(void)
{
    struct {
        uint16_t pad[3], limit;
        uint64_t base;
    } gdtr, idtr;

    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdtr.limit), "=m"(idtr.limit));
    vmcs_fill_state(
        &(struct vmcs_tables){
            .gdt = gdtr.base,
            .gdt_limit = gdtr.limit,
            .idt = idtr.base,
            .idt_limit = idtr.limit,
            .tss = (uint64_t)&tss,
            .tss_selector = TSS_SELECTOR,
        },
        vmwrite);
}

const char *vmx_prepare(void)
{
    const char *lacking = vmx_lacking();

    if (!lacking)
        lacking = capabilities_lacking();
    if (lacking)
        return lacking;
    if (!enter_vmx())
        return "VMX operation cannot be entered";
    vmcs_zero();
    fill_controls();
    fill_state();
    return vmx_launch() ? "the guest cannot be entered" : NULL;
}
