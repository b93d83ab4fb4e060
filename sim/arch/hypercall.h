/* hypercall.h - what a guest asks of the Ringside hypervisor by VMCALL: number in RAX, result in RAX.
 * A guest may use it only if CPUID says that the hypervisor is there (leaf 1: ECX bit 31; leaf 40000000H:
 * signature). */
#ifndef ARCH_HYPERCALL_H
#define ARCH_HYPERCALL_H

#define HYPERVISOR_LEAF      0x40000000
#define HYPERVISOR_SIGNATURE "RingsideHV\0" /* EBX, ECX, EDX: 12 bytes with the terminating zero */

#define HC_NOP   0 /* returns 0 */
#define HC_FLUSH 1 /* INVEPT for this VM: its next access walks with cold walk caches and TLBs */

/* The address by which devices that are passed through to this VM reach the page that RDI is the
 * guest-physical address of.  With an IOMMU that is the same one; without, the machine's own.  HC_UNKNOWN: no
 * device is. */
#define HC_DEVICE_ADDRESS 2

#define HC_OK      0
#define HC_UNKNOWN (-1) /* there is no hypercall of that number, or no answer */

#endif
