/* test_debug.c - breakpoint registers, single steps and RF (SDM vol. 3, 17 "Debug, Branch Profile, TSC, and
 * Intel Resource Director Technology (Intel RDT) Features"). */
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "mmu/mmu.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct bare b;
static struct core *c;

static void set_up(void)
{
    bare_open(&b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK);
    c = b.core;
}

static void tear_down(void)
{
    bare_close(&b);
}

#define DATA 0x40000u /* nothing else is there */

enum { CODE, WRITE, PORT, ACCESS };               /* R/W */
enum { LEN_1, LEN_2, LEN_8, LEN_4, LEN_ANY = 0 }; /* LEN */

/* Breakpoint i, locally enabled. */
static void arm(unsigned i, u64 address, unsigned rw, unsigned len)
{
    debug_write(c, i, address);
    debug_write(c, 7, c->s.dr[7] | 1u << 2 * i | (u64)(len << 2 | rw) << (16 + 4 * i));
}

#define NOP        "\x90"
#define UD2        "\x0f\x0b"
#define IRETQ      "\x48\xcf"
#define LOAD_RAX   "\x48\x8b\x00" /* mov (%rax),%rax */
#define STORE_RAX  "\x48\x89\x00" /* mov %rax,(%rax) */
#define MOV_SS_EAX "\x8e\xd0"
#define MOVSB      "\xa4"
#define REP_STOSB  "\xf3\xaa"

/* Runs one instruction; true if a debug exception is due after it. */
static bool traps(const char *bytes, size_t n)
{
    bare_put(&b, c->s.rip, bytes, n);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
    return c->s.pending_debug != 0;
}

#define TRAPS(bytes) traps(bytes, sizeof(bytes) - 1)

/* A debug exception is raised and delivered. */
static void take_debug(u64 dr6)
{
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_DB));
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED | dr6);
    ck_assert_uint_eq(c->s.pending_debug, 0);
}

/* ---- data breakpoints: what matches (17.2.5 "Breakpoint Field Recognition") ---- */

static const struct {
    unsigned rw, len;
    u64 at;           /* of the breakpoint, from DATA */
    const char *insn; /* on (%rax) */
    size_t bytes;
    int rax; /* from DATA */
    bool hit;
} match[] = {
#define ROW(rw, len, at, insn, rax, hit) \
    { \
        rw, len, at, insn, sizeof(insn) - 1, rax, hit \
    }
    ROW(WRITE, LEN_1, 0, "\x88\x00", 0, true), /* mov %al,(%rax) */
    ROW(WRITE, LEN_1, 0, "\x88\x00", 1, false),
    ROW(WRITE, LEN_1, 1, "\x88\x00", 0, false),
    ROW(WRITE, LEN_1, 0, "\x8a\x00", 0, false), /* mov (%rax),%al: a read */
    ROW(ACCESS, LEN_1, 0, "\x8a\x00", 0, true),
    ROW(ACCESS, LEN_1, 0, "\x88\x00", 0, true),
    ROW(WRITE, LEN_2, 1, "\x88\x00", 0, true), /* its address is masked */
    ROW(WRITE, LEN_2, 1, "\x88\x00", 2, false),
    ROW(WRITE, LEN_4, 7, "\x88\x00", 4, true),
    ROW(WRITE, LEN_4, 4, "\x88\x00", 3, false),
    ROW(WRITE, LEN_4, 4, "\x66\x89\x00", 3, true), /* mov %ax,(%rax) */
    ROW(WRITE, LEN_8, 8, STORE_RAX, 1, true),
    ROW(WRITE, LEN_8, 8, STORE_RAX, 0, false),
    ROW(WRITE, LEN_8, 8, STORE_RAX, 15, true),
    ROW(WRITE, LEN_8, 8, STORE_RAX, 16, false),
    ROW(WRITE, LEN_1, 3, STORE_RAX, 0, true),
    ROW(WRITE, LEN_1, 0, "\x48\x01\x00", 0, true),         /* add %rax,(%rax) */
    ROW(WRITE, LEN_1, 0, "\x48\x39\x00", 0, false),        /* cmp */
    ROW(WRITE, LEN_1, 0, "\xf0\x48\x0f\xb1\x08", 0, true), /* lock cmpxchg that fails writes too */
    ROW(ACCESS, LEN_8, 8, "\x48\x0f\xc7\x08", 0, true),    /* cmpxchg16b: its upper half */
    ROW(ACCESS, LEN_1, 0, "\x48\x8d\x00", 0, false),       /* lea */
    ROW(ACCESS, LEN_1, 0, "\x0f\x18\x08", 0, false),       /* prefetcht0 */
    ROW(WRITE, LEN_1, 0xfff, STORE_RAX, 0xffc, true),      /* over a page's end */
    ROW(WRITE, LEN_1, 0x1000, STORE_RAX, 0xffc, true),
    ROW(PORT, LEN_1, 0, STORE_RAX, 0, false),
    ROW(CODE, LEN_1, 0, STORE_RAX, 0, false),
#undef ROW
};

