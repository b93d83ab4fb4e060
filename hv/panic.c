#include "panic.h"

#include <stdarg.h>
#include <stddef.h>

#include "arch/insn.h"
#include "arch/x86.h"
#include "print.h"
#include "symbols.h"

#define FRAMES_MAX 24

static void print_place(uint64_t rip)
{
    uint64_t offset;
    const char *name = symbol_at(rip, &offset);

    print("    0x%08lx", rip);
    if (name)
        print("  %s+0x%lx", name, offset);
    print("\n");
}

/* Every function keeps a frame pointer: [RBP] is the caller's, [RBP + 8] the return address; entry.S starts
 * with 0. */
static void backtrace(const uint64_t *rbp)
{
    for (int i = 0; i < FRAMES_MAX && on_our_stack(rbp); i++) {
        if (rbp[1])
            print_place(rbp[1]);
        rbp = (const uint64_t *)rbp[0];
    }
}

static void say(const char *start, const char *format, va_list args)
{
    print("\nhv: %s", start);
    vprint(format, args);
    print("\n");
}

_Noreturn void fatal(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say("", format, args);
    va_end(args);
    end_run(HV_EXIT_FAILURE);
}

_Noreturn void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say("panic: ", format, args);
    va_end(args);
    backtrace(__builtin_frame_address(0));
    end_run(HV_EXIT_PANIC);
}

static void print_registers(const struct trap_frame *f)
{
    print("    rip %016lx  rsp %016lx  rflags %08lx\n", f->rip, f->rsp, f->rflags);
    print("    rax %016lx  rbx %016lx  rcx %016lx\n", f->rax, f->rbx, f->rcx);
    print("    rdx %016lx  rsi %016lx  rdi %016lx\n", f->rdx, f->rsi, f->rdi);
    print("    rbp %016lx  r8  %016lx  r9  %016lx\n", f->rbp, f->r8, f->r9);
    print("    r10 %016lx  r11 %016lx  r12 %016lx\n", f->r10, f->r11, f->r12);
    print("    r13 %016lx  r14 %016lx  r15 %016lx\n", f->r13, f->r14, f->r15);
    print("    cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %016lx\n", read_cr0(), read_cr2(), read_cr3(),
          read_cr4());
}

_Noreturn void panic_trap(const struct trap_frame *frame)
{
    print("\nhv: panic: %s in the hypervisor, error code 0x%lx", trap_name(frame->vector), frame->error);
    if (frame->vector == VEC_PF)
        print(", address 0x%lx", read_cr2());
    print("\n");
    print_registers(frame);
    print_place(frame->rip);
    backtrace((const uint64_t *)frame->rbp);
    end_run(HV_EXIT_PANIC);
}
