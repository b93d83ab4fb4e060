/* exec.h - what the handlers of instructions are made of: registers, operands, memory, flags.
 *
 * A handler does all its loads and store checks first, then commits stores and writes registers and flags.
 * Whatever touches memory may leave the atom. */
#ifndef RINGSIDE_EXEC_H
#define RINGSIDE_EXEC_H

#include "arch/x86.h"
#include "cpu/cpu.h"
#include "cpu/decode.h"
#include "cpu/flags.h"
#include "mmu/mmu.h"

/* ---- one prototype a handler: exec_add_E_G, exec_vmcall, ... ---- */

#define INSN(row, name, map, opcode, prefix, modrm, mod, size, imm, ops, may, addr, writes, latency, cpl, \
             flags, fn) \
    insn_handler exec_##fn;
#include "arch/isa.def"

/* ---- registers ---- */

/* The low n bytes (1, 2, 4, 8) of value. */
static inline u64 truncated(u64 value, unsigned n)
{
    return n == 8 ? value : value & (((u64)1 << 8 * n) - 1);
}

static inline u64 sign_extended(u64 value, unsigned n)
{
    u64 sign = (u64)1 << (8 * n - 1);
    return (truncated(value, n) ^ sign) - sign;
}

/* Without REX, byte registers 4..7 are AH, CH, DH, BH (SDM vol. 1, 3.7.2.1 "Register Operands in 64-Bit
 * Mode"). */
static inline bool is_high_byte(const struct insn *in, unsigned reg)
{
    return !in->rex && reg >= 4 && reg < 8;
}

static inline u64 reg_read(const struct core *c, const struct insn *in, unsigned reg, unsigned n)
{
    if (n == 1 && is_high_byte(in, reg))
        return c->s.gpr[reg - 4] >> 8 & 0xff;
    return truncated(c->s.gpr[reg], n);
}

/* 4-byte results clear the upper half; 1 and 2-byte results leave the rest. */
static inline void reg_write(struct core *c, const struct insn *in, unsigned reg, unsigned n, u64 value)
{
    if (n == 8)
        c->s.gpr[reg] = value;
    else if (n == 4)
        c->s.gpr[reg] = (u32)value;
    else if (n == 2)
        c->s.gpr[reg] = (c->s.gpr[reg] & ~(u64)0xffff) | (u16)value;
    else if (is_high_byte(in, reg))
        c->s.gpr[reg - 4] = (c->s.gpr[reg - 4] & ~(u64)0xff00) | (value & 0xff) << 8;
    else
        c->s.gpr[reg] = (c->s.gpr[reg] & ~(u64)0xff) | (u8)value;
}

/* The operand that ModRM's reg names, of operand size. */
static inline u64 g_read(const struct core *c, const struct insn *in)
{
    return reg_read(c, in, in->reg, in->op_bytes);
}

static inline void g_write(struct core *c, const struct insn *in, u64 value)
{
    reg_write(c, in, in->reg, in->op_bytes, value);
}

/* RAX and RDX of operand size; never AH or DH. */
static inline u64 a_read(const struct core *c, const struct insn *in)
{
    return truncated(c->s.gpr[REG_RAX], in->op_bytes);
}

static inline void a_write(struct core *c, const struct insn *in, u64 value)
{
    reg_write(c, in, REG_RAX, in->op_bytes, value);
}

/* ---- memory ---- */

static inline bool is_memory(const struct insn *in)
{
    return in->mod != 3;
}

static inline u64 addr_truncated(const struct insn *in, u64 address)
{
    return in->addr_bytes == 4 ? (u32)address : address;
}

/* The effective address of ModRM's memory operand, without its segment base. */
static inline u64 ea_offset(const struct core *c, const struct insn *in)
{
    u64 a = (u64)(i64)in->disp;
    if (in->base == 0xfe)
        a += c->s.rip + in->length;
    else if (in->base != 0xff)
        a += c->s.gpr[in->base];
    if (in->index != 0xff)
        a += c->s.gpr[in->index] << in->scale;
    return addr_truncated(in, a);
}

/* Only FS and GS have bases in 64-bit mode (SDM vol. 3, 3.4.4 "Segment Loading Instructions in IA-32e Mode").
 */
static inline u64 seg_base(const struct core *c, const struct insn *in)
{
    return in->seg >= SEG_FS ? c->s.seg[in->seg].base : 0;
}

/* The linear address of ModRM's memory operand. */
static inline u64 ea(const struct core *c, const struct insn *in)
{
    return ea_offset(c, in) + seg_base(c, in);
}

static inline unsigned data_access(const struct core *c)
{
    return cpl(c) == 3 ? MMU_USER : 0;
}

/* Every access of an instruction passes here: both ends must be canonical (SDM vol. 1, 3.3.7.1 "Canonical
 * Addressing"). */
static inline void check_range(struct core *c, u64 gva, unsigned n, bool stack)
{
    cpu_check_canonical(c, gva, stack);
    if (unlikely((gva ^ (gva + n - 1)) >> 12))
        cpu_check_canonical(c, gva + n - 1, stack);
}

/* n bytes at gva, as the operand of `in`: its segment decides between #GP and #SS. */
static inline u64 mem_load(struct core *c, const struct insn *in, u64 gva, unsigned n)
{
    check_range(c, gva, n, in->seg == SEG_SS);
    return mmu_load(c, gva, n, data_access(c));
}

