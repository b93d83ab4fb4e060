/* past.h - a small machine to be moved through time.  One at a time. */
#ifndef TESTS_LIB_PAST_H
#define TESTS_LIB_PAST_H

#include "ringside.h"

extern rs_world *past_world;
extern rs_machine *past_machine;
extern char past_image[256]; /* the file that it is booted from */

/* It stands before a program of 400 stores, which echoes its console and ends the run with debug-exit 3. */
void past_boot(void);
void past_end(void);

/* Continues the movement that has begun to its end. */
enum rs_why past_go(void);
enum rs_why past_step(uint64_t n, enum rs_unit unit);
enum rs_why past_back(uint64_t n, enum rs_unit unit);
void past_seek(struct rs_position at);
void past_type(const char *text);

uint64_t past_hash(void);
void past_assert_at(struct rs_position want);

#endif
