/* multiboot.h - for assembly: a multiboot-1 header and its 32-bit entry, so that an image that the machine
 * enters in 64-bit mode also starts from GRUB or QEMU (Multiboot Specification 0.6.96, 3.1 "OS image format"
 * and 3.2 "Machine state").
 *
 * MULTIBOOT_ENTRY load, load_end, bss_end, start
 *     load .. load_end   the image as one run of bytes, as it lies in the file
 *     start              its 64-bit entry, reached as the boot protocol promises (arch/boot.h), less a stack
 */
#ifndef ARCH_MULTIBOOT_H
#define ARCH_MULTIBOOT_H

#include "arch/boot.h"
#include "arch/x86.h"

#define MULTIBOOT_HEADER_MAGIC 0x1badb002
#define MULTIBOOT_HEADER_FLAGS 0x00010003 /* modules on pages, memory map, the addresses below */

.macro MULTIBOOT_ENTRY load, load_end, bss_end, start
    .section .multiboot, "ax"
    .balign 4
multiboot_header:
    .long MULTIBOOT_HEADER_MAGIC
    .long MULTIBOOT_HEADER_FLAGS
    .long -(MULTIBOOT_HEADER_MAGIC + MULTIBOOT_HEADER_FLAGS)
    .long multiboot_header, \load, \load_end, \bss_end, multiboot_start

    .code32
multiboot_start:
    cli
    /* Page directories: the low 4 GiB in 2 MiB pages. */
    movl $multiboot_directories, %edi
    movl $(PTE_P | PTE_W | PTE_PS), %eax
1:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $8, %edi
    addl $0x200000, %eax
    jnc 1b
    /* PDPTs and PML4: at 0, at 0xffff800000000000, and the low 2 GiB at 0xffffffff80000000. */
    movl $(multiboot_directories + PTE_P + PTE_W), multiboot_pdpt
    movl $(multiboot_directories + 0x1000 + PTE_P + PTE_W), multiboot_pdpt + 8
    movl $(multiboot_directories + 0x2000 + PTE_P + PTE_W), multiboot_pdpt + 16
    movl $(multiboot_directories + 0x3000 + PTE_P + PTE_W), multiboot_pdpt + 24
    movl $(multiboot_directories + PTE_P + PTE_W), multiboot_pdpt_top + 8 * 510
    movl $(multiboot_directories + 0x1000 + PTE_P + PTE_W), multiboot_pdpt_top + 8 * 511
    movl $(multiboot_pdpt + PTE_P + PTE_W), multiboot_pml4
    movl $(multiboot_pdpt + PTE_P + PTE_W), multiboot_pml4 + 8 * 256
    movl $(multiboot_pdpt_top + PTE_P + PTE_W), multiboot_pml4 + 8 * 511
    /* SDM vol. 3, 9.8.5 "Initializing IA-32e Mode". */
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $multiboot_pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl $(EFER_LME | EFER_SCE), %eax
    xorl %edx, %edx
    wrmsr
    movl $(CR0_PG | CR0_NE | CR0_ET | CR0_PE), %eax
    movl %eax, %cr0
    lgdt multiboot_gdtr
    ljmp $BOOT_CS, $multiboot_64

    .code64
multiboot_64:
    movl $BOOT_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl $BOOT_MAGIC, %eax
    movl %ebx, %ebx
    jmp \start

    .balign 8
multiboot_gdt:
    .quad 0, DESC_CODE64, DESC_DATA
multiboot_gdtr:
    .word 23
    .quad multiboot_gdt

    .section .bss.multiboot, "aw", @nobits
    .balign 4096
multiboot_pml4:
    .skip 4096
multiboot_pdpt:
    .skip 4096
multiboot_pdpt_top:
    .skip 4096
multiboot_directories:
    .skip 4 * 4096
    .text
.endm

#endif
