/* native.c - enters code by returning from a signal with its registers, and leaves it by the next signal. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* the registers of ucontext_t */
#endif
#include "lib/native.h"

#if defined(__x86_64__) && defined(__linux__)

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK_BYTES 65536

static const int greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct native_state *current;
static volatile sig_atomic_t ending;
static sigjmp_buf back;
static unsigned char stack[STACK_BYTES];

static void enter(int signal, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)signal;
    (void)info;
    for (int i = 0; i < 16; i++)
        g[greg_of[i]] = (greg_t)current->gpr[i];
    g[REG_RIP] = (greg_t)current->rip;
    g[REG_EFL] = (greg_t)current->rflags;
}

static void leave(int signal, siginfo_t *info, void *context)
{
    const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)info;
    for (int i = 0; i < 16; i++)
        current->gpr[i] = (uint64_t)g[greg_of[i]];
    current->rip = (uint64_t)g[REG_RIP];
    current->rflags = (uint64_t)g[REG_EFL];
    ending = signal;
    siglongjmp(back, 1);
}

static void *area(uintptr_t address, int protection)
{
    void *at = mmap((void *)address, NATIVE_AREA_BYTES, protection,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return at == (void *)address ? at : NULL;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(signal, &a, NULL);
}

bool native_open(void)
{
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    static const int faults[] = {SIGTRAP, SIGFPE, SIGILL, SIGSEGV, SIGBUS};
    if (!area(NATIVE_CODE, PROT_READ | PROT_WRITE | PROT_EXEC) || !area(NATIVE_DATA, PROT_READ | PROT_WRITE))
        return false;
    sigaltstack(&alternative, NULL);
    handle(SIGUSR1, enter);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        handle(faults[i], leave);
    return true;
}

enum native_end native_run(struct native_state *s)
{
    current = s;
    if (sigsetjmp(back, 1) == 0)
        raise(SIGUSR1);
    switch (ending) {
    case SIGTRAP: return NATIVE_BREAKPOINT;
    case SIGFPE: return NATIVE_DIVIDE;
    case SIGILL: return NATIVE_UNDEFINED;
    case SIGSEGV: return NATIVE_MEMORY;
    default: return NATIVE_OTHER;
    }
}

#else

bool native_open(void)
{
    return false;
}

enum native_end native_run(struct native_state *s)
{
    (void)s;
    return NATIVE_OTHER;
}

#endif
