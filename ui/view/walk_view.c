/* walk_view.c - the header, the explanation and the end of a walk; walk_grid.c draws the grid. */
#include "walk_view.h"

#include <stdio.h>
#include <string.h>

#include "doc.h"
#include "walk_grid.h"
#include "words.h"

typedef unsigned long long ull;

#define INSN_MIN 12 /* columns; less of an instruction says nothing */

const struct rs_walk_ref *walk_view_ref(const struct walk_view *v)
{
    const struct rs_walk *walk = v->walk;
    if (!walk || !walk->ref_count || walk->ref_count > RS_WALK_REFS)
        return NULL;
    unsigned n = v->selected && v->selected <= walk->ref_count ? v->selected : walk->ref_count;
    return &walk->ref[n - 1];
}

unsigned walk_view_find(const struct walk_view *v, const char *text, unsigned from)
{
    unsigned count = v->walk ? v->walk->ref_count : 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned n = (from + i) % count;
        const struct rs_walk_ref *ref = &v->walk->ref[n];
        char line[128];
        snprintf(line, sizeof line, "h:%llx g:%llx %llx:%016llx", (ull)ref->hpa, (ull)ref->gpa,
                 (ull)ref->high, (ull)ref->entry);
        if (strstr(line, text))
            return n + 1;
    }
    return 0;
}

/* ---- header: who, the address in parts, how far ---- */

static const char *word_linear(const struct rs_walk *walk)
{
    return walk->guest ? "gVA" : "VA";
}

/* The instruction, cut so that `tail` columns stay for where it is; returns the x after it. */
static int draw_insn(const struct walk_view *v, const struct area *a, int x, int tail)
{
    int room = a->w - x - (int)strlen(" by \"\"") - tail, length = (int)strlen(v->words.insn);
    if (!length || room < INSN_MIN)
        return x;
    if (length <= room)
        return area_print(a, x, 0, STYLE_TEXT, " by \"%s\"", v->words.insn);
    return area_print(a, x, 0, STYLE_TEXT, " by \"%.*s..\"", room - 2, v->words.insn);
}

static void draw_who(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    char tail[112] = "";
    int x = area_print(a, 0, 0, STYLE_TITLE, "%s %s", walk->guest ? "VM" : "image", v->words.who);
    x = area_print(a, x, 0, STYLE_TEXT, ": %s %s", walk->user ? "user" : "supervisor",
                   word_access(walk->access));
    if (v->words.place[0])
        snprintf(tail, sizeof tail, " at %s", v->words.place);
    else
        snprintf(tail, sizeof tail, " at %s %llx", word_linear(walk), (ull)walk->rip);
    x = draw_insn(v, a, x, (int)strlen(tail));
    area_text(a, x, 0, STYLE_TEXT, tail);
}

/* Level of the guest's table that the explained reference is about; 0 is the data row. */
static unsigned level_in_use(const struct walk_view *v)
{
    const struct rs_walk_ref *ref = walk_view_ref(v);
    return ref && ref->row <= v->walk->rows ? v->walk->rows - ref->row : v->walk->rows;
}

/* Level of the guest's entry that ends its levels, as far as it has been read: 1 until a large page is seen.
 */
static unsigned leaf_level(const struct rs_walk *walk)
{
    for (unsigned i = 0; i < walk->ref_count && i < RS_WALK_REFS; i++) {
        const struct rs_walk_ref *ref = &walk->ref[i];
        if (ref->stage == RS_GUEST && ref->leaf && ref->level > 1 && ref->level <= 3)
            return ref->level;
    }
    return 1;
}

static void draw_split(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    unsigned in_use = level_in_use(v);
    unsigned last = leaf_level(walk);
    uint64_t offset = walk->gva & (level_bytes(last) - 1);
    int digits = (int)(12 + 9 * (last - 1) + 3) / 4;
    int x = area_print(a, 0, 1, STYLE_TEXT, "%s %016llx =", word_linear(walk), (ull)walk->gva);
    for (unsigned level = walk->rows - 1u; level >= last && level < RS_WALK_ROWS; level--) {
        unsigned index = (unsigned)(walk->gva >> (3 + 9 * level)) & 511;
        bool now = level == in_use;
        x = area_print(a, x, 1, now ? STYLE_CURRENT : STYLE_TEXT, now ? "[%s %u]" : " %s %u ",
                       word_index(level), index);
        x = area_print(a, x, 1, STYLE_DIM, "|");
    }
    area_print(a, x, 1, in_use ? STYLE_TEXT : STYLE_CURRENT, in_use ? " offset %0*llx " : "[offset %0*llx]",
               digits, (ull)offset);
}

