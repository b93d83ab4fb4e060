/* vmx.h - the VMX part of the manual as a header: fields, controls, exit reasons, errors, layouts.
 * SDM vol. 3, chapters 23 to 30 and appendices A to C.  Freestanding: the machine, the hypervisor and the
 * tests share it. */
#ifndef ARCH_VMX_H
#define ARCH_VMX_H

#include "x86.h"

#ifdef __ASSEMBLER__ /* assembly gets fields and exit reasons alone */

#define VMCS_FIELD(ID, name, encoding, group, processors) .set VMCS_##ID, encoding
#include "vmcs_fields.def"
#define EXIT_REASON(ID, number, name) .set EXIT_##ID, number
#include "exit_reasons.def"

#else

/* VMCS_GUEST_RIP = 0x681e, ... */
enum vmcs_field {
#define VMCS_FIELD(ID, name, encoding, group, processors) VMCS_##ID = encoding,
#include "vmcs_fields.def"
};

/* EXIT_CPUID = 10, ... */
enum exit_reason {
#define EXIT_REASON(ID, number, name) EXIT_##ID = number,
#include "exit_reasons.def"
};
#define EXIT_ENTRY_FAILURE          (1u << 31) /* bit 31 of the exit-reason field (24.9.1) */

/* VMXERR_ENTRY_CONTROLS = 7, ... */
enum vmx_error {
#define VMX_ERROR(ID, number, text) VMXERR_##ID = number,
#include "vmx_errors.def"
};

/* Encoding of a field (appendix B) */
#define VMCS_FIELD_HIGH(f)            ((f)&1)
#define VMCS_FIELD_INDEX(f)           ((f) >> 1 & 0x1ff)
#define VMCS_FIELD_TYPE(f)            ((f) >> 10 & 3)
#define VMCS_FIELD_WIDTH(f)           ((f) >> 13 & 3)
enum vmcs_type { VMCS_TYPE_CONTROL, VMCS_TYPE_EXIT_INFO, VMCS_TYPE_GUEST, VMCS_TYPE_HOST };
enum vmcs_width { VMCS_WIDTH_16, VMCS_WIDTH_64, VMCS_WIDTH_32, VMCS_WIDTH_NATURAL };

/* The region in memory (24.2): what follows byte 8 is this machine's own business. */
#define VMCS_REVISION                 0x52534d31u /* "1MSR" */
#define VMCS_SHADOW                   (1u << 31)  /* shadow-VMCS indicator, above the revision identifier */
#define VMCS_BYTES                    4096u
#define VMCS_ABORT                    4 /* VMX-abort indicator: offset in bytes */

/* VMX aborts (27.7) */
enum vmx_abort {
    VMX_ABORT_MSR_SAVE = 1,
    VMX_ABORT_HOST_PDPTE = 2,
    VMX_ABORT_CORRUPT = 3,
    VMX_ABORT_MSR_LOAD = 4
};

/* Pin-based VM-execution controls (24.6.1); vmx_controls.def lists all with their names */
#define PIN_EXTERNAL_INTERRUPT        (1u << 0)
#define PIN_NMI                       (1u << 3)
#define PIN_VIRTUAL_NMIS              (1u << 5)
#define PIN_PREEMPTION_TIMER          (1u << 6)
#define PIN_POSTED_INTERRUPTS         (1u << 7)

/* Primary processor-based VM-execution controls (24.6.2) */
#define PROC_INTERRUPT_WINDOW         (1u << 2)
#define PROC_TSC_OFFSETTING           (1u << 3)
#define PROC_HLT                      (1u << 7)
#define PROC_INVLPG                   (1u << 9)
#define PROC_RDPMC                    (1u << 11)
#define PROC_RDTSC                    (1u << 12)
#define PROC_CR3_LOAD                 (1u << 15)
#define PROC_CR3_STORE                (1u << 16)
#define PROC_CR8_LOAD                 (1u << 19)
#define PROC_CR8_STORE                (1u << 20)
#define PROC_TPR_SHADOW               (1u << 21)
#define PROC_NMI_WINDOW               (1u << 22)
#define PROC_MOV_DR                   (1u << 23)
#define PROC_UNCONDITIONAL_IO         (1u << 24)
#define PROC_IO_BITMAPS               (1u << 25)
#define PROC_MONITOR_TRAP_FLAG        (1u << 27)
#define PROC_MSR_BITMAPS              (1u << 28)
#define PROC_PAUSE                    (1u << 30)
#define PROC_SECONDARY                (1u << 31)

