/* keys.c - what the keys do. */
#include "keys.h"

#include <stdio.h>
#include <string.h>

#include "term.h"

static rs_world *world(const struct tui *t)
{
    return scenario_world(t->s);
}

bool tui_busy(const struct tui *t)
{
    return t->moving || scenario_state(t->s) == SCENARIO_MOVING;
}

/* ---- moving ---- */

/* False and a message if there is no machine to move. */
static bool may_move(struct tui *t, const char *stuck)
{
    rs_machine *m = view_machine(t->view);
    view_mark(t->view);
    if (!m) {
        view_message(t->view, "There is no machine to move: the scenario has made none.");
        return false;
    }
    t->from = rs_position(m);
    t->stuck = stuck;
    t->end = END_ANYWHERE;
    t->moving = true;
    return true;
}

/* `did`: what the core has done that the step ends with. */
static void step(struct tui *t, enum rs_unit unit, enum step_end end, const char *did)
{
    if (!may_move(t, NULL))
        return;
    t->end = end;
    t->did = did;
    t->mover = rs_next_core(view_machine(t->view));
    rs_begin_step(world(t), 1, unit);
}

static void back(struct tui *t, enum rs_unit unit, enum step_end end, const char *did)
{
    if (!may_move(t, "This is the start of the run: there is nothing to go back to."))
        return;
    t->end = end;
    t->did = did;
    rs_begin_back(world(t), 1, unit);
}

static const char STEPPED[] = "this was its step", TAKEN_BACK[] = "this step of it is taken back",
                  WALKED[] = "this is its walk", EXITED[] = "this is its VM exit";

static void step_micro(struct tui *t)
{
    step(t, RS_MICRO, END_FORWARD, STEPPED);
}
static void step_insn(struct tui *t)
{
    step(t, RS_INSN, END_FORWARD, STEPPED);
}
static void step_walk(struct tui *t)
{
    step(t, RS_WALK, END_WALK, WALKED);
}
static void step_exit(struct tui *t)
{
    step(t, RS_EXIT, END_EVENT, EXITED);
}
static void back_micro(struct tui *t)
{
    back(t, RS_MICRO, END_BACK, TAKEN_BACK);
}
static void back_insn(struct tui *t)
{
    back(t, RS_INSN, END_BACK, TAKEN_BACK);
}
static void back_walk(struct tui *t)
{
    back(t, RS_WALK, END_WALK, WALKED);
}

static void run(struct tui *t)
{
    if (may_move(t, NULL))
        rs_begin_run(world(t), UINT64_MAX);
}

static void undo(struct tui *t)
{
    if (may_move(t, "There is nothing to undo."))
        rs_begin_undo(world(t));
}

static void go_on(struct tui *t)
{
    view_mark(t->view);
    if (scenario_state(t->s) == SCENARIO_PAUSED)
        scenario_continue(t->s);
    else
        view_message(t->view, "The scenario is over; s n w e c move the machine by hand.");
}

void tui_stop(struct tui *t)
{
    if (t->moving)
        rs_cancel(world(t));
    else
        scenario_interrupt(t->s);
    t->moving = false;
    term_forget_keys();
    view_message(t->view, "Stopped. c runs on%s.",
                 scenario_state(t->s) == SCENARIO_PAUSED ? ", Enter the scenario" : "");
}

/* ---- looking ---- */

static void choose(struct tui *t, enum pane pane)
{
    t->view->message[0] = 0;
    view_choose(t->view, pane, t->canvas.width, t->canvas.height);
}

/* A digit answers a question if there is one, else it chooses a pane. */
static void digit(struct tui *t)
{
    unsigned n = (unsigned)(t->key - '1');
    t->view->message[0] = 0;
    if (!scenario_choice(t->s, 0)) {
        if (n < PANE_HELP)
            choose(t, (enum pane)n);
        else
            view_message(t->view, "There is no pane %u; 1 to %d.", n + 1, PANE_HELP);
        return;
    }
    if (!scenario_choice(t->s, n)) {
        view_message(t->view, "The question has no choice %u.", n + 1);
        return;
    }
    view_mark(t->view);
    scenario_answer(t->s, n);
}

static void next_pane(struct tui *t)
{
    t->view->message[0] = 0;
    view_cycle(t->view, 1, t->canvas.width, t->canvas.height);
}

static void previous_pane(struct tui *t)
{
    t->view->message[0] = 0;
    view_cycle(t->view, -1, t->canvas.width, t->canvas.height);
}

