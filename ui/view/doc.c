/* doc.c - lines of styled text. */
#include "doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 2048

void doc_clear(struct doc *d)
{
    d->cells = d->lines = 0;
    d->open = d->no_memory = false;
}

void doc_free(struct doc *d)
{
    free(d->cell);
    free(d->end);
    *d = (struct doc){0};
}

/* Room for one more element; false leaves everything as it was. */
static bool grow(void **memory, size_t *room, size_t used, size_t size)
{
    if (used < *room)
        return true;
    size_t more = *room ? *room * 2 : 256;
    void *bigger = realloc(*memory, more * size);
    if (!bigger)
        return false;
    *memory = bigger;
    *room = more;
    return true;
}

static void add_cell(struct doc *d, uint32_t ch, enum style style)
{
    void *memory = d->cell;
    if (!grow(&memory, &d->cell_room, d->cells, sizeof *d->cell)) {
        d->no_memory = true;
        return;
    }
    d->cell = memory;
    d->cell[d->cells++] = (struct cell){ch, (uint8_t)style};
}

void doc_add_text(struct doc *d, enum style style, const char *text)
{
    d->open = true;
    for (uint32_t ch; (ch = utf8_next(&text)) != 0;) {
        int columns = utf8_columns(ch);
        if (columns)
            add_cell(d, ch, style);
        if (columns == 2)
            add_cell(d, 0, style);
    }
}

void doc_add(struct doc *d, enum style style, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doc_add_text(d, style, text);
}

void doc_end_line(struct doc *d)
{
    void *memory = d->end;
    d->open = false;
    if (!grow(&memory, &d->line_room, d->lines, sizeof *d->end)) {
        d->no_memory = true;
        return;
    }
    d->end = memory;
    d->end[d->lines++] = d->cells;
}

void doc_line(struct doc *d, enum style style, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doc_add_text(d, style, text);
    doc_end_line(d);
}

/* How many bytes of text fit `width` columns, broken at a space if there is one. */
static size_t fitting(const char *text, size_t n, int width)
{
    const char *p = text, *space = NULL;
    int columns = 0;
    while (p < text + n) {
        const char *before = p;
        columns += utf8_columns(utf8_next(&p));
        if (columns > width)
            return (size_t)((space ? space : before > text ? before : p) - text);
        if (*before == ' ')
            space = before;
    }
    return n;
}

static void add_bytes(struct doc *d, enum style style, const char *text, size_t n)
{
    char part[TEXT_BYTES];
    n = n < sizeof part ? n : sizeof part - 1;
    memcpy(part, text, n);
    part[n] = 0;
    doc_add_text(d, style, part);
}

/* One source line of n bytes as one or more lines; *first is cleared after the first. */
static void wrap_line(struct doc *d, enum style style, const char *text, size_t n, int width, int indent,
                      bool *first)
{
    do {
        int margin = *first ? 0 : indent;
        int room = width - margin > 8 ? width - margin : 8;
        size_t take = fitting(text, n < TEXT_BYTES ? n : TEXT_BYTES - 1, room);
        doc_add(d, style, "%*s", margin, "");
        add_bytes(d, style, text, take);
        doc_end_line(d);
        text += take;
        n -= take;
        *first = false;
        while (n && *text == ' ') {
            text++;
            n--;
        }
    } while (n);
}

void doc_wrap(struct doc *d, enum style style, const char *text, int width, int indent)
{
    bool first = true;
    for (;;) {
        size_t n = strcspn(text, "\n");
        wrap_line(d, style, text, n, width, indent, &first);
        if (!text[n] || !text[n + 1])
            return;
        text += n + 1;
    }
}

size_t doc_line_start(const struct doc *d, size_t line)
{
    return line ? d->end[line - 1] : 0;
}

int doc_columns(const struct doc *d)
{
    size_t widest = 0;
    for (size_t i = 0; i < d->lines; i++) {
        size_t n = d->end[i] - doc_line_start(d, i);
        widest = n > widest ? n : widest;
    }
    return (int)widest;
}

static uint32_t lower(uint32_t ch)
{
    return ch >= 'A' && ch <= 'Z' ? ch + 32 : ch;
}

static bool matches_at(const struct doc *d, size_t at, size_t end, const char *text)
{
    for (uint32_t ch; (ch = utf8_next(&text)) != 0; at++)
        if (at >= end || lower(d->cell[at].ch) != lower(ch))
            return false;
    return true;
}

long doc_find(const struct doc *d, const char *text, size_t from)
{
    for (size_t i = 0; i < d->lines; i++) {
        size_t line = (from + i) % d->lines;
        for (size_t at = doc_line_start(d, line); at < d->end[line]; at++)
            if (matches_at(d, at, d->end[line], text))
                return (long)line;
    }
    return -1;
}

static void mark_line(const struct area *a, int y)
{
    for (int x = 0; x < a->w; x++) {
        struct cell *cell =
            &a->canvas->cell[(size_t)(a->y + y) * (size_t)a->canvas->width + (size_t)(a->x + x)];
        cell->style = STYLE_CURRENT;
    }
    area_cell(a, a->w - 1, y, (struct cell){'<', STYLE_CURRENT});
}

void doc_draw(const struct doc *d, const struct area *a, long top, long left, long found)
{
    for (int y = 0; y < a->h; y++) {
        long line = top + y;
        if (line < 0 || (size_t)line >= d->lines)
            continue;
        size_t start = doc_line_start(d, (size_t)line) + (size_t)left, end = d->end[line];
        for (size_t i = start; i < end && i - start < (size_t)a->w; i++)
            area_cell(a, (int)(i - start), y, d->cell[i]);
        if (start < end && end - start > (size_t)a->w)
            area_cell(a, a->w - 1, y, (struct cell){'>', STYLE_CURRENT});
        if (line == found)
            mark_line(a, y);
    }
}

void doc_text(const char *text, enum style style, const struct area *a)
{
    struct doc lines = {0};
    doc_wrap(&lines, style, text, a->w, 0);
    doc_draw(&lines, a, 0, 0, -1);
    doc_free(&lines);
}
