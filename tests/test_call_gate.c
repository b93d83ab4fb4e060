/* test_call_gate.c - far CALL and JMP through call gates (SDM vol. 3, 5.8.3.1 "IA-32e Mode Call Gates"), and
 * the stack segment that a return finds absent. */
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/suite.h"

#include <check.h>

#define GATE      0x70 /* behind what the machine's GDT has */
#define GATE_CODE 0x80
#define GDT_BYTES 0x90
#define TARGET    (BARE_CODE + 0x400)
#define POINTER   (BARE_USER + 0x1000) /* where the far pointer lies: both rings may read it */
#define PRESENT   0x80
#define DPL3      0x60
#define BAD_RIP   UINT64_C(0x800000000000)

#define CALL_FAR "\x48\xff\x18" /* of (%rax) */
#define JMP_FAR  "\x48\xff\x28"

static struct bare b;
static struct core *c;

static void set_gate(unsigned access, u64 target, unsigned selector)
{
    bare_set_u64(&b, BARE_GDT + GATE,
                 (target & 0xffff) | (u64)selector << 16 | (u64)(access | SYS_CALL_GATE) << 40 |
                     (target >> 16 & 0xffff) << 48);
    bare_set_u64(&b, BARE_GDT + GATE + 8, target >> 32);
}

static void set_up(void)
{
    bare_open(&b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK);
    c = b.core;
    c->s.gdtr_limit = GDT_BYTES - 1;
    set_gate(PRESENT | DPL3, TARGET, BARE_CS0);
    c->s.gpr[REG_RAX] = POINTER;
}

static void tear_down(void)
{
    bare_close(&b);
}

/* One far transfer to a selector; its offset is not looked at if that is a gate. */
static void transfer(const char *bytes, unsigned selector)
{
    bare_set_u64(&b, POINTER, BAD_RIP);
    bare_set_u64(&b, POINTER + 8, selector);
    bare_put(&b, c->s.rip, bytes, 3);
    bare_atoms(&b, 1);
}

static void expect_fault(unsigned vector, u64 error)
{
    ck_assert(c->s.event_valid);
    ck_assert_uint_eq(c->s.event_vector, vector);
    ck_assert_uint_eq(c->s.event_error, error);
    ck_assert_uint_ne(c->s.rip, TARGET);
}

static void expect_arrival(unsigned cs)
{
    ck_assert(!c->s.event_valid);
    ck_assert_uint_eq(c->s.rip, TARGET);
    ck_assert_uint_eq(c->s.seg[SEG_CS].selector, cs);
}

START_TEST(call_at_the_same_ring)
{
    transfer(CALL_FAR, GATE);
    expect_arrival(BARE_CS0);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_STACK - 16);
    ck_assert_uint_eq(bare_u64(&b, BARE_STACK - 8), BARE_CS0);
    ck_assert_uint_eq(bare_u64(&b, BARE_STACK - 16), BARE_CODE + 3);
}
END_TEST

START_TEST(jump_at_the_same_ring)
{
    transfer(JMP_FAR, GATE);
    expect_arrival(BARE_CS0);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_STACK);
}
END_TEST

/* The TSS's stack, a null SS, four words. */
START_TEST(call_inward)
{
    bare_enter_user(&b);
    u64 rsp = c->s.gpr[REG_RSP];
    transfer(CALL_FAR, GATE | 3);
    expect_arrival(BARE_CS0);
    ck_assert_uint_eq(cpl(c), 0);
    ck_assert_uint_eq(c->s.seg[SEG_SS].selector, 0);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_RSP0 - 32);
    ck_assert_uint_eq(bare_u64(&b, BARE_RSP0 - 8), BARE_DS3);
    ck_assert_uint_eq(bare_u64(&b, BARE_RSP0 - 16), rsp);
    ck_assert_uint_eq(bare_u64(&b, BARE_RSP0 - 24), BARE_CS3);
    ck_assert_uint_eq(bare_u64(&b, BARE_RSP0 - 32), BARE_USER + 3);
}
END_TEST

START_TEST(and_back)
{
    bare_enter_user(&b);
    u64 rsp = c->s.gpr[REG_RSP];
    transfer(CALL_FAR, GATE | 3);
    BARE_INSN(&b, "\x48\xcb"); /* lretq */
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, BARE_USER + 3);
    ck_assert_uint_eq(cpl(c), 3);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], rsp);
}
END_TEST

START_TEST(jump_stays_outside)
{
    bare_enter_user(&b);
    transfer(JMP_FAR, GATE | 3);
    expect_fault(VEC_GP, BARE_CS0);
}
END_TEST

/* A conforming segment runs at the caller's CPL. */
START_TEST(conforming)
{
    bare_set_u64(&b, BARE_GDT + GATE_CODE, DESC_CODE64 | (u64)SEG_CONFORMING << 40);
    set_gate(PRESENT | DPL3, TARGET, GATE_CODE);
    bare_enter_user(&b);
    transfer(CALL_FAR, GATE | 3);
    expect_arrival(GATE_CODE | 3);
    ck_assert_uint_eq(cpl(c), 3);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_USER_STACK - 16);
}
END_TEST

