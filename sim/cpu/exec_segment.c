/* exec_segment.c - segment registers, descriptor tables, and what descriptors allow (SDM vol. 3, 5
 * "Protection"). */
#include "cpu/exec.h"
#include "cpu/privilege.h"
#include "cpu/segment.h"

static _Noreturn void fault_selector(struct core *c, unsigned vector, u16 selector)
{
    cpu_fault(c, vector, selector & 0xfffcu);
}

static unsigned rpl(u16 selector)
{
    return selector & SELECTOR_RPL;
}

static bool is_present(u64 low)
{
    return (low & DESC_P) != 0;
}

/* ---- loading segment registers (SDM vol. 2B, "MOV - Move") ---- */

struct loaded {
    struct segment seg;
    struct descriptor_mark mark;
};

/* Data and readable code whose privilege lets CPL and RPL in. */
static void check_data(struct core *c, u16 selector, u64 low)
{
    bool code = desc_is_code(low);
    bool usable = low >> 40 & SEG_S && (!code || low >> 40 & SEG_READABLE);
    bool conforming = code && desc_is_conforming(low);

    if (!usable || (!conforming && (rpl(selector) > desc_dpl(low) || cpl(c) > desc_dpl(low))))
        fault_selector(c, VEC_GP, selector);
    if (!is_present(low))
        fault_selector(c, VEC_NP, selector);
}

static void check_stack(struct core *c, u16 selector, u64 low)
{
    if (rpl(selector) != cpl(c) || !desc_is_stack(low) || desc_dpl(low) != cpl(c))
        fault_selector(c, VEC_GP, selector);
    if (!is_present(low))
        fault_selector(c, VEC_SS, selector);
}

/* 64-bit mode takes a null SS below ring 3, if RPL is CPL. */
static void check_null(struct core *c, enum segment_reg n, u16 selector)
{
    if (n == SEG_SS && (cpl(c) == 3 || rpl(selector) != cpl(c)))
        cpu_fault(c, VEC_GP, 0);
}

static void segment_prepare(struct core *c, enum segment_reg n, u16 selector, struct loaded *l)
{
    struct descriptor d;

    l->mark.due = false;
    if (selector_is_null(selector)) {
        check_null(c, n, selector);
        segment_set_null(&l->seg, selector, n == SEG_SS ? cpl(c) : 0);
        return;
    }
    segment_read_or_gp(c, selector, 8, &d);
    if (n == SEG_SS)
        check_stack(c, selector, d.low);
    else
        check_data(c, selector, d.low);
    segment_mark_check(c, &d, DESC_ACCESSED, &l->mark);
    segment_set(&l->seg, selector, d.low);
}

static void segment_finish(struct core *c, enum segment_reg n, const struct loaded *l)
{
    segment_mark_commit(c, &l->mark);
    c->s.seg[n] = l->seg;
}

static void segment_load(struct core *c, enum segment_reg n, u16 selector)
{
    struct loaded l;

    segment_prepare(c, n, selector, &l);
    segment_finish(c, n, &l);
}

void exec_mov_S_E(struct core *c, const struct insn *in)
{
    unsigned n = in->reg & 7;

    if (n == SEG_CS || n > SEG_GS)
        cpu_fault(c, VEC_UD, 0);
    segment_load(c, (enum segment_reg)n, (u16)e_read_n(c, in, 2));
    if (n == SEG_SS)
        c->s.shadow_ss = 1;
}

/* Selectors go to memory as 16 bits, to a register as wide as it is. */
static void store_selector(struct core *c, const struct insn *in, u64 selector)
{
    unsigned n = is_memory(in) ? 2 : in->op_bytes;
    struct latch l;

    e_prepare_n(c, in, n, &l);
    e_commit_n(c, in, n, &l, selector);
}

void exec_mov_E_S(struct core *c, const struct insn *in)
{
    unsigned n = in->reg & 7;

    if (n > SEG_GS)
        cpu_fault(c, VEC_UD, 0);
    store_selector(c, in, c->s.seg[n].selector);
}

