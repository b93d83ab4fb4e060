/* native.c - see native.h.  All that is shared with the running code stands at fixed addresses in the low
 * 2 GiB, where it is reached without a register. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* the registers of ucontext_t */
#endif
#include "lib/native.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES 65536
#define PAGE        0x1000u
#define TICK_US     20000 /* of the processor's time; a sequence takes some microseconds */

/* ---- what the caller and the code on the way in and out share ---- */

struct block {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint64_t host_rsp;
    uint64_t segments; /* not 0: FS and GS are set on the way in, and FS back on the way out */
    uint64_t fs, gs, host_fs;
    uint64_t run, run_seen; /* odd while code runs; by the watchdog's last tick */
};

#define BLOCK_AT 0x30000000
#define BLOCK    ((struct block *)(uintptr_t)BLOCK_AT)

/* As the assembler says them below. */
_Static_assert(offsetof(struct block, rip) == 128 && offsetof(struct block, rflags) == 136 &&
                   offsetof(struct block, host_rsp) == 144 && offsetof(struct block, segments) == 152 &&
                   offsetof(struct block, fs) == 160 && offsetof(struct block, gs) == 168 &&
                   offsetof(struct block, host_fs) == 176 && offsetof(struct block, run) == 184 &&
                   offsetof(struct block, run_seen) == 192,
               "the block's offsets");

void native_enter(void);
void native_leave(void);
void native_back(void);
void native_fault(int signal, siginfo_t *info, void *context);
void native_tick(int signal, siginfo_t *info, void *context);
void native_note(int signal, siginfo_t *info, void *context);

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
#define SLOT(n)  TEXT(BLOCK_AT) "+" #n

/* arch_prctl(code, base): it takes RAX, RCX, RDI, RSI and R11. */
#define ARCH_SET_GS_CODE "0x1001"
#define ARCH_SET_FS_CODE "0x1002"
#define SET_BASE(code, slot) \
    "mov $158, %eax\n" \
    "mov $" code ", %edi\n" \
    "mov " SLOT(slot) ", %rsi\n" \
                      "syscall\n"

/* clang-format off */
__asm__(".text\n"
        ".globl native_enter, native_leave, native_back, native_fault, native_tick\n"
        ".hidden native_enter, native_leave, native_back, native_fault, native_tick\n"
        "native_enter:\n"
        "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rsp, " SLOT(144) "\n"
        "cmpq $0, " SLOT(152) "\n"
        "je 1f\n"
        SET_BASE(ARCH_SET_FS_CODE, 160)
        SET_BASE(ARCH_SET_GS_CODE, 168)
        "1: pushq " SLOT(136) "\n"
        "popfq\n"
        "mov " SLOT(0) ", %rax\n mov " SLOT(8) ", %rcx\n mov " SLOT(16) ", %rdx\n mov " SLOT(24) ", %rbx\n"
        "mov " SLOT(32) ", %rsp\n mov " SLOT(40) ", %rbp\n mov " SLOT(48) ", %rsi\n mov " SLOT(56) ", %rdi\n"
        "mov " SLOT(64) ", %r8\n mov " SLOT(72) ", %r9\n mov " SLOT(80) ", %r10\n mov " SLOT(88) ", %r11\n"
        "mov " SLOT(96) ", %r12\n mov " SLOT(104) ", %r13\n mov " SLOT(112) ", %r14\n mov " SLOT(120) ", %r15\n"
        "jmp *" SLOT(128) "\n"
        "native_leave:\n"
        "mov %rax, " SLOT(0) "\n mov %rcx, " SLOT(8) "\n mov %rdx, " SLOT(16) "\n mov %rbx, " SLOT(24) "\n"
        "mov %rsp, " SLOT(32) "\n mov %rbp, " SLOT(40) "\n mov %rsi, " SLOT(48) "\n mov %rdi, " SLOT(56) "\n"
        "mov %r8, " SLOT(64) "\n mov %r9, " SLOT(72) "\n mov %r10, " SLOT(80) "\n mov %r11, " SLOT(88) "\n"
        "mov %r12, " SLOT(96) "\n mov %r13, " SLOT(104) "\n mov %r14, " SLOT(112) "\n mov %r15, " SLOT(120) "\n"
        "mov " SLOT(144) ", %rsp\n"
        "pushfq\n popq " SLOT(136) "\n"
        "native_back:\n"
        "pushq $2\n popfq\n" /* without DF and AC, which are not the caller's */
        "cmpq $0, " SLOT(152) "\n"
        "je 2f\n"
        "xor %eax, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %gs\n"
        SET_BASE(ARCH_SET_FS_CODE, 176)
        "2: pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
        "ret\n"
        /* The caller's FS is needed before anything of C runs; AC has come in from the code. */
        "native_fault:\n"
        "pushq $2\n popfq\n"
        "cmpq $0, " SLOT(152) "\n"
        "je 3f\n"
        "push %rdi\n push %rsi\n push %rdx\n"
        SET_BASE(ARCH_SET_FS_CODE, 176)
        "pop %rdx\n pop %rsi\n pop %rdi\n"
        "3: jmp native_note\n"
        /* The second tick of one run ends it; the first must leave FS alone. */
        "native_tick:\n"
        "mov " SLOT(184) ", %rax\n"
        "cmp " SLOT(192) ", %rax\n"
        "mov %rax, " SLOT(192) "\n"
        "je native_fault\n"
        "ret\n");
