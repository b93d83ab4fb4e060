/* test_exception.c - delivery of exceptions and interrupts (SDM vol. 3, 6 "Interrupt and Exception
 * Handling"). */
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/suite.h"

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

#define UD2        "\x0f\x0b"
#define INT_80     "\xcd\x80"
#define IRETQ      "\x48\xcf"
#define LOAD_RAX   "\x48\x8b\x00" /* mov (%rax),%rax */
#define STORE_RAX  "\x48\x89\x00" /* mov %rax,(%rax) */
#define MOV_DS_EAX "\x8e\xd8"
#define DIV_ECX    "\xf7\xf1"

/* ---- the frame ---- */

START_TEST(fault_without_error_code)
{
    c->s.gpr[REG_RSP] = BARE_STACK - 4; /* to be aligned */
    c->s.rflags = FLAG_FIXED | FLAG_IF | FLAG_CF | FLAG_NT;
    BARE_INSN(&b, UD2);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_UD);
    ck_assert_uint_eq(c->s.event_type, EVENT_HARD_EXCEPTION);
    ck_assert_uint_eq(c->s.rip, BARE_CODE);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid, 0);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_UD));
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_STACK - 16 - 40);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE);
    ck_assert_uint_eq(bare_frame(&b, 1), BARE_CS0);
    ck_assert_uint_eq(bare_frame(&b, 2), FLAG_FIXED | FLAG_IF | FLAG_CF | FLAG_NT | FLAG_RF);
    ck_assert_uint_eq(bare_frame(&b, 3), BARE_STACK - 4);
    ck_assert_uint_eq(bare_frame(&b, 4), BARE_DS0);
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_CF);
}
END_TEST

START_TEST(fault_with_error_code)
{
    c->s.gpr[REG_RAX] = 0x1230;
    BARE_INSN(&b, MOV_DS_EAX);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_GP));
    ck_assert_uint_eq(bare_frame(&b, 0), 0x1230);
    ck_assert_uint_eq(bare_frame(&b, 1), BARE_CODE);
}
END_TEST

START_TEST(from_ring_3)
{
    bare_enter_user(&b);
    BARE_INSN(&b, DIV_ECX);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_DE));
    ck_assert_uint_eq(cpl(c), 0);
    ck_assert_uint_eq(c->s.seg[SEG_CS].selector, BARE_CS0);
    ck_assert_uint_eq(c->s.seg[SEG_SS].selector, 0);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_RSP0 - 40);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_USER);
    ck_assert_uint_eq(bare_frame(&b, 1), BARE_CS3);
    ck_assert_uint_eq(bare_frame(&b, 3), BARE_USER_STACK);
    ck_assert_uint_eq(bare_frame(&b, 4), BARE_DS3);
}
END_TEST

START_TEST(interrupt_stack_table)
{
    bare_gate(&b, VEC_UD, bare_handler(VEC_UD), BARE_CS0, SEG_P | SYS_TRAP_GATE, 1);
    c->s.rflags |= FLAG_IF;
    BARE_INSN(&b, UD2);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_IST1 - 40);
    ck_assert_uint_ne(c->s.rflags & FLAG_IF, 0); /* a trap gate */
}
END_TEST

START_TEST(there_and_back)
{
    bare_enter_user(&b);
    bare_gate(&b, 0x80, bare_handler(0x80), BARE_CS0, SEG_P | SEG_DPL | SYS_INTERRUPT_GATE, 0);
    bare_put(&b, bare_handler(0x80), IRETQ, 2);
    c->s.rflags |= FLAG_IF | FLAG_ZF;
    BARE_INSN(&b, INT_80);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_USER + 2);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, BARE_USER + 2);
    ck_assert_uint_eq(cpl(c), 3);
    ck_assert_uint_eq(c->s.seg[SEG_CS].selector, BARE_CS3);
    ck_assert_uint_eq(c->s.seg[SEG_SS].selector, BARE_DS3);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_USER_STACK);
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_IF | FLAG_ZF);
    ck_assert_uint_eq(c->s.seg[SEG_DS].attr & SEG_UNUSABLE, SEG_UNUSABLE); /* ring 0's data segment */
}
END_TEST

/* ---- page faults ---- */

