/* exec_alu.c - arithmetic and logic of one and two operands (SDM vol. 1, 7.3.2 "Binary Arithmetic
 * Instructions", 7.3.5 "Logical Instructions"). */
#include "cpu/exec.h"

/* ---- operations: a op b on n bytes, with flags ---- */

static inline u64 op_add(struct core *c, u64 a, u64 b, unsigned n)
{
    u64 r = a + b;
    flags_add(c, a, b, r, n);
    return r;
}

static inline u64 op_adc(struct core *c, u64 a, u64 b, unsigned n)
{
    u64 r = a + b + (c->s.rflags & FLAG_CF);
    flags_add(c, a, b, r, n);
    return r;
}

static inline u64 op_sub(struct core *c, u64 a, u64 b, unsigned n)
{
    u64 r = a - b;
    flags_sub(c, a, b, r, n);
    return r;
}

static inline u64 op_sbb(struct core *c, u64 a, u64 b, unsigned n)
{
    u64 r = a - b - (c->s.rflags & FLAG_CF);
    flags_sub(c, a, b, r, n);
    return r;
}

static inline u64 op_and(struct core *c, u64 a, u64 b, unsigned n)
{
    flags_logic(c, a & b, n);
    return a & b;
}

static inline u64 op_or(struct core *c, u64 a, u64 b, unsigned n)
{
    flags_logic(c, a | b, n);
    return a | b;
}

static inline u64 op_xor(struct core *c, u64 a, u64 b, unsigned n)
{
    flags_logic(c, a ^ b, n);
    return a ^ b;
}

/* ---- the same three handlers for each ---- */

#define ALU(op) \
    void exec_##op##_E_G(struct core *c, const struct insn *in) \
    { \
        struct latch l; \
        u64 a = e_modify(c, in, &l); \
        e_commit(c, in, &l, op_##op(c, a, g_read(c, in), in->op_bytes)); \
    } \
    void exec_##op##_G_E(struct core *c, const struct insn *in) \
    { \
        u64 b = e_read(c, in); \
        g_write(c, in, op_##op(c, g_read(c, in), b, in->op_bytes)); \
    } \
    void exec_##op##_E_I(struct core *c, const struct insn *in) \
    { \
        struct latch l; \
        u64 a = e_modify(c, in, &l); \
        e_commit(c, in, &l, op_##op(c, a, in->imm, in->op_bytes)); \
    }

ALU(add)
ALU(or)
ALU(adc)
ALU(sbb)
ALU(and)
ALU(sub)
ALU(xor)

/* ---- flags alone ---- */

void exec_cmp_E_G(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    op_sub(c, a, g_read(c, in), in->op_bytes);
}

void exec_cmp_G_E(struct core *c, const struct insn *in)
{
    u64 b = e_read(c, in);
    op_sub(c, g_read(c, in), b, in->op_bytes);
}

void exec_cmp_E_I(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    op_sub(c, a, in->imm, in->op_bytes);
}

void exec_test_E_G(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    op_and(c, a, g_read(c, in), in->op_bytes);
}

void exec_test_E_I(struct core *c, const struct insn *in)
{
    u64 a = e_read(c, in);
    op_and(c, a, in->imm, in->op_bytes);
}

/* ---- one operand ---- */

/* INC and DEC leave CF. */
static void keep_cf(struct core *c, u64 before)
{
    flags_put(c, FLAG_CF, before & FLAG_CF);
}

void exec_inc_E(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 a = e_modify(c, in, &l);
    u64 before = c->s.rflags;
    u64 r = op_add(c, a, 1, in->op_bytes);
    keep_cf(c, before);
    e_commit(c, in, &l, r);
}

void exec_dec_E(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 a = e_modify(c, in, &l);
    u64 before = c->s.rflags;
    u64 r = op_sub(c, a, 1, in->op_bytes);
    keep_cf(c, before);
    e_commit(c, in, &l, r);
}

void exec_neg_E(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 a = e_modify(c, in, &l);
    e_commit(c, in, &l, op_sub(c, 0, a, in->op_bytes));
}

void exec_not_E(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 a = e_modify(c, in, &l);
    e_commit(c, in, &l, ~a);
}

/* ---- exchange and arithmetic ---- */

/* G first: when both name one register it gets the sum. */
void exec_xadd_E_G(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 a = e_modify(c, in, &l);
    u64 r = op_add(c, a, g_read(c, in), in->op_bytes);
    g_write(c, in, a);
    e_commit(c, in, &l, r);
}

/* Memory is written either way (SDM vol. 2, "CMPXCHG": "the destination is written back"). */
void exec_cmpxchg_E_G(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 a = e_modify(c, in, &l);
    op_sub(c, a_read(c, in), a, in->op_bytes);
    bool equal = flag(c, FLAG_ZF);
    u64 r = equal ? g_read(c, in) : a;
    if (equal || is_memory(in))
        e_commit(c, in, &l, r);
    if (!equal)
        a_write(c, in, a);
}

/* EDX:EAX against 8 bytes. */
void exec_cmpxchg8b(struct core *c, const struct insn *in)
{
    struct latch l;
    u64 *r = c->s.gpr;
    u64 a = mem_load_for_write(c, in, ea(c, in), 8, &l);
    bool equal = a == (r[REG_RDX] << 32 | (u32)r[REG_RAX]);
    mmu_store_commit(c, &l, equal ? r[REG_RCX] << 32 | (u32)r[REG_RBX] : a);
    flags_put(c, FLAG_ZF, equal ? FLAG_ZF : 0);
    if (!equal) {
        r[REG_RAX] = (u32)a;
        r[REG_RDX] = a >> 32;
    }
}

/* RDX:RAX against 16 aligned bytes. */
void exec_cmpxchg16b(struct core *c, const struct insn *in)
{
    struct latch low, high;
    u64 *r = c->s.gpr;
    u64 gva = ea(c, in);
    if (gva & 15)
        cpu_fault(c, VEC_GP, 0);
    u64 a = mem_load_for_write(c, in, gva, 8, &low);
    u64 d = mem_load_for_write(c, in, gva + 8, 8, &high);
    bool equal = a == r[REG_RAX] && d == r[REG_RDX];
    mmu_store_commit(c, &low, equal ? r[REG_RBX] : a);
    mmu_store_commit(c, &high, equal ? r[REG_RCX] : d);
    flags_put(c, FLAG_ZF, equal ? FLAG_ZF : 0);
    if (!equal) {
        r[REG_RAX] = a;
        r[REG_RDX] = d;
    }
}
