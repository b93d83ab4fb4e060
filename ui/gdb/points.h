/* points.h - breakpoints and watchpoints, by linear address.  Nothing is put into RAM: they are compared with
 * what the probes tell. */
#ifndef GDB_POINTS_H
#define GDB_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers of the packets Z0 to Z4. */
enum point_kind { POINT_SOFT, POINT_HARD, POINT_WRITE, POINT_READ, POINT_ACCESS, POINT_KINDS };

struct point {
    enum point_kind kind;
    uint64_t address, length; /* length: of what a watchpoint covers */
};

#define POINTS_MAX 1024

struct points {
    size_t n;
    size_t watching; /* how many of them are watchpoints */
    uint64_t sieve;  /* a bit per hash of a breakpoint's address */
    struct point point[POINTS_MAX];
};

/* Setting one that is set already changes nothing.  False: no room. */
bool points_set(struct points *p, struct point new);
void points_clear(struct points *p, struct point old);
/* NULL: none. */
const struct point *points_at(const struct points *p, uint64_t rip);
const struct point *points_touched(const struct points *p, uint64_t gva, uint64_t bytes, bool write);

#endif
