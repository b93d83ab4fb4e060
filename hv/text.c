#include "text.h"

#include "guests/lib/string.h"

size_t text_length(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool text_starts(const char *s, const char *start)
{
    while (*start && *s == *start)
        s++, start++;
    return *start == 0;
}

bool text_copy(char *to, const char *from, size_t size)
{
    size_t n = text_length(from);
    bool fits = n < size;

    if (!fits)
        n = size - 1;
    memcpy(to, from, n);
    to[n] = 0;
    return fits;
}

char *text_word(char **s)
{
    char *word = *s;

    while (*word == ' ')
        word++;
    for (*s = word; **s && **s != ' ';)
        (*s)++;
    if (**s)
        *(*s)++ = 0;
    return word;
}

const char *text_skip(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return 99;
}

static bool unit_shift(const char *s, unsigned *shift)
{
    *shift = *s == 'K' ? 10 : *s == 'M' ? 20 : *s == 'G' ? 30 : 0;
    return *s == 0 || (*shift && s[1] == 0);
}

bool text_number(const char *s, uint64_t *value)
{
    int base = s[0] == '0' && s[1] == 'x' ? 16 : 10;
    uint64_t v = 0;
    unsigned shift;

    if (base == 16)
        s += 2;
    if (digit(*s) >= base)
        return false;
    for (; digit(*s) < base; s++) {
        if (v >> 56)
            return false;
        v = v * (unsigned)base + (unsigned)digit(*s);
    }
    if (!unit_shift(s, &shift) || v << shift >> shift != v)
        return false;
    *value = v << shift;
    return true;
}