static const struct {
    const char *insn;
    u64 address;
    bool user;
    u32 error;
} page_fault[] = {
    {LOAD_RAX, BARE_UNMAPPED + 8, false, 0},
    {STORE_RAX, BARE_UNMAPPED + 8, false, PF_W},
    {LOAD_RAX, BARE_UNMAPPED + 8, true, PF_U},
    {STORE_RAX, BARE_CODE + 8, true, PF_P | PF_W | PF_U},
};

START_TEST(page_faults)
{
    if (page_fault[_i].user)
        bare_enter_user(&b);
    c->s.gpr[REG_RAX] = page_fault[_i].address;
    bare_put(&b, c->s.rip, page_fault[_i].insn, 3);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.cr2, 0);
    ck_assert_uint_eq(c->s.event_cr2, page_fault[_i].address);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_PF));
    ck_assert_uint_eq(c->s.cr2, page_fault[_i].address);
    ck_assert_uint_eq(bare_frame(&b, 0), page_fault[_i].error);
}
END_TEST

/* ---- gates ---- */

static const struct {
    unsigned selector, type;
    unsigned vector;
    u32 error;
} bad_gate[] = {
    {BARE_CS0, SYS_INTERRUPT_GATE, VEC_NP, 0x80 << 3 | ERROR_IDT}, /* not present */
    {BARE_CS0, SEG_P | SYS_CALL_GATE, VEC_GP, 0x80 << 3 | ERROR_IDT},
    {0, SEG_P | SYS_INTERRUPT_GATE, VEC_GP, 0},
    {BARE_DS0, SEG_P | SYS_INTERRUPT_GATE, VEC_GP, BARE_DS0},
    {BARE_CS_COMPAT, SEG_P | SYS_INTERRUPT_GATE, VEC_GP, BARE_CS_COMPAT},
    {BARE_CS_ABSENT, SEG_P | SYS_INTERRUPT_GATE, VEC_NP, BARE_CS_ABSENT},
    {BARE_CS3, SEG_P | SYS_INTERRUPT_GATE, VEC_GP, BARE_CS3 & ~3}, /* outward */
    {0x1000, SEG_P | SYS_INTERRUPT_GATE, VEC_GP, 0x1000},          /* beyond the GDT */
};

static void check_bad_gate(int i, u32 ext)
{
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, bad_gate[i].vector);
    ck_assert_uint_eq(c->s.event_error, bad_gate[i].error | ext);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(bad_gate[i].vector));
}

START_TEST(bad_gates_of_int_n)
{
    bare_gate(&b, 0x80, bare_handler(0x80), bad_gate[_i].selector, bad_gate[_i].type, 0);
    BARE_INSN(&b, INT_80);
    bare_atoms(&b, 1);
    check_bad_gate(_i, 0);
}
END_TEST

static void enable_apic(void)
{
    apic_write(c, 0xf0, 0x1ff);
}

START_TEST(bad_gates_of_an_interrupt)
{
    bare_gate(&b, 0x80, bare_handler(0x80), bad_gate[_i].selector, bad_gate[_i].type, 0);
    enable_apic();
    apic_raise(c, 0x80);
    c->s.rflags |= FLAG_IF;
    check_bad_gate(_i, ERROR_EXT);
}
END_TEST

START_TEST(gate_privilege)
{
    bare_enter_user(&b);
    BARE_INSN(&b, INT_80);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
    ck_assert_uint_eq(c->s.event_error, 0x80 << 3 | ERROR_IDT);
}
END_TEST

START_TEST(idt_limit)
{
    c->s.idtr_limit = 16 * 0x80 - 1;
    BARE_INSN(&b, INT_80);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
    ck_assert_uint_eq(c->s.event_error, 0x80 << 3 | ERROR_IDT);
}
END_TEST

START_TEST(tss_limit)
{
    bare_enter_user(&b);
    c->s.seg[SEG_TR].limit = TSS_RSP0 + 6;
    BARE_INSN(&b, UD2);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.event_vector, VEC_TS);
    ck_assert_uint_eq(c->s.event_error, BARE_TR | ERROR_EXT);
}
END_TEST

START_TEST(stack_not_canonical)
{
    bare_set_u64(&b, BARE_TSS + TSS_RSP0, 0x800000000000);
    bare_enter_user(&b);
    BARE_INSN(&b, UD2);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.event_vector, VEC_SS);
    ck_assert_uint_eq(c->s.event_error, ERROR_EXT);
}
END_TEST

