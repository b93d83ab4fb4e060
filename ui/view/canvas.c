/* canvas.c - character cells and the text that goes into them. */
#include "canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 2048

/* ---- UTF-8 ---- */

static bool continuation(const char *p)
{
    return ((unsigned char)*p & 0xc0) == 0x80;
}

static int sequence_length(unsigned char lead)
{
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}

static bool acceptable(uint32_t ch, int length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return ch >= least[length] && ch <= 0x10ffff && (ch < 0xd800 || ch > 0xdfff) && ch >= 0xa0;
}

uint32_t utf8_next(const char **text)
{
    const char *p = *text;
    unsigned char lead = (unsigned char)*p;
    if (lead == 0)
        return 0;
    int length = sequence_length(lead);
    *text = p + 1;
    if (lead < 0x80)
        return lead >= 0x20 && lead < 0x7f ? lead : '.';
    if (length == 1)
        return '.';
    uint32_t ch = lead & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if (!continuation(p + i))
            return '.';
        ch = ch << 6 | ((unsigned char)p[i] & 0x3f);
    }
    *text = p + length;
    return acceptable(ch, length) ? ch : '.';
}

size_t utf8_put(uint32_t ch, char *text)
{
    if (ch < 0x80) {
        text[0] = (char)ch;
        return 1;
    }
    size_t n = ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, ch >>= 6)
        text[i] = (char)(0x80 | (ch & 0x3f));
    text[0] = (char)((0xf00u >> n & 0xff) | ch);
    return n;
}

/* Ranges of characters that take no column or two (Unicode Standard Annex #11, in outline). */
static const struct {
    uint32_t first, last;
    int columns;
} WIDTHS[] = {
    {0x300, 0x36f, 0},   {0x200b, 0x200f, 0},   {0xfe00, 0xfe0f, 0},   {0x1100, 0x115f, 2},
    {0x2e80, 0xa4cf, 2}, {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},
    {0xff00, 0xff60, 2}, {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
};

int utf8_columns(uint32_t ch)
{
    for (size_t i = 0; i < sizeof WIDTHS / sizeof *WIDTHS; i++)
        if (ch >= WIDTHS[i].first && ch <= WIDTHS[i].last)
            return WIDTHS[i].columns;
    return 1;
}

char ascii_for(uint32_t ch)
{
    static const struct {
        uint32_t ch;
        char ascii;
    } NEAREST[] = {
        {0x2500, '-'},  {0x2502, '|'},  {0x250c, '+'}, {0x2510, '+'}, {0x2514, '+'}, {0x2518, '+'},
        {0x251c, '+'},  {0x2524, '+'},  {0x252c, '+'}, {0x2534, '+'}, {0x253c, '+'}, {0x25b6, '>'},
        {0xb7, '.'},    {0x2026, '~'},  {0xd7, 'x'},   {0x2192, '>'}, {0x2014, '-'}, {0x2013, '-'},
        {0x2019, '\''}, {0x2018, '\''}, {0x201c, '"'}, {0x201d, '"'},
    };
    if (ch < 0x80)
        return (char)ch;
    for (size_t i = 0; i < sizeof NEAREST / sizeof *NEAREST; i++)
        if (NEAREST[i].ch == ch)
            return NEAREST[i].ascii;
    return '?';
}

/* ---- canvas ---- */

bool canvas_resize(struct canvas *c, int width, int height)
{
    size_t n = (size_t)width * (size_t)height;
    if (width != c->width || height != c->height || !c->cell) {
        canvas_free(c);
        c->cell = malloc((n ? n : 1) * sizeof *c->cell);
        if (!c->cell)
            return false;
        c->width = width;
        c->height = height;
    }
    for (size_t i = 0; i < n; i++)
        c->cell[i] = (struct cell){' ', STYLE_TEXT};
    return true;
}

void canvas_free(struct canvas *c)
{
    free(c->cell);
    *c = (struct canvas){0};
}

void canvas_line(const struct canvas *c, int y, char *text, size_t size)
{
    size_t n = 0, end = 0;
    for (int x = 0; x < c->width && n + 5 < size; x++) {
        uint32_t ch = c->cell[(size_t)y * (size_t)c->width + (size_t)x].ch;
        if (ch)
            n += utf8_put(ch, text + n);
        if (ch != ' ')
            end = n;
    }
    text[end] = 0;
}

/* ---- areas ---- */

struct area canvas_area(struct canvas *c)
{
    return (struct area){c, 0, 0, c->width, c->height};
}

static int within(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

struct area area_part(const struct area *a, int x, int y, int w, int h)
{
    x = within(x, 0, a->w);
    y = within(y, 0, a->h);
    return (struct area){a->canvas, a->x + x, a->y + y, within(w, 0, a->w - x), within(h, 0, a->h - y)};
}

void area_cell(const struct area *a, int x, int y, struct cell cell)
{
    if (x >= 0 && x < a->w && y >= 0 && y < a->h)
        a->canvas->cell[(size_t)(a->y + y) * (size_t)a->canvas->width + (size_t)(a->x + x)] = cell;
}

int area_text(const struct area *a, int x, int y, enum style style, const char *text)
{
    for (uint32_t ch; (ch = utf8_next(&text)) != 0;) {
        int columns = utf8_columns(ch);
        if (columns == 2 && x + 1 >= a->w)
            ch = ' ';
        if (columns)
            area_cell(a, x, y, (struct cell){ch, (uint8_t)style});
        if (columns == 2)
            area_cell(a, x + 1, y, (struct cell){0, (uint8_t)style});
        x += columns;
    }
    return x;
}

int area_print(const struct area *a, int x, int y, enum style style, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return area_text(a, x, y, style, line);
}

void area_fill(const struct area *a, enum style style)
{
    for (int y = 0; y < a->h; y++)
        for (int x = 0; x < a->w; x++)
            area_cell(a, x, y, (struct cell){' ', (uint8_t)style});
}

void area_vline(const struct area *a, int x)
{
    for (int y = 0; y < a->h; y++)
        area_cell(a, x, y, (struct cell){0x2502, STYLE_DIM});
}

void area_rule(const struct area *a, int y, enum style style, const char *title)
{
    for (int x = 0; x < a->w; x++)
        area_cell(a, x, y, (struct cell){0x2500, STYLE_DIM});
    if (title && *title)
        area_print(a, 2, y, style, " %s ", title);
}
