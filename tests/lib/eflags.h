/* eflags.h - which status flags an instruction tests, writes and leaves undefined. */
#ifndef TESTS_LIB_EFLAGS_H
#define TESTS_LIB_EFLAGS_H

#include "cpu/decode.h"

struct eflags {
    u64 tests, writes, undefined;
    bool result_undefined; /* its destination too */
};

/* Of an instruction that is about to execute: shifts go by their counts. */
struct eflags eflags_of(const struct core *c, const struct insn *in);

#endif
