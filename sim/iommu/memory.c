/* memory.c - the IOMMU's own references: tables, descriptors, status words. */
#include "cpu/cpu.h"
#include "dev/device.h"
#include "iommu/parts.h"
#include "mmu/cache.h"
#include "mmu/coherence.h"
#include "mmu/mem.h"

/* D6.  Entries do not cross lines. */
bool iommu_fetch(struct machine *m, u64 hpa, unsigned words, u64 *word, u64 *cycles)
{
    u64 start = m->devices.cycle;
    if (!board_is_ram(m, hpa, 8 * words))
        return false;
    device_wait_for_bus(m);
    device_wait(m, m->p.mem_latency);
    for (unsigned i = 0; i < words; i++)
        word[i] = mem_read(m->mem, hpa + 8 * i, 8);
    *cycles = m->devices.cycle - start;
    return true;
}

void iommu_store(struct machine *m, u64 hpa, unsigned n, u64 value)
{
    device_wait_for_bus(m);
    device_wait(m, m->p.mem_busy);
    if (!board_is_ram(m, hpa, n))
        return;
    mem_write(m->mem, hpa, n, value);
    coherence_device_write(m, hpa >> LINE_SHIFT);
}
