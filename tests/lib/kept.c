/* kept.c - see kept.h. */
#include "lib/kept.h"

#include "cpu/cpu.h"
#include "mmu/mmu.h"

#include <check.h>
#include <string.h>

/* What of a core's state is put back: up to its clock. */
#define STATE_BYTES offsetof(struct core_state, cycle)

/* What is written by a pointer from now on stamps its page first. */
static void forget_pointers(struct kept *k)
{
    k->b->core->rt.vmcs.bytes = NULL;
}

void kept_take(struct kept *k, struct bare *b)
{
    k->b = b;
    forget_pointers(k);
    k->count = 0;
    memcpy(&k->state, &b->core->s, STATE_BYTES);
}

void kept_add(struct kept *k, u64 hpa)
{
    struct mem *mem = k->b->machine->mem;
    u64 i = k->count++;
    ck_assert_uint_lt(i, KEPT_PAGES);
    k->page[i] = hpa;
    k->stamp[i] = mem_stamp(mem, hpa);
    mem_copy_out(mem, hpa, k->bytes[i], PAGE_BYTES);
}

static void put_back_core(struct kept *k)
{
    struct core *c = k->b->core;
    if (c->s.vmx_guest)
        mmu_flush_vpid(c, 0, true, FLUSH_VM_EXIT); /* the exit that does not happen */
    memcpy(&c->s, &k->state, STATE_BYTES);
    c->s.fetch_line = 0;
    c->rt.look_again = 0;
    k->b->machine->b.halted = HALT_NONE;
}

void kept_put_back(struct kept *k)
{
    struct mem *mem = k->b->machine->mem;
    put_back_core(k);
    for (u64 i = 0; i < k->count; i++) {
        if (mem_stamp(mem, k->page[i]) == k->stamp[i])
            continue;
        mem_copy_in(mem, k->page[i], k->bytes[i], PAGE_BYTES);
        k->stamp[i] = mem_stamp(mem, k->page[i]);
    }
    forget_pointers(k);
}

const u8 *kept_page(const struct kept *k, u64 hpa)
{
    for (u64 i = 0; i < k->count; i++)
        if (k->page[i] == hpa)
            return k->bytes[i];
    return NULL;
}