/* Secondary processor-based VM-execution controls (24.6.2) */
#define PROC2_APIC_ACCESSES           (1u << 0)
#define PROC2_EPT                     (1u << 1)
#define PROC2_DESCRIPTOR_TABLE        (1u << 2)
#define PROC2_RDTSCP                  (1u << 3)
#define PROC2_X2APIC_MODE             (1u << 4)
#define PROC2_VPID                    (1u << 5)
#define PROC2_WBINVD                  (1u << 6)
#define PROC2_APIC_REGISTERS          (1u << 8)
#define PROC2_VIRTUAL_INTERRUPTS      (1u << 9)
#define PROC2_PAUSE_LOOP              (1u << 10)
#define PROC2_INVPCID                 (1u << 12)
#define PROC2_VMFUNC                  (1u << 13)
#define PROC2_VMCS_SHADOWING          (1u << 14)
#define PROC2_PML                     (1u << 17)
#define PROC2_EPT_VE                  (1u << 18)
#define PROC2_TSC_SCALING             (1u << 25)

/* VM-exit controls (24.7.1) */
#define VMEXIT_SAVE_DEBUG_CONTROLS    (1u << 2)
#define VMEXIT_HOST_64                (1u << 9)
#define VMEXIT_ACK_INTERRUPT          (1u << 15)
#define VMEXIT_SAVE_PAT               (1u << 18)
#define VMEXIT_LOAD_PAT               (1u << 19)
#define VMEXIT_SAVE_EFER              (1u << 20)
#define VMEXIT_LOAD_EFER              (1u << 21)
#define VMEXIT_SAVE_PREEMPTION_TIMER  (1u << 22)

/* VM-entry controls (24.8.1) */
#define VMENTRY_LOAD_DEBUG_CONTROLS   (1u << 2)
#define VMENTRY_GUEST_64              (1u << 9)
#define VMENTRY_LOAD_PAT              (1u << 14)
#define VMENTRY_LOAD_EFER             (1u << 15)

/* The capability MSRs' numbers are in x86.h. */

/* IA32_VMX_BASIC (A.1) */
#define VMX_BASIC_REVISION_BITS       0x7fffffffull
#define VMX_BASIC_TRUE                (1ull << 55) /* there are TRUE capability MSRs */
#define VMX_BASIC_ANY_ERROR_CODE      (1ull << 56) /* injected exceptions have one or not, as one likes */

/* IA32_VMX_EPT_VPID_CAP (A.10) */
#define EPT_CAP_EXECUTE_ONLY          (1ull << 0)
#define EPT_CAP_WALK_4                (1ull << 6)
#define EPT_CAP_UC                    (1ull << 8)
#define EPT_CAP_WB                    (1ull << 14)
#define EPT_CAP_2M                    (1ull << 16)
#define EPT_CAP_1G                    (1ull << 17)
#define EPT_CAP_INVEPT                (1ull << 20)
#define EPT_CAP_AD                    (1ull << 21)
#define EPT_CAP_INVEPT_SINGLE         (1ull << 25)
#define EPT_CAP_INVEPT_ALL            (1ull << 26)
#define EPT_CAP_INVVPID               (1ull << 32)
#define EPT_CAP_INVVPID_ADDRESS       (1ull << 40)
#define EPT_CAP_INVVPID_SINGLE        (1ull << 41)
#define EPT_CAP_INVVPID_ALL           (1ull << 42)
#define EPT_CAP_INVVPID_SINGLE_GLOBAL (1ull << 43) /* single context, retaining globals */

/* Posted-interrupt descriptor (table 29-1): 64 bytes */
#define POSTED_REQUESTS               0            /* PIR: a bit for each vector */
#define POSTED_NOTIFICATION           32           /* ON, outstanding notification: bit 0 of this byte */
#define POSTED_ON                     1

