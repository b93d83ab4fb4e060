/* test_alignment.c - alignment checks, and what they share their way with: data breakpoints. */
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "mmu/mmu.h"

#include <check.h>
#include <stdlib.h>

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

#define LOAD_RAX  "\x48\x8b\x00" /* mov (%rax),%rax */
#define STORE_RAX "\x48\x89\x00" /* mov %rax,(%rax) */

/* ---- alignment (SDM vol. 3, 6.15 "Interrupt 17 - Alignment Check Exception (#AC)") ---- */

static const struct {
    const char *insn;
    size_t bytes;
    int offset; /* of RAX, RSI, RDI and RSP */
    unsigned vector;
} alignment[] = {
#define ROW(insn, offset, vector) \
    { \
        insn, sizeof(insn) - 1, offset, vector \
    }
    ROW(LOAD_RAX, 8, 0),
    ROW(LOAD_RAX, 4, VEC_AC),
    ROW(STORE_RAX, 1, VEC_AC),
    ROW("\x8b\x00", 4, 0), /* mov (%rax),%eax */
    ROW("\x8b\x00", 2, VEC_AC),
    ROW("\x66\x8b\x00", 2, 0),
    ROW("\x66\x8b\x00", 1, VEC_AC),
    ROW("\x8a\x00", 1, 0),
    ROW("\x48\x01\x00", 4, VEC_AC), /* add %rax,(%rax) */
    ROW("\x50", 4, VEC_AC),         /* push */
    ROW("\x58", 4, VEC_AC),         /* pop */
    ROW("\x66\x50", 4, 0),
    ROW("\xc3", 4, VEC_AC),     /* ret */
    ROW("\xa5", 2, VEC_AC),     /* movsl */
    ROW("\xf3\xab", 2, VEC_AC), /* rep stosl */
    ROW("\xa4", 1, 0),
    ROW("\x48\x0f\xc7\x08", 8, VEC_GP),     /* cmpxchg16b */
    ROW("\x48\x8d\x00", 1, 0),              /* lea */
    ROW("\x48\x0f\xba\x28\x08", 4, VEC_AC), /* btsq $8,(%rax) */
    ROW("\x0f\x18\x08", 1, 0),              /* prefetcht0 */
#undef ROW
};

static void misalign(int offset)
{
    u64 at = BARE_USER + 0x10000 + (u64)offset;
    c->s.gpr[REG_RAX] = c->s.gpr[REG_RSI] = c->s.gpr[REG_RDI] = c->s.gpr[REG_RSP] = at;
    c->s.gpr[REG_RCX] = 1;
}

enum { CHECKED, NO_AM, NO_AC, RING_0, ALIGNMENT_WAYS };

/* The vector of the fault, 0: none. */
static unsigned try_alignment(int i, unsigned way)
{
    if (way != RING_0)
        bare_enter_user(&b);
    c->s.cr0 |= way == NO_AM ? 0 : CR0_AM;
    c->s.rflags |= way == NO_AC ? 0 : FLAG_AC;
    misalign(alignment[i].offset);
    bare_put(&b, c->s.rip, alignment[i].insn, alignment[i].bytes);
    bare_atoms(&b, 1);
    if (!c->s.event_valid)
        return 0;
    ck_assert_uint_eq(c->s.event_error, 0);
    return (unsigned)c->s.event_vector;
}

START_TEST(alignment_checks)
{
    ck_assert_uint_eq(try_alignment(_i, CHECKED), alignment[_i].vector);
}
END_TEST

START_TEST(alignment_unchecked)
{
    unsigned want = alignment[_i].vector == VEC_GP ? VEC_GP : 0;
    for (unsigned way = NO_AM; way < ALIGNMENT_WAYS; way++) {
        ck_assert_uint_eq(try_alignment(_i, way), want);
        tear_down();
        set_up();
    }
}
END_TEST

/* The tables that the processor reads for itself may lie anywhere. */
START_TEST(no_alignment_of_tables)
{
    c->s.gdtr_base = BARE_GDT + 1;
    c->s.cr0 |= CR0_AM;
    c->s.rflags |= FLAG_AC;
    bare_enter_user(&b);
    c->s.gpr[REG_RAX] = BARE_DS3;
    bare_put(&b, c->s.rip, "\x0f\x03\xc0", 3); /* lsl %eax,%eax */
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
}
END_TEST

/* The page fault comes first (table 6-2), and the fault is delivered with an error code. */
START_TEST(alignment_comes_last)
{
    bare_enter_user(&b);
    c->s.cr0 |= CR0_AM;
    c->s.rflags |= FLAG_AC;
    c->s.gpr[REG_RAX] = BARE_UNMAPPED + 1;
    BARE_INSN(&b, LOAD_RAX);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
    c->s.event_valid = 0;
    c->s.gpr[REG_RAX] = BARE_USER + 0x10001;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_AC));
    ck_assert_uint_eq(bare_frame(&b, 0), 0);
    ck_assert_uint_eq(bare_frame(&b, 1), BARE_USER);
    ck_assert_uint_eq(bare_frame(&b, 3) & FLAG_RF, FLAG_RF);
}
END_TEST

