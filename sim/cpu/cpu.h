/* cpu.h - instructions, exceptions, interrupts: what the units of sim/cpu offer each other and the run loop.
 */
#ifndef RINGSIDE_CPU_H
#define RINGSIDE_CPU_H

#include "machine.h"

/* ---- the run loop's view ---- */

/* Runs up to `atoms` atoms, while the clock is before rt.until and the machine not halted.  rt.until is
 * until_cycle, or less if an atom lowers it: another core may be next from then on (schedule.h).  cpu/atom.c
 * RUN_STOPPED: at the end of an atom, as rt.atom.micro_stop asked; RUN_STOPPED_INSIDE: the last atom is half
 * done.
 */
enum run_end { RUN_GOES_ON, RUN_STOPPED, RUN_STOPPED_INSIDE, RUN_HALTED };
enum run_end cpu_run(struct core *c, u64 atoms, u64 until_cycle);

/* Before an instruction, when rt.look_again says so: runs what is due, and takes an exit, an interrupt or a
 * debug exception if there is one: true if that was the atom.  cpu/between.c */
bool cpu_between_instructions(struct core *c);
/* Cycle of the next event that the core, as it is, would look at; UINT64_MAX: none. */
u64 cpu_next_due(const struct core *c);

/* One atom, whole (or up to rt.atom.micro_stop).  ATOM_DONE or ATOM_STOPPED. */
enum atom_left cpu_atom(struct core *c);

/* Power-on and reset (SDM vol. 3, 9.1 "Initialization Overview"); then the boot protocol's registers are set
 * by the loader. */
void cpu_power_on(struct core *c);
void cpu_reset(struct core *c);
/* INIT (SDM vol. 3, 9.1.1 "Processor State After Reset", table 9-1), outside VMX operation; then the core
 * waits for a start-up IPI. */
void cpu_init(struct core *c);

struct insn; /* cpu/decode.h */

/* The atom of an instruction of a block, whose lines are fetched.  True if a stop was asked for at its end.
 * cpu/atom.c */
bool cpu_insn_of_block(struct core *c, const struct insn *in);
/* A fault or a VM exit is about to leave the atom: a block that is running adds up what it has done.
 * cpu/run.c */
void run_leaves(struct core *c);

/* ---- exceptions and interrupts: cpu/exception.c ---- */

/* Raises an exception: records it as the pending event, tells the `fault` probe, leaves the atom.
 * Exceptions of vectors that have no error code ignore `error`. */
_Noreturn void cpu_fault(struct core *c, unsigned vector, u32 error);
_Noreturn void cpu_page_fault(struct core *c, u64 gva, u32 error);
_Noreturn void cpu_not_canonical(struct core *c, bool stack); /* #GP(0), or #SS(0) */

/* INT n, INT3, INT1: becomes the pending event, delivered as the next atom. */
void cpu_software_interrupt(struct core *c, unsigned vector, enum event_type type, u64 next_rip);

/* Delivers the pending event through the IDT (SDM vol. 3, 6.12.1, 6.14 "64-bit mode"), or makes its VM exit,
 * as one atom. Contributory faults while delivering: double fault, then shutdown (SDM vol. 3, 6.15). */
void cpu_deliver_event(struct core *c);

/* RFLAGS as the frame of the pending event will have them: RF keeps an instruction breakpoint from stopping
 * an instruction again (SDM vol. 3, 17.3.1.1 "Instruction-Breakpoint Exception Condition"); of an injected
 * event as the guest-state area has it (26.6.1.1). */
u64 cpu_flags_image(const struct core *c);

/* If an external interrupt or NMI is due and may be taken now, makes it the pending event (or its VM exit)
 * and returns true. */
bool cpu_take_interrupt(struct core *c);
/* An NMI is what it would take, rather than the cause of a VM exit. */
bool cpu_nmi_is_due(const struct core *c);
/* True if something due would wake the core from HLT now. */
bool cpu_wakes(const struct core *c);
/* An external interrupt would. */
bool cpu_hears(const struct core *c);

/* ---- local APIC: cpu/apic.c ---- */

