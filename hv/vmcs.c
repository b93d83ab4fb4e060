#include "vmcs.h"

#include "arch/boot.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "core.h"
#include "lapic_page.h"
#include "pager.h"
#include "posted.h"
#include "print.h"
#include "traps.h"
#include "vmx.h"

extern const char vmx_exit_point[];

/* ---- VM-execution, VM-exit and VM-entry controls (SDM vol. 3, 24.6 to 24.8) ---- */

#define PAUSE_LOOP_GAP    128  /* cycles between two PAUSEs of one loop, at most */
#define PAUSE_LOOP_WINDOW 4096 /* that a loop may take */

/* Who spins may be waiting for a virtual CPU that waits for the processor which he keeps (scheduler_yield).
 */
static void setup_pause_loops(void)
{
    if (!vmx_offers(WORD_PROC2, PROC2_PAUSE_LOOP))
        return;
    vmwrite(VMCS_PROC2_CONTROLS, vmread(VMCS_PROC2_CONTROLS) | PROC2_PAUSE_LOOP);
    vmwrite(VMCS_PLE_GAP, PAUSE_LOOP_GAP);
    vmwrite(VMCS_PLE_WINDOW, PAUSE_LOOP_WINDOW);
}

void vmcs_choose_exceptions(const struct vm *vm)
{
    vmwrite(VMCS_EXCEPTION_BITMAP,
            vm->config.pager->exceptions | (vm->config.faults_exit ? 1u << VEC_PF : 0));
}

/* What the guest may not do by itself: keep the processor (timer, interrupts), stop it (HLT), reach the board
 * (I/O).  MOV to CR8 goes to its local APIC without an exit.  Without MSR bitmaps every RDMSR and WRMSR
 * exits; without a bit in the exception bitmap no exception does.  A pager has wishes of its own. */
static void setup_controls(const struct vcpu *v)
{
    const struct pager *pager = v->vm->config.pager;

    vmwrite(VMCS_PIN_CONTROLS, vmx_controls(WORD_PIN, PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMIS |
                                                          PIN_PREEMPTION_TIMER));
    vmwrite(VMCS_PROC_CONTROLS,
            vmx_controls(WORD_PROC, PROC_TSC_OFFSETTING | PROC_HLT | PROC_UNCONDITIONAL_IO | PROC_TPR_SHADOW |
                                        PROC_SECONDARY | pager->proc));
    vmwrite(VMCS_PROC2_CONTROLS,
            vmx_controls(WORD_PROC2, PROC2_VPID | PROC2_RDTSCP | PROC2_WBINVD | pager->proc2));
    vmwrite(VMCS_EXIT_CONTROLS,
            vmx_controls(WORD_VMEXIT, VMEXIT_HOST_64 | VMEXIT_SAVE_EFER | VMEXIT_LOAD_EFER | VMEXIT_SAVE_PAT |
                                          VMEXIT_LOAD_PAT | VMEXIT_SAVE_DEBUG_CONTROLS |
                                          VMEXIT_SAVE_PREEMPTION_TIMER));
    vmwrite(VMCS_ENTRY_CONTROLS, vmx_controls(WORD_VMENTRY, VMENTRY_GUEST_64 | VMENTRY_LOAD_DEBUG_CONTROLS |
                                                                VMENTRY_LOAD_EFER | VMENTRY_LOAD_PAT));
    vmwrite(VMCS_TSC_OFFSET, 0);
    vmcs_choose_exceptions(v->vm);
    vmwrite(VMCS_PF_ERROR_MASK, 0); /* every #PF is as the bitmap says */
    vmwrite(VMCS_PF_ERROR_MATCH, 0);
    vmwrite(VMCS_CR3_TARGET_COUNT, 0);
    vmwrite(VMCS_ENTRY_INTR_INFO, 0);
    vmwrite(VMCS_VPID, v->vpid);
    lapic_page_setup(v);
    if (v->vm->dir->vcpus > 1)
        setup_pause_loops();
}

