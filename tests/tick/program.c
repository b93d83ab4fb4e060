/* program.c - random programs: sequences at many places of the code, and functions that they call. */
#include "tick/program.h"

#include "tick/emit.h"

#include <string.h>

#define SEQUENCE_BYTES 0x800u   /* room for one */
#define FUNCTIONS_AT   0x30000u /* offset */

u64 program_random(struct program *p, u64 n)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (p->random >> 11) % n;
}

static void make_functions(struct program *p)
{
    p->functions = 8;
    for (unsigned i = 0; i < p->functions; i++)
        p->function[i] = FUNCTIONS_AT + i * 0x2000 + program_random(p, 0x1000);
    for (unsigned i = 0; i < p->functions; i++) {
        p->at = p->function[i];
        p->limit = p->at + 0x400;
        items(p, 1 + (unsigned)program_random(p, 10), false, i + 1 + (unsigned)program_random(p, 3));
        emit_branch_note(emit_plain(p, ROW_ret));
    }
}

static void make_chain(struct program *p)
{
    for (size_t i = 0; i < PROGRAM_CHAIN_BYTES / 8; i++)
        p->chain[i] = PROGRAM_CHAIN_GVA + program_random(p, PROGRAM_CHAIN_BYTES / 8) * 8;
}

/* Entered where it is loaded, goes on where its own tables map it. */
static void make_prologue(struct program *p)
{
    if (p->guest)
        guest_prologue(p);
    else
        event_prologue(p);
    item_set_up(p);
}

void program_make(struct program *p, enum program_kind kind, u64 seed, unsigned sequences, unsigned length)
{
    memset(p, 0, offsetof(struct program, note));
    memset(&p->notes, 0, sizeof *p - offsetof(struct program, notes));
    p->random = seed * 0x9e3779b97f4a7c15u | 1;
    p->events = kind != PROGRAM_PLAIN;
    p->guest = kind == PROGRAM_GUEST;
    p->pcid = program_random(p, 2);
    p->physical = p->guest ? PROGRAM_MOVED : 0;
    p->code_gva = PROGRAM_CODE_GVA;
    p->system_gva = PROGRAM_SYSTEM_GVA;
    program_tables(p);
    make_chain(p);
    event_handlers(p);
    if (p->guest)
        guest_handlers(p);
    program_system(p);
    make_functions(p);
    u64 slots = FUNCTIONS_AT / SEQUENCE_BYTES,
        stride = 6 * program_random(p, slots / 6) + 1; /* prime to 96 slots */
    p->at = 0;
    make_prologue(p);
    for (unsigned i = 0; i < sequences; i++) {
        p->limit = (p->at / SEQUENCE_BYTES) * SEQUENCE_BYTES + SEQUENCE_BYTES / 2;
        items(p, length, true, 0);
        u64 next = (1 + i) * stride % slots * SEQUENCE_BYTES + program_random(p, 64);
        if (i + 1 < sequences) {
            emit_to(p, emit_branch(p, ROW_jmp_Jz), next);
            p->at = next;
        }
    }
    emit_plain(p, ROW_cli);
    emit_plain(p, ROW_hlt);
}
