/* lockstep.c - see lockstep.h.  The machine goes first: what it does says where the sequence must be cut, and
 * whether it may run on the processor at all. */
#include "lib/lockstep.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "lib/eflags.h"
#include "lib/ring3.h"

#define ATOMS_MAX  400
#define CUTS_MAX   4
#define EXIT_BYTES 5
#define INT3       0xcc
#define JMP        0xe9
#define HOST(at)   ((u8 *)(uintptr_t)(at))

/* ---- what there is ---- */

static struct ring3 machine;
static unsigned features;
static char difference[256];
static const char *other; /* what the machine is compared with, in its messages */
static u8 pool[POOL_BYTES];
static u64 covered[ISA_ROWS][4];
static unsigned broken_row = ISA_ROWS;
static u64 broken_bits;

struct outcome {
    u64 gpr[16], rip, rflags;
    unsigned vector; /* NATIVE_LEFT: by the gate */
    u32 error;
    u64 cr2;
};

/* A run on the machine, and what was seen on the way. */
struct trip {
    const struct sequence *s;
    unsigned bytes;   /* of the code, without the jump out */
    unsigned cut;     /* where the code must end, from its beginning */
    u64 undefined;    /* flags that are undefined by now */
    unsigned strayed; /* the row that changed a flag which the table says it does not; ISA_ROWS: none */
    bool segments;    /* FS or GS takes part */
    bool skip;
    u64 code_stamp;
    unsigned atoms;
    struct {
        u16 row;
        u8 size;
    } seen[ATOMS_MAX];
    struct outcome end;
};

static void fill_pool(void)
{
    u64 x = 0x2545f4914f6cdd1d;
    for (unsigned i = 0; i < POOL_BYTES; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        u64 value = x & 3 << 20 ? x : x >> (x & 63); /* a quarter are small */
        memcpy(pool + i, &value, 8);
    }
}

const char *lockstep_difference(void)
{
    return difference;
}

void lockstep_break(unsigned row, u64 bits)
{
    broken_row = row;
    broken_bits = bits;
}

/* Always false. */
static bool say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(difference, sizeof difference, format, list);
    va_end(list);
    return false;
}

/* ---- rows ---- */

static bool between(unsigned row, unsigned first, unsigned last)
{
    return row >= first && row <= last;
}

bool lockstep_may_run(unsigned row)
{
    switch (row) {
    case ROW_syscall:
    case ROW_rdtsc:
    case ROW_rdtscp:
    case ROW_int1:  /* hypervisors under the host differ */
    case ROW_rdpmc: /* by CR4.PCE */
    case ROW_cpuid:
    case ROW_invpcid: /* #UD or #GP, by the host's CPUID */
    case ROW_sldt:    /* and the next by CR4.UMIP, and by what Linux makes of it */
    case ROW_str:
    case ROW_sgdt:
    case ROW_sidt:
    case ROW_smsw: return false;
    case ROW_movbe_Gv_Mv:
    case ROW_movbe_Mv_Gv: return features & NATIVE_MOVBE;
    case ROW_popcnt: return features & NATIVE_POPCNT;
    case ROW_lzcnt: return features & NATIVE_LZCNT;
    default: return !between(row, ROW_esc_d8, ROW_invvpid); /* the host has an x87 */
    }
}

unsigned lockstep_sizes(unsigned row)
{
    static const struct {
        u8 size, prefix;
    } of[ISA_ROWS] = {
#define INSN(row_, name, map, opcode, prefix_, modrm, mod, size_, imm, ops, may, addr, writes, latency, cpl, \
             flags, fn) \
    {ISA_SIZE_##size_, ISA_PREFIX_##prefix_},
#include "arch/isa.def"
    };
    if (of[row].prefix == ISA_PREFIX_W)
        return 8;
    if (of[row].prefix == ISA_PREFIX_NP && of[row].size == ISA_SIZE_V)
        return 4 | 8;
    if (row == ROW_div_Ev || row == ROW_idiv_Ev) /* of 8 bytes: rows of their own */
        return 2 | 4;
    if (row == ROW_cmpxchg8b)
        return 4;
    switch (of[row].size) {
    case ISA_SIZE_B: return 1;
    case ISA_SIZE_W: return 2;
    case ISA_SIZE_V: return 2 | 4 | 8;
    case ISA_SIZE_Z: return 2 | 4;
    case ISA_SIZE_Y: return 4 | 8;
    case ISA_SIZE_S: return 2 | 8;
    default: return 8;
    }
}