void walk_view_cycles(const struct walk_view *v, char *text, size_t size)
{
    const struct rs_walk *walk = v->walk;
    const struct rs_walk_ref *ref = walk_view_ref(v);
    unsigned shown = ref ? ref->n : 0;
    char number[32], made[32] = "";
    if (walk->ended && shown && shown != walk->ref_count)
        snprintf(made, sizeof made, ", %u made", walk->ref_count);
    snprintf(text, size, ", %s cycles %s%s", word_count(walk->cycles, number),
             walk->ended ? "in all" : "so far", made);
}

void walk_view_ago(const struct walk_view *v, char *text, size_t size)
{
    char number[32];
    text[0] = 0;
    if (v->walk->ended && v->atoms_ago)
        snprintf(text, size, ", %s atom%s ago", word_count(v->atoms_ago, number),
                 v->atoms_ago == 1 ? "" : "s");
}

/* Which reference, cycles, how long ago.  How many the other kind of walk takes is left out where there is no
 * room for all. */
static void draw_count(const struct walk_view *v, const struct area *a, unsigned native, unsigned most)
{
    const struct rs_walk *walk = v->walk;
    const struct rs_walk_ref *ref = walk_view_ref(v);
    char count[48], other[40], cycles[96], ago[64];
    snprintf(count, sizeof count, "reference %u of at most %u", ref ? ref->n : 0, most);
    if (walk->nested)
        snprintf(other, sizeof other, " (native: %u)", native);
    else
        snprintf(other, sizeof other, " (nested: up to %u)", (native + 1) * (native + 1) - 1);
    walk_view_cycles(v, cycles, sizeof cycles);
    walk_view_ago(v, ago, sizeof ago);
    bool room = strlen(count) + strlen(other) + strlen(cycles) + strlen(ago) <= (size_t)a->w;
    int x = area_text(a, 0, 2, STYLE_TITLE, count);
    x = area_print(a, x, 2, STYLE_TEXT, "%s%s", room ? other : "", cycles);
    area_text(a, x, 2, STYLE_DIM, ago);
}

static void draw_progress(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    unsigned native = walk->rows ? walk->rows - 1u : 0;
    if (!walk->paging && !walk->nested)
        area_text(a, 0, 2, STYLE_TEXT, "paging is off: the linear address is the physical address");
    else if (v->hidden)
        area_text(a, 0, 2, STYLE_ALERT, "The rest of the walk is hidden until the question is answered.");
    else
        draw_count(v, a, native, walk->nested ? walk->rows * walk->cols - 1u : native);
}

/* ---- the reference explained ---- */

static void draw_what(const struct walk_view *v, const struct rs_walk_ref *ref, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    char what[96];
    if (ref->stage == RS_GUEST)
        snprintf(what, sizeof what, "%sL%u, the %s %s", walk->nested ? "g" : "", ref->level,
                 walk->guest ? "guest's" : "kernel's", word_entry(ref->level));
    else
        snprintf(what, sizeof what, "nL%u, the EPT's %s for g:%llx (the %s%s)", ref->level,
                 word_entry(ref->level), (ull)ref->gpa, ref->row < walk->rows ? "guest's " : "",
                 word_entry(level_in_use(v)));
    int x = area_print(a, 0, 0, STYLE_TITLE, "%u. ", ref->n);
    x = area_print(a, x, 0, STYLE_TEXT, "%s", what);
    area_print(a, x, 0, STYLE_TEXT, ": %s, %llu cycles", word_hit(ref->from), (ull)ref->cycles);
}

static void base_name(const struct rs_walk_ref *ref, char *text, size_t size)
{
    bool top = ref->stage == RS_NESTED ? ref->col == 1 : ref->row == 1;
    if (ref->base_ref)
        snprintf(text, size, "from reference %u", ref->base_ref);
    else
        snprintf(text, size, "from %s", !top ? "a walk cache" : ref->stage == RS_NESTED ? "the EPTP" : "CR3");
}

static void draw_base(const struct walk_view *v, const struct rs_walk_ref *ref, const struct area *a)
{
    char from[40];
    base_name(ref, from, sizeof from);
    bool in_guest = ref->stage == RS_GUEST && v->walk->nested;
    uint64_t address = in_guest ? ref->gpa : ref->hpa, offset = 8ull * ref->index;
    char space = in_guest ? 'g' : 'h';
    int x = area_print(a, 3, 1, STYLE_TEXT, "address %c:%llx = %c:%llx (%s) + %u x 8", space, (ull)address,
                       space, (ull)(address - offset), from, ref->index);
    if (in_guest)
        area_print(a, x, 1, STYLE_TEXT, ", at h:%llx", (ull)ref->hpa);
}

