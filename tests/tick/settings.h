/* settings.h - random parameters for machines: small and odd, so that everything overflows. */
#ifndef TESTS_TICK_SETTINGS_H
#define TESTS_TICK_SETTINGS_H

#include "tick/program.h"

/* Sets most parameters at random; text: names and values, for whoever must repeat it. */
void settings_random(struct rs_params *params, struct program *random, char text[2048]);

#endif
