#include "string.h"

/* Eight bytes an iteration, then the rest: each iteration of a REP string instruction takes the core a cycle
 * or more. */
void *memcpy(void *to, const void *from, size_t n)
{
    void *d = to;
    const void *s = from;
    size_t words = n / 8, rest = n % 8;

    __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(rest) : : "memory");
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *d = to;
    size_t words = n / 8, rest = n % 8;
    uint64_t pattern = 0x0101010101010101u * (uint8_t)byte;

    __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

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