/* clang-format on */

/* ---- faults ---- */

static const int greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
static const int fault_signals[] = {SIGTRAP, SIGFPE, SIGILL, SIGSEGV, SIGBUS};

static struct native_end end;
static unsigned char stack[STACK_BYTES];

/* Ends the run; a fault of the caller's own takes its usual course. */
__attribute__((used, visibility("hidden"))) void native_note(int signal, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)info;
    if (!(BLOCK->run & 1)) {
        if (signal != SIGVTALRM)
            sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        return;
    }
    for (int i = 0; i < 16; i++)
        BLOCK->gpr[i] = (uint64_t)g[greg_of[i]];
    BLOCK->rip = (uint64_t)g[REG_RIP];
    BLOCK->rflags = (uint64_t)g[REG_EFL];
    end = (struct native_end){(unsigned)g[REG_TRAPNO], (uint32_t)g[REG_ERR], (uint64_t)g[REG_CR2]};
    if (signal == SIGVTALRM)
        end.vector = NATIVE_ENDLESS;
    g[REG_RIP] = (greg_t)(uintptr_t)native_back;
    g[REG_RSP] = (greg_t)BLOCK->host_rsp;
    g[REG_EFL] = 0x202;
}

static bool handle_faults(void)
{
    const struct itimerval tick = {{0, TICK_US}, {0, TICK_US}};
    struct sigaction a = {.sa_sigaction = native_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    bool ok = sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL) == 0;
    for (size_t i = 0; i < sizeof fault_signals / sizeof *fault_signals; i++)
        ok = ok && sigaction(fault_signals[i], &a, NULL) == 0;
    a.sa_sigaction = native_tick;
    a.sa_flags |= SA_RESTART;
    return ok && sigaction(SIGVTALRM, &a, NULL) == 0 && setitimer(ITIMER_VIRTUAL, &tick, NULL) == 0;
}

/* ---- areas ---- */

