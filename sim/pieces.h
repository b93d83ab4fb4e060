/* pieces.h - copies of a large struct that mostly stays as it is: what two of them have in common is there
 * once.
 *
 * A copy is made with the one before at hand, and shares with it every piece that has not changed.  Copies do
 * not change. */
#ifndef RINGSIDE_PIECES_H
#define RINGSIDE_PIECES_H

#include <stddef.h>

struct pieces;

/* n bytes; like: a copy of as many bytes, or NULL. */
struct pieces *pieces_take(const void *bytes, size_t n, const struct pieces *like);
/* The same copy once more; NULL: none. */
struct pieces *pieces_share(struct pieces *p);
void pieces_free(struct pieces *p); /* NULL: nothing */

void pieces_give(const struct pieces *p, void *bytes);
/* n bytes from `at` on. */
void pieces_read(const struct pieces *p, size_t at, void *bytes, size_t n);
/* All of them in one; to be freed. */
void *pieces_whole(const struct pieces *p);

#endif
