/* x86.h - the processor's manual as constants: registers, flags, descriptors, page-table bits, MSRs, CPUID.
 * Freestanding; shared by the simulator, the hypervisor and the guests.  What assembly may need is a plain
 * #define.  SDM: Intel 64 and IA-32 Architectures Software Developer's Manual, edition 077. */
#ifndef ARCH_X86_H
#define ARCH_X86_H

#ifdef __ASSEMBLER__
#define X86_U64(x) x
#else
#include <stdint.h>
#define X86_U64(x) x##ull
#endif

#define PHYS_BITS   40 /* MAXPHYADDR */
#define LINEAR_BITS 48
#define PHYS_MASK   X86_U64(0xffffffffff) /* PHYS_BITS ones */

/* ---- general registers, in encoding order ---- */

#define REG_RAX 0
#define REG_RCX 1
#define REG_RDX 2
#define REG_RBX 3
#define REG_RSP 4
#define REG_RBP 5
#define REG_RSI 6
#define REG_RDI 7
#define REG_R8  8
#define REG_R9  9
#define REG_R10 10
#define REG_R11 11
#define REG_R12 12
#define REG_R13 13
#define REG_R14 14
#define REG_R15 15

/* ---- RFLAGS (SDM vol. 1, 3.4.3 "EFLAGS Register") ---- */

#define FLAG_CF         0x1
#define FLAG_FIXED      0x2 /* always 1 */
#define FLAG_PF         0x4
#define FLAG_AF         0x10
#define FLAG_ZF         0x40
#define FLAG_SF         0x80
#define FLAG_TF         0x100
#define FLAG_IF         0x200
#define FLAG_DF         0x400
#define FLAG_OF         0x800
#define FLAG_IOPL       0x3000
#define FLAG_IOPL_SHIFT 12
#define FLAG_NT         0x4000
#define FLAG_RF         0x10000
#define FLAG_VM         0x20000
#define FLAG_AC         0x40000
#define FLAG_VIF        0x80000
#define FLAG_VIP        0x100000
#define FLAG_ID         0x200000
#define FLAGS_STATUS    (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)
#define FLAGS_ALL       0x3f7fd5 /* every bit that is not reserved, the fixed one aside */

/* ---- control registers (SDM vol. 3, 2.5 "Control Registers") ---- */

#define CR0_PE 0x1
#define CR0_MP 0x2
#define CR0_EM 0x4
#define CR0_TS 0x8
#define CR0_ET 0x10
#define CR0_NE 0x20
#define CR0_WP 0x10000
#define CR0_AM 0x40000
#define CR0_NW 0x20000000
#define CR0_CD 0x40000000
#define CR0_PG 0x80000000
#define CR0_ALL \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

#define CR3_PWT     0x8
#define CR3_PCD     0x10
#define CR3_PCID    0xfff
#define CR3_ADDR    X86_U64(0x000ffffffffff000)
#define CR3_NOFLUSH X86_U64(0x8000000000000000) /* of a MOV to CR3 with CR4.PCIDE */

#define CR4_VME        0x1
#define CR4_PVI        0x2
#define CR4_TSD        0x4
#define CR4_DE         0x8
#define CR4_PSE        0x10
#define CR4_PAE        0x20
#define CR4_MCE        0x40
#define CR4_PGE        0x80
#define CR4_PCE        0x100
#define CR4_OSFXSR     0x200
#define CR4_OSXMMEXCPT 0x400
#define CR4_UMIP       0x800
#define CR4_LA57       0x1000
#define CR4_VMXE       0x2000
#define CR4_SMXE       0x4000
#define CR4_FSGSBASE   0x10000
#define CR4_PCIDE      0x20000
#define CR4_OSXSAVE    0x40000
#define CR4_SMEP       0x100000
#define CR4_SMAP       0x200000
#define CR4_PKE        0x400000

#define EFER_SCE 0x1
#define EFER_LME 0x100
#define EFER_LMA 0x400
#define EFER_NXE 0x800

/* ---- debug registers (SDM vol. 3, 17.2 "Debug Registers") ---- */