/* The preemption timer counts down when this bit of the TSC changes (25.5.1); bits 4:0 of IA32_VMX_MISC. */
#define VMX_TIMER_SHIFT               5
#define VMX_CR3_TARGETS               4
#define VMX_MISC_VMWRITE_ANY          (1ull << 29) /* VMWRITE to exit information too */
#define VMX_MISC_LENGTH_0             (1ull << 30) /* events of software with an instruction length of 0 */
#define VMX_MSR_LIST_MAX              512          /* A.6, bits 27:25 */

#define VMX_TSC_FRACTION      48   /* bits of the TSC multiplier behind the point (25.3) */

/* EPTP (24.6.11) */
#define EPTP_MEMORY_TYPE      7ull /* bits 2:0 */
#define EPTP_WB               6ull
#define EPTP_UC               0ull
#define EPTP_WALK_4           (3ull << 3) /* page-walk length minus 1, bits 5:3 */
#define EPTP_WALK_MASK        (7ull << 3)
#define EPTP_AD               (1ull << 6) /* accessed and dirty flags for EPT */
#define EPTP_RESERVED         0xf80ull
#define EP4TA(eptp)           ((eptp) & ~0xfffull) /* what the TLB tags with (28.3.1): bits 51:12 */

/* VM functions (24.6.14, 25.5.6): their controls, and IA32_VMX_VMFUNC (A.11) */
#define VMFUNC_EPTP_SWITCHING (1ull << 0)
#define VMFUNC_MAX            63u
#define EPTP_LIST_ENTRIES     512u

/* Virtualization-exception information area (table 25-1): offsets in bytes */
#define VE_REASON             0 /* 32 bits */
#define VE_BUSY               4 /* 32 bits; not 0: EPT violations exit */
#define VE_QUALIFICATION      8
#define VE_GUEST_LINEAR       16
#define VE_GUEST_PHYSICAL     24
#define VE_EPTP_INDEX         32 /* 16 bits */

#define PML_ENTRIES 512u /* of the page-modification log, 8 bytes each (28.3.6) */

/* EPT entries (28.2.2).  Execute-only mappings are supported; W without R is a misconfiguration. */
#define EPT_R       (1ull << 0)
#define EPT_W       (1ull << 1)
#define EPT_X       (1ull << 2)
#define EPT_RWX     7ull
#define EPT_MEMORY_TYPE \
    (7ull << 3) /* of a leaf: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB; others are a misconfiguration */
#define EPT_UC                  (0ull << 3)
#define EPT_WB                  (6ull << 3)
#define EPT_IGNORE_PAT          (1ull << 6)
#define EPT_PS                  (1ull << 7) /* 2 MiB or 1 GiB page */
#define EPT_A                   (1ull << 8)
#define EPT_D                   (1ull << 9)
#define EPT_SUPPRESS_VE         (1ull << 63) /* of an entry that maps a page or is not present: violations exit */
#define EPT_FRAME               0x000ffffffffff000ull

/* Interruption information: VM entry (24.8.3), VM exit (24.9.2), IDT vectoring (24.9.3) */
#define INTR_VECTOR             0xffu
#define INTR_TYPE               (7u << 8)
#define INTR_TYPE_SHIFT         8
#define INTR_HAS_ERROR          (1u << 11)
#define INTR_NMI_UNBLOCKING     (1u << 12) /* exit information alone: unblocking due to IRET */
#define INTR_ENTRY_RESERVED     0x7ffff000u
#define INTR_VALID              (1u << 31)
#define INTR_INFO(vector, type) (INTR_VALID | (unsigned)(type) << INTR_TYPE_SHIFT | (unsigned)(vector))

/* Guest interruptibility state (24.4.2) */
#define BLOCKING_STI            (1u << 0)
#define BLOCKING_MOV_SS         (1u << 1)
#define BLOCKING_SMI            (1u << 2)
#define BLOCKING_NMI            (1u << 3)
#define BLOCKING_RESERVED       0xfffffff0u

/* Guest pending debug exceptions (24.4.2) */
#define PENDING_DEBUG_B         0xfull
#define PENDING_DEBUG_ENABLED   (1ull << 12)
#define PENDING_DEBUG_BS        (1ull << 14)
#define PENDING_DEBUG_RESERVED  (~(PENDING_DEBUG_B | PENDING_DEBUG_ENABLED | PENDING_DEBUG_BS))

