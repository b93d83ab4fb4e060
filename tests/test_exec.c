/* test_exec.c - integer instructions: in lock-step with the processor under the tests where that is an
 * x86-64, and by known answers everywhere. */
#include "arch/isa.h"
#include "cpu/cpu.h"
#include "cpu/decode.h"
#include "lib/elf_image.h"
#include "lib/native.h"
#include "lib/suite.h"
#include "machine.h"
#include "mmu/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEQUENCES      100000
#define SEQUENCE_INSNS 6
#define CODE_BYTES     128
#define ATOMS_MAX      1000
#define WINDOW         0x1000u /* of the data area: what programs touch, and what is compared */
#define RAM_BYTES      0x30000000u

/* Registers that random sequences address with, and so do not write. */
#define BASE     REG_RBX
#define INDEX    REG_R15
#define RESERVED (1u << BASE | 1u << INDEX | 1u << REG_RSP | 1u << REG_RSI | 1u << REG_RDI)

static u64 seed = 0x9e3779b97f4a7c15u;

static u64 next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static bool one_in(unsigned n)
{
    return (next_random() >> 20) % n == 0;
}

/* ---- a program, its registers and data ---- */

struct program {
    u8 code[CODE_BYTES];
    unsigned bytes;
    u64 undefined; /* flags that it leaves undefined */
    u64 gpr[16], rflags;
    u8 data[WINDOW];
};

struct result {
    u64 gpr[16], rip, rflags;
    enum native_end end;
    unsigned atoms;
    u8 data[WINDOW];
};

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
    switch (r >> 60 & 3) {
    case 0: return edge[(r >> 32) % (sizeof edge / sizeof *edge)];
    case 1: return r >> (r & 63) >> 1;
    default: return next_random();
    }
}

static void random_state(struct program *p)
{
    for (unsigned i = 0; i < 16; i++)
        p->gpr[i] = random_value();
    for (unsigned i = 0; i < WINDOW; i += 8) {
        u64 r = next_random();
        memcpy(p->data + i, &r, 8);
    }
    p->gpr[BASE] = NATIVE_DATA + WINDOW / 2;
    p->gpr[INDEX] = next_random() % 16 - 8;
    p->gpr[REG_RSP] = NATIVE_DATA + WINDOW / 2 + WINDOW / 4;
    p->gpr[REG_RSI] = NATIVE_DATA + WINDOW / 4;
    p->gpr[REG_RDI] = NATIVE_DATA + WINDOW / 4 + 64;
    p->rflags = (next_random() & FLAGS_STATUS) | FLAG_FIXED;
    p->undefined = 0;
}

/* ---- on the machine ---- */

static rs_world *world;
static struct machine *machine;

static void set_up(void)
{
    static const u8 halt[] = {0xf4};
    const struct elf_segment segment = {0x100000, halt, sizeof halt};
    struct rs_config config;
    struct rs_error err;
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    rs_config_init(&config);
    config.ram_bytes = RAM_BYTES;
    world = rs_world_new();
    machine = rs_machine_new(world, &config, &err);
    ck_assert_msg(machine != NULL, "%s", err.text);
    enum rs_status status = rs_boot(machine, &(struct rs_boot){.path = path, .cmdline = "exec"}, &err);
    unlink(path);
    ck_assert_msg(status == RS_OK, "%s", err.text);
}

static void tear_down(void)
{
    rs_world_free(world);
}

static void load(const struct program *p)
{
    struct core_state *s = &machine->core[0]->s;
    ck_assert(mem_copy_in(machine->mem, NATIVE_CODE, p->code, p->bytes));
    ck_assert(mem_copy_in(machine->mem, NATIVE_DATA, p->data, WINDOW));
    memcpy(s->gpr, p->gpr, sizeof s->gpr);
    s->rip = NATIVE_CODE;
    s->rflags = p->rflags;
    s->event_valid = 0;
}

static enum native_end end_of(const struct core_state *s)
{
    if (!s->event_valid)
        return NATIVE_BREAKPOINT;
    return s->event_vector == VEC_DE   ? NATIVE_DIVIDE
           : s->event_vector == VEC_UD ? NATIVE_UNDEFINED
                                       : NATIVE_MEMORY;
}

