/* wc - how many lines, words and bytes come in by descriptor 0. */
#include "user.h"

int main(int argc, char **argv)
{
    uint64_t lines = 0, words = 0, bytes = 0;
    char part[256], last = ' ';
    int64_t n;

    (void)argc, (void)argv;
    while ((n = read(0, part, sizeof part)) > 0)
        for (int64_t i = 0; i < n; i++) {
            lines += part[i] == '\n';
            words += (last == ' ' || last == '\n') && part[i] != ' ' && part[i] != '\n';
            bytes++;
            last = part[i];
        }
    print("%lu %lu %lu\n", lines, words, bytes);
    return 0;
}
