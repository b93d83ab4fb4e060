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

static void mask_features(const struct vcpu *v, uint32_t r[4])
{
    if (v->vm->config.pager->cr4_absent & CR4_PCIDE)
        r[ECX] &= ~(uint32_t)CPUID_1_ECX_PCID;
    r[ECX] &= ~(uint32_t)(CPUID_1_ECX_VMX | CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE |
                          CPUID_1_ECX_MONITOR | CPUID_1_ECX_XSAVE | CPUID_1_ECX_OSXSAVE);
    r[ECX] |= CPUID_1_ECX_HYPERVISOR;
    r[EDX] &= ~(uint32_t)(CPUID_1_EDX_APIC | CPUID_1_EDX_HTT);
    r[EBX] = (r[EBX] & 0xffff) | 1 << 16; /* one core, number 0 */
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
    case LEAF_MORE_FEATURES:
        if (subleaf == 0 && v->vm->config.pager->cr4_absent & CR4_PCIDE)
            r[EBX] &= ~(uint32_t)CPUID_7_EBX_INVPCID;
        if (subleaf == 1)
            r[ECX] &= ~(uint32_t)CPUID_7_1_ECX_SIPI64;
        break;
    case LEAF_MONITOR:
    case LEAF_PERFORMANCE:
    case LEAF_TOPOLOGY:
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