/* Bits that the guest does not own: a MOV that would change one of them exits, and reading gives the shadow's
 * bit.  VMX operation needs CR4.VMXE and CR0.NE; the machine has no way out of 64-bit mode. */
static void setup_control_registers(const struct pager *pager)
{
    uint64_t cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE, cr4 = CR4_PAE;

    vmwrite(VMCS_CR0_MASK, CR0_PG | CR0_PE | CR0_NE | CR0_NW | CR0_CD | pager->cr0_set);
    vmwrite(VMCS_CR0_SHADOW, cr0);
    vmwrite(VMCS_GUEST_CR0, vmx_fix_cr0(cr0) | pager->cr0_set);
    vmwrite(VMCS_CR4_MASK, CR4_VMXE | CR4_PAE | ~vmx_cr4_allowed() | pager->cr4_mask);
    vmwrite(VMCS_CR4_SHADOW, cr4);
    vmwrite(VMCS_GUEST_CR4, vmx_fix_cr4(cr4));
    vmwrite(VMCS_GUEST_CR3, BOOT_PML4);
}

/* ---- guest state (SDM vol. 3, 24.4) ---- */

/* The fields of a segment register lie two apart: ES, CS, SS, DS, FS, GS, LDTR, TR. */
static void setup_segment(enum segment_reg s, uint16_t selector, uint32_t limit, uint32_t rights)
{
    vmwrite(VMCS_GUEST_ES_SELECTOR + 2u * s, selector);
    vmwrite(VMCS_GUEST_ES_BASE + 2u * s, 0);
    vmwrite(VMCS_GUEST_ES_LIMIT + 2u * s, limit);
    vmwrite(VMCS_GUEST_ES_ACCESS_RIGHTS + 2u * s, rights);
}

static void setup_segments(void)
{
    setup_segment(SEG_CS, BOOT_CS, 0xffffffff, SEG_ATTR_CODE64);
    setup_segment(SEG_SS, BOOT_DS, 0xffffffff, SEG_ATTR_DATA);
    setup_segment(SEG_DS, BOOT_DS, 0xffffffff, SEG_ATTR_DATA);
    setup_segment(SEG_ES, BOOT_DS, 0xffffffff, SEG_ATTR_DATA);
    setup_segment(SEG_FS, BOOT_DS, 0xffffffff, SEG_ATTR_DATA);
    setup_segment(SEG_GS, BOOT_DS, 0xffffffff, SEG_ATTR_DATA);
    setup_segment(SEG_LDTR, 0, 0, AR_UNUSABLE);
    setup_segment(SEG_TR, 0, TSS_BYTES - 1, SEG_ATTR_TSS);
    vmwrite(VMCS_GUEST_GDTR_BASE, BOOT_GDT);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, 23);
    vmwrite(VMCS_GUEST_IDTR_BASE, 0);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
}

static void setup_guest(const struct vcpu *v, uint64_t entry)
{
    setup_segments();
    setup_control_registers(v->vm->config.pager);
    vmwrite(VMCS_GUEST_RIP, entry);
    vmwrite(VMCS_GUEST_RSP, BOOT_STACK_TOP);
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED);
    vmwrite(VMCS_GUEST_DR7, DR7_FIXED);
    vmwrite(VMCS_GUEST_DEBUGCTL, 0);
    vmwrite(VMCS_GUEST_EFER, v->efer | v->vm->config.pager->efer_set);
    vmwrite(VMCS_GUEST_PAT, PAT_RESET);
    vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_ACTIVE);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite(VMCS_VMCS_LINK_POINTER, ~UINT64_C(0));
}

/* ---- host state: what an exit loads (SDM vol. 3, 24.5); RSP is written at entry (vmenter.S) ---- */

void vmcs_set_core(const struct core *c)
{
    vmwrite(VMCS_HOST_GS_BASE, (uint64_t)c);
    vmwrite(VMCS_HOST_TR_BASE, (uint64_t)&c->tables.tss);
    vmwrite(VMCS_HOST_GDTR_BASE, (uint64_t)c->tables.gdt);
}