/* Runs until RIP has left the program, or an event is pending. */
static void run_on_machine(const struct program *p, struct result *r)
{
    struct core *c = machine->core[0];
    load(p);
    for (r->atoms = 0; c->s.rip - NATIVE_CODE < p->bytes && !c->s.event_valid; r->atoms++) {
        ck_assert_uint_lt(r->atoms, ATOMS_MAX);
        cpu_atom(c);
    }
    memcpy(r->gpr, c->s.gpr, sizeof r->gpr);
    r->rip = c->s.rip;
    r->rflags = c->s.rflags;
    r->end = end_of(&c->s);
    ck_assert(mem_copy_out(machine->mem, NATIVE_DATA, r->data, WINDOW));
}

/* ---- on this processor ---- */

#define INT3          0xcc
#define AREA(address) ((u8 *)(uintptr_t)(address))

static void run_natively(const struct program *p, struct result *r)
{
    struct native_state s = {.rip = NATIVE_CODE, .rflags = p->rflags | FLAG_IF};
    memcpy(AREA(NATIVE_CODE), p->code, p->bytes);
    memset(AREA(NATIVE_CODE) + p->bytes, INT3, 16);
    memcpy(AREA(NATIVE_DATA), p->data, WINDOW);
    memcpy(s.gpr, p->gpr, sizeof s.gpr);
    r->end = native_run(&s);
    memcpy(r->gpr, s.gpr, sizeof s.gpr);
    r->rip = s.rip - (r->end == NATIVE_BREAKPOINT);
    r->rflags = s.rflags;
    memcpy(r->data, AREA(NATIVE_DATA), WINDOW);
}

/* ---- compared ---- */

static const char *hex(const struct program *p)
{
    static char text[3 * CODE_BYTES + 1];
    for (unsigned i = 0; i < p->bytes; i++)
        snprintf(text + 3 * i, 4, "%02x ", p->code[i]);
    return text;
}

static void same(const struct program *p, const struct result *machine_has, const struct result *native_has)
{
    u64 flags = (FLAGS_STATUS | FLAG_DF) & ~p->undefined;
    if (machine_has->end != native_has->end)
        ck_abort_msg("%s: ended by %d, natively %d", hex(p), machine_has->end, native_has->end);
    for (unsigned i = 0; i < 16; i++)
        if (machine_has->gpr[i] != native_has->gpr[i])
            ck_abort_msg("%s: %s is %llx, natively %llx", hex(p), rs_gpr_name[i],
                         (unsigned long long)machine_has->gpr[i], (unsigned long long)native_has->gpr[i]);
    if (machine_has->rip != native_has->rip)
        ck_abort_msg("%s: rip is %llx, natively %llx", hex(p), (unsigned long long)machine_has->rip,
                     (unsigned long long)native_has->rip);
    /* A fault of DIV comes with flags that are undefined, too. */
    if (machine_has->end == NATIVE_BREAKPOINT && (machine_has->rflags ^ native_has->rflags) & flags)
        ck_abort_msg("%s: flags are %llx, natively %llx, defined %llx", hex(p),
                     (unsigned long long)machine_has->rflags, (unsigned long long)native_has->rflags,
                     (unsigned long long)flags);
    for (unsigned i = 0; i < WINDOW; i++)
        if (machine_has->data[i] != native_has->data[i])
            ck_abort_msg("%s: byte %x is %02x, natively %02x", hex(p), i, machine_has->data[i],
                         native_has->data[i]);
}

static void compare(const struct program *p)
{
    static struct result on_machine, natively;
    run_on_machine(p, &on_machine);
    run_natively(p, &natively);
    same(p, &on_machine, &natively);
}

/* ---- random sequences ---- */

/* Flags that an instruction leaves undefined, and those that it defines for good. */
struct effect {
    u64 undefined, defined;
};

static bool between(unsigned row, unsigned first, unsigned last)
{
    return row >= first && row <= last;
}

