/* told.c - what has been told: by consoles, and by the scenario. */
#include "told.h"

#include <stdio.h>
#include <string.h>

#include "../lua/scenario.h"

#define TAIL_BYTES 16384 /* of each console */
#define LINE_BYTES 512

static void flush(struct doc *d, char *line, size_t *n)
{
    line[*n] = 0;
    doc_line(d, STYLE_TEXT, "%s", line);
    *n = 0;
}

static char readable(uint8_t byte)
{
    if (byte == '\t')
        return ' ';
    return byte >= 0x20 && byte < 0x7f ? (char)byte : '.';
}

void console_text(struct doc *d, const uint8_t *bytes, size_t n)
{
    char line[LINE_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\r')
            continue;
        if (bytes[i] != '\n')
            line[used++] = readable(bytes[i]);
        if (bytes[i] == '\n' || used == sizeof line - 1)
            flush(d, line, &used);
    }
    if (used)
        flush(d, line, &used);
}

static void machine_console(const rs_machine *m, unsigned uart, const char *title, struct doc *d)
{
    size_t n = 0;
    const uint8_t *bytes = rs_console(m, uart, &n);
    if (!n)
        return;
    doc_line(d, STYLE_TITLE, "%s, %s:", rs_machine_name(m), title);
    size_t tail = n > TAIL_BYTES ? TAIL_BYTES : n;
    console_text(d, bytes + n - tail, tail);
}

/* ---- the screen of text ---- */

static char character(uint16_t cell)
{
    return (cell & 0xff) == 0 ? ' ' : readable((uint8_t)cell);
}

/* The last row with anything on it, or the cursor's beyond that; -1: all is blank. */
static int last_row(const struct rs_text_screen *screen)
{
    int last = -1;
    for (int i = 0; i < 25 * 80; i++)
        if (character(screen->cell[i / 80][i % 80]) != ' ')
            last = i / 80;
    return last >= 0 && screen->cursor && (int)screen->row > last ? (int)screen->row : last;
}

static void screen_row(const struct rs_text_screen *screen, unsigned row, struct doc *d)
{
    for (unsigned column = 0; column < 80; column++) {
        bool here = screen->cursor && screen->row == row && screen->column == column;
        doc_add(d, here ? STYLE_CURRENT : STYLE_TEXT, "%c", character(screen->cell[row][column]));
    }
    doc_end_line(d);
}

static void screen_of(const rs_machine *m, struct doc *d)
{
    struct rs_text_screen screen;
    rs_text_screen(m, &screen);
    int last = last_row(&screen);
    if (last >= 0)
        doc_line(d, STYLE_TITLE, "%s, screen:", rs_machine_name(m));
    for (int row = 0; row <= last; row++)
        screen_row(&screen, (unsigned)row, d);
}

static void vm_consoles(const struct scenario *s, const rs_machine *m, struct doc *d)
{
    struct scenario_vm vm;
    char text[TAIL_BYTES];
    for (size_t i = 0; scenario_vm(s, m, i, &vm); i++) {
        doc_line(d, STYLE_TITLE, "%s (%s, %s), console:", vm.name, vm.image, vm.state);
        size_t n = scenario_vm_console(s, m, &vm, text, sizeof text);
        console_text(d, (const uint8_t *)text, n);
    }
}

void consoles_doc(const struct scenario *s, const rs_machine *m, struct doc *d)
{
    screen_of(m, d);
    machine_console(m, 0, "console", d);
    machine_console(m, 1, "management line", d);
    machine_console(m, 2, "debug port e9", d);
    vm_consoles(s, m, d);
    if (!d->lines)
        doc_line(d, STYLE_DIM, "No console has written anything yet.");
}

/* ---- the scenario ---- */

static void lesson_line(struct doc *d, const struct scenario_line *line, int width)
{
    static const struct {
        const char *mark;
        enum style style;
        int indent;
    } LOOK[] = {
        [SCENARIO_SAY] = {"", STYLE_TEXT, 0},
        [SCENARIO_CHECK_OK] = {"ok      ", STYLE_GOOD, 8},
        [SCENARIO_CHECK_FAILED] = {"FAILED  ", STYLE_BAD, 8},
        [SCENARIO_PAUSE] = {"pause   ", STYLE_TITLE, 8},
        [SCENARIO_ASK] = {"question ", STYLE_TITLE, 9},
        [SCENARIO_ANSWER] = {"answer  ", STYLE_TITLE, 8},
    };
    char text[4096];
    size_t kind = (size_t)line->kind < sizeof LOOK / sizeof *LOOK ? (size_t)line->kind : 0;
    snprintf(text, sizeof text, "%s%s", LOOK[kind].mark, line->text);
    doc_wrap(d, LOOK[kind].style, text, width, LOOK[kind].indent);
}

static void lesson_choices(const struct scenario *s, int width, struct doc *d)
{
    char text[1024];
    const char *choice;
    for (size_t i = 0; (choice = scenario_choice(s, i)) != NULL; i++) {
        snprintf(text, sizeof text, "  %zu) %s", i + 1, choice);
        doc_wrap(d, STYLE_CHANGED, text, width, 5);
    }
}

void lesson_doc(const struct scenario *s, int width, struct doc *d)
{
    struct scenario_line line;
    for (size_t i = 0; scenario_line(s, i, &line); i++)
        lesson_line(d, &line, width);
    lesson_choices(s, width, d);
    if (scenario_error(s))
        doc_wrap(d, STYLE_BAD, scenario_error(s), width, 4);
    if (!d->lines)
        doc_line(d, STYLE_DIM, "The scenario has said nothing yet.");
}
