/* test_mem.c - physical memory: sharing, stamps, hash. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/suite.h"
#include "mmu/mem.h"
#include "mmu/pages.h"

#define BYTES (UINT64_C(16) << 20)

static struct mem *mem;

static void begin(void)
{
    mem = mem_new(BYTES);
}

static void end(void)
{
    mem_free(mem);
}

START_TEST(untouched_memory_is_zero_and_takes_no_stamp)
{
    ck_assert_uint_eq(mem_read(mem, BYTES - 8, 8), 0);
    ck_assert_uint_eq(mem_stamp(mem, 0), 0);
}
END_TEST

START_TEST(outside_reads_ones_and_swallows_writes)
{
    ck_assert_uint_eq(mem_read(mem, BYTES, 8), UINT64_MAX);
    ck_assert_uint_eq(mem_read(mem, UINT64_MAX - 7, 2), 0xffff);
    mem_write(mem, BYTES, 8, 1);
    ck_assert(mem_read_page(mem, BYTES) == NULL);
    ck_assert(mem_write_page(mem, UINT64_MAX) == NULL);
    uint8_t bytes[16];
    ck_assert(!mem_copy_out(mem, BYTES - 8, bytes, 16));
    ck_assert(!mem_copy_in(mem, UINT64_MAX - 3, bytes, 16));
}
END_TEST

START_TEST(bytes_are_little_endian_and_cross_pages)
{
    const char text[] = "across the edge of two chunks";
    char back[sizeof text];
    mem_write(mem, 0x1000, 8, UINT64_C(0x1122334455667788));
    ck_assert_uint_eq(mem_read(mem, 0x1000, 1), 0x88);
    ck_assert_uint_eq(mem_read(mem, 0x1004, 4), 0x11223344);
    ck_assert(mem_copy_in(mem, (2 << 20) - 7, text, sizeof text));
    ck_assert(mem_copy_out(mem, (2 << 20) - 7, back, sizeof text));
    ck_assert_str_eq(back, text);
}
END_TEST

START_TEST(an_image_keeps_what_was)
{
    mem_write(mem, 0x5000, 8, 1);
    uint64_t stamp = mem_stamp(mem, 0x5000), hash = mem_hash(mem);
    struct mem_image *image = mem_freeze(mem);
    mem_write(mem, 0x5000, 8, 2);
    mem_write(mem, 0x9000, 8, 3);
    ck_assert_uint_ne(mem_stamp(mem, 0x5000), stamp);
    ck_assert_uint_ne(mem_hash(mem), hash);
    uint64_t later = mem_stamp(mem, 0x5000);
    mem_thaw(mem, image);
    ck_assert_uint_eq(mem_read(mem, 0x5000, 8), 1);
    ck_assert_uint_eq(mem_read(mem, 0x9000, 8), 0);
    ck_assert_uint_eq(mem_stamp(mem, 0x5000), stamp);
    ck_assert_uint_eq(mem_hash(mem), hash);
    mem_write(mem, 0x5000, 8, 4);
    ck_assert_uint_gt(mem_stamp(mem, 0x5000), later); /* a stamp is never used again for other bytes */
    mem_thaw(mem, image);
    ck_assert_uint_eq(mem_read(mem, 0x5000, 8), 1);
    mem_image_free(image);
    ck_assert_uint_eq(mem_read(mem, 0x5000, 8), 1);
}
END_TEST

START_TEST(the_hash_is_of_the_bytes_alone)
{
    struct mem *other = mem_new(BYTES);
    uint64_t empty = mem_hash(mem);
    for (uint64_t at = 0; at < BYTES; at += 123456)
        mem_write(mem, at & ~UINT64_C(7), 8, at + 1);
    for (uint64_t at = BYTES - BYTES % 123456; at < BYTES; at -= 123456)
        mem_write(other, at & ~UINT64_C(7), 8, at + 1);
    ck_assert_uint_eq(mem_hash(mem), mem_hash(other));
    mem_write(other, 0x1008, 1, 1);
    ck_assert_uint_ne(mem_hash(mem), mem_hash(other));
    mem_write(other, 0x1008, 1, 0);
    ck_assert_uint_eq(mem_hash(mem), mem_hash(other));
    mem_clear(other);
    mem_write(other, 0x7000, 8, 0); /* a page that is there, all zeros */
    ck_assert_uint_eq(mem_hash(other), empty);
    mem_free(other);
}
END_TEST