static struct effect effect_of(const struct insn *in)
{
    unsigned row = in->row;
    if (between(row, ROW_or_Eb_Gb, ROW_or_Ev_Ib) || between(row, ROW_and_Eb_Gb, ROW_and_Ev_Ib) ||
        between(row, ROW_xor_Eb_Gb, ROW_xor_Ev_Ib) || between(row, ROW_test_Eb_Gb, ROW_test_eAX_Iz) ||
        row == ROW_test_Eb_I || row == ROW_test_Ev_I || row == ROW_test_Eb_I_1 || row == ROW_test_Ev_I_1)
        return (struct effect){FLAG_AF, FLAGS_STATUS};
    if (row <= ROW_cmp_Ev_Ib || between(row, ROW_xadd_Eb_Gb, ROW_cmpxchg_Ev_Gv) || row == ROW_neg_Eb ||
        row == ROW_neg_Ev)
        return (struct effect){0, FLAGS_STATUS};
    if (between(row, ROW_inc_Eb, ROW_dec_Ev))
        return (struct effect){0, FLAGS_STATUS & ~FLAG_CF};
    if (between(row, ROW_mul_Eb, ROW_idiv_Eb) || between(row, ROW_mul_Ev, ROW_imul_Gv_Ev_Ib)) {
        bool divides = in->latency >= 26;
        return (struct effect){divides ? FLAGS_STATUS : FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF, 0};
    }
    if (between(row, ROW_rol_Eb_Ib, ROW_rcr_Ev_CL)) /* AF and the rest stay */
        return (struct effect){in->imm == 1 ? 0 : FLAG_OF, 0};
    if (between(row, ROW_shl_Eb_Ib, ROW_shrd_Ev_Gv_CL)) /* CF of counts beyond the operand too */
        return (struct effect){FLAG_AF | (in->imm == 1 ? 0 : FLAG_OF) | (in->op_bytes < 4 ? FLAG_CF : 0), 0};
    if (between(row, ROW_bt_Ev_Gv, ROW_btc_Ev_Ib))
        return (struct effect){FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF, FLAG_CF};
    if (row == ROW_bsf || row == ROW_bsr)
        return (struct effect){FLAGS_STATUS & ~FLAG_ZF, FLAG_ZF};
    return (struct effect){0, 0};
}

/* Might its result depend on a flag that is undefined by now? */
static bool reads_undefined(const struct insn *in, u64 undefined)
{
    if (between(in->row, ROW_adc_Eb_Gb, ROW_sbb_Ev_Ib) || between(in->row, ROW_rcl_Eb_Ib, ROW_rcr_Ev_CL) ||
        in->row == ROW_cmc)
        return undefined & FLAG_CF;
    if (between(in->row, ROW_jo_Jb, ROW_cmovg))
        return undefined & ~(u64)FLAG_AF;
    return in->row == ROW_lahf && undefined;
}

static bool is_wanted(const struct insn *in)
{
    unsigned row = in->row;
    bool moffs = between(row, ROW_mov_AL_Ob, ROW_mov_Ov_eAX);
    bool hint = between(row, ROW_endbr64, ROW_nop_1e); /* AMD faults for some of them */
    bool conditional = between(row, ROW_jo_Jb, ROW_cmovg) && !(in->flags & INSN_BRANCH);
    bool stack = between(row, ROW_push_Z, ROW_pop_E);
    bool flags = between(row, ROW_cmc, ROW_lahf);
    bool undefined_16 =
        in->op_bytes == 2 && (row == ROW_bswap || between(row, ROW_shld_Ev_Gv_Ib, ROW_shrd_Ev_Gv_CL));
    return (row <= ROW_sfence || conditional || stack || flags) && !moffs && !hint && !undefined_16;
}

/* Does it stay inside the data window, and leave the registers that address it? */
static bool is_tame(const struct insn *in)
{
    bool bit_offset = between(in->row, ROW_bt_Ev_Gv, ROW_btc_Ev_Ib) && in->imm == 0;
    if (in->write_regs & RESERVED || in->seg == SEG_FS || in->seg == SEG_GS)
        return false;
    if (in->mod == 3)
        return true;
    if (in->base != BASE || in->disp < -256 || in->disp > 256 || (in->index != 0xff && in->index != INDEX))
        return false;
    return !bit_offset || in->reg == INDEX;
}

