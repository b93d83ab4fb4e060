/* exec_far.c - far transfers: IRET, far CALL, JMP and RET, SYSCALL and SYSRET, and the instructions that
 * raise events or say when they may come.  Their target is 64-bit code: there is no other. */
#include "arch/vmx.h"
#include "cpu/exec.h"
#include "cpu/privilege.h"
#include "cpu/segment.h"

static unsigned rpl(u16 selector)
{
    return selector & SELECTOR_RPL;
}

static void require(struct core *c, bool legal, unsigned vector, u16 selector)
{
    if (!legal)
        cpu_fault(c, vector, selector & 0xfffcu);
}

/* ---- code and stack segments of a transfer ---- */

struct target {
    u16 selector;
    bool by_gate; /* the selector and the code are those that a call gate names */
    struct descriptor code;
    struct descriptor_mark mark;
};

static void read_descriptor(struct core *c, u16 selector, struct target *t)
{
    require(c, !selector_is_null(selector), VEC_GP, 0);
    segment_read_or_gp(c, selector, 8, &t->code);
    t->selector = selector;
    t->by_gate = false;
}

static void read_code(struct core *c, u16 selector, struct target *t)
{
    read_descriptor(c, selector, t);
    require(c, desc_is_code(t->code.low), VEC_GP, selector);
}

static void finish_code_checks(struct core *c, struct target *t)
{
    require(c, t->code.low & DESC_P, VEC_NP, t->selector);
    require(c, desc_is_64bit(t->code.low), VEC_GP, t->selector);
    segment_mark_check(c, &t->code, DESC_ACCESSED, &t->mark);
}

/* Far CALL and JMP stay at their CPL (SDM vol. 3, 5.8.1 "Direct Calls or Jumps to Code Segments"). */
static void check_jump_target(struct core *c, const struct target *t)
{
    unsigned dpl = desc_dpl(t->code.low);
    bool conforming = desc_is_conforming(t->code.low);

    require(c, desc_is_code(t->code.low), VEC_GP, t->selector);
    require(c, conforming ? dpl <= cpl(c) : dpl == cpl(c) && rpl(t->selector) <= cpl(c), VEC_GP, t->selector);
}

/* ---- call gates (SDM vol. 3, 5.8.3.1 "IA-32e Mode Call Gates", 5.8.4 "Accessing a Code Segment Through a
 * Call Gate") ---- */

static bool is_call_gate(u64 low)
{
    return (low >> 40 & (SEG_S | SEG_TYPE)) == SYS_CALL_GATE;
}

/* From the gate to the code that it names; returns where that begins.  The upper half has a type of 0, lest
 * it be used as a descriptor. */
static u64 follow_gate(struct core *c, struct target *t)
{
    u16 selector = t->selector;
    struct descriptor gate;

    segment_read_or_gp(c, selector, 16, &gate);
    require(c, !(gate.high >> 40 & (SEG_S | SEG_TYPE)), VEC_GP, selector);
    require(c, desc_dpl(gate.low) >= cpl(c) && desc_dpl(gate.low) >= rpl(selector), VEC_GP, selector);
    require(c, gate.low & DESC_P, VEC_NP, selector);
    read_code(c, (u16)(gate.low >> 16), t);
    t->by_gate = true;
    require(c, desc_dpl(t->code.low) <= cpl(c), VEC_GP, t->selector);
    return (gate.low & 0xffff) | gate.low >> 48 << 16 | gate.high << 32;
}

static bool leads_inward(const struct core *c, const struct target *t)
{
    return t->by_gate && !desc_is_conforming(t->code.low) && desc_dpl(t->code.low) < cpl(c);
}

/* Returns go to the RPL of the selector, never inward. */
static void check_return_target(struct core *c, u16 selector, struct target *t)
{
    read_code(c, selector, t);
    unsigned dpl = desc_dpl(t->code.low);
    require(c, rpl(selector) >= cpl(c), VEC_GP, selector);
    require(c, desc_is_conforming(t->code.low) ? dpl <= rpl(selector) : dpl == rpl(selector), VEC_GP,
            selector);
    finish_code_checks(c, t);
}

