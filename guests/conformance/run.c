#include "conformance/run.h"

#include <stdbool.h>
#include <stddef.h>

#include "arch/insn.h"
#include "conformance/machine.h"
#include "lib/guest.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"

void case_enter(const struct registers *regs);
_Noreturn void case_leave(void);

#define NEAR UINT64_C(0x1000) /* distances below are printed as such */

static struct outcome outcome;
static uint64_t flags_now;
static bool running;
static void (*on_interrupt)(struct trap_frame *frame);

/* ---- while it runs ---- */

static bool is_fault(uint64_t vector)
{
    return vector < VEC_EXTERNAL_MIN && vector != VEC_DB && vector != VEC_NMI && vector != VEC_BP &&
           vector != VEC_OF;
}

static bool ends_case(uint64_t vector)
{
    return is_fault(vector) || vector == INT_END || vector == INT_LANDED || vector == INT_SYSCALL;
}

static unsigned count_of(uint64_t vector)
{
    unsigned n = 0;

    for (unsigned i = 0; i < outcome.events; i++)
        n += outcome.event[i].frame.vector == vector;
    return n;
}

/* The pages of a stack are whole, so the frame's end tells where it began. */
static void note(const struct trap_frame *frame)
{
    struct event *e = &outcome.event[outcome.events++];

    e->frame = *frame;
    e->top = (uint64_t)(frame + 1);
    e->cr2 = read_cr2();
    if (frame->vector != VEC_DB)
        return;
    e->dr6 = read_dr6();
    write_dr6(DR6_FIXED);
}

/* A breakpoint on an instruction comes again unless RF is set, which only the handler does (SDM vol. 3,
 * 17.3.1.1 "Instruction-Breakpoint Exception Condition"). */
static bool was_instruction(uint64_t dr6)
{
    uint64_t dr7 = read_dr7();

    for (unsigned n = 0; n < 4; n++)
        if (dr6 >> n & 1 && !(dr7 >> (16 + 4 * n) & 3))
            return true;
    return false;
}

static void go_on(struct trap_frame *frame)
{
    uint64_t steps = flags_now >> STEPS_SHIFT & 0xf;

    if (frame->vector == VEC_DB && was_instruction(outcome.event[outcome.events - 1].dr6))
        frame->rflags |= FLAG_RF;
    if (steps && count_of(VEC_DB) >= steps)
        frame->rflags &= ~(uint64_t)FLAG_TF;
}

static void on_trap(struct trap_frame *frame)
{
    if (!running && frame->vector == VEC_DB)
        return; /* machine_reset() met DR7.GD, which is clear now */
    if (on_interrupt && !ends_case(frame->vector)) {
        on_interrupt(frame);
        return;
    }
    note(frame);
    if (ends_case(frame->vector) || outcome.events == EVENTS) {
        running = false;
        case_leave();
    }
    go_on(frame);
}

void run_on_interrupt(void (*handler)(struct trap_frame *frame))
{
    on_interrupt = handler;
}

void run_init(void)
{
    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        trap_set(v, on_trap);
}

const struct outcome *run_from(const struct registers *regs, uint64_t flags)
{
    outcome.events = 0;
    flags_now = flags;
    running = true;
    case_enter(regs);
    return &outcome;
}

struct registers run_registers(const char *code, uint64_t flags)
{
    bool user = flags & RING3;
    uint64_t at = user ? ALIAS : 0;

    return (struct registers){
        .rip = (uint64_t)code + at,
        .cs = user ? SEL_UCODE : SEL_KCODE,
        .rflags = FLAG_FIXED,
        .rsp = user ? TOP_USER + at : TOP_CASE,
        .ss = user ? SEL_UDATA : SEL_KDATA,
        .rbx = DATA + at,
        .rsi = DATA + at,
        .rdi = DATA + at,
    };
}

/* ---- what it prints ---- */

extern const char image_start[], image_end[];

/* Addresses of the image depend on who compiled it. */
static void print_offset(uint64_t value, uint64_t origin)
{
    uint64_t up = value - origin, down = origin - value;

    if (up < NEAR)
        print("+%lu", up);
    else if (down < NEAR)
        print("-%lu", down);
    else if (value - (uint64_t)image_start < (uint64_t)(image_end - image_start))
        print("=image");
    else
        print("=0x%lx", value);
}

static const struct {
    uint64_t top;
    const char *name;
} stacks[] = {{TOP_CASE, "case"},
              {TOP_RSP0, "rsp0"},
              {TOP_IST1, "ist1"},
              {TOP_IST2, "ist2"},
              {TOP_USER + ALIAS, "user"}};

/* Where an address lies below the top of a stack; other addresses as they are. */
static void print_stack(uint64_t address)
{
    for (unsigned i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        if (stacks[i].top - address < NEAR) {
            print("%s", stacks[i].name);
            if (stacks[i].top != address)
                print("-%lu", stacks[i].top - address);
            return;
        }
    }
    print("0x%lx", address);
}

