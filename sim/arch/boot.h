/* boot.h - the boot protocol: what a machine, or a VM, looks like when its image is entered
 * (docs/machine.md). Used by the simulator's loader, by the hypervisor's loader and by whoever reads the
 * information block. */
#ifndef ARCH_BOOT_H
#define ARCH_BOOT_H

#define BOOT_MAGIC 0x2BADB002 /* EAX at entry: multiboot 1 */

/* Below 1 MiB the loader puts what the protocol promises; images load at 1 MiB or above. */
#define BOOT_PML4 \
    0x10000u /* then 3 PDPTs (low, 0xffff8000.., 0xffffffff8..) and 4 page directories of 2 MiB pages */
#define BOOT_PDPT_LOW  0x11000u
#define BOOT_PDPT_HALF 0x12000u /* 0xffff800000000000: the low 2 GiB */
#define BOOT_PDPT_TOP  0x13000u /* 0xffffffff80000000: the low 2 GiB */
#define BOOT_PD        0x14000u /* 4 pages: the low 4 GiB */
#define BOOT_GDT       0x18000u /* null, CS = 8, DS = 16 */
#define BOOT_INFO      0x19000u /* multiboot information, up to BOOT_INFO_END */
#define BOOT_INFO_END  0x1c000u
#define BOOT_STACK_TOP 0x20000u /* grows down to BOOT_INFO_END */
#define BOOT_IMAGE_MIN 0x100000u

#define BOOT_CS 0x08
#define BOOT_DS 0x10

/* Multiboot 1 information block, the part that is used (Multiboot Specification 0.6.96, 3.3 "Boot information
 * format"). */
#define BOOT_INFO_MEMORY  1u
#define BOOT_INFO_CMDLINE 4u
#define BOOT_INFO_MODS    8u
#define BOOT_INFO_MMAP    64u

#define BOOT_MMAP_RAM      1u
#define BOOT_MMAP_RESERVED 2u

#ifndef __ASSEMBLER__

struct boot_info {
    unsigned int flags;
    unsigned int mem_lower, mem_upper; /* KiB */
    unsigned int boot_device;
    unsigned int cmdline; /* physical address of a string, the image's name first */
    unsigned int mods_count, mods_addr;
    unsigned int syms[4];
    unsigned int mmap_length, mmap_addr;
};

struct boot_module {
    unsigned int start, end; /* physical, end exclusive; start is page aligned */
    unsigned int string;
    unsigned int reserved;
};

struct boot_mmap {
    unsigned int size; /* of the rest: 20 */
    unsigned int base_low, base_high, length_low, length_high;
    unsigned int type;
};

#endif

#endif