/* A delivery that fails leaves registers as they were. */
START_TEST(failed_delivery_changes_nothing)
{
    u64 flags;

    bare_set_u64(&b, BARE_TSS + TSS_RSP0, BARE_UNMAPPED + 0x1000);
    bare_enter_user(&b);
    BARE_INSN(&b, UD2);
    bare_atoms(&b, 1);
    flags = c->s.rflags;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
    ck_assert_uint_eq(c->s.event_cr2, BARE_UNMAPPED + 0xff8);
    ck_assert_uint_eq(c->s.event_error, PF_W);
    ck_assert_uint_eq(cpl(c), 3);
    ck_assert_uint_eq(c->s.rip, BARE_USER);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_USER_STACK);
    ck_assert_uint_eq(c->s.rflags, flags);
}
END_TEST

/* ---- double faults (table 6-5): an absent gate makes #NP, which is contributory ---- */

static void no_gate(unsigned vector)
{
    bare_gate(&b, vector, 0, BARE_CS0, SYS_INTERRUPT_GATE, 0);
}

static const struct {
    const char *insn;
    unsigned first, second;
} twice[] = {
    {UD2 "\x90", VEC_UD, VEC_NP},     /* benign, contributory: one after the other */
    {DIV_ECX "\x90", VEC_DE, VEC_DF}, /* contributory twice */
    {LOAD_RAX, VEC_PF, VEC_DF},       /* page fault, contributory */
    {INT_80 "\x90", 0x80, VEC_NP},    /* INT n is benign */
    {"\xcd\x0d\x90", VEC_GP, VEC_NP}, /* even if its number is an exception's */
};

START_TEST(double_faults)
{
    no_gate(twice[_i].first);
    c->s.gpr[REG_RAX] = BARE_UNMAPPED;
    bare_put(&b, c->s.rip, twice[_i].insn, 3);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.event_vector, twice[_i].second);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(twice[_i].second));
    if (twice[_i].second == VEC_DF)
        ck_assert_uint_eq(bare_frame(&b, 0), 0);
}
END_TEST

/* ---- what two exceptions make (table 6-5 "Conditions for Generating a Double Fault") ---- */

static void pend(unsigned vector, enum event_type type)
{
    c->s.event_valid = 1;
    c->s.event_vector = vector;
    c->s.event_type = type;
}

/* Deliveries that fail: an empty IDT makes #GP, which is contributory, one that is not mapped #PF. */
enum { CONTRIBUTORY, PAGE_FAULT };

static void spoil_idt(unsigned how)
{
    c->s.idtr_limit = how == CONTRIBUTORY ? 0 : 0xfff;
    c->s.idtr_base = how == CONTRIBUTORY ? BARE_IDT : BARE_UNMAPPED;
}

#define SHUTDOWN NO_VECTOR
enum { NO_VECTOR = 256 };

static const struct {
    unsigned first;
    enum event_type type;
    unsigned then[2]; /* after a contributory exception, after a page fault */
} pair[] = {
    {VEC_DB, EVENT_HARD_EXCEPTION, {VEC_GP, VEC_PF}},
    {VEC_UD, EVENT_HARD_EXCEPTION, {VEC_GP, VEC_PF}},
    {VEC_NM, EVENT_HARD_EXCEPTION, {VEC_GP, VEC_PF}},
    {VEC_AC, EVENT_HARD_EXCEPTION, {VEC_GP, VEC_PF}},
    {VEC_MC, EVENT_HARD_EXCEPTION, {VEC_GP, VEC_PF}},
    {VEC_DE, EVENT_HARD_EXCEPTION, {VEC_DF, VEC_PF}},
    {VEC_TS, EVENT_HARD_EXCEPTION, {VEC_DF, VEC_PF}},
    {VEC_NP, EVENT_HARD_EXCEPTION, {VEC_DF, VEC_PF}},
    {VEC_SS, EVENT_HARD_EXCEPTION, {VEC_DF, VEC_PF}},
    {VEC_GP, EVENT_HARD_EXCEPTION, {VEC_DF, VEC_PF}},
    {VEC_PF, EVENT_HARD_EXCEPTION, {VEC_DF, VEC_DF}},
    {VEC_VE, EVENT_HARD_EXCEPTION, {VEC_DF, VEC_DF}},
    {VEC_DF, EVENT_HARD_EXCEPTION, {SHUTDOWN, SHUTDOWN}},
    {VEC_GP, EVENT_SOFT_INT, {VEC_GP, VEC_PF}}, /* INT 13 is benign, as are all events from outside */
    {VEC_PF, EVENT_EXTERNAL, {VEC_GP, VEC_PF}},
    {VEC_NMI, EVENT_NMI, {VEC_GP, VEC_PF}},
    {VEC_BP, EVENT_SOFT_EXCEPTION, {VEC_GP, VEC_PF}},
    {VEC_DB, EVENT_PRIV_EXCEPTION, {VEC_GP, VEC_PF}},
};