/* Bytes that are likely to be an instruction on [rbx + disp8], [rbx + r15 * 1..8 + disp8] or registers. */
static void random_insn(u8 bytes[INSN_BYTES_MAX])
{
    static const u8 prefix[] = {0x66, 0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x3e};
    unsigned at = 0, form = (unsigned)(next_random() >> 40) % 4;
    u8 rex = one_in(2) ? (u8)(0x40 | (next_random() >> 33 & 15)) : 0;
    for (unsigned i = 0; i < INSN_BYTES_MAX; i++)
        bytes[i] = (u8)(next_random() >> 24);
    if (one_in(4))
        bytes[at++] = prefix[(next_random() >> 30) % sizeof prefix];
    if (form == 2)
        rex = (u8)((rex | 0x42) & ~1);
    if (rex)
        bytes[at++] = form == 1 ? rex & 0xfc : rex;
    if (one_in(2))
        bytes[at++] = 0x0f;
    at++;
    if (form == 1)
        bytes[at] = (u8)(0x40 | (bytes[at] & 0x38) | 3);
    if (form == 2) {
        bytes[at] = (u8)(0x40 | (bytes[at] & 0x38) | 4);
        bytes[at + 1] = (u8)((bytes[at + 1] & 0xc0) | 7 << 3 | 3);
    }
    if (form == 3)
        bytes[at] |= 0xc0;
}

static bool has_rep(const u8 *bytes, unsigned n)
{
    return memchr(bytes, 0xf3, n) || memchr(bytes, 0xf2, n);
}

/* The host may have TZCNT and LZCNT. */
static bool is_scan(const struct insn *in)
{
    return in->row == ROW_bsf || in->row == ROW_bsr;
}

static bool append_random(struct program *p)
{
    u8 bytes[INSN_BYTES_MAX];
    struct insn in;
    random_insn(bytes);
    if (decode(bytes, sizeof bytes, &in) != DECODE_OK || !is_wanted(&in) || !is_tame(&in))
        return false;
    if (reads_undefined(&in, p->undefined) || (is_scan(&in) && has_rep(bytes, in.length)))
        return false;
    struct effect e = effect_of(&in);
    p->undefined = (p->undefined & ~e.defined) | e.undefined;
    memcpy(p->code + p->bytes, bytes, in.length);
    p->bytes += in.length;
    return true;
}

static void random_program(struct program *p)
{
    random_state(p);
    p->bytes = 0;
    for (unsigned n = 0; n < SEQUENCE_INSNS;)
        n += append_random(p);
}

START_TEST(random_sequences)
{
    static struct program p;
    if (!native_open())
        return;
    for (unsigned i = 0; i < SEQUENCES; i++) {
        random_program(&p);
        compare(&p);
    }
}
END_TEST

/* ---- programs ---- */

struct listing {
    const char *text;
    u64 undefined;
    unsigned bytes;
    const char *code;
};

#define LISTING(text, undefined, code) \
    { \
        text, undefined, sizeof code - 1, code \
    }

