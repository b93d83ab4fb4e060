/* test_hv_aes.c - the cipher of VMs' disks against the vectors of FIPS 197 and IEEE 1619-2007. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../hv/aes.h"
#include "lib/chance.h"
#include "lib/suite.h"

static void bytes_of(uint8_t *to, const char *hex)
{
    for (; *hex; hex += 2) {
        const char pair[] = {hex[0], hex[1], 0};
        *to++ = (uint8_t)strtoul(pair, NULL, 16);
    }
}

/* FIPS 197, appendices B and C.1 */
static const struct {
    const char *key, *plain, *cipher;
} blocks[] = {
    {"2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734",
     "3925841d02dc09fbdc118597196a0b32"},
    {"000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
     "69c4e0d86a7b0430d8cdb78070b4c55a"},
};

START_TEST(a_block)
{
    uint8_t key[AES_KEY_BYTES], block[AES_BLOCK], wanted[AES_BLOCK], plain[AES_BLOCK];
    struct aes a;
    bytes_of(key, blocks[_i].key);
    bytes_of(plain, blocks[_i].plain);
    bytes_of(wanted, blocks[_i].cipher);
    memcpy(block, plain, sizeof block);
    aes_set_key(&a, key);
    aes_encrypt(&a, block);
    ck_assert_mem_eq(block, wanted, sizeof block);
    aes_decrypt(&a, block);
    ck_assert_mem_eq(block, plain, sizeof block);
}
END_TEST

/* IEEE 1619-2007, annex B "Test vectors": 1, 2 and 3 */
static const struct {
    const char *keys;
    uint64_t unit;
    const char *plain, *cipher;
} units[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", 0,
     "0000000000000000000000000000000000000000000000000000000000000000",
     "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e"},
    {"1111111111111111111111111111111122222222222222222222222222222222", 0x3333333333,
     "4444444444444444444444444444444444444444444444444444444444444444",
     "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
    {"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222", 0x3333333333,
     "4444444444444444444444444444444444444444444444444444444444444444",
     "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89"},
};

START_TEST(a_data_unit)
{
    uint8_t key[XTS_KEY_BYTES], data[32], wanted[32], plain[32];
    struct xts x;
    bytes_of(key, units[_i].keys);
    bytes_of(plain, units[_i].plain);
    bytes_of(wanted, units[_i].cipher);
    memcpy(data, plain, sizeof data);
    xts_set_key(&x, key);
    xts_encrypt(&x, units[_i].unit, data, sizeof data);
    ck_assert_mem_eq(data, wanted, sizeof data);
    xts_decrypt(&x, units[_i].unit, data, sizeof data);
    ck_assert_mem_eq(data, plain, sizeof data);
}
END_TEST

/* Vector 4: a sector, of which the standard's first two and last two blocks are looked at. */
START_TEST(a_sector)
{
    uint8_t key[XTS_KEY_BYTES], data[512], wanted[32], plain[512];
    struct xts x;
    bytes_of(key, "2718281828459045235360287471352631415926535897932384626433832795");
    for (unsigned i = 0; i < sizeof plain; i++)
        plain[i] = data[i] = (uint8_t)i;
    xts_set_key(&x, key);
    xts_encrypt(&x, 0, data, sizeof data);
    bytes_of(wanted, "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c");
    ck_assert_mem_eq(data, wanted, 32);
    bytes_of(wanted, "eb4a427d1923ce3ff262735779a418f20a282df920147beabe421ee5319d0568");
    ck_assert_mem_eq(data + 480, wanted, 32);
    xts_decrypt(&x, 0, data, sizeof data);
    ck_assert_mem_eq(data, plain, sizeof data);
}
END_TEST

START_TEST(there_and_back)
{
    uint8_t key[XTS_KEY_BYTES], data[512], plain[512];
    struct xts x;
    chance_seed(1);
    for (unsigned round = 0; round < 200; round++) {
        uint64_t unit = chance();
        for (unsigned i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)chance();
        for (unsigned i = 0; i < sizeof plain; i++)
            plain[i] = data[i] = (uint8_t)chance();
        xts_set_key(&x, key);
        xts_encrypt(&x, unit, data, sizeof data);
        ck_assert_mem_ne(data, plain, sizeof data);
        xts_decrypt(&x, unit, data, sizeof data);
        ck_assert_mem_eq(data, plain, sizeof data);
        xts_encrypt(&x, unit, data, sizeof data);
        xts_decrypt(&x, unit + 1, data, sizeof data); /* another sector's is noise here */
        ck_assert_mem_ne(data, plain, 16);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_aes");
    TCase *t = tcase_create("aes");
    tcase_add_loop_test(t, a_block, 0, 2);
    tcase_add_loop_test(t, a_data_unit, 0, 3);
    tcase_add_test(t, a_sector);
    tcase_add_test(t, there_and_back);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
