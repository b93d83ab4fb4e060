/* ports - what IN leaves of RAX, string I/O, also where it faults, and single-stepping over instructions that
 * a hypervisor emulates: the places where emulation most easily differs from the machine. */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"

#define PORT_NOBODY    0x2000 /* reads as ones */
#define IDENTITY_BYTES UINT64_C(0x200000)
#define FRAME          UINT64_C(0x300000)
#define FAR_GVA        GVA(1, 0, 0, 0)
#define HUGE_GVA       GVA(3, 0, 0, 0)              /* 1 GiB from address 0 */
#define NOT_CANONICAL  UINT64_C(0x1000000000000000) /* + an address that is mapped */
#define LAST_CANONICAL UINT64_C(0x00007fffffffffff)
#define RESERVED_BIT   UINT64_C(0x0008000000000000) /* of every entry: bit 51 of an address */
#define PATTERN        UINT64_C(0x1122334455667788)
#define SS_PREFIX      0x36
#define NEEDED_BYTES   UINT64_C(0x400000)

static uint64_t *pml4;
static uint64_t steps, resuming_steps, faults, fault_address, fault_error, fault_flags;

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

/* IN to AL and AX leaves the rest of RAX, to EAX clears the upper half. */
static void show_rax(void)
{
    uint64_t al = PATTERN, ax = PATTERN, eax = PATTERN;

    __asm__ volatile("inb %%dx, %%al" : "+a"(al) : "d"(PORT_NOBODY));
    __asm__ volatile("inw %%dx, %%ax" : "+a"(ax) : "d"(PORT_NOBODY));
    __asm__ volatile("inl %%dx, %%eax" : "+a"(eax) : "d"(PORT_NOBODY));
    print("RAX after IN to AL 0x%016lx, to AX 0x%016lx, to EAX 0x%016lx\n", al, ax, eax);
}

/* ---- into pages that fault ---- */

static void on_page_fault(struct trap_frame *frame)
{
    fault_address = read_cr2();
    fault_error = frame->error;
    fault_flags = frame->rflags;
    faults++;
    paging_map(pml4, fault_address, FRAME + fault_address % PAGE_2M, PAGE_4K, PTE_W);
    invlpg(fault_address);
}

static void show_faults(const char *what, uint64_t moved)
{
    print("%s: %lu bytes, %lu faults, the last at 0x%lx with error code %lu and %s\n", what, moved, faults,
          fault_address, fault_error, fault_flags & FLAG_RF ? "RF" : "no RF");
    faults = 0;
}

static void show_faulting_input(void)
{
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    write_cr3((uint64_t)pml4);
    write_cr0(read_cr0() | CR0_WP);
    trap_set(VEC_PF, on_page_fault);
    show_faults("across two pages that are not there", in_dwords((void *)(FAR_GVA + PAGE_4K - 2), 2));
    paging_map(pml4, FAR_GVA, FRAME, PAGE_4K, 0);
    invlpg(FAR_GVA);
    show_faults("into a read-only page", in_dwords((void *)(FAR_GVA + 16), 1));
}

/* Into FAR_GVA, whose entry has one bit too many; the handler writes a good one. */
static void show_reserved(const char *what, uint64_t bit)
{
    *paging_entry(pml4, FAR_GVA, PAGE_4K) |= bit;
    invlpg(FAR_GVA);
    show_faults(what, in_dwords((void *)FAR_GVA, 1));
}

static void show_malformed_entries(void)
{
    show_reserved("through an entry with a reserved address bit", RESERVED_BIT);
    show_reserved("through an entry with NX, without NXE", PTE_NX);
}

/* ---- from a large page ---- */

static void show_huge_page(void)
{
    static const char text[] = "from a page of 1 GiB\n";

    paging_map(pml4, HUGE_GVA, 0, PAGE_1G, 0);
    out_string((const char *)(HUGE_GVA + (uint64_t)text), sizeof text - 1);
}

/* ---- at addresses that are not canonical ---- */

static void on_refusal(struct trap_frame *frame)
{
    const uint8_t *insn = (const uint8_t *)frame->rip;

    print("%s(%lu), %s\n", trap_name(frame->vector), frame->error, frame->rflags & FLAG_RF ? "RF" : "no RF");
    frame->rip += *insn == SS_PREFIX ? 2 : 1;
}

static void show_not_canonical(void)
{
    static const char text[] = "?";
    uint64_t from = NOT_CANONICAL + (uint64_t)text, to = NOT_CANONICAL + FAR_GVA, last = LAST_CANONICAL;

    trap_set(VEC_GP, on_refusal);
    trap_set(VEC_SS, on_refusal);
    print("OUTS from no canonical address: ");
    __asm__ volatile("outsb" : "+S"(from) : "d"(PORT_CONSOLE) : "memory");
    print("with SS: ");
    __asm__ volatile(".byte 0x36\n\toutsb" : "+S"(from) : "d"(PORT_CONSOLE) : "memory");
    print("INS to one: ");
    __asm__ volatile("insb" : "+D"(to) : "d"(PORT_NOBODY) : "memory");
    print("OUTS across the last: ");
    __asm__ volatile("outsl" : "+S"(last) : "d"(PORT_NOBODY) : "memory");
}

/* ---- step by step ---- */

/* A breakpoint would stop its instruction again. */
static void on_debug(struct trap_frame *frame)
{
    uint64_t dr6 = read_dr6();

    write_dr6(DR6_FIXED);
    if (dr6 & 1)
        print("at INS, ");
    if (dr6 & DR6_BS) {
        steps++;
        resuming_steps += !!(frame->rflags & FLAG_RF);
    } else {
        frame->rflags |= FLAG_RF;
    }
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

/* #DB after each element too, with RF but for the last; so the breakpoint on the instruction is met once. */
static void show_string_steps(void)
{
    uint8_t bytes[4], *to = bytes;
    uint64_t n = sizeof bytes, before = steps;

    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %%dr0\n\t"
                     "movl $1, %%eax\n\t"
                     "movq %%rax, %%dr7\n\t"
                     "pushfq\n\t"
                     "orl %2, (%%rsp)\n\t"
                     "popfq\n"
                     "1:\trep insb\n\t"
                     "pushfq\n\t"
                     "andl %4, (%%rsp)\n\t"
                     "popfq"
                     : "+D"(to), "+c"(n)
                     : "i"(FLAG_TF), "d"(PORT_NOBODY), "i"(~FLAG_TF)
                     : "rax", "memory", "cc");
    write_dr7(DR7_FIXED);
    print("%lu steps through INS, %lu of them with RF\n", steps - before, resuming_steps);
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
    show_rax();
    show_steps();
    show_string_steps();
    show_faulting_input();
    show_malformed_entries();
    show_huge_page();
    show_not_canonical();
    return steps > 8 ? 0 : 1;
}