/* Guest activity state (24.4.2) */
enum vmx_activity { VMX_ACTIVITY_ACTIVE, VMX_ACTIVITY_HLT, VMX_ACTIVITY_SHUTDOWN, VMX_ACTIVITY_WAIT_SIPI };

/* Access rights of a segment (24.4.1) */
#define AR_TYPE                 0xfu
#define AR_S                    (1u << 4)
#define AR_DPL_SHIFT            5
#define AR_DPL                  (3u << 5)
#define AR_P                    (1u << 7)
#define AR_RESERVED             0xfffe0f00u
#define AR_AVL                  (1u << 12)
#define AR_L                    (1u << 13)
#define AR_DB                   (1u << 14)
#define AR_G                    (1u << 15)
#define AR_UNUSABLE             (1u << 16)

/* Exit qualification of control-register accesses (table 27-3) */
#define QUAL_CR_NUMBER(q)       ((q)&15)
#define QUAL_CR_ACCESS(q)       ((q) >> 4 & 3)
#define QUAL_CR_LMSW_MEMORY     (1u << 6)
#define QUAL_CR_GPR(q)          ((q) >> 8 & 15)
#define QUAL_CR_LMSW_SOURCE(q)  ((q) >> 16 & 0xffff)
enum qual_cr_access { QUAL_MOV_TO_CR, QUAL_MOV_FROM_CR, QUAL_CLTS, QUAL_LMSW };

/* of MOV DR (table 27-4) */
#define QUAL_DR_NUMBER(q)       ((q)&7)
#define QUAL_DR_READ            (1u << 4) /* MOV from DR */
#define QUAL_DR_GPR(q)          ((q) >> 8 & 15)

/* of I/O instructions (table 27-5) */
#define QUAL_IO_BYTES(q)        (((q)&7) + 1)
#define QUAL_IO_IN              (1u << 3)
#define QUAL_IO_STRING          (1u << 4)
#define QUAL_IO_REP             (1u << 5)
#define QUAL_IO_IMMEDIATE       (1u << 6)
#define QUAL_IO_PORT(q)         ((q) >> 16 & 0xffff)

/* of APIC accesses (table 27-6) */
#define QUAL_APIC_OFFSET(q)     ((q)&0xfff) /* linear accesses alone */
#define QUAL_APIC_KIND_SHIFT    12
#define QUAL_APIC_KIND(q)       ((q) >> QUAL_APIC_KIND_SHIFT & 15)
enum qual_apic_kind {
    QUAL_APIC_READ,
    QUAL_APIC_WRITE,
    QUAL_APIC_FETCH,
    QUAL_APIC_EVENT,               /* a linear access while an event is delivered */
    QUAL_APIC_PHYSICAL_EVENT = 10, /* a guest-physical one */
    QUAL_APIC_PHYSICAL = 15
};

/* of EPT violations (table 27-7) */
#define QUAL_EPT_READ           (1u << 0)
#define QUAL_EPT_WRITE          (1u << 1)
#define QUAL_EPT_FETCH          (1u << 2)
#define QUAL_EPT_READABLE       (1u << 3) /* bits 3, 4, 5: the and of R, W, X of all entries used */
#define QUAL_EPT_WRITABLE       (1u << 4)
#define QUAL_EPT_EXECUTABLE     (1u << 5)
#define QUAL_EPT_LINEAR_VALID   (1u << 7)
#define QUAL_EPT_TRANSLATED \
    (1u << 8) /* the access was to the translation of the linear address, not to a table */
#define QUAL_EPT_NMI_UNBLOCKING (1u << 12)

/* of #DB: DR6's form (table 27-1); of #PF, INVLPG, ...: a plain address */

/* Operand of INVEPT and INVVPID (30.3): 128 bits in memory */
enum invept_type { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
enum invvpid_type { INVVPID_ADDRESS, INVVPID_SINGLE, INVVPID_ALL, INVVPID_SINGLE_GLOBAL };

/* Entry of an MSR-load or MSR-store area (24.7.2): 16 bytes */
struct vmx_msr_entry {
    unsigned int index, reserved;
    unsigned long long value;
};

#endif /* __ASSEMBLER__ */

#endif
