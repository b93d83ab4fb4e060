/* dmar.h - what firmware says of the IOMMU: ACPI's table DMAR (VT-d specification, 8 "BIOS Considerations";
 * ACPI 6.x, 5.2 "ACPI System Description Tables"). */
#ifndef HV_DMAR_H
#define HV_DMAR_H

#include <stdbool.h>
#include <stdint.h>

struct dmar {
    uint64_t registers; /* of the unit that all PCI functions are behind */
    bool interrupts;    /* it may remap interrupts */
};

/* False: there is no such table, or no such unit. */
bool dmar_find(struct dmar *d);

#endif