#define DR6_FIXED    X86_U64(0xffff0ff0) /* bits that read as 1 */
#define DR6_B        0xf                 /* breakpoints 0..3 */
#define DR6_BD       0x2000
#define DR6_BS       0x4000
#define DR6_BT       0x8000
#define DR7_FIXED    0x400
#define DR7_ENABLED  0xff /* L0, G0, ... G3 */
#define DR7_GD       0x2000
#define DR7_WRITABLE X86_U64(0xffff23ff)

/* ---- exceptions (SDM vol. 3, table 6-1 "Protected-Mode Exceptions and Interrupts") ---- */

#define VEC_DE           0
#define VEC_DB           1
#define VEC_NMI          2
#define VEC_BP           3
#define VEC_OF           4
#define VEC_BR           5
#define VEC_UD           6
#define VEC_NM           7
#define VEC_DF           8
#define VEC_TS           10
#define VEC_NP           11
#define VEC_SS           12
#define VEC_GP           13
#define VEC_PF           14
#define VEC_MF           16
#define VEC_AC           17
#define VEC_MC           18
#define VEC_XM           19
#define VEC_VE           20
#define VEC_EXTERNAL_MIN 32 /* the first vector that is not reserved */

/* V(vector, mnemonic, has an error code) */
#define X86_VECTORS(V) \
    V(VEC_DE, "#DE", 0) \
    V(VEC_DB, "#DB", 0) \
    V(VEC_NMI, "NMI", 0) \
    V(VEC_BP, "#BP", 0) \
    V(VEC_OF, "#OF", 0) \
    V(VEC_BR, "#BR", 0) \
    V(VEC_UD, "#UD", 0) \
    V(VEC_NM, "#NM", 0) \
    V(VEC_DF, "#DF", 1) \
    V(VEC_TS, "#TS", 1) \
    V(VEC_NP, "#NP", 1) \
    V(VEC_SS, "#SS", 1) \
    V(VEC_GP, "#GP", 1) \
    V(VEC_PF, "#PF", 1) \
    V(VEC_MF, "#MF", 0) \
    V(VEC_AC, "#AC", 1) \
    V(VEC_MC, "#MC", 0) \
    V(VEC_XM, "#XM", 0) \
    V(VEC_VE, "#VE", 0)

/* Selector error codes (SDM vol. 3, 6.13 "Error Code"). */
#define ERROR_EXT 1
#define ERROR_IDT 2
#define ERROR_TI  4

/* #PF error code (SDM vol. 3, 4.7 "Page-Fault Exceptions"). */
#define PF_P    0x1
#define PF_W    0x2
#define PF_U    0x4
#define PF_RSVD 0x8
#define PF_I    0x10

/* ---- page tables (SDM vol. 3, 4.5 "4-Level Paging and 5-Level Paging") ---- */

#define PTE_P    0x1
#define PTE_W    0x2
#define PTE_U    0x4
#define PTE_PWT  0x8
#define PTE_PCD  0x10
#define PTE_A    0x20
#define PTE_D    0x40
#define PTE_PS   0x80
#define PTE_G    0x100
#define PTE_ADDR X86_U64(0x000ffffffffff000) /* bits 51:12 */
#define PTE_NX   X86_U64(0x8000000000000000)

/* ---- segments ---- */

#define SELECTOR_RPL 3
#define SELECTOR_TI  4 /* in the LDT */

/* Attributes of a segment register: VMX access rights (SDM vol. 3, 24.4.1 "Guest Register State"). */
#define SEG_TYPE       0xf
#define SEG_ACCESSED   0x1 /* code and data */
#define SEG_WRITABLE   0x2 /* data */
#define SEG_READABLE   0x2 /* code */
#define SEG_CONFORMING 0x4 /* code; in data: expand down */
#define SEG_CODE       0x8
#define SEG_S          0x10 /* 0: system */
#define SEG_DPL        0x60
#define SEG_DPL_SHIFT  5
#define SEG_P          0x80
#define SEG_AVL        0x1000
#define SEG_L          0x2000
#define SEG_DB         0x4000
#define SEG_G          0x8000
#define SEG_UNUSABLE   0x10000

/* Types of system descriptors in long mode (SDM vol. 3, table 3-2). */
#define SYS_LDT            2
#define SYS_TSS_AVAILABLE  9
#define SYS_TSS_BUSY       11
#define SYS_CALL_GATE      12
#define SYS_INTERRUPT_GATE 14
#define SYS_TRAP_GATE      15

