/* iommu_view.h - a device's access on its way through the IOMMU: a line for each entry that it reads. */
#ifndef VIEW_IOMMU_VIEW_H
#define VIEW_IOMMU_VIEW_H

#include "walk_view.h"

/* Smallest area with a line an entry; what is narrower has two. */
#define IOMMU_MIN_W 72

/* words.who: the device, as "edu"; words.place: whose the IOMMU is, as "the hypervisor's". */
void iommu_view_draw(const struct walk_view *v, const struct area *a);

#endif