static void up(struct tui *t)
{
    view_scroll(t->view, -1, 0);
}
static void down(struct tui *t)
{
    view_scroll(t->view, 1, 0);
}
static void left(struct tui *t)
{
    view_scroll(t->view, 0, -1);
}
static void right(struct tui *t)
{
    view_scroll(t->view, 0, 1);
}
static void page_up(struct tui *t)
{
    view_page(t->view, -1);
}
static void page_down(struct tui *t)
{
    view_page(t->view, 1);
}
static void home(struct tui *t)
{
    view_end(t->view, -1);
}
static void end(struct tui *t)
{
    view_end(t->view, 1);
}

static void search(struct tui *t)
{
    t->view->typing = true;
    t->view->search[0] = 0;
}

static void search_again(struct tui *t)
{
    if (t->view->search[0])
        view_find(t->view);
    else
        view_message(t->view, "Nothing has been searched for; / asks for a text.");
}

static void show_next(struct tui *t)
{
    view_next(t->view);
}

static void redraw(struct tui *t)
{
    t->view->message[0] = 0;
    term_redraw();
}

static void help(struct tui *t)
{
    choose(t, t->view->focus == PANE_HELP ? t->view->before_help : PANE_HELP);
}

static void quit(struct tui *t)
{
    t->quit = true;
}

/* ---- the table ---- */

const struct binding tui_bindings[] = {
    {"s", 's', "micro", "step one micro: a walk's reference, an A/D update, a cache access ...", step_micro},
    {"n", 'n', "insn", "step to the next instruction", step_insn},
    {"w", 'w', "walk", "step to the end of the next page walk, of whichever core or device", step_walk},
    {"e", 'e', "exit", "step to the next VM exit, of whichever core", step_exit},
    {"c", 'c', "run", "run on until a key stops it", run},
    {"b", 'b', "back", "back one micro", back_micro},
    {"B", 'B', NULL, "back one instruction", back_insn},
    {"W", 'W', NULL, "back to the end of the walk before", back_walk},
    {"u", 'u', NULL, "undo: back to where the last step or run began", undo},
    {"Enter", TERM_ENTER, NULL, "let the scenario go on; it first returns to where it paused", go_on},
    {"1 .. 9", '1', NULL, "choose a pane; while a question is open, answer it", digit},
    {"Tab", '\t', "pane", "the next pane (Shift-Tab: the one before)", next_pane},
    {"Shift-Tab", TERM_BACKTAB, NULL, NULL, previous_pane},
    {"arrows", TERM_UP, NULL, "scroll; in the walk, choose the reference that is explained", up},
    {"Down", TERM_DOWN, NULL, NULL, down},
    {"Left", TERM_LEFT, NULL, NULL, left},
    {"Right", TERM_RIGHT, NULL, NULL, right},
    {"PgUp PgDn", TERM_PAGE_UP, NULL, "scroll a page", page_up},
    {"PgDn", TERM_PAGE_DOWN, NULL, NULL, page_down},
    {"Home End", TERM_HOME, NULL, "first and last line; End keeps the newest in sight", home},
    {"End", TERM_END, NULL, NULL, end},
    {"/", '/', NULL, "search in this pane; in the walk, an address or entry in hexadecimal", search},
    {"N", 'N', NULL, "search again", search_again},
    {"C", 'C', NULL, "the next core (in pane 7: device); moving shows whose step it was", show_next},
    {"?", '?', "help", "this help; again to leave it", help},
    {"Ctrl-C", TERM_INTERRUPT, NULL, "stops a run, as any key does; never the program", NULL},
    {"Ctrl-Z", TERM_SUSPEND, NULL, "back to the shell; its fg comes back here", NULL},
    {"Ctrl-L", 'L' - '@', NULL, "draw the screen anew", redraw},
    {"q", 'q', "quit", "quit; asks first if something runs", quit},
    {NULL, 0, NULL, NULL, NULL},
};

static const struct binding *find_binding(int key)
{
    for (const struct binding *b = tui_bindings; b->name; b++)
        if (b->key == key || (b->function == digit && key >= '1' && key <= '9'))
            return b;
    return NULL;
}

static void add_hint(struct tui *t, const struct binding *b)
{
    size_t n = strlen(t->hints);
    snprintf(t->hints + n, sizeof t->hints - n, "%s%s %s", n ? "  " : "", b->name, b->hint);
}