static void setup_host(void)
{
    vmwrite(VMCS_HOST_CR0, read_cr0());
    vmwrite(VMCS_HOST_CR3, read_cr3());
    vmwrite(VMCS_HOST_CR4, read_cr4());
    vmwrite(VMCS_HOST_CS_SELECTOR, SELECTOR_CODE);
    vmwrite(VMCS_HOST_SS_SELECTOR, SELECTOR_DATA);
    vmwrite(VMCS_HOST_DS_SELECTOR, SELECTOR_DATA);
    vmwrite(VMCS_HOST_ES_SELECTOR, SELECTOR_DATA);
    vmwrite(VMCS_HOST_FS_SELECTOR, 0);
    vmwrite(VMCS_HOST_GS_SELECTOR, 0);
    vmwrite(VMCS_HOST_TR_SELECTOR, SELECTOR_TSS);
    vmwrite(VMCS_HOST_FS_BASE, 0);
    vmwrite(VMCS_HOST_IDTR_BASE, traps_idt_base());
    vmwrite(VMCS_HOST_SYSENTER_CS, 0);
    vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
    vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
    vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmwrite(VMCS_HOST_RIP, (uint64_t)vmx_exit_point);
}

void vmcs_setup(struct vcpu *v, uint64_t entry)
{
    setup_controls(v);
    setup_guest(v, entry);
    setup_host();
    if (v->posted)
        posted_setup(v);
    v->vm->config.pager->setup(v);
}

/* ---- in words ---- */

static void dump_segments(void)
{
    static const char *const name[] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};

    for (unsigned s = 0; s < sizeof name / sizeof name[0]; s++)
        print("    %4s selector %04lx  base %016lx  limit %08lx  rights %05lx\n", name[s],
              vmread(VMCS_GUEST_ES_SELECTOR + 2 * s), vmread(VMCS_GUEST_ES_BASE + 2 * s),
              vmread(VMCS_GUEST_ES_LIMIT + 2 * s), vmread(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * s));
}

static void dump_registers(const struct vcpu *v)
{
    static const char *const name[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

    for (unsigned r = 0; r < 16; r++)
        print("%s%4s %016lx%s", r % 4 == 0 ? "    " : "  ", name[r],
              r == REG_RSP ? vmread(VMCS_GUEST_RSP) : v->gpr[r], r % 4 == 3 ? "\n" : "");
    print("     rip %016lx   flags %08lx\n", vmread(VMCS_GUEST_RIP), vmread(VMCS_GUEST_RFLAGS));
}

void vmcs_dump(const struct vcpu *v)
{
    uint64_t reason = vmread(VMCS_EXIT_REASON);

    print("  last exit of %s: %lu, %s; qualification 0x%lx\n", v->vm->dir->name, reason & 0xffff,
          exit_reason_name(reason & 0xffff), vmread(VMCS_EXIT_QUALIFICATION));
    dump_registers(v);
    print("     cr0 %016lx   cr3 %016lx   cr4 %016lx  efer %016lx\n", vmread(VMCS_GUEST_CR0),
          vmread(VMCS_GUEST_CR3), vmread(VMCS_GUEST_CR4), vmread(VMCS_GUEST_EFER));
    dump_segments();
    print("    GDTR base %016lx limit %04lx   IDTR base %016lx limit %04lx\n", vmread(VMCS_GUEST_GDTR_BASE),
          vmread(VMCS_GUEST_GDTR_LIMIT), vmread(VMCS_GUEST_IDTR_BASE), vmread(VMCS_GUEST_IDTR_LIMIT));
    print("    activity %lu  interruptibility 0x%lx  pin 0x%lx  proc 0x%lx  proc2 0x%lx  exit 0x%lx  entry "
          "0x%lx\n",
          vmread(VMCS_GUEST_ACTIVITY), vmread(VMCS_GUEST_INTERRUPTIBILITY), vmread(VMCS_PIN_CONTROLS),
          vmread(VMCS_PROC_CONTROLS), vmread(VMCS_PROC2_CONTROLS), vmread(VMCS_EXIT_CONTROLS),
          vmread(VMCS_ENTRY_CONTROLS));
}
