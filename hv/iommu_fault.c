/* iommu_fault.c - primary fault logging (VT-d specification, 7.2 "Fault Logging", 7.3 "Fault Reporting"). */
#include "iommu_fault.h"

#include "arch/iommu.h"
#include "irq.h"
#include "panic.h"
#include "physical.h"
#include "print.h"

static const char *reason_text(uint64_t reason)
{
    switch (reason) {
/* clang-format off */
#define IOMMU_FAULT(ID, number, text) case number: return text;
#include "arch/iommu_faults.def"
        /* clang-format on */
    default: return "unknown reason";
    }
}

static struct physical *function_of(uint64_t source)
{
    struct physical *p = NULL;

    for (unsigned i = 0; (p = physical_at(i)) != NULL; i++)
        if (p->slot == source >> 3)
            break;
    return p;
}

/* Of interrupts the record has the index that they asked for (11.4.10.x "Fault Recording Registers"). */
static void tell(const struct physical *p, uint64_t low, uint64_t high)
{
    uint64_t reason = high >> IOMMU_FRCD_FR_SHIFT & 0xff, source = high & IOMMU_FRCD_SID;
    const char *owner = p && p->owner ? p->owner : "nobody";

    print("hv: IOMMU: %s in slot %lu, of %s: ", p ? physical_name(p) : "function", source >> 3, owner);
    if (reason >= IOMMU_FAULT_IR_REQUEST_RESERVED)
        print("interrupt %lu", low >> IOMMU_FRCD_IRI_SHIFT);
    else
        print("%s at 0x%lx", high & IOMMU_FRCD_READ ? "read" : "write", (uint64_t)(low & IOMMU_FRCD_FI));
    print(" refused: %s (reason 0x%lx)\n", reason_text(reason), reason);
}

static void count(struct physical *p)
{
    if (!p || ++p->faults != IOMMU_FAULTS_MAX)
        return;
    physical_silence(p);
    print("hv: IOMMU: %s in slot %u, of %s, has had %u faults: it may not reach the bus any more\n",
          physical_name(p), (unsigned)p->slot, p->owner ? p->owner : "nobody", IOMMU_FAULTS_MAX);
}

/* Where the records are, and how many (CAP.FRO, CAP.NFR). */
static uint32_t record_at(uint64_t cap, uint32_t i)
{
    return (uint32_t)(cap >> 24 & 0x3ff) * 16 + 16 * i;
}

static void take_record(uint32_t at)
{
    uint64_t high = iommu_read64(at + 8), low = iommu_read64(at);
    struct physical *p = function_of((high & IOMMU_FRCD_SID));

    iommu_write64(at + 8, IOMMU_FRCD_F);
    tell(p, low, high);
    count(p);
}

/* They are filled one after another, the first being FSTS.FRI's; so the next is looked at until one is empty.
 */
static void take_records(void *of)
{
    uint64_t cap = iommu_read64(IOMMU_CAP);
    uint32_t records = (uint32_t)(cap >> 40 & 0xff) + 1, i;

    (void)of;
    i = iommu_read(IOMMU_FSTS) >> IOMMU_FSTS_FRI_SHIFT & 0xff;
    for (; iommu_read64(record_at(cap, i) + 8) & IOMMU_FRCD_F; i = (i + 1) % records)
        take_record(record_at(cap, i));
    if (iommu_read(IOMMU_FSTS) & IOMMU_FSTS_PFO) {
        print("hv: IOMMU: more was refused than it has records for\n");
        iommu_write(IOMMU_FSTS, IOMMU_FSTS_PFO);
    }
}

void iommu_fault_begin(void)
{
    uint8_t vector = irq_take(take_records, NULL);

    if (!vector)
        panic("no vector is left for the IOMMU");
    iommu_write(IOMMU_FEDATA, vector);
    iommu_write(IOMMU_FEADDR, MSI_ADDRESS | IRQ_APIC_ID << MSI_DESTINATION_SHIFT);
    iommu_write(IOMMU_FEUADDR, 0);
    iommu_write(IOMMU_FECTL, 0);
}
