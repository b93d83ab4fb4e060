/* vcpu.h - a virtual CPU: the part of its state that the VMCS does not hold, and entering it. */
#ifndef HV_VCPU_H
#define HV_VCPU_H

/* For vmenter.S: offsets in struct vcpu, and the encoding of the host RSP field. */
#define VCPU_HOST_RSP       128
#define VCPU_HOST_RSP_FIELD 0x6c14

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#include "shadow_state.h"

#define VCPU_MSRS 6

/* What of the guest's control registers and EFER decides how its page tables are read. */
struct guest_mode {
    bool wp, smep, smap, nxe, pge;
};

struct vm;

struct vcpu {
    uint64_t gpr[16];  /* in encoding order (REG_RAX ...); RSP is in the VMCS */
    uint64_t host_rsp; /* what the host RSP field holds */
    uint64_t vmcs;     /* hpa */
    uint64_t launched; /* VMRESUME, not VMLAUNCH */
    uint64_t cr2, cr8;
    uint64_t dr[4], dr6;
    uint64_t msr[VCPU_MSRS]; /* vcpu_msrs[] in vcpu.c */
    uint64_t misc_enable;    /* as the guest sees it; the core keeps its own */
    uint64_t efer;           /* the same; the VMCS may have more */
    struct guest_mode mode;  /* kept for the shadow pager */
    struct shadow_cpu shadow;
    struct vm *vm;
    uint64_t index; /* within its VM: the number of the virtual CPU, and its APIC's at reset */
    uint16_t vpid;
    bool halted; /* in HLT, with nothing to wake it yet */
};

/* Makes v's state that of the core, all but what VM entry loads; the one that was there before is saved. */
void vcpu_switch_to(struct vcpu *v);
/* Must be called before a virtual CPU goes away. */
void vcpu_forget(const struct vcpu *v);

/* One VM entry and the exit that ends it.  False if the entry failed and the guest did not run (VMfail). */
bool vcpu_enter(struct vcpu *v);

/* Guest state of the current VMCS, as exit handlers change it. */
void vcpu_skip_instruction(void);
/* A fault, whose instruction will run again. */
void vcpu_inject(unsigned vector, bool has_error, uint32_t error);
/* A fault that may have been met in the midst of delivering an event (SDM vol. 3, table 6-5 "Conditions for
 * Generating a Double Fault"). */
void vcpu_inject_page_fault(struct vcpu *v, uint32_t error);
/* The type of events that are exceptions of the processor's own (SDM vol. 3, table 24-16). */
#define INTR_HARDWARE_EXCEPTION (3u << INTR_TYPE_SHIFT)
/* After an exit in the midst of delivering an event: deliver it once more at the next entry. */
void vcpu_redeliver_event(void);

/* What the guest reads from CR0; v's CR3, as the guest has it. */
uint64_t guest_cr0(void);
uint64_t vcpu_cr3(const struct vcpu *v);

/* Bits 63:47 equal (SDM vol. 1, 3.3.7.1 "Canonical Addressing"). */
bool canonical(uint64_t address);

#endif
#endif
