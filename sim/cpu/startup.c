/* startup.c - the 64-bit start-up IPI of Intel's X86-S external architecture specification:
 * IA32_SIPI_ENTRY_STRUCT_PTR holds the address of what a core starts with (sim/arch/x86.h; docs/machine.md,
 * "Start of the other cores"). */
#include "arch/boot.h"
#include "cpu/cpu.h"
#include "cpu/ipi.h"
#include "cpu/system.h"
#include "mmu/mmu.h"

/* By host-physical address, through the L1D (rule C10). */
static void read_entry(struct core *c, u64 word[SIPI_ENTRY_WORDS])
{
    u64 hpa = c->m->b.sipi_entry_struct;
    for (unsigned i = 0; i < SIPI_ENTRY_WORDS; i++)
        word[i] = phys_read(c, hpa + 8 * i, 8, &c->s.count.stall_event);
}

/* A structure that cannot be started from, other than one that is switched off, shuts the processor down. */
static void shut_down(struct core *c)
{
    c->s.activity = ACTIVITY_SHUTDOWN;
    board_halt(c, HALT_STARTUP, HALT_STATUS, 0);
}

static void begin_at(struct core *c, u64 vector, u64 rip)
{
    c->s.rip = rip;
    c->s.activity = ACTIVITY_ACTIVE;
    PROBE(c, RS_PROBE_core_start, vector, rip);
    micro(c, MICRO_EVENT);
    pipeline_serialise(c);
}

void startup(struct core *c, u64 vector)
{
    u64 word[SIPI_ENTRY_WORDS];
    stall(c, &c->s.count.stall_event, c->m->p.event_cycles);
    read_entry(c, word);
    if (!(word[SIPI_ENTRY_FEATURES] & SIPI_FEATURES_ENABLE))
        return;
    if (word[SIPI_ENTRY_FEATURES] != SIPI_FEATURES_ENABLE || !sys_canonical(word[SIPI_ENTRY_RIP]) ||
        !sys_load_crs(c, word[SIPI_ENTRY_CR0], word[SIPI_ENTRY_CR3], word[SIPI_ENTRY_CR4]))
        shut_down(c);
    else
        begin_at(c, vector, word[SIPI_ENTRY_RIP]);
}
