/* test_hv_emulate.c - instructions that the hypervisor does for a guest against the same on the machine:
 * random ones, their operands partly in a device that is nothing but memory. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "../hv/emulate.h"
#include "../hv/mmio.h"
#include "cpu/cpu.h"
#include "cpu/decode.h"
#include "lib/bare.h"
#include "lib/chance.h"
#include "lib/suite.h"

#define ARENA       0x210000u /* linear */
#define ARENA_BYTES 0x2000u
#define FIELD       0x800u /* how far in it pointers lead */
#define CASES       100000
#define FORMS       105 /* that are emulated */

static struct bare bare;
static struct core_state *s;
static u8 arena[ARENA_BYTES];
static bool whole; /* operands are in the device as a whole */
static struct mmio_range range;
static struct {
    u64 linear[2];
    unsigned count, reads, writes;
    bool device;
} seen;

/* ---- the device ---- */

static uint64_t device_read(void *of, uint64_t offset, unsigned bytes)
{
    u64 value = 0;
    seen.reads++;
    memcpy(&value, (u8 *)of + offset, bytes);
    return value | (bytes < 8 ? ~(u64)0 << 8 * bytes : 0); /* what is above must not matter */
}

static void device_write(void *of, uint64_t offset, unsigned bytes, uint64_t value)
{
    seen.writes++;
    memcpy((u8 *)of + offset, &value, bytes);
}

static const struct mmio_model memory = {device_read, device_write};

static bool find(struct emulation *e, struct access *a)
{
    u64 offset = a->linear - ARENA;
    (void)e;
    if (offset > ARENA_BYTES - 16 || seen.count == 2)
        return false;
    seen.linear[seen.count++] = a->linear;
    unsigned first =
        !whole && a->bytes > 1 && chance_once_in(3) ? 1 + (unsigned)chance_below(a->bytes - 1u) : a->bytes;
    a->part[0] = (struct access_part){.bytes = (u8)first, .range = &range, .offset = offset};
    a->part[1] =
        (struct access_part){.bytes = (u8)(a->bytes - first), .range = &range, .offset = offset + first};
    for (unsigned i = 0; i < ACCESS_PARTS; i++) {
        if (!whole && chance_once_in(4))
            a->part[i].ram = arena + a->part[i].offset;
        seen.device |= a->part[i].bytes && !a->part[i].ram;
    }
    return true;
}

/* ---- both sides ---- */

static void fill(void)
{
    for (unsigned i = 0; i < ARENA_BYTES; i += 8) {
        u64 value = chance();
        memcpy(arena + i, &value, 8);
        bare_set_u64(&bare, ARENA + i, value);
    }
}

static bool same_memory(u64 linear, unsigned bytes)
{
    for (u64 at = linear & ~(u64)7; at < linear + bytes; at += 8)
        if (memcmp(arena + (at - ARENA), &(u64){bare_u64(&bare, at)}, 8) != 0)
            return false;
    return true;
}

static void set_up(void)
{
    chance_seed(1);
    bare_open(&bare, 0);
    s = &bare.core->s;
    range = (struct mmio_range){.gpa = ARENA, .bytes = ARENA_BYTES, .model = &memory, .of = arena};
    fill();
}

static void tear_down(void)
{
    bare_close(&bare);
}

/* Registers lead into the arena or are small; so do the bases of FS and GS. */
static void random_registers(void)
{
    for (unsigned r = 0; r < 16; r++)
        s->gpr[r] = chance_once_in(2)   ? ARENA + FIELD + chance_below(FIELD)
                    : chance_once_in(2) ? chance_below(64)
                                        : chance();
    if (chance_once_in(2))
        s->gpr[REG_RCX] = chance_below(3);
    s->rflags = (chance() & (FLAGS_STATUS | FLAG_DF)) | FLAG_FIXED;
    s->seg[SEG_FS].base = chance_below(64);
    s->seg[SEG_GS].base = ARENA;
}

static void random_code(u8 *bytes)
{
    static const u8 prefix[] = {0x66, 0x67, 0xf2, 0xf3, 0x64, 0x65, 0xf0, 0x36};
    unsigned at = 0;
    while (chance_once_in(4))
        bytes[at++] = prefix[chance_below(sizeof prefix)];
    if (at > 5)
        at = 0;
    if (chance_once_in(2))
        bytes[at++] = (u8)(0x40 + chance_below(16));
    if (chance_once_in(3))
        bytes[at++] = 0x0f;
    for (unsigned i = at; i < INSN_BYTES_MAX; i++)
        bytes[i] = i < at + 4 ? (u8)chance() : 0;
}

static struct emulation given(const struct instruction *in, u64 *gpr)
{
    memcpy(gpr, s->gpr, sizeof s->gpr);
    memset(&seen, 0, sizeof seen);
    return (struct emulation){.in = *in,
                              .gpr = gpr,
                              .rip = s->rip,
                              .rflags = s->rflags,
                              .fs_base = s->seg[SEG_FS].base,
                              .gs_base = s->seg[SEG_GS].base,
                              .find = find};
}