static unsigned size_index(unsigned op_bytes)
{
    return op_bytes == 8 ? 3 : op_bytes == 4 ? 2 : op_bytes == 2 ? 1 : 0;
}

u64 lockstep_covered(unsigned row, unsigned op_bytes)
{
    return covered[row][size_index(op_bytes)];
}

/* ---- code and data in both places ---- */

static unsigned bytes_of(const struct sequence *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->count; i++)
        n += s->insn[i].n;
    return n;
}

/* Code may end at the edge. */
static void put_code(unsigned at, const u8 *bytes, unsigned n)
{
    if (at >= NATIVE_CODE_BYTES)
        return;
    n = n < NATIVE_CODE_BYTES - at ? n : NATIVE_CODE_BYTES - at;
    memcpy(HOST(NATIVE_CODE) + at, bytes, n);
    ring3_put(&machine, NATIVE_CODE + at, bytes, n);
}

/* The first `bytes` of it, and a jump out. */
static void put_sequence(const struct sequence *s, unsigned bytes)
{
    u8 code[SEQUENCE_INSNS_MAX * 16 + EXIT_BYTES];
    unsigned n = 0;
    for (unsigned i = 0; i < s->count; i++) {
        memcpy(code + n, s->insn[i].bytes, s->insn[i].n);
        n += s->insn[i].n;
    }
    u32 distance = NATIVE_GATE - (NATIVE_CODE + s->at + bytes + EXIT_BYTES);
    code[bytes] = JMP;
    for (unsigned k = 0; k < 4; k++)
        code[bytes + 1 + k] = (u8)(distance >> 8 * k);
    put_code(s->at, code, bytes + EXIT_BYTES);
}

static void erase_code(unsigned at, unsigned n)
{
    u8 filler[NATIVE_CODE_BYTES];
    memset(filler, INT3, n);
    put_code(at, filler, n);
}

static void put_data(const struct sequence *s)
{
    u64 at = s->gpr[REG_RSP] - NATIVE_DATA;
    u8 *data = HOST(NATIVE_DATA);
    memcpy(data, pool + s->data, NATIVE_DATA_BYTES);
    if (at <= NATIVE_DATA_BYTES - sizeof s->stack)
        for (unsigned i = 0; i < 8 * SEQUENCE_STACK; i++)
            data[at + i] = (u8)(s->stack[i / 8] >> i % 8 * 8);
    ring3_put(&machine, NATIVE_DATA, data, NATIVE_DATA_BYTES);
}

/* ---- beginning and end ---- */

bool lockstep_open(void)
{
    if (!native_open() || !ring3_open(&machine))
        return false;
    features = native_features();
    fill_pool();
    erase_code(0, NATIVE_CODE_BYTES);
    return true;
}

void lockstep_close(void)
{
    ring3_close(&machine);
}

/* ---- what may run next ---- */

/* Not in 64-bit mode, on any processor (SDM vol. 2, A.3, table A-2, "i64"; opcode groups 4, 5 and 8, table
 * */
static bool is_nowhere_defined(const u8 *bytes)
{
    static const char absent[] =
        "\x06\x07\x0e\x16\x17\x1e\x1f\x27\x2f\x37\x3f\x60\x61\x82\x9a\xce\xd4\xd6\xea";
    static const char prefixes[] = "\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65";
    unsigned i = 0;
    while (i < 13 && bytes[i] && strchr(prefixes, bytes[i]))
        i++;
    i += (bytes[i] & 0xf0) == 0x40;
    u8 digit = bytes[i + 1] >> 3 & 7;
    if (bytes[i] == 0xfe || bytes[i] == 0xff)
        return digit == 7 || (bytes[i] == 0xfe && digit > 1);
    return bytes[i] && strchr(absent, bytes[i]);
}

static bool is_locked(const struct insn *in)
{
    return in->lock || in->row == ROW_xchg_Mb_Gb || in->row == ROW_xchg_Mv_Gv;
}

