/* test_decode.c - the decoder against Zydis: the same lengths, operands and validity inside the machine's
 * subset, and nothing outside it; and the hypervisor's own against it. */
#include <Zydis/Zydis.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/isa.h"
#include "../hv/decode.h"
#include "cpu/decode.h"
#include "lib/suite.h"

#define STRINGS 10000000

static u64 seed = 88172645463325252u;

static u64 next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static unsigned below(unsigned n)
{
    return (unsigned)(next_random() >> 32) % n;
}

static ZydisDecoder oracle;

/* As a processor without them decodes: the hints that came with MPX, CET and CLDEMOTE are NOPs, TZCNT is BSF.
 */
static void set_up(void)
{
    ZydisDecoderInit(&oracle, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&oracle, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&oracle, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(&oracle, ZYDIS_DECODER_MODE_TZCNT, ZYAN_FALSE);
    ZydisDecoderEnableMode(&oracle, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(&oracle, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
}

/* ---- what the machine has ---- */

struct exception {
    ZydisISASet set;
    ZydisMnemonic mnemonic;
};

/* In a set that the machine has, but absent; or the other way round. */
static const struct exception absent[] = {
    {ZYDIS_ISA_SET_I486, ZYDIS_MNEMONIC_RSM},
    {ZYDIS_ISA_SET_PPRO, ZYDIS_MNEMONIC_SYSENTER},
    {ZYDIS_ISA_SET_PPRO, ZYDIS_MNEMONIC_SYSEXIT},
};
static const struct exception present[] = {
    {ZYDIS_ISA_SET_SSE, ZYDIS_MNEMONIC_SFENCE},
    {ZYDIS_ISA_SET_SSE2, ZYDIS_MNEMONIC_LFENCE},
    {ZYDIS_ISA_SET_SSE2, ZYDIS_MNEMONIC_MFENCE},
    {ZYDIS_ISA_SET_X87, ZYDIS_MNEMONIC_FWAIT},
};

static bool listed(const struct exception *list, size_t n, const ZydisDecodedInstruction *z)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].set == z->meta.isa_set && list[i].mnemonic == z->mnemonic)
            return true;
    return false;
}

static bool in_set(ZydisISASet set)
{
    switch (set) {
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I286PROTECTED:
    case ZYDIS_ISA_SET_I286REAL:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_PENTIUMREAL:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_RDPMC:
    case ZYDIS_ISA_SET_CMOV:
    case ZYDIS_ISA_SET_LONGMODE:
    case ZYDIS_ISA_SET_LAHF:
    case ZYDIS_ISA_SET_CMPXCHG16B:
    case ZYDIS_ISA_SET_RDTSCP:
    case ZYDIS_ISA_SET_SMAP:
    case ZYDIS_ISA_SET_INVPCID:
    case ZYDIS_ISA_SET_VTX:
    case ZYDIS_ISA_SET_VMFUNC:
    case ZYDIS_ISA_SET_PAUSE:
    case ZYDIS_ISA_SET_FAT_NOP:
    case ZYDIS_ISA_SET_PREFETCH_NOP:
    case ZYDIS_ISA_SET_PREFETCHWT1:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
    case ZYDIS_ISA_SET_MOVBE:
    case ZYDIS_ISA_SET_POPCNT:
    case ZYDIS_ISA_SET_LZCNT: return true;
    default: return false;
    }
}

static bool is_esc(const struct insn *in)
{
    return in->row >= ROW_esc_d8 && in->row <= ROW_esc_df;
}

static bool in_subset(const ZydisDecodedInstruction *z)
{
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (z->opcode & 0xf8) == 0xd8)
        return true;
    if (listed(absent, sizeof absent / sizeof *absent, z))
        return false;
    return in_set(z->meta.isa_set) || listed(present, sizeof present / sizeof *present, z);
}

/* ---- names ---- */

static const char *const alias[][2] = {
    {"a", "nbe"}, {"ae", "nb"}, {"e", "z"}, {"ne", "nz"}, {"g", "nle"}, {"ge", "nl"},
};

/* True if z is ours with another name for its condition: "setae" and "setnb". */
static bool same_condition(const char *ours, const char *z)
{
    static const char *const stem[] = {"j", "set", "cmov"};
    for (size_t s = 0; s < 3; s++) {
        size_t n = strlen(stem[s]);
        if (strncmp(ours, stem[s], n) != 0 || strncmp(z, stem[s], n) != 0)
            continue;
        for (size_t i = 0; i < sizeof alias / sizeof *alias; i++)
            if (!strcmp(ours + n, alias[i][0]) && !strcmp(z + n, alias[i][1]))
                return true;
    }
    return false;
}

