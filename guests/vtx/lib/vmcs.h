/* vmcs.h - a VMCS that can be entered, and its controls, which a test may need. */
#ifndef VTX_VMCS_H
#define VTX_VMCS_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/vmx.h"
#include "lib/vmx.h"

const char *control_name(enum control_word word, uint32_t bit);

/* Sets controls of the current VMCS, PROC_SECONDARY with those of PROC2; skips the test if the processor has
 * them not. */
void set_controls(enum control_word word, uint32_t bits);
void clear_controls(enum control_word word, uint32_t bits);
void need_controls(enum control_word word, uint32_t bits);

/* IA32_VMX_EPT_VPID_CAP; 0 if there is none. */
uint64_t ept_vpid_cap(void);
void need_cap(uint64_t bits, const char *what);
/* The instruction whose exit that is: INVEPT and INVVPID are not everywhere. */
void need_instruction(enum exit_reason reason);

/* A region that has been cleared; vmcs_fill() then makes the current VMCS one whose guest does nothing yet.
 */
uint64_t vmcs_region(void);
void vmcs_fill(void);

/* INVEPT and INVVPID of everything, as far as there are such. */
void drop_translations(void);

#endif
