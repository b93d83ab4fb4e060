/* vmx_ve.c - EPT violations that the guest hears of itself (SDM vol. 3, 25.5.7 "Virtualization Exceptions").
 * Whether one is convertible, the walker knows: by bit 63 of the entry that refused. */
#include "cpu/vmx.h"
#include "mmu/mem.h"

bool vmx_converts(const struct core *c)
{
    return c->s.vmx.proc2 & PROC2_EPT_VE && !c->rt.delivering;
}

bool vmx_ve_is_busy(const struct core *c)
{
    return mem_read(c->m->mem, c->s.vmx.ve_information + VE_BUSY, 4) != 0;
}

/* Table 25-1 "Format of the Virtualization-Exception Information Area" */
static void write_information(struct core *c, u64 qualification, u64 gpa, u64 gva)
{
    u64 area = c->s.vmx.ve_information;
    phys_store(c, area + VE_REASON, 4, EXIT_EPT_VIOLATION);
    phys_store(c, area + VE_BUSY, 4, 0xffffffff);
    phys_store(c, area + VE_QUALIFICATION, 8, qualification);
    phys_store(c, area + VE_GUEST_LINEAR, 8, gva);
    phys_store(c, area + VE_GUEST_PHYSICAL, 8, gpa);
    phys_store(c, area + VE_EPTP_INDEX, 2, c->s.vmx.eptp_index);
}

void vmx_virtualization_exception(struct core *c, u64 qualification, u64 gpa, u64 gva)
{
    if (phys_load(c, c->s.vmx.ve_information + VE_BUSY, 4))
        return;
    qualification |= vmx_unblocking(c);
    write_information(c, qualification, gpa, gva);
    PROBE(c, RS_PROBE_ve, qualification, gpa, gva, c->s.vmx.eptp_index);
    micro(c, MICRO_VMCS);
    cpu_fault(c, VEC_VE, 0);
}
