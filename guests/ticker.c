/* ticker - prints a line now and then: two of them show that VMs share a core.
 *
 *     ticker [LINES] [LOOPS]     LINES lines (default 10; 0: for ever), before each of them LOOPS turns of a
 *                                busy loop (default 200000)
 */
#include "lib/guest.h"

#include "lib/args.h"
#include "lib/print.h"

static void spin(uint64_t loops)
{
    while (loops-- > 0)
        __asm__ volatile("");
}

uint32_t guest_main(const char *args)
{
    uint64_t lines = args_number(args, 1, 10), loops = args_number(args, 2, 200000);

    for (uint64_t i = 1; lines == 0 || i <= lines; i++) {
        spin(loops);
        print("tick %lu\n", i);
    }
    return 0;
}
