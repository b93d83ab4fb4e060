#include "lib/args.h"

static const char *skip_spaces(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

static const char *nth_word(const char *s, unsigned i)
{
    for (s = skip_spaces(s); i > 0; i--) {
        while (*s && *s != ' ')
            s++;
        s = skip_spaces(s);
    }
    return s;
}

static bool ends_word(char c)
{
    return c == 0 || c == ' ';
}

uint64_t args_number(const char *args, unsigned i, uint64_t otherwise)
{
    const char *s = nth_word(args, i);
    uint64_t value = 0;

    if (ends_word(*s))
        return otherwise;
    for (; *s >= '0' && *s <= '9'; s++)
        value = value * 10 + (uint64_t)(*s - '0');
    return ends_word(*s) ? value : otherwise;
}

bool args_is(const char *args, unsigned i, const char *word)
{
    const char *s = nth_word(args, i);

    while (*word && *s == *word)
        s++, word++;
    return *word == 0 && ends_word(*s);
}
