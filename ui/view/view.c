/* view.c - the view model: what each pane shows, and where it is scrolled to. */
#include "view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lua/scenario.h"
#include "code.h"
#include "frame.h"
#include "iommu_view.h"
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
    v->device = WALK_ANY;
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

static bool hides_walk(const struct view *v)
{
    const char *hides = scenario_hides(v->scenario);
    return hides && strcmp(hides, "walk") == 0;
}

struct walk_view view_walk(const struct view *v)
{
    struct walk_view w = {.selected = v->pane[PANE_WALK].selected, .hidden = hides_walk(v)};
    rs_machine *m = view_machine(v);
    if (m)
        choose_walk(v, m, &w);
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

/* ---- the walk of a device ---- */

/* The one in progress, of whichever device; NULL if the machine does not stand in one. */
static const struct rs_walk *iommu_walk_now(const rs_machine *m)
{
    const struct rs_walk *now = rs_last_iommu_walk(m);
    bool inside = rs_position(m).micro && rs_next_core(m) == RS_NO_CORE;
    return inside && now && !now->ended ? now : NULL;
}

static void choose_iommu(const struct view *v, const rs_machine *m, struct walk_view *w)
{
    const struct walk_device *last = walk_log_device(&v->past.told.walks, v->device);
    const struct rs_walk *now = iommu_walk_now(m);
    if (now && (v->device == WALK_ANY || v->device == now->requester)) {
        w->walk = now;
    } else if (last) {
        w->walk = &last->walk;
        w->atoms_ago = rs_position(m).atom - last->at.atom;
    }
}

static void explain_no_device(const rs_machine *m, struct walk_view *w)
{
    uint64_t done = 0;
    char number[32];
    for (size_t i = 0; m && i < rs_iommu_counter_count(); i++)
        if (strcmp(rs_iommu_counter_info(i)->name, "translations") == 0)
            done = rs_iommu_counter(m, i);
    if (!m)
        snprintf(w->none, sizeof w->none, "No device's walk: there is no machine yet.");
    else if (!(rs_firmware(m) & RS_FW_VTD))
        snprintf(w->none, sizeof w->none,
                 "The machine has no IOMMU: firmware = { vtd = true } gives it one.");
    else if (done)
        snprintf(w->none, sizeof w->none,
                 "The IOMMU has translated nothing for a device since this history began. (%s before.)",
                 word_count(done, number));
    else
        snprintf(w->none, sizeof w->none, "The IOMMU has translated nothing for a device up to here.");
}

static void find_io_entry(const rs_machine *m, struct walk_view *w)
{
    struct rs_iommu_cache_view *e = &w->io_entry;
    for (size_t i = 0; !w->has_entry && rs_iommu_cache_get(m, RS_IOTLB, i, e); i++)
        w->has_entry = e->domain == w->walk->domain && w->walk->gva - e->address < e->page_bytes;
}

/* Some core is in VMX operation: what drives the IOMMU is taken to be the hypervisor. */
static bool has_hypervisor(const rs_machine *m)
{
    uint64_t on = 0;
    for (uint32_t core = 0; core < rs_cores(m) && !on; core++)
        rs_state_get(m, core, "vmx_on", 0, &on);
    return on;
}

struct walk_view view_iommu(const struct view *v)
{
    struct walk_view w = {.selected = v->pane[PANE_IOMMU].selected, .hidden = hides_walk(v)};
    const rs_machine *m = view_machine(v);
    if (m)
        choose_iommu(v, m, &w);
    if (!w.walk) {
        explain_no_device(m, &w);
        return w;
    }
    const char *name = rs_requester(m, w.walk->requester);
    snprintf(w.words.who, sizeof w.words.who, "%s", name ? name : "(nobody)");
    snprintf(w.words.place, sizeof w.words.place, "the %s's", has_hypervisor(m) ? "hypervisor" : "kernel");
    if (w.walk->ended && w.walk->owner == RS_NO_FAULT)
        find_io_entry(m, &w);
    return w;
}

/* There is something to show of it. */
static bool iommu_used(const struct view *v)
{
    const rs_machine *m = view_machine(v);
    return v->focus == PANE_IOMMU ||
           (m && (iommu_walk_now(m) || walk_log_device(&v->past.told.walks, WALK_ANY)));
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

static bool is_walk(enum pane pane)
{
    return pane == PANE_WALK || pane == PANE_IOMMU;
}

static struct walk_view shown_walk(const struct view *v, enum pane pane)
{
    return pane == PANE_WALK ? view_walk(v) : view_iommu(v);
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
    if (is_walk(part->pane)) {
        struct walk_view w = shown_walk(v, part->pane);
        struct area body = area_part(&whole, 0, l->titled, part->w, part->h - l->titled);
        (part->pane == PANE_WALK ? walk_view_draw : iommu_view_draw)(&w, &body);
    } else {
        draw_doc(v, part->pane, &whole, l->titled);
    }
}

void view_draw(struct view *v, struct canvas *c)
{
    struct layout l = layout_for(c->width, c->height, v->focus, v->slot, iommu_used(v));
    v->width = c->width;
    v->height = c->height;
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

/* What was found and chosen in what was shown is so no longer. */
static void look_anew(struct view *v)
{
    v->pane[PANE_CPU].top = 0;
    for (int i = 0; i < PANES; i++) {
        v->pane[i].found = -1;
        v->pane[i].selected = 0;
    }
}

void view_mark(struct view *v)
{
    rs_machine *m = view_machine(v);
    for (uint32_t core = 0; m && core < rs_cores(m); core++)
        registers_read(m, core, &v->before[core]);
    v->message[0] = 0;
    look_anew(v);
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
    look_anew(v);
}

static void add_message(struct view *v, const char *format, ...)
{
    size_t n = strlen(v->message);
    va_list args;
    va_start(args, format);
    if (n && n + 1 < sizeof v->message)
        v->message[n++] = ' ';
    vsnprintf(v->message + n, sizeof v->message - n, format, args);
    va_end(args);
}

/* A pane that has no place beside the others: it or the walk's. */
static bool stands_alone(const struct view *v)
{
    return layout_for(v->width, v->height, PANE_WALK, PANE_IOMMU, true).parts < 2;
}

static void follow_core(struct view *v, uint32_t core, const char *did, bool walk)
{
    bool hidden = v->focus == PANE_IOMMU && stands_alone(v) && (v->brought || walk);
    if (core == v->core && !hidden)
        return;
    if (hidden)
        v->focus = PANE_WALK;
    v->brought = false;
    view_show_core(v, core);
    add_message(v, "Core %u is shown now: %s.", core + 1, did);
}

/* The IOMMU's walk that the machine stands in, or that belongs to the atom that it has just left. */
static const struct rs_walk *iommu_walk_here(const struct view *v, const rs_machine *m)
{
    const struct rs_walk *now = iommu_walk_now(m);
    const struct walk_device *last = walk_log_device(&v->past.told.walks, WALK_ANY);
    struct rs_position at = rs_position(m);
    if (now)
        return now;
    return last && last->at.atom + !at.micro == at.atom ? &last->walk : NULL;
}

/* To the front only in place of the walk's pane. */
static bool bring_iommu(struct view *v)
{
    bool alone = stands_alone(v);
    if (v->focus != PANE_WALK || (!alone && layout_fixed(v->width, v->height, PANE_IOMMU, true)))
        return false;
    enum pane *place = alone ? &v->focus : &v->slot;
    bool new = *place != PANE_IOMMU;
    *place = PANE_IOMMU;
    v->brought = alone;
    return new;
}

static void follow_device(struct view *v, const rs_machine *m, const char *did)
{
    const struct rs_walk *walk = iommu_walk_here(v, m);
    if (!walk || (v->focus != PANE_WALK && v->focus != PANE_IOMMU))
        return;
    unsigned requester = walk->requester;
    bool other = v->device != WALK_ANY && v->device != requester, brought = bring_iommu(v);
    if (other)
        v->device = requester;
    if (other || brought)
        add_message(v, "Device %02x:%02x.%x is shown now: %s.", requester >> 8, requester >> 3 & 31,
                    requester & 7, did);
}

void view_follow(struct view *v, uint32_t core, const char *did, bool walk)
{
    const rs_machine *m = view_machine(v);
    if (m && core == RS_NO_CORE)
        follow_device(v, m, did);
    else if (m && core < rs_cores(m))
        follow_core(v, core, did, walk);
}

static void next_device(struct view *v)
{
    v->device = walk_log_next_device(&v->past.told.walks, v->device);
    look_anew(v);
    if (!walk_log_device(&v->past.told.walks, WALK_ANY))
        view_message(v, "No device has had a walk up to here.");
    else if (v->device == WALK_ANY)
        view_message(v, "The device that was last is shown.");
    else
        view_message(v, "Device %02x:%02x.%x is shown.", v->device >> 8, v->device >> 3 & 31, v->device & 7);
}

void view_next(struct view *v)
{
    const rs_machine *m = view_machine(v);
    if (v->focus == PANE_IOMMU) {
        next_device(v);
        return;
    }
    if (!m || rs_cores(m) < 2) {
        view_message(v, "There is no other core to show.");
        return;
    }
    view_show_core(v, (v->core + 1) % (uint32_t)rs_cores(m));
    view_message(v, "Core %u of %u is shown.", v->core + 1, (unsigned)rs_cores(m));
}

bool view_has(const struct view *v, enum pane pane)
{
    const rs_machine *m = view_machine(v);
    return pane != PANE_IOMMU || (m && rs_firmware(m) & RS_FW_VTD);
}

void view_choose(struct view *v, enum pane pane, int width, int height)
{
    if (pane == PANE_HELP && v->focus != PANE_HELP)
        v->before_help = v->focus;
    v->focus = pane;
    v->brought = false;
    if (pane != PANE_HELP && !layout_fixed(width, height, pane, iommu_used(v)) && pane != PANE_WALK)
        v->slot = pane;
}

void view_cycle(struct view *v, int step, int width, int height)
{
    int pane = v->focus == PANE_HELP ? (int)v->before_help : (int)v->focus;
    do
        pane = (pane + step + PANE_HELP) % PANE_HELP;
    while (!view_has(v, (enum pane)pane));
    view_choose(v, (enum pane)pane, width, height);
}

static void select_ref(struct view *v, long step)
{
    struct walk_view w = shown_walk(v, v->focus);
    const struct rs_walk_ref *ref = walk_view_ref(&w);
    if (!w.walk || !ref || w.hidden)
        return;
    long n = (long)ref->n + step;
    v->pane[v->focus].selected = n < 1 ? 1 : n > w.walk->ref_count ? w.walk->ref_count : (unsigned)n;
}

void view_scroll(struct view *v, long lines, long columns)
{
    struct view_pane *p = &v->pane[v->focus];
    if (is_walk(v->focus)) {
        struct walk_view w = shown_walk(v, v->focus);
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
    if (is_walk(v->focus)) {
        select_ref(v, end < 0 ? -RS_WALK_REFS : RS_WALK_REFS);
        return;
    }
    p->follow = end > 0;
    p->top = p->left = 0;
}

static void find_in_walk(struct view *v)
{
    struct walk_view w = shown_walk(v, v->focus);
    const struct rs_walk_ref *ref = walk_view_ref(&w);
    unsigned n = ref && !w.hidden ? walk_view_find(&w, v->search, ref->n) : 0;
    if (n)
        v->pane[v->focus].selected = n;
    else
        view_message(v, "No reference of this walk has \"%s\" in its address or entry.", v->search);
}

void view_find(struct view *v)
{
    struct view_pane *p = &v->pane[v->focus];
    if (!v->search[0])
        return;
    if (is_walk(v->focus)) {
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