static void print_vector(const struct trap_frame *f)
{
    if (f->vector == INT_END)
        print("end");
    else if (f->vector == INT_SYSCALL)
        print("syscall");
    else if (f->vector == INT_LANDED)
        print("landed");
    else if (f->vector < VEC_EXTERNAL_MIN)
        print("%s", trap_name(f->vector));
    else
        print("int%lx", f->vector);
    if (f->vector == VEC_DF || f->vector == VEC_AC || (f->vector >= VEC_TS && f->vector <= VEC_PF))
        print("(0x%lx)", f->error);
}

/* #DF says nothing of where it was (SDM vol. 3, 6.15, "Interrupt 8"); after END it is plain, and where far
 * transfers lead the image decides. */
static bool prints_rip(uint64_t vector)
{
    return vector != VEC_DF && vector != INT_END && vector != INT_LANDED && vector != INT_SYSCALL;
}

static void print_segments(const struct trap_frame *f)
{
    bool user = f->cs & SELECTOR_RPL;

    if (user)
        print(" ring3");
    if (f->cs != (user ? SEL_UCODE : SEL_KCODE))
        print(" cs=%lx", f->cs);
    if (f->ss != (user ? SEL_UDATA : SEL_KDATA))
        print(" ss=%lx", f->ss);
    if (f->rsp != (user ? TOP_USER + ALIAS : TOP_CASE)) {
        print(" rsp=");
        print_stack(f->rsp);
    }
}

static void print_flags(uint64_t rflags, uint64_t shown)
{
    static const struct {
        uint64_t flag;
        const char *name;
    } names[] = {{FLAG_TF, "TF"}, {FLAG_IF, "IF"}, {FLAG_DF, "DF"},
                 {FLAG_NT, "NT"}, {FLAG_AC, "AC"}, {FLAG_ID, "ID"}};

    if (shown & SHOW_FLAGS) {
        print(" rflags=0x%lx", rflags);
        return;
    }
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (rflags & names[i].flag)
            print(" %s", names[i].name);
    if (rflags & FLAG_IOPL)
        print(" IOPL%lu", (rflags & FLAG_IOPL) >> FLAG_IOPL_SHIFT);
}

static void print_registers(const struct trap_frame *f, uint64_t shown)
{
    const struct {
        uint64_t flag, value;
        const char *name;
    } registers[] = {{SHOW_RAX, f->rax, "rax"}, {SHOW_RBX, f->rbx, "rbx"},
                     {SHOW_RCX, f->rcx, "rcx"}, {SHOW_RDX, f->rdx, "rdx"},
                     {SHOW_RSI, f->rsi, "rsi"}, {SHOW_RDI, f->rdi, "rdi"},
                     {SHOW_R11, f->r11, "r11"}, {SHOW_MEM, *(volatile uint64_t *)DATA, "mem"}};

    for (unsigned i = 0; i < sizeof registers / sizeof *registers; i++)
        if (shown & registers[i].flag)
            print(" %s=0x%lx", registers[i].name, registers[i].value);
}

void run_print_event(const struct event *e, uint64_t origin, uint64_t flags)
{
    const struct trap_frame *f = &e->frame;
    uint64_t alias = f->cs & SELECTOR_RPL && f->rip - ALIAS < ALIAS ? ALIAS : 0;

    print_vector(f);
    if (prints_rip(f->vector))
        print_offset(f->rip - alias, origin);
    if ((f->vector == VEC_PF && !(flags & HIDE_CR2)) || flags & SHOW_CR2)
        print(" cr2=0x%lx", e->cr2);
    if (f->vector == VEC_DB)
        print(" dr6=0x%lx", e->dr6);
    if (f->vector != VEC_DF)
        print_segments(f);
    if (e->top != TOP_IST1) {
        print(" on ");
        print_stack(e->top);
    }
    print_flags(f->rflags, flags);
}

static void print_outcome(const struct case_row *row, const struct outcome *o)
{
    for (unsigned i = 0; i < o->events; i++) {
        print(i ? "; " : " ");
        run_print_event(&o->event[i], (uint64_t)row->try, row->flags);
    }
    print_registers(&o->event[o->events - 1].frame, row->flags);
    print("\n");
}

static const char *skipped = "";

void run_skip(const char *names)
{
    skipped = names;
}

static bool is_listed(const char *name, const char *names)
{
    while (*names) {
        const char *n = name;

        for (; *n && *n == *names; n++)
            names++;
        if (!*n && (!*names || *names == ',' || *names == ' '))
            return true;
        while (*names && *names++ != ',')
            ;
    }
    return false;
}

bool run_begin(const char *name, uint64_t flags)
{
    const char *lacking = machine_lacks(flags);

    print("%s:", name);
    if (is_listed(name, skipped))
        print(" skipped\n");
    else if (lacking)
        print(" absent %s\n", lacking);
    else
        return true;
    return false;
}

void run_table(const struct case_row *row)
{
    for (; row->name; row++) {
        struct registers regs = run_registers(row->code, row->flags);

        if (!run_begin(row->name, row->flags))
            continue;
        machine_reset();
        print_outcome(row, run_from(&regs, row->flags));
    }
}
