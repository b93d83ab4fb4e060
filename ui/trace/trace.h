/* trace.h - traces: what a run did, written to a file as it runs. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "lua/scenario.h"

struct trace;

/* Begins a trace of all machines of the world in FILE, whose ending says the form: ".txt", a line for each
 * instruction and event.  s: the scenario that names VMs and their symbols, or NULL.  NULL and a message if
 * the file can't be written or the ending is unknown. */
struct trace *trace_begin(rs_world *w, struct scenario *s, const char *path, struct rs_error *err);
/* Ends it, before its world and scenario are freed.  RS_FAILED and a message if not all could be written. */
enum rs_status trace_end(struct trace *t, struct rs_error *err);

#endif
