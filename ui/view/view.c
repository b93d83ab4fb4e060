/* view.c - the view model: what each pane shows, and where it is scrolled to. */
#include "view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lua/scenario.h"
#include "code.h"
#include "frame.h"
#include "tlbs.h"
#include "told.h"
#include "words.h"

rs_machine *view_machine(const struct view *v)
{
    return rs_world_machine(scenario_world(v->scenario), 0);
}

static uint64_t counter(const rs_machine *m, uint32_t core, const char *name)
{
    for (size_t i = 0; i < rs_counter_count(); i++)
        if (strcmp(rs_counter_info(i)->name, name) == 0)
            return rs_counter(m, core, i);
    return 0;
}

struct view *view_new(struct scenario *s)
{
    struct view *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->scenario = s;
    v->slot = PANE_CPU;
    for (int i = 0; i < PANES; i++)
        v->pane[i].found = -1;
    v->pane[PANE_EXITS].follow = v->pane[PANE_CONSOLE].follow = v->pane[PANE_LESSON].follow = true;
    past_begin(&v->past, s);
    return v;
}

void view_free(struct view *v)
{
    if (!v)
        return;
    past_end(&v->past);
    for (int i = 0; i < PANES; i++)
        doc_free(&v->pane[i].doc);
    free(v);
}

/* ---- the walk ---- */

/* The walk in progress, described as the machine stands; else the last one that ended. */
static void choose_walk(const struct view *v, rs_machine *m, struct walk_view *w)
{
    const struct walk_entry *last = walk_log_last(&v->past.told.walks, v->core);
    const struct rs_walk *now = rs_last_walk(m, v->core);
    struct rs_position at = rs_position(m);
    if (at.micro && rs_next_core(m) == v->core && now && now->valid && !now->ended) {
        w->walk = now;
        past_describe(&v->past, m, v->core, now->rip, &w->words);
    } else if (last) {
        w->walk = &last->walk;
        w->words = last->words;
        w->atoms_ago = at.atom - last->at.atom;
    }
}

/* Why there is no walk to show. */
static void explain_none(const struct view *v, const rs_machine *m, struct walk_view *w)
{
    char of[32] = "", number[32];
    uint64_t walks = m ? counter(m, v->core, "walks") : 0;
    if (m && rs_cores(m) > 1)
        snprintf(of, sizeof of, " of core %u", v->core + 1);
    if (!m)
        snprintf(w->none, sizeof w->none, "No page walk: there is no machine yet.");
    else if (walks)
        snprintf(w->none, sizeof w->none,
                 "No page walk%s since this history began: every translation came from a TLB. (%s before.)",
                 of, word_count(walks, number));
    else if (counter(m, v->core, "itlb_lookups") + counter(m, v->core, "dtlb_lookups"))
        snprintf(w->none, sizeof w->none, "No page walk%s up to here: every translation came from a TLB.",
                 of);
    else
        snprintf(w->none, sizeof w->none, "No page walk%s up to here: it has translated no address yet.",
                 *of ? of : " of the core");
}

static bool entry_of(const struct rs_tlb_view *e, const struct rs_walk *walk)
{
    return walk->gva >= e->va && walk->gva - e->va < e->page_bytes && e->vpid == walk->vpid &&
           (e->global || e->pcid == walk->pcid);
}

static void find_entry(const struct view *v, rs_machine *m, struct walk_view *w)
{
    const enum rs_tlb tlb[] = {w->walk->access == RS_FETCH ? RS_ITLB : RS_DTLB, RS_STLB};
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; !w->has_entry && rs_tlb_get(m, v->core, tlb[t], i, &w->entry); i++)
            w->has_entry = entry_of(&w->entry, w->walk);
}

struct walk_view view_walk(const struct view *v)
{
    struct walk_view w = {.selected = v->selected};
    rs_machine *m = view_machine(v);
    const char *hides = scenario_hides(v->scenario);
    if (m) {
        w.hidden = hides && strcmp(hides, "walk") == 0;
        choose_walk(v, m, &w);
    }
    if (!w.walk) {
        explain_none(v, m, &w);
        return w;
    }
    if (!w.words.who[0])
        snprintf(w.words.who, sizeof w.words.who, "%s", rs_machine_name(m));
    if (w.walk->ended && w.walk->owner == RS_NO_FAULT)
        find_entry(v, m, &w);
    return w;
}

/* ---- what the panes show ---- */

static void fill_cpu(struct view *v, struct doc *d, int width, int height)
{
    rs_machine *m = view_machine(v);
    struct registers now;
    if (!m)
        return;
    registers_read(m, v->core, &now);
    registers_doc(&now, &v->before[v->core], width, d);
    doc_line(d, STYLE_TEXT, " ");
    int lines = height - (int)d->lines;
    code_doc(m, v->core, scenario_symbols(v->scenario, m, v->core), lines > 4 ? lines : 4, d);
}

