/* tree [PATH] - all files below a directory of the disk: path, bytes, and CRC-32. */
#include "user.h"

#define DEPTH 8
#define PATH  256

static char path[PATH];
static int bad;

static uint32_t sum_file(void)
{
    static uint8_t part[4096];
    uint32_t crc = 0;
    int64_t fd = open(path), n = -1;

    while (fd >= 0 && (n = read(fd, part, sizeof part)) > 0)
        crc = crc32(crc, part, (size_t)n);
    close(fd);
    bad |= n != 0;
    return crc;
}

/* Appends "/NAME"; false: it is too long. */
static int descend(unsigned length, const char *name)
{
    path[length++] = '/';
    while (length < PATH - 1 && *name)
        path[length++] = *name++;
    path[length] = 0;
    return !*name;
}

static unsigned length_of(const char *text)
{
    unsigned n = 0;

    while (text[n])
        n++;
    return n;
}

static void walk(unsigned depth)
{
    struct file_info info;
    unsigned length = length_of(path);
    int64_t found = depth < DEPTH && length < PATH - 2 ? 1 : -1;

    for (unsigned i = 0; found == 1 && (found = entry(path, i, &info)) == 1; i++, path[length] = 0) {
        if (!descend(length, info.name)) {
            bad = 1;
        } else if (info.kind == KIND_DIRECTORY) {
            print("%s/\n", path);
            walk(depth + 1);
        } else {
            print("%s %lu %08x\n", path, info.size, sum_file());
        }
    }
    bad |= found != 0;
}

int main(int argc, char **argv)
{
    const char *from = argc > 1 ? argv[1] : "/disk";
    unsigned n = length_of(from);

    memcpy(path, from, n < PATH ? n : PATH - 1);
    walk(0);
    if (bad)
        print("tree: not all could be read\n");
    return bad;
}
