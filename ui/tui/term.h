/* term.h - the terminal: paints a canvas, reads keys, and is put back as it was on every way out. */
#ifndef TUI_TERM_H
#define TUI_TERM_H

#include <stdbool.h>

#include "../view/canvas.h"
#include "tui.h"

/* Keys that are not characters. */
enum {
    TERM_UP = 0x110000,
    TERM_DOWN,
    TERM_LEFT,
    TERM_RIGHT,
    TERM_PAGE_UP,
    TERM_PAGE_DOWN,
    TERM_HOME,
    TERM_END,
    TERM_ENTER,
    TERM_BACKSPACE,
    TERM_ESCAPE,
    TERM_BACKTAB,
    TERM_INTERRUPT,
    TERM_SUSPEND,
    TERM_PASTE, /* a text has been pasted: term_pasted */
    TERM_RESIZE,
    TERM_GONE /* there is no terminal any more */
};

/* NULL, or why there is no terminal to draw on. */
const char *term_open(const struct tui_options *options);
void term_close(void);
void term_size(int *width, int *height);
void term_paint(const struct canvas *c);
/* Draws everything anew at the next term_paint. */
void term_redraw(void);
/* Stops the program as a shell expects of Ctrl-Z, with the terminal put back; returns when it goes on. */
void term_suspend(void);
/* Drops what has been typed ahead. */
void term_forget_keys(void);
/* A key: a character or one of the above; 0 if none came within the milliseconds (-1: no limit). */
int term_key(int milliseconds);
/* Of the last text that was pasted, its first printable characters; not where the terminal cannot tell what
 * is pasted from what is typed. */
const char *term_pasted(void);

#endif
