/* shadows.S - code that opens the door for an interrupt that is pending; RIPs count from NAME_try. */
#include "arch/x86.h"
#include "conformance/layout.h"

.macro SHADOW name
    .section .text.cases, "ax"
    .globl \name, \name\()_try
\name:
.endm
.macro SHADOW_END
    cli
    int $INT_END
.endm

SHADOW shadow_sti
shadow_sti_try:
    sti
    nop
    nop
    SHADOW_END
SHADOW shadow_sti_set /* IF is set before: the second STI shadows nothing */
shadow_sti_set_try:
    sti
    sti
    nop
    SHADOW_END
SHADOW shadow_popf
    pushq $(FLAG_FIXED | FLAG_IF)
shadow_popf_try:
    popfq
    nop
    SHADOW_END
SHADOW shadow_iret
    movq %rsp, %rax
    pushq $SEL_KDATA
    pushq %rax
    pushq $(FLAG_FIXED | FLAG_IF)
    pushq $SEL_KCODE
    pushq $1f
shadow_iret_try:
    iretq
1:  nop
    SHADOW_END
SHADOW shadow_sti_cli /* the door is never open */
shadow_sti_cli_try:
    sti
    cli
    nop
    SHADOW_END
SHADOW shadow_sti_cli_sti
shadow_sti_cli_sti_try:
    sti
    cli
    sti
    nop
    nop
    SHADOW_END
SHADOW shadow_sti_ss /* each shadow lasts an instruction from the one that casts it */
    movl %ss, %eax
shadow_sti_ss_try:
    sti
    movl %eax, %ss
    nop
    nop
    SHADOW_END
SHADOW shadow_ss_sti
    movl %ss, %eax
shadow_ss_sti_try:
    movl %eax, %ss
    sti
    nop
    nop
    SHADOW_END
SHADOW shadow_ss_ss /* the second casts none */
    movl %ss, %eax
shadow_ss_ss_try:
    sti
    movl %eax, %ss
    movl %eax, %ss
    nop
    nop
    SHADOW_END
SHADOW shadow_sti_lss /* LSS casts none */
    movq %rsp, %rax
    pushq $SEL_KDATA
    shlq $32, (%rsp)
    addq %rax, (%rsp)
shadow_sti_lss_try:
    sti
    lss (%rsp), %esp
    nop
    nop
    SHADOW_END
SHADOW shadow_hlt
shadow_hlt_try:
    sti
    hlt
    SHADOW_END
SHADOW shadow_ring3
shadow_ring3_try:
    nop
    int $INT_END

    .globl msr_read, msr_write
msr_read:
    rdmsr
    int $INT_END
msr_write:
    wrmsr
    int $INT_END
