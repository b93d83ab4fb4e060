/* test_exec.c - integer instructions by known answers, on every host; test_lockstep.c compares them with a
 * processor. */
#include <check.h>
#include <string.h>

#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/suite.h"

#define DATA          0x210000u
#define NOT_CANONICAL 0x8000000000000000u

static struct bare bare;
static struct core_state *s;

static void set_up(void)
{
    bare_open(&bare, 0);
    s = &bare.core->s;
    s->gpr[REG_RSI] = DATA;
    s->gpr[REG_RDI] = DATA + 0x100;
}

static void tear_down(void)
{
    bare_close(&bare);
}

/* Until RIP is behind the code, or an event is pending; how many atoms that took. */
static unsigned run(const char *code, unsigned n)
{
    unsigned atoms = 0;
    bare_put(&bare, BARE_CODE, code, n);
    s->rip = BARE_CODE;
    s->event_valid = 0;
    for (; s->rip != BARE_CODE + n && !s->event_valid; atoms++)
        cpu_atom(bare.core);
    return atoms;
}

#define RUN(code) run(code, sizeof code - 1)

START_TEST(sums)
{
    s->gpr[REG_RAX] = 0x7fffffff;
    RUN("\xff\xc0"); /* inc eax */
    ck_assert_uint_eq(s->gpr[REG_RAX], 0x80000000u);
    ck_assert_uint_eq(s->rflags & (FLAGS_STATUS & ~FLAG_CF), FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF);
    s->gpr[REG_RAX] = UINT64_MAX;
    RUN("\x83\xc0\x01"); /* add eax, 1 */
    ck_assert_uint_eq(s->gpr[REG_RAX], 0);
    ck_assert_uint_eq(s->rflags & FLAGS_STATUS, FLAG_CF | FLAG_ZF | FLAG_AF | FLAG_PF);
    s->gpr[REG_RAX] = s->gpr[REG_RDX] = UINT64_MAX;
    RUN("\x48\xf7\xe2"); /* mul rdx */
    ck_assert_uint_eq(s->gpr[REG_RAX], 1);
    ck_assert_uint_eq(s->gpr[REG_RDX], UINT64_MAX - 1);
    s->gpr[REG_RAX] = 0x1234;
    RUN("\x86\xe0"); /* xchg al, ah */
    ck_assert_uint_eq(s->gpr[REG_RAX], 0x3412);
}
END_TEST

START_TEST(counts)
{
    s->gpr[REG_RCX] = 0x8000f00100000000u;
    s->rflags |= FLAGS_STATUS;
    RUN("\xf3\x48\x0f\xb8\xc1"); /* popcnt rax, rcx */
    ck_assert_uint_eq(s->gpr[REG_RAX], 6);
    ck_assert_uint_eq(s->rflags & FLAGS_STATUS, 0);
    RUN("\xf3\x0f\xb8\xc1"); /* popcnt eax, ecx */
    ck_assert_uint_eq(s->gpr[REG_RAX], 0);
    ck_assert_uint_eq(s->rflags & FLAGS_STATUS, FLAG_ZF);
    RUN("\xf3\x48\x0f\xbd\xc1"); /* lzcnt rax, rcx */
    ck_assert_uint_eq(s->gpr[REG_RAX], 0);
    ck_assert_uint_eq(s->rflags & (FLAG_ZF | FLAG_CF), FLAG_ZF);
    RUN("\x66\xf3\x0f\xbd\xc1"); /* lzcnt ax, cx */
    ck_assert_uint_eq(s->gpr[REG_RAX], 16);
    ck_assert_uint_eq(s->rflags & (FLAG_ZF | FLAG_CF), FLAG_CF);
    s->gpr[REG_RCX] = 0x100;
    RUN("\xf3\x0f\xbc\xc1"); /* without BMI1 it is bsf eax, ecx */
    ck_assert_uint_eq(s->gpr[REG_RAX], 8);
    RUN("\x0f\xb8\xc1");
    ck_assert_uint_eq(s->event_vector, VEC_UD);
}
END_TEST

