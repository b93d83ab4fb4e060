/* points.c - see points.h. */
#include "points.h"

static bool same(const struct point *a, const struct point *b)
{
    return a->kind == b->kind && a->address == b->address && a->length == b->length;
}

static bool watches(const struct point *p)
{
    return p->kind >= POINT_WRITE;
}

static uint64_t bit_of(uint64_t address)
{
    return UINT64_C(1) << ((address * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
}

static void count(struct points *p)
{
    p->watching = 0;
    p->sieve = 0;
    for (size_t i = 0; i < p->n; i++) {
        p->watching += watches(&p->point[i]);
        p->sieve |= watches(&p->point[i]) ? 0 : bit_of(p->point[i].address);
    }
}

bool points_set(struct points *p, struct point new)
{
    for (size_t i = 0; i < p->n; i++)
        if (same(&p->point[i], &new))
            return true;
    if (p->n == POINTS_MAX)
        return false;
    p->point[p->n++] = new;
    count(p);
    return true;
}

void points_clear(struct points *p, struct point old)
{
    for (size_t i = 0; i < p->n; i++)
        if (same(&p->point[i], &old)) {
            p->point[i] = p->point[--p->n];
            break;
        }
    count(p);
}

const struct point *points_at(const struct points *p, uint64_t rip)
{
    if (!(p->sieve & bit_of(rip)))
        return NULL;
    for (size_t i = 0; i < p->n; i++)
        if (!watches(&p->point[i]) && p->point[i].address == rip)
            return &p->point[i];
    return NULL;
}

const struct point *points_touched(const struct points *p, uint64_t gva, uint64_t bytes, bool write)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct point *w = &p->point[i];
        bool kind = w->kind == POINT_ACCESS || w->kind == (write ? POINT_WRITE : POINT_READ);
        if (watches(w) && kind && (gva - w->address < w->length || w->address - gva < bytes))
            return w;
    }
    return NULL;
}