START_TEST(pairs)
{
    for (unsigned how = CONTRIBUTORY; how <= PAGE_FAULT; how++) {
        unsigned then = pair[_i].then[how];
        spoil_idt(how);
        pend(pair[_i].first, pair[_i].type);
        bare_atoms(&b, 1);
        ck_assert_uint_eq(b.machine->b.halted, then == SHUTDOWN ? HALT_SHUTDOWN : HALT_NONE);
        if (then != SHUTDOWN)
            ck_assert(c->s.event_valid && c->s.event_vector == then);
        b.machine->b.halted = HALT_NONE;
    }
}
END_TEST

/* ---- EXT (6.13 "Error Code"): not in the delivery of INT n, INT3 and INTO ---- */

static const struct {
    unsigned vector;
    enum event_type type;
    u32 ext;
} outside[] = {
    {0x80, EVENT_EXTERNAL, ERROR_EXT},
    {VEC_NMI, EVENT_NMI, ERROR_EXT},
    {VEC_UD, EVENT_HARD_EXCEPTION, ERROR_EXT},
    {VEC_DB, EVENT_PRIV_EXCEPTION, ERROR_EXT},
    {0x80, EVENT_SOFT_INT, 0},
    {VEC_BP, EVENT_SOFT_EXCEPTION, 0},
};

/* Ways to fail: the vector, and its error code but for EXT. */
enum { NO_GATE, ABSENT_GATE, NULL_CODE, ABSENT_CODE, FAR_HANDLER, FAR_STACK, SHORT_TSS, FAILURES };

static const struct {
    unsigned vector;
    u32 error;
    bool names_gate; /* the error code is the vector's */
} failure[FAILURES] = {
    [NO_GATE] = {VEC_GP, 0, true},          [ABSENT_GATE] = {VEC_NP, 0, true},
    [NULL_CODE] = {VEC_GP, 0, false},       [ABSENT_CODE] = {VEC_NP, BARE_CS_ABSENT, false},
    [FAR_HANDLER] = {VEC_GP, 0, false},     [FAR_STACK] = {VEC_SS, 0, false},
    [SHORT_TSS] = {VEC_TS, BARE_TR, false},
};

#define GATE         (SEG_P | SEG_DPL | SYS_INTERRUPT_GATE)
#define FAR_FAR_AWAY (UINT64_C(1) << 47)

static void make_fail(unsigned vector, unsigned how)
{
    unsigned cs = how == NULL_CODE ? 0 : how == ABSENT_CODE ? BARE_CS_ABSENT : BARE_CS0;
    u64 rip = how == FAR_HANDLER ? FAR_FAR_AWAY : bare_handler(vector);
    unsigned type = how == ABSENT_GATE ? GATE & ~(unsigned)SEG_P : GATE;

    bare_gate(&b, vector, rip, cs, type, 7);
    bare_set_u64(&b, BARE_TSS + TSS_IST1 + 48, how == FAR_STACK ? FAR_FAR_AWAY : BARE_IST1);
    if (how == NO_GATE)
        c->s.idtr_limit = 16 * vector + 14;
    if (how == SHORT_TSS)
        c->s.seg[SEG_TR].limit = TSS_IST1 + 48 + 6;
}

START_TEST(ext)
{
    for (unsigned how = 0; how < FAILURES; how++) {
        u32 error = failure[how].names_gate ? outside[_i].vector << 3 | ERROR_IDT : failure[how].error;
        make_fail(outside[_i].vector, how);
        pend(outside[_i].vector, outside[_i].type);
        bare_atoms(&b, 1);
        ck_assert_uint_eq(c->s.event_vector, failure[how].vector);
        ck_assert_uint_eq(c->s.event_error, error | outside[_i].ext);
        tear_down();
        set_up();
    }
}
END_TEST

