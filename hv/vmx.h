/* vmx.h - entering VMX operation, and the VMX instructions (SDM vol. 3, 30 "VMX Instruction Reference"). */
#ifndef HV_VMX_H
#define HV_VMX_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/vmx.h"

/* Finds what VMX operation asks for; ends the run with a message if this processor has no VT-x for us. */
void vmx_init(void);
/* VMXON, on this core. */
void vmx_on(void);

/* The value of a control field that has the bits `want` and those that the processor demands; `word` is PIN,
 * PROC, PROC2, VMEXIT or VMENTRY of arch/vmx_controls.def.  Ends the run with a message if one of them cannot
 * be had. */
enum control_word { WORD_PIN, WORD_PROC, WORD_PROC2, WORD_VMEXIT, WORD_VMENTRY };
uint32_t vmx_controls(enum control_word word, uint32_t want);
/* Whether all of the bits `want` can be had. */
bool vmx_offers(enum control_word word, uint32_t want);

/* The processor allows all of these bits to be 1. */
bool vmx_offers(enum control_word word, uint32_t bits);

/* The preemption timer counts TSC cycles shifted right by this. */
unsigned vmx_timer_shift(void);
/* The value with the bits that CR0 and CR4 must have in VMX operation (SDM vol. 3, 23.8). */
uint64_t vmx_fix_cr0(uint64_t value);
uint64_t vmx_fix_cr4(uint64_t value);
/* Bits that CR4 may have. */
uint64_t vmx_cr4_allowed(void);

uint64_t vmcs_new(void);        /* hpa of a region with its revision identifier, cleared; 0: out of memory */
void vmcs_clear(uint64_t vmcs); /* VMCLEAR */
void vmcs_load(uint64_t vmcs);  /* VMPTRLD */
void vmx_flush_ept(uint64_t eptp);  /* INVEPT, single context */
void vmx_flush_vpid(uint16_t vpid); /* INVVPID, single context */
void vmx_flush_vpid_but_global(uint16_t vpid);
void vmx_flush_vpid_address(uint16_t vpid, uint64_t gva); /* canonical */

/* "VM entry with invalid control field(s)" */
const char *vmx_error_name(uint64_t number);
/* "EPT violation" */
const char *exit_reason_name(uint64_t reason);

_Noreturn void vmx_access_failed(uint32_t field);

static inline uint64_t vmread(uint32_t field)
{
    uint64_t value;
    bool failed;

    __asm__ volatile("vmread %2, %0\n\tsetbe %1" : "=r"(value), "=r"(failed) : "r"((uint64_t)field) : "cc");
    if (__builtin_expect(failed, 0))
        vmx_access_failed(field);
    return value;
}

static inline void vmwrite(uint32_t field, uint64_t value)
{
    bool failed;

    __asm__ volatile("vmwrite %1, %2\n\tsetbe %0"
                     : "=r"(failed)
                     : "r"(value), "r"((uint64_t)field)
                     : "cc", "memory");
    if (__builtin_expect(failed, 0))
        vmx_access_failed(field);
}

#endif
