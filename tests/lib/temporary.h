/* temporary.h - files of tests. */
#ifndef TESTS_LIB_TEMPORARY_H
#define TESTS_LIB_TEMPORARY_H

#include <stdbool.h>

/* Makes an empty file of a new name in TMPDIR, which is put into path; the caller removes it. */
bool temporary_file(char path[256]);

#endif
