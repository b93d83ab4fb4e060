#include "user.h"

#define TEXTS      4
#define TEXT_BYTES 20

static char texts[TEXTS][TEXT_BYTES];
static unsigned next_text;

uint32_t parse_address(const char *text)
{
    uint32_t address = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint32_t byte = 0, digits = 0;

        for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
            byte = byte * 10 + (uint32_t)(*text - '0');
        if (!digits || byte > 255 || *text++ != (i < 3 ? '.' : 0))
            return 0;
        address = address << 8 | byte;
    }
    return address;
}

static char *put_decimal(char *to, unsigned value)
{
    if (value >= 10)
        to = put_decimal(to, value / 10);
    *to = (char)('0' + value % 10);
    return to + 1;
}

const char *address_text(uint32_t address)
{
    char *text = texts[next_text++ % TEXTS], *to = text;

    for (int shift = 24; shift >= 0; shift -= 8) {
        to = put_decimal(to, address >> shift & 0xff);
        *to++ = shift ? '.' : 0;
    }
    return text;
}

const char *mac_text(const uint8_t mac[6])
{
    char *text = texts[next_text++ % TEXTS], *to = text;

    for (unsigned i = 0; i < 6; i++) {
        *to++ = "0123456789abcdef"[mac[i] >> 4];
        *to++ = "0123456789abcdef"[mac[i] & 15];
        *to++ = i < 5 ? ':' : 0;
    }
    return text;
}

const char *net_error(int64_t result)
{
    switch (result) {
    case NET_NO_ROUTE: return "no interface leads there";
    case NET_UNREACHABLE: return "nobody answers to that address";
    case NET_PORT_TAKEN: return "the port is in use";
    default: return "failed";
    }
}