/* Entered with RSI and RDI in the data, RBX in its middle, ECX 5, RDX random. */
static const struct listing listings[] = {
    LISTING("rep movsb", 0, "\xf3\xa4"),
    LISTING("rep movsq", 0, "\xf3\x48\xa5"),
    LISTING("std; rep movsw; cld", 0, "\xfd\xf3\x66\xa5\xfc"),
    LISTING("rep stosd", 0, "\xf3\xab"),
    LISTING("addr32 rep stosb", 0, "\x67\xf3\xaa"),
    LISTING("lodsb; lodsq; std; lodsd; cld", 0, "\xac\x48\xad\xfd\xad\xfc"),
    LISTING("repe cmpsb", 0, "\xf3\xa6"),
    LISTING("push rsi; pop rdi; repe cmpsd", 0, "\x56\x5f\xf3\xa7"),
    LISTING("repne scasb", 0, "\xf2\xae"),
    LISTING("xor ecx, ecx; repne scasq", FLAG_AF, "\x31\xc9\xf2\x48\xaf"),
    LISTING("movsb; stosw; scasd; cmpsq", 0, "\xa4\x66\xab\xaf\x48\xa7"),
    LISTING("loop $; mov eax, ecx", 0, "\xe2\xfe\x89\xc8"),
    LISTING("dec edx; loopne $-2", 0, "\xff\xca\xe0\xfc"),
    LISTING("cmp rdx, rdx; loope $-3", 0, "\x48\x39\xd2\xe1\xfb"),
    LISTING("bts rcx, 40; addr32 loop $-6; nop", 0, "\x48\x0f\xba\xe9\x28\x67\xe2\xfd\x90"),
    LISTING("jrcxz +2; inc eax; xor ecx, ecx; jrcxz +2; inc eax; nop", FLAG_AF,
            "\xe3\x02\xff\xc0\x31\xc9\xe3\x02\xff\xc0\x90"),
    LISTING("call +2; jmp +4; inc rax; ret; nop", 0, "\xe8\x02\x00\x00\x00\xeb\x04\x48\xff\xc0\xc3\x90"),
    LISTING("lea rax, [rip+4]; call rax; jmp +4; ret 8; nop", 0,
            "\x48\x8d\x05\x04\x00\x00\x00\xff\xd0\xeb\x03\xc2\x08\x00\x90"),
    LISTING("lea rax, [rip+5]; push rax; jmp [rsp]; nop; pop rdx", 0,
            "\x48\x8d\x05\x05\x00\x00\x00\x50\xff\x24\x24\x90\x5a"),
    LISTING("push rsp; pop rax; push rax; pop rsp; pushw 5; popw ax", 0,
            "\x54\x58\x50\x5c\x66\x6a\x05\x66\x58"),
    LISTING("push rdx; pop [rsp+16]; push [rbx]; pop [rbx+8]", 0, "\x52\x8f\x44\x24\x10\xff\x33\x8f\x43\x08"),
    LISTING("mov rbp, rsp; enter 16, 0; leave", 0, "\x48\x89\xe5\xc8\x10\x00\x00\xc9"),
    LISTING("mov rbp, rsp; enter 32, 3; mov rax, [rbp-8]; leave", 0,
            "\x48\x89\xe5\xc8\x20\x00\x03\x48\x8b\x45\xf8\xc9"),
    LISTING("lea rbp, [rsp+64]; enterw 8, 2; leavew", 0, "\x48\x8d\x6c\x24\x40\x66\xc8\x08\x00\x02\x66\xc9"),
    LISTING("bts [rbx], -777; bt [rbx], ecx; btc word [rbx], 300", FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF,
            "\x48\xc7\xc0\xf7\xfc\xff\xff\x48\x0f\xab\x03\x0f\xa3\x0b\x66\xb8\x2c\x01\x66\x0f\xbb\x03"),
    LISTING("mov rax, [moffs]; mov [moffs], ax", 0,
            "\x48\xa1\x40\x08\x00\x20\x00\x00\x00\x00\x66\xa3\x80\x08\x00\x20\x00\x00\x00\x00"),
    LISTING("addr32 mov al, [moffs]", 0, "\x67\xa0\x40\x08\x00\x20"),
    LISTING("mov eax, [rip-6]", 0, "\x8b\x05\xfa\xff\xff\xff"),
    LISTING("cqo; idiv rcx", FLAGS_STATUS, "\x48\x99\x48\xf7\xf9"),
    LISTING("xor edx, edx; div rcx", FLAGS_STATUS, "\x31\xd2\x48\xf7\xf1"),
    LISTING("mov edx, 4; div rcx", FLAGS_STATUS, "\xba\x04\x00\x00\x00\x48\xf7\xf1"),
    LISTING("mov edx, 5; div rcx overflows", FLAGS_STATUS, "\xba\x05\x00\x00\x00\x48\xf7\xf1"),
    LISTING("mov rdx, -3; idiv rcx", FLAGS_STATUS, "\x48\xc7\xc2\xfd\xff\xff\xff\x48\xf7\xf9"),
    LISTING("mov rdx, -3; neg rcx; idiv rcx", FLAGS_STATUS,
            "\x48\xc7\xc2\xfd\xff\xff\xff\x48\xf7\xd9\x48\xf7\xf9"),
    LISTING("mov rax, 1 << 63; cqo; mov ecx, -1; movsxd rcx, ecx; idiv rcx overflows", FLAGS_STATUS,
            "\x48\xb8\x00\x00\x00\x00\x00\x00\x00\x80\x48\x99\xb9\xff\xff\xff\xff\x48\x63\xc9\x48\xf7\xf9"),
    LISTING("mov ax, -128*3; mov cl, 3; idiv cl", FLAGS_STATUS, "\x66\xb8\x80\xfe\xb1\x03\xf6\xf9"),
    LISTING("mov ax, -129; mov cl, 1; idiv cl overflows", FLAGS_STATUS, "\x66\xb8\x7f\xff\xb1\x01\xf6\xf9"),
    LISTING("mov ax, 128; mov cl, 1; idiv cl overflows", FLAGS_STATUS, "\x66\xb8\x80\x00\xb1\x01\xf6\xf9"),
    LISTING("cmpxchg16b [rbx]", 0, "\x48\x0f\xc7\x0b"),
    LISTING("lock cmpxchg16b [rbx] with the value that is there", 0,
            "\x48\x8b\x03\x48\x8b\x53\x08\xf0\x48\x0f\xc7\x0b"),
    LISTING("mov eax, [rbx]; mov edx, [rbx+4]; lock cmpxchg8b [rbx]", 0,
            "\x8b\x03\x8b\x53\x04\xf0\x0f\xc7\x0b"),
    LISTING("cmpxchg16b [rbx+8], not aligned", 0, "\x48\x0f\xc7\x4b\x08"),
    LISTING("mov eax, ebp; cmpxchg ebp, edx", 0, "\x89\xe8\x0f\xb1\xd5"),
    LISTING("mov eax, ebp; inc eax; cmpxchg ebp, edx", 0, "\x89\xe8\xff\xc0\x0f\xb1\xd5"),
    LISTING("f3 xchg r8, rax", 0, "\xf3\x49\x90"),
    LISTING("66 call +2 has 32 bits; pop rax", 0, "\xe8\x00\x00\x00\x00\x58"),
    LISTING("a non-canonical load", 0, "\x48\xb8\x00\x00\x00\x00\x00\x00\x00\x80\x48\x8b\x00"),
    LISTING("a jump to a non-canonical address", 0, "\x48\xb8\x00\x00\x00\x00\x00\x00\x00\x80\xff\xe0"),
    LISTING("ud2", 0, "\x0f\x0b"),
};

