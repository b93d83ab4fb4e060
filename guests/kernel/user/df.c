/* df - what is free on the disk. */
#include "user.h"

int main(int argc, char **argv)
{
    struct disk_info info;

    (void)argc, (void)argv;
    if (space(&info) < 0) {
        print("df: there is no file system\n");
        return 1;
    }
    print("%u of %u blocks of 4096 bytes and %u of %u inodes are free\n", info.free_blocks, info.blocks,
          info.free_inodes, info.inodes);
    return 0;
}
