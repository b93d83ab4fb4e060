/* alu - N turns of a loop of integer arithmetic and branches, between mark 1 and mark 2 (RDI: N).
 *
 *     alu [N]       default 1000000; 13 or 14 instructions a turn
 */
#include "lib/guest.h"

#include "lib/args.h"
#include "lib/mark.h"
#include "lib/print.h"

/* The branch in the middle is taken every other turn or so: x is a xorshift generator. */
static uint64_t run(uint64_t n)
{
    uint64_t x = 0x9e3779b97f4a7c15u, sum = 0;

    mark(1, n, 0);
    __asm__ volatile(".balign 64\n"
                     "1:\tmovq %[x], %%rax\n\t"
                     "shlq $13, %%rax\n\t"
                     "xorq %%rax, %[x]\n\t"
                     "movq %[x], %%rax\n\t"
                     "shrq $7, %%rax\n\t"
                     "xorq %%rax, %[x]\n\t"
                     "movq %[x], %%rax\n\t"
                     "shlq $17, %%rax\n\t"
                     "xorq %%rax, %[x]\n\t"
                     "testb $1, %b[x]\n\t"
                     "jz 2f\n\t"
                     "addq %[x], %[sum]\n"
                     "2:\tdecq %[n]\n\t"
                     "jnz 1b"
                     : [x] "+r"(x), [sum] "+r"(sum), [n] "+r"(n)
                     :
                     : "rax", "cc");
    mark(2, n, 0);
    return sum;
}

uint32_t guest_main(const char *args)
{
    uint64_t n = args_number(args, 1, 1000000);

    print("%lu turns, sum 0x%lx\n", n, n > 0 ? run(n) : 0);
    return 0;
}
