#include "options.h"

#include "user.h"

static const struct option *find(const struct option *options, char letter)
{
    for (; options->letter; options++)
        if (options->letter == letter)
            return options;
    return NULL;
}

/* "-c5" or "-c 5"; how many arguments it took, 0: it is wrong. */
static int parse(int argc, char **argv, int i, const struct option *o)
{
    char *text = argv[i][2] ? argv[i] + 2 : i + 1 < argc ? argv[i + 1] : NULL;
    uint64_t value;

    if (o->most == 0) {
        *o->value = 1;
        return argv[i][2] == 0;
    }
    if (!text)
        return 0;
    value = number_of(text, UINT64_MAX);
    if (value < o->least || value > o->most)
        return 0;
    *o->value = value;
    return argv[i][2] ? 1 : 2;
}

int parse_options(int argc, char **argv, const struct option *options)
{
    int i = 1;

    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        const struct option *o = find(options, argv[i][1]);
        int took = o ? parse(argc, argv, i, o) : 0;

        if (!took)
            return argc + 1;
        i += took;
    }
    return i;
}
