/* test_pieces.c - copies that share what they have in common. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/pieces.h"
#include "lib/suite.h"

#define BYTES 100003 /* no whole number of pieces */

static unsigned char state[BYTES], read[BYTES];

static void check_holds(const struct pieces *p, const unsigned char *want)
{
    memset(read, 0x55, sizeof read);
    pieces_give(p, read);
    ck_assert(memcmp(read, want, BYTES) == 0);
    unsigned char *whole = pieces_whole(p);
    ck_assert(memcmp(whole, want, BYTES) == 0);
    free(whole);
}

START_TEST(each_copy_holds_what_was_there_then)
{
    enum { COPIES = 60 };
    static unsigned char was[COPIES][BYTES];
    struct pieces *copy[COPIES] = {NULL}, *last = NULL;
    srand(1);
    for (int i = 0; i < COPIES; i++) {
        for (int k = 0; k < i % 7; k++)
            state[rand() % BYTES] ^= (unsigned char)(1 + rand() % 255);
        state[i % 2 ? BYTES - 1 : 0]++;
        memcpy(was[i], state, BYTES);
        copy[i] = last = pieces_take(state, BYTES, last);
    }
    for (int i = 0; i < COPIES; i += 3) {
        pieces_free(copy[i]); /* what it shares stays */
        copy[i] = NULL;
    }
    for (int i = 0; i < COPIES; i++)
        if (copy[i])
            check_holds(copy[i], was[i]);
    for (int i = 0; i < COPIES; i++)
        pieces_free(copy[i]);
}
END_TEST

START_TEST(shared_copies_live_as_long_as_the_last)
{
    struct pieces *p = pieces_take(state, BYTES, NULL), *same = pieces_share(p);
    pieces_free(p);
    check_holds(same, state);
    unsigned char some[5000];
    pieces_read(same, BYTES - sizeof some, some, sizeof some);
    ck_assert(memcmp(some, state + BYTES - sizeof some, sizeof some) == 0);
    pieces_free(same);
    pieces_free(NULL);
    ck_assert_ptr_null(pieces_share(NULL));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pieces");
    TCase *t = tcase_create("pieces");
    tcase_add_test(t, each_copy_holds_what_was_there_then);
    tcase_add_test(t, shared_copies_live_as_long_as_the_last);
    suite_add_tcase(s, t);
    return suite_run(s);
}