static inline u64 mem_load_for_write(struct core *c, const struct insn *in, u64 gva, unsigned n,
                                     struct latch *l)
{
    check_range(c, gva, n, in->seg == SEG_SS);
    return mmu_load_for_write(c, gva, n, data_access(c), l);
}

static inline void mem_store_check(struct core *c, const struct insn *in, u64 gva, unsigned n,
                                   struct latch *l)
{
    check_range(c, gva, n, in->seg == SEG_SS);
    mmu_store_check(c, gva, n, data_access(c) | MMU_WRITE, l);
}

/* ---- the operand E: a register or memory ---- */

static inline u64 e_read_n(struct core *c, const struct insn *in, unsigned n)
{
    return is_memory(in) ? mem_load(c, in, ea(c, in), n) : reg_read(c, in, in->rm, n);
}

static inline u64 e_read(struct core *c, const struct insn *in)
{
    return e_read_n(c, in, in->op_bytes);
}

/* Reads E, which will be written: commit with e_commit. */
static inline u64 e_modify(struct core *c, const struct insn *in, struct latch *l)
{
    if (is_memory(in))
        return mem_load_for_write(c, in, ea(c, in), in->op_bytes, l);
    return reg_read(c, in, in->rm, in->op_bytes);
}

/* Prepares a write of n bytes to E that needs no read: commit with e_commit_n. */
static inline void e_prepare_n(struct core *c, const struct insn *in, unsigned n, struct latch *l)
{
    if (is_memory(in))
        mem_store_check(c, in, ea(c, in), n, l);
}

static inline void e_prepare(struct core *c, const struct insn *in, struct latch *l)
{
    e_prepare_n(c, in, in->op_bytes, l);
}

static inline void e_commit_n(struct core *c, const struct insn *in, unsigned n, const struct latch *l,
                              u64 value)
{
    if (is_memory(in))
        mmu_store_commit(c, l, truncated(value, n));
    else
        reg_write(c, in, in->rm, n, value);
}

static inline void e_commit(struct core *c, const struct insn *in, const struct latch *l, u64 value)
{
    e_commit_n(c, in, in->op_bytes, l, value);
}

/* ---- the stack ---- */

/* n bytes at RSP + offset. */
static inline u64 stack_load(struct core *c, u64 offset, unsigned n)
{
    u64 gva = c->s.gpr[REG_RSP] + offset;
    check_range(c, gva, n, true);
    return mmu_load(c, gva, n, data_access(c));
}

/* Prepares a store of n bytes `below` bytes under RSP. */
static inline void stack_store_check(struct core *c, u64 below, unsigned n, struct latch *l)
{
    u64 gva = c->s.gpr[REG_RSP] - below;
    check_range(c, gva, n, true);
    mmu_store_check(c, gva, n, data_access(c) | MMU_WRITE, l);
}

/* PUSH of one value of operand size. */
static inline void push(struct core *c, const struct insn *in, u64 value)
{
    struct latch l;
    stack_store_check(c, in->op_bytes, in->op_bytes, &l);
    mmu_store_commit(c, &l, truncated(value, in->op_bytes));
    c->s.gpr[REG_RSP] -= in->op_bytes;
}

/* ---- strings: one iteration an atom (docs/machine.md, "Atoms and micros") ---- */

/* True if a REP prefix finds a count of zero: nothing is to be done. */
static inline bool rep_is_over(const struct core *c, const struct insn *in)
{
    return in->rep && addr_truncated(in, c->s.gpr[REG_RCX]) == 0;
}

/* [RSI] with its segment, and [RDI]. */
static inline u64 string_source(const struct core *c, const struct insn *in)
{
    return addr_truncated(in, c->s.gpr[REG_RSI]) + seg_base(c, in);
}

static inline u64 string_destination(const struct core *c, const struct insn *in)
{
    return addr_truncated(in, c->s.gpr[REG_RDI]);
}

/* Moves RSI or RDI on by an element, the way that DF says. */
static inline void string_advance(struct core *c, const struct insn *in, unsigned reg)
{
    u64 step = c->s.rflags & FLAG_DF ? -(u64)in->op_bytes : in->op_bytes;
    c->s.gpr[reg] = addr_truncated(in, c->s.gpr[reg] + step);
}

/* After an iteration: counts it, and stays at this instruction if there are more and `again`.  Whatever comes
 * between pushes RF (SDM vol. 3, 17.3.1.1 "Instruction-Breakpoint Exception Condition"). */
static inline void rep_next(struct core *c, const struct insn *in, bool again)
{
    if (!in->rep)
        return;
    u64 left = addr_truncated(in, c->s.gpr[REG_RCX] - 1);
    c->s.gpr[REG_RCX] = left;
    if (left && again) {
        c->rt.next_rip = c->s.rip;
        c->s.rflags |= FLAG_RF;
    }
}

/* ---- branches ---- */

/* A taken near branch, after all else that can fault; #GP(0) unless target is canonical. */
static inline void check_target(struct core *c, u64 target)
{
    cpu_check_canonical(c, target, false);
}

static inline void branch_to(struct core *c, const struct insn *in, enum branch_kind kind, u64 target)
{
    c->rt.next_rip = target;
    pipeline_branch(c, kind, c->s.rip, in->length, true, target);
}

#endif
