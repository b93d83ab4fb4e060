/* suite.h - how every Check program of the tests ends. */
#ifndef TESTS_LIB_SUITE_H
#define TESTS_LIB_SUITE_H

#include <check.h>

/* Runs a suite and frees it; the program's exit status. */
int suite_run(Suite *suite);

#endif