void exec_push_fs(struct core *c, const struct insn *in)
{
    push(c, in, c->s.seg[SEG_FS].selector);
}

void exec_push_gs(struct core *c, const struct insn *in)
{
    push(c, in, c->s.seg[SEG_GS].selector);
}

static void pop_segment(struct core *c, const struct insn *in, enum segment_reg n)
{
    segment_load(c, n, (u16)stack_load(c, 0, in->op_bytes));
    c->s.gpr[REG_RSP] += in->op_bytes;
}

void exec_pop_fs(struct core *c, const struct insn *in)
{
    pop_segment(c, in, SEG_FS);
}

void exec_pop_gs(struct core *c, const struct insn *in)
{
    pop_segment(c, in, SEG_GS);
}

/* A far pointer: the offset, then the selector. */
static void load_far(struct core *c, const struct insn *in, enum segment_reg n)
{
    u64 gva = ea(c, in);
    u64 offset = mem_load(c, in, gva, in->op_bytes);

    segment_load(c, n, (u16)mem_load(c, in, gva + in->op_bytes, 2));
    g_write(c, in, offset);
}

void exec_lss(struct core *c, const struct insn *in)
{
    load_far(c, in, SEG_SS);
}

void exec_lfs(struct core *c, const struct insn *in)
{
    load_far(c, in, SEG_FS);
}

void exec_lgs(struct core *c, const struct insn *in)
{
    load_far(c, in, SEG_GS);
}

/* ---- asking: LAR, LSL, VERR, VERW ---- */

/* Finds the descriptor if CPL and RPL may see it. */
static bool visible(struct core *c, u16 selector, struct descriptor *d)
{
    if (selector_is_null(selector) || !segment_read(c, selector, 8, d))
        return false;
    bool conforming = desc_is_code(d->low) && desc_is_conforming(d->low);
    return conforming || (cpl(c) <= desc_dpl(d->low) && rpl(selector) <= desc_dpl(d->low));
}

/* A bit for each system type that an instruction accepts in 64-bit mode. */
#define TYPES_LSL (1u << SYS_LDT | 1u << SYS_TSS_AVAILABLE | 1u << SYS_TSS_BUSY)
#define TYPES_LAR (TYPES_LSL | 1u << SYS_CALL_GATE)

static bool has_type(u64 low, unsigned system_types)
{
    return low >> 40 & SEG_S || system_types >> (low >> 40 & SEG_TYPE) & 1;
}

static void set_zf(struct core *c, bool value)
{
    flags_put(c, FLAG_ZF, value ? FLAG_ZF : 0);
}

/* Bits 19:16, which the manual leaves undefined, are those of the limit, as on processors. */
void exec_lar(struct core *c, const struct insn *in)
{
    struct descriptor d;
    bool ok = visible(c, (u16)e_read_n(c, in, 2), &d) && has_type(d.low, TYPES_LAR);

    if (ok)
        g_write(c, in, d.low >> 32 & 0xffff00);
    set_zf(c, ok);
}

void exec_lsl(struct core *c, const struct insn *in)
{
    struct descriptor d;
    bool ok = visible(c, (u16)e_read_n(c, in, 2), &d) && has_type(d.low, TYPES_LSL);

    if (ok)
        g_write(c, in, desc_limit(d.low));
    set_zf(c, ok);
}

void exec_verr(struct core *c, const struct insn *in)
{
    struct descriptor d;
    bool seen = visible(c, (u16)e_read_n(c, in, 2), &d) && d.low >> 40 & SEG_S;

    set_zf(c, seen && (!desc_is_code(d.low) || d.low >> 40 & SEG_READABLE));
}

void exec_verw(struct core *c, const struct insn *in)
{
    struct descriptor d;
    bool seen = visible(c, (u16)e_read_n(c, in, 2), &d);

    set_zf(c, seen && desc_is_stack(d.low));
}

