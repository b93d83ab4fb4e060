/* doc.h - lines of styled text: what a pane that scrolls shows. */
#ifndef VIEW_DOC_H
#define VIEW_DOC_H

#include "canvas.h"

struct doc {
    struct cell *cell; /* of all lines, one after the other */
    size_t cells, cell_room;
    size_t *end; /* end of each line in cell[] */
    size_t lines, line_room;
    bool open;      /* the last line is still being written */
    bool no_memory; /* lines are missing */
};

void doc_clear(struct doc *d); /* keeps its memory */
void doc_free(struct doc *d);

/* Appends to the line being written; begins one if there is none. */
void doc_add(struct doc *d, enum style style, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
void doc_add_text(struct doc *d, enum style style, const char *text);
void doc_end_line(struct doc *d);
/* A whole line. */
void doc_line(struct doc *d, enum style style, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* Text of several lines, broken between words at `width` columns; lines after the first are indented. */
void doc_wrap(struct doc *d, enum style style, const char *text, int width, int indent);

/* Draws a text alone, broken between words. */
void doc_text(const char *text, enum style style, const struct area *a);

size_t doc_line_start(const struct doc *d, size_t line);
int doc_columns(const struct doc *d);
/* First line from `from` on (going around once) that holds `text`, whatever the case; -1: none. */
long doc_find(const struct doc *d, const char *text, size_t from);
/* Draws lines from `top` and columns from `left` on; line `found` (-1: none) is marked. */
void doc_draw(const struct doc *d, const struct area *a, long top, long left, long found);

#endif
