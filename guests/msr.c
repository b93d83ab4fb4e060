/* msr - writes model-specific registers, and says which values were taken and which made #GP. */
#include <stdbool.h>

#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/print.h"
#include "lib/traps.h"

#define INSN_BYTES     2 /* of RDMSR and WRMSR */
#define HIGHEST        UINT64_C(0xffffffffffffffff)
#define CANONICAL      UINT64_C(0xffff800000000000)
#define NOT_CANONICAL  UINT64_C(0x0000800000000000)
#define LOW_32         UINT64_C(0xffffffff)
#define BIT_32         UINT64_C(0x100000000)
#define TYPES          UINT64_C(0x0001040506070001)
#define TYPES_WITH_2   UINT64_C(0x0001040502070001)
#define TYPES_WITH_8   UINT64_C(0x0801040506070001)
#define FEATURES       (EFER_LME | EFER_LMA)
#define NOT_AN_MSR     0x12345678
#define LEAF_EXTENDED  0x80000001
#define FAR_TSC        UINT64_C(1000000000000)
#define SOON           UINT64_C(100000000) /* cycles that a few lines do not take */
#define TWO_POWER_62   UINT64_C(0x4000000000000000)
#define MISC_ENABLE_XD MISC_ENABLE_XD_DISABLE

static const struct attempt {
    uint32_t number;
    uint64_t value;
} attempts[] = {
    {MSR_STAR, HIGHEST},
    {MSR_LSTAR, CANONICAL},
    {MSR_LSTAR, NOT_CANONICAL},
    {MSR_CSTAR, CANONICAL},
    {MSR_CSTAR, NOT_CANONICAL},
    {MSR_FMASK, LOW_32},
    {MSR_FMASK, BIT_32},
    {MSR_FS_BASE, CANONICAL},
    {MSR_FS_BASE, NOT_CANONICAL},
    {MSR_GS_BASE, CANONICAL},
    {MSR_GS_BASE, NOT_CANONICAL},
    {MSR_KERNEL_GS_BASE, CANONICAL},
    {MSR_KERNEL_GS_BASE, NOT_CANONICAL},
    {MSR_TSC_AUX, LOW_32},
    {MSR_TSC_AUX, BIT_32},
    {MSR_SYSENTER_CS, LOW_32},
    {MSR_SYSENTER_CS, BIT_32},
    {MSR_SYSENTER_ESP, CANONICAL},
    {MSR_SYSENTER_ESP, NOT_CANONICAL},
    {MSR_SYSENTER_EIP, CANONICAL},
    {MSR_SYSENTER_EIP, NOT_CANONICAL},
    {MSR_PAT, TYPES},
    {MSR_PAT, TYPES_WITH_2},
    {MSR_PAT, TYPES_WITH_8},
    {MSR_DEBUGCTL, 0},
    {MSR_DEBUGCTL, 1},
    {MSR_EFER, FEATURES},
    {MSR_EFER, FEATURES | EFER_NXE},
    {MSR_EFER, FEATURES & ~EFER_LMA},
    {MSR_EFER, FEATURES & ~EFER_LME},
    {MSR_EFER, FEATURES | EFER_NXE << 1},
    {MSR_MISC_ENABLE, 0},
    {MSR_MISC_ENABLE, MISC_ENABLE_XD},
    {MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRINGS << 1},
    {MSR_TSC_ADJUST, TWO_POWER_62},
    {NOT_AN_MSR, 0},
};

static volatile bool refused;

static void on_general_protection(struct trap_frame *frame)
{
    refused = true;
    frame->rip += INSN_BYTES;
}

static bool try_write(uint32_t msr, uint64_t value)
{
    refused = false;
    wrmsr(msr, value);
    return !refused;
}

static bool try_read(uint32_t msr, uint64_t *value)
{
    refused = false;
    *value = rdmsr(msr);
    return !refused;
}

static const char *name_of(uint32_t msr)
{
    switch (msr) {
#define M(number, name) \
    case number: return name;
        X86_MSRS(M)
#undef M
    default: return "no MSR at all";
    }
}

static void show_attempt(const struct attempt *a)
{
    uint64_t before, after = 0;

    print("%s: ", name_of(a->number));
    if (!try_read(a->number, &before)) {
        print("reading it is %s\n", trap_name(VEC_GP));
        return;
    }
    if (try_write(a->number, a->value) && try_read(a->number, &after) && try_write(a->number, before))
        print("0x%016lx is taken, and 0x%016lx there\n", a->value, after);
    else
        print("0x%016lx is %s\n", a->value, trap_name(VEC_GP));
}

static void show_time(const char *what, uint64_t from)
{
    bool msr_agrees = rdmsr(MSR_TSC) - from < SOON, insn_agrees = rdtsc() - from < SOON;

    print("%s: RDMSR %s, RDTSC %s\n", what, msr_agrees ? "agrees" : "differs",
          insn_agrees ? "agrees" : "differs");
}

static void show_tsc(void)
{
    uint64_t start = rdtsc();

    wrmsr(MSR_TSC_ADJUST, FAR_TSC);
    show_time("TSC moved by IA32_TSC_ADJUST", start + FAR_TSC);
    wrmsr(MSR_TSC, 1);
    show_time("TSC set to 1", 1);
    print("IA32_TSC_ADJUST %s\n",
          1 - rdmsr(MSR_TSC_ADJUST) - start < SOON ? "has followed" : "has not followed");
    wrmsr(MSR_TSC_ADJUST, 0);
    show_time("and back", start);
}

static void show_nx(const char *when)
{
    uint32_t r[4];

    cpuid(LEAF_EXTENDED, 0, r);
    print("%s: NX is %s, NXE %s\n", when, r[3] & CPUID_EXT1_EDX_NX ? "there" : "not there",
          try_write(MSR_EFER, FEATURES | EFER_NXE) ? "is taken" : "makes #GP");
}

/* NXE needs NX, and XD cannot be disabled as long as NXE is set. */
static void show_execute_disable(void)
{
    show_nx("XD enabled");
    print("XD disabled while in use: %s\n", try_write(MSR_MISC_ENABLE, MISC_ENABLE_XD) ? "is taken" : "#GP");
    wrmsr(MSR_EFER, FEATURES);
    wrmsr(MSR_MISC_ENABLE, MISC_ENABLE_XD);
    show_nx("XD disabled");
    wrmsr(MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRINGS);
    show_nx("XD enabled again");
}

uint32_t guest_main(const char *args)
{
    (void)args;
    trap_set(VEC_GP, on_general_protection);
    for (unsigned i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
        show_attempt(&attempts[i]);
    show_tsc();
    show_execute_disable();
    return 0;
}