static const char *hex(const u8 *bytes, unsigned n)
{
    static char text[3 * INSN_BYTES_MAX + 1];
    for (unsigned i = 0; i < n; i++)
        snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
    return text;
}

/* The instruction, emulated already, on the machine. */
static void compare(const struct emulation *e, enum emulated result, const u8 *bytes)
{
    const char *text = hex(bytes, e->in.length);
    u64 behind = BARE_CODE + (result == EMULATED ? e->in.length : 0);
    bare_put(&bare, BARE_CODE, (const char *)bytes, e->in.length);
    s->event_valid = 0;
    cpu_atom(bare.core);
    ck_assert_msg(!s->event_valid, "%s: exception %u", text, (unsigned)s->event_vector);
    ck_assert_msg(s->rip == behind, "%s: at 0x%llx, not 0x%llx", text, (unsigned long long)s->rip,
                  (unsigned long long)behind);
    for (unsigned r = 0; r < 16; r++)
        ck_assert_msg(e->gpr[r] == s->gpr[r], "%s: register %u is 0x%llx, not 0x%llx", text, r,
                      (unsigned long long)e->gpr[r], (unsigned long long)s->gpr[r]);
    ck_assert_msg(((e->rflags ^ s->rflags) & FLAGS_STATUS) == 0, "%s: flags 0x%llx, not 0x%llx", text,
                  (unsigned long long)e->rflags, (unsigned long long)s->rflags);
    for (unsigned i = 0; i < seen.count; i++)
        ck_assert_msg(same_memory(seen.linear[i], 8), "%s: memory", text);
}

/* False: it is nothing that can be compared. */
static bool one_case(unsigned *hits)
{
    u8 bytes[INSN_BYTES_MAX];
    struct instruction in;
    u64 gpr[16];
    random_code(bytes);
    if (instruction_decode(bytes, INSN_BYTES_MAX, &in) != DECODING_OK)
        return false;
    s->rip = BARE_CODE;
    random_registers();
    struct emulation e = given(&in, gpr);
    enum emulated result = emulate(&e);
    if (result != EMULATED && result != EMULATED_ITERATION) {
        ck_assert_msg(!memcmp(gpr, s->gpr, sizeof gpr) && e.rflags == s->rflags && !seen.reads &&
                          !seen.writes,
                      "%s: it was not to be, and has done something", hex(bytes, in.length));
        return false;
    }
    ck_assert(seen.device && seen.reads + seen.writes > 0);
    hits[in.row]++;
    compare(&e, result, bytes);
    return true;
}

START_TEST(random_instructions)
{
    static unsigned hits[ISA_ROWS];
    unsigned forms = 0;
    for (unsigned i = 0; i < CASES;) {
        i += one_case(hits);
        if (i % 20000 == 0) {
            ck_assert(same_memory(ARENA, ARENA_BYTES));
            fill();
        }
    }
    for (unsigned row = 0; row < ISA_ROWS; row++)
        forms += hits[row] > 0;
    ck_assert_uint_eq(forms, FORMS);
}
END_TEST

/* What is not emulated says so, whatever its operands are. */
START_TEST(others)
{
    static const struct {
        const char *bytes;
        unsigned n;
    } code[] = {{"\xff\x36", 2},     {"\xff\x16", 2}, {"\xd1\x26", 2},
                {"\x0f\xc7\x0e", 3}, {"\xf7\x26", 2}, {"\x90", 1}};
    u64 gpr[16];
    random_registers();
    s->gpr[REG_RSI] = ARENA;
    for (size_t i = 0; i < sizeof code / sizeof *code; i++) {
        struct instruction in;
        ck_assert(instruction_decode((const uint8_t *)code[i].bytes, code[i].n, &in) == DECODING_OK);
        struct emulation e = given(&in, gpr);
        ck_assert_msg(emulate(&e) == EMULATED_UNKNOWN, "%zu", i);
    }
}
END_TEST

/* A device is read once and written once by ADD, read alone by CMP, and written alone by MOV. */
START_TEST(accesses)
{
    static const struct {
        const char *bytes;
        unsigned reads, writes;
    } code[] = {
        {"\x01\x06", 1, 1}, {"\x39\x06", 1, 0}, {"\x89\x06", 0, 1}, {"\x8b\x06", 1, 0}, {"\x87\x06", 1, 1}};
    u64 gpr[16];
    whole = true;
    s->gpr[REG_RSI] = ARENA + 0x100;
    for (size_t i = 0; i < sizeof code / sizeof *code; i++) {
        struct instruction in;
        ck_assert(instruction_decode((const uint8_t *)code[i].bytes, 2, &in) == DECODING_OK);
        struct emulation e = given(&in, gpr);
        ck_assert_int_eq(emulate(&e), EMULATED);
        ck_assert_uint_eq(seen.reads, code[i].reads);
        ck_assert_uint_eq(seen.writes, code[i].writes);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("hv_emulate");
    TCase *t = tcase_create("against the machine");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, random_instructions);
    tcase_add_test(t, others);
    tcase_add_test(t, accesses);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    return suite_run(suite());
}
