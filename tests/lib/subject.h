/* subject.h - images that tests run in many ways, on machines with structures of several sizes. */
#ifndef TESTS_LIB_SUBJECT_H
#define TESTS_LIB_SUBJECT_H

#include "ringside.h"

enum sizes {
    SIZES_USUAL,
    SIZES_SMALL, /* one entry, one way, the smallest cache, of everything */
    SIZES_OFF,   /* and what can be switched off is */
    SIZES_COUNT
};

struct subject {
    const char *image, *cmdline, *module; /* module: an image in a VM of the hypervisor's, and options of the
                                           * VM behind a blank; NULL: none */
    uint64_t cores;
    enum sizes sizes;
    const char *device; /* "edu"; "2 e1000": two, which are linked; NULL: none */
};

struct run {
    rs_world *world;
    rs_machine *machine;
};

/* A world with a machine, switched off. */
void run_make(struct run *r, const struct subject *s);
/* Boots its image, by RINGSIDE_BUILD. */
void run_boot(struct run *r, const struct subject *s);

/* Until the run or step that has been begun is over, in slices of so many atoms. */
void run_finish(struct run *r, uint64_t slice);
void run_to(struct run *r, uint64_t cycle, uint64_t slice);

#endif