/* ---- GDTR and IDTR: a 16-bit limit, then a 64-bit base ---- */

static void store_table(struct core *c, const struct insn *in, u64 limit, u64 base)
{
    struct latch l[2];
    u64 gva = ea(c, in);

    require_no_umip(c);
    mem_store_check(c, in, gva, 2, &l[0]);
    mem_store_check(c, in, gva + 2, 8, &l[1]);
    mmu_store_commit(c, &l[0], limit);
    mmu_store_commit(c, &l[1], base);
}

static void load_table(struct core *c, const struct insn *in, u64 *limit, u64 *base)
{
    u64 gva = ea(c, in);
    u64 new_limit = mem_load(c, in, gva, 2);
    u64 new_base = mem_load(c, in, gva + 2, 8);

    cpu_check_canonical(c, new_base, false);
    *limit = new_limit;
    *base = new_base;
}

void exec_sgdt(struct core *c, const struct insn *in)
{
    store_table(c, in, c->s.gdtr_limit, c->s.gdtr_base);
}

void exec_sidt(struct core *c, const struct insn *in)
{
    store_table(c, in, c->s.idtr_limit, c->s.idtr_base);
}

void exec_lgdt(struct core *c, const struct insn *in)
{
    load_table(c, in, &c->s.gdtr_limit, &c->s.gdtr_base);
}

void exec_lidt(struct core *c, const struct insn *in)
{
    load_table(c, in, &c->s.idtr_limit, &c->s.idtr_base);
}

/* ---- LDTR and TR: 16-byte descriptors (SDM vol. 3, 7.2.3 "TSS Descriptor in 64-bit mode") ---- */

void exec_sldt(struct core *c, const struct insn *in)
{
    require_no_umip(c);
    store_selector(c, in, c->s.seg[SEG_LDTR].selector);
}

void exec_str(struct core *c, const struct insn *in)
{
    require_no_umip(c);
    store_selector(c, in, c->s.seg[SEG_TR].selector);
}

/* In the GDT, of the type wanted, present, with a canonical base. */
static u64 read_system(struct core *c, u16 selector, unsigned type, struct descriptor *d)
{
    if (selector & SELECTOR_TI)
        fault_selector(c, VEC_GP, selector);
    segment_read_or_gp(c, selector, 16, d);
    if ((d->low >> 40 & (SEG_TYPE | SEG_S)) != type || d->high >> 40 & (SEG_TYPE | SEG_S))
        fault_selector(c, VEC_GP, selector);
    if (!is_present(d->low))
        fault_selector(c, VEC_NP, selector);
    u64 base = desc_base(d->low) | d->high << 32;
    if (!sys_canonical(base))
        fault_selector(c, VEC_GP, selector);
    return base;
}

void exec_lldt(struct core *c, const struct insn *in)
{
    u16 selector = (u16)e_read_n(c, in, 2);
    struct segment *ldt = &c->s.seg[SEG_LDTR];
    struct descriptor d;

    if (selector_is_null(selector)) {
        segment_set_null(ldt, selector, 0);
        return;
    }
    u64 base = read_system(c, selector, SYS_LDT, &d);
    segment_set(ldt, selector, d.low);
    ldt->base = base;
}

void exec_ltr(struct core *c, const struct insn *in)
{
    u16 selector = (u16)e_read_n(c, in, 2);
    struct descriptor_mark busy;
    struct descriptor d;

    if (selector_is_null(selector))
        cpu_fault(c, VEC_GP, 0);
    u64 base = read_system(c, selector, SYS_TSS_AVAILABLE, &d);
    segment_mark_check(c, &d, DESC_TSS_IS_BUSY, &busy);
    segment_mark_commit(c, &busy);
    segment_set(&c->s.seg[SEG_TR], selector, d.low | DESC_TSS_IS_BUSY);
    c->s.seg[SEG_TR].base = base;
}