/* How the walk is read; the keys come from the table above. */
static const char *const READING[] = {
    "g: is a guest-physical, h: a host-physical address; addresses and entries are hexadecimal.",
    "A row translates one guest-physical address: of each guest table's entry, then of the data. "
    "Its columns nL4 to nL1 are the references to the EPT, the last is the guest's own entry.",
    "A cell: number of the reference, where it was found (L1, L2, mem; core: another one's caches), its "
    "cycles, A or D if the "
    "walk has set that bit (after the address where there is no room); below, the address of the entry. '>' "
    "marks the reference that is "
    "explained under the grid, '!' the one that faulted.",
    "'-- PWC', '-- nPWC', '-- nTLB': saved by a paging-structure cache of the guest's dimension, "
    "of the nested dimension, or by the nested TLB. '-- 2 MiB': a large page ended before.",
    "Bottom right is the data access, which is not a reference of the walk.",
    "'9 atoms ago': the core has not walked since; what it translated since came from a TLB.",
    "The IOMMU's pane has a line for each entry that a device's access needs: root and context entry by the "
    "device's number, then the tables of its domain by the address as the device has it (IOVA). 'saved by': "
    "a "
    "cache of the IOMMU had it. w also stops at the end of such a walk, and at an access that is refused.",
    "'>' at the end of a line: it goes on; the right arrow shows how.",
    "'*' after a register: the last step has changed it.",
};

void tui_make_help(struct tui *t)
{
    doc_clear(&t->help);
    t->hints[0] = 0;
    for (const struct binding *b = tui_bindings; b->name; b++) {
        if (b->help) {
            doc_add(&t->help, STYLE_TITLE, "%-10s", b->name);
            doc_line(&t->help, STYLE_TEXT, "%s", b->help);
        }
        if (b->hint)
            add_hint(t, b);
    }
    doc_line(&t->help, STYLE_TEXT, " ");
    doc_line(&t->help, STYLE_TITLE, "How to read the walk");
    for (size_t i = 0; i < sizeof READING / sizeof *READING; i++)
        doc_wrap(&t->help, STYLE_TEXT, READING[i], 78, 2);
}

/* ---- keys by mode ---- */

static void type(struct tui *t, int key)
{
    struct view *v = t->view;
    size_t n = strlen(v->search);
    if (key == TERM_ENTER || key == TERM_ESCAPE || key == TERM_INTERRUPT)
        v->typing = false;
    if (key == TERM_ENTER)
        view_find(v);
    else if (key == TERM_BACKSPACE && n)
        v->search[n - 1] = 0;
    else if (key >= ' ' && key < 0x7f && n + 1 < sizeof v->search) {
        v->search[n] = (char)key;
        v->search[n + 1] = 0;
    }
}

/* A text is searched for, and is no keys. */
static void paste(struct tui *t)
{
    if (!t->view->typing)
        view_message(t->view, "What is pasted is not taken for keys; / asks for a text to search.");
    for (const char *at = term_pasted(); t->view->typing && *at; at++)
        type(t, *at);
}

static void answer_quit(struct tui *t, int key)
{
    t->asks_quit = false;
    t->quit = key == 'y' || key == 'Y';
    view_message(t->view, "Not quitting. c runs on, Enter the scenario.");
}

static void key_while_busy(struct tui *t, int key)
{
    tui_stop(t);
    if (key != 'q')
        return;
    t->asks_quit = true;
    view_message(t->view, "Stopped. Quit? y or n");
}

void tui_key(struct tui *t, int key)
{
    t->key = key;
    t->view->pane[t->view->focus].found = key == 'N' ? t->view->pane[t->view->focus].found : -1;
    if (key == TERM_PASTE)
        paste(t);
    else if (t->view->typing)
        type(t, key);
    else if (t->asks_quit)
        answer_quit(t, key);
    else if (tui_busy(t))
        key_while_busy(t, key);
    else if (t->view->focus == PANE_HELP && (key == 'q' || key == TERM_ESCAPE || key == TERM_INTERRUPT))
        help(t);
    else {
        const struct binding *b = find_binding(key);
        if (b && b->function)
            b->function(t);
        else if (key == TERM_INTERRUPT)
            view_message(t->view, "Nothing runs; q quits.");
        else if (key >= ' ' && key < 0x7f)
            view_message(t->view, "The key %c does nothing; ? lists the keys.", key);
    }
}
