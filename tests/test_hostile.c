/* test_hostile.c - programs do not see how large a TLB is, or when an interrupt comes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/subject.h"
#include "lib/suite.h"
#include "mmu/mem.h"

/* ---- sizes ---- */

#define CYCLES_MAX 800000000u

/* time: cycles are in its memory, or in its exits. */
static const struct {
    const char *image, *cmdline, *module;
    bool time;
} guests[] = {
    {"guests/hello.elf", "hello", NULL, false},
    {"guests/walk.elf", "walk", NULL, false},
    {"guests/fault.elf", "fault", NULL, false},
    {"guests/alu.elf", "alu 20000", NULL, false},
    {"guests/cpuid.elf", "cpuid", NULL, true},
    {"guests/chase.elf", "chase 64 1000", NULL, false},
    {"guests/ports.elf", "ports", NULL, false},
    {"guests/rights.elf", "rights", NULL, false},
    {"hv/hv.elf", "hv", "guests/hello.elf", true},
    {"hv/hv.elf", "hv", "guests/walk.elf", true},
    {"hv/hv.elf", "hv", "guests/vmcall.elf", true},
    {"hv/hv.elf", "hv", "guests/fault.elf", true},
    {"hv/hv.elf", "hv", "guests/rights.elf", true},
    {"hv/hv.elf", "hv", "guests/tables.elf", true},
    {"hv/hv.elf", "hv", "guests/tables.elf mmu=shadow", true},
};

struct seen {
    char *console;
    size_t bytes;
    uint64_t arch, insns;
    int status;
};

