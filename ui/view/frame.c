/* frame.c - header, tabs, messages and the line of keys. */
#include "frame.h"

#include <stdio.h>
#include <string.h>

#include "../lua/scenario.h"
#include "words.h"

/* ---- header ---- */

static void core_words(const struct view *v, const rs_machine *m, char *text, size_t size)
{
    text[0] = 0;
    uint32_t next = rs_next_core(m);
    const char *device = rs_position(m).micro ? " (a device's atom)" : " (a device is next)";
    const char *other = next == v->core ? "" : next == RS_NO_CORE ? device : " (not next)";
    if (rs_cores(m) > 1 || other[0])
        snprintf(text, size, "core %u%s: ", v->core + 1, other);
}

/* Who runs and in which mode, in at most `room` columns: a long name is cut for it, and loses its end. */
static void mode_words(const struct view *v, const rs_machine *m, int room, char *text, size_t size)
{
    char name[RS_NAME_MAX] = "", core[32], mode[48];
    uint64_t vmx_on = 0;
    scenario_running(v->scenario, m, v->core, name);
    rs_state_get(m, v->core, "vmx_on", 0, &vmx_on);
    core_words(v, m, core, sizeof core);
    snprintf(mode, sizeof mode, ", %s, ring %u",
             rs_guest_mode(m, v->core) ? "non-root (guest)"
             : vmx_on                  ? "root"
                                       : "bare",
             rs_cpl(m, v->core));
    int rest = room - (int)strlen(core) - (int)strlen(mode), length = (int)strlen(name);
    if (length <= rest)
        snprintf(text, size, "%s%s%s", core, name, mode);
    else
        snprintf(text, size, "%s%.*s..%s", core, rest > 2 ? rest - 2 : 0, name, mode);
    if (room >= 0 && (size_t)room < strlen(text))
        text[room] = 0;
}

/* The clock of the core, or of the device in whose atom the machine stands. */
static uint64_t clock_of(const struct view *v, const rs_machine *m)
{
    bool device = rs_position(m).micro && rs_next_core(m) == RS_NO_CORE;
    return device ? rs_now(m) : rs_cycles(m, v->core);
}

/* The cycle is never cut: what is left of a number looks like one. */
static void draw_state(const struct view *v, const rs_machine *m, const struct area *a, enum style style)
{
    char mode[128], cycle[32], at[64], tail[64];
    const char *now = v->running ? "  running ..." : rs_halt_text(m) ? "  halted" : "";
    rs_position_format(m, rs_position(m), at);
    snprintf(tail, sizeof tail, "  cycle %s%s", word_count(clock_of(v, m), cycle), now);
    int room = a->w - 1 - (int)strlen(at) - 2 - (int)strlen(tail);
    mode_words(v, m, room > 0 ? room : 0, mode, sizeof mode);
    area_print(a, 1, 0, style, "%s  %s%s", at, mode, tail);
}

static int draw_tabs(const struct view *v, const struct area *a)
{
    int x = 1;
    for (int i = 0; i < PANE_HELP; i++) {
        bool on = v->focus == (enum pane)i;
        if (!on && !view_has(v, (enum pane)i))
            continue;
        x = area_print(a, x, 1, on ? STYLE_CURRENT : STYLE_TITLE, on ? "[%d %s]" : " %d %s ", i + 1,
                       pane_title[i]);
    }
    return x;
}

static void draw_past(const rs_machine *m, rs_world *w, const struct area *a, int x)
{
    char text[96], furthest[64];
    rs_position_format(m, rs_furthest(w), furthest);
    int n = snprintf(text, sizeof text, ">>> IN THE PAST of %s <<<", furthest);
    if (n > a->w - x)
        n = snprintf(text, sizeof text, ">> IN THE PAST <<");
    area_text(a, a->w - n, 1, STYLE_ALERT, text);
}

