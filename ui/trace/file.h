/* file.h - the file that a trace goes to. */
#ifndef TRACE_FILE_H
#define TRACE_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "ringside.h"

/* Opens it as it is: what it holds is to be taken away by trace_file_clear, before the first line is written.
 * *whole: nothing is to be taken away, since it is new, a pipe, or where standard output goes.  NULL and a
 * message if it cannot be written, or holds something else than a trace. */
FILE *trace_file_open(const char *path, bool *whole, struct rs_error *err);
/* RS_FAILED: it cannot be emptied. */
enum rs_status trace_file_clear(FILE *file);

#endif