/* #GP, then #PF on the stack: serial; #PF, then #PF: double fault; then #PF again: shutdown. */
START_TEST(down_to_shutdown)
{
    bare_set_u64(&b, BARE_TSS + TSS_RSP0, BARE_UNMAPPED + 0x1000);
    bare_enter_user(&b);
    BARE_INSN(&b, "\xf4"); /* hlt in ring 3 */
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_DF);
    ck_assert_uint_eq(c->s.cr2, BARE_UNMAPPED + 0xff8);
    ck_assert_uint_eq(b.machine->b.halted, HALT_NONE);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(b.machine->b.halted, HALT_SHUTDOWN);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_SHUTDOWN);
    ck_assert_ptr_nonnull(
        strstr(rs_halt_text(b.machine), "#PF, then #PF while it was being delivered, then #PF"));
}
END_TEST

/* ---- interrupts ---- */

START_TEST(interrupt_waits_for_if)
{
    enable_apic();
    apic_raise(c, 0x41);
    BARE_INSN(&b, "\x90\xfb\x90\x90"); /* nop; sti; nop; nop */
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 2);
    bare_atoms(&b, 1); /* STI's shadow covers one instruction */
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 3);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x41));
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + 3);
    ck_assert_uint_eq(c->s.count.interrupts, 1);
}
END_TEST

START_TEST(interrupt_ends_hlt)
{
    enable_apic();
    BARE_INSN(&b, "\xfb\xf4"); /* sti; hlt */
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_HLT);
    apic_raise(c, 0x41);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x41));
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + 2);
    ck_assert_uint_eq(c->s.activity, ACTIVITY_ACTIVE);
}
END_TEST

#define STI    "\xfb"
#define CLI    "\xfa"
#define NOP    "\x90"
#define MOV_SS "\x8e\xd0"         /* mov %eax, %ss */
#define LSS    "\x0f\xb2\x24\x24" /* lss (%rsp), %esp */

/* What is blocked after each instruction, by STI or by MOV SS, until the interrupt is taken at `offset`.  In
 * 64-bit mode there is no POP SS. */
static const struct {
    const char *code, *blocked;
    u64 offset;
} shadow[] = {
    {STI NOP NOP, "i-", 2},
    {STI STI NOP, "i-", 2},
    {STI CLI STI NOP NOP, "i-i-", 4},
    {STI MOV_SS NOP NOP, "is-", 4},
    {MOV_SS STI NOP NOP, "si-", 4},
    {STI MOV_SS MOV_SS NOP NOP, "is-", 5},
    {STI MOV_SS NOP MOV_SS NOP, "is-", 4},
    {MOV_SS MOV_SS STI NOP NOP, "s-i-", 6},
    {STI LSS NOP, "i-", 5},
};

START_TEST(each_shadow_lasts_an_instruction)
{
    const char *code = shadow[_i].code;
    bare_put(&b, BARE_CODE, code, strlen(code));
    bare_set_u64(&b, BARE_STACK, BARE_STACK | (u64)BARE_DS0 << 32);
    c->s.gpr[REG_RSP] = BARE_STACK;
    c->s.gpr[REG_RAX] = BARE_DS0;
    enable_apic();
    apic_raise(c, 0x40);
    for (const char *at = shadow[_i].blocked; *at; at++) {
        bare_atoms(&b, 1);
        ck_assert_uint_eq(c->s.count.interrupts, 0);
        ck_assert_uint_eq(c->s.shadow_sti, *at == 'i');
        ck_assert_uint_eq(c->s.shadow_ss, *at == 's');
    }
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.count.interrupts, 1);
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + shadow[_i].offset);
    ck_assert_uint_eq(c->s.shadow_sti | c->s.shadow_ss, 0);
}
END_TEST

START_TEST(nmi_blocks_nmi_until_iret)
{
    bare_put(&b, bare_handler(VEC_NMI), IRETQ, 2);
    c->s.nmi_pending = 1;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    ck_assert_uint_eq(c->s.nmi_blocked, 1);
    ck_assert_uint_eq(c->s.nmi_pending, 0);
    c->s.nmi_pending = 1;
    bare_atoms(&b, 1); /* IRET, not the NMI */
    ck_assert_uint_eq(c->s.nmi_blocked, 0);
    ck_assert_uint_eq(c->s.rip, BARE_CODE);
    c->rt.look_again = 0;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
}
END_TEST

