/* virtual_apic.h - a guest with a TPR shadow: its virtual-APIC page, its APIC-access page, and what it does
 * with them. */
#ifndef TESTS_LIB_VIRTUAL_APIC_H
#define TESTS_LIB_VIRTUAL_APIC_H

#include "lib/guest.h"

enum {
    PAGE = 0xa0000,   /* the virtual-APIC page */
    ACCESS = 0xa4000, /* the APIC-access page, somewhere in a page of 2 MiB */
};

/* guest_open(), with the TPR shadow. */
void va_open(struct bare *b);

/* Four bytes of the virtual-APIC page. */
u64 va_page(const struct bare *b, u32 offset);
void va_set_page(struct bare *b, u32 offset, u64 value);

/* Virtualised APIC accesses, with more secondary controls.  RBX points to the page. */
void va_with_page(struct bare *b, u32 more);
void va_launch_with_page(struct bare *b, u32 more);
void va_at(struct bare *b, u32 offset);
/* Virtualised x2APIC mode.  The MSR and its value for RDMSR and WRMSR. */
void va_launch_with_msrs(struct bare *b, u32 more);
void va_set_msr(struct bare *b, u32 msr, u64 value);
/* VMRESUME, which must succeed. */
void va_resume(struct bare *b);

void va_check_exit(struct bare *b, u32 reason, u64 qualification);
void va_check_no_exit(struct bare *b);
/* The atom behind an instruction whose exit is trap-like. */
void va_check_trap(struct bare *b, u32 reason, u64 qualification);

#define MOV_CR8_RAX "\x44\x0f\x20\xc0" /* mov %cr8,%rax */
#define MOV_RAX_CR8 "\x44\x0f\x22\xc0" /* mov %rax,%cr8 */
#define LOAD        "\x8b\x03"         /* mov (%rbx),%eax */
#define STORE       "\x89\x03"         /* mov %eax,(%rbx) */
#define RDMSR       "\x0f\x32"
#define WRMSR       "\x0f\x30"

#endif
