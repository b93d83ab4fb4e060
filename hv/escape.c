#include "escape.h"

#include <stddef.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *hex_byte(const char *s, char *out)
{
    int high = hex(s[0]), low = high < 0 ? -1 : hex(s[1]);

    if (low < 0)
        return NULL;
    *out = (char)(high << 4 | low);
    return s + 2;
}

/* s: after the backslash.  Returns what follows the escape, NULL if it is malformed. */
static const char *one(const char *s, char *out)
{
    static const char letters[] = "nrt0\\\"", values[] = "\n\r\t\0\\\"";

    if (*s == 'x')
        return hex_byte(s + 1, out);
    for (unsigned i = 0; letters[i]; i++)
        if (*s == letters[i]) {
            *out = values[i];
            return s + 1;
        }
    return NULL;
}

bool escape_decode(char *text, size_t *n, const char **why)
{
    char *to = text;

    for (const char *s = text; *s;) {
        if (*s != '\\') {
            *to++ = *s++;
            continue;
        }
        s = one(s + 1, to++);
        if (!s) {
            *why = "a backslash is followed by n, r, t, 0, \\, \" or xHH";
            return false;
        }
    }
    *n = (size_t)(to - text);
    return true;
}
