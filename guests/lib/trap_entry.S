/* trap_entry.S - one stub a vector: a uniform frame (trap_entry.h), then trap_dispatch(frame). */
#include "lib/trap_entry.h"

    .text
    .set vector, 0
    .rept TRAP_VECTORS
    .balign TRAP_STUB_BYTES
    .if vector == 0
    .globl trap_stubs
trap_stubs:
    .endif
    /* 8, 10..14, 17 come with an error code (SDM vol. 3, 6.13 "Error Code") */
    .if vector >= 32 || !((0x27d00 >> vector) & 1)
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    PUSH_REGISTERS
    movq %rsp, %rdi
    cld
    call trap_dispatch
    POP_REGISTERS
    addq $16, %rsp
    iretq
