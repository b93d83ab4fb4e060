/* keys.c - keys as people name them, as scan codes of set 1: what inputs from the keyboard are. */
#include <string.h>

#include "arch/ps2.h"
#include "dev/ps2.h"
#include "world.h"

static const struct key {
    const char *name;
    u16 code;
    char plain, shifted;
} key[] = {
#define KEY(name, set1, set2, plain, shifted) {name, set1, plain, shifted},
#include "keys.def"
};

#define KEYS       (sizeof key / sizeof *key)
#define SHIFT      0x2a
#define HELD_MAX   4    /* keys of a combination */
#define CODES_MAX  2048 /* of one input */
#define CODE_BYTES 2

struct codes {
    u8 byte[CODES_MAX];
    size_t n;
};

const char *rs_key_name(size_t i)
{
    return i < KEYS ? key[i].name : NULL;
}

/* Room is left for a key with its shift. */
static bool is_full(const struct codes *c)
{
    return c->n + 4 * CODE_BYTES > CODES_MAX;
}

static void put(struct codes *c, u16 code, bool released)
{
    if (code >> 8)
        c->byte[c->n++] = (u8)(code >> 8);
    c->byte[c->n++] = (u8)(code | (released ? KEYBOARD_BREAK : 0));
}

static void press(struct codes *c, u16 code)
{
    put(c, code, false);
    put(c, code, true);
}

static enum rs_status send(rs_machine *m, struct codes *c, struct rs_error *err)
{
    if (2 * c->n > ps2_room(m))
        return rs_fail(err,
                       "%s: the keyboard holds %zu codes that the machine has not read, and no more fit; run "
                       "the machine so that it reads them",
                       m->name, (size_t)PS2_WIRE_BYTES - ps2_room(m));
    struct input in = {.kind = INPUT_KEYBOARD, .bytes = c->byte, .n = c->n};
    if (c->n)
        history_input(m->world, &in);
    return RS_OK;
}

/* ---- names ---- */

static const struct key *named(const char *name, size_t n)
{
    for (size_t i = 0; i < KEYS; i++)
        if (strlen(key[i].name) == n && strncmp(key[i].name, name, n) == 0)
            return &key[i];
    return NULL;
}

enum rs_status rs_input_key(rs_machine *m, const char *keys, struct rs_error *err)
{
    u16 held[HELD_MAX];
    unsigned count = 0;
    struct codes codes = {.n = 0};
    for (const char *at = keys;;) {
        size_t n = strlen(at);
        while (n && !named(at, n))
            while (--n && at[n] != '+')
                continue;
        if (!n)
            return rs_fail(err, "there is no key '%s': keys are such as a, enter, f1, up, ctrl+c", at);
        if (count == HELD_MAX)
            return rs_fail(err, "'%s': at most %d keys at a time", keys, HELD_MAX);
        held[count++] = named(at, n)->code;
        if (!at[n])
            break;
        at += n + 1;
    }
    for (unsigned i = 0; i < count; i++)
        put(&codes, held[i], false);
    while (count)
        put(&codes, held[--count], true);
    return send(m, &codes, err);
}

/* ---- text ---- */

static bool type(struct codes *c, char character)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (character && key[i].plain == character) {
            press(c, key[i].code);
            return true;
        }
        if (character && key[i].shifted == character) {
            put(c, SHIFT, false);
            press(c, key[i].code);
            put(c, SHIFT, true);
            return true;
        }
    }
    return false;
}

enum rs_status rs_input_type(rs_machine *m, const char *text, size_t n, struct rs_error *err)
{
    struct codes codes = {.n = 0};
    for (size_t i = 0; i < n; i++) {
        if (is_full(&codes))
            return rs_fail(err, "%zu characters: type less at a time, %zu here", n, i);
        if (!type(&codes, text[i]))
            return rs_fail(err, "no key has character %u: the keyboard is a US one", (unsigned char)text[i]);
    }
    return send(m, &codes, err);
}
