/* aes.h - AES with keys of 128 bits (FIPS 197), and XTS, its mode for sectors (IEEE 1619).
 *
 * By tables, so how long it takes depends on key and data: who shares the processor's caches may learn of
 * them. */
#ifndef HV_AES_H
#define HV_AES_H

#include <stdint.h>

#define AES_BLOCK     16
#define AES_KEY_BYTES 16
#define XTS_KEY_BYTES (2 * AES_KEY_BYTES) /* for the data, then for the tweak */

#define AES_WORDS 44 /* round keys */

struct aes {
    uint32_t encrypt[AES_WORDS], decrypt[AES_WORDS];
};

struct xts {
    struct aes data, tweak;
};

void aes_set_key(struct aes *a, const uint8_t key[AES_KEY_BYTES]);
/* In place. */
void aes_encrypt(const struct aes *a, uint8_t block[AES_BLOCK]);
void aes_decrypt(const struct aes *a, uint8_t block[AES_BLOCK]);

void xts_set_key(struct xts *x, const uint8_t key[XTS_KEY_BYTES]);
/* The data unit of that number, in place; bytes: whole blocks. */
void xts_encrypt(const struct xts *x, uint64_t unit, uint8_t *data, unsigned bytes);
void xts_decrypt(const struct xts *x, uint64_t unit, uint8_t *data, unsigned bytes);

#endif
