/* cpuid.c - what the processor says of itself (SDM vol. 2A, "CPUID - CPU Identification"). */
#include "cpu/cpu.h"
#include "cpu/system.h"

#include <string.h>

#define LEAF_MAX     0x15u
#define EXT_LEAF_MAX 0x80000008u

enum { EAX, EBX, ECX, EDX };

static const char vendor[] = "GenuineIntel"; /* what guests ask before they use VMX */
static const char brand[48] = "Ringside x86-64 processor";

static u32 word_of(const char *text)
{
    u32 value = 0;

    for (unsigned i = 0; i < 4; i++)
        value |= (u32)(unsigned char)text[i] << 8 * i;
    return value;
}

static void leaf_vendor(u32 out[4])
{
    out[EAX] = LEAF_MAX;
    out[EBX] = word_of(vendor);
    out[EDX] = word_of(vendor + 4);
    out[ECX] = word_of(vendor + 8);
}

/* No x87, no SSE, no MTRRs, no SYSENTER. */
static void leaf_features(const struct core *c, u32 out[4])
{
    bool vmx = c->m->b.firmware & RS_FW_VTX;
    bool apic = c->s.apic_base & APIC_BASE_ENABLE;

    out[EAX] = CPU_SIGNATURE;
    out[EBX] = c->id << 24 | c->m->cores << 16;
    out[ECX] = (vmx ? CPUID_1_ECX_VMX : 0) | CPUID_1_ECX_CX16 | CPUID_1_ECX_PCID | CPUID_1_ECX_X2APIC |
               CPUID_1_ECX_MOVBE | CPUID_1_ECX_POPCNT | CPUID_1_ECX_TSC_DEADLINE;
    out[EDX] = CPUID_1_EDX_DE | CPUID_1_EDX_PSE | CPUID_1_EDX_TSC | CPUID_1_EDX_MSR | CPUID_1_EDX_PAE |
               CPUID_1_EDX_MCE | CPUID_1_EDX_CX8 | (apic ? CPUID_1_EDX_APIC : 0) | CPUID_1_EDX_PGE |
               CPUID_1_EDX_CMOV | CPUID_1_EDX_PAT | (c->m->cores > 1 ? CPUID_1_EDX_HTT : 0);
}

/* Deterministic cache parameters: L1D, L1I, L2 as machine{} has them. */
static void leaf_cache(const struct core *c, u32 subleaf, u32 out[4])
{
    const struct params *p = &c->m->p;
    const struct {
        u64 bytes, ways, type, level;
    } cache[] = {{p->l1d_bytes, p->l1d_ways, 1, 1},
                 {p->l1i_bytes, p->l1i_ways, 2, 1},
                 {p->l2_bytes, p->l2_ways, 3, 2}};

    if (!p->caches || subleaf >= 3)
        return;
    u64 sets = cache[subleaf].bytes / 64 / cache[subleaf].ways;
    out[EAX] = (u32)(cache[subleaf].type | cache[subleaf].level << 5 | 1 << 8 | (u64)(c->m->cores - 1) << 26);
    out[EBX] = (u32)((cache[subleaf].ways - 1) << 22 | 63);
    out[ECX] = (u32)(sets ? sets - 1 : 0);
}

static void leaf_extended_features(u32 subleaf, u32 out[4])
{
    if (subleaf == 1)
        out[ECX] = CPUID_7_1_ECX_SIPI64;
    if (subleaf)
        return;
    out[EAX] = 1; /* the highest subleaf */
    out[EBX] = CPUID_7_EBX_TSC_ADJUST | CPUID_7_EBX_SMEP | CPUID_7_EBX_INVPCID | CPUID_7_EBX_SMAP;
    out[ECX] = CPUID_7_ECX_UMIP;
}

static u32 bits_for(u32 n)
{
    u32 bits = 0;

    while (1u << bits < n)
        bits++;
    return bits;
}