static bool same_name(const struct insn *in, const ZydisDecodedInstruction *z)
{
    static const char *const by_size[][2] = {{"cbw", "cwde"}, {"cbw", "cdqe"},    {"cwd", "cdq"},
                                             {"cwd", "cqo"},  {"jrcxz", "jecxz"}, {"retf", "ret"}};
    const char *ours = insn_name(in), *name = ZydisMnemonicGetString(z->mnemonic);
    if (in->row >= ROW_endbr64 && in->row <= ROW_nop_1f)
        return true; /* all the hints */
    if (is_esc(in))
        return true; /* one name for all */
    if (!strncmp(ours, name, strlen(ours)))
        return strlen(name) <= strlen(ours) + 1; /* movsb, iretq */
    for (size_t i = 0; i < sizeof by_size / sizeof *by_size; i++)
        if (!strcmp(ours, by_size[i][0]) && !strcmp(name, by_size[i][1]))
            return true;
    /* F3 with REX.B and 90: Zydis says PAUSE, processors exchange. */
    return same_condition(ours, name) || (in->row == ROW_xchg_Zv_eAX && z->mnemonic == ZYDIS_MNEMONIC_PAUSE);
}

/* ---- operands ---- */

static u32 register_bit(ZydisRegister r)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
    bool general = whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15;
    return general ? 1u << (whole - ZYDIS_REGISTER_RAX) : 0;
}

