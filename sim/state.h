/* state.h - state.def as a table: from it the serialised form, the hash and the format version come. */
#ifndef RINGSIDE_STATE_H
#define RINGSIDE_STATE_H

#include "machine.h"

struct state_field {
    const char *name;
    bool core;            /* of struct core_state, else of struct board_state */
    bool arch;            /* software can see it */
    size_t offset, bytes; /* in its struct */
    size_t unit;          /* 8: u64s, 1: bytes */
    size_t count;         /* elements as declared */
};

size_t state_fields(void);
const struct state_field *state_field(size_t i);

/* Changes with any name, kind or size in state.def. */
u64 state_version(void);

/* The fields of one struct, little-endian, in the order of state.def. */
size_t state_image_bytes(bool core);
void state_save(bool core, const void *state, u8 *image);
void state_load(bool core, void *state, const u8 *image);

u64 state_hash(bool core, const void *state, bool arch_only);

#endif