/* Extended topology: one thread a core. */
static void leaf_topology(const struct core *c, u32 subleaf, u32 out[4])
{
    out[ECX] = subleaf & 0xff;
    out[EDX] = c->id;
    if (subleaf == 0) {
        out[EBX] = 1;
        out[ECX] |= 1 << 8;
    } else if (subleaf == 1) {
        out[EAX] = bits_for(c->m->cores);
        out[EBX] = c->m->cores;
        out[ECX] |= 2 << 8;
    }
}

u64 sys_cycles_per_crystal(const struct core *c)
{
    return c->m->p.hz > UINT32_MAX ? 4 : 1;
}

/* TSC frequency = ECX * EBX / EAX. */
static void leaf_tsc(const struct core *c, u32 out[4])
{
    out[EAX] = 1;
    out[EBX] = (u32)sys_cycles_per_crystal(c);
    out[ECX] = (u32)(c->m->p.hz / sys_cycles_per_crystal(c));
}

static void basic_leaf(const struct core *c, u32 leaf, u32 subleaf, u32 out[4])
{
    switch (leaf) {
    case 0: leaf_vendor(out); break;
    case 1: leaf_features(c, out); break;
    case 2: out[EAX] = 0xff01; break; /* caches: see leaf 4 */
    case 4: leaf_cache(c, subleaf, out); break;
    case 6: out[EAX] = 1 << 2; break; /* the APIC timer never stops */
    case 7: leaf_extended_features(subleaf, out); break;
    case 0xb: leaf_topology(c, subleaf, out); break;
    case 0x15: leaf_tsc(c, out); break;
    default: break;
    }
}

/* The L2 in Intel's form: line size, associativity by a code, KiB. */
static void leaf_l2(const struct core *c, u32 out[4])
{
    static const u8 code[][2] = {{1, 1}, {2, 2}, {4, 4}, {8, 6}, {16, 8}, {32, 0xa}, {48, 0xb}, {64, 0xc}};
    const struct params *p = &c->m->p;
    u32 ways = 0;

    if (!p->caches)
        return;
    for (unsigned i = 0; i < sizeof code / sizeof *code; i++)
        if (p->l2_ways >= code[i][0])
            ways = code[i][1];
    out[ECX] = (u32)(p->l2_bytes >> 10 << 16) | ways << 12 | 64;
}

static void leaf_brand(u32 leaf, u32 out[4])
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = word_of(brand + 16 * (leaf - 0x80000002) + 4 * i);
}

static void extended_leaf(const struct core *c, u32 leaf, u32 out[4])
{
    switch (leaf) {
    case 0x80000000: out[EAX] = EXT_LEAF_MAX; break;
    case 0x80000001:
        out[ECX] = CPUID_EXT1_ECX_LAHF | CPUID_EXT1_ECX_LZCNT | CPUID_EXT1_ECX_PREFETCHW;
        out[EDX] = CPUID_EXT1_EDX_SYSCALL | (sys_has_nx(c) ? CPUID_EXT1_EDX_NX : 0) | CPUID_EXT1_EDX_PAGE1GB |
                   CPUID_EXT1_EDX_RDTSCP | CPUID_EXT1_EDX_LM;
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: leaf_brand(leaf, out); break;
    case 0x80000006: leaf_l2(c, out); break;
    case 0x80000007: out[EDX] = CPUID_EXT7_EDX_INVARIANT_TSC; break;
    case 0x80000008: out[EAX] = PHYS_BITS | LINEAR_BITS << 8; break;
    default: break;
    }
}

/* Beyond the highest leaf Intel's processors answer as for the highest basic one. */
void sys_cpuid(const struct core *c, u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 4 * sizeof *out);
    if (leaf >= 0x80000000 && leaf <= EXT_LEAF_MAX)
        extended_leaf(c, leaf, out);
    else
        basic_leaf(c, leaf <= LEAF_MAX ? leaf : LEAF_MAX, subleaf, out);
}
