/* trace.h - traces: what a run did, written to a file as it runs. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "lua/scenario.h"

struct trace;

/* Whether FILE has an ending that says a form: */
enum rs_status trace_check(const char *path, struct rs_error *err);
/* Begins a trace of all machines of the world in FILE, whose ending says the form: ".txt", a line for each
 * instruction and event.  s: the scenario that names VMs and their symbols, or NULL.  NULL and a message if
 * the file can't be written, holds something else than a trace, or the ending is unknown. */
struct trace *trace_begin(rs_world *w, struct scenario *s, const char *path, struct rs_error *err);
/* Ends it, before its world and scenario are freed.  keep: if nothing has been traced, the older trace in
 * FILE stays.  RS_FAILED and a message if not all could be written. */
enum rs_status trace_end(struct trace *t, bool keep, struct rs_error *err);

#endif
