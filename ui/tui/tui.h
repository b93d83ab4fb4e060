/* tui.h - the terminal view: a person drives a scenario and its machine by keys. */
#ifndef TUI_TUI_H
#define TUI_TUI_H

#include <stdbool.h>

struct scenario; /* ui/lua/scenario.h */

struct tui_options {
    bool ascii; /* no box drawing, whatever the locale says */
    bool mono;  /* no colour, as NO_COLOR in the environment */
};

/* Runs the view until the person quits; the scenario has been loaded and not yet resumed.  options may be
 * NULL. Returns the exit status: 0, 1 if a check of the scenario has failed, 2 if there is no terminal to
 * draw on or the scenario itself is wrong (the message is on stderr). */
int tui_run(struct scenario *s, const struct tui_options *options);

#endif