/* A fault of IRET has ended the blocking; MOV SS holds an NMI back, STI does not. */
START_TEST(nmi_after_a_faulting_iret)
{
    c->s.nmi_blocked = 1;
    c->s.gpr[REG_RSP] = BARE_UNMAPPED;
    BARE_INSN(&b, IRETQ);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
    ck_assert_uint_eq(c->s.nmi_blocked, 0);
}
END_TEST

START_TEST(nmi_in_a_shadow)
{
    c->s.gpr[REG_RAX] = BARE_DS0;
    BARE_INSN(&b, "\xfb\x90\x8e\xd0\x90"); /* sti; nop; mov %eax,%ss; nop */
    bare_atoms(&b, 1);
    c->s.nmi_pending = 1;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    c->s.rip = BARE_CODE + 2;
    c->s.nmi_blocked = 0;
    bare_atoms(&b, 1);
    c->s.nmi_pending = 1;
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_NMI));
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + 5);
}
END_TEST

/* ---- one instruction, several faults: the first of table 6-2 "Priority Among Concurrent Events", and of the
 * instruction's own page ---- */

static const struct {
    const char *insn;
    size_t bytes;
    unsigned vector;
} first[] = {
#define ROW(insn, vector) \
    { \
        insn, sizeof(insn) - 1, vector \
    }
    ROW("\xf0\x48\x8b\x00", VEC_UD),     /* lock mov (%rax): before its operand */
    ROW("\x0f\x22\xe8", VEC_UD),         /* mov to CR5 */
    ROW("\x48\xf7\x30", VEC_PF),         /* div (%rax): the operand before the quotient */
    ROW("\x48\x0f\xc7\x48\x01", VEC_GP), /* cmpxchg16b: alignment before the page */
    ROW("\x8e\x10", VEC_PF),             /* mov (%rax),%ss */
    ROW("\x48\x0f\xb2\x00", VEC_PF),     /* lss (%rax),%rax */
    ROW("\x48\xff\x28", VEC_PF),         /* ljmp *(%rax) */
    ROW("\x66\x0f\x38\x82\x18", VEC_PF), /* invpcid (%rax),%rbx: the operand before the type */
#undef ROW
};

START_TEST(first_fault_of_an_instruction)
{
    c->s.gpr[REG_RAX] = BARE_UNMAPPED;
    c->s.gpr[REG_RBX] = 9;
    c->s.gpr[REG_RDX] = 0;
    bare_put(&b, c->s.rip, first[_i].insn, first[_i].bytes);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid, 1);
    ck_assert_uint_eq(c->s.event_vector, first[_i].vector);
}
END_TEST

/* There is no x87: by CR0's EM, MP and TS (SDM vol. 3, 2.5 "Control Registers"). */
#define FLDS     "\xd9\x84\x48\x10\x10\x80\x01" /* flds 0x1801010(%rax,%rcx,2), which is not mapped */
#define FNSTSW   "\xdf\xe0"
#define RESERVED "\xd9\xd1"
#define WAIT     "\x9b"
#define LOCK     "\xf0"
#define EMMS     "\x0f\x77"
#define NO_FAULT 256

static const struct {
    const char *code;
    u64 cr0;
    unsigned vector;
} coprocessor[] = {
    {FLDS, 0, VEC_UD},
    {FLDS, CR0_MP, VEC_UD},
    {FLDS, CR0_TS, VEC_NM},
    {FLDS, CR0_EM, VEC_NM},
    {FNSTSW, 0, VEC_UD},
    {FNSTSW, CR0_EM | CR0_TS, VEC_NM},
    {RESERVED, 0, VEC_UD},
    {RESERVED, CR0_EM, VEC_NM},
    {WAIT, 0, NO_FAULT},
    {WAIT, CR0_TS, NO_FAULT},
    {WAIT, CR0_MP | CR0_EM, NO_FAULT},
    {WAIT, CR0_TS | CR0_MP, VEC_NM},
    {LOCK FLDS, CR0_TS, VEC_UD},
    {LOCK WAIT, CR0_TS | CR0_MP, VEC_UD},
    {EMMS, CR0_TS, VEC_UD},
    {EMMS, CR0_EM, VEC_UD},
};

