/* apic.h - the local APIC (SDM vol. 3, 10 "Advanced Programmable Interrupt Controller"): registers and bits.
 * Its timer counts core cycles: CPUID leaf 15H gives their frequency. */
#ifndef ARCH_APIC_H
#define ARCH_APIC_H

#define APIC_PHYS_BASE 0xfee00000 /* after reset; IA32_APIC_BASE moves it */

/* Offsets in the xAPIC page; the x2APIC MSR is 800H + offset / 16 (SDM vol. 3, 10.12.1.2, table 10-6). */
#define APIC_ID            0x20
#define APIC_VERSION       0x30
#define APIC_TPR           0x80
#define APIC_PPR           0xa0
#define APIC_EOI           0xb0
#define APIC_LDR           0xd0
#define APIC_DFR           0xe0
#define APIC_SVR           0xf0
#define APIC_ISR           0x100 /* 8 registers of 32 vectors */
#define APIC_TMR           0x180
#define APIC_IRR           0x200
#define APIC_ESR           0x280
#define APIC_LVT_CMCI      0x2f0
#define APIC_ICR_LOW       0x300
#define APIC_ICR_HIGH      0x310
#define APIC_LVT_TIMER     0x320
#define APIC_LVT_THERMAL   0x330
#define APIC_LVT_PMC       0x340
#define APIC_LVT_LINT0     0x350
#define APIC_LVT_LINT1     0x360
#define APIC_LVT_ERROR     0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0
#define APIC_SELF_IPI      0x3f0 /* x2APIC only */

#define APIC_REGISTERS     64 /* places in the page, 16 bytes each */
#define X2APIC_MSR(offset) (0x800 + ((offset) >> 4))

/* Version register: version 14H, highest LVT entry 5. */
#define APIC_VERSION_VALUE 0x50014

#define APIC_SVR_ENABLE 0x100

#define APIC_VECTOR_MIN 16 /* those below are illegal (SDM vol. 3, 10.5.2 "Valid Interrupt Vectors") */

#define APIC_LVT_VECTOR          0xff
#define APIC_LVT_DELIVERY        0x700
#define APIC_LVT_DELIVERY_FIXED  0
#define APIC_LVT_DELIVERY_NMI    0x400
#define APIC_LVT_DELIVERY_EXTINT 0x700
#define APIC_LVT_MASKED          0x10000
#define APIC_LVT_COMMON          (APIC_LVT_MASKED | APIC_LVT_VECTOR)
#define APIC_LVT_PIN             0xa000 /* polarity and trigger mode: LINT0 and LINT1 alone */
#define APIC_TIMER_MODE          0x60000
#define APIC_TIMER_ONE_SHOT      0
#define APIC_TIMER_PERIODIC      0x20000
#define APIC_TIMER_TSC_DEADLINE  0x40000

/* Divide configuration: 1 is 1011B, 2 is 0000B (SDM vol. 3, figure 10-10). */
#define APIC_DIVIDE_BY_1 0xb

/* Error status register (SDM vol. 3, 10.5.3 "Error Handling"). */
#define APIC_ESR_SEND_VECTOR    0x20
#define APIC_ESR_RECEIVE_VECTOR 0x40
#define APIC_ESR_REGISTER       0x80

/* Interrupt command register (SDM vol. 3, 10.6.1). */
#define APIC_ICR_VECTOR    0xff
#define APIC_ICR_DELIVERY  0x700
#define APIC_ICR_FIXED     0
#define APIC_ICR_LOWEST    0x100
#define APIC_ICR_NMI       0x400
#define APIC_ICR_INIT      0x500
#define APIC_ICR_STARTUP   0x600
#define APIC_ICR_LOGICAL   0x800
#define APIC_ICR_ASSERT    0x4000
#define APIC_ICR_LEVEL     0x8000
#define APIC_ICR_SHORTHAND 0xc0000
#define APIC_ICR_TO_DEST   0
#define APIC_ICR_TO_SELF   0x40000
#define APIC_ICR_TO_ALL    0x80000
#define APIC_ICR_TO_OTHERS 0xc0000
#define APIC_ICR_BITS      0xccfff /* of the low half: those that a write may set */

/* What apic_registers.def says of a register: by the page, and by MSR. */
#define APIC_READ     1
#define APIC_WRITE    2
#define APIC_X2_READ  4
#define APIC_X2_WRITE 8
#define APIC_R        (APIC_READ | APIC_X2_READ)
#define APIC_RW       (APIC_R | APIC_WRITE | APIC_X2_WRITE)

#endif
