/* tick.h - a plain model of the machine's time: it ticks, stage by stage, by the text of docs/machine.md.
 *
 * It knows nothing of the simulator's own timing.  It is given what a run retired, with the addresses that
 * each instruction touched, and has its own page tables, TLBs, caches, store buffer and predictor.
 */
#ifndef TESTS_TICK_H
#define TESTS_TICK_H

#include "machine.h"

enum tick_access_kind { TICK_LOAD, TICK_STORE, TICK_UPDATE /* reads and writes one operand */ };

struct tick_access {
    u64 gva;
    u64 bytes;
    enum tick_access_kind kind;
};

enum tick_branch { TICK_NO_BRANCH, TICK_CONDITIONAL, TICK_JUMP, TICK_CALL, TICK_RETURN };
enum tick_flush { TICK_NO_FLUSH, TICK_FLUSH_PAGE, TICK_FLUSH_CR3 };

/* One retired instruction. */
struct tick_insn {
    u64 rip, length, next_rip;
    u64 latency;
    bool serialising, fence, stack;
    bool device;                  /* reads or writes a port */
    u64 address_regs, write_regs; /* a bit each */
    enum tick_branch branch;
    unsigned accesses;
    struct tick_access access[4];
    enum tick_flush flush; /* after its accesses */
    u64 flush_value;       /* address of the page; the new CR3 */
};

struct tick;

/* tables: a copy of the physical memory [tables_hpa, + bytes) that holds every page table in use; its A and D
 * bits are the model's own from now on. */
struct tick *tick_new(const struct params *p, u64 cr3, u8 *tables, u64 tables_hpa, u64 tables_bytes);
void tick_free(struct tick *t);

/* From the start under EPT: CR3 and the guest's tables hold guest-physical addresses. */
void tick_under_ept(struct tick *t, u64 eptp);

/* Lets the next instruction of the run into the pipeline. */
void tick_feed(struct tick *t, const struct tick_insn *in);
/* Ticks until the pipeline is empty. */
void tick_finish(struct tick *t);

/* Cycles from the first instruction's start to the end of the last, its refill included. */
u64 tick_cycles(const struct tick *t);
const struct counters *tick_counters(const struct tick *t);
/* Cycles that the i-th instruction took. */
u64 tick_insn_cycles(const struct tick *t, size_t i);

#endif