static void fill_exits(const struct view *v, const rs_machine *m, struct doc *d, int width)
{
    uint64_t cores = m ? rs_cores(m) : 1, counted = 0;
    for (uint32_t core = 0; m && core < cores; core++)
        counted += counter(m, core, "vm_exits");
    exits_doc(&v->past.told.exits, cores, counted, width, d);
}

static void fill(struct view *v, enum pane pane, int width, int height)
{
    struct doc *d = &v->pane[pane].doc;
    rs_machine *m = view_machine(v);
    doc_clear(d);
    if (pane == PANE_CPU)
        fill_cpu(v, d, width, height);
    else if (pane == PANE_TLB && m)
        tlbs_doc(m, v->core, width, d);
    else if (pane == PANE_EXITS)
        fill_exits(v, m, d, width);
    else if (pane == PANE_CONSOLE && m)
        consoles_doc(v->scenario, m, d);
    else if (pane == PANE_LESSON)
        lesson_doc(v->scenario, width, d);
}

static const struct doc *pane_doc(const struct view *v, enum pane pane)
{
    return pane == PANE_HELP ? v->help : &v->pane[pane].doc;
}

/* ---- drawing ---- */

static void clamp_scroll(struct view_pane *p, const struct doc *d, int width, int height)
{
    long last = (long)d->lines - height, rightmost = (long)doc_columns(d) - width;
    p->height = height;
    if (p->follow || p->top > last)
        p->top = last;
    if (p->top < 0)
        p->top = 0;
    if (p->left > rightmost)
        p->left = rightmost > 0 ? rightmost : 0;
}

/* How much lies outside: at the right of line y, which holds none of the doc's text. */
static void draw_more(const struct doc *d, const struct view_pane *p, const struct area *a, int y)
{
    char text[64] = "";
    long below = (long)d->lines - p->top - p->height;
    if (p->top > 0 && below > 0)
        snprintf(text, sizeof text, " %ld above, %ld below ", p->top, below);
    else if (p->top > 0 || below > 0)
        snprintf(text, sizeof text, " %ld %s ", p->top > 0 ? p->top : below, p->top > 0 ? "above" : "below");
    area_text(a, a->w - (int)strlen(text), y, STYLE_BAR, text);
}

/* What lies outside is counted in the title; without one, in a last line of its own. */
static void draw_doc(struct view *v, enum pane pane, const struct area *whole, bool titled)
{
    struct view_pane *p = &v->pane[pane];
    struct area a = area_part(whole, 0, titled, whole->w, whole->h - titled);
    fill(v, pane, a.w, a.h);
    const struct doc *d = pane_doc(v, pane);
    if (!d || a.h < 2)
        return;
    if (!titled && (long)d->lines > a.h)
        a.h--;
    clamp_scroll(p, d, a.w, a.h);
    doc_draw(d, &a, p->top, p->left, p->found);
    draw_more(d, p, whole, titled ? 0 : whole->h - 1);
}

static void draw_part(struct view *v, const struct layout *l, const struct layout_part *part,
                      const struct area *screen)
{
    struct area whole = area_part(screen, part->x, part->y, part->w, part->h);
    bool focus = v->focus == part->pane;
    char title[32];
    if (l->titled) {
        snprintf(title, sizeof title, focus ? "[%s]" : "%s", pane_title[part->pane]);
        area_rule(&whole, 0, focus ? STYLE_CURRENT : STYLE_TITLE, title);
    }
    if (part->x > 0) {
        struct area line = area_part(screen, part->x - 1, part->y, 1, part->h);
        area_vline(&line, 0);
    }
    if (part->pane == PANE_WALK) {
        struct walk_view w = view_walk(v);
        struct area body = area_part(&whole, 0, l->titled, part->w, part->h - l->titled);
        walk_view_draw(&w, &body);
    } else {
        draw_doc(v, part->pane, &whole, l->titled);
    }
}

void view_draw(struct view *v, struct canvas *c)
{
    struct layout l = layout_for(c->width, c->height, v->focus, v->slot);
    if (l.too_small) {
        frame_too_small(c);
        return;
    }
    struct area screen = canvas_area(c);
    for (int i = 0; i < l.parts; i++)
        draw_part(v, &l, &l.part[i], &screen);
    struct area head = area_part(&screen, 0, 0, c->width, LAYOUT_HEAD);
    struct area foot = area_part(&screen, 0, c->height - LAYOUT_FOOT, c->width, LAYOUT_FOOT);
    frame_header(v, &head);
    frame_footer(v, &foot);
}

