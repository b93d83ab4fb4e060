/* cow - memory after fork: what parent and child write is each one's own, in both page sizes. */
#include "user.h"

static uint64_t word = 1;
static volatile uint64_t *mapped;

static int child(uint64_t value)
{
    int before = word == 1 && mapped[0] == 1 && mapped[600] == 1;

    word = mapped[0] = value;
    return before && word == value && mapped[0] == value && mapped[600] == 1;
}

/* The kernel writes to a page that the parent has too, and that this process has just read. */
static int by_kernel(uint64_t before)
{
    int64_t fd = open("source.txt");

    return mapped[0] == before && read(fd, (void *)mapped, 8) == 8 &&
           memcmp((void *)mapped, "A progra", 8) == 0;
}

static void show(const char *pages, int big)
{
    int64_t address = mmap(2 << 20, big);
    int child_right;

    mapped = (volatile uint64_t *)address;
    mapped[0] = mapped[600] = 1;
    child_right = in_child(child, 2);
    print("cow: %s pages: the child's view is %s, the parent's is %lu %lu %lu\n", pages,
          child_right == 1 ? "right" : "wrong", word, mapped[0], mapped[600]);
    print("cow: what the kernel writes for a child %s\n",
          in_child(by_kernel, 1) == 1 && mapped[0] == 1 ? "is the child's" : "is lost");
    munmap(address, 2 << 20);
}

int main(int argc, char **argv)
{
    int64_t before;

    (void)argc, (void)argv;
    show("4 KiB", 0); /* the tables for it stay */
    before = freemem();
    show("4 KiB", 0);
    print("cow: %s\n", freemem() == before ? "every page has come back" : "pages are lost");
    show("2 MiB", 1);
    return 0;
}
