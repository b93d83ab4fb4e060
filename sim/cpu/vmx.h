/* vmx.h - what the files of VMX offer each other: capabilities, entry checks, exits. */
#ifndef RINGSIDE_CPU_VMX_H
#define RINGSIDE_CPU_VMX_H

#include "cpu/cpu.h"
#include "cpu/vmcs.h"
#include "mmu/mmu.h"

/* ---- capabilities: vmx_caps.c ---- */

enum vmx_word { VMX_PIN, VMX_PROC, VMX_PROC2, VMX_VMEXIT, VMX_VMENTRY, VMX_WORDS };

/* Which bits of a word of controls must be 1, and which may be (SDM vol. 3, A.3 to A.5). */
struct vmx_allowed {
    u32 must, may;
};

/* As the TRUE capability MSRs say, which are what VM entry checks. */
struct vmx_allowed vmx_allowed(const struct core *c, enum vmx_word word);
u64 vmx_ept_vpid_cap(const struct core *c);
bool vmx_has_ept(const struct core *c);
u64 vmx_vm_functions(const struct core *c); /* IA32_VMX_VMFUNC; 0: there are none */

/* ---- VM-entry checks: vmx_checks.c, and a file for each kind ---- */

enum vmx_stage { VMX_CHECK_CONTROLS, VMX_CHECK_HOST, VMX_CHECK_GUEST };

/* One rule of SDM vol. 3, 26.2 "Checks on VMX Controls and Host-State Area" or 26.3 "Checking and Loading
 * Guest State". */
struct vmx_rule {
    const char *text;  /* the field, what must hold, and where the manual says so */
    const char *field; /* the name of the field to look at, as in vmcs_fields.def */
    bool (*holds)(const struct core *c);
    u32 qualification; /* of the failed entry's exit: 4 for the VMCS link pointer, else 0 (26.8) */
};

#define VMX_RULE(field, text, section, holds, qualification) \
    { \
        field ": " text " (SDM vol. 3, " section ")", field, holds, qualification \
    }

struct vmx_rules {
    const struct vmx_rule *rule;
    u32 count;
};

extern const struct vmx_rules vmx_control_rules, vmx_apic_rules, vmx_host_rules;
extern const struct vmx_rules vmx_register_rules, vmx_segment_rules, vmx_state_rules; /* of the guest */

/* The rules of all stages by number, from 1; NULL after the last. */
const struct vmx_rule *vmx_rule(u32 number);
/* For vmx_rule_text(): the number of a rule of the MSR list, which come after those. */
u32 vmx_msr_rule(u32 number);
/* Number of the first rule of this stage that the current VMCS breaks, 0: none. */
u32 vmx_check(const struct core *c, enum vmx_stage stage);
/* The same at less cost, if vmx_kept_same() says so at this VM entry. */
u32 vmx_check_again(const struct core *c, enum vmx_stage stage);

/* ---- what the last VM entry has found legal: vmx_kept.c ---- */

/* Whether the rules that need not be asked each time would say what they said then: that they hold. */
bool vmx_kept_same(const struct core *c);
void vmx_kept_take(struct core *c); /* all rules hold */
void vmx_kept_drop(struct core *c); /* at any time */

/* Physical addresses: aligned to 1 << bits, within MAXPHYADDR. */
static inline bool vmx_address_ok(u64 address, unsigned bits)
{
    return !(address & ((1ull << bits) - 1)) && !(address & ~PHYS_MASK);
}

bool vmx_pat_ok(u64 pat);
bool vmx_eptp_ok(u64 eptp); /* would VM entry take it? (26.2.1.1) */
bool vmx_efer_ok(const struct core *c, u64 efer);

/* Controls of the current VMCS; the secondary ones are 0 unless activated. */
u32 vmx_proc2(const struct core *c);

/* ---- MSR lists: vmx_msr.c (26.4, 27.4, 27.6) ---- */

/* The first entry that may not be loaded or stored, from 1, and the number of the rule; 0: all done. */
struct vmx_msr_result {
    u32 entry, rule;
};
struct vmx_msr_result vmx_msr_load(struct core *c, u64 address, u64 count);
struct vmx_msr_result vmx_msr_store(struct core *c, u64 address, u64 count);
/* A rule of VM entry's list, in the words of struct vmx_rule's text; NULL: no such rule. */
const char *vmx_msr_rule_text(u32 number);

/* ---- entry and exit: vmx_entry.c, vmx_exit.c, vmx_state.c ---- */

/* VMLAUNCH or VMRESUME after the checks of 30.3.  Does not return if the guest is entered or its state is
 * bad; else gives a VM-instruction error. */
enum vmx_error vmx_enter(struct core *c, bool launch);

/* Between the registers and the VMCS. */
void vmx_load_guest(struct core *c);             /* 26.3.2 */
void vmx_save_guest(struct core *c, u64 rflags); /* 27.3 */
void vmx_load_host(struct core *c);              /* 27.5 */

/* Without VPIDs, entry and exit drop the mappings of VPID 0 (28.4.3.1). */
void vmx_flush(struct core *c, enum flush_cause cause);

/* A VM entry that fails after the checks on controls and host state: loads the host state (26.8). */
_Noreturn void vmx_entry_failed(struct core *c, enum exit_reason reason, u64 qualification);

/* ---- PAUSE in a guest: vmx_pause.c ---- */

/* Whether the PAUSE about to be executed causes a VM exit; it is counted into its loop. */
bool vmx_pause_exits(struct core *c);

/* ---- NMIs of a guest: vmx_nmi.c ---- */

bool vmx_virtual_nmis(const struct core *c); /* the control, as loaded by the last entry */
bool vmx_nmi_window_is_open(const struct core *c);
void vmx_exit_nmi_window(struct core *c);
void vmx_exit_nmi(struct core *c);

/* What the exit-information fields will say (27.2). */
struct vmx_exit {
    enum exit_reason reason;
    u64 qualification, gpa, gva;
    u32 intr_info, intr_error;
    u32 insn_length, insn_info;
};
_Noreturn void vmx_leave(struct core *c, const struct vmx_exit *x);

/* Charges the k-th of n equal parts of a cost under stall_vmx, and reports the VMCS phase that has just been
 * done. */
void vmx_phase(struct core *c, u64 cost, u64 k, u64 n);

/* Bit 12 of the qualification of EPT violations and of a log that is full. */
u64 vmx_unblocking(const struct core *c);

/* Ticks of the preemption timer left. */
u64 vmx_timer_value(const struct core *c);

#endif
