#include "disk_filter.h"

#include "guests/lib/string.h"
#include "print.h"
#include "text.h"

/* ---- the filters: a row each; what one has nothing to say to is NULL ---- */

static void profile(struct disk_filters *f, enum disk_verb verb, uint64_t sector, uint64_t sectors)
{
    disk_profile_count(&f->profile, verb, sector, sectors);
}

/* A sector is a data unit, by its number in the VM's disk: so it can be moved as a whole. */
static void encrypt(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors)
{
    for (unsigned i = 0; i < sectors; i++)
        xts_encrypt(&f->key, sector + i, bytes + (uint64_t)i * SECTOR_BYTES, SECTOR_BYTES);
}

static void decrypt(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors)
{
    for (unsigned i = 0; i < sectors; i++)
        xts_decrypt(&f->key, sector + i, bytes + (uint64_t)i * SECTOR_BYTES, SECTOR_BYTES);
}

static const struct filter {
    const char *name;
    unsigned bit;
    void (*request)(struct disk_filters *f, enum disk_verb verb, uint64_t sector, uint64_t sectors);
    void (*write)(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors);
    void (*read)(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors);
    unsigned most; /* sectors at a time */
} filters[] = {
    {"profile", DISK_FILTER_PROFILE, profile, NULL, NULL, WORK_SECTORS},
    {"encrypt", DISK_FILTER_ENCRYPT, NULL, encrypt, decrypt, PAGE_SECTORS},
};
#define FILTERS (sizeof filters / sizeof filters[0])

/* ---- names ---- */

static bool add_filter(unsigned *chosen, const char *name, size_t n)
{
    for (unsigned i = 0; i < FILTERS; i++)
        if (text_length(filters[i].name) == n && memcmp(filters[i].name, name, n) == 0) {
            *chosen |= filters[i].bit;
            return true;
        }
    return false;
}

bool disk_filters_parse(unsigned *chosen, const char *list)
{
    *chosen = 0;
    if (text_equal(list, "none"))
        return true;
    for (;;) {
        size_t n = 0;

        while (list[n] && list[n] != ',')
            n++;
        if (!add_filter(chosen, list, n))
            return false;
        if (!list[n])
            return true;
        list += n + 1;
    }
}

void disk_filters_name(unsigned chosen, char *text, size_t size)
{
    size_t n = 0;

    format_text(text, size, "none");
    for (unsigned i = 0; i < FILTERS; i++)
        if (chosen & filters[i].bit) {
            format_text(text + n, size - n, "%s%s", n ? "," : "", filters[i].name);
            n += text_length(text + n);
        }
}

/* ---- a VM's ---- */

void disk_filters_begin(struct disk_filters *f, unsigned chosen, const uint8_t key[XTS_KEY_BYTES],
                        uint64_t sectors)
{
    memset(f, 0, sizeof *f);
    f->chosen = chosen;
    f->profile.sectors = sectors;
    if (chosen & DISK_FILTER_ENCRYPT)
        xts_set_key(&f->key, key);
}

void disk_filters_request(struct disk_filters *f, enum disk_verb verb, uint64_t sector, uint64_t sectors)
{
    for (unsigned i = 0; i < FILTERS; i++)
        if (f->chosen & filters[i].bit && filters[i].request)
            filters[i].request(f, verb, sector, sectors);
}

void disk_filters_write(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors)
{
    for (unsigned i = 0; i < FILTERS; i++)
        if (f->chosen & filters[i].bit && filters[i].write)
            filters[i].write(f, sector, bytes, sectors);
}

/* Back through them in the other order. */
void disk_filters_read(struct disk_filters *f, uint64_t sector, uint8_t *bytes, unsigned sectors)
{
    for (unsigned i = FILTERS; i-- > 0;)
        if (f->chosen & filters[i].bit && filters[i].read)
            filters[i].read(f, sector, bytes, sectors);
}

unsigned disk_filters_most(const struct disk_filters *f)
{
    unsigned most = WORK_SECTORS;

    for (unsigned i = 0; i < FILTERS; i++)
        if (f->chosen & filters[i].bit && filters[i].most < most)
            most = filters[i].most;
    return most;
}