/* ---- what keys do ---- */

void view_mark(struct view *v)
{
    rs_machine *m = view_machine(v);
    for (uint32_t core = 0; m && core < rs_cores(m); core++)
        registers_read(m, core, &v->before[core]);
    v->selected = 0;
    v->message[0] = 0;
    v->pane[PANE_CPU].top = 0;
    for (int i = 0; i < PANES; i++)
        v->pane[i].found = -1;
}

void view_message(struct view *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(v->message, sizeof v->message, format, args);
    va_end(args);
}

void view_show_core(struct view *v, uint32_t core)
{
    v->core = core;
    v->selected = 0;
    v->pane[PANE_CPU].top = 0;
    for (int i = 0; i < PANES; i++)
        v->pane[i].found = -1;
}

void view_follow(struct view *v, uint32_t core, const char *did)
{
    const rs_machine *m = view_machine(v);
    size_t n = strlen(v->message);
    if (core == v->core || !m || core >= rs_cores(m)) /* RS_NO_CORE: a step of the devices */
        return;
    view_show_core(v, core);
    snprintf(v->message + n, sizeof v->message - n, "%sCore %u is shown now: %s.", n ? " " : "", core + 1,
             did);
}

void view_next_core(struct view *v)
{
    const rs_machine *m = view_machine(v);
    if (!m || rs_cores(m) < 2) {
        view_message(v, "There is no other core to show.");
        return;
    }
    view_show_core(v, (v->core + 1) % (uint32_t)rs_cores(m));
    view_message(v, "Core %u of %u is shown.", v->core + 1, (unsigned)rs_cores(m));
}

void view_choose(struct view *v, enum pane pane, int width, int height)
{
    if (pane == PANE_HELP && v->focus != PANE_HELP)
        v->before_help = v->focus;
    v->focus = pane;
    if (pane != PANE_HELP && !layout_fixed(width, height, pane) && pane != PANE_WALK)
        v->slot = pane;
}

void view_cycle(struct view *v, int step, int width, int height)
{
    int from = v->focus == PANE_HELP ? (int)v->before_help : (int)v->focus;
    view_choose(v, (enum pane)((from + step + PANE_HELP) % PANE_HELP), width, height);
}

static void select_ref(struct view *v, long step)
{
    struct walk_view w = view_walk(v);
    const struct rs_walk_ref *ref = walk_view_ref(&w);
    if (!w.walk || !ref || w.hidden)
        return;
    long n = (long)ref->n + step;
    v->selected = n < 1 ? 1 : n > w.walk->ref_count ? w.walk->ref_count : (unsigned)n;
}

void view_scroll(struct view *v, long lines, long columns)
{
    struct view_pane *p = &v->pane[v->focus];
    if (v->focus == PANE_WALK) {
        struct walk_view w = view_walk(v);
        long row = w.walk && w.walk->nested ? w.walk->cols : 1;
        select_ref(v, lines * row + columns);
        return;
    }
    p->follow = false;
    p->top = p->top + lines > 0 ? p->top + lines : 0;
    p->left = p->left + 8 * columns > 0 ? p->left + 8 * columns : 0;
}

void view_page(struct view *v, int pages)
{
    int height = v->pane[v->focus].height;
    view_scroll(v, pages * (height > 2 ? height - 1 : 1), 0);
}

void view_end(struct view *v, int end)
{
    struct view_pane *p = &v->pane[v->focus];
    if (v->focus == PANE_WALK) {
        select_ref(v, end < 0 ? -RS_WALK_REFS : RS_WALK_REFS);
        return;
    }
    p->follow = end > 0;
    p->top = p->left = 0;
}

static void find_in_walk(struct view *v)
{
    struct walk_view w = view_walk(v);
    const struct rs_walk_ref *ref = walk_view_ref(&w);
    unsigned n = ref && !w.hidden ? walk_view_find(&w, v->search, ref->n) : 0;
    if (n)
        v->selected = n;
    else
        view_message(v, "No reference of this walk has \"%s\" in its address or entry.", v->search);
}

void view_find(struct view *v)
{
    struct view_pane *p = &v->pane[v->focus];
    if (!v->search[0])
        return;
    if (v->focus == PANE_WALK) {
        find_in_walk(v);
        return;
    }
    const struct doc *d = pane_doc(v, v->focus);
    p->found = d ? doc_find(d, v->search, (size_t)(p->found >= 0 ? p->found + 1 : p->top)) : -1;
    if (p->found < 0) {
        view_message(v, "\"%s\" is not in the pane %s.", v->search, pane_title[v->focus]);
        return;
    }
    p->follow = false;
    if (p->found < p->top || p->found >= p->top + p->height)
        p->top = p->found - p->height / 2;
}
