/* vmx_insn.h - the VMX instructions in C (SDM vol. 3, 30.3 "VMX Instructions").
 *
 * try_NAME() returns the status flags that the instruction leaves, having set all of them before: SUCCEED,
 * FAIL_INVALID, FAIL_VALID, or what no instruction may leave (30.2 "Conventions"). */
#ifndef VMX_INSN_H
#define VMX_INSN_H

#include <stdint.h>

#include "arch/vmx.h"

#define SUCCEED      0
#define FAIL_INVALID FLAG_CF
#define FAIL_VALID   FLAG_ZF

#define ALL_FLAGS "pushq %[ones]\n\tpopfq\n\t"
#define ITS_FLAGS "\n\tpushfq\n\tpopq %[flags]"

#define REGION_INSTRUCTION(name) \
    static inline uint64_t try_##name(uint64_t region) \
    { \
        uint64_t flags; \
\
        __asm__ volatile(ALL_FLAGS #name " (%[region])" ITS_FLAGS \
                         : [flags] "=r"(flags) \
                         : [region] "r"(&region), [ones] "i"(FLAGS_STATUS | FLAG_FIXED) \
                         : "cc", "memory"); \
        return flags & FLAGS_STATUS; \
    }
REGION_INSTRUCTION(vmxon)
REGION_INSTRUCTION(vmclear)
REGION_INSTRUCTION(vmptrld)
#undef REGION_INSTRUCTION

#define PLAIN_INSTRUCTION(name) \
    static inline uint64_t try_##name(void) \
    { \
        uint64_t flags; \
\
        __asm__ volatile(ALL_FLAGS #name ITS_FLAGS \
                         : [flags] "=r"(flags) \
                         : [ones] "i"(FLAGS_STATUS | FLAG_FIXED) \
                         : "cc", "memory"); \
        return flags & FLAGS_STATUS; \
    }
PLAIN_INSTRUCTION(vmxoff)
PLAIN_INSTRUCTION(vmcall)
PLAIN_INSTRUCTION(vmlaunch) /* these two return only if they fail */
PLAIN_INSTRUCTION(vmresume)
#undef PLAIN_INSTRUCTION

struct invalidation { /* INVEPT: EPTP, 0; INVVPID: VPID, linear address */
    uint64_t low, high;
};

#define INVALIDATION(name) \
    static inline uint64_t try_##name(uint64_t type, struct invalidation what) \
    { \
        uint64_t flags; \
\
        __asm__ volatile(ALL_FLAGS #name " (%[what]), %[type]" ITS_FLAGS \
                         : [flags] "=r"(flags) \
                         : [what] "r"(&what), [type] "r"(type), [ones] "i"(FLAGS_STATUS | FLAG_FIXED) \
                         : "cc", "memory"); \
        return flags & FLAGS_STATUS; \
    }
INVALIDATION(invept)
INVALIDATION(invvpid)
#undef INVALIDATION

static inline uint64_t try_vmptrst(uint64_t *region)
{
    uint64_t flags;

    __asm__ volatile(ALL_FLAGS "vmptrst (%[region])" ITS_FLAGS
                     : [flags] "=r"(flags)
                     : [region] "r"(region), [ones] "i"(FLAGS_STATUS | FLAG_FIXED)
                     : "cc", "memory");
    return flags & FLAGS_STATUS;
}

static inline uint64_t try_vmread(uint64_t field, uint64_t *value)
{
    uint64_t flags;

    __asm__ volatile(ALL_FLAGS "vmread %[field], %[value]" ITS_FLAGS
                     : [flags] "=&r"(flags), [value] "+&r"(*value)
                     : [field] "r"(field), [ones] "i"(FLAGS_STATUS | FLAG_FIXED)
                     : "cc", "memory");
    return flags & FLAGS_STATUS;
}

static inline uint64_t try_vmwrite(uint64_t field, uint64_t value)
{
    uint64_t flags;

    __asm__ volatile(ALL_FLAGS "vmwrite %[value], %[field]" ITS_FLAGS
                     : [flags] "=r"(flags)
                     : [field] "r"(field), [value] "r"(value), [ones] "i"(FLAGS_STATUS | FLAG_FIXED)
                     : "cc", "memory");
    return flags & FLAGS_STATUS;
}

#endif