/* Attributes of the flat segments that SYSCALL and the boot protocol load. */
#define SEG_ATTR_CODE64 0xa09b /* G L P S, execute/read, accessed; add DPL */
#define SEG_ATTR_DATA   0xc093 /* G DB P S, read/write, accessed; add DPL */
#define SEG_ATTR_TSS    0x8b   /* P, busy 64-bit TSS */
#define SEG_ATTR_LDT    0x82

/* Descriptors of flat segments, for a GDT (SDM vol. 3, 3.4.5 "Segment Descriptors"). */
#define DESC_CODE64      X86_U64(0x00af9b000000ffff)
#define DESC_DATA        X86_U64(0x00cf93000000ffff)
#define DESC_CODE64_USER X86_U64(0x00affb000000ffff)
#define DESC_DATA_USER   X86_U64(0x00cff3000000ffff)

/* Bits of a descriptor's 8 bytes. */
#define DESC_P           X86_U64(0x800000000000)
#define DESC_ACCESSED    X86_U64(0x10000000000)
#define DESC_TSS_IS_BUSY X86_U64(0x20000000000)

/* 64-bit TSS (SDM vol. 3, 7.7 "Task Management in 64-bit Mode"): offsets. */
#define TSS_RSP0  4
#define TSS_IST1  36
#define TSS_IOMAP 102
#define TSS_BYTES 104

#ifndef __ASSEMBLER__

_Static_assert(PHYS_MASK == (UINT64_C(1) << PHYS_BITS) - 1, "PHYS_MASK and PHYS_BITS agree");

/* What kind of event it is, as VMX numbers them (SDM vol. 3, table 24-16 "Format of the VM-Entry
 * Interruption-Information Field"). */
enum event_type {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_HARD_EXCEPTION = 3,
    EVENT_SOFT_INT = 4,
    EVENT_PRIV_EXCEPTION = 5,
    EVENT_SOFT_EXCEPTION = 6,
    EVENT_OTHER = 7
};

enum segment_reg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR };

struct tss64 { /* 64-bit values are 4-byte aligned: low half first */
    uint32_t reserved0;
    uint32_t rsp[3][2];
    uint32_t reserved1[2];
    uint32_t ist[7][2]; /* IST1 is ist[0] */
    uint32_t reserved2[2];
    uint16_t reserved3, iomap;
};

struct gate64 { /* SDM vol. 3, 6.14.1 "64-Bit Mode IDT" */
    uint16_t offset_low, selector;
    uint8_t ist;  /* 0..7 */
    uint8_t type; /* P | DPL << 5 | SYS_INTERRUPT_GATE or SYS_TRAP_GATE */
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};

/* A descriptor's parts from its first 8 bytes. */
static inline uint64_t desc_base(uint64_t d)
{
    return (d >> 16 & 0xffffff) | (d >> 56 << 24);
}

static inline uint64_t desc_limit(uint64_t d)
{
    uint64_t limit = (d & 0xffff) | (d >> 32 & 0xf0000);

    return d >> 55 & 1 ? limit << 12 | 0xfff : limit;
}

static inline uint64_t desc_attr(uint64_t d)
{
    return d >> 40 & 0xf0ff;
}

#endif

/* ---- MSRs (SDM vol. 4, 2.1 "Architectural MSRs") ---- */

