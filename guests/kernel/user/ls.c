/* ls - the names of the initrd's files; sizes depend on the compiler.
 * ls DIRECTORY - what is in a directory of the disk: sizes and names. */
#include "user.h"

static int list_directory(const char *path)
{
    struct file_info info;
    int64_t found;

    for (unsigned i = 0; (found = entry(path, i, &info)) == 1; i++)
        if (info.kind == KIND_DIRECTORY)
            print("%s/\n", info.name);
        else
            print("%s %lu\n", info.name, info.size);
    if (found < 0)
        print("ls: '%s' cannot be read\n", path);
    return found < 0;
}

int main(int argc, char **argv)
{
    char name[32];

    if (argc > 1)
        return list_directory(argv[1]);
    for (unsigned i = 0; list(i, name) >= 0; i++)
        print("%s\n", name);
    return 0;
}