START_TEST(data_matches)
{
    c->s.gpr[REG_RAX] = DATA + (u64)match[_i].rax;
    arm(_i & 3, DATA + match[_i].at, match[_i].rw, match[_i].len);
    ck_assert_int_eq(traps(match[_i].insn, match[_i].bytes), match[_i].hit);
    if (!match[_i].hit)
        return;
    take_debug(1u << (_i & 3));
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + match[_i].bytes);
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, 0);
}
END_TEST

/* The short cut that an access has made does not outlive a breakpoint there, at either level of privilege. */
START_TEST(after_a_short_cut)
{
    if (_i)
        bare_enter_user(&b);
    u64 at = _i ? BARE_USER + 0x1000 : DATA;
    for (unsigned k = 0; k < 4; k++) {
        c->s.gpr[REG_RAX] = at;
        ck_assert(!TRAPS(LOAD_RAX));
        c->s.gpr[REG_RAX] = at;
        ck_assert(!TRAPS(STORE_RAX));
    }
    arm(0, at, ACCESS, LEN_8);
    for (unsigned k = 0; k < 6; k++) {
        c->s.gpr[REG_RAX] = at;
        ck_assert(k & 1 ? TRAPS(STORE_RAX) : TRAPS(LOAD_RAX));
        c->s.pending_debug = 0;
    }
    debug_write(c, 7, DR7_FIXED);
    c->s.gpr[REG_RAX] = at;
    ck_assert(!TRAPS(LOAD_RAX));
}
END_TEST

START_TEST(by_the_instruction)
{
    c->s.gpr[REG_RAX] = DATA;
    c->s.gpr[REG_RBX] = 0x00090002;    /* G0, R/W 01, LEN 10 */
    ck_assert(!TRAPS("\x0f\x23\xc0")); /* mov %rax,%dr0 */
    ck_assert(!TRAPS("\x0f\x23\xfb")); /* mov %rbx,%dr7 */
    ck_assert(TRAPS(STORE_RAX));
    take_debug(1);
    ck_assert_uint_eq(c->s.dr[7], 0x00090002 | DR7_FIXED); /* stays enabled */
}
END_TEST

START_TEST(none_without_an_enable)
{
    arm(0, DATA, ACCESS, LEN_8);
    arm(1, DATA + 0x100, ACCESS, LEN_8);
    debug_write(c, 7, c->s.dr[7] & ~UINT64_C(1));
    c->s.gpr[REG_RAX] = DATA;
    ck_assert(!TRAPS(STORE_RAX));
}
END_TEST

START_TEST(several_at_once)
{
    arm(0, DATA, WRITE, LEN_8);
    arm(2, DATA + 4, ACCESS, LEN_1);
    arm(3, DATA + 8, ACCESS, LEN_1);
    c->s.dr[6] |= DR6_BS | 0x8; /* B0 to B3 are new, the rest stays */
    c->s.gpr[REG_RAX] = DATA;
    ck_assert(TRAPS(STORE_RAX));
    take_debug(DR6_BS | 0x5);
}
END_TEST

