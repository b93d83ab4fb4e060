/* A column of the state is a word, its first row the lowest byte.  SubBytes, ShiftRows and MixColumns of a
 * round are four look-ups for each column (FIPS 197, 5.1 "Cipher"); decryption is the equivalent inverse
 * cipher (5.3.5), whose round keys have gone through InvMixColumns. */
#include "aes.h"

#include <stdbool.h>

#include "guests/lib/string.h"

#define COLUMNS   4
#define ROUNDS    10
#define REDUCTION 0x1b /* of x^8, in the field of the bytes (4.2 "Multiplication") */

static uint8_t substitute[256], restore[256]; /* S-box, and its inverse */
static uint32_t mix[256], unmix[256];         /* a byte of the first row, substituted, as a column */

/* ---- tables, from the field's arithmetic ---- */

static uint8_t twice(uint8_t x)
{
    return (uint8_t)(x << 1 ^ (x & 0x80 ? REDUCTION : 0));
}

static uint8_t product(uint8_t a, uint8_t b)
{
    uint8_t sum = 0;

    for (; b; b >>= 1, a = twice(a))
        sum ^= b & 1 ? a : 0;
    return sum;
}

/* x^254 = 1/x, and 0 for 0. */
static uint8_t inverse(uint8_t x)
{
    uint8_t result = 1, square = x;

    for (unsigned i = 1; i < 8; i++) {
        square = product(square, square);
        result = product(result, square);
    }
    return result;
}

/* 5.1.1 "SubBytes Transformation" */
static uint8_t affine(uint8_t x)
{
    uint32_t twofold = x * 0x101u;

    return (uint8_t)(x ^ twofold >> 4 ^ twofold >> 5 ^ twofold >> 6 ^ twofold >> 7 ^ 0x63);
}

static uint32_t column(uint8_t x, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return product(x, a) | (uint32_t)product(x, b) << 8 | (uint32_t)product(x, c) << 16 |
           (uint32_t)product(x, d) << 24;
}

static void make_tables(void)
{
    static bool made;

    if (made)
        return;
    made = true;
    for (unsigned i = 0; i < 256; i++) {
        substitute[i] = affine(inverse((uint8_t)i));
        restore[substitute[i]] = (uint8_t)i;
        mix[i] = column(substitute[i], 2, 1, 1, 3);
    }
    for (unsigned i = 0; i < 256; i++)
        unmix[i] = column(restore[i], 14, 9, 13, 11);
}

/* ---- keys (5.2 "Key Expansion") ---- */

static uint8_t byte_of(uint32_t word, unsigned row)
{
    return (uint8_t)(word >> 8 * row);
}

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits) % 32;
}

static uint32_t substitute_word(uint32_t w)
{
    return substitute[byte_of(w, 0)] | (uint32_t)substitute[byte_of(w, 1)] << 8 |
           (uint32_t)substitute[byte_of(w, 2)] << 16 | (uint32_t)substitute[byte_of(w, 3)] << 24;
}

static uint32_t unmix_word(uint32_t w)
{
    uint32_t sum = 0;

    for (unsigned row = 0; row < 4; row++)
        sum ^= rotate(column(byte_of(w, row), 14, 9, 13, 11), 8 * row);
    return sum;
}

/* The decryption's are in the order in which it takes them. */
static void invert_keys(struct aes *a)
{
    for (unsigned i = 0; i < AES_WORDS; i++) {
        unsigned round = i / COLUMNS;
        uint32_t word = a->encrypt[COLUMNS * (ROUNDS - round) + i % COLUMNS];

        a->decrypt[i] = round == 0 || round == ROUNDS ? word : unmix_word(word);
    }
}

void aes_set_key(struct aes *a, const uint8_t key[AES_KEY_BYTES])
{
    uint8_t constant = 1;

    make_tables();
    memcpy(a->encrypt, key, AES_KEY_BYTES);
    for (unsigned i = COLUMNS; i < AES_WORDS; i++) {
        uint32_t word = a->encrypt[i - 1];

        if (i % COLUMNS == 0) {
            word = substitute_word(rotate(word, 24)) ^ constant;
            constant = twice(constant);
        }
        a->encrypt[i] = a->encrypt[i - COLUMNS] ^ word;
    }
    invert_keys(a);
}

/* ---- blocks ---- */

/* Each direction has a copy of its own, with its constants, and calls nothing: a block is short, and there
 * are many. */
#define INLINED static inline __attribute__((always_inline))

struct state {
    uint32_t column[COLUMNS];
};

