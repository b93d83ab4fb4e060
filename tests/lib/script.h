/* script.h - a scenario from a text, run to its end: for tests of scenarios.  One at a time. */
#ifndef TESTS_LIB_SCRIPT_H
#define TESTS_LIB_SCRIPT_H

#include "lua/scenario.h"

#define SCRIPT_PATH 32

/* What scripts begin with. */
#define SCRIPT_BARE "local h = machine() h:boot('hello') "
#define SCRIPT_HV   "local h = machine() h:boot('hv', { vms = { { name = 'v', image = 'hello' } } }) "

extern struct scenario *scenario;     /* the last one; NULL if it could not be loaded */
extern char script_path[SCRIPT_PATH]; /* of its file, which the runs below remove */

void script_set_up(void);
void script_tear_down(void);

/* Its file, for who loads it himself. */
void script_write(const char *text);
/* Runs a script; the message that it ended with, "" if none. */
const char *script_run_with(const char *text, const struct scenario_options *options);
const char *script_run(const char *text);
/* It has said a line with this in it. */
bool script_told(const char *text);

#endif
