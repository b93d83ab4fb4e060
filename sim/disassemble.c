/* disassemble.c - instructions as text, by Zydis. */
#include <Zydis/Zydis.h>

#include "ringside.h"

size_t rs_disassemble(const uint8_t *bytes, size_t n, uint64_t rip, char *text, size_t text_size)
{
    ZydisDisassembledInstruction in;
    if (!ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, rip, bytes, n, &in)))
        return 0;
    size_t i = 0;
    for (; in.text[i] && i + 1 < text_size; i++)
        text[i] = in.text[i];
    if (text_size)
        text[i] = 0;
    return in.info.length;
}
