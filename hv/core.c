#include "core.h"

#include <stddef.h>

#include "apic.h"
#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "guests/lib/startup.h"
#include "lock.h"
#include "panic.h"
#include "vmx.h"

extern const char core_entry[]; /* entry.S */
_Noreturn void core_arrive(unsigned number);

_Static_assert(offsetof(struct core, self) == 0, "this_core() relies on it");

static struct core cores[CORES_MAX];
static unsigned started = 1;
static void (*main_of_others)(void);

unsigned cores_count(void)
{
    return __atomic_load_n(&started, __ATOMIC_ACQUIRE);
}

struct core *core_at(unsigned i)
{
    return &cores[i];
}

void core_kick(const struct core *c)
{
    apic_send(c->number, APIC_ICR_FIXED | VECTOR_KICK);
}

void core_wake(struct core *c)
{
    if (!c->sleeps)
        return;
    c->sleeps = false;
    core_kick(c);
}

static void take_place(unsigned number)
{
    struct core *c = &cores[number];

    c->self = c;
    c->number = number;
    wrmsr(MSR_GS_BASE, (uint64_t)c);
    traps_load(&c->tables);
}

void core_init(void)
{
    traps_init();
    take_place(0);
}

/* ---- the others ---- */

/* From entry.S, on a stack of its own. */
_Noreturn void core_arrive(unsigned number)
{
    take_place(number);
    lock_take();
    vmx_on();
    apic_init();
    __atomic_fetch_add(&started, 1, __ATOMIC_RELEASE);
    main_of_others();
    panic("core %u has nothing to do", number + 1);
}

/* Start-up IPIs lead to 16-bit code, unless the processor has the 64-bit ones of X86-S: without them there is
 * one core for all that we know. */
void cores_start(void (*main)(void))
{
    unsigned present = startup_cores(CORES_MAX);

    if (present == 1)
        return;
    main_of_others = main;
    startup_set_entry(core_entry);
    for (unsigned i = 1; i < present; i++) {
        apic_send(i, APIC_ICR_INIT | APIC_ICR_ASSERT);
        apic_send(i, APIC_ICR_STARTUP | APIC_ICR_ASSERT);
    }
    lock_give();
    while (cores_count() < present)
        __asm__ volatile("pause");
    lock_take();
}
