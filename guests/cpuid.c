/* cpuid - N times CPUID leaf 0 between mark 1 and mark 2 (RDI: N): what a trap costs.
 *
 *     cpuid [N]     default 1000
 */
#include "lib/guest.h"

#include "lib/args.h"
#include "lib/mark.h"
#include "lib/print.h"

static void run(uint64_t n)
{
    mark(1, n, 0);
    __asm__ volatile("1:\txorl %%eax, %%eax\n\tcpuid\n\tdecq %0\n\tjnz 1b"
                     : "+r"(n)
                     :
                     : "rax", "rbx", "rcx", "rdx", "cc");
    mark(2, n, 0);
}

uint32_t guest_main(const char *args)
{
    uint64_t n = args_number(args, 1, 1000);

    if (n > 0)
        run(n);
    print("%lu times CPUID\n", n);
    return 0;
}