/* A locked access across a cache line stops the bus of the whole host, and kernels punish it. */
static bool splits_lock(const struct core *c, const struct insn *in)
{
    unsigned n = in->row == ROW_cmpxchg16b ? 16 : in->row == ROW_cmpxchg8b ? 8 : in->op_bytes;
    bool far_bit = between(in->row, ROW_bts_Ev_Gv, ROW_btc_Ev_Ib) && in->lock;
    u64 at = ea(c, in);
    return is_locked(in) && is_memory(in) && ((at & 63) + n > 64 || (far_bit && at % in->op_bytes));
}

/* 66 shortens near branches, REX.W far pointers, F2 and F3 change LOOPE and LOOPNE, or not, by vendor. */
static bool goes_by_vendor(const struct insn *in, const u8 *bytes)
{
    bool by_66 = in->flags & INSN_BRANCH && memchr(bytes, 0x66, in->length);
    bool far = between(in->row, ROW_lss, ROW_jmp_far) && in->op_bytes == 8;
    bool hint = in->mod == 3 && between(in->row, ROW_prefetchw_0d, ROW_nop_1e);
    bool loop = between(in->row, ROW_loopne, ROW_loop) &&
                (memchr(bytes, 0xf2, in->length) || memchr(bytes, 0xf3, in->length));
    bool wide = in->row == ROW_movsxd && in->op_bytes == 2 && is_memory(in); /* reads 2 bytes or 4 */
    return !(features & NATIVE_INTEL) && (by_66 || far || hint || loop || wide);
}

/* Hints that newer processors took for instructions, and F3 that makes TZCNT of BSF. */
static bool is_newer_elsewhere(const struct insn *in, const u8 *bytes)
{
    bool hint = between(in->row, ROW_prefetchw_0d, ROW_nop_1e);
    bool scan = in->row == ROW_bsf || (in->row == ROW_bsr && memchr(bytes, 0xf3, in->length));
    return (hint || scan) && (memchr(bytes, 0xf3, in->length) || (hint && memchr(bytes, 0xf2, in->length)));
}

