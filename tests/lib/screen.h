/* screen.h - the screen of a view as text, and scenarios to show on it. */
#ifndef TESTS_LIB_SCREEN_H
#define TESTS_LIB_SCREEN_H

#include "../../ui/lua/scenario.h"
#include "../../ui/view/canvas.h"
#include "../../ui/view/view.h"

extern struct canvas canvas;
extern char screen[64 * 1024]; /* the canvas as it was last read, a line a line */

/* Reads the canvas; shows it as well if TEST_VIEW_SHOW is in the environment. */
const char *screen_read(void);
void expect(const char *text);
void expect_not(const char *text);
/* Line y of the canvas, counted from 0. */
const char *line_at(int y);

/* Loaded, and not yet resumed. */
struct scenario *scenario_loaded(const char *script);
/* To its next pause or its end. */
void go_on(struct scenario *s);
struct scenario *scenario_of(const char *script);
void draw_frame(struct view *v, int width, int height);

#endif
