/* A trap may come without the lock, while the core sleeps; so it only notes which vector it was.  The core
 * calls the handlers when it has the lock, as it does after each sleep and each external-interrupt exit. */
#include "irq.h"

#include <stddef.h>

#include "traps.h"

#define VECTORS (VECTOR_IRQ_END - VECTOR_IRQ)

static struct {
    void (*handle)(void *of);
    void *of;
} taken[VECTORS];

static uint32_t arrived; /* bit i: vector VECTOR_IRQ + i */

_Static_assert(VECTORS <= 32, "a bit for each");
_Static_assert(VECTOR_KICK < VECTOR_IRQ && VECTOR_IRQ_END <= VECTOR_SPURIOUS, "beside the others");
_Static_assert(VECTOR_IRQ_END <= TRAP_VECTORS, "a stub for each");

uint8_t irq_take(void (*handle)(void *of), void *of)
{
    for (unsigned i = 0; i < VECTORS; i++)
        if (!taken[i].handle) {
            taken[i].handle = handle;
            taken[i].of = of;
            return (uint8_t)(VECTOR_IRQ + i);
        }
    return 0;
}

void irq_give(uint8_t vector)
{
    taken[vector - VECTOR_IRQ].handle = NULL;
    __atomic_fetch_and(&arrived, ~(1u << (vector - VECTOR_IRQ)), __ATOMIC_RELAXED);
}

bool irq_arrived(uint64_t vector)
{
    if (vector < VECTOR_IRQ || vector >= VECTOR_IRQ_END)
        return false;
    __atomic_fetch_or(&arrived, 1u << (vector - VECTOR_IRQ), __ATOMIC_RELEASE);
    return true;
}

/* A handler may give back the vector of one whose turn has not come. */
void irq_run(void)
{
    uint32_t now = __atomic_exchange_n(&arrived, 0, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; now; i++, now >>= 1)
        if (now & 1 && taken[i].handle)
            taken[i].handle(taken[i].of);
}
