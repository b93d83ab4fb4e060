/* nano [N] [NAME] [TIMES] - the nanobenchmarks of nano.def, N turns each, or one of them, TIMES over. Between
 * mark 1 and mark 2 is nothing but the turns; what is printed is the same everywhere. */
#include "user.h"

struct row {
    unsigned number;
    const char *name;
};

static const struct row rows[] = {
#define N(number, name, ring, what) {number, #name},
#include "kernel/nano.def"
#undef N
};

enum {
#define N(number, name, ring, what) NANO_##name = number,
#include "kernel/nano.def"
#undef N
};

/* The timer has just interrupted: it will not do so again for a millisecond. */
static void begin_turn(void)
{
    await(-1, 1);
}

static int64_t system_calls(uint64_t n)
{
    int64_t id, done = 0;

    begin_turn();
    id = getpid(); /* once before: the way is warm */
    mark(1, NANO_syscall, n);
    for (uint64_t i = 0; i < n; i++)
        done += getpid() == id;
    mark(2, NANO_syscall, n);
    return done;
}

static __attribute__((noinline)) uint64_t callee(uint64_t x)
{
    __asm__ volatile("" : "+r"(x));
    return x;
}

static int64_t calls(uint64_t n)
{
    uint64_t done = callee(0);

    begin_turn();
    done += callee(0);
    mark(1, NANO_callret, n);
    for (uint64_t i = 0; i < n; i++)
        done += callee(1);
    mark(2, NANO_callret, n);
    return (int64_t)done;
}

static int64_t run(unsigned which, uint64_t n)
{
    return which == NANO_syscall ? system_calls(n) : which == NANO_callret ? calls(n) : nano(which, n);
}

int main(int argc, char **argv)
{
    uint64_t n = number(argc, argv, 1, 1000), times = number(argc, argv, 3, 1);
    int found = 0;

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (argc < 3 || same(argv[2], rows[i].name)) {
            uint64_t check = 0;

            for (uint64_t k = 0; k < times; k++)
                check += (uint64_t)run(rows[i].number, n);
            print("nano: %s, %lu turns, check %lu\n", rows[i].name, n, check);
            found = 1;
        }
    if (!found)
        print("nano: there is no '%s'\n", argv[2]);
    return !found;
}