void frame_header(const struct view *v, const struct area *a)
{
    rs_world *w = scenario_world(v->scenario);
    const rs_machine *m = view_machine(v);
    bool past = m && rs_in_past(w);
    struct area bar = area_part(a, 0, 0, a->w, 1);
    enum style style = past ? STYLE_ALERT : STYLE_BAR;
    area_fill(&bar, style);
    if (m)
        draw_state(v, m, &bar, style);
    else
        area_text(&bar, 1, 0, style, "Ringside: the scenario has not made a machine yet");
    int x = draw_tabs(v, a);
    if (past)
        draw_past(m, w, a, x);
}

/* ---- footer ---- */

static void add(char *text, size_t size, const char *more)
{
    size_t n = strlen(text);
    snprintf(text + n, size - n, "%s", more);
}

static void question_words(const struct view *v, char *text, size_t size)
{
    char number[24];
    const char *choice;
    add(text, size, "Question (a digit answers): ");
    add(text, size, scenario_text(v->scenario));
    for (size_t i = 0; (choice = scenario_choice(v->scenario, i)) != NULL; i++) {
        snprintf(number, sizeof number, "  %zu) ", i + 1);
        add(text, size, number);
        add(text, size, choice);
    }
}

static void ended_words(const struct view *v, char *text, size_t size)
{
    const struct scenario *s = v->scenario;
    if (scenario_error(s))
        snprintf(text, size, "The scenario failed: %s", scenario_error(s));
    else
        snprintf(text, size, "The scenario has ended: %zu checks hold, %zu failed. Step on by hand, or q.",
                 scenario_checks(s, true), scenario_checks(s, false));
}

static enum style message_words(const struct view *v, char *text, size_t size)
{
    const struct scenario *s = v->scenario;
    const rs_machine *m = view_machine(v);
    text[0] = 0;
    if (v->typing)
        snprintf(text, size, "Search in %s: %s_", pane_title[v->focus], v->search);
    else if (v->running)
        snprintf(text, size, "Running; any key stops it.");
    else if (v->message[0])
        snprintf(text, size, "%s", v->message);
    else if (scenario_text(s) && scenario_choice(s, 0))
        question_words(v, text, size);
    else if (scenario_text(s))
        snprintf(text, size, "Pause (Enter goes on): %s", scenario_text(s));
    else if (m && rs_halt_text(m))
        snprintf(text, size, "%s stands still: %s.", rs_machine_name(m), rs_halt_text(m));
    else if (scenario_state(s) == SCENARIO_PAUSED)
        snprintf(text, size, "The scenario is stopped here; Enter goes on.");
    else if (scenario_state(s) != SCENARIO_MOVING)
        ended_words(v, text, size);
    return scenario_state(s) == SCENARIO_FAILED ? STYLE_BAD : v->message[0] ? STYLE_CHANGED : STYLE_TEXT;
}

void frame_footer(const struct view *v, const struct area *a)
{
    struct doc lines = {0};
    char text[2048];
    enum style style = message_words(v, text, sizeof text);
    if (text[0])
        doc_wrap(&lines, style, text, a->w - 2, 0);
    struct area message = area_part(a, 1, 0, a->w - 2, 2);
    doc_draw(&lines, &message, 0, 0, -1);
    if (lines.lines > 2)
        area_print(a, a->w - 16, 1, STYLE_ALERT, "... (6 has all)");
    doc_free(&lines);
    struct area bar = area_part(a, 0, 2, a->w, 1);
    area_fill(&bar, STYLE_BAR);
    area_text(&bar, 1, 0, STYLE_BAR, v->keys ? v->keys : "");
}

void frame_too_small(struct canvas *c)
{
    struct area a = canvas_area(c);
    struct doc lines = {0};
    char text[96];
    snprintf(text, sizeof text, "too small: %dx%d needed, this is %dx%d", LAYOUT_MIN_W, LAYOUT_MIN_H,
             c->width, c->height);
    doc_wrap(&lines, STYLE_ALERT, text, c->width, 0);
    doc_draw(&lines, &a, 0, 0, -1);
    doc_free(&lines);
}
