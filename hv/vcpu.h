/* vcpu.h - a virtual CPU: the part of its state that the VMCS does not hold, and entering it. */
#ifndef HV_VCPU_H
#define HV_VCPU_H

/* For vmenter.S: offsets in struct vcpu, and the encoding of the host RSP field. */
#define VCPU_HOST_RSP       128
#define VCPU_HOST_RSP_FIELD 0x6c14

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "lapic.h"
#include "scheduler.h"
#include "shadow_state.h"
#include "startup.h"

#define VCPU_MSRS 6

/* What of the guest's control registers and EFER decides how its page tables are read. */
struct guest_mode {
    bool wp, smep, smap, nxe, pge;
};

struct core;
struct vm;

struct vcpu {
    uint64_t gpr[16];  /* in encoding order (REG_RAX ...); RSP is in the VMCS */
    uint64_t host_rsp; /* what the host RSP field holds */
    uint64_t vmcs;     /* hpa */
    uint64_t launched; /* VMRESUME, not VMLAUNCH */
    uint64_t cr2;
    uint64_t dr[4], dr6;
    uint64_t msr[VCPU_MSRS]; /* vcpu_msrs[] in vcpu.c */
    uint64_t misc_enable;    /* as the guest sees it; the core keeps its own */
    uint64_t efer;           /* the same; the VMCS may have more */
    struct guest_mode mode;  /* kept for the shadow pager */
    struct shadow_cpu shadow;
    struct vm *vm;
    uint64_t index; /* within its VM: the number of the virtual CPU, and its APIC's at reset */
    uint16_t vpid;
    uint64_t runs_until; /* what its VMX-preemption timer is set for, by the TSC */
    unsigned steps;      /* why it exits after one instruction (step.h) */
    bool halted;         /* in HLT, with nothing to wake it yet */
    unsigned wakers;     /* what could: WAKES_BY_INTERRUPT and WAKES_BY_NMI */
    struct lapic lapic;
    uint64_t *posted; /* its posted-interrupt descriptor; NULL: it has none (posted.h) */
    struct event event;
    struct startup startup;
    struct core *core;      /* that holds its state, or NULL: no other may touch its VMCS then */
    struct core *last_core; /* that has held it last, and may have cached its translations */
    struct turn turn;       /* scheduler.c */
};

/* Makes v's state that of this core, all but what VM entry loads; the one that was there before is put down.
 */
void vcpu_switch_to(struct vcpu *v);
/* Saves the state that this core holds and gives up its VMCS, so that any core may take it. */
void vcpu_put_down(void);

/* One VM entry and the exit that ends it.  Gives the lock back and does not take it again.  False if the
 * entry failed and the guest did not run (VMfail). */
bool vcpu_enter(struct vcpu *v);

/* Guest state of the current VMCS, as exit handlers change it: an instruction is over (one whose exit tells
 * its length, or one of so many bytes), or an iteration of a string instruction that is not the last. */
void vcpu_skip_instruction(void);
void vcpu_advance(uint64_t bytes);
void vcpu_skip_iteration(void);

/* What the guest reads from CR0; v's CR3, as the guest has it. */
uint64_t guest_cr0(void);
uint64_t vcpu_cr3(const struct vcpu *v);

/* Bits 63:47 equal (SDM vol. 1, 3.3.7.1 "Canonical Addressing"). */
bool canonical(uint64_t address);

#endif
#endif
