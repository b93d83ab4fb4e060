/* traps.h - the hypervisor's own GDT, TSS and IDT.  Its exceptions are bugs; its one interrupt is the idle
 * timer. */
#ifndef HV_TRAPS_H
#define HV_TRAPS_H

#include <stdint.h>

#define VECTOR_TIMER    0x40
#define VECTOR_SPURIOUS 0x4f

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18

/* What traps.S pushes. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error; /* error: 0 for vectors that have none */
    uint64_t rip, cs, rflags, rsp, ss;
};

void traps_init(void);
/* "#PF" */
const char *trap_name(uint64_t vector);

/* Linear addresses for the VMCS's host-state area. */
uint64_t traps_gdt_base(void);
uint64_t traps_idt_base(void);
uint64_t traps_tss_base(void);

#endif