/* Registers written, without those of string and stack instructions, which Zydis counts otherwise. */
static u32 oracle_writes(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op)
{
    u32 bits = 0;
    for (unsigned i = 0; i < z->operand_count; i++)
        if (op[i].type == ZYDIS_OPERAND_TYPE_REGISTER && op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
            bits |= register_bit(op[i].reg.value);
    return bits;
}

/* REX.B does not count where base 5 and mod 0 mean that there is none (SDM vol. 2, table 2-5 "Special Cases
 * of REX Encodings"); with a 32-bit address size Zydis says R13D. */
static u32 base_bit(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op)
{
    bool none = z->raw.modrm.mod == 0 && z->raw.sib.base == 5 && op->mem.base == ZYDIS_REGISTER_R13D;
    return none ? 0 : register_bit(op->mem.base);
}

static u32 oracle_address(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op)
{
    u32 bits = 0;
    for (unsigned i = 0; i < z->operand_count; i++)
        if (op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            bits |= base_bit(z, &op[i]) | register_bit(op[i].mem.index);
    return bits;
}

static bool is_string(const struct insn *in)
{
    return (in->row >= ROW_movs_b && in->row <= ROW_scas_v) ||
           (in->row >= ROW_ins_b && in->row <= ROW_outs_z);
}

static bool is_nop(const struct insn *in)
{
    return in->row >= ROW_pause && in->row <= ROW_sfence;
}

static bool same_registers(const struct insn *in, const ZydisDecodedInstruction *z,
                           const ZydisDecodedOperand *op)
{
    u32 string = is_string(in) ? 1u << 6 | 1u << 7 : 0;
    u32 stack = in->flags & INSN_STACK ? 1u << 4 : 0;
    u32 writes = oracle_writes(z, op), address = oracle_address(z, op);
    if (is_nop(in))
        return true;
    if (is_esc(in))
        writes = 0; /* FNSTSW AX writes none here */
    if ((writes | string | stack) != (in->write_regs | string | stack))
        return false;
    if (in->row == ROW_xlat)
        return in->address_regs == 9; /* RBX and AL */
    return (address | stack) == (in->address_regs | stack);
}

static bool same_numbers(const struct insn *in, const ZydisDecodedInstruction *z)
{
    bool hint = is_nop(in);
    if (z->raw.disp.size && in->mod != 3 && z->raw.disp.value != in->disp)
        return false;
    if (z->raw.imm[0].size && in->row != ROW_enter && z->raw.imm[0].value.u != in->imm)
        return false;
    return hint || z->address_width == 8u * in->addr_bytes;
}

/* Of the rows whose handlers use it; the rest have a size by name alone. */
static bool same_size(const struct insn *in, const ZydisDecodedInstruction *z)
{
    bool plain = in->row < ROW_endbr64 || (in->row >= ROW_push_Z && in->row <= ROW_scas_v);
    return !plain || in->row == ROW_xlat || z->operand_width == 8u * in->op_bytes;
}

/* ---- the comparison ---- */

static const char *hex(const u8 *bytes)
{
    static char text[3 * INSN_BYTES_MAX + 1];
    for (unsigned i = 0; i < INSN_BYTES_MAX; i++)
        snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
    return text;
}

/* Unlike ck_assert_msg it costs nothing when it holds. */
#define EXPECT(holds, ...) \
    do { \
        if (!(holds)) \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)

/* The hypervisor's decoder, which has the same list and no other line in common. */
static void compare_hypervisor(const u8 *bytes, unsigned n, enum decode_result result, const struct insn *in)
{
    static const enum decoding same[] = {
        [DECODE_OK] = DECODING_OK,
        [DECODE_SHORT] = DECODING_MORE,
        [DECODE_UD] = DECODING_UNDEFINED,
        [DECODE_LONG] = DECODING_TOO_LONG,
    };
    struct instruction hv;
    enum decoding decoding = instruction_decode(bytes, n, &hv);
    EXPECT(decoding == same[result], "%s: %d, not %d in the hypervisor", hex(bytes), decoding, same[result]);
    if (result != DECODE_OK)
        return;
    EXPECT(hv.length == in->length && hv.row == in->row && hv.rep == in->rep && hv.lock == in->lock &&
               hv.rex == in->rex,
           "%s: form, length or prefixes in the hypervisor", hex(bytes));
    EXPECT(hv.op_bytes == in->op_bytes && hv.address_bytes == in->addr_bytes, "%s: sizes in the hypervisor",
           hex(bytes));
    EXPECT(hv.memory == (in->mod != 3) && hv.base == in->base && hv.index == in->index &&
               hv.scale == in->scale && hv.disp == in->disp && hv.segment == in->seg,
           "%s: address in the hypervisor", hex(bytes));
    EXPECT(hv.reg == in->reg && hv.rm == in->rm && hv.imm == in->imm, "%s: operands in the hypervisor",
           hex(bytes));
}

static void compare(const u8 *bytes)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    struct insn in;
    bool valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&oracle, bytes, INSN_BYTES_MAX, &z, op));
    enum decode_result result = decode(bytes, INSN_BYTES_MAX, &in);
    compare_hypervisor(bytes, INSN_BYTES_MAX, result, &in);
    if (!valid) {
        EXPECT(result != DECODE_OK || is_esc(&in), "%s: not an instruction", hex(bytes));
        return;
    }
    const char *name = ZydisMnemonicGetString(z.mnemonic);
    if (!in_subset(&z)) {
        EXPECT(result == DECODE_UD, "%s: %s is outside the subset", hex(bytes), name);
        return;
    }
    EXPECT(result == DECODE_OK, "%s: %s is missing", hex(bytes), name);
    EXPECT(in.length == z.length, "%s: length %u, not %u", hex(bytes), in.length, z.length);
    EXPECT(same_name(&in, &z), "%s: %s, not %s", hex(bytes), insn_name(&in), name);
    EXPECT(same_registers(&in, &z, op), "%s: registers of %s", hex(bytes), name);
    EXPECT(same_numbers(&in, &z), "%s: displacement, immediate or address size", hex(bytes));
    EXPECT(same_size(&in, &z), "%s: operand size of %s", hex(bytes), name);
}

/* ---- as text ---- */

/* The word that is not a prefix: "add" of "lock add [rax], eax". */
static const char *mnemonic(const char *text)
{
    static const char *const prefix[] = {"lock ", "rep ", "repe ", "repne ", "bnd ", "notrack ", "data16 "};
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        if (!strncmp(text, prefix[i], strlen(prefix[i])))
            return mnemonic(text + strlen(prefix[i]));
    return text;
}

static const char *expected_name(const u8 *bytes, const struct insn *in)
{
    ZydisDecodedInstruction z;
    if (in->row == ROW_endbr64 || in->row == ROW_xchg_Zv_eAX)
        return insn_name(in);
    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&oracle, NULL, bytes, INSN_BYTES_MAX, &z))
               ? ZydisMnemonicGetString(z.mnemonic)
               : insn_name(in);
}

/* What the decoder takes has a text, of the same length and by the name of what runs. */
static void check_text(const u8 *bytes)
{
    struct insn in;
    char text[128] = "";
    if (decode(bytes, INSN_BYTES_MAX, &in) != DECODE_OK)
        return;
    size_t length = rs_disassemble(bytes, INSN_BYTES_MAX, 0x1000, NULL, text, sizeof text);
    EXPECT(length == in.length, "%s: length %u, not %zu: %s", hex(bytes), in.length, length, text);
    const char *name = expected_name(bytes, &in), *said = mnemonic(text);
    EXPECT(!strncmp(said, name, strlen(name)) && strchr(" ", said[strlen(name)]), "%s: %s, not %s",
           hex(bytes), text, name);
}