START_TEST(the_place_of_a_page_counts)
{
    mem_write(mem, 0x1000, 8, 77);
    uint64_t first = mem_hash(mem);
    mem_write(mem, 0x1000, 8, 0);
    mem_write(mem, 0x2000, 8, 77);
    ck_assert_uint_ne(mem_hash(mem), first);
}
END_TEST

START_TEST(image_pages_are_listed_in_order)
{
    const uint64_t at[3] = {0x3000, 0x200000, BYTES - 0x1000};
    for (int i = 0; i < 3; i++)
        mem_write(mem, at[i], 8, 1);
    mem_write(mem, 0x8000, 8, 0);
    struct mem_image *image = mem_freeze(mem);
    uint64_t cursor = 0, hpa;
    const uint8_t *bytes;
    for (int i = 0; i < 3; i++) {
        ck_assert(mem_image_page(image, &cursor, &hpa, &bytes));
        ck_assert_uint_eq(hpa, at[i]);
        ck_assert_uint_eq(bytes[0], 1);
    }
    ck_assert(!mem_image_page(image, &cursor, &hpa, &bytes));
    mem_image_free(image);
}
END_TEST

/* ---- the pool ---- */

#define MANY 3000u /* pages: several slabs */

static void take_many(struct page_pool *pool, struct page **page)
{
    for (unsigned i = 0; i < MANY; i++) {
        page[i] = page_take(pool);
        for (unsigned k = 0; k < PAGE_BYTES; k += 512)
            ck_assert_uint_eq(page[i]->bytes[k], 0);
        memset(page[i], 0xff, sizeof *page[i]);
    }
}

START_TEST(pages_come_back_as_zeros)
{
    struct page_pool *pool = pool_new();
    static struct page *page[MANY], *again[MANY];
    take_many(pool, page);
    for (unsigned i = 1; i < MANY; i += 2)
        page_give(page[i]);
    take_many(pool, again);
    pool_let_go(pool); /* its pages stay */
    for (unsigned i = 0; i < MANY; i += 2)
        ck_assert_uint_eq(page[i]->bytes[0], 0xff);
    for (unsigned i = 0; i < MANY; i += 2)
        page_give(page[i]);
    for (unsigned i = 0; i < MANY; i++)
        page_give(again[i]);
}
END_TEST

static bool is_among(const struct page *page, struct page *const *given, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (given[i] == page)
            return true;
    return false;
}

/* Slabs that were full have room again: nothing is taken from the host. */
START_TEST(pages_given_back_are_taken_again)
{
    struct page_pool *pool = pool_new();
    static struct page *page[MANY], *given[MANY], *again[MANY];
    take_many(pool, page);
    for (unsigned i = 0; i < MANY / 2; i++)
        page_give(given[i] = page[2 * i]);
    for (unsigned i = 0; i < MANY / 2; i++) {
        again[i] = page_take(pool);
        ck_assert_msg(is_among(again[i], given, MANY / 2), "page %u is a new one", i);
    }
    for (unsigned i = 0; i < MANY / 2; i++) {
        page_give(page[2 * i + 1]);
        page_give(again[i]);
    }
    pool_let_go(pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mem");
    TCase *tests = tcase_create("mem");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, untouched_memory_is_zero_and_takes_no_stamp);
    tcase_add_test(tests, outside_reads_ones_and_swallows_writes);
    tcase_add_test(tests, bytes_are_little_endian_and_cross_pages);
    tcase_add_test(tests, an_image_keeps_what_was);
    tcase_add_test(tests, the_hash_is_of_the_bytes_alone);
    tcase_add_test(tests, the_place_of_a_page_counts);
    tcase_add_test(tests, image_pages_are_listed_in_order);
    tcase_add_test(tests, pages_come_back_as_zeros);
    tcase_add_test(tests, pages_given_back_are_taken_again);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