START_TEST(x87_opcodes_by_cr0)
{
    bare_put(&b, BARE_CODE, coprocessor[_i].code, strlen(coprocessor[_i].code));
    c->s.cr0 |= coprocessor[_i].cr0;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_valid ? c->s.event_vector : NO_FAULT, coprocessor[_i].vector);
    ck_assert_uint_eq(c->s.event_valid && c->s.event_has_error, 0);
}
END_TEST

/* All its bytes are fetched first: the last of them lies in a page that is absent. */
START_TEST(an_x87_opcode_across_pages)
{
    c->s.rip = BARE_UNMAPPED - 6;
    c->s.cr0 |= CR0_TS;
    bare_put(&b, c->s.rip, FLDS, 6);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_PF);
    ck_assert_uint_eq(c->s.event_cr2, BARE_UNMAPPED);
}
END_TEST

START_TEST(sysret_is_undefined_before_it_is_privileged)
{
    bare_enter_user(&b);
    for (unsigned sce = 0; sce <= 1; sce++) {
        c->s.efer = (c->s.efer & ~(u64)EFER_SCE) | (sce ? EFER_SCE : 0);
        BARE_INSN(&b, "\x48\x0f\x07");
        bare_atoms(&b, 1);
        ck_assert_uint_eq(c->s.event_vector, sce ? VEC_GP : VEC_UD);
        c->s.event_valid = 0;
    }
}
END_TEST

START_TEST(single_step)
{
    c->s.rflags |= FLAG_TF;
    BARE_INSN(&b, "\x90\x90");
    bare_atoms(&b, 3);
    ck_assert_uint_eq(c->s.rip, bare_handler(VEC_DB));
    ck_assert_uint_eq(bare_frame(&b, 0), BARE_CODE + 1);
    ck_assert_uint_ne(bare_frame(&b, 2) & FLAG_TF, 0);
    ck_assert_uint_eq(bare_frame(&b, 2) & FLAG_RF, 0); /* a trap */
    ck_assert_uint_eq(c->s.rflags & FLAG_TF, 0);
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED | DR6_BS);
}
END_TEST

/* Rule E1: the parameter's cycles, under its counter. */
START_TEST(cost)
{
    u64 before;

    BARE_INSN(&b, UD2);
    bare_atoms(&b, 1);
    before = c->s.count.stall_event;
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.count.stall_event - before, b.machine->p.event_cycles);
    ck_assert_uint_eq(c->s.count.insns, 0);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
    Suite *suite = suite_create("exception");
    TCase *t = tcase_create("delivery");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, fault_without_error_code);
    tcase_add_test(t, fault_with_error_code);
    tcase_add_test(t, from_ring_3);
    tcase_add_test(t, interrupt_stack_table);
    tcase_add_test(t, there_and_back);
    tcase_add_loop_test(t, page_faults, 0, ROWS(page_fault));
    tcase_add_loop_test(t, bad_gates_of_int_n, 0, ROWS(bad_gate));
    tcase_add_loop_test(t, bad_gates_of_an_interrupt, 0, ROWS(bad_gate));
    tcase_add_test(t, gate_privilege);
    tcase_add_test(t, idt_limit);
    tcase_add_test(t, tss_limit);
    tcase_add_test(t, stack_not_canonical);
    tcase_add_test(t, failed_delivery_changes_nothing);
    tcase_add_loop_test(t, double_faults, 0, ROWS(twice));
    tcase_add_loop_test(t, pairs, 0, ROWS(pair));
    tcase_add_loop_test(t, ext, 0, ROWS(outside));
    tcase_add_test(t, down_to_shutdown);
    tcase_add_test(t, interrupt_waits_for_if);
    tcase_add_test(t, interrupt_ends_hlt);
    tcase_add_loop_test(t, each_shadow_lasts_an_instruction, 0, ROWS(shadow));
    tcase_add_test(t, nmi_blocks_nmi_until_iret);
    tcase_add_test(t, nmi_after_a_faulting_iret);
    tcase_add_test(t, nmi_in_a_shadow);
    tcase_add_loop_test(t, first_fault_of_an_instruction, 0, ROWS(first));
    tcase_add_loop_test(t, x87_opcodes_by_cr0, 0, ROWS(coprocessor));
    tcase_add_test(t, an_x87_opcode_across_pages);
    tcase_add_test(t, sysret_is_undefined_before_it_is_privileged);
    tcase_add_test(t, single_step);
    tcase_add_test(t, cost);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