/* ---- byte strings ---- */

static void random_bytes(u8 *bytes)
{
    for (unsigned i = 0; i < INSN_BYTES_MAX; i++)
        bytes[i] = (u8)next_random();
}

/* Random, with the prefixes and maps that matter more often than chance has them. */
static void likely_bytes(u8 *bytes)
{
    static const u8 prefix[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65};
    unsigned at = 0;
    random_bytes(bytes);
    while (at < 4 && below(4) == 0)
        bytes[at++] = prefix[below(sizeof prefix)];
    if (below(4) == 0)
        bytes[at++] = (u8)(0x40 | below(16));
    if (below(2) == 0)
        bytes[at++] = 0x0f;
    if (below(32) == 0)
        bytes[at++] = below(2) ? 0x38 : 0x3a;
}

START_TEST(random_strings)
{
    u8 bytes[INSN_BYTES_MAX];
    for (unsigned i = 0; i < STRINGS / 2; i++) {
        likely_bytes(bytes);
        compare(bytes);
        if (i % 16 == 0)
            check_text(bytes);
    }
}
END_TEST

/* One byte of a valid instruction changed: near misses. */
START_TEST(mutated_strings)
{
    u8 bytes[INSN_BYTES_MAX];
    struct insn in;
    likely_bytes(bytes);
    for (unsigned i = 0; i < STRINGS / 2; i++) {
        u8 mutant[INSN_BYTES_MAX];
        if (i % 16 == 0)
            do {
                likely_bytes(bytes);
            } while (decode(bytes, INSN_BYTES_MAX, &in) != DECODE_OK);
        memcpy(mutant, bytes, sizeof mutant);
        mutant[below(in.length)] = (u8)next_random();
        compare(mutant);
        if (i % 16 == 0)
            check_text(mutant);
    }
}
END_TEST

/* Every ModRM byte of every opcode of both large maps, under each prefix. */
START_TEST(all_opcodes)
{
    static const u8 prefix[] = {0x90, 0x66, 0xf2, 0xf3, 0xf0, 0x48, 0x45}; /* the first stands for none */
    for (unsigned i = 0; i < 2 * 65536 * sizeof prefix; i++) {
        u8 bytes[INSN_BYTES_MAX];
        unsigned at = 0;
        random_bytes(bytes);
        if (i / 131072)
            bytes[at++] = prefix[i / 131072];
        if (i / 65536 % 2)
            bytes[at++] = 0x0f;
        bytes[at++] = (u8)(i / 256);
        bytes[at] = (u8)i;
        compare(bytes);
        check_text(bytes);
    }
}
END_TEST

/* Every proper part of an instruction asks for more, and the whole needs nothing after it. */
START_TEST(parts)
{
    u8 bytes[INSN_BYTES_MAX];
    struct insn in, again;
    for (unsigned i = 0; i < 20000; i++) {
        likely_bytes(bytes);
        if (decode(bytes, INSN_BYTES_MAX, &in) != DECODE_OK)
            continue;
        for (unsigned n = 0; n < in.length; n++) {
            ck_assert_msg(decode(bytes, n, &again) == DECODE_SHORT, "%s: %u bytes", hex(bytes), n);
            compare_hypervisor(bytes, n, DECODE_SHORT, NULL);
        }
        ck_assert(decode(bytes, in.length, &again) == DECODE_OK && again.length == in.length);
    }
}
END_TEST

/* Fifteen bytes are an instruction, sixteen are #GP (SDM vol. 2, 2.3.11 "AVX Instruction Length"). */
START_TEST(longest)
{
    u8 bytes[16];
    struct insn in;
    memset(bytes, 0x66, sizeof bytes);
    ck_assert_int_eq(decode(bytes, 15, &in), DECODE_LONG);
    bytes[14] = 0x90;
    ck_assert_int_eq(decode(bytes, 15, &in), DECODE_OK);
    ck_assert_uint_eq(in.length, 15);
    memcpy(bytes + 12, "\x81\xc0\x01", 3); /* its immediate ends beyond */
    ck_assert_int_eq(decode(bytes, 15, &in), DECODE_LONG);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("decode");
    TCase *t = tcase_create("against Zydis");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, random_strings);
    tcase_add_test(t, mutated_strings);
    tcase_add_test(t, all_opcodes);
    tcase_add_test(t, parts);
    tcase_add_test(t, longest);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
