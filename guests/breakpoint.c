/* breakpoint - a guest that debugs itself: breakpoint registers, general detect, single steps.
 *
 * Each debug exception is noted and told at the end of its part: where, DR6, and RF as it was pushed. */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/mark.h"
#include "lib/print.h"
#include "lib/traps.h"

#define RECORDS 16

/* DR7: breakpoint i, locally enabled; R/W and LEN. */
#define ARM(i, rw, len) (UINT64_C(1) << 2 * (i) | (uint64_t)((len) << 2 | (rw)) << (16 + 4 * (i)))

enum { ON_EXECUTION, ON_WRITE, ON_PORT, ON_ACCESS };
enum { BYTES_1, BYTES_2, BYTES_8, BYTES_4 };

static struct record {
    uint64_t rip, dr6, rflags, rcx;
} records[RECORDS];
static unsigned recorded;

static volatile uint64_t cell[2];
static uint8_t bytes[16];

/* An instruction breakpoint would stop its instruction again; TF ends after a few steps. */
static void on_debug(struct trap_frame *frame)
{
    uint64_t dr6 = read_dr6();

    if (recorded < RECORDS)
        records[recorded++] = (struct record){frame->rip, dr6, frame->rflags, frame->rcx};
    if (dr6 & DR6_BS && recorded >= 4)
        frame->rflags &= ~(uint64_t)FLAG_TF;
    frame->rflags |= FLAG_RF;
    write_dr6(DR6_FIXED);
}

static void arm(uint64_t dr7)
{
    write_dr6(DR6_FIXED);
    write_dr7(dr7);
}

static void tell(const char *what, uint64_t from)
{
    arm(0);
    print("%s:", what);
    for (unsigned i = 0; i < recorded; i++)
        print(" +%lu DR6 %lx%s", records[i].rip - from, records[i].dr6,
              records[i].rflags & FLAG_RF ? " RF" : "");
    print(recorded ? "\n" : " nothing\n");
    recorded = 0;
}

extern const char stored[], called[], filled[], detected[], stepped[];

static void show_data(void)
{
    write_dr0((uint64_t)&cell[0]);
    write_dr1((uint64_t)&cell[1] + 3);
    arm(ARM(0, ON_WRITE, BYTES_8) | ARM(1, ON_ACCESS, BYTES_1));
    mark(1, (uint64_t)&cell[0], 0);
    __asm__ volatile(".globl stored\nstored: movq (%0), %%rax\n\t" /* a read: nothing */
                     "movq $1, (%0)\n\t"
                     "movl 8(%0), %%eax\n\t"  /* its fourth byte */
                     "movl 12(%0), %%eax\n\t" /* beyond it */
                     "lock incq 4(%0)\n\t"    /* both */
                     "nop"
                     :
                     : "r"(cell)
                     : "rax", "memory", "cc");
    tell("data", (uint64_t)stored);
}

__asm__(".pushsection .text.called, \"ax\"\n"
        ".globl called\n"
        "called: nop\n\tnop\n\tret\n"
        ".popsection");

static void show_code(void)
{
    write_dr2((uint64_t)called + 1);
    arm(ARM(2, ON_EXECUTION, BYTES_1));
    for (unsigned i = 0; i < 2; i++)
        __asm__ volatile("call called" : : : "memory");
    tell("code", (uint64_t)called);
}

static void show_strings(void)
{
    uint8_t *to = bytes;
    uint64_t n = sizeof bytes;

    write_dr3((uint64_t)&bytes[4]);
    write_dr2((uint64_t)filled);
    arm(ARM(3, ON_WRITE, BYTES_2) | ARM(2, ON_EXECUTION, BYTES_1));
    __asm__ volatile(".globl filled\nfilled: rep stosb\n\tnop" : "+D"(to), "+c"(n) : "a"(1) : "memory");
    for (unsigned i = 0; i < recorded; i++)
        print("%lu left, ", records[i].rcx);
    tell("string", (uint64_t)filled);
}

static void show_detect(void)
{
    uint64_t value;

    arm(DR7_GD);
    __asm__ volatile(".globl detected\ndetected: mov %%dr3, %0" : "=r"(value));
    tell("general detect", (uint64_t)detected);
}

static void show_steps(void)
{
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n"
                     ".globl stepped\nstepped: nop\n\t"
                     "mov %%ss, %%eax\n\t"
                     "mov %%eax, %%ss\n\t" /* holds the trap back */
                     "nop\n\tcpuid\n\tnop\n\tnop"
                     :
                     :
                     : "rax", "rbx", "rcx", "rdx", "memory", "cc");
    tell("single steps", (uint64_t)stepped);
}

uint32_t guest_main(const char *args)
{
    (void)args;
    trap_set(VEC_DB, on_debug);
    show_data();
    show_code();
    show_strings();
    show_detect();
    show_steps();
    return 0;
}
