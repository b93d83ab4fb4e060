/* disassemble.c - instructions as text, by Zydis, with the image's symbols. */
#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arch/isa.h"
#include "cpu/decode.h"
#include "ringside.h"

void rs_symbol_format(const struct rs_symbols *symbols, uint64_t address, char *text, size_t size)
{
    uint64_t offset = 0;
    const char *name = symbols ? rs_symbol_at(symbols, address, &offset) : NULL;
    if (!name)
        snprintf(text, size, "%s", "");
    else if (offset)
        snprintf(text, size, "%s+%" PRIu64, name, offset);
    else
        snprintf(text, size, "%s", name);
}

/* Puts " <main+12>" behind the address in the text, if there is a symbol and room. */
static void add_symbol(const struct rs_symbols *symbols, uint64_t address, char *text, size_t size)
{
    char number[24], place[96], rest[64];
    snprintf(number, sizeof number, "0x%" PRIx64, address);
    rs_symbol_format(symbols, address, place, sizeof place);
    char *at = strstr(text, number);
    if (!place[0] || !at)
        return;
    at += strlen(number);
    snprintf(rest, sizeof rest, "%s", at);
    snprintf(at, size - (size_t)(at - text), " <%s>%s", place, rest);
}

/* A branch's target, or memory relative to RIP. */
static bool is_address(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE
               ? o->imm.is_relative
               : o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_RIP;
}

static bool formatter_init(ZydisFormatter *formatter)
{
    return ZYAN_SUCCESS(ZydisFormatterInit(formatter, ZYDIS_FORMATTER_STYLE_INTEL)) &&
           ZYAN_SUCCESS(ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
                                                  ZYDIS_PADDING_DISABLED)) &&
           ZYAN_SUCCESS(ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE));
}

/* Without what turns older instructions of this processor into others: what is absent here is a NOP, or TZCNT
 * a BSF.  ENDBR64 keeps its name. */
static bool decoder_init(ZydisDecoder *decoder, bool endbr64)
{
    static const ZydisDecoderMode absent[] = {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_TZCNT,
                                              ZYDIS_DECODER_MODE_CLDEMOTE, ZYDIS_DECODER_MODE_WBNOINVD};
    bool ok = ZYAN_SUCCESS(ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
              ZYAN_SUCCESS(ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CET, endbr64));
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        ok = ok && ZYAN_SUCCESS(ZydisDecoderEnableMode(decoder, absent[i], ZYAN_FALSE));
    return ok;
}

/* F3 with REX.B and 90 exchanges; Zydis says PAUSE.  Without a REP here, which means nothing to XCHG. */
static void drop_rep(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] == 0xf3)
            bytes[i] = 0x3e;
}

/* Prefixes of an absent extension without a mode of its own: lock elision. */
#define ABSENT (ZYDIS_ATTRIB_HAS_XACQUIRE | ZYDIS_ATTRIB_HAS_XRELEASE)

/* ours: as the machine decodes it. */
static bool zydis_decode(const uint8_t *bytes, size_t n, const struct insn *ours, ZydisDecodedInstruction *in,
                         ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT])
{
    ZydisDecoder decoder;
    uint8_t copy[INSN_BYTES_MAX] = {0};
    n = n < sizeof copy ? n : sizeof copy;
    memcpy(copy, bytes, n);
    if (ours && ours->row == ROW_xchg_Zv_eAX)
        drop_rep(copy, ours->length);
    if (!decoder_init(&decoder, ours && ours->row == ROW_endbr64) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, copy, n, in, operand)))
        return false;
    in->attributes &= ~ABSENT;
    return !ours || in->length == ours->length;
}

/* What runs here though Zydis knows no instruction of these bytes: x87 opcodes that nobody has given a
 * meaning. */
static size_t name_and_bytes(const struct insn *in, const uint8_t *bytes, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "%s", insn_name(in));
    for (unsigned i = 0; i < in->length && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, " %02x", bytes[i]);
    return in->length;
}

size_t rs_disassemble(const uint8_t *bytes, size_t n, uint64_t rip, const struct rs_symbols *symbols,
                      char *text, size_t size)
{
    struct insn ours;
    bool known = decode(bytes, (unsigned)n, &ours) == DECODE_OK;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    ZydisFormatter formatter;
    ZyanU64 address;
    if (!zydis_decode(bytes, n, known ? &ours : NULL, &in, operand))
        return known ? name_and_bytes(&ours, bytes, text, size) : 0;
    if (!formatter_init(&formatter) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &in, operand, in.operand_count_visible,
                                                      text, size, rip, NULL)))
        return 0;
    for (unsigned i = 0; i < in.operand_count_visible; i++)
        if (is_address(&operand[i]) &&
            ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&in, &operand[i], rip, &address)))
            add_symbol(symbols, address, text, size);
    return in.length;
}

/* As many bytes as an instruction can have, fewer at the end of what is mapped. */
static size_t read_bytes(rs_machine *m, uint32_t core, uint64_t gva, uint8_t bytes[INSN_BYTES_MAX])
{
    for (size_t n = INSN_BYTES_MAX; n; n--)
        if (rs_read_linear(m, core, gva, bytes, n) == RS_OK)
            return n;
    return 0;
}

size_t rs_disassemble_at(rs_machine *m, uint32_t core, uint64_t gva, const struct rs_symbols *symbols,
                         char *text, size_t size)
{
    uint8_t bytes[INSN_BYTES_MAX];
    size_t n = read_bytes(m, core, gva, bytes);
    size_t length = n ? rs_disassemble(bytes, n, gva, symbols, text, size) : 0;
    if (!n)
        snprintf(text, size, "(not mapped)");
    else if (!length)
        snprintf(text, size, "(undecodable: %02x)", bytes[0]);
    return length;
}