START_TEST(stack_pushes_match)
{
    arm(0, BARE_STACK - 8, WRITE, LEN_8);
    ck_assert(TRAPS("\x50")); /* push %rax */
    c->s.pending_debug = 0;
    c->s.gpr[REG_RSP] = BARE_STACK;
    ck_assert(TRAPS("\xe8\x00\x00\x00\x00")); /* call */
}
END_TEST

START_TEST(faults_forget)
{
    arm(0, DATA, ACCESS, LEN_1);
    c->s.gpr[REG_RSI] = DATA;
    c->s.gpr[REG_RDI] = BARE_UNMAPPED;
    BARE_INSN(&b, MOVSB);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
    ck_assert_uint_eq(c->s.pending_debug, 0);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip,
                      bare_handler(VEC_PF) + 2); /* no debug exception before its first instruction */
}
END_TEST

/* What was pending before stays. */
START_TEST(faults_forget_their_own_alone)
{
    c->s.gpr[REG_RAX] = BARE_DS0;
    c->s.gpr[REG_RBX] = DATA;
    c->s.gpr[REG_RSI] = DATA;
    c->s.gpr[REG_RDI] = BARE_UNMAPPED;
    bare_set_u64(&b, DATA, BARE_DS0);
    arm(0, DATA, ACCESS, LEN_1);
    BARE_INSN(&b, "\x8e\x13" MOVSB); /* mov (%rbx),%ss */
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
    ck_assert_uint_eq(c->s.pending_debug, 1);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_PF));
    take_debug(1);
    ck_assert_uint_eq(bare_frame(&b, 0), bare_handler(VEC_PF));
}
END_TEST

/* The frame of an event is written like any data: the trap comes before the handler's first instruction. */
START_TEST(delivery_matches)
{
    static const u64 at[] = {BARE_RSP0 - 8, BARE_GDT + BARE_CS0, BARE_TSS + TSS_RSP0, BARE_IDT + 16 * VEC_UD};
    bare_enter_user(&b);
    arm(1, at[_i], ACCESS, LEN_1);
    BARE_INSN(&b, UD2);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_UD));
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_DB));
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED | 2);
    ck_assert_uint_eq(bare_frame(&b, 0), bare_handler(VEC_UD));
    ck_assert_uint_eq(c->s.pending_debug, at[_i] == BARE_GDT + BARE_CS0 ? 2 : 0); /* read once more */
}
END_TEST

START_TEST(walks_and_fetches_do_not_match)
{
    arm(0, BARE_PML4, ACCESS, LEN_8);
    arm(1, BARE_PML4 + 0x2000, ACCESS, LEN_8);
    arm(2, BARE_CODE, ACCESS, LEN_8);
    c->s.gpr[REG_RAX] = DATA;
    ck_assert(!TRAPS(LOAD_RAX));
    ck_assert_uint_gt(c->s.count.walks, 0);
}
END_TEST

/* ---- string instructions: after each iteration, with RF while there are more (17.3.1.1) ---- */

START_TEST(rep_traps_in_between)
{
    bare_put(&b, bare_handler(VEC_DB), IRETQ, 2);
    arm(0, DATA + 1, WRITE, LEN_1);
    arm(1, DATA + 2, WRITE, LEN_1);
    c->s.gpr[REG_RDI] = DATA;
    c->s.gpr[REG_RCX] = 3;
    BARE_INSN(&b, REP_STOSB);
    bare_atoms(&b, 2);
    take_debug(1);
    ck_assert_uint_eq(c->s.gpr[REG_RCX], 1);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE);
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, FLAG_RF);
    bare_atoms(&b, 2); /* IRETQ, the last iteration */
    take_debug(2);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + 2);
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, 0);
}
END_TEST