u64 apic_read(struct core *c, u32 offset); /* offset of the xAPIC page, 0x20, 0x30, ... */
void apic_write(struct core *c, u32 offset, u64 value);
bool apic_msr(struct core *c, u32 msr, bool write, u64 *value); /* x2APIC; false: #GP */
int apic_pending_vector(const struct core *c);                  /* highest above PPR, -1: none */
int apic_acknowledge(struct core *c);                           /* IRR to ISR */
void apic_raise(struct core *c, unsigned vector);               /* sets IRR: edge-triggered */
void apic_raise_level(struct core *c, unsigned vector);         /* likewise, and its EOI goes to the board */
/* The local APIC is one of those that the destination of a message or IPI names. */
bool apic_is_destination(const struct core *to, u64 dest, bool logical, u64 broadcast);
/* Of the two, either may be NULL, the one that takes a lowest-priority interrupt (SDM vol. 3, 10.6.2.4
 * "Lowest Priority Delivery Mode"): `a` unless the processor priority of `b` is lower; NULL if neither is
 * enabled. */
struct core *apic_lowest(struct core *a, struct core *b);
u64 apic_next_due(const struct core *c); /* cycle of the next timer event, UINT64_MAX: none */
void apic_run_due(struct core *c);       /* fires what is due by c->s.cycle */
void apic_reset(struct core *c);
void apic_init(struct core *c); /* by INIT: the ID and the mode stay */

/* ---- control registers, MSRs, CPUID: cpu/system.c ---- */

/* As the instructions do, with every #GP check and the flushes that follow. */
void sys_write_cr(struct core *c, unsigned n, u64 value);
u64 sys_read_cr(const struct core *c, unsigned n);
bool sys_read_msr(struct core *c, u32 msr, u64 *value); /* false: #GP(0) */
bool sys_write_msr(struct core *c, u32 msr, u64 value);
void sys_cpuid(const struct core *c, u32 leaf, u32 subleaf, u32 out[4]); /* eax ebx ecx edx */

/* Bits 63:47 are equal. */
static inline bool sys_canonical(u64 address)
{
    return (u64)((i64)(address << (64 - LINEAR_BITS)) >> (64 - LINEAR_BITS)) == address;
}

/* #GP(0) unless the address is canonical; #SS(0) when `stack`. */
static inline void cpu_check_canonical(struct core *c, u64 gva, bool stack)
{
    if (unlikely(!sys_canonical(gva)))
        cpu_not_canonical(c, stack);
}

/* ---- VMX: cpu/vmx.c, vmx_entry.c, vmx_exit.c, vmcs.c ---- */

/* In non-root operation: makes the VM exit that this instruction causes, if it does (SDM vol. 3, 25.1
 * "Instructions that cause VM exits"), and leaves the atom; else returns.  Called by the dispatcher for rows
 * of isa.def that have an intercept, after the privilege check and before the instruction does anything. */
void vmx_intercept(struct core *c, const struct insn *in);

/* Makes a VM exit and leaves the atom: saves the guest, loads the host, all at its cycles. */
_Noreturn void vmx_exit(struct core *c, u32 reason, u64 qualification);
/* The same with what EPT exits record. */
_Noreturn void vmx_exit_ept(struct core *c, u32 reason, u64 qualification, u64 gpa, u64 gva);
/* "EPT-violation #VE" is 1 and no event is being delivered: a convertible EPT violation becomes #VE, unless
 * the information area is busy.  cpu/vmx_ve.c */
bool vmx_converts(const struct core *c);
bool vmx_ve_is_busy(const struct core *c); /* without a cycle */
/* Raises #VE for a convertible EPT violation; returns if the area is busy. */
void vmx_virtualization_exception(struct core *c, u64 qualification, u64 gpa, u64 gva);
/* Exit for the pending event, if the exception bitmap (or external-interrupt exiting, NMI exiting) says so;
 * else returns. */
void vmx_exit_on_event(struct core *c);
/* Preemption timer: cycle at which it expires, UINT64_MAX: off. */
u64 vmx_next_due(const struct core *c);
/* The atom is one of waiting: a guest's single steps do not count it. */
void vmx_idle(struct core *c);
/* Before an instruction in non-root operation: makes the exits that are due without one (preemption timer,
 * interrupt window, NMI window, external interrupt) in the priority of SDM vol. 3, 25.2, and leaves the atom;
 * else returns. */