static void enter_code(struct core *c, const struct target *t, unsigned new_cpl, u64 rip)
{
    segment_mark_commit(c, &t->mark);
    segment_set(&c->s.seg[SEG_CS], (u16)((t->selector & ~SELECTOR_RPL) | new_cpl), t->code.low);
    c->rt.next_rip = rip;
}

struct stack {
    struct segment seg;
    struct descriptor_mark mark;
};

/* The SS that a return pops.  64-bit mode takes a null one below ring 3.  absent: what a segment that is not
 * present raises, which SDM vol. 2 tells apart: #SS by "RET", #NP by "IRET". */
static void check_return_stack(struct core *c, u16 selector, unsigned new_cpl, unsigned absent,
                               struct stack *s)
{
    struct descriptor d;

    s->mark.due = false;
    if (selector_is_null(selector)) {
        require(c, new_cpl != 3 && rpl(selector) == new_cpl, VEC_GP, 0);
        segment_set_null(&s->seg, selector, new_cpl);
        return;
    }
    segment_read_or_gp(c, selector, 8, &d);
    bool fits = rpl(selector) == new_cpl && desc_is_stack(d.low) && desc_dpl(d.low) == new_cpl;
    require(c, fits, VEC_GP, selector);
    require(c, d.low & DESC_P, absent, selector);
    segment_mark_check(c, &d, DESC_ACCESSED, &s->mark);
    segment_set(&s->seg, selector, d.low);
}

/* What the outer ring may not use is made null (SDM vol. 3, 5.8.6 "Returning from a Called Procedure"). */
static void drop_inner_segments(struct core *c, unsigned new_cpl)
{
    static const enum segment_reg data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned i = 0; i < sizeof data / sizeof *data; i++) {
        struct segment *seg = &c->s.seg[data[i]];
        bool conforming = (seg->attr & (SEG_CODE | SEG_CONFORMING)) == (SEG_CODE | SEG_CONFORMING);
        if (!(seg->attr & SEG_UNUSABLE) && !conforming && (seg->attr & SEG_DPL) >> SEG_DPL_SHIFT < new_cpl)
            segment_set_null(seg, 0, 0);
    }
}

static void enter_stack(struct core *c, const struct stack *s, u64 rsp)
{
    unsigned old = cpl(c);

    segment_mark_commit(c, &s->mark);
    c->s.seg[SEG_SS] = s->seg;
    c->s.gpr[REG_RSP] = rsp;
    if (cpl(c) > old)
        drop_inner_segments(c, cpl(c));
}

/* ---- far RET, CALL, JMP ---- */

void exec_retf(struct core *c, const struct insn *in)
{
    unsigned n = in->op_bytes;
    u64 release = in->imm & 0xffff;
    struct target t;
    struct stack s;

    u64 rip = stack_load(c, 0, n);
    u16 selector = (u16)stack_load(c, n, n);
    check_return_target(c, selector, &t);
    cpu_check_canonical(c, rip, false);
    if (rpl(selector) == cpl(c)) {
        enter_code(c, &t, cpl(c), rip);
        c->s.gpr[REG_RSP] += 2 * n + release;
        return;
    }
    u64 rsp = stack_load(c, 2 * n + release, n);
    u16 ss = (u16)stack_load(c, 3 * n + release, n);
    check_return_stack(c, ss, rpl(selector), VEC_SS, &s);
    enter_code(c, &t, rpl(selector), rip);
    enter_stack(c, &s, rsp + release);
}

static u64 read_far_pointer(struct core *c, const struct insn *in, struct target *t)
{
    u64 gva = ea(c, in);
    u64 rip = mem_load(c, in, gva, in->op_bytes);

    read_descriptor(c, (u16)mem_load(c, in, gva + in->op_bytes, 2), t);
    if (is_call_gate(t->code.low))
        rip = follow_gate(c, t);
    else
        check_jump_target(c, t);
    finish_code_checks(c, t);
    cpu_check_canonical(c, rip, false);
    return rip;
}

/* A jump never changes the CPL. */
void exec_jmp_far(struct core *c, const struct insn *in)
{
    struct target t;
    u64 rip = read_far_pointer(c, in, &t);

    require(c, !leads_inward(c, &t), VEC_GP, t.selector);
    enter_code(c, &t, cpl(c), rip);
}

