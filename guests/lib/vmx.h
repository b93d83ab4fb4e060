/* vmx.h - the way into VMX operation, the controls that a processor has, and what any VMCS of a 64-bit guest
 * needs. */
#ifndef VMX_H
#define VMX_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/vmx.h"

/* Why there can be no VMX operation, or NULL: VMX is there, and the firmware's lock does not keep it off; a
 * lock that is open it closes, with VMX on. */
const char *vmx_lacking(void);

enum control_word { PIN, PROC, PROC2, VMEXIT, VMENTRY, CONTROL_WORDS };

/* What the capability MSRs say (SDM vol. 3, A.2 to A.5): bits that must be 1, and those that may. */
struct allowed {
    uint32_t must, may;
};
struct allowed allowed_controls(enum control_word word);
uint32_t control_field(enum control_word word);
bool has_controls(enum control_word word, uint32_t bits);

/* Descriptor tables, by address, that host and guest have in common. */
struct vmcs_tables {
    uint64_t gdt, idt, tss;
    uint16_t gdt_limit, idt_limit, tss_selector;
};

/* 0 into all fields of the current VMCS that the processor has, but for exit information. */
void vmcs_zero(void);

/* Fills host state and guest state with the registers as they are, flat segments of ring 0 (CS 8, others
 * 0x10), and those tables.  What follows for the caller: controls, RIP and RSP of both, and fields of
 * features that are off.  `write` is VMWRITE. */
void vmcs_fill_state(const struct vmcs_tables *tables, void (*write)(uint32_t field, uint64_t value));

#endif
