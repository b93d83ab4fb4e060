/* remap.c - see remap.h. */
#include "lib/remap.h"

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "dev/dma.h"

#include <check.h>

static const u64 table[] = {0, REMAP_L1, REMAP_L2, REMAP_L3, REMAP_L4};

u64 remap_entry(unsigned level)
{
    return table[level] + 8 * (REMAP_ADDRESS >> (12 + 9 * (level - 1)) & 511);
}

u64 remap_context_entry(void)
{
    return REMAP_CONTEXT + 16 * (REMAP_SID & 0xff);
}

u64 remap_reg(const struct remap_machine *r, unsigned at, unsigned n)
{
    return board_mmio_read(r->c, IOMMU_BASE + at, n);
}

void remap_set_reg(const struct remap_machine *r, unsigned at, unsigned n, u64 value)
{
    board_mmio_write(r->c, IOMMU_BASE + at, n, value);
}

void remap_settle(struct remap_machine *r)
{
    for (unsigned i = 0; i < 1000 && devices_next_due(r->m) != UINT64_MAX; i++) {
        r->c->s.cycle = max(r->c->s.cycle, devices_next_due(r->m));
        devices_atom(r->m);
    }
    r->c->s.cycle = max(r->c->s.cycle, r->m->devices.cycle) + 10000;
}

bool remap_reads(const struct remap_machine *r, u64 address)
{
    u8 bytes[8];
    return dma_read(r->edu, address, bytes, 8);
}

bool remap_writes(const struct remap_machine *r, u64 address)
{
    const u8 bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    return dma_write(r->edu, address, bytes, 8);
}

void remap_fault_events_to(const struct remap_machine *r, unsigned vector)
{
    apic_write(r->c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    remap_set_reg(r, IOMMU_FEDATA, 4, vector);
    remap_set_reg(r, IOMMU_FEADDR, 4, MSI_ADDRESS);
}

int remap_pending(struct remap_machine *r)
{
    remap_settle(r);
    cpu_between_instructions(r->c);
    return apic_pending_vector(r->c);
}

void remap_open(struct remap_machine *r)
{
    const struct rs_device device = {.kind = "edu", .slot = REMAP_SLOT};
    bare_open_devices(&r->b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK | RS_FW_VTD, 1, &device, 1);
    r->m = r->b.machine;
    r->c = r->b.core;
    r->edu = r->m->pci[REMAP_SLOT];
    pci_config_write(r->m, PCI_ADDRESS(0u, REMAP_SLOT, 0u, PCI_COMMAND), 2,
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    bare_set_u64(&r->b, REMAP_ROOT, REMAP_CONTEXT | IOMMU_ENTRY_P);
    bare_set_u64(&r->b, remap_context_entry(), REMAP_L4 | IOMMU_ENTRY_P);
    bare_set_u64(&r->b, remap_context_entry() + 8,
                 IOMMU_CONTEXT_AW_48 | REMAP_DOMAIN << IOMMU_CONTEXT_DID_SHIFT);
    for (unsigned level = 4; level > 1; level--)
        bare_set_u64(&r->b, remap_entry(level), table[level - 1] | IOMMU_SL_R | IOMMU_SL_W);
    bare_set_u64(&r->b, remap_entry(1), REMAP_PAGE | IOMMU_SL_R | IOMMU_SL_W);
    remap_set_reg(r, IOMMU_RTADDR, 8, REMAP_ROOT);
    remap_set_reg(r, IOMMU_GCMD, 4, IOMMU_SRTP);
    remap_set_reg(r, IOMMU_GCMD, 4, IOMMU_TE);
    r->c->s.cycle += 10000; /* the bus is free */
    r->m->devices.cycle = r->c->s.cycle;
}

void remap_close(struct remap_machine *r)
{
    bare_close(&r->b);
}
