/* vmcall - N times VMCALL (HC_NOP) between mark 1 and mark 2 (RDI: N).
 *
 *     vmcall [N]    default 1000
 *
 * On a bare machine VMCALL is an invalid opcode: the handler steps over it, and the count is the same. */
#include "lib/guest.h"

#include "arch/hypercall.h"
#include "lib/args.h"
#include "lib/mark.h"
#include "lib/print.h"
#include "lib/traps.h"

#define VMCALL_BYTES 3

static void on_invalid_opcode(struct trap_frame *frame)
{
    frame->rip += VMCALL_BYTES;
}

static void run(uint64_t n)
{
    mark(1, n, 0);
    __asm__ volatile("1:\tmovl %1, %%eax\n\tvmcall\n\tdecq %0\n\tjnz 1b"
                     : "+r"(n)
                     : "i"(HC_NOP)
                     : "rax", "cc");
    mark(2, n, 0);
}

uint32_t guest_main(const char *args)
{
    uint64_t n = args_number(args, 1, 1000);

    trap_set(VEC_UD, on_invalid_opcode);
    if (n > 0)
        run(n);
    print("%lu times VMCALL\n", n);
    return 0;
}
