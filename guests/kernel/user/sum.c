/* sum [FILE...] - CRC-32, as gzip and zlib compute it, and bytes of files, or of what comes in by descriptor
 * 0. */
#include "user.h"

static int sum(int64_t fd, const char *name)
{
    static uint8_t part[4096];
    uint32_t crc = 0;
    uint64_t bytes = 0;
    int64_t n;

    while ((n = read(fd, part, sizeof part)) > 0) {
        crc = crc32(crc, part, (size_t)n);
        bytes += (uint64_t)n;
    }
    if (n < 0)
        print("sum: %s cannot be read\n", name);
    else
        print("%08x %lu%s%s\n", crc, bytes, *name ? " " : "", name);
    return n < 0;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc == 1)
        return sum(0, "");
    for (int i = 1; i < argc; i++) {
        int64_t fd = open(argv[i]);

        if (fd < 0)
            print("sum: there is no '%s'\n", argv[i]);
        failed |= fd < 0 || sum(fd, argv[i]);
        close(fd);
    }
    return failed;
}
