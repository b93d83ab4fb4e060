/* check.h - how a test is written, and how it ends.
 *
 *     TEST(hlt, exits, "25.1.3 Instructions That Cause VM Exits Conditionally", "HLT exits if \"HLT exiting\"
 * is 1")
 *     {
 *         set_controls(PROC, PROC_HLT);
 *         guest_at(halt);
 *         expect_exit(EXIT_HLT);
 *     }
 *
 * The macro puts the test into the list that main.c runs; there is nothing else to do.  The first check that
 * fails ends the test.  Checks are for root operation: what the guest sees it leaves in `seen`. */
#ifndef VTX_CHECK_H
#define VTX_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/print.h"

struct test {
    const char *name;           /* "hlt.exits" */
    const char *section, *rule; /* SDM vol. 3, and what it says there */
    void (*run)(void);
    bool alone; /* ends the machine: runs only if it is named */
};

#define TEST_ROW(TOPIC, NAME, SECTION, RULE, ALONE) \
    static void test_##TOPIC##_##NAME(void); \
    static const struct test row_##TOPIC##_##NAME = {#TOPIC "." #NAME, SECTION, RULE, test_##TOPIC##_##NAME, \
                                                     ALONE}; \
    static const struct test *const listed_##TOPIC##_##NAME __attribute__((section(".tests"), used)) = \
        &row_##TOPIC##_##NAME; \
    static void test_##TOPIC##_##NAME(void)
#define TEST(TOPIC, NAME, SECTION, RULE)       TEST_ROW(TOPIC, NAME, SECTION, RULE, false)
#define TEST_ALONE(TOPIC, NAME, SECTION, RULE) TEST_ROW(TOPIC, NAME, SECTION, RULE, true)

enum outcome { PASSED, FAILED, SKIPPED };

/* Runs it from a fresh world and prints its line. */
enum outcome test_run(const struct test *test);

/* Ends the test with what `print` would print. */
#define FAIL(...) \
    do { \
        test_fails(); \
        print(__VA_ARGS__); \
        test_over(FAILED); \
    } while (0)
#define SKIP(...) \
    do { \
        test_skips(); \
        print(__VA_ARGS__); \
        test_over(SKIPPED); \
    } while (0)
void test_fails(void);
void test_skips(void);
_Noreturn void test_over(enum outcome outcome);

/* Ends the test unless it is so: "... is 0x1, must be 0x2". */
void check_eq(const char *what, uint64_t got, uint64_t want);
void check(bool so, const char *what);
void check_field(uint32_t field, uint64_t want);

const char *field_name(uint32_t field);

#endif