/* n bytes at an address that can be read, all ones elsewhere. */
static u64 peek(u64 at, unsigned n)
{
    u8 bytes[8];
    u64 value = 0;
    bool data = at - NATIVE_DATA <= NATIVE_DATA_BYTES + NATIVE_READ_ONLY_BYTES - n;
    if (!data && at - NATIVE_CODE > NATIVE_CODE_BYTES - n)
        return UINT64_MAX;
    ring3_get(&machine, at, bytes, n);
    for (unsigned i = n; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* Far returns and IRET to anything but where they are: what is checked first goes by vendor. */
static bool returns_elsewhere(const struct core *c, const struct insn *in)
{
    u64 n = in->op_bytes, top = c->s.gpr[REG_RSP];
    if (in->row != ROW_retf && in->row != ROW_retf_Iw && in->row != ROW_iret)
        return false;
    return n == 2 || peek(top + n, 2) != NATIVE_CS ||
           (in->row == ROW_iret && peek(top + 4 * n, 2) != NATIVE_SS);
}

/* Far jumps into Linux's segment of 32-bit code, which the machine refuses. */
static bool leaves_64_bit_mode(const struct core *c, const struct insn *in)
{
    bool far = in->row == ROW_call_far || in->row == ROW_jmp_far;
    return far && (peek(ea(c, in) + in->op_bytes, 2) & 0xfffc) == 0x20;
}

/* The selector that an instruction is about to load or look at. */
static u64 selector_of(const struct core *c, const struct insn *in)
{
    switch (in->row) {
    case ROW_lar:
    case ROW_lsl:
    case ROW_verr:
    case ROW_verw:
    case ROW_mov_S_E: return is_memory(in) ? peek(ea(c, in), 2) : c->s.gpr[in->rm];
    case ROW_pop_fs:
    case ROW_pop_gs: return peek(c->s.gpr[REG_RSP], 2);
    case ROW_lss:
    case ROW_lfs:
    case ROW_lgs: return peek(ea(c, in) + in->op_bytes, 2);
    default: return 0;
    }
}

/* The segment by which Linux tells the number of the processor. */
static bool selects_cpu_number(const struct core *c, const struct insn *in)
{
    return (selector_of(c, in) & 0xfffc) == 0x78;
}

static bool insn_may_run(struct trip *t, const struct core *c, const struct insn *in, const u8 *bytes)
{
    struct eflags e = eflags_of(c, in);
    if (!lockstep_may_run(in->row) || e.tests & t->undefined || e.result_undefined)
        return false;
    if (in->row == ROW_int_n && (in->imm & 0xff) == 0x80)
        return false;
    return !splits_lock(c, in) && !goes_by_vendor(in, bytes) && !is_newer_elsewhere(in, bytes) &&
           !returns_elsewhere(c, in) && !leaves_64_bit_mode(c, in) && !selects_cpu_number(c, in);
}

/* The bytes at RIP, as far as there are any; 0: RIP is not in the code. */
static unsigned bytes_at_rip(const struct core *c, u8 bytes[INSN_BYTES_MAX])
{
    u64 at = c->s.rip - NATIVE_CODE;
    if (at >= NATIVE_CODE_BYTES)
        return 0;
    u64 n = NATIVE_CODE_BYTES - at < INSN_BYTES_MAX ? NATIVE_CODE_BYTES - at : INSN_BYTES_MAX;
    memset(bytes, 0, INSN_BYTES_MAX);
    ring3_get(&machine, c->s.rip, bytes, n);
    return (unsigned)n;
}

/* What is no instruction here may be one on the host, but not with a wrong LOCK, or beyond 15 bytes. */
static bool is_same_nowhere(enum decode_result result, const struct insn *in, const u8 *bytes, unsigned n)
{
    bool control = between(in->row, ROW_mov_E_CR, ROW_mov_DR_E); /* LOCK means CR8 on some */
    if (result == DECODE_UD && n < INSN_BYTES_MAX)
        return false; /* whether the rest is wanted first goes by vendor */
    if (result == DECODE_UD)
        return (in->lock && !control && !memchr(bytes, 0x0f, INSN_BYTES_MAX)) || is_nowhere_defined(bytes);
    if (!(features & NATIVE_INTEL)) /* branches and UD1 may be shorter */
        return !memchr(bytes, 0x66, n) && !memchr(bytes, 0x0f, n);
    return true;
}

/* False: the sequence must end before this instruction. */
static bool look_ahead(struct trip *t, const struct core *c, struct eflags *e)
{
    u8 bytes[INSN_BYTES_MAX];
    struct insn in;
    unsigned n = bytes_at_rip(c, bytes);
    *e = (struct eflags){0};
    t->seen[t->atoms].row = ISA_ROWS;
    if (n == 0)
        return true;
    enum decode_result result = decode(bytes, n, &in);
    if (result != DECODE_OK)
        return is_same_nowhere(result, &in, bytes, n);
    if (!insn_may_run(t, c, &in, bytes))
        return false;
    t->segments |= in.seg >= SEG_FS || between(in.row, ROW_mov_S_E, ROW_lgs);
    t->seen[t->atoms].row = in.row;
    t->seen[t->atoms].size = (u8)size_index(in.row == ROW_cmpxchg16b ? 8 : in.op_bytes);
    *e = eflags_of(c, &in);
    return true;
}

/* ---- on the machine ---- */

static void load(const struct sequence *s)
{
    struct core_state *c = &machine.core->s;
    memcpy(c->gpr, s->gpr, sizeof c->gpr);
    c->rip = NATIVE_CODE + s->at;
    c->rflags = s->rflags | FLAG_FIXED | FLAG_IF;
    ring3_reset(&machine, NATIVE_FS_BASE, NATIVE_GS_BASE);
}

static bool is_software(const struct core_state *c)
{
    return c->event_type != EVENT_HARD_EXCEPTION;
}

/* INT n whose gate is the kernel's ends in #GP; INT3, INT1 and INT 3, INT 4 arrive. */
static void deliver_software(struct core *c)
{
    bool open = c->s.event_vector == VEC_BP || c->s.event_vector == VEC_OF;
    if (c->s.event_valid && c->s.event_type == EVENT_SOFT_INT && !open)
        cpu_atom(c);
}

static void take_outcome(struct trip *t, const struct core_state *c)
{
    struct outcome *o = &t->end;
    memset(o, 0, sizeof *o);
    memcpy(o->gpr, c->gpr, sizeof o->gpr);
    o->rip = c->event_valid && is_software(c) ? c->event_next_rip : c->rip;
    o->rflags = c->rflags;
    o->vector = c->event_valid ? (unsigned)c->event_vector : NATIVE_LEFT;
    o->error = c->event_valid ? (u32)c->event_error : 0;
    o->cr2 = c->event_valid ? c->event_cr2 : 0;
}

static void break_result(struct core *c, unsigned row)
{
    if (row != broken_row)
        return;
    c->s.gpr[REG_RAX] ^= broken_bits;
}

static bool has_left(const struct core *c)
{
    return c->s.event_valid || (c->s.rip == NATIVE_GATE && !c->s.pending_debug);
}

/* One atom.  False: cut, or skip. */
static bool step(struct trip *t, struct core *c)
{
    struct eflags e;
    u64 before = c->s.rflags, rip = c->s.rip;
    if (t->atoms == ATOMS_MAX) {
        t->skip = true;
        return false;
    }
    if (!look_ahead(t, c, &e)) {
        t->cut = (unsigned)(c->s.rip - NATIVE_CODE) - t->s->at;
        return false;
    }
    u64 stamp = ring3_stamp(&machine, NATIVE_CODE);
    cpu_atom(c);
    if (c->s.rip == rip && ring3_stamp(&machine, NATIVE_CODE) != stamp)
        t->skip = true; /* a REP that writes over itself: whether it goes on is not defined */
    break_result(c, t->seen[t->atoms].row);
    if (!c->s.event_valid)
        t->undefined = (t->undefined & ~e.writes) | e.undefined;
    else if (c->s.event_vector == VEC_DE)
        t->undefined = FLAGS_STATUS;
    if (!c->s.event_valid && (before ^ c->s.rflags) & FLAGS_STATUS & ~(e.writes | e.undefined))
        t->strayed = t->seen[t->atoms].row;
    t->atoms++;
    return true;
}

static bool run_machine(struct trip *t)
{
    struct core *c = machine.core;
    load(t->s);
    put_data(t->s);
    t->code_stamp = ring3_stamp(&machine, NATIVE_CODE);
    t->undefined = t->atoms = 0;
    t->strayed = ISA_ROWS;
    while (!has_left(c))
        if (!step(t, c))
            return false;
    deliver_software(c);
    take_outcome(t, &c->s);
    return !t->skip;
}

/* ---- compared ---- */

/* Linux says "present" of all of its own half. */
static bool same_event(const struct outcome *a, const struct outcome *b)
{
    u32 hidden = a->vector == VEC_PF && a->cr2 >> 63 ? PF_P : 0;
    bool error = between(a->vector, VEC_TS, VEC_PF) || a->vector == VEC_AC;
    bool differs = a->vector != b->vector || (error && (a->error ^ b->error) & ~hidden) ||
                   (a->vector == VEC_PF && a->cr2 != b->cr2);
    if (differs)
        return say("ended by vector %u, error code %x, CR2 %llx, RIP %llx; %s %u, %x, %llx, %llx", a->vector,
                   a->error, (unsigned long long)a->cr2, (unsigned long long)a->rip, other, b->vector,
                   b->error, (unsigned long long)b->cr2, (unsigned long long)b->rip);
    return true;
}

static bool same_u64(const char *name, u64 a, u64 b)
{
    return a == b || say("%s is %llx, %s %llx", name, (unsigned long long)a, other, (unsigned long long)b);
}

static bool same_registers(const struct outcome *a, const struct outcome *b, u64 undefined)
{
    u64 compared = FLAGS_STATUS | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_ID;
    compared &= ~undefined;
    for (unsigned i = 0; i < 16; i++)
        if (!same_u64(rs_gpr_name[i], a->gpr[i], b->gpr[i]))
            return false;
    return same_u64("RIP", a->rip, b->rip) && same_u64("RFLAGS", a->rflags & compared, b->rflags & compared);
}

/* The same atoms in one run, whose way through the simulator is another, must leave the same. */
static bool same_in_one_run(const struct trip *t, bool code_changed)
{
    static struct trip again;
    again.s = t->s;
    if (code_changed)
        erase_code(0, NATIVE_CODE_BYTES);
    put_sequence(t->s, t->bytes);
    put_data(t->s);
    load(t->s);
    u64 end = machine.core->s.atom + t->atoms;
    while (machine.core->s.atom < end)
        cpu_run(machine.core, end - machine.core->s.atom, UINT64_MAX);
    deliver_software(machine.core);
    take_outcome(&again, &machine.core->s);
    other = "by single atoms";
    return same_event(&again.end, &t->end) && same_registers(&again.end, &t->end, 0);
}

/* ---- on the processor ---- */

/* An access that the machine refuses must not reach something of the tests.  By vendor goes how much of an
 * ENTER that faults has been pushed, and which is refused first: a CALL's target or its push, an access for
 * its alignment or its page. */
static bool may_run_natively(const struct trip *t)
{
    const struct outcome *o = &t->end;
    unsigned last = o->vector == NATIVE_LEFT ? ISA_ROWS : t->seen[t->atoms - 1].row;
    u64 pushed = o->gpr[REG_RSP] - 8;
    bool push_faults = pushed - NATIVE_DATA > NATIVE_DATA_BYTES - 8 || (o->rflags & FLAG_AC && pushed & 7);
    bool both = last == ROW_call_E && o->vector == VEC_GP && push_faults;
    bool ac_first = o->vector == VEC_PF && o->rflags & FLAG_AC && !(features & NATIVE_INTEL);
    return last != ROW_enter && !both && !ac_first && (o->vector != VEC_PF || native_is_nowhere(o->cr2));
}

static struct outcome run_natively(const struct trip *t)
{
    struct outcome o;
    struct native_state s = {.rip = NATIVE_CODE + t->s->at, .rflags = t->s->rflags | FLAG_FIXED | FLAG_IF};
    memcpy(s.gpr, t->s->gpr, sizeof s.gpr);
    struct native_end end = native_run(&s, t->segments);
    memcpy(o.gpr, s.gpr, sizeof o.gpr);
    o.rip = s.rip;
    o.rflags = s.rflags;
    o.vector = end.vector;
    o.error = end.error;
    o.cr2 = end.cr2;
    return o;
}

static bool same_bytes(u64 at, u64 n)
{
    u8 ours[NATIVE_DATA_BYTES];
    if (ring3_equals(&machine, at, HOST(at), n))
        return true;
    ring3_get(&machine, at, ours, n);
    for (u64 i = 0; i < n; i++)
        if (ours[i] != HOST(at)[i])
            return say("the byte at %llx is %02x, natively %02x", (unsigned long long)(at + i), ours[i],
                       HOST(at)[i]);
    return true;
}

static bool same(const struct trip *t, const struct outcome *natively)
{
    if (t->strayed < ISA_ROWS)
        return say("row %u changed a flag that its table does not have", t->strayed);
    other = "natively";
    return same_event(&t->end, natively) && same_registers(&t->end, natively, t->undefined) &&
           same_bytes(NATIVE_DATA, NATIVE_DATA_BYTES) && same_bytes(NATIVE_CODE, NATIVE_CODE_BYTES);
}

static void count(const struct trip *t)
{
    for (unsigned i = 0; i < t->atoms; i++)
        if (t->seen[i].row < ISA_ROWS)
            covered[t->seen[i].row][t->seen[i].size]++;
}

/* ---- all of it ---- */

/* Runs it on the machine, shorter each time that it must be cut. */
static bool prepare(struct trip *t)
{
    for (unsigned i = 0; i < CUTS_MAX && !t->skip; i++) {
        put_sequence(t->s, t->bytes);
        if (run_machine(t))
            return may_run_natively(t);
        erase_code(0, NATIVE_CODE_BYTES);
        t->bytes = t->cut;
        if (t->bytes > bytes_of(t->s)) /* it is elsewhere, not in the sequence */
            return false;
    }
    return false;
}

enum verdict lockstep_run(const struct sequence *s)
{
    static struct trip t;
    t.s = s;
    t.bytes = bytes_of(s);
    t.skip = t.segments = false;
    enum verdict verdict = VERDICT_SKIPPED;
    bool ready = prepare(&t), code_changed = ring3_stamp(&machine, NATIVE_CODE) != t.code_stamp;
    if (ready) {
        bool in_one = broken_row < ISA_ROWS || same_in_one_run(&t, code_changed);
        struct outcome natively = run_natively(&t);
        verdict = in_one && same(&t, &natively) ? VERDICT_SAME : VERDICT_DIFFERS;
    }
    if (verdict == VERDICT_SAME)
        count(&t);
    if (code_changed || verdict == VERDICT_DIFFERS) /* the next one must not find what this one wrote */
        erase_code(0, NATIVE_CODE_BYTES);
    else
        erase_code(s->at, bytes_of(s) + EXIT_BYTES);
    return verdict;
}