void vmx_exit_if_due(struct core *c);
/* An MTF VM exit, one of the virtual APIC or the window of interrupts or of NMIs waits for the next atom,
 * whatever the activity state. */
bool vmx_exit_is_waiting(const struct core *c);
/* What blocks NMIs, as the program that runs sees it: virtual-NMI blocking in a guest that has virtual NMIs.
 */
u64 *vmx_nmi_blocking(struct core *c);
/* What IRET does to that, before anything of it may fault. */
void vmx_unblock_nmi(struct core *c);
/* The time-stamp counter as the guest reads it, scaled and offset (SDM vol. 3, 25.3).  cpu/vmx_tsc.c */
u64 vmx_tsc(const struct core *c);
/* A triple fault: exit in non-root operation, else returns. */
void vmx_exit_triple_fault(struct core *c);
/* VMXON .. INVVPID: the isa.def handlers of the same names are in cpu/vmx.c. */
bool vmx_read_msr(struct core *c, u32 msr, u64 *value); /* capability MSRs, 480H..491H; false: not ours */
/* Legal values of CR0 and CR4 in VMX operation (SDM vol. 3, 23.8). */
bool vmx_cr_allowed(const struct core *c, unsigned n, u64 value);
const char *vmx_reason_name(u32 reason);
/* The rule of VM entry by its number (core_rt.vmx_rule): field, what must hold, section.  NULL: no such rule.
 */
const char *vmx_rule_text(u32 number);

/* ---- ports and device addresses: dev/board.c ---- */

u64 board_in(struct core *c, u16 port, unsigned n); /* unclaimed: ones */
void board_out(struct core *c, u16 port, unsigned n, u64 value);
u64 board_mmio_read(struct core *c, u64 hpa, unsigned n);
void board_mmio_write(struct core *c, u64 hpa, unsigned n, u64 value);
/* The EOI of a level-triggered interrupt, to the I/O APIC (SDM vol. 3, 10.8.5 "Signaling Interrupt Servicing
 * Completion"). */
void board_end_of_interrupt(struct machine *m, unsigned vector);
/* The vector that the board's INTR line would give; -1: it is not asserted.  And taking it. */
int board_external_vector(const struct machine *m);
unsigned board_acknowledge(struct machine *m);
/* The machine stops for good: tells `halt` and its micro.  detail: state.def, halt_detail. */
void board_halt(struct core *c, enum halt_cause cause, u64 status, u64 detail);
enum page_kind board_page_kind(const struct core *c,
                               u64 hpa); /* RAM, local APIC page, device, APIC-access page, none */
/* All n bytes are RAM for cores and devices. */
bool board_is_ram(const struct machine *m, u64 hpa, u64 n);

/* ---- pipeline timing: cpu/pipeline.c (docs/machine.md, "The pipeline") ---- */

enum branch_kind { BRANCH_CONDITIONAL, BRANCH_JUMP, BRANCH_CALL, BRANCH_RETURN };

#define REDIRECT_CYCLES 3 /* B3, Z1: D, M and X hold nothing useful */

/* Before an instruction executes: the address rule (A1, A2), and the wait of fences (S4). */
void pipeline_issue(struct core *c, const struct insn *in);
/* After it has executed: X1, Z1 and its own cycle. */
void pipeline_retire(struct core *c, const struct insn *in);
/* Rule F3: called by mmu_fetch_line when the ITLB or L1I misses. */
void pipeline_fetch_miss(struct core *c);
/* Predicts, compares, trains and charges a branch at rip of `length` bytes that went to target. */
void pipeline_branch(struct core *c, enum branch_kind kind, u64 rip, unsigned length, bool taken, u64 target);
/* Waits until the store buffer is empty (S4, E5). */
void pipeline_drain_stores(struct core *c);
/* Rule Z1: serialising instructions, events, VM entry and exit. */
void pipeline_serialise(struct core *c);

#endif
