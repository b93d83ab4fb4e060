/* prompt.h - lines typed at a prompt, run in a scenario's state. */
#ifndef UI_PROMPT_H
#define UI_PROMPT_H

#include "scenario.h"

enum prompt_result { PROMPT_STARTED, PROMPT_MORE, PROMPT_ERROR };

/* Starts the chunk, to be carried on by scenario_advance; an expression's values are told.  PROMPT_MORE: it
 * is incomplete. */
enum prompt_result prompt_start(struct scenario *s, const char *chunk, struct rs_error *err);

#endif
