/* canvas.h - a rectangle of character cells, each with a style that says what it means.
 *
 * The views are drawn here by pure functions; a back end (terminal, window) then paints cells and chooses how
 * a style looks.  No meaning rests on the style alone.
 */
#ifndef VIEW_CANVAS_H
#define VIEW_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* STYLE(id, what it means) */
#define STYLES(S) \
    S(TEXT, "ordinary text") \
    S(DIM, "frames, what is not there yet") \
    S(TITLE, "titles and labels") \
    S(GUEST, "a reference to a guest's table") \
    S(NESTED, "a reference to an EPT table") \
    S(SAVED, "what a cache has saved") \
    S(CURRENT, "where the machine stands") \
    S(CHANGED, "a value that the last step has changed") \
    S(GOOD, "a check that holds") \
    S(BAD, "a fault, a check that failed") \
    S(ALERT, "what must not be overlooked") \
    S(BAR, "the header and the line of keys")

enum style {
#define S(id, help) STYLE_##id,
    STYLES(S)
#undef S
        STYLE_COUNT
};

struct cell {
    uint32_t ch; /* Unicode; 0: the right half of the wide character before it */
    uint8_t style;
};

struct canvas {
    int width, height;
    struct cell *cell;
};

/* A rectangle of a canvas; coordinates of the drawing functions are relative to it, and it clips. */
struct area {
    struct canvas *canvas;
    int x, y, w, h;
};

/* All cells blank.  false: no memory, and the canvas is empty. */
bool canvas_resize(struct canvas *c, int width, int height);
void canvas_free(struct canvas *c);

struct area canvas_area(struct canvas *c);
struct area area_part(const struct area *a, int x, int y, int w, int h);

/* Writes UTF-8 text at (x, y) and returns the x after it, also where it was clipped.  Control characters and
 * bytes that are not UTF-8 become '.'. */
int area_print(const struct area *a, int x, int y, enum style style, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 5, 6)))
#endif
    ;
int area_text(const struct area *a, int x, int y, enum style style, const char *text);
void area_cell(const struct area *a, int x, int y, struct cell cell);
void area_fill(const struct area *a, enum style style);
void area_vline(const struct area *a, int x);
/* A line across with a title in it: "── Walk ─────". */
void area_rule(const struct area *a, int y, enum style style, const char *title);

/* One line as UTF-8 without trailing blanks, zero-terminated; for tests and copies. */
void canvas_line(const struct canvas *c, int y, char *text, size_t size);

/* The next character of UTF-8 text, '.' for what is malformed or not printable; advances *text.  0 at the
 * end. */
uint32_t utf8_next(const char **text);
/* Appends ch to text, at most 4 bytes; returns how many. */
size_t utf8_put(uint32_t ch, char *text);
/* Columns that a character takes: 0, 1 or 2. */
int utf8_columns(uint32_t ch);
/* The nearest ASCII character, for terminals without UTF-8. */
char ascii_for(uint32_t ch);

#endif