START_TEST(rep_stops_once)
{
    arm(0, BARE_CODE, CODE, LEN_1);
    c->s.rflags |= FLAG_RF;
    c->s.gpr[REG_RDI] = DATA;
    c->s.gpr[REG_RCX] = 4;
    BARE_INSN(&b, REP_STOSB);
    bare_atoms(&b, 4);
    ck_assert_uint_eq(c->s.gpr[REG_RCX], 0);
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 2);
    ck_assert_uint_eq(c->s.rflags & FLAG_RF, 0);
}
END_TEST

START_TEST(interrupt_between_iterations_pushes_rf)
{
    c->s.gpr[REG_RDI] = DATA;
    c->s.gpr[REG_RCX] = 4;
    BARE_INSN(&b, REP_STOSB);
    bare_atoms(&b, 3);
    c->s.nmi_pending = 1;
    c->rt.look_again = 0;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE);
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, FLAG_RF);
}
END_TEST

/* ---- ports ---- */

#define OUT_DX_AL "\xee"
#define IN_EAX_DX "\xed"

static const struct {
    const char *insn;
    u64 port, at;
    unsigned len;
    bool de, hit;
} port[] = {
    {OUT_DX_AL, 0x80, 0x80, LEN_1, true, true},  {OUT_DX_AL, 0x80, 0x80, LEN_1, false, false},
    {OUT_DX_AL, 0x81, 0x80, LEN_1, true, false}, {OUT_DX_AL, 0x81, 0x80, LEN_2, true, true},
    {IN_EAX_DX, 0x80, 0x83, LEN_1, true, true},  {IN_EAX_DX, 0x80, 0x84, LEN_4, true, false},
    {"\x6c", 0x80, 0x80, LEN_1, true, true}, /* insb */
    {"\x6e", 0x80, 0x80, LEN_1, true, true}, /* outsb */
};

START_TEST(ports_match)
{
    c->s.gpr[REG_RDX] = port[_i].port;
    c->s.gpr[REG_RSI] = c->s.gpr[REG_RDI] = DATA;
    c->s.cr4 |= port[_i].de ? CR4_DE : 0;
    arm(0, port[_i].at, PORT, port[_i].len);
    ck_assert_int_eq(traps(port[_i].insn, 1), port[_i].hit);
}
END_TEST

/* ---- instruction breakpoints ---- */

START_TEST(code_faults_before)
{
    bare_put(&b, bare_handler(VEC_DB), IRETQ, 2);
    arm(3, BARE_CODE + 1, CODE, LEN_1);
    BARE_INSN(&b, NOP "\x48\xff\xc0" NOP); /* inc %rax */
    bare_atoms(&b, 1);
    take_debug(8);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + 1);
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, 0);
    bare_atoms(&b, 1);
    take_debug(8); /* again */
    bare_set_u64(&b, c->s.gpr[REG_RSP] + 16, bare_frame(&b, 2) | FLAG_RF);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rflags & FLAG_RF, FLAG_RF);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.gpr[REG_RAX], 1);
    ck_assert_uint_eq(c->s.rflags & FLAG_RF, 0);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 5);
}
END_TEST

/* A fault pushes RF, so that its instruction is not stopped twice. */
START_TEST(other_faults_push_rf)
{
    bare_put(&b, bare_handler(VEC_PF), "\x48\x83\xc4\x08" IRETQ, 6); /* add $8,%rsp; iretq */
    arm(0, BARE_CODE, CODE, LEN_1);
    c->s.rflags |= FLAG_RF;
    c->s.gpr[REG_RAX] = BARE_UNMAPPED;
    BARE_INSN(&b, LOAD_RAX);
    bare_atoms(&b, 4);
    ck_assert_uint_eq(c->s.rip, BARE_CODE);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
}
END_TEST