START_TEST(programs)
{
    static struct program p;
    const struct listing *l = &listings[_i];
    if (!native_open())
        return;
    for (unsigned i = 0; i < 50; i++) {
        random_state(&p);
        p.gpr[REG_RCX] = 5;
        p.undefined = l->undefined;
        p.bytes = l->bytes;
        memcpy(p.code, l->code, l->bytes);
        compare(&p);
    }
}
END_TEST

/* ---- known answers ---- */

static void run_bytes(struct program *p, struct result *r, const char *code, unsigned n)
{
    memcpy(p->code, code, n);
    p->bytes = n;
    run_on_machine(p, r);
}

#define RUN(p, r, code) run_bytes(p, r, code, sizeof code - 1)

START_TEST(sums)
{
    static struct program p;
    static struct result r;
    random_state(&p);
    p.gpr[REG_RAX] = 0x7fffffff;
    RUN(&p, &r, "\xff\xc0"); /* inc eax */
    ck_assert_uint_eq(r.gpr[REG_RAX], 0x80000000u);
    ck_assert_uint_eq(r.rflags & (FLAGS_STATUS & ~FLAG_CF), FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF);
    p.gpr[REG_RAX] = UINT64_MAX;
    RUN(&p, &r, "\x83\xc0\x01"); /* add eax, 1 */
    ck_assert_uint_eq(r.gpr[REG_RAX], 0);
    ck_assert_uint_eq(r.rflags & FLAGS_STATUS, FLAG_CF | FLAG_ZF | FLAG_AF | FLAG_PF);
    p.gpr[REG_RAX] = p.gpr[REG_RDX] = UINT64_MAX;
    RUN(&p, &r, "\x48\xf7\xe2"); /* mul rdx */
    ck_assert_uint_eq(r.gpr[REG_RAX], 1);
    ck_assert_uint_eq(r.gpr[REG_RDX], UINT64_MAX - 1);
    p.gpr[REG_RAX] = 0x1234;
    RUN(&p, &r, "\x86\xe0"); /* xchg al, ah */
    ck_assert_uint_eq(r.gpr[REG_RAX], 0x3412);
}
END_TEST

