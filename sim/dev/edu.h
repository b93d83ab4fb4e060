/* edu.h - the device for teaching that QEMU documents in docs/specs/edu.rst: the same registers. */
#ifndef RINGSIDE_DEV_EDU_H
#define RINGSIDE_DEV_EDU_H

#include "dev/pci.h"

extern const struct pci_model edu_model;

#endif