START_TEST(stack_beyond_the_tss)
{
    bare_enter_user(&b);
    c->s.seg[SEG_TR].limit = TSS_RSP0 + 6;
    transfer(CALL_FAR, GATE | 3);
    expect_fault(VEC_TS, BARE_TR);
}
END_TEST

START_TEST(stack_not_mapped)
{
    bare_enter_user(&b);
    bare_set_u64(&b, BARE_TSS + TSS_RSP0, BARE_UNMAPPED + 8);
    transfer(CALL_FAR, GATE | 3);
    expect_fault(VEC_PF, PF_W);
    ck_assert_uint_eq(cpl(c), 3);
}
END_TEST

START_TEST(half_a_gate)
{
    c->s.gdtr_limit = GATE + 8;
    transfer(CALL_FAR, GATE);
    expect_fault(VEC_GP, GATE);
}
END_TEST

START_TEST(type_in_the_upper_half)
{
    bare_set_u64(&b, BARE_GDT + GATE + 8, UINT64_C(1) << 40);
    transfer(CALL_FAR, GATE);
    expect_fault(VEC_GP, GATE);
}
END_TEST

static const struct {
    unsigned access;
    u64 target;
    unsigned code, from; /* the gate's selector, the one that names the gate */
    unsigned vector;
    u64 error;
} bad_gate[] = {
    {PRESENT, TARGET, BARE_CS0, GATE | 3, VEC_GP, GATE},          /* DPL 0, ring 3 */
    {DPL3, TARGET, BARE_CS0, GATE | 3, VEC_NP, GATE},             /* absent */
    {0, TARGET, BARE_CS0, GATE | 3, VEC_GP, GATE},                /* privilege before presence */
    {PRESENT | DPL3, TARGET, 0, GATE | 3, VEC_GP, 0},             /* null */
    {PRESENT | DPL3, TARGET, BARE_DS0, GATE, VEC_GP, BARE_DS0},   /* data */
    {PRESENT | DPL3, TARGET, GDT_BYTES, GATE, VEC_GP, GDT_BYTES}, /* beyond the GDT */
    {PRESENT | DPL3, TARGET, BARE_CS_ABSENT, GATE, VEC_NP, BARE_CS_ABSENT},
    {PRESENT | DPL3, TARGET, BARE_CS_COMPAT, GATE, VEC_GP, BARE_CS_COMPAT},
    {PRESENT | DPL3, BAD_RIP, BARE_CS0, GATE, VEC_GP, 0},
};

START_TEST(bad_gates)
{
    set_gate(bad_gate[_i].access, bad_gate[_i].target, bad_gate[_i].code);
    bare_enter_user(&b);
    transfer(CALL_FAR, bad_gate[_i].from);
    expect_fault(bad_gate[_i].vector, bad_gate[_i].error);
}
END_TEST

/* ---- SDM vol. 2A, "IRET": #NP(selector); vol. 2B, "RET": #SS(selector) ---- */

#define ABSENT_STACK (GATE_CODE | 3)

static void push(u64 value)
{
    c->s.gpr[REG_RSP] -= 8;
    bare_set_u64(&b, c->s.gpr[REG_RSP], value);
}

static void absent_stack(void)
{
    bare_set_u64(&b, BARE_GDT + GATE_CODE, DESC_DATA_USER & ~DESC_P);
    push(ABSENT_STACK);
    push(BARE_USER_STACK);
}

START_TEST(iret_to_absent_stack)
{
    absent_stack();
    push(FLAG_FIXED);
    push(BARE_CS3);
    push(BARE_USER);
    BARE_INSN(&b, "\x48\xcf");
    bare_atoms(&b, 1);
    expect_fault(VEC_NP, GATE_CODE);
}
END_TEST

START_TEST(retf_to_absent_stack)
{
    absent_stack();
    push(BARE_CS3);
    push(BARE_USER);
    BARE_INSN(&b, "\x48\xcb");
    bare_atoms(&b, 1);
    expect_fault(VEC_SS, GATE_CODE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("call gates");
    TCase *t = tcase_create("call gates");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, call_at_the_same_ring);
    tcase_add_test(t, jump_at_the_same_ring);
    tcase_add_test(t, call_inward);
    tcase_add_test(t, and_back);
    tcase_add_test(t, jump_stays_outside);
    tcase_add_test(t, conforming);
    tcase_add_test(t, stack_beyond_the_tss);
    tcase_add_test(t, stack_not_mapped);
    tcase_add_test(t, half_a_gate);
    tcase_add_test(t, type_in_the_upper_half);
    tcase_add_loop_test(t, bad_gates, 0, (int)(sizeof bad_gate / sizeof *bad_gate));
    tcase_add_test(t, iret_to_absent_stack);
    tcase_add_test(t, retf_to_absent_stack);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