#define MSR_TSC                     0x10
#define MSR_APIC_BASE               0x1b
#define MSR_FEATURE_CONTROL         0x3a
#define MSR_TSC_ADJUST              0x3b
#define MSR_SYSENTER_CS             0x174
#define MSR_SYSENTER_ESP            0x175
#define MSR_SYSENTER_EIP            0x176
#define MSR_MISC_ENABLE             0x1a0
#define MSR_DEBUGCTL                0x1d9
#define MSR_PAT                     0x277
#define MSR_VMX_BASIC               0x480
#define MSR_VMX_PINBASED_CTLS       0x481
#define MSR_VMX_PROCBASED_CTLS      0x482
#define MSR_VMX_EXIT_CTLS           0x483
#define MSR_VMX_ENTRY_CTLS          0x484
#define MSR_VMX_MISC                0x485
#define MSR_VMX_CR0_FIXED0          0x486
#define MSR_VMX_CR0_FIXED1          0x487
#define MSR_VMX_CR4_FIXED0          0x488
#define MSR_VMX_CR4_FIXED1          0x489
#define MSR_VMX_VMCS_ENUM           0x48a
#define MSR_VMX_PROCBASED_CTLS2     0x48b
#define MSR_VMX_EPT_VPID_CAP        0x48c
#define MSR_VMX_TRUE_PINBASED_CTLS  0x48d
#define MSR_VMX_TRUE_PROCBASED_CTLS 0x48e
#define MSR_VMX_TRUE_EXIT_CTLS      0x48f
#define MSR_VMX_TRUE_ENTRY_CTLS     0x490
#define MSR_VMX_VMFUNC              0x491
#define MSR_SIPI_ENTRY_STRUCT_PTR   0x33c /* X86-S: where a 64-bit start-up IPI starts a core */
#define MSR_TSC_DEADLINE            0x6e0
#define MSR_X2APIC_FIRST            0x800 /* + offset of the xAPIC register / 16 */
#define MSR_X2APIC_LAST             0x8ff
#define MSR_EFER                    0xc0000080
#define MSR_STAR                    0xc0000081
#define MSR_LSTAR                   0xc0000082
#define MSR_CSTAR                   0xc0000083
#define MSR_FMASK                   0xc0000084
#define MSR_FS_BASE                 0xc0000100
#define MSR_GS_BASE                 0xc0000101
#define MSR_KERNEL_GS_BASE          0xc0000102
#define MSR_TSC_AUX                 0xc0000103

/* M(number, the manual's name) */
#define X86_MSRS(M) \
    M(MSR_TSC, "IA32_TIME_STAMP_COUNTER") \
    M(MSR_APIC_BASE, "IA32_APIC_BASE") \
    M(MSR_FEATURE_CONTROL, "IA32_FEATURE_CONTROL") \
    M(MSR_TSC_ADJUST, "IA32_TSC_ADJUST") \
    M(MSR_SYSENTER_CS, "IA32_SYSENTER_CS") \
    M(MSR_SYSENTER_ESP, "IA32_SYSENTER_ESP") \
    M(MSR_SYSENTER_EIP, "IA32_SYSENTER_EIP") \
    M(MSR_MISC_ENABLE, "IA32_MISC_ENABLE") \
    M(MSR_DEBUGCTL, "IA32_DEBUGCTL") \
    M(MSR_PAT, "IA32_PAT") \
    M(MSR_VMX_BASIC, "IA32_VMX_BASIC") \
    M(MSR_VMX_PINBASED_CTLS, "IA32_VMX_PINBASED_CTLS") \
    M(MSR_VMX_PROCBASED_CTLS, "IA32_VMX_PROCBASED_CTLS") \
    M(MSR_VMX_EXIT_CTLS, "IA32_VMX_EXIT_CTLS") \
    M(MSR_VMX_ENTRY_CTLS, "IA32_VMX_ENTRY_CTLS") \
    M(MSR_VMX_MISC, "IA32_VMX_MISC") \
    M(MSR_VMX_CR0_FIXED0, "IA32_VMX_CR0_FIXED0") \
    M(MSR_VMX_CR0_FIXED1, "IA32_VMX_CR0_FIXED1") \
    M(MSR_VMX_CR4_FIXED0, "IA32_VMX_CR4_FIXED0") \
    M(MSR_VMX_CR4_FIXED1, "IA32_VMX_CR4_FIXED1") \
    M(MSR_VMX_VMCS_ENUM, "IA32_VMX_VMCS_ENUM") \
    M(MSR_VMX_PROCBASED_CTLS2, "IA32_VMX_PROCBASED_CTLS2") \
    M(MSR_VMX_EPT_VPID_CAP, "IA32_VMX_EPT_VPID_CAP") \
    M(MSR_VMX_TRUE_PINBASED_CTLS, "IA32_VMX_TRUE_PINBASED_CTLS") \
    M(MSR_VMX_TRUE_PROCBASED_CTLS, "IA32_VMX_TRUE_PROCBASED_CTLS") \
    M(MSR_VMX_TRUE_EXIT_CTLS, "IA32_VMX_TRUE_EXIT_CTLS") \
    M(MSR_VMX_TRUE_ENTRY_CTLS, "IA32_VMX_TRUE_ENTRY_CTLS") \
    M(MSR_VMX_VMFUNC, "IA32_VMX_VMFUNC") \
    M(MSR_SIPI_ENTRY_STRUCT_PTR, "IA32_SIPI_ENTRY_STRUCT_PTR") \
    M(MSR_TSC_DEADLINE, "IA32_TSC_DEADLINE") \
    M(MSR_EFER, "IA32_EFER") \
    M(MSR_STAR, "IA32_STAR") \
    M(MSR_LSTAR, "IA32_LSTAR") \
    M(MSR_CSTAR, "IA32_CSTAR") \
    M(MSR_FMASK, "IA32_FMASK") \
    M(MSR_FS_BASE, "IA32_FS_BASE") \
    M(MSR_GS_BASE, "IA32_GS_BASE") \
    M(MSR_KERNEL_GS_BASE, "IA32_KERNEL_GS_BASE") \
    M(MSR_TSC_AUX, "IA32_TSC_AUX")

