#include "lib/hypervisor.h"

#include "arch/hypercall.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "lib/string.h"

bool hypervisor_present(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    if (!(r[2] & CPUID_1_ECX_HYPERVISOR))
        return false;
    cpuid(HYPERVISOR_LEAF, 0, r);
    return memcmp(&r[1], HYPERVISOR_SIGNATURE, 12) == 0;
}
