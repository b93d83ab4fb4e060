/* pieces.c - see pieces.h. */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 2048

struct piece {
    size_t refs;
    unsigned char bytes[PIECE_BYTES];
};

struct pieces {
    size_t refs, bytes, n;
    struct piece *piece[];
};

static void *allocate(size_t n)
{
    void *p = malloc(n);
    if (!p)
        abort();
    return p;
}

static size_t length_of(const struct pieces *p, size_t i)
{
    return i + 1 < p->n ? PIECE_BYTES : p->bytes - i * PIECE_BYTES;
}

static struct piece *new_piece(const void *bytes, size_t n)
{
    struct piece *piece = allocate(sizeof *piece);
    piece->refs = 1;
    memcpy(piece->bytes, bytes, n);
    return piece;
}

static struct piece *take_piece(const void *bytes, size_t n, struct piece *like)
{
    if (!like || memcmp(like->bytes, bytes, n) != 0)
        return new_piece(bytes, n);
    like->refs++;
    return like;
}

struct pieces *pieces_take(const void *bytes, size_t n, const struct pieces *like)
{
    size_t count = (n + PIECE_BYTES - 1) / PIECE_BYTES;
    struct pieces *p = allocate(sizeof *p + count * sizeof *p->piece);
    p->refs = 1;
    p->bytes = n;
    p->n = count;
    for (size_t i = 0; i < count; i++)
        p->piece[i] = take_piece((const unsigned char *)bytes + i * PIECE_BYTES, length_of(p, i),
                                 like ? like->piece[i] : NULL);
    return p;
}

struct pieces *pieces_share(struct pieces *p)
{
    if (p)
        p->refs++;
    return p;
}

void pieces_free(struct pieces *p)
{
    if (!p || --p->refs)
        return;
    for (size_t i = 0; i < p->n; i++)
        if (--p->piece[i]->refs == 0)
            free(p->piece[i]);
    free(p);
}

void pieces_give(const struct pieces *p, void *bytes)
{
    for (size_t i = 0; i < p->n; i++)
        memcpy((unsigned char *)bytes + i * PIECE_BYTES, p->piece[i]->bytes, length_of(p, i));
}

void pieces_read(const struct pieces *p, size_t at, void *bytes, size_t n)
{
    for (unsigned char *to = bytes; n; n--, at++)
        *to++ = p->piece[at / PIECE_BYTES]->bytes[at % PIECE_BYTES];
}

void *pieces_whole(const struct pieces *p)
{
    void *bytes = allocate(p->bytes);
    pieces_give(p, bytes);
    return bytes;
}