static void draw_entry(const struct walk_view *v, const struct rs_walk_ref *ref, const struct area *a)
{
    char flags[64], size[24];
    const char *set = word_ad_set(ref);
    word_flags(ref, ref->entry, flags, sizeof flags);
    char space = ref->stage == RS_GUEST && v->walk->nested ? 'g' : 'h';
    int x = area_print(a, 3, 2, STYLE_TEXT, "entry %016llx = ", (ull)ref->entry);
    if (!entry_present(ref)) {
        area_text(a, x, 2, STYLE_TEXT, flags);
        return;
    }
    x = area_print(a, x, 2, STYLE_TEXT, "%s %c:%llx", ref->leaf ? "frame" : "table", space,
                   (ull)entry_frame(ref));
    if (ref->leaf && ref->level > 1)
        x = area_print(a, x, 2, STYLE_TEXT, " (%s)", word_bytes(level_bytes(ref->level), size));
    x = area_print(a, x, 2, STYLE_TEXT, " + %s", flags);
    if (*set)
        area_print(a, x, 2, STYLE_CHANGED, "; %s set", set);
}

/* ---- the end ---- */

static void draw_tags(const struct walk_view *v, const struct area *a, int y)
{
    const struct rs_walk *walk = v->walk;
    const struct rs_tlb_view *e = &v->entry;
    char rights[8];
    const char *kind = v->has_entry ? e->kind : walk->nested ? "combined" : "linear";
    int x = area_print(a, 3, y, STYLE_TEXT, "tags: %s", kind);
    x = area_print(a, x, y, STYLE_TEXT, ", VPID %llu, PCID %llu", (ull)walk->vpid, (ull)walk->pcid);
    if (walk->nested)
        x = area_print(a, x, y, STYLE_TEXT, ", EP4TA h:%llx", (ull)(walk->eptp & 0x000ffffffffff000ull));
    if (v->has_entry)
        area_print(a, x, y, STYLE_TEXT, "; %s, %s%s", word_rights(e, rights), e->dirty ? "dirty" : "clean",
                   e->global ? ", global" : "");
}

static void draw_result(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    char size[24];
    uint64_t mask = walk->page_bytes ? walk->page_bytes - 1 : 0xfff;
    const char *name = v->has_entry ? "TLB entry" : "TLB entry, no longer in the TLB";
    area_print(a, 0, 3, v->has_entry ? STYLE_GOOD : STYLE_DIM, "%s: %s %016llx -> h:%llx, %s%s", name,
               word_linear(walk), (ull)(walk->gva & ~mask), (ull)(walk->hpa & ~mask),
               word_bytes(mask + 1, size), walk->nested && v->has_entry ? " (the smaller page)" : "");
    draw_tags(v, a, 4);
}

/* The error code or qualification, in words. */
static void draw_fault_detail(const struct rs_walk *walk, const struct area *a)
{
    char words[96] = "";
    if (walk->owner == RS_GUEST_FAULT) {
        word_pf_error(walk->error, words, sizeof words);
        area_print(a, 3, 4, STYLE_TEXT, "error code %x: %s", walk->error, words);
    } else if (walk->owner == RS_EPT_VIOLATION || walk->owner == RS_EPT_VE) {
        word_ept_violation(walk->qualification, words, sizeof words);
        area_print(a, 3, 4, STYLE_TEXT, "qualification %llx: %s; at g:%llx", (ull)walk->qualification, words,
                   (ull)walk->fault_gpa);
    } else if (walk->owner == RS_EPT_MISCONFIG) {
        area_print(a, 3, 4, STYLE_TEXT, "EPT misconfiguration at g:%llx", (ull)walk->fault_gpa);
    } else if (walk->owner == RS_PML_FULL) {
        area_print(a, 3, 4, STYLE_TEXT, "A or D for g:%llx stays clear", (ull)walk->fault_gpa);
    }
}

static void draw_fault(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    area_print(a, 0, 3, STYLE_BAD, "FAULT: %s", walk->fault_text ? walk->fault_text : word_owner(walk));
    draw_fault_detail(walk, a);
}

static void draw_explanation(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk_ref *ref = walk_view_ref(v);
    if (ref) {
        draw_what(v, ref, a);
        draw_base(v, ref, a);
        draw_entry(v, ref, a);
    }
    if (v->walk->ended && v->walk->owner != RS_NO_FAULT)
        draw_fault(v, a);
    else if (v->walk->ended)
        draw_result(v, a);
}

static bool drawable(const struct rs_walk *walk)
{
    return walk->rows >= 2 && walk->rows <= RS_WALK_ROWS && walk->cols >= 1 && walk->cols <= RS_WALK_COLS &&
           walk->ref_count <= RS_WALK_REFS && walk->skip_count <= RS_WALK_REFS;
}

void walk_view_draw(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    if (!walk || !walk->valid || !drawable(walk)) {
        doc_text(v->none, STYLE_DIM, a);
        return;
    }
    draw_who(v, a);
    draw_split(v, a);
    draw_progress(v, a);
    if (v->hidden && walk->ended)
        return;
    int room = a->h - 3 - 5;
    struct area grid = area_part(a, 0, 3, a->w, room);
    int used = walk_grid_draw(v, &grid);
    struct area below = area_part(a, 0, 3 + used, a->w, a->h - 3 - used);
    draw_explanation(v, &below);
}