START_TEST(code_before_its_fetch)
{
    c->s.rip = BARE_UNMAPPED;
    c->s.fetch_line = 0;
    arm(0, BARE_UNMAPPED, CODE, LEN_1);
    take_debug(1);
    ck_assert_uint_eq(c->s.cr2, 0);
}
END_TEST

START_TEST(interrupt_before_code)
{
    arm(0, BARE_CODE, CODE, LEN_1);
    c->s.nmi_pending = 1;
    bare_put(&b, bare_handler(VEC_NMI), IRETQ, 2);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    bare_atoms(&b, 1);
    take_debug(1);
}
END_TEST

/* Trap of the instruction before, then the breakpoint on the next. */
START_TEST(trap_before_code)
{
    bare_put(&b, bare_handler(VEC_DB), IRETQ, 2);
    arm(0, DATA, WRITE, LEN_1);
    arm(1, BARE_CODE + 3, CODE, LEN_1);
    c->s.gpr[REG_RAX] = DATA;
    BARE_INSN(&b, STORE_RAX NOP);
    bare_atoms(&b, 1);
    take_debug(1);
    bare_atoms(&b, 1);
    take_debug(2);
}
END_TEST

START_TEST(rf_is_not_for_others)
{
    arm(0, DATA, WRITE, LEN_1);
    c->s.rflags |= FLAG_RF;
    c->s.gpr[REG_RAX] = DATA;
    ck_assert(TRAPS(STORE_RAX));
}
END_TEST

/* RF is set by an IRETQ that was itself let past a breakpoint, not by POPF nor by IRETW. */
START_TEST(who_sets_rf)
{
    static const u64 image[] = {BARE_CODE + 0x100, BARE_CS0, FLAG_FIXED | FLAG_RF, BARE_STACK, BARE_DS0};
    c->s.gpr[REG_RSP] = DATA;
    c->s.rflags |= FLAG_RF;
    for (unsigned i = 0; i < 5; i++)
        bare_set_u64(&b, DATA + 8 * i, image[i]);
    ck_assert(!TRAPS(IRETQ));
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_RF);
    c->s.gpr[REG_RSP] = DATA + 16;
    ck_assert(!TRAPS("\x9d")); /* popf */
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED);
}
END_TEST

START_TEST(int_n_pushes_no_rf)
{
    c->s.rflags |= FLAG_RF;
    BARE_INSN(&b, "\xcc");
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_BP));
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, 0);
}
END_TEST

/* ---- general detect ---- */

START_TEST(general_detect)
{
    c->s.dr[7] |= DR7_GD;
    BARE_INSN(&b, "\x0f\x21\xc0"); /* mov %dr0,%rax */
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_DB));
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED | DR6_BD);
    ck_assert_uint_eq(c->s.dr[7], DR7_FIXED);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE);
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, FLAG_RF); /* a fault */
}
END_TEST

/* ---- MOV SS (6.8.3 "Masking Exceptions and Interrupts When Switching Stacks") ---- */

START_TEST(mov_ss_holds_back)
{
    c->s.gpr[REG_RBX] = DATA;
    bare_set_u64(&b, DATA, BARE_DS0);
    arm(0, DATA, ACCESS, LEN_2);
    arm(1, BARE_CODE + 2, CODE, LEN_1); /* as if RF were set */
    BARE_INSN(&b, "\x8e\x13" NOP NOP);  /* mov (%rbx),%ss */
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 3);
    take_debug(1);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + 3);
}
END_TEST

/* INT n after it: before the first instruction of the handler. */
START_TEST(mov_ss_then_int)
{
    c->s.gpr[REG_RBX] = DATA;
    bare_set_u64(&b, DATA, BARE_DS0);
    arm(0, DATA, ACCESS, LEN_2);
    BARE_INSN(&b, "\x8e\x13\xcd\x80");
    bare_atoms(&b, 3);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x80));
    take_debug(1);
    ck_assert_uint_eq(bare_frame(&b, 0), bare_handler(0x80));
}
END_TEST

