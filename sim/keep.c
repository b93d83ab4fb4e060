/* keep.c - see keep.h. */
#include "keep.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

int rs_keep(rs_world *w, void *bytes, size_t n)
{
    for (unsigned i = 0; i < KEEPERS_MAX; i++)
        if (!w->keeper[i].id) {
            w->keeper[i] = (struct keeper){++w->next_keeper, bytes, n};
            return w->next_keeper;
        }
    return 0;
}

void rs_unkeep(rs_world *w, int id)
{
    for (unsigned i = 0; i < KEEPERS_MAX; i++)
        if (w->keeper[i].id == id)
            w->keeper[i].id = 0;
}

static struct kept kept_of(int id, const void *bytes, size_t n)
{
    struct kept k = {.id = id, .n = n, .bytes = id ? malloc(n ? n : 1) : NULL};
    if (id && !k.bytes)
        abort();
    if (id)
        memcpy(k.bytes, bytes, n);
    return k;
}

void keep_take(const struct rs_world *w, struct kept kept[KEEPERS_MAX])
{
    for (unsigned i = 0; i < KEEPERS_MAX; i++)
        kept[i] = kept_of(w->keeper[i].id, w->keeper[i].bytes, w->keeper[i].n);
}

void keep_restore(struct rs_world *w, const struct kept kept[KEEPERS_MAX])
{
    for (unsigned i = 0; i < KEEPERS_MAX; i++) {
        const struct keeper *k = &w->keeper[i];
        if (k->id && k->id == kept[i].id)
            memcpy(k->bytes, kept[i].bytes, k->n);
        else if (k->id)
            memset(k->bytes, 0, k->n);
    }
}

void keep_copy(struct kept to[KEEPERS_MAX], const struct kept from[KEEPERS_MAX])
{
    for (unsigned i = 0; i < KEEPERS_MAX; i++)
        to[i] = kept_of(from[i].id, from[i].bytes, from[i].n);
}

void keep_free(struct kept kept[KEEPERS_MAX])
{
    for (unsigned i = 0; i < KEEPERS_MAX; i++) {
        free(kept[i].bytes);
        kept[i] = (struct kept){0};
    }
}

void keep_clear(struct rs_world *w)
{
    static const struct kept nothing[KEEPERS_MAX];
    keep_restore(w, nothing);
}
