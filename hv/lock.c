#include "lock.h"

#include <stdint.h>

/* A ticket lock: cores get it in the order in which they came, so none waits for ever.  Each on a line of its
 * own: who draws a ticket does not disturb those that look who is served. */
static uint32_t tickets __attribute__((aligned(64)));
static uint32_t served __attribute__((aligned(64)));

void lock_take(void)
{
    uint32_t mine = __atomic_fetch_add(&tickets, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(&served, __ATOMIC_ACQUIRE) != mine)
        __asm__ volatile("pause");
}

void lock_give(void)
{
    __atomic_store_n(&served, served + 1, __ATOMIC_RELEASE);
}