/* ---- single steps ---- */

START_TEST(single_steps)
{
    bare_put(&b, bare_handler(VEC_DB), IRETQ, 2);
    c->s.rflags |= FLAG_TF;
    c->s.gpr[REG_RAX] = BARE_DS0;
    BARE_INSN(&b, NOP MOV_SS_EAX NOP NOP);
    static const u64 stops[] = {1, 4, 5}; /* not behind MOV SS */
    for (unsigned i = 0; i < 3; i++) {
        bare_atoms(&b, i == 1 ? 2 : 1);
        take_debug(DR6_BS);
        ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + stops[i]);
        bare_atoms(&b, 1);
    }
}
END_TEST

START_TEST(step_with_breakpoint)
{
    arm(0, DATA, WRITE, LEN_1);
    c->s.rflags |= FLAG_TF;
    c->s.gpr[REG_RAX] = DATA;
    ck_assert(TRAPS(STORE_RAX));
    take_debug(DR6_BS | 1);
}
END_TEST

/* SYSCALL traps by the TF that IA32_FMASK leaves, SYSRET by the one that it loads. */
START_TEST(steps_by_syscall_and_sysret)
{
    c->s.star = (u64)BARE_CS0 << 32 | (u64)(BARE_CS3 - 16) << 48;
    c->s.lstar = BARE_CODE + 0x100;
    c->s.fmask = FLAG_TF;
    c->s.rflags |= FLAG_TF;
    ck_assert(!TRAPS("\x0f\x05"));
    c->s.fmask = 0;
    c->s.rflags |= FLAG_TF;
    ck_assert(TRAPS("\x0f\x05"));
    c->s.pending_debug = 0;
    c->s.rflags = FLAG_FIXED;
    c->s.gpr[REG_R11] = FLAG_FIXED | FLAG_TF;
    c->s.gpr[REG_RCX] = BARE_USER;
    ck_assert(TRAPS("\x48\x0f\x07"));
    ck_assert_uint_eq(c->s.rip, BARE_USER);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_breakpoints(TCase *t)
{
    tcase_add_loop_test(t, data_matches, 0, ROWS(match));
    tcase_add_loop_test(t, after_a_short_cut, 0, 2);
    tcase_add_test(t, by_the_instruction);
    tcase_add_test(t, none_without_an_enable);
    tcase_add_test(t, several_at_once);
    tcase_add_test(t, stack_pushes_match);
    tcase_add_test(t, faults_forget);
    tcase_add_test(t, faults_forget_their_own_alone);
    tcase_add_loop_test(t, delivery_matches, 0, 4);
    tcase_add_test(t, walks_and_fetches_do_not_match);
    tcase_add_test(t, rep_traps_in_between);
    tcase_add_test(t, rep_stops_once);
    tcase_add_test(t, interrupt_between_iterations_pushes_rf);
    tcase_add_loop_test(t, ports_match, 0, ROWS(port));
    tcase_add_test(t, code_faults_before);
    tcase_add_test(t, other_faults_push_rf);
    tcase_add_test(t, code_before_its_fetch);
    tcase_add_test(t, interrupt_before_code);
    tcase_add_test(t, trap_before_code);
}

static void add_flags(TCase *t)
{
    tcase_add_test(t, rf_is_not_for_others);
    tcase_add_test(t, who_sets_rf);
    tcase_add_test(t, int_n_pushes_no_rf);
    tcase_add_test(t, general_detect);
    tcase_add_test(t, mov_ss_holds_back);
    tcase_add_test(t, mov_ss_then_int);
    tcase_add_test(t, single_steps);
    tcase_add_test(t, step_with_breakpoint);
    tcase_add_test(t, steps_by_syscall_and_sysret);
}

int main(void)
{
    Suite *suite = suite_create("debug");
    TCase *t = tcase_create("debug");

    tcase_add_checked_fixture(t, set_up, tear_down);
    add_breakpoints(t);
    add_flags(t);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
