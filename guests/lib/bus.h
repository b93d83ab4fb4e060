/* bus.h - physical addresses, which devices have, and where software sees what lies there: `bus_offset`
 * higher.  That is 0 unless a kernel that has memory elsewhere sets it, before it finds its first device. */
#ifndef BUS_H
#define BUS_H

#include <stdint.h>

extern uint64_t bus_offset; /* pci.c */

static inline uint64_t bus_address(const volatile void *seen)
{
    return (uint64_t)(uintptr_t)seen - bus_offset;
}

static inline uint64_t bus_seen(uint64_t address)
{
    return address + bus_offset;
}

#endif
