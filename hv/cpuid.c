/* cpuid.c - the processor that a VM sees: the real one, less what this hypervisor does not virtualise. */
#include "arch/hypercall.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "exits.h"
#include "guests/lib/string.h"

enum { EAX, EBX, ECX, EDX };

#define LEAF_FEATURES       1
#define LEAF_CACHES         4
#define LEAF_MONITOR        5
#define LEAF_MORE_FEATURES  7
#define LEAF_PERFORMANCE    0xa
#define LEAF_TOPOLOGY       0xb
#define LEAF_XSAVE          0xd
#define LEAF_EXTENDED       0x80000001
#define CPUID_1_ECX_MONITOR 0x8
#define CPUID_1_ECX_XSAVE   0x4000000
#define CPUID_1_ECX_OSXSAVE 0x8000000

static uint32_t set_if(bool condition, uint32_t bits)
{
    return condition ? bits : 0;
}

static bool without_pcid(const struct vcpu *v)
{
    return v->vm->config.pager->cr4_absent & CR4_PCIDE;
}

/* The APIC, in all its modes, is ours (lapic.c), whatever the processor's can do. */
static void mask_features(const struct vcpu *v, uint32_t r[4])
{
    uint64_t vcpus = v->vm->dir->vcpus;

    r[ECX] &= ~(uint32_t)(CPUID_1_ECX_VMX | CPUID_1_ECX_MONITOR | CPUID_1_ECX_XSAVE | CPUID_1_ECX_OSXSAVE);
    r[ECX] &= ~set_if(without_pcid(v), CPUID_1_ECX_PCID);
    r[ECX] |= CPUID_1_ECX_HYPERVISOR | CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE;
    r[EDX] &= ~(uint32_t)(CPUID_1_EDX_APIC | CPUID_1_EDX_HTT);
    r[EDX] |= set_if(v->lapic.base & APIC_BASE_ENABLE, CPUID_1_EDX_APIC) | set_if(vcpus > 1, CPUID_1_EDX_HTT);
    r[EBX] = (r[EBX] & 0xffff) | (uint32_t)vcpus << 16 | (uint32_t)v->index << 24;
}

#define LEVEL_THREADS 1
#define LEVEL_CORES   2

/* SDM vol. 2A, CPUID leaf 0BH: one thread a core. */
static void topology(const struct vcpu *v, uint32_t level, uint32_t r[4])
{
    uint32_t vcpus = (uint32_t)v->vm->dir->vcpus, bits = 0;

    while (1u << bits < vcpus)
        bits++;
    memset(r, 0, 4 * sizeof r[0]);
    r[ECX] = level & 0xff;
    r[EDX] = (uint32_t)v->index;
    if (level == 0) {
        r[EBX] = 1;
        r[ECX] |= LEVEL_THREADS << 8;
    } else if (level == 1) {
        r[EAX] = bits;
        r[EBX] = vcpus;
        r[ECX] |= LEVEL_CORES << 8;
    }
}

/* Start-up IPIs are ours too (startup.c), and subleaf 1 is there if they are. */
static void more_features(const struct vcpu *v, uint32_t subleaf, uint32_t r[4])
{
    bool offered = startup_offered(v);

    if (subleaf == 0 && offered && r[EAX] < 1)
        r[EAX] = 1;
    if (subleaf == 0)
        r[EBX] &= ~set_if(without_pcid(v), CPUID_7_EBX_INVPCID);
    if (subleaf == 1)
        r[ECX] = (r[ECX] & ~(uint32_t)CPUID_7_1_ECX_SIPI64) | set_if(offered, CPUID_7_1_ECX_SIPI64);
}

static void hypervisor_leaf(uint32_t r[4])
{
    r[EAX] = HYPERVISOR_LEAF; /* the highest of these */
    memcpy(&r[EBX], HYPERVISOR_SIGNATURE, 12);
}

static void emulate(const struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    cpuid(leaf, subleaf, r);
    switch (leaf) {
    case LEAF_FEATURES: mask_features(v, r); break;
    case LEAF_CACHES: r[EAX] &= 0x3fff; break; /* shared by no one */
    case LEAF_MORE_FEATURES: more_features(v, subleaf, r); break;
    case LEAF_TOPOLOGY: topology(v, subleaf, r); break;
    case LEAF_MONITOR:
    case LEAF_PERFORMANCE:
    case LEAF_XSAVE: memset(r, 0, 4 * sizeof r[0]); break;
    case LEAF_EXTENDED:
        if (v->misc_enable & MISC_ENABLE_XD_DISABLE)
            r[EDX] &= ~(uint32_t)CPUID_EXT1_EDX_NX;
        break;
    case HYPERVISOR_LEAF: hypervisor_leaf(r); break;
    default: break;
    }
}

void exit_cpuid(struct vcpu *v)
{
    uint64_t *gpr = v->gpr;
    uint32_t r[4];

    emulate(v, (uint32_t)gpr[REG_RAX], (uint32_t)gpr[REG_RCX], r);
    gpr[REG_RAX] = r[EAX];
    gpr[REG_RBX] = r[EBX];
    gpr[REG_RCX] = r[ECX];
    gpr[REG_RDX] = r[EDX];
    vcpu_skip_instruction();
}
