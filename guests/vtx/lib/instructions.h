/* instructions.h - the VMX instructions for tests: those that must not fail, and what others must come to. */
#ifndef VTX_INSTRUCTIONS_H
#define VTX_INSTRUCTIONS_H

#include <stdint.h>

#include "lib/vmx_insn.h"

/* Those that must not fail, and end the test if they do. */
uint64_t vmread(uint32_t field);
void vmwrite(uint32_t field, uint64_t value);
void vmclear(uint64_t region);
void vmptrld(uint64_t region);

/* What a try_NAME() returned. */
void expect_success(uint64_t flags);
void expect_fail_invalid(uint64_t flags);
void expect_fail_valid(uint64_t flags, enum vmx_error error);

#endif
