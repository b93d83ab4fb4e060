/* vmcs.c - see vmcs.h. */
#include "tick/vmcs.h"

#include "lib/guest.h"

static void fill_controls(struct core *c, const struct program *p)
{
    u64 system = PROGRAM_SYSTEM_HPA, msrs = system + SYSTEM_MSRS;
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY | PROC_MSR_BITMAPS | PROC_IO_BITMAPS);
    guest_set(c, VMCS_PROC_CONTROLS,
              guest_get(c, VMCS_PROC_CONTROLS) & ~(u64)(PROC_CR3_LOAD | PROC_CR3_STORE));
    guest_set(c, VMCS_PROC2_CONTROLS, PROC2_EPT | PROC2_RDTSCP | PROC2_INVPCID | (p->vpid ? PROC2_VPID : 0));
    guest_set(c, VMCS_VPID, p->vpid);
    guest_set(c, VMCS_EPTP, p->eptp);
    guest_set(c, VMCS_IO_BITMAP_A, system + SYSTEM_BITMAPS);
    guest_set(c, VMCS_IO_BITMAP_B, system + SYSTEM_BITMAPS + 0x1000);
    guest_set(c, VMCS_MSR_BITMAP, system + SYSTEM_BITMAPS + 0x2000);
    guest_set(c, VMCS_EXIT_MSR_STORE_ADDRESS, msrs);
    guest_set(c, VMCS_EXIT_MSR_STORE_COUNT, p->exit_stores);
    guest_set(c, VMCS_EXIT_MSR_LOAD_ADDRESS, msrs + 0x100);
    guest_set(c, VMCS_EXIT_MSR_LOAD_COUNT, p->exit_loads);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_ADDRESS, msrs + 0x200);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, p->entry_loads);
}

void vmcs_fill(struct core *c, const struct program *p)
{
    u64 tss = PROGRAM_SYSTEM_HPA + SYSTEM_TSS;
    guest_fill(c);
    fill_controls(c, p);
    guest_set(c, VMCS_GUEST_CR3, p->root + p->physical);
    guest_set(c, VMCS_GUEST_RIP, PROGRAM_CODE_GVA + p->guest_entry);
    guest_set(c, VMCS_GUEST_RSP, PROGRAM_STACK_GVA);
    guest_set(c, VMCS_GUEST_TR_SELECTOR, PROGRAM_TR);
    guest_set(c, VMCS_GUEST_TR_BASE, tss);
    guest_set(c, VMCS_GUEST_TR_LIMIT, TSS_BYTES - 1);
    guest_set(c, VMCS_GUEST_TR_ACCESS_RIGHTS, SEG_ATTR_TSS);
    guest_set(c, VMCS_HOST_CR3, p->host_root);
    guest_set(c, VMCS_HOST_RIP, PROGRAM_CODE_HPA + p->resume_from);
    guest_set(c, VMCS_HOST_RSP, PROGRAM_SYSTEM_HPA + PROGRAM_SYSTEM_BYTES);
    guest_set(c, VMCS_HOST_TR_BASE, tss);
}
