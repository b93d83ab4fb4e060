/* inside.h - the ticking model from inside: what its files share. */
#ifndef TESTS_TICK_INSIDE_H
#define TESTS_TICK_INSIDE_H

#include "tick/lru.h"
#include "tick/tick.h"

enum found { FOUND, PAGE_FAULT, EPT_VIOLATION }; /* by a translation */

enum stage { F, D, M, X, W, STAGES };

struct slot {
    bool full;    /* an atom; else a bubble */
    bool retires; /* counts as an instruction at its end; else as a bubble */
    bool mispredicted;
    enum found fetched;
    const struct tick_atom *in;
    size_t number;        /* of the atom that pays: its own, or that of a bubble */
    u64 *counter;         /* a bubble's; NULL: filling the pipeline at the start */
    enum stage redirects; /* F idles until it has been here; F: it does not redirect */
};

struct transfer {
    u64 start, end;
};

#define TICK_ATOMS 16 /* more than there are stages */

struct tick {
    const struct params *p;
    struct counters count;
    struct slot stage[STAGES];
    u64 clock;
    size_t fed;
    struct tick_atom atom[TICK_ATOMS]; /* the last ones, by number */
    u64 *atom_cycles;
    size_t atom_room;
    const char *trouble;

    u8 *tables;
    u64 tables_bytes, ram_bytes;

    u64 age;
    struct lru itlb, dtlb, stlb;
    struct lru pwc[3], npwc[3]; /* what entries of levels 2, 3, 4 point to; the guest's and EPT's */
    struct lru ntlb;
    struct lru l1i, l1d, l2;
    u64 line;                /* linear line number + 1 in the fetch buffer; 0: none */
    struct transfer bus[16]; /* the last ones */
    u64 transfers;           /* ever */
    u64 drained[16];         /* store buffer: when each entry has drained */
    u64 next_store, last_drained;
    u8 *direction;
    struct lru btb;
    u64 ras[32], ras_top;
};

/* ---- tick.c ---- */

/* The whole pipeline stands still for n cycles that the atom in stage s needs. */
void tick_hold(struct tick *t, enum stage s, u64 *counter, u64 n);
/* An atom's own clock: it was let in as many cycles earlier as it has stages behind it. */
u64 tick_now(const struct tick *t, enum stage s);

/* ---- lines.c: caches, bus, store buffer ---- */

/* The bus takes one transfer, asked for at `when`: cycles until it starts. */
u64 tick_bus(struct tick *t, u64 when);
/* Looks a line up in the L1D, which has it afterwards: cycles beyond a hit. */
u64 tick_l1d(struct tick *t, u64 hpa, u64 when);
/* The same for the L1I. */
u64 tick_l1i(struct tick *t, u64 hpa, u64 when);
/* WBINVD. */
void tick_empty_caches(struct tick *t);
/* Waits until the store buffer is empty. */
void tick_drain(struct tick *t, enum stage s);
/* A store to one line. */
void tick_store_line(struct tick *t, u64 hpa);
/* One access to a device, by address or port. */
void tick_device(struct tick *t, bool apic);

/* ---- pages.c: TLBs and walks ---- */

/* What an access asks of a page. */
struct want {
    u64 gva;
    bool write, fetch, user;
};

/* Translates by an L1 TLB, the second level or a walk, which hold the atom in s for its cycles. */
enum found tick_translate(struct tick *t, enum stage s, const struct want *want, u64 *hpa);
/* True, and the hPA, if the ITLB has it; leaves no mark. */
bool tick_peek(const struct tick *t, const struct tick_atom *in, u64 gva, u64 *hpa);
void tick_flush(struct tick *t, const struct tick_atom *in);

#endif