START_TEST(swapped_bytes)
{
    bare_set_u64(&bare, DATA, 0x0123456789abcdefu);
    RUN("\x48\x0f\x38\xf0\x06"); /* movbe rax, [rsi] */
    ck_assert_uint_eq(s->gpr[REG_RAX], 0xefcdab8967452301u);
    s->gpr[REG_RAX] = UINT64_MAX;
    RUN("\x66\x0f\x38\xf0\x06"); /* movbe ax, [rsi] */
    ck_assert_uint_eq(s->gpr[REG_RAX], 0xffffffffffffefcdu);
    s->gpr[REG_RAX] = 0x11223344;
    RUN("\x0f\x38\xf1\x06"); /* movbe [rsi], eax */
    ck_assert_uint_eq(bare_u64(&bare, DATA), 0x0123456744332211u);
    RUN("\x0f\x38\xf0\xc0");
    ck_assert_uint_eq(s->event_vector, VEC_UD); /* not from a register */
    RUN("\xf2\x0f\x38\xf0\x06");
    ck_assert_uint_eq(s->event_vector, VEC_UD); /* nor CRC32 */
}
END_TEST

/* Bits 23:20 and 15:8 of the descriptor's upper half, and those of the limit between. */
START_TEST(access_rights)
{
    s->gpr[REG_RCX] = BARE_CS3;
    RUN("\x0f\x02\xc1"); /* lar eax, ecx */
    ck_assert_uint_eq(s->gpr[REG_RAX], DESC_CODE64_USER >> 32 & 0xffff00);
    ck_assert_uint_ne(s->rflags & FLAG_ZF, 0);
}
END_TEST

/* One iteration an atom, with RIP at the instruction between them. */
START_TEST(rep_by_atoms)
{
    s->gpr[REG_RCX] = 7;
    ck_assert_uint_eq(RUN("\xf3\xa4"), 7);
    ck_assert_uint_eq(s->gpr[REG_RCX], 0);
    ck_assert_uint_eq(s->gpr[REG_RSI], DATA + 7);
    s->gpr[REG_RCX] = 7;
    s->rip = BARE_CODE;
    cpu_atom(bare.core);
    ck_assert_uint_eq(s->rip, BARE_CODE);
    ck_assert_uint_eq(s->gpr[REG_RCX], 6);
    s->gpr[REG_RCX] = 0;
    ck_assert_uint_eq(RUN("\xf3\xa4"), 1);
    ck_assert_uint_eq(s->gpr[REG_RSI], DATA + 8);
}
END_TEST

/* A fault leaves every register, and the stack's own vector for RSP and RBP. */
START_TEST(faults)
{
    u64 before[16];
    s->gpr[REG_RBP] = s->gpr[REG_RAX] = NOT_CANONICAL;
    RUN("\x03\x45\x00"); /* add eax, [rbp] */
    ck_assert_uint_eq(s->event_vector, VEC_SS);
    RUN("\x03\x00"); /* add eax, [rax] */
    ck_assert_uint_eq(s->event_vector, VEC_GP);
    s->gpr[REG_RSP] = NOT_CANONICAL;
    memcpy(before, s->gpr, sizeof before);
    RUN("\x50"); /* push rax */
    ck_assert_uint_eq(s->event_vector, VEC_SS);
    ck_assert_mem_eq(s->gpr, before, sizeof before);
    RUN("\xf0\x01\xd8"); /* lock add eax, ebx */
    ck_assert_uint_eq(s->event_vector, VEC_UD);
    ck_assert_uint_eq(s->rip, BARE_CODE);
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
    s->gpr[REG_RAX] = 0x1234;
    rs_watch(bare.world, RS_PROBE_mark, true, on_mark, NULL);
    RUN("\x66\x87\xdb\x87\xdb\x66\x41\x87\xdb"); /* xchg bx, bx; xchg ebx, ebx; xchg r11w, bx */
    ck_assert_uint_eq(marks, 1);
    ck_assert_uint_eq(marked[0], 0x1234);
    ck_assert_uint_eq(marked[1], DATA + 0x100);
    ck_assert_uint_eq(marked[2], DATA);
}
END_TEST

static Suite *suite(void)
{
    Suite *exec = suite_create("exec");
    TCase *t = tcase_create("integer");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, sums);
    tcase_add_test(t, counts);
    tcase_add_test(t, swapped_bytes);
    tcase_add_test(t, access_rights);
    tcase_add_test(t, rep_by_atoms);
    tcase_add_test(t, faults);
    tcase_add_test(t, marker);
    suite_add_tcase(exec, t);
    return exec;
}

int main(void)
{
    return suite_run(suite());
}