/* One iteration an atom, with RIP at the instruction between them. */
START_TEST(rep_by_atoms)
{
    static struct program p;
    static struct result r;
    random_state(&p);
    p.gpr[REG_RCX] = 7;
    RUN(&p, &r, "\xf3\xa4");
    ck_assert_uint_eq(r.atoms, 7);
    ck_assert_uint_eq(r.gpr[REG_RCX], 0);
    load(&p);
    cpu_atom(machine->core[0]);
    ck_assert_uint_eq(machine->core[0]->s.rip, NATIVE_CODE);
    ck_assert_uint_eq(machine->core[0]->s.gpr[REG_RCX], 6);
    p.gpr[REG_RCX] = 0;
    RUN(&p, &r, "\xf3\xa4");
    ck_assert_uint_eq(r.atoms, 1);
    ck_assert_uint_eq(r.gpr[REG_RSI], p.gpr[REG_RSI]);
}
END_TEST

/* A fault leaves every register, and the stack's own vector for RSP and RBP. */
START_TEST(faults)
{
    static struct program p;
    static struct result r;
    struct core_state *s = &machine->core[0]->s;
    random_state(&p);
    p.gpr[REG_RBP] = p.gpr[REG_RAX] = 0x8000000000000000u;
    RUN(&p, &r, "\x03\x45\x00"); /* add eax, [rbp] */
    ck_assert_uint_eq(s->event_vector, VEC_SS);
    RUN(&p, &r, "\x03\x00"); /* add eax, [rax] */
    ck_assert_uint_eq(s->event_vector, VEC_GP);
    p.gpr[REG_RSP] = 0x8000000000000000u;
    RUN(&p, &r, "\x50"); /* push rax */
    ck_assert_uint_eq(s->event_vector, VEC_SS);
    ck_assert_mem_eq(r.gpr, p.gpr, sizeof r.gpr);
    RUN(&p, &r, "\xf0\x01\xd8"); /* lock add eax, ebx */
    ck_assert_uint_eq(s->event_vector, VEC_UD);
    ck_assert_uint_eq(r.rip, NATIVE_CODE);
}
END_TEST

/* ---- the marker ---- */

static u64 marked[3];
static unsigned marks;

static void on_mark(const struct rs_event *event, void *arg)
{
    (void)arg;
    memcpy(marked, event->field, sizeof marked);
    marks++;
}

START_TEST(marker)
{
    static struct program p;
    static struct result r;
    random_state(&p);
    rs_watch(world, RS_PROBE_mark, true, on_mark, NULL);
    RUN(&p, &r, "\x66\x87\xdb\x87\xdb\x66\x41\x87\xdb"); /* xchg bx, bx; xchg ebx, ebx; xchg r11w, bx */
    ck_assert_uint_eq(marks, 1);
    ck_assert_uint_eq(marked[0], p.gpr[REG_RAX]);
    ck_assert_uint_eq(marked[1], p.gpr[REG_RDI]);
    ck_assert_uint_eq(marked[2], p.gpr[REG_RSI]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("exec");
    TCase *t = tcase_create("integer");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, random_sequences);
    tcase_add_loop_test(t, programs, 0, sizeof listings / sizeof *listings);
    tcase_add_test(t, sums);
    tcase_add_test(t, rep_by_atoms);
    tcase_add_test(t, faults);
    tcase_add_test(t, marker);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
