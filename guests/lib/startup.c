#include "lib/startup.h"

#include "arch/insn.h"
#include "arch/x86.h"

#define LEAF_FEATURES 7
#define LEAF_TOPOLOGY 0xb

enum { EAX, EBX, ECX, EDX };

static uint64_t entry_structure[SIPI_ENTRY_WORDS] __attribute__((aligned(64)));

static int have_sipi64(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    if (r[EAX] < LEAF_TOPOLOGY)
        return 0;
    cpuid(LEAF_FEATURES, 0, r);
    if (r[EAX] < 1)
        return 0;
    cpuid(LEAF_FEATURES, 1, r);
    return !!(r[ECX] & CPUID_7_1_ECX_SIPI64);
}

unsigned startup_cores(unsigned most)
{
    uint32_t r[4];

    if (!have_sipi64())
        return 1;
    cpuid(LEAF_TOPOLOGY, 1, r);
    return r[EBX] < 1 ? 1 : r[EBX] > most ? most : r[EBX];
}

void startup_set_entry(const char *entry)
{
    entry_structure[SIPI_ENTRY_FEATURES] = SIPI_FEATURES_ENABLE;
    entry_structure[SIPI_ENTRY_RIP] = (uint64_t)entry;
    entry_structure[SIPI_ENTRY_CR3] = read_cr3();
    entry_structure[SIPI_ENTRY_CR0] = read_cr0();
    entry_structure[SIPI_ENTRY_CR4] = read_cr4();
    wrmsr(MSR_SIPI_ENTRY_STRUCT_PTR, (uint64_t)entry_structure);
}
