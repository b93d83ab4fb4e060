/* main.c - conformance tests of VT-x, a line each: PASS name, FAIL name: what, SKIP name: why.
 *
 *     vtx                      all, but for those that end the machine
 *     vtx NAME...              those, or all of a topic ("ept"), each with its rule
 *     vtx reverse              all, from the last to the first
 *     vtx -NAME...             leaves those out, of whatever else is said
 *     vtx list                 says names, sections of SDM vol. 3 and rules
 *
 * Ends with the status of failures: debug-exit 1 if there are any. */
#include "lib/args.h"
#include "lib/end_run.h"
#include "lib/guest.h"
#include "lib/vmx.h"
#include "vtx/lib/vtx.h"

#define PORT_PIC_MASKS  0x21
#define PORT_PIC2_MASKS 0xa1
#define END_UNKNOWN     2 /* a name that no test has, or no VMX */

extern const struct test *const tests_start[], *const tests_end[]; /* guest.ld */

static uint64_t test_count(void)
{
    return ((uint64_t)tests_end - (uint64_t)tests_start) / sizeof *tests_start;
}

static const char *skip_spaces(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

static const char *next_word(const char *s)
{
    while (*s && *s != ' ')
        s++;
    return skip_spaces(s);
}

/* Whether a word is the test's name, or that of its topic, which is not enough for what ends the machine. */
static bool is_meant(const struct test *t, const char *word)
{
    const char *name = t->name;

    while (*name && *name == *word)
        name++, word++;
    return (*word == 0 || *word == ' ') && (*name == 0 || (*name == '.' && !t->alone));
}

/* Whether one of the words, behind a sign if there is one, means it. */
static bool is_named(const struct test *t, const char *words, bool with_sign)
{
    for (; *words; words = next_word(words))
        if ((*words == '-') == with_sign && is_meant(t, words + with_sign))
            return true;
    return false;
}

static void list(void)
{
    for (uint64_t i = 0; i < test_count(); i++) {
        const struct test *t = tests_start[i];

        print("%s: %s (SDM vol. 3, %s)%s\n", t->name, t->rule, t->section,
              t->alone ? ", by its name alone" : "");
    }
}

static unsigned counts[3]; /* by enum outcome */

static void run_one(const struct test *t, const char *words)
{
    if (is_named(t, words, true)) {
        print("SKIP %s: left out\n", t->name);
        counts[SKIPPED]++;
        return;
    }
    counts[test_run(t)]++;
}

static void run_all(const char *words, bool reverse)
{
    uint64_t n = test_count();

    for (uint64_t i = 0; i < n; i++) {
        const struct test *t = tests_start[reverse ? n - 1 - i : i];

        if (!t->alone)
            run_one(t, words);
    }
}

static void run_named(const char *words)
{
    for (uint64_t i = 0; i < test_count(); i++) {
        const struct test *t = tests_start[i];

        if (!is_named(t, words, false))
            continue;
        print("%s: %s (SDM vol. 3, %s)\n", t->name, t->rule, t->section);
        run_one(t, words);
    }
}

static uint32_t status(void)
{
    print("%u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    if (counts[PASSED] + counts[FAILED] + counts[SKIPPED])
        return counts[FAILED] ? 1 : 0;
    print("there is no such test; `list` says which there are\n");
    return END_UNKNOWN;
}

static uint32_t run(const char *args)
{
    const char *words = next_word(skip_spaces(args)); /* the image's name comes first */
    const char *lacking;
    bool reverse = args_is(args, 1, "reverse");

    if (args_is(args, 1, "list")) {
        list();
        return 0;
    }
    lacking = vmx_lacking();
    if (lacking) {
        print("%s\n", lacking);
        return END_UNKNOWN;
    }
    if (*words == 0 || *words == '-' || reverse)
        run_all(words, reverse);
    else
        run_named(words);
    return status();
}

/* PCs have interrupt controllers of old that would be heard as soon as IF is set. */
uint32_t guest_main(const char *args)
{
    out8(PORT_PIC_MASKS, 0xff);
    out8(PORT_PIC2_MASKS, 0xff);
    end_run(run(args));
}