#define FEATURE_CONTROL_LOCK       0x1
#define FEATURE_CONTROL_VMX_IN_SMX 0x2
#define FEATURE_CONTROL_VMX        0x4 /* VMX outside SMX operation */

/* The structure that IA32_SIPI_ENTRY_STRUCT_PTR points to, in 8-byte words (X86-S external architecture
 * specification, "64-bit SIPI"). */
#define SIPI_ENTRY_FEATURES  0
#define SIPI_ENTRY_RIP       1
#define SIPI_ENTRY_CR3       2
#define SIPI_ENTRY_CR0       3
#define SIPI_ENTRY_CR4       4
#define SIPI_ENTRY_WORDS     5
#define SIPI_FEATURES_ENABLE 1

#define APIC_BASE_BSP    0x100
#define APIC_BASE_X2APIC 0x400
#define APIC_BASE_ENABLE 0x800

#define MISC_ENABLE_FAST_STRINGS 0x1
#define MISC_ENABLE_XD_DISABLE   X86_U64(0x400000000)

#define PAT_RESET X86_U64(0x0007040600070406)

/* ---- CPUID (SDM vol. 2A, "CPUID - CPU Identification") ---- */

#define CPUID_1_ECX_VMX              0x20
#define CPUID_1_ECX_CX16             0x2000
#define CPUID_1_ECX_PCID             0x20000
#define CPUID_1_ECX_X2APIC           0x200000
#define CPUID_1_ECX_MOVBE            0x400000
#define CPUID_1_ECX_POPCNT           0x800000
#define CPUID_1_ECX_TSC_DEADLINE     0x1000000
#define CPUID_1_ECX_HYPERVISOR       X86_U64(0x80000000)
#define CPUID_1_EDX_DE               0x4
#define CPUID_1_EDX_PSE              0x8
#define CPUID_1_EDX_TSC              0x10
#define CPUID_1_EDX_MSR              0x20
#define CPUID_1_EDX_PAE              0x40
#define CPUID_1_EDX_MCE              0x80
#define CPUID_1_EDX_CX8              0x100
#define CPUID_1_EDX_APIC             0x200
#define CPUID_1_EDX_SEP              0x800
#define CPUID_1_EDX_PGE              0x2000
#define CPUID_1_EDX_CMOV             0x8000
#define CPUID_1_EDX_PAT              0x10000
#define CPUID_1_EDX_HTT              0x10000000
#define CPUID_7_EBX_TSC_ADJUST       0x2
#define CPUID_7_EBX_SMEP             0x80
#define CPUID_7_EBX_INVPCID          0x400
#define CPUID_7_EBX_SMAP             0x100000
#define CPUID_7_ECX_UMIP             0x4
#define CPUID_7_1_ECX_SIPI64         0x10 /* subleaf 1 */
#define CPUID_EXT1_ECX_LAHF          0x1
#define CPUID_EXT1_ECX_LZCNT         0x20
#define CPUID_EXT1_ECX_PREFETCHW     0x100
#define CPUID_EXT1_EDX_SYSCALL       0x800
#define CPUID_EXT1_EDX_NX            0x100000
#define CPUID_EXT1_EDX_PAGE1GB       0x4000000
#define CPUID_EXT1_EDX_RDTSCP        0x8000000
#define CPUID_EXT1_EDX_LM            0x20000000
#define CPUID_EXT7_EDX_INVARIANT_TSC 0x100

#endif
