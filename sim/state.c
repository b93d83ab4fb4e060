/* state.c - see state.h. */
#include "state.h"

#include <string.h>
#include <xxhash.h>

enum { ARCH = 1, UARCH = 0 };

static const struct state_field field[] = {
#define CORE(kind, type, name) {#name, true, kind, offsetof(struct core_state, name), sizeof(type), 8, 1},
#define CORE_N(kind, type, name, n) \
    {#name, true, kind, offsetof(struct core_state, name), sizeof(type) * (n), sizeof(type) == 1 ? 1 : 8, n},
#define BOARD(kind, type, name) {#name, false, kind, offsetof(struct board_state, name), sizeof(type), 8, 1},
#define BOARD_N(kind, type, name, n) \
    {#name, false, kind, offsetof(struct board_state, name), sizeof(type) * (n), sizeof(type) == 1 ? 1 : 8, \
     n},
#include "state.def"
};

#define FIELDS (sizeof field / sizeof *field)

/* No padding: each struct is the sum of its fields. */
enum {
    CORE_BYTES = 0
#define CORE(kind, type, name)      +sizeof(type)
#define CORE_N(kind, type, name, n) +sizeof(type) * (n)
#include "state.def"
    ,
    BOARD_BYTES = 0
#define BOARD(kind, type, name)      +sizeof(type)
#define BOARD_N(kind, type, name, n) +sizeof(type) * (n)
#include "state.def"
};
_Static_assert(CORE_BYTES == sizeof(struct core_state), "state.def: padding in core_state");
_Static_assert(BOARD_BYTES == sizeof(struct board_state), "state.def: padding in board_state");

size_t state_fields(void)
{
    return FIELDS;
}

const struct state_field *state_field(size_t i)
{
    return i < FIELDS ? &field[i] : NULL;
}

u64 state_version(void)
{
    u64 version = 1;
    for (size_t i = 0; i < FIELDS; i++) {
        u64 shape[3] = {field[i].arch, field[i].bytes, field[i].unit};
        version = XXH3_64bits_withSeed(field[i].name, strlen(field[i].name), version);
        for (unsigned k = 0; k < 3; k++)
            version = version * UINT64_C(0x9e3779b97f4a7c15) + shape[k];
    }
    return version;
}

size_t state_image_bytes(bool core)
{
    return core ? sizeof(struct core_state) : sizeof(struct board_state);
}

static bool little_endian(void)
{
    const u16 one = 1;
    u8 first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static void swap_units(u8 *bytes, size_t n, size_t unit)
{
    for (size_t at = 0; unit > 1 && at < n; at += unit)
        for (size_t i = 0; i < unit / 2; i++) {
            u8 low = bytes[at + i];
            bytes[at + i] = bytes[at + unit - 1 - i];
            bytes[at + unit - 1 - i] = low;
        }
}

/* Host order to little-endian or back: the same swap. */
static void to_other_order(bool core, u8 *image)
{
    if (little_endian())
        return;
    for (size_t i = 0; i < FIELDS; i++)
        if (field[i].core == core)
            swap_units(image + field[i].offset, field[i].bytes, field[i].unit);
}

void state_save(bool core, const void *state, u8 *image)
{
    memcpy(image, state, state_image_bytes(core));
    to_other_order(core, image);
}

void state_load(bool core, void *state, const u8 *image)
{
    memcpy(state, image, state_image_bytes(core));
    to_other_order(core, state);
}

u64 state_hash(bool core, const void *state, bool arch_only)
{
    static u8 image[sizeof(struct core_state) > sizeof(struct board_state) ? sizeof(struct core_state)
                                                                           : sizeof(struct board_state)];
    u64 hash = arch_only;
    const u8 *bytes = state;
    if (!little_endian()) {
        state_save(core, state, image);
        bytes = image;
    }
    for (size_t i = 0; i < FIELDS; i++)
        if (field[i].core == core && (field[i].arch || !arch_only))
            hash = XXH3_64bits_withSeed(bytes + field[i].offset, field[i].bytes, hash);
    return hash;
}
