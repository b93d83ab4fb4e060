/* compile [UNITS] - what building a program does to a machine: for each unit a process that reads its source,
 * keeps what it finds in memory that it maps, and sends an object through a pipe to the one that links. */
#include "user.h"

#define PAGE       4096
#define BUCKETS    256
#define UNITS_MOST 99 /* a unit's number has two digits */
#define TREE       64 /* pages that a unit maps for its words */

struct word {
    struct word *next;
    uint64_t hash, count;
};

struct object {
    uint64_t unit, words, different, check;
};

static struct word *buckets[BUCKETS];

static void count_word(uint64_t hash, struct word **fresh, struct object *object)
{
    struct word *w = buckets[hash % BUCKETS];

    object->words++;
    while (w && w->hash != hash)
        w = w->next;
    if (!w) {
        w = (*fresh)++;
        *w = (struct word){buckets[hash % BUCKETS], hash, 0};
        buckets[hash % BUCKETS] = w;
        object->different++;
    }
    w->count++;
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Words of the source are hashed as they pass; each unit begins with another hash. */
static void parse(int64_t fd, struct word *fresh, struct object *object)
{
    const struct word *end = fresh + TREE * PAGE / sizeof *fresh;
    uint64_t seed = 14695981039346656037u + object->unit, hash = seed;
    char part[512];
    int64_t n;

    while ((n = read(fd, part, sizeof part)) > 0)
        for (int64_t i = 0; i < n; i++)
            if (is_letter(part[i])) {
                hash = (hash ^ (uint8_t)part[i]) * 1099511628211u;
            } else if (hash != seed && fresh < end) {
                count_word(hash, &fresh, object);
                hash = seed;
            }
}

static int compile(uint64_t unit, int64_t out)
{
    struct object object = {.unit = unit};
    int64_t fd = open("source.txt"), memory = mmap((size_t)TREE * PAGE, 0);

    if (fd < 0 || memory < 0)
        return 1;
    parse(fd, (struct word *)memory, &object);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const struct word *w = buckets[i]; w; w = w->next)
            object.check += w->hash * w->count;
    munmap(memory, (size_t)TREE * PAGE);
    return write(out, &object, sizeof object) != sizeof object;
}

/* A unit is a program of its own: `compile UNIT unit`, whose descriptor 9 is the pipe. */
static void start_unit(uint64_t unit, const int fd[2])
{
    char digits[] = {(char)('0' + unit / 10 % 10), (char)('0' + unit % 10), 0};
    const char *const argv[] = {"compile", digits, "unit", NULL};

    if (fork() != 0)
        return;
    dup2(fd[1], 9);
    exec(argv);
    leave(1);
}

static int link(uint64_t units)
{
    struct object object = {0};
    uint64_t check = 0, words = 0;
    int status, failed = 0, fd[2];

    if (pipe(fd) < 0)
        return 1;
    mark(1, 105, units);
    for (uint64_t unit = 0; unit < units; unit++) {
        start_unit(unit, fd);
        if (wait(&status) < 0 || status != 0 || read(fd[0], &object, sizeof object) != sizeof object)
            failed++;
        check ^= object.check;
        words += object.words;
    }
    mark(2, 105, units);
    print("compile: %lu units of %lu words, %d failed, check 0x%lx\n", units, units ? words / units : 0,
          failed, check);
    return failed != 0;
}

int main(int argc, char **argv)
{
    uint64_t units = number(argc, argv, 1, 4);

    if (argc > 2)
        return compile(units, 9);
    if (units <= UNITS_MOST)
        return link(units);
    print("compile: there may be %d units\n", UNITS_MOST);
    return 2;
}
