/* escape.h - C's backslash escapes, for text on the management line. */
#ifndef HV_ESCAPE_H
#define HV_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes \n \r \t \0 \\ \" and \xHH in place; *n: bytes of the result.  False, with the cause, if one is
 * malformed. */
bool escape_decode(char *text, size_t *n, const char **why);

#endif