/* Lines that tell cycles, which are another matter. */
static void drop_lines_of_cycles(char *text)
{
    char *to = text;
    for (const char *line = text, *next; *line; line = next) {
        const char *end = strchr(line, '\n'), *cycles = strstr(line, "cycles");
        next = end ? end + 1 : line + strlen(line);
        if (cycles && cycles < next)
            continue;
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = 0;
}

static struct seen run_guest(int i, enum sizes sizes)
{
    const struct subject s = {guests[i].image, guests[i].cmdline, guests[i].module, 1, sizes, NULL};
    struct seen seen;
    struct run r;
    run_make(&r, &s);
    run_boot(&r, &s);
    run_to(&r, CYCLES_MAX, 1000000);
    const uint8_t *console = rs_console(r.machine, 0, &seen.bytes);
    seen.console = malloc(seen.bytes + 1);
    memcpy(seen.console, console, seen.bytes);
    seen.console[seen.bytes] = 0;
    drop_lines_of_cycles(seen.console);
    seen.arch = rs_hash(r.world, RS_HASH_ARCH);
    seen.insns = rs_insns(r.machine, 0);
    seen.status = (int)rs_halt_status(r.machine);
    ck_assert_msg(rs_halt_text(r.machine) != NULL, "%s does not end", s.image);
    rs_world_free(r.world);
    return seen;
}

START_TEST(sizes_do_not_show)
{
    struct seen want = run_guest(_i, SIZES_USUAL);
    ck_assert_uint_gt(want.bytes, 0);
    for (enum sizes sizes = SIZES_SMALL; sizes < SIZES_COUNT; sizes++) {
        struct seen got = run_guest(_i, sizes);
        ck_assert_str_eq(got.console, want.console);
        ck_assert_int_eq(got.status, want.status);
        if (!guests[_i].time) {
            ck_assert_uint_eq(got.insns, want.insns);
            ck_assert_uint_eq(got.arch, want.arch);
        }
        free(got.console);
    }
    free(want.console);
}
END_TEST

/* ---- events ---- */

#define VECTOR     0x41
#define DATA       0x40000u
#define DATA_BYTES 0x800u
#define ATOMS_MAX  30000u

/* Arithmetic, flags by way of the stack, a call, a string instruction, in twenty turns. */
static const char program[] = "\x48\xc7\xc1\x14\x00\x00\x00" /* mov rcx, 20 */
                              "\x48\x01\xc8"                 /* 1: add rax, rcx */
                              "\x48\xd1\xc0"                 /* rol rax, 1 */
                              "\x50"                         /* push rax */
                              "\xe8\x02\x00\x00\x00"         /* call 2f */
                              "\xeb\x04"                     /* jmp 3f */
                              "\x48\xff\xc3"                 /* 2: inc rbx */
                              "\xc3"                         /* ret */
                              "\x5a"                         /* 3: pop rdx */
                              "\x48\x89\x14\xce"             /* mov [rsi+rcx*8], rdx */
                              "\xf0\x48\x0f\xba\x2e\x05"     /* lock bts [rsi], 5 */
                              "\x51\x56\x57"                 /* push rcx, rsi, rdi */
                              "\xb9\x07\x00\x00\x00"         /* mov ecx, 7 */
                              "\xf3\xa4"                     /* rep movsb */
                              "\x5f\x5e\x59"                 /* pop rdi, rsi, rcx */
                              "\x9c\x5d"                     /* pushf; pop rbp */
                              "\x48\x01\xe8"                 /* add rax, rbp */
                              "\x48\xff\xc9"                 /* dec rcx */
                              "\x75\xcc";                    /* jnz 1b */

#define PROGRAM_END (BARE_CODE + sizeof program - 1)

/* The count stands at HANDLER_COUNT; 0 stops the timer. */
static const char handler[] = "\x50\x51\x52\x31\xd2"         /* push rax, rcx, rdx; xor edx, edx */
                              "\xb9\x0b\x08\x00\x00"         /* mov ecx, IA32_X2APIC_EOI */
                              "\x31\xc0\x0f\x30"             /* xor eax, eax; wrmsr */
                              "\xb9\x38\x08\x00\x00"         /* mov ecx, IA32_X2APIC_INIT_COUNT */
                              "\xb8\x00\x00\x00\x00\x0f\x30" /* mov eax, count; wrmsr */
                              "\x5a\x59\x58\x48\xcf";        /* pop rdx, rcx, rax; iretq */
#define HANDLER       (BARE_HANDLER + 16 * VECTOR)
#define HANDLER_COUNT (HANDLER + 20)

static struct bare bare;
static struct core *core;

static void open_program(void)
{
    bare_open(&bare, 0);
    core = bare.core;
    bare_put(&bare, BARE_CODE, program, sizeof program - 1);
    bare_put(&bare, HANDLER, handler, sizeof handler - 1);
    ck_assert(sys_write_msr(core, MSR_APIC_BASE, core->s.apic_base | APIC_BASE_X2APIC));
    apic_write(core, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    apic_write(core, APIC_LVT_TIMER, VECTOR);
    apic_write(core, APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    core->s.gpr[REG_RSI] = DATA;
    core->s.gpr[REG_RDI] = DATA + 0x400;
    core->s.rflags |= FLAG_IF;
}

struct left {
    u64 gpr[16], rflags;
    u8 data[DATA_BYTES];
};

/* What the program leaves; false if it has not come to its end. */
static bool close_program(struct left *l)
{
    bool over = core->s.rip == PROGRAM_END;
    memcpy(l->gpr, core->s.gpr, sizeof l->gpr);
    l->rflags = core->s.rflags;
    mem_copy_out(bare.machine->mem, DATA, l->data, DATA_BYTES);
    bare_close(&bare);
    return over;
}

static void same(const struct left *want, const struct left *got)
{
    ck_assert_mem_eq(want->gpr, got->gpr, sizeof want->gpr);
    ck_assert_uint_eq(want->rflags, got->rflags);
    ck_assert_mem_eq(want->data, got->data, DATA_BYTES);
}

static bool in_program(u64 rip)
{
    return rip - BARE_CODE < sizeof program - 1;
}

/* Without events: its atoms, and which bytes of it begin instructions. */
static u64 run_alone(struct left *l, bool begins[sizeof program])
{
    u64 atoms = 0;
    open_program();
    for (; in_program(core->s.rip); atoms++) {
        begins[core->s.rip - BARE_CODE] = true;
        bare_atoms(&bare, 1);
    }
    ck_assert(close_program(l));
    return atoms;
}

START_TEST(an_interrupt_before_each_atom)
{
    static struct left want, got;
    bool begins[sizeof program] = {false};
    u64 taken = 0, alone = run_alone(&want, begins);
    open_program();
    apic_raise(core, VECTOR);
    while (core->s.rip != PROGRAM_END) {
        bool program_next = in_program(core->s.rip);
        core->rt.look_again = 0;
        bare_atoms(&bare, 1);
        if (program_next && core->s.rip == HANDLER)
            taken++;
        else if (program_next)
            apic_raise(core, VECTOR);
    }
    ck_assert_uint_eq(taken, alone);
    ck_assert(close_program(&got));
    same(&want, &got);
}
END_TEST

/* A timer that the handler sets again to so many cycles: from too few to get on by one instruction, to some.
 * The first instruction is over before it. */
static u64 run_with_timer(struct left *l, unsigned count, bool hit[sizeof program])
{
    u64 taken = 0;
    open_program();
    mem_write(bare.machine->mem, HANDLER_COUNT, 4, count);
    apic_write(core, APIC_TIMER_INITIAL, count);
    for (unsigned i = 0; i < ATOMS_MAX && core->s.rip != PROGRAM_END; i++) {
        u64 rip = core->s.rip;
        bare_atoms(&bare, 1);
        if (core->s.rip == HANDLER && in_program(rip)) {
            hit[rip - BARE_CODE] = true;
            taken++;
        }
    }
    return close_program(l) ? taken : 0;
}

START_TEST(a_timer_of_every_period)
{
    static struct left want, got;
    bool begins[sizeof program] = {false}, hit[sizeof program] = {false};
    u64 alone = run_alone(&want, begins), most = 0;
    for (unsigned count = 120; count < 260; count++) {
        u64 taken = run_with_timer(&got, count, hit);
        if (taken)
            same(&want, &got);
        most = taken > most ? taken : most;
    }
    begins[0] = false;
    ck_assert_mem_eq(begins, hit, sizeof begins);
    ck_assert_uint_ge(most, alone - 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hostile");
    TCase *t = tcase_create("hostile");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, sizes_do_not_show, 0, (int)(sizeof guests / sizeof *guests));
    tcase_add_test(t, an_interrupt_before_each_atom);
    tcase_add_test(t, a_timer_of_every_period);
    suite_add_tcase(s, t);
    return suite_run(s);
}
