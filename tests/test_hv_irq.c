/* test_hv_irq.c - the hypervisor's vectors for devices: who is called when, and how often. */
#include <check.h>
#include <stddef.h>

#include "../hv/irq.h"
#include "lib/suite.h"

#define VECTORS (VECTOR_IRQ_END - VECTOR_IRQ)

static uint8_t vector[VECTORS];
static unsigned calls[VECTORS];

static void count(void *of)
{
    (*(unsigned *)of)++;
}

static void take_all(void)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        calls[i] = 0;
        vector[i] = irq_take(count, &calls[i]);
        ck_assert_uint_ge(vector[i], VECTOR_IRQ);
        ck_assert_uint_lt(vector[i], VECTOR_IRQ_END);
    }
}

static void give_all(void)
{
    for (unsigned i = 0; i < VECTORS; i++)
        irq_give(vector[i]);
}

START_TEST(vectors_run_out)
{
    ck_assert_uint_eq(irq_take(count, NULL), 0);
    for (unsigned i = 1; i < VECTORS; i++)
        ck_assert_uint_ne(vector[i], vector[i - 1]);
    irq_give(vector[3]);
    ck_assert_uint_eq(irq_take(count, &calls[3]), vector[3]);
    ck_assert_uint_eq(irq_take(count, NULL), 0);
}
END_TEST

/* Not at once: the lock may not be held. */
START_TEST(handlers_run_later_and_once)
{
    ck_assert(irq_arrived(vector[0]));
    ck_assert(irq_arrived(vector[5]));
    ck_assert(irq_arrived(vector[5]));
    ck_assert_uint_eq(calls[0] + calls[5], 0);
    irq_run();
    ck_assert_uint_eq(calls[0], 1);
    ck_assert_uint_eq(calls[5], 1);
    ck_assert_uint_eq(calls[1], 0);
    irq_run();
    ck_assert_uint_eq(calls[0] + calls[5], 2);
}
END_TEST

START_TEST(other_vectors_are_not_ours)
{
    ck_assert(!irq_arrived(VECTOR_IRQ - 1));
    ck_assert(!irq_arrived(VECTOR_IRQ_END));
    ck_assert(!irq_arrived(0));
    ck_assert(!irq_arrived(UINT64_MAX));
    irq_run();
    for (unsigned i = 0; i < VECTORS; i++)
        ck_assert_uint_eq(calls[i], 0);
}
END_TEST

static void give(void *of)
{
    irq_give(*(uint8_t *)of);
}

/* What a vector's former owner had is not for the next one, and nobody's is nobody's. */
START_TEST(given_back_is_forgotten)
{
    irq_arrived(vector[2]);
    irq_give(vector[2]);
    vector[2] = irq_take(count, &calls[2]);
    irq_run();
    ck_assert_uint_eq(calls[2], 0);
    irq_give(vector[0]);
    vector[0] = irq_take(give, &vector[1]);
    irq_arrived(vector[0]);
    irq_arrived(vector[1]);
    irq_run();
    ck_assert_uint_eq(calls[1], 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_irq");
    TCase *t = tcase_create("vectors");
    tcase_add_checked_fixture(t, take_all, give_all);
    tcase_add_test(t, vectors_run_out);
    tcase_add_test(t, handlers_run_later_and_once);
    tcase_add_test(t, other_vectors_are_not_ours);
    tcase_add_test(t, given_back_is_forgotten);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
