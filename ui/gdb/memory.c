/* memory.c - memory as the current core sees it, or as it is (physical); what a debugger writes is an input.
 */
#include <stdio.h>

#include "session.h"

#define PAGE 4096u

/* The hPA of an address, and how many of n bytes lie in one piece from there. */
static bool locate(struct gdb *g, uint64_t address, size_t n, uint64_t *hpa, size_t *piece)
{
    size_t room = PAGE - (size_t)(address & (PAGE - 1));
    *piece = n < room ? n : room;
    *hpa = address;
    return g->physical || rs_linear_to_hpa(g->m, g->core, address, hpa) == RS_OK;
}

size_t memory_read(struct gdb *g, uint64_t address, uint8_t *bytes, size_t n)
{
    size_t done = 0, piece;
    uint64_t hpa;
    while (done < n && locate(g, address + done, n - done, &hpa, &piece) &&
           rs_read(g->m, hpa, bytes + done, piece) == RS_OK)
        done += piece;
    return done;
}

/* What a packet writes, in one piece per page. */
struct places {
    struct place {
        uint64_t hpa;
        size_t n;
    } at[PACKET_MAX / PAGE + 2];
    size_t n;
};

/* All of it must be there before a byte is written, which may be one of the tables that map the rest. */
static bool find_places(struct gdb *g, uint64_t address, size_t n, struct places *p)
{
    uint8_t bytes[PAGE];
    p->n = 0;
    for (size_t piece; n; address += piece, n -= piece) {
        struct place *at = &p->at[p->n++];
        if (!locate(g, address, n, &at->hpa, &piece) || rs_read(g->m, at->hpa, bytes, piece) != RS_OK)
            return false;
        at->n = piece;
    }
    return true;
}

enum rs_status memory_may_change(struct gdb *g, struct rs_error *err)
{
    if (g->replay)
        return rs_fail(err, "this run is a replay: it takes its inputs from the log alone");
    if (rs_position(g->m).micro)
        return rs_fail(err, "the machine stands inside an instruction: 'stepi' goes to its end");
    return RS_OK;
}

enum rs_status memory_write(struct gdb *g, uint64_t address, const uint8_t *bytes, size_t n,
                            struct rs_error *err)
{
    struct places p;
    if (n == 0)
        return RS_OK;
    if (memory_may_change(g, err) != RS_OK)
        return RS_FAILED;
    if (!find_places(g, address, n, &p))
        return rs_fail(err, "not all of these addresses are mapped to RAM");
    for (size_t i = 0; i < p.n; bytes += p.at[i++].n)
        if (rs_input_poke(g->m, p.at[i].hpa, bytes, p.at[i].n, err) != RS_OK)
            return RS_FAILED;
    memory_input_made(g);
    return RS_OK;
}

void memory_input_made(struct gdb *g)
{
    struct rs_position now = rs_position(g->m);
    char at[64], text[160];
    g->told_end = false;
    if (!rs_log_was_cut(g->w))
        return;
    if (before(now, g->face))
        g->face = now;
    rs_position_format(g->m, now, at);
    snprintf(text, sizeof text, "an input in the past, at %s: what came after it is no longer so", at);
    session_note(g, text);
}
