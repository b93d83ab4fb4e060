/* generate.c - see generate.h.
 *
 * An instruction is built from its row: prefixes, REX, opcode, ModRM, displacement, immediate.  Some
 * registers begin as pointers into the data, as small numbers, as counts, or as addresses of the code;
 * operands prefer those, and what writes one of them ends its use, so that most accesses land where there is
 * memory and few instructions fault. */
#include "lib/generate.h"

#include <string.h>

#include "cpu/decode.h"
#include "mmu/mem.h"

/* ---- random numbers: splitmix64 ---- */

static u64 state;

static u64 next_random(void)
{
    u64 z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
    return (unsigned)((next_random() >> 32) * n >> 32);
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

static u64 random_value(void)
{
    static const u64 edge[] = {0,
                               1,
                               0x7f,
                               0x80,
                               0xff,
                               0x7fff,
                               0x8000,
                               0xffff,
                               0x7fffffff,
                               0x80000000u,
                               0xffffffffu,
                               0x7fffffffffffffffu,
                               0x8000000000000000u,
                               UINT64_MAX};
    u64 r = next_random();
    switch (below(4)) {
    case 0: return edge[below(sizeof edge / sizeof *edge)];
    case 1: return r >> (r & 63);
    default: return r;
    }
}

/* ---- rows ---- */

static const struct row {
    u8 map, opcode, prefix, modrm, mod, size, imm, operands, may, privilege, flags;
} rows[ISA_ROWS] = {
#define FLAGS_NO  0
#define FLAGS_SER 0
#define FLAGS_ICP 0
#define FLAGS_SIC 0
#define FLAGS_STK INSN_STACK
#define FLAGS_BR  INSN_BRANCH
#define FLAGS_BST (INSN_BRANCH | INSN_STACK)
#define FLAGS_FEN 0
#define FLAGS_EVT 0
#define INSN(row_, name, map_, opcode_, prefix_, modrm_, mod_, size_, imm_, ops_, may_, addr, writes, \
             latency, cpl_, flags_, fn) \
    {.map = ISA_MAP_##map_, \
     .opcode = opcode_, \
     .prefix = ISA_PREFIX_##prefix_, \
     .modrm = ISA_MODRM_##modrm_, \
     .mod = ISA_MOD_##mod_, \
     .size = ISA_SIZE_##size_, \
     .imm = ISA_IMM_##imm_, \
     .operands = ISA_OPS_##ops_, \
     .may = ISA_MAY_##may_, \
     .privilege = cpl_, \
     .flags = FLAGS_##flags_},
#include "arch/isa.def"
};

static bool between(unsigned row, unsigned first, unsigned last)
{
    return row >= first && row <= last;
}

/* Ends its sequence, by a fault or by going elsewhere, always or nearly so. */
static bool ends(unsigned row)
{
    return rows[row].privilege == 0 || between(row, ROW_cli, ROW_outs_z) ||
           between(row, ROW_mov_S_E, ROW_lsl) || between(row, ROW_verr, ROW_verw) || row == ROW_clac ||
           row == ROW_stac || row == ROW_iret || row == ROW_sysret;
}

/* Filled at first use: those that go on, and those that end. */
static u16 going[ISA_ROWS], ending[ISA_ROWS];
static unsigned going_count, ending_count;

static void sort_rows(void)
{
    for (unsigned row = 0; row < ISA_ROWS; row++) {
        if (!lockstep_may_run(row))
            continue;
        if (ends(row))
            ending[ending_count++] = (u16)row;
        else
            going[going_count++] = (u16)row;
    }
}

/* ---- what registers are good for ---- */

struct uses {
    u16 pointer, small, count, code; /* a bit per register */
};

static struct uses uses;
static struct sequence *seq;

/* One of the registers of a set, out of `from` of the sixteen; 16: there is none. */
static unsigned pick(u16 set, unsigned from)
{
    unsigned start = below(from);
    for (unsigned i = 0; i < from; i++)
        if (set >> (start + i) % from & 1)
            return (start + i) % from;
    return 16;
}

static u64 data_address(void)
{
    static const u64 edge[] = {NATIVE_DATA, NATIVE_DATA + NATIVE_DATA_BYTES,
                               NATIVE_READ_ONLY + NATIVE_READ_ONLY_BYTES, NATIVE_CODE};
    if (one_in(64))
        return edge[below(3)] - 16 + below(32);
    if (one_in(128)) /* its own code */
        return NATIVE_CODE + seq->at + below(32);
    return NATIVE_DATA + 0xc00 + below(0x800);
}

static void random_registers(struct sequence *s)
{
    static const u8 usual[] = {REG_RSI, REG_RDI, REG_RBX, REG_RBP};
    uses = (struct uses){1 << REG_RSP, 0, 0, 0};
    for (unsigned i = 0; i < sizeof usual; i++)
        uses.pointer |= one_in(4) ? 0 : 1u << usual[i];
    uses.pointer |= 1u << below(16);
    for (unsigned i = 0; i < 3; i++)
        uses.small |= (u16)((1u << below(16)) & ~uses.pointer);
    uses.count = one_in(2) ? 1 << REG_RCX : 0;
    uses.pointer &= (u16)~uses.count;
    uses.small &= (u16)~uses.count;
    uses.code = (u16)(1u << below(16) & ~(uses.pointer | uses.small | uses.count));
    for (unsigned i = 0; i < 16; i++) {
        unsigned bit = 1u << i;
        s->gpr[i] = uses.pointer & bit ? NATIVE_DATA + 0xc00 + below(0x800)
                    : uses.small & bit ? (u64)(i64)((int)below(128) - 64)
                    : uses.count & bit ? below(40)
                    : uses.code & bit  ? NATIVE_CODE + s->at + below(48)
                                       : random_value();
    }
    if (!one_in(8))
        s->gpr[REG_RSP] &= ~(u64)7;
    for (unsigned i = 0; i < SEQUENCE_STACK; i++)
        s->stack[i] = one_in(2) ? NATIVE_CODE + s->at + below(48) : random_value();
    s->rflags = next_random() & (FLAGS_STATUS | (one_in(4) ? FLAG_DF : 0));
}

/* After an instruction has been taken.  Strings and the stack only move their registers. */
static void forget_written(const struct insn *in)
{
    u16 kept = between(in->row, ROW_movs_b, ROW_scas_v)       ? 1 << REG_RSI | 1 << REG_RDI | 1 << REG_RCX
               : in->row == ROW_enter || in->row == ROW_leave ? 1 << REG_RSP
               : between(in->row, ROW_loopne, ROW_loop)       ? 1 << REG_RCX
                                                              : 0;
    u16 gone = in->write_regs & (u16)~kept;
    uses.pointer &= (u16)~gone;
    uses.small &= (u16)~gone;
    uses.count &= (u16)~gone;
    uses.code &= (u16)~gone;
}

/* ---- bytes ---- */

struct build {
    struct piece p;
    unsigned row;
    u8 rex;
    bool addr32;
    u8 seg;            /* the prefix: 64, 65 or 0 */
    unsigned rip_disp; /* where a displacement from RIP stands; 0: none */
    u64 target;
};

static void put(struct build *b, u64 value, unsigned n)
{
    for (unsigned i = 0; i < n && b->p.n < sizeof b->p.bytes; i++)
        b->p.bytes[b->p.n++] = (u8)(value >> 8 * i);
}

static bool has_opsize(const struct row *r)
{
    return r->size == ISA_SIZE_V || r->size == ISA_SIZE_Z || r->size == ISA_SIZE_S;
}

/* Prefixes that select the row, and others that do or do not matter. */
static void legacy_prefixes(struct build *b, const struct row *r)
{
    static const u8 ignored[] = {0x2e, 0x36, 0x3e, 0x26};
    u8 list[20];
    unsigned n = 0, copies = one_in(400) ? below(15) : 1;
    bool selected = r->prefix == ISA_PREFIX_NP || r->prefix == ISA_PREFIX_66 || r->prefix == ISA_PREFIX_NR;
    bool f3 = r->prefix == ISA_PREFIX_F3 || r->prefix == ISA_PREFIX_F3NOB;
    if (r->prefix == ISA_PREFIX_66 || (r->prefix != ISA_PREFIX_NP && one_in(has_opsize(r) ? 3 : 40)))
        list[n++] = 0x66;
    if (f3)
        list[n++] = 0xf3;
    else if (!selected && one_in(r->may == ISA_MAY_REP ? 2 : 40))
        list[n++] = one_in(2) ? 0xf2 : 0xf3;
    if (one_in(16))
        list[n++] = b->seg = one_in(2) ? 0x64 : 0x65;
    else if (one_in(16))
        list[n++] = ignored[below(4)];
    b->addr32 = one_in(12);
    if (b->addr32)
        list[n++] = 0x67;
    if (one_in(r->may == ISA_MAY_LOCK ? 4 : 500))
        list[n++] = 0xf0;
    for (unsigned i = n; n && i > 1; i--) { /* in any order */
        unsigned k = below(i);
        u8 t = list[i - 1];
        list[i - 1] = list[k];
        list[k] = t;
    }
    for (unsigned i = 1; i < copies; i++)
        put(b, 0x3e, 1);
    for (unsigned i = 0; i < n; i++)
        put(b, list[i], 1);
}

static void rex_prefix(struct build *b, const struct row *r)
{
    bool nob = r->prefix == ISA_PREFIX_NOB || r->prefix == ISA_PREFIX_F3NOB;
    b->rex = one_in(2) ? (u8)(0x40 | below(16)) : 0;
    if (r->prefix == ISA_PREFIX_W)
        b->rex |= 0x48;
    if (nob)
        b->rex &= 0xfe;
    if (one_in(200)) /* one that does not count */
        put(b, (u64)below(16) | 0x2e40, 2);
}

static void put_opcode(struct build *b, const struct row *r)
{
    bool eight = r->operands == ISA_OPS_Z || r->operands == ISA_OPS_Z_I || r->operands == ISA_OPS_Z_A;
    bool any = r->prefix == ISA_PREFIX_NOB || r->prefix == ISA_PREFIX_F3NOB || !eight;
    unsigned reg = any ? 0 : below(8);
    if (b->rex)
        put(b, b->rex, 1);
    if (r->map != ISA_MAP_ONE)
        put(b, 0x0f, 1);
    if (r->map == ISA_MAP_0F38)
        put(b, 0x38, 1);
    put(b, r->opcode + reg, 1);
}

/* ---- memory operands ---- */

/* Where an operand shall lie; aligned if it must be. */
static u64 operand_address(const struct build *b)
{
    u64 t = data_address();
    bool aligned = b->row == ROW_cmpxchg16b || rows[b->row].may == ISA_MAY_LOCK;
    if (aligned && !one_in(16))
        t &= ~(u64)15;
    return t - (b->seg == 0x64 ? NATIVE_FS_BASE : b->seg == 0x65 ? NATIVE_GS_BASE : 0);
}

static void put_sib_absolute(struct build *b, u8 reg)
{
    unsigned index = pick(uses.small & 0xffefu, b->rex & 2 ? 16 : 8);
    bool plain = index == 16 || (b->rex & 2) != index >> 3 << 1 || one_in(2);
    unsigned scale = below(4);
    if (plain) {
        b->rex &= 0xfd;
        index = 4;
    }
    u64 offset = plain ? 0 : seq->gpr[index] << scale;
    put(b, (u8)(reg << 3 | 4), 1);
    put(b, (u8)(scale << 6 | (index & 7) << 3 | 5), 1);
    put(b, operand_address(b) - offset, 4);
}

static void put_rip_relative(struct build *b, u8 reg)
{
    put(b, (u8)(reg << 3 | 5), 1);
    b->rip_disp = b->p.n;
    b->target = operand_address(b);
    put(b, 0, 4);
}

/* base + index * scale + displacement, short if it fits. */
static void put_based(struct build *b, u8 reg, unsigned base)
{
    unsigned limit = b->rex & 2 ? 16 : 8;
    unsigned index = one_in(2) ? pick(uses.small & (limit == 8 ? 0xef : 0xff00), limit) : 16;
    unsigned scale = below(4);
    u64 offset = seq->gpr[base] + (index < 16 ? seq->gpr[index] << scale : 0);
    u64 disp = one_in(2) ? (u64)(i64)((int)below(200) - 100) : operand_address(b) - offset;
    bool is_short = disp + 128 < 256;
    bool sib = index < 16 || (base & 7) == 4;
    u8 mod = is_short ? 0x40 : 0x80;
    put(b, (u8)(mod | reg << 3 | (sib ? 4 : base & 7)), 1);
    if (sib)
        put(b, (u8)(scale << 6 | (index < 16 ? index & 7 : 4) << 3 | (base & 7)), 1);
    put(b, disp, is_short ? 1 : 4);
}

/* Any bytes: most end in a fault. */
static void put_wild(struct build *b, u8 reg)
{
    put(b, (u8)(below(3) << 6 | reg << 3 | below(8)), 1);
    put(b, next_random(), 5);
}

static void put_memory(struct build *b, u8 reg)
{
    unsigned base = pick(uses.pointer, 16);
    bool fits = base < 16 && (b->rex & 1) == base >> 3;
    if (one_in(100))
        put_wild(b, reg);
    else if (one_in(8))
        put_sib_absolute(b, reg);
    else if (fits)
        put_based(b, reg, base);
    else
        put_rip_relative(b, reg);
}

/* BT and its kin reach as far as their offset says. */
static u8 random_reg(const struct build *b, bool memory)
{
    bool reaches =
        memory && between(b->row, ROW_bt_Ev_Gv, ROW_btc_Ev_Ib) && rows[b->row].modrm == ISA_MODRM_R;
    unsigned reg = reaches && !one_in(16) ? pick(uses.small, 16) : 16;
    if (reg < 16 && (b->rex >> 2 & 1) == reg >> 3)
        return reg & 7;
    return (u8)below(8);
}

static u8 random_rm(const struct build *b)
{
    bool jumps = b->row == ROW_call_E || b->row == ROW_jmp_E;
    unsigned reg = jumps ? pick(uses.code, 16) : 16;
    if (reg < 16 && (b->rex & 1) == reg >> 3)
        return reg & 7;
    return (u8)below(8);
}

static void put_modrm(struct build *b, const struct row *r)
{
    bool memory = r->mod == ISA_MOD_MEM || (r->mod == ISA_MOD_ANY && one_in(2));
    if (r->modrm == ISA_MODRM_NO)
        return;
    if (r->modrm >= ISA_MODRM_XC1) {
        put(b, r->modrm, 1);
        return;
    }
    u8 reg = r->modrm >= ISA_MODRM_D0 ? (u8)(r->modrm - ISA_MODRM_D0) : random_reg(b, memory);
    if (memory)
        put_memory(b, reg);
    else
        put(b, (u8)(0xc0 | reg << 3 | random_rm(b)), 1);
}

/* ---- immediates ---- */

static u64 branch_distance(void)
{
    return one_in(16) ? random_value() : one_in(4) ? (u64) - (i64)below(24) : below(12);
}

static void put_immediate(struct build *b, const struct row *r)
{
    bool w = b->rex & 8, opsize = memchr(b->p.bytes, 0x66, b->p.n > 4 ? 4 : b->p.n);
    unsigned z = has_opsize(r) && opsize && (!w || r->size != ISA_SIZE_V) ? 2 : 4;
    u64 value = r->operands == ISA_OPS_J ? branch_distance() : random_value();
    switch (r->imm) {
    case ISA_IMM_IB:
    case ISA_IMM_UB: put(b, value, 1); break;
    case ISA_IMM_UW: put(b, one_in(8) ? value : value & 0x7f, 2); break;
    case ISA_IMM_IZ: put(b, value, z); break;
    case ISA_IMM_ID: put(b, value, 4); break;
    case ISA_IMM_IV: put(b, value, w ? 8 : z); break;
    case ISA_IMM_EN:
        put(b, one_in(16) ? value : value & 0x3f, 2);
        put(b, one_in(2) ? value >> 16 : value >> 16 & 3, 1);
        break;
    case ISA_IMM_O: put(b, operand_address(b), b->addr32 ? 4 : 8); break;
    default: break;
    }
}

static void finish_rip(struct build *b)
{
    u64 at = NATIVE_CODE + seq->at;
    if (!b->rip_disp || b->rip_disp + 4 > sizeof b->p.bytes)
        return;
    for (unsigned i = 0; i < seq->count; i++)
        at += seq->insn[i].n;
    u64 disp = b->target - (at + b->p.n);
    for (unsigned i = 0; i < 4; i++)
        b->p.bytes[b->rip_disp + i] = (u8)(disp >> 8 * i);
}

/* ---- instructions ---- */

static struct piece random_insn(unsigned row)
{
    struct build b = {.row = row};
    const struct row *r = &rows[row];
    legacy_prefixes(&b, r);
    rex_prefix(&b, r);
    put_opcode(&b, r);
    put_modrm(&b, r);
    put_immediate(&b, r);
    finish_rip(&b);
    return b.p;
}

/* Are the registers that it goes by good for it? */
static bool is_tame(const struct insn *in)
{
    u16 needed = 0;
    if (in->flags & INSN_STACK || in->row == ROW_enter)
        needed |= 1 << REG_RSP;
    if (in->row == ROW_leave || in->row == ROW_enter)
        needed |= 1 << REG_RBP;
    if (between(in->row, ROW_movs_b, ROW_scas_v))
        needed |= in->address_regs;
    if (in->row == ROW_xlat)
        needed |= 1 << REG_RBX;
    bool counted =
        (between(in->row, ROW_movs_b, ROW_scas_v) && in->rep) || between(in->row, ROW_loopne, ROW_loop);
    if (one_in(32))
        return true;
    return (uses.pointer & needed) == needed && (!counted || uses.count & 1 << REG_RCX);
}

static void append(const struct piece *p)
{
    seq->insn[seq->count++] = *p;
}

/* POPF of a value that is pushed for it. */
static void append_popf(void)
{
    u64 value = random_value() & ~(u64)(one_in(8) ? 0 : FLAG_TF);
    struct piece push = {5, {0x68, (u8)value, (u8)(value >> 8), (u8)(value >> 16), (u8)(value >> 24)}};
    append(&push);
}

static void append_random(void)
{
    unsigned row = one_in(48) ? ending[below(ending_count)] : going[below(going_count)];
    struct insn in;
    struct piece p = random_insn(row);
    enum decode_result result = decode(p.bytes, p.n < INSN_BYTES_MAX ? p.n : INSN_BYTES_MAX, &in);
    if (result == DECODE_OK && (!is_tame(&in) || in.row != row))
        return;
    if (result == DECODE_OK && in.length < p.n)
        p.n = in.length;
    if (result != DECODE_OK && !one_in(8))
        return;
    if (row == ROW_popf)
        append_popf();
    append(&p);
    if (result == DECODE_OK)
        forget_written(&in);
}

/* In the middle of the code area, across its pages, or up to its edge, which may cut the last instruction. */
static unsigned random_place(void)
{
    switch (below(16)) {
    case 0: return PAGE_BYTES - below(32);
    case 1: return NATIVE_CODE_BYTES - 1 - below(48);
    default: return 0x800 + below(64);
    }
}

void sequence_make(struct sequence *s, u64 seed)
{
    if (!going_count)
        sort_rows();
    state = seed;
    seq = s;
    s->seed = seed;
    s->at = random_place();
    s->data = below(POOL_BYTES / 2 / 8) * 8;
    s->count = 0;
    random_registers(s);
    unsigned wanted = 1 + below(8);
    for (unsigned tries = 0; s->count < wanted && tries < 100; tries++)
        append_random();
}
