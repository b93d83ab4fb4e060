/* pci.h - PCI configuration space (PCI Local Bus Specification 3.0, 6 "Configuration Space"), MSI and MSI-X
 * (6.8 "Message Signaled Interrupts"), and where the board has them. */
#ifndef ARCH_PCI_H
#define ARCH_PCI_H

/* Configuration mechanism 1 (3.2.2.3.2 "Software Generation of Configuration Transactions"): what is written
 * to PORT_PCI_ADDRESS. */
#define PCI_ADDRESS_ENABLE 0x80000000u
#define PCI_ADDRESS(bus, slot, function, at) \
    (PCI_ADDRESS_ENABLE | (bus) << 16 | (slot) << 11 | (function) << 8 | (at))

/* PCI Express's enhanced mechanism, as MCFG says: 4 KiB for each function of bus 0. */
#define PCI_ECAM_BASE  0xe0000000u
#define PCI_ECAM_BYTES 0x00100000u

/* Where firmware puts the BARs. */
#define PCI_WINDOW     0xf0000000u
#define PCI_WINDOW_END 0xfe000000u
#define PCI_PORTS      0xc000u
#define PCI_PORTS_END  0x10000u

/* Header, type 0 (figure 6-1 "Type 00h Configuration Space Header"). */
#define PCI_VENDOR         0x00
#define PCI_DEVICE         0x02
#define PCI_COMMAND        0x04
#define PCI_STATUS         0x06
#define PCI_REVISION       0x08
#define PCI_CLASS          0x09 /* three bytes: interface, sub-class, class */
#define PCI_CACHE_LINE     0x0c
#define PCI_LATENCY        0x0d
#define PCI_HEADER_TYPE    0x0e
#define PCI_BAR(i)         (0x10 + 4 * (i))
#define PCI_BARS           6
#define PCI_SUBVENDOR      0x2c
#define PCI_SUBSYSTEM      0x2e
#define PCI_CAPABILITIES   0x34
#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN  0x3d

#define PCI_COMMAND_IO           0x0001
#define PCI_COMMAND_MEMORY       0x0002
#define PCI_COMMAND_MASTER       0x0004
#define PCI_COMMAND_INTX_DISABLE 0x0400
#define PCI_STATUS_INTERRUPT     0x0008
#define PCI_STATUS_CAPABILITIES  0x0010
#define PCI_BAR_IO               0x1
#define PCI_BAR_64               0x4
#define PCI_BAR_PREFETCH         0x8
#define PCI_NONE                 0xffff /* vendor of a slot that is empty */

/* Capabilities (appendix H "Capability IDs"). */
#define PCI_CAP_POWER  0x01
#define PCI_CAP_MSI    0x05
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11

/* MSI, with a 64-bit address (6.8.1): offsets from the capability. */
#define PCI_MSI_CONTROL 0x02
#define PCI_MSI_ADDRESS 0x04
#define PCI_MSI_DATA    0x0c
#define PCI_MSI_BYTES   0x0e
#define PCI_MSI_ENABLE  0x0001
#define PCI_MSI_64      0x0080

/* MSI-X (6.8.2). */
#define PCI_MSIX_CONTROL       0x02
#define PCI_MSIX_TABLE         0x04
#define PCI_MSIX_PBA           0x08
#define PCI_MSIX_BYTES         0x0c
#define PCI_MSIX_SIZE          0x07ff /* entries - 1 */
#define PCI_MSIX_ENABLE        0x8000
#define PCI_MSIX_MASKED        0x4000
/* An entry of the table: address in 8 bytes, data, vector control. */
#define PCI_MSIX_ENTRY         16
#define PCI_MSIX_DATA          8
#define PCI_MSIX_VECTOR        12
#define PCI_MSIX_VECTOR_MASKED 0x1
#define PCI_MSIX_PBA_OFFSET    0x800 /* of the pending bit array, in the table's BAR */

/* INTA# of a slot: the I/O APIC's pin. */
#define PCI_LINE_OF(slot) (16 + (slot) % 8)

/* A message (SDM vol. 3, 10.11 "Message Signalled Interrupts"). */
#define MSI_ADDRESS           0xfee00000u
#define MSI_DESTINATION_SHIFT 12
#define MSI_REDIRECTION       0x8
#define MSI_LOGICAL           0x4
#define MSI_DELIVERY          0x0700
#define MSI_ASSERT            0x4000
#define MSI_LEVEL             0x8000

#endif