INLINED struct state load(const uint8_t *block)
{
    struct state s;

    for (unsigned c = 0; c < COLUMNS; c++)
        s.column[c] = block[4 * c] | (uint32_t)block[4 * c + 1] << 8 | (uint32_t)block[4 * c + 2] << 16 |
                      (uint32_t)block[4 * c + 3] << 24;
    return s;
}

INLINED void store(uint8_t *block, struct state s)
{
    for (unsigned i = 0; i < AES_BLOCK; i++)
        block[i] = byte_of(s.column[i / 4], i % 4);
}

INLINED struct state add(struct state s, const uint32_t *key)
{
    for (unsigned c = 0; c < COLUMNS; c++)
        s.column[c] ^= key[c];
    return s;
}

/* A column's byte in that row, from `way` columns on for each row (1: ShiftRows, 3: its inverse). */
INLINED uint8_t shifted(struct state s, unsigned c, unsigned row, unsigned way)
{
    return byte_of(s.column[(c + way * row) % COLUMNS], row);
}

INLINED struct state round_by(const uint32_t table[256], struct state s, unsigned way)
{
    struct state next;

    for (unsigned c = 0; c < COLUMNS; c++)
        next.column[c] = table[shifted(s, c, 0, way)] ^ rotate(table[shifted(s, c, 1, way)], 8) ^
                         rotate(table[shifted(s, c, 2, way)], 16) ^ rotate(table[shifted(s, c, 3, way)], 24);
    return next;
}

/* The last round mixes no columns. */
INLINED struct state last_round(const uint8_t box[256], struct state s, unsigned way)
{
    struct state next;

    for (unsigned c = 0; c < COLUMNS; c++)
        next.column[c] = box[shifted(s, c, 0, way)] | (uint32_t)box[shifted(s, c, 1, way)] << 8 |
                         (uint32_t)box[shifted(s, c, 2, way)] << 16 |
                         (uint32_t)box[shifted(s, c, 3, way)] << 24;
    return next;
}

INLINED struct state transform(const uint32_t *key, const uint32_t table[256], const uint8_t box[256],
                               unsigned way, struct state s)
{
    s = add(s, key);
    for (unsigned round = 1; round < ROUNDS; round++)
        s = add(round_by(table, s, way), key + COLUMNS * round);
    return add(last_round(box, s, way), key + COLUMNS * ROUNDS);
}

static struct state encrypt(const struct aes *a, struct state s)
{
    return transform(a->encrypt, mix, substitute, 1, s);
}

static struct state decrypt(const struct aes *a, struct state s)
{
    return transform(a->decrypt, unmix, restore, 3, s);
}

void aes_encrypt(const struct aes *a, uint8_t block[AES_BLOCK])
{
    store(block, encrypt(a, load(block)));
}

void aes_decrypt(const struct aes *a, uint8_t block[AES_BLOCK])
{
    store(block, decrypt(a, load(block)));
}

/* ---- XTS (IEEE 1619-2007, 5.3 "XTS-AES encryption procedure") ---- */

#define TWEAK_REDUCTION 0x87 /* of x^128 */

void xts_set_key(struct xts *x, const uint8_t key[XTS_KEY_BYTES])
{
    aes_set_key(&x->data, key);
    aes_set_key(&x->tweak, key + AES_KEY_BYTES);
}

/* Times x, the tweak being a number whose lowest byte is the first. */
static struct state next_tweak(struct state t)
{
    struct state next;

    for (unsigned c = 0; c < COLUMNS; c++)
        next.column[c] = t.column[c] << 1 | (c ? t.column[c - 1] >> 31 : 0);
    next.column[0] ^= t.column[COLUMNS - 1] >> 31 ? TWEAK_REDUCTION : 0;
    return next;
}

INLINED void xts(const struct xts *x, uint64_t unit, uint8_t *data, unsigned bytes,
                 struct state (*cipher)(const struct aes *a, struct state s))
{
    struct state tweak = {{(uint32_t)unit, (uint32_t)(unit >> 32), 0, 0}};

    tweak = encrypt(&x->tweak, tweak);
    for (uint8_t *block = data; block < data + bytes; block += AES_BLOCK) {
        store(block, add(cipher(&x->data, add(load(block), tweak.column)), tweak.column));
        tweak = next_tweak(tweak);
    }
}

void xts_encrypt(const struct xts *x, uint64_t unit, uint8_t *data, unsigned bytes)
{
    xts(x, unit, data, bytes, encrypt);
}

void xts_decrypt(const struct xts *x, uint64_t unit, uint8_t *data, unsigned bytes)
{
    xts(x, unit, data, bytes, decrypt);
}
