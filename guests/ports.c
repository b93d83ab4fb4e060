/* ports - string I/O, and single-stepping over instructions that a hypervisor emulates: the places where
 * emulation most easily differs from the machine. */
#include "lib/guest.h"

#include "lib/cpu.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"

#define PORT_NOBODY    0x2000 /* reads as ones */
#define IDENTITY_BYTES UINT64_C(0x200000)
#define FRAME          UINT64_C(0x300000)
#define FAR_GVA        GVA(1, 0, 0, 0)
#define NEEDED_BYTES   UINT64_C(0x400000)

static uint64_t *pml4;
static uint64_t steps, faults, fault_address, fault_error;

/* ---- to the console ---- */

static uint64_t out_string(const char *text, uint64_t n)
{
    __asm__ volatile("rep outsb" : "+S"(text), "+c"(n) : "d"(PORT_CONSOLE) : "memory");
    return n;
}

static void out_backwards(const char *last, uint64_t n)
{
    __asm__ volatile("std\n\trep outsb\n\tcld" : "+S"(last), "+c"(n) : "d"(PORT_CONSOLE) : "memory");
}

static void show_output(void)
{
    static const char text[] = "forwards and";
    static const char reversed[] = "\nsdrawkcab ";

    print("%lu left\n", out_string(text, sizeof text - 1));
    out_backwards(&reversed[sizeof reversed - 2], sizeof reversed - 1);
}

/* ---- from a port ---- */

static uint64_t in_dwords(void *to, uint64_t n)
{
    uint64_t start = (uint64_t)to;

    __asm__ volatile("rep insl" : "+D"(to), "+c"(n) : "d"(PORT_NOBODY) : "memory");
    return (uint64_t)to - start;
}

static void show_input(void)
{
    uint8_t bytes[16];

    memset(bytes, 7, sizeof bytes);
    print("%lu bytes of nothing, ", in_dwords(bytes, 0));
    print("%lu bytes of ones:", in_dwords(bytes, 3));
    for (unsigned i = 0; i < sizeof bytes; i++)
        print(" %x", (unsigned)bytes[i]);
    print("\n");
}

/* ---- into pages that fault ---- */

static void on_page_fault(struct trap_frame *frame)
{
    fault_address = read_cr2();
    fault_error = frame->error;
    faults++;
    paging_map(pml4, fault_address, FRAME + fault_address % PAGE_2M, PAGE_4K, PTE_W);
    invlpg(fault_address);
}

static void show_faults(const char *what, uint64_t moved)
{
    print("%s: %lu bytes, %lu faults, the last at 0x%lx with error code %lu\n", what, moved, faults,
          fault_address, fault_error);
    faults = 0;
}

static void show_faulting_input(void)
{
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    write_cr3((uint64_t)pml4);
    set_cr0(CR0_WP);
    trap_set(VEC_PF, on_page_fault);
    show_faults("across two pages that are not there", in_dwords((void *)(FAR_GVA + PAGE_4K - 2), 2));
    paging_map(pml4, FAR_GVA, FRAME, PAGE_4K, 0);
    invlpg(FAR_GVA);
    show_faults("into a read-only page", in_dwords((void *)(FAR_GVA + 16), 1));
}

/* ---- step by step ---- */

static void on_debug(struct trap_frame *frame)
{
    (void)frame;
    steps++;
}

/* Eight instructions under TF: #DB after each, whoever executes it. */
static void show_steps(void)
{
    trap_set(VEC_DB, on_debug);
    __asm__ volatile("pushfq\n\t"
                     "orl %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "nop\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "cpuid\n\t"
                     "movl %1, %%edx\n\t"
                     "inl %%dx, %%eax\n\t"
                     "pushfq\n\t"
                     "andl %2, (%%rsp)\n\t"
                     "popfq"
                     :
                     : "i"(FLAG_TF), "i"(PORT_NOBODY), "i"(~FLAG_TF)
                     : "rax", "rbx", "rcx", "rdx", "memory", "cc");
    print("%lu steps\n", steps);
}

uint32_t guest_main(const char *args)
{
    (void)args;
    if (ram_bytes() < NEEDED_BYTES) {
        print("ports needs 4 MiB of RAM\n");
        return 1;
    }
    show_output();
    show_input();
    show_steps();
    show_faulting_input();
    return steps == 8 ? 0 : 1;
}