static bool area(uintptr_t address, size_t bytes, int protection)
{
    void *at = mmap((void *)address, bytes, protection,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
    return at == (void *)address;
}

/* jmp *leave_at: the address stands behind it, aligned, for those who come with AC. */
static void write_gate(void)
{
    static const unsigned char jump[] = {0xff, 0x25, 2, 0, 0, 0, 0x90, 0x90};
    uint64_t target = (uintptr_t)native_leave;
    unsigned char *gate = (unsigned char *)(uintptr_t)NATIVE_GATE;
    memcpy(gate, jump, sizeof jump);
    memcpy(gate + sizeof jump, &target, sizeof target);
}

/* ---- where nothing is ---- */

/* Programs, libraries and stacks lie in the upper part of the lower half; below is what has been there from
 * the start (a program at a fixed address, a sanitizer's shadow).  The kernel's half cannot be reached, and
 * what lies between is no address at all. */
#define UPPER_PART UINT64_C(0x500000000000)
#define USER_END   UINT64_C(0x800000000000)
#define TAKEN_MAX  64

static struct range {
    uint64_t start, end;
} taken[TAKEN_MAX];
static unsigned taken_count;

static bool is_ours(uint64_t address)
{
    return address - NATIVE_CODE < NATIVE_CODE_BYTES ||
           address - NATIVE_DATA < NATIVE_DATA_BYTES + NATIVE_READ_ONLY_BYTES;
}

static bool note_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long start, stop;
    if (!maps)
        return false;
    while (taken_count < TAKEN_MAX && fscanf(maps, "%lx-%lx%*[^\n]", &start, &stop) == 2)
        if (start < UPPER_PART && !is_ours(start))
            taken[taken_count++] = (struct range){start, stop};
    fclose(maps);
    return taken_count < TAKEN_MAX;
}

bool native_is_nowhere(uint64_t address)
{
    if (address >= UPPER_PART && address < USER_END)
        return false;
    for (unsigned i = 0; i < taken_count; i++)
        if (address >= taken[i].start && address < taken[i].end)
            return false;
    return true;
}

bool native_open(void)
{
    int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    bool ok = area(NATIVE_CODE, NATIVE_CODE_BYTES, all) && area(NATIVE_GATE, PAGE, all) &&
              area(NATIVE_DATA, NATIVE_DATA_BYTES, PROT_READ | PROT_WRITE) &&
              area(NATIVE_READ_ONLY, NATIVE_READ_ONLY_BYTES, PROT_READ | PROT_WRITE) &&
              area(BLOCK_AT, PAGE, PROT_READ | PROT_WRITE);
    if (!ok)
        return false;
    write_gate();
    mprotect((void *)(uintptr_t)NATIVE_READ_ONLY, NATIVE_READ_ONLY_BYTES, PROT_READ);
    return note_mappings() && syscall(SYS_arch_prctl, 0x1003, &BLOCK->host_fs) == 0 && handle_faults();
}

/* ---- features ---- */

unsigned native_features(void)
{
    unsigned a, b = 0, c = 0, d, features = 0;
    __get_cpuid(0, &a, &b, &c, &d);
    features |= b == signature_INTEL_ebx ? NATIVE_INTEL : 0;
    __get_cpuid(1, &a, &b, &c, &d);
    features |= (c & bit_MOVBE ? NATIVE_MOVBE : 0) | (c & bit_POPCNT ? NATIVE_POPCNT : 0);
    __get_cpuid(0x80000001, &a, &b, &c, &d);
    return features | (c & bit_LZCNT ? NATIVE_LZCNT : 0);
}

/* ---- a run ---- */

struct native_end native_run(struct native_state *s, bool segments)
{
    memcpy(BLOCK->gpr, s->gpr, sizeof s->gpr);
    BLOCK->rip = s->rip;
    BLOCK->rflags = s->rflags;
    BLOCK->segments = segments;
    BLOCK->fs = NATIVE_FS_BASE;
    BLOCK->gs = NATIVE_GS_BASE;
    end = (struct native_end){.vector = NATIVE_LEFT};
    BLOCK->run++;
    native_enter();
    BLOCK->run++;
    memcpy(s->gpr, BLOCK->gpr, sizeof s->gpr);
    s->rip = end.vector == NATIVE_LEFT ? NATIVE_GATE : BLOCK->rip;
    s->rflags = BLOCK->rflags;
    return end;
}

bool native_is_here(void)
{
    return true;
}

#else

bool native_is_here(void)
{
    return false;
}

bool native_open(void)
{
    return false;
}

unsigned native_features(void)
{
    return 0;
}

bool native_is_nowhere(uint64_t address)
{
    (void)address;
    return false;
}

struct native_end native_run(struct native_state *s, bool segments)
{
    (void)s;
    (void)segments;
    return (struct native_end){.vector = NATIVE_LEFT};
}

#endif
