/* layout.h - for assembly and C: addresses, selectors and vectors that the cases count on.  Before each case
 * all of them are as machine.c makes them. */
#ifndef LAYOUT_H
#define LAYOUT_H

/* ---- linear addresses ---- */

/* The first 16 MiB again, for ring 3; below ALIAS everything is the supervisor's. */
#define ALIAS 0x8000000000

/* Stacks grow down from these, 64 KiB each; all in RAM that no image uses. */
#define TOP_CASE 0x410000 /* ring 0's */
#define TOP_RSP0 0x420000 /* of the TSS */
#define TOP_IST1 0x430000 /* what gates use unless a case says otherwise */
#define TOP_IST2 0x440000
#define TOP_USER 0x450000 /* ring 3's, at ALIAS */
#define DATA     0x460000 /* a page to work on; a case finds 0 there */
#define DATA_END 0x461000
#define BAD_TOP  0x800000000000 /* not canonical */

#define HOLE 0x18000000000 /* no page is there */

/* ---- selectors ---- */

#define SEL_KCODE        0x08
#define SEL_KDATA        0x10
#define SEL_SYSRET       0x18 /* SYSRET's base: SS is the next one, CS the one after that */
#define SEL_UDATA        0x23
#define SEL_UCODE        0x2b
#define SEL_TSS          0x30
#define SEL_LDT          0x40
#define SEL_READ_ONLY    0x50
#define SEL_EXEC_ONLY    0x58
#define SEL_CONFORMING   0x60
#define SEL_DATA_ABSENT  0x68
#define SEL_CODE_ABSENT  0x70
#define SEL_UDATA_ABSENT 0x78
#define SEL_GATE_USER    0x80 /* call gates: who may use it, where it leads */
#define SEL_GATE_KERNEL  0x90
#define SEL_GATE_ABSENT  0xa0
#define SEL_TSS_FREE     0xb0
#define SEL_UDATA_FRESH  0xc0 /* accessed bit clear */
#define SEL_UCONFORMING  0xc8
#define SEL_CODE_L_AND_D 0xd0
#define SEL_TSS_ABSENT   0xd8
#define SEL_LDT_ABSENT   0xe8
#define SEL_EXPAND_DOWN  0xf8
#define SEL_TYPE_0       0x100
#define SEL_GATE_TO_DATA 0x108
#define SEL_GATE_TO_NULL 0x118
#define SEL_GATE_UPPER   0x128 /* a type in the upper half */
#define SEL_KDATA_FRESH  0x138
#define SEL_GATE_CONFORM 0x140
#define SEL_GATE_BAD_RIP 0x150
#define SEL_TSS_BAD_BASE 0x160
#define SEL_LDT_BAD_BASE 0x170
#define SEL_BEYOND       0x180 /* the GDT's limit */
#define SEL_LDT_DATA     0x07  /* in the LDT, ring 3 */
#define SEL_LDT_BEYOND   0x17

/* ---- vectors ---- */

#define INT_USER      0x40 /* interrupt gate that ring 3 may use */
#define INT_KERNEL    0x41
#define INT_ABSENT    0x42
#define INT_NULL      0x43 /* its selector */
#define INT_BAD_RIP   0x44
#define INT_TO_DATA   0x45
#define INT_TYPE      0x46 /* a task gate */
#define INT_BEYOND    0x47 /* its selector */
#define INT_TRAP      0x48 /* trap gate, ring 3 may */
#define INT_IST2      0x49
#define INT_RSP0      0x4a /* no IST */
#define INT_CODE_GONE 0x4b /* its code segment is absent */
#define INT_LANDED    0x4c /* where far transfers arrive */
#define INT_SYSCALL   0x4d
#define INT_END       0x4e /* of a case */
#define INT_OUTER     0x4f /* its code segment has ring 3's DPL */

/* ---- a case's flags ---- */

#define RING3       0x1 /* begins there */
#define SHOW_RAX    0x2
#define SHOW_RBX    0x4
#define SHOW_RCX    0x8
#define SHOW_RDX    0x10
#define SHOW_RSI    0x20
#define SHOW_RDI    0x40
#define SHOW_R11    0x80
#define SHOW_FLAGS  0x100 /* all of RFLAGS, at events and at the end */
#define SHOW_CR2    0x200 /* at any event */
#define SHOW_MEM    0x400 /* the first 8 bytes at DATA */
#define HIDE_CR2    0x800 /* it depends on where the image lies */
#define STEPS_SHIFT 12    /* TF is cleared in the frame of the n-th #DB */
#define STEPS(n)    ((n) << STEPS_SHIFT)

/* CPUID must offer these, or the case is "absent". */
#define NEED_PCID     0x010000
#define NEED_INVPCID  0x020000
#define NEED_SMEP     0x040000
#define NEED_SMAP     0x080000
#define NEED_UMIP     0x100000
#define NEED_1G       0x200000
#define NEED_X2APIC   0x400000
#define NEED_DEADLINE 0x800000
#define NEED_NX       0x1000000
#define NEED_APIC     0x2000000

#endif
