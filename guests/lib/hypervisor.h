/* hypervisor.h - is there a hypervisor below, and calls to it. */
#ifndef HYPERVISOR_H
#define HYPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

/* True under the Ringside hypervisor (arch/hypercall.h). */
bool hypervisor_present(void);

static inline uint64_t hypercall(uint64_t number)
{
    __asm__ volatile("vmcall" : "+a"(number) : : "memory");
    return number;
}

static inline uint64_t hypercall_with(uint64_t number, uint64_t argument)
{
    __asm__ volatile("vmcall" : "+a"(number) : "D"(argument) : "memory");
    return number;
}

#endif
