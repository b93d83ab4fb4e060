/* atom.c - the run loop: one atom after another.
 *
 * Where instructions come next, blocks of them run first (run.h); what they leave runs here, an atom at a
 * time, as does everything while somebody looks at every instruction or wants to stop inside one.  What is
 * due is looked at only when rt.look_again says so: every timer, and whatever could make a pending interrupt
 * acceptable, sets it (look()).  It is derived: 0 is always right. */
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/decode.h"
#include "cpu/decode_cache.h"
#include "cpu/run.h"

_Noreturn void micro_stop(struct atom *a)
{
    longjmp(a->jmp, ATOM_STOPPED);
}

static void look(struct core *c)
{
    c->rt.look_again = 0;
}

/* INT n changes nothing that an interrupt, an exit or a trap waits for, but for what a guest's exits do. */
static bool event_matters(const struct core *c)
{
    return c->s.event_type != EVENT_SOFT_INT || c->s.vmx_guest;
}

/* ---- an instruction ---- */

/* Each lasts for one instruction, and who casts the same again does not prolong it (SDM vol. 3, 6.8.3
 * "Masking Exceptions and Interrupts When Switching Stacks"). */
static void end_of_shadow(struct core *c, u64 sti, u64 ss)
{
    if (sti)
        c->s.shadow_sti = 0;
    if (ss)
        c->s.shadow_ss = 0;
}

static void insn_retired(struct core *c, const struct insn *in, u64 flags_before)
{
    u64 rip = c->s.rip;
    if (unlikely((flags_before | c->s.rflags) & (FLAG_TF | FLAG_RF)))
        debug_retire(c, in, flags_before);
    c->s.rip = c->rt.next_rip;
    c->s.count.insns++;
    c->s.count.insns_guest += c->rt.atom_guest;
    bool matters = in->privilege == 0 || in->flags & INSN_INTERCEPT;
    if (matters || (c->s.rflags ^ flags_before) & (FLAG_IF | FLAG_TF) || c->s.pending_debug || c->s.shadow_ss)
        look(c);
    PROBE(c, RS_PROBE_insn, rip, in->length, c->s.cycle - c->rt.atom_cycle);
}

/* Tells of the end of an atom for which insn_retired does not. */
static void tell_atom(struct core *c)
{
    PROBE(c, RS_PROBE_atom, c->s.cycle - c->rt.atom_cycle);
}

static void run_insn(struct core *c, const struct insn *in)
{
    u64 shadow_sti = c->s.shadow_sti, shadow_ss = c->s.shadow_ss;
    u64 flags_before = c->s.rflags;
    if (unlikely(in->privilege < cpl(c)))
        cpu_fault(c, VEC_GP, 0);
    pipeline_issue(c, in);
    if (unlikely(in->flags & INSN_INTERCEPT && c->rt.atom_guest))
        vmx_intercept(c, in);
    c->rt.next_rip = c->s.rip + in->length;
    in->execute(c, in);
    if (unlikely(in->flags & INSN_EVENT)) {
        tell_atom(c);
        return;
    }
    pipeline_retire(c, in);
    end_of_shadow(c, shadow_sti, shadow_ss);
    insn_retired(c, in, flags_before);
}

static void begin_atom(struct core *c)
{
    c->rt.atom_cycle = c->s.cycle;
    c->rt.atom_guest = c->s.vmx_guest;
    c->rt.fetch_waited = c->rt.delivering = c->rt.registers_stand = false;
    c->rt.vapic_write = 0;
}

/* True if the atom is something else than an instruction: a delivery, an interrupt, HLT. */
static bool something_else(struct core *c)
{
    if (unlikely(c->s.event_valid)) {
        if (event_matters(c))
            look(c);
        cpu_deliver_event(c);
    } else if (likely(c->s.cycle < c->rt.look_again) || !cpu_between_instructions(c)) {
        return false;
    }
    tell_atom(c);
    return true;
}

/* ---- the loop ---- */

/* The atom's last micro.  True if a stop was asked for here. */
static bool atom_ends(struct core *c)
{
    if (c->rt.atom_guest)
        c->s.count.cycles_guest += c->s.cycle - c->rt.atom_cycle;
    c->s.atom++;
    c->rt.general_atoms++;
    return atom_end(&c->rt.atom, c->s.cycle);
}

bool cpu_insn_of_block(struct core *c, const struct insn *in)
{
    begin_atom(c);
    run_insn(c, in);
    return atom_ends(c);
}

/* An atom that one of a block's instructions has left early was the last of those. */
static u64 forget_blocks(struct core *c)
{
    u64 done = c->rt.run.done;
    c->rt.run.done = c->rt.run.told = 0;
    return done;
}

/* Blocks have stopped short of an instruction that may start: nothing is due before it. */
static bool instruction_next(const struct core *c, u64 left)
{
    return left && c->s.cycle < c->rt.until && c->s.cycle < c->rt.look_again;
}

enum run_end cpu_run(struct core *c, u64 atoms, u64 until_cycle)
{
    volatile u64 left = atoms;
    c->rt.until = until_cycle;
    int how = setjmp(c->rt.atom.jmp);
    if (how)
        left -= forget_blocks(c);
    if (how == ATOM_STOPPED)
        return RUN_STOPPED_INSIDE;
    if (how == ATOM_DONE) {
        look(c);
        tell_atom(c);
        if (atom_ends(c))
            return RUN_STOPPED;
        left--;
    }
    while (left && c->s.cycle < c->rt.until && !c->m->b.halted) {
        begin_atom(c);
        if (!something_else(c)) {
            u64 run = run_blocks(c, left);
            left -= run;
            if (unlikely(c->rt.run.stopped))
                return RUN_STOPPED;
            if (run && !instruction_next(c, left))
                continue;
            if (run)
                begin_atom(c);
            run_insn(c, c->rt.run.tail ? c->rt.run.tail : fetch_insn(c));
        }
        if (atom_ends(c))
            return RUN_STOPPED;
        left--;
    }
    return c->m->b.halted ? RUN_HALTED : RUN_GOES_ON;
}

enum atom_left cpu_atom(struct core *c)
{
    return cpu_run(c, 1, UINT64_MAX) == RUN_STOPPED_INSIDE ? ATOM_STOPPED : ATOM_DONE;
}
