/* ring3.h - a machine in ring 3 whose linear addresses are those of native.h, with the selectors of Linux and
 * gates that ring 3 may not use (but those of INT 3 and INT 4). */
#ifndef TESTS_LIB_RING3_H
#define TESTS_LIB_RING3_H

#include "machine.h"
#include "mmu/mem.h"

struct ring3 {
    rs_world *world;
    rs_machine *machine;
    struct core *core;
};

/* False: no memory for it. */
bool ring3_open(struct ring3 *r);
void ring3_close(struct ring3 *r);

/* Segments as they were at first, with these bases of FS and GS; no event, no shadow. */
void ring3_reset(struct ring3 *r, u64 fs_base, u64 gs_base);

/* Bytes of a mapped area, up to its end. */
void ring3_put(struct ring3 *r, u64 at, const u8 *bytes, u64 n);
void ring3_get(const struct ring3 *r, u64 at, u8 *bytes, u64 n);
bool ring3_equals(const struct ring3 *r, u64 at, const u8 *bytes, u64 n);

/* Changes when bytes of the two pages from `at` may have changed. */
u64 ring3_stamp(const struct ring3 *r, u64 at);

#endif
