#include "names.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 48

void names_add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance (Levenshtein) of two names, each cut at LONGEST bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t n = least(strlen(a), LONGEST), m = least(strlen(b), LONGEST);
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j];
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = least(change, least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[m];
}

const char *names_nearest(const char *name, names_at *at, const void *arg)
{
    const char *best = NULL, *candidate;
    size_t best_distance = 1 + least(strlen(name), LONGEST) / 3;
    for (size_t i = 0; (candidate = at(i, arg)); i++) {
        size_t d = distance(name, candidate);
        if (d <= best_distance && (!best || d < best_distance)) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

void names_complain(char *text, size_t size, const char *what, const char *name, names_at *at,
                    const void *arg)
{
    const char *nearest = names_nearest(name, at, arg), *known;
    snprintf(text, size, "unknown %s '%.60s'", what, name);
    if (nearest)
        names_add(text, size, ": did you mean '%s'?", nearest);
    names_add(text, size, nearest ? " Known:" : "; known:");
    for (size_t i = 0; (known = at(i, arg)); i++)
        names_add(text, size, "%s %s", i ? "," : "", known);
}

/* A number without sign; *end is what follows it. */
static bool number(const char *text, uint64_t *value, char **end)
{
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *value = strtoull(text, end, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
    return errno == 0;
}

bool names_number(const char *text, uint64_t *value)
{
    char *end;
    return number(text, value, &end) && *end == '\0';
}

bool names_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    if (!number(text, bytes, &end))
        return false;
    if (*end == '\0')
        return true;
    const char *unit = strchr(units, toupper((unsigned char)*end));
    if (!unit || (end[1] && strcmp(end + 1, "B") != 0 && strcmp(end + 1, "iB") != 0))
        return false;
    unsigned shift = 10 * (unsigned)(unit - units + 1);
    if (*bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

bool names_cycles(const char *text, uint64_t hz, uint64_t *cycles)
{
    static const struct {
        const char *name;
        double seconds;
    } unit[] = {
        {"ps", 1e-12}, {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1},
    };
    char *end;
    if (names_number(text, cycles))
        return true;
    if (!isdigit((unsigned char)*text))
        return false;
    double amount = strtod(text, &end);
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        double n = amount * unit[i].seconds * (double)hz;
        if (strcmp(end, unit[i].name) != 0 || !(n < 9e18))
            continue;
        *cycles = (uint64_t)(n + 0.5);
        return true;
    }
    return false;
}

bool names_mac(const char *text, uint8_t mac[6])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t any = 0;
    for (unsigned i = 0; i < 17; i++) {
        const char *digit = text[i] ? strchr(digits, tolower((unsigned char)text[i])) : NULL;
        if (i % 3 == 2 ? text[i] != ':' : !digit)
            return false;
        if (i % 3 < 2)
            mac[i / 3] = (uint8_t)(mac[i / 3] << 4 | (digit - digits));
    }
    for (unsigned i = 0; i < 6; i++)
        any |= mac[i];
    return any && !text[17];
}