/* Accesses before the check was on, and aligned ones since, leave nothing behind that would go past it. */
START_TEST(alignment_after_a_short_cut)
{
    bare_enter_user(&b);
    c->s.cr0 |= CR0_AM;
    bare_put(&b, BARE_USER, LOAD_RAX, 3);
    for (unsigned k = 0; k < 12; k++) {
        bool checked = k & 2, odd = k & 1;
        c->s.rflags = FLAG_FIXED | (checked ? FLAG_AC : 0);
        c->s.rip = BARE_USER;
        c->s.gpr[REG_RAX] = BARE_USER + 0x10000 + odd;
        bare_atoms(&b, 1);
        ck_assert_uint_eq(c->s.event_valid, checked && odd);
        c->s.event_valid = 0;
    }
}
END_TEST

/* ---- at random: what matches and what is aligned, byte by byte, whatever was accessed before ---- */

enum { ON_WRITE = 1, ON_ACCESS = 3 }; /* R/W */
enum { LOADS, STORES, ADDS, OPERATIONS };

#define RANDOM_TURNS 30000u
#define RANDOM_DATA  (BARE_USER + 0x20000) /* four pages */
#define RANDOM_AREA  0x4000u

/* (%rax) and %rbx, at BARE_USER + 64 operation + 16 log2(size). */
static void put_operations(void)
{
    static const char *const insn[OPERATIONS][4] = {
        {"\x8a\x18", "\x66\x8b\x18", "\x8b\x18", "\x48\x8b\x18"},
        {"\x88\x18", "\x66\x89\x18", "\x89\x18", "\x48\x89\x18"},
        {"\x00\x18", "\x66\x01\x18", "\x01\x18", "\x48\x01\x18"},
    };
    for (u64 i = 0; i < OPERATIONS; i++)
        for (u64 size = 0; size < 4; size++)
            bare_put(&b, BARE_USER + 64 * i + 16 * size, insn[i][size], size & 1 ? 3 : 2);
}

static u64 seed;

static u64 draw(u64 n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

/* Near the ends of pages, and in a few lines between, so that accesses meet breakpoints. */
static u64 draw_address(void)
{
    return RANDOM_DATA + draw(3) * 0x1000 + (draw(2) ? 0xff0 : 0x100) + draw(32);
}

static u64 expected_hits(unsigned operation, u64 at, unsigned n)
{
    static const unsigned length[] = {1, 2, 8, 4};
    u64 hits = 0;
    for (unsigned i = 0; i < 4; i++) {
        u64 how = c->s.dr[7] >> (16 + 4 * i) & 15;
        bool kind = (how & 3) == ON_ACCESS || ((how & 3) == ON_WRITE && operation != LOADS);
        for (u64 byte = at; byte < at + n; byte++)
            if (kind && c->s.dr[7] >> 2 * i & 3 && byte / length[how >> 2] == c->s.dr[i] / length[how >> 2])
                hits |= 1u << i;
    }
    return hits;
}

static void change_something(void)
{
    if (draw(20) == 0)
        debug_write(c, (unsigned)draw(4), draw_address());
    if (draw(20) == 0)
        debug_write(c, 7, draw(3) ? DR7_FIXED | draw(1u << 16) << 16 | draw(256) : DR7_FIXED);
    if (draw(30) == 0)
        c->s.rflags ^= FLAG_AC;
    if (draw(50) == 0)
        c->s.cr0 ^= CR0_AM;
    if (draw(200) == 0)
        mmu_drop_derived(c);
}

START_TEST(at_random)
{
    u64 hit = 0, misaligned = 0;
    seed = (u64)_i;
    put_operations();
    for (unsigned turn = 0; turn < RANDOM_TURNS; turn++) {
        unsigned operation = (unsigned)draw(OPERATIONS), size = (unsigned)draw(4), n = 1u << size;
        u64 at = draw_address();
        change_something();
        bare_enter_user(&b);
        c->s.rip = BARE_USER + 64 * operation + 16 * size;
        c->s.gpr[REG_RAX] = at;
        bool aligned = !(c->s.cr0 & CR0_AM && c->s.rflags & FLAG_AC) || at % n == 0;
        bare_atoms(&b, 1);
        ck_assert_uint_eq(c->s.event_valid, !aligned);
        ck_assert_uint_eq(c->s.pending_debug, aligned ? expected_hits(operation, at, n) : 0);
        hit += c->s.pending_debug != 0;
        misaligned += !aligned;
        c->s.pending_debug = c->s.event_valid = 0;
    }
    ck_assert_uint_gt(hit, 300);
    ck_assert_uint_gt(misaligned, 1000);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
    Suite *suite = suite_create("alignment");
    TCase *t = tcase_create("alignment");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, alignment_checks, 0, ROWS(alignment));
    tcase_add_loop_test(t, alignment_unchecked, 0, ROWS(alignment));
    tcase_add_test(t, no_alignment_of_tables);
    tcase_add_test(t, alignment_comes_last);
    tcase_add_test(t, alignment_after_a_short_cut);
    tcase_add_loop_test(t, at_random, 1, 4);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
