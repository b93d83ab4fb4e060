/* mkfs [again] - an empty file system on the disk; `again`: in place of one that is there. */
#include "user.h"

int main(int argc, char **argv)
{
    struct disk_info info;

    if (space(&info) == 0 && (argc < 2 || !same(argv[1], "again"))) {
        print("mkfs: there is one, which would be lost: mkfs again\n");
        return 1;
    }
    if (format() == 0)
        return 0;
    print("mkfs: there is no disk that can be written, of 512 KiB at least, without open files\n");
    return 1;
}