static void call_same(struct core *c, const struct target *t, u64 rip, unsigned n)
{
    struct latch l[2];

    stack_store_check(c, n, n, &l[0]);
    stack_store_check(c, 2 * n, n, &l[1]);
    mmu_store_commit(c, &l[0], c->s.seg[SEG_CS].selector);
    mmu_store_commit(c, &l[1], truncated(c->rt.next_rip, n));
    c->s.gpr[REG_RSP] -= 2 * n;
    enter_code(c, t, cpl(c), rip);
}

/* The inner ring's stack comes from the TSS; its SS is null (SDM vol. 3, 5.8.5.1 "Stack Switching in 64-bit
 * Mode"). */
static void call_inward(struct core *c, const struct target *t, u64 rip)
{
    unsigned new_cpl = desc_dpl(t->code.low);
    u64 rsp = segment_tss_stack(c, TSS_RSP0 + 8 * new_cpl);
    const u64 words[] = {c->s.seg[SEG_SS].selector, c->s.gpr[REG_RSP], c->s.seg[SEG_CS].selector,
                         c->rt.next_rip};
    struct latch l[4];

    for (unsigned i = 0; i < 4; i++) {
        rsp -= 8;
        cpu_check_canonical(c, rsp, true);
        mmu_store_check(c, rsp, 8, MMU_WRITE, &l[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        mmu_store_commit(c, &l[i], words[i]);
    c->s.gpr[REG_RSP] = rsp;
    segment_set_null(&c->s.seg[SEG_SS], (u16)new_cpl, new_cpl);
    enter_code(c, t, new_cpl, rip);
}

void exec_call_far(struct core *c, const struct insn *in)
{
    struct target t;
    u64 rip = read_far_pointer(c, in, &t);

    if (leads_inward(c, &t))
        call_inward(c, &t, rip);
    else
        call_same(c, &t, rip, t.by_gate ? 8 : in->op_bytes);
}

/* ---- IRET (SDM vol. 2A, "IRET/IRETD/IRETQ - Interrupt Return") ---- */

/* Flags that an instruction at this CPL may change. */
static u64 privileged_flags(const struct core *c)
{
    return (has_io_privilege(c) ? FLAG_IF : 0) | (cpl(c) == 0 ? FLAG_IOPL : 0);
}

static void set_flags(struct core *c, u64 mask, u64 value, unsigned n)
{
    mask = truncated(mask, n);
    c->s.rflags = (c->s.rflags & ~mask) | (value & mask);
}

enum { IRET_RIP, IRET_CS, IRET_FLAGS, IRET_RSP, IRET_SS, IRET_WORDS };

/* In 64-bit mode all five are popped, whatever the privilege. */
static void load_frame(struct core *c, unsigned n, u64 *word)
{
    if (likely(n == 8 && mmu_load_words(c, c->s.gpr[REG_RSP], IRET_WORDS, data_access(c), word)))
        return;
    for (unsigned i = 0; i < IRET_WORDS; i++)
        word[i] = stack_load(c, i * n, n);
}

void exec_iret(struct core *c, const struct insn *in)
{
    unsigned n = in->op_bytes;
    struct target t;
    struct stack s;
    u64 word[IRET_WORDS];

    require(c, !(c->s.rflags & FLAG_NT), VEC_GP, 0);
    vmx_unblock_nmi(c);
    load_frame(c, n, word);
    u64 rip = word[IRET_RIP];
    u16 cs = (u16)word[IRET_CS], ss = (u16)word[IRET_SS];
    check_return_target(c, cs, &t);
    check_return_stack(c, ss, rpl(cs), VEC_NP, &s);
    cpu_check_canonical(c, rip, false);
    u64 mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID | privileged_flags(c);
    if (cpl(c) == 0)
        mask |= FLAG_VIF | FLAG_VIP;
    set_flags(c, mask, word[IRET_FLAGS], n);
    enter_code(c, &t, rpl(cs), rip);
    enter_stack(c, &s, word[IRET_RSP]);
    c->s.nmi_unblocked = 0;
}

/* ---- SYSCALL, SYSRET, SWAPGS (SDM vol. 3, 5.8.8 "Fast System Calls in 64-Bit Mode") ---- */

static void flat_segments(struct core *c, u16 cs, u16 ss, u64 dpl)
{
    c->s.seg[SEG_CS] = (struct segment){cs, 0, 0xffffffff, SEG_ATTR_CODE64 | dpl << SEG_DPL_SHIFT};
    c->s.seg[SEG_SS] = (struct segment){ss, 0, 0xffffffff, SEG_ATTR_DATA | dpl << SEG_DPL_SHIFT};
}

static void require_sce(struct core *c)
{
    require(c, c->s.efer & EFER_SCE, VEC_UD, 0);
}

void exec_syscall(struct core *c, const struct insn *in)
{
    u16 cs = c->s.star >> 32 & 0xfffc;

    (void)in;
    require_sce(c);
    c->s.gpr[REG_RCX] = c->rt.next_rip;
    c->s.gpr[REG_R11] = c->s.rflags & ~(u64)FLAG_RF;
    c->s.rflags = (c->s.rflags & ~(c->s.fmask | FLAG_RF)) | FLAG_FIXED;
    flat_segments(c, cs, (u16)(cs + 8), 0);
    c->rt.next_rip = c->s.lstar;
}

/* Without REX.W it returns to compatibility mode, which does not exist.  Its row lets every CPL in, since #UD
 * comes first. */
void exec_sysret(struct core *c, const struct insn *in)
{
    u16 base = c->s.star >> 48 & 0xffff;

    require_sce(c);
    require(c, cpl(c) == 0, VEC_GP, 0);
    require(c, in->op_bytes == 8 && sys_canonical(c->s.gpr[REG_RCX]), VEC_GP, 0);
    c->s.rflags = (c->s.gpr[REG_R11] & FLAGS_ALL & ~(u64)(FLAG_RF | FLAG_VM)) | FLAG_FIXED;
    flat_segments(c, (u16)((base + 16) | 3), (u16)((base + 8) | 3), 3);
    c->rt.next_rip = c->s.gpr[REG_RCX];
}

void exec_swapgs(struct core *c, const struct insn *in)
{
    u64 base = c->s.seg[SEG_GS].base;

    (void)in;
    c->s.seg[SEG_GS].base = c->s.kernel_gs_base;
    c->s.kernel_gs_base = base;
}

/* ---- raising events ---- */

void exec_int3(struct core *c, const struct insn *in)
{
    (void)in;
    cpu_software_interrupt(c, VEC_BP, EVENT_SOFT_EXCEPTION, c->rt.next_rip);
}

void exec_int_n(struct core *c, const struct insn *in)
{
    cpu_software_interrupt(c, in->imm & 0xff, EVENT_SOFT_INT, c->rt.next_rip);
}

void exec_int1(struct core *c, const struct insn *in)
{
    (void)in;
    cpu_software_interrupt(c, VEC_DB, EVENT_PRIV_EXCEPTION, c->rt.next_rip);
}

/* ---- saying when they may come ---- */

void exec_cli(struct core *c, const struct insn *in)
{
    (void)in;
    require(c, has_io_privilege(c), VEC_GP, 0);
    c->s.rflags &= ~(u64)FLAG_IF;
}

/* Interrupts stay blocked for one instruction more (SDM vol. 2B, "STI - Set Interrupt Flag"). */
void exec_sti(struct core *c, const struct insn *in)
{
    (void)in;
    require(c, has_io_privilege(c), VEC_GP, 0);
    if (!(c->s.rflags & FLAG_IF))
        c->s.shadow_sti = 1;
    c->s.rflags |= FLAG_IF;
}

void exec_pushf(struct core *c, const struct insn *in)
{
    push(c, in, c->s.rflags & ~(u64)(FLAG_VM | FLAG_RF));
}

void exec_popf(struct core *c, const struct insn *in)
{
    u64 flags = stack_load(c, 0, in->op_bytes);
    u64 mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID | privileged_flags(c);

    set_flags(c, mask, flags, in->op_bytes);
    c->s.rflags &= ~(u64)FLAG_RF;
    c->s.gpr[REG_RSP] += in->op_bytes;
}
