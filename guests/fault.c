/* fault - a guest that faults and handles it.
 *
 *     fault [beyond]
 *
 * Marks (RAX the id, RDI the address), each followed by the instruction that faults:
 *
 *     1   load from a page that is not present: #PF.  The handler maps it, read-only, to a frame that
 *         nothing has touched yet, and the instruction runs again.  In a VM made with `lazy=yes` that second
 *         try is an EPT violation, which the hypervisor ends by giving the VM a page; the third succeeds.
 *     2   store to that page: #PF, since CR0.WP holds.  The handler makes it writable.
 *     3   DIV by zero: #DE, skipped
 *     4   INT3: #BP
 *     5   the end.  Nothing is printed before it, so between the marks there are no other exits.
 *
 * With `beyond`, last of all: mark 6, and a load from a guest-physical address that no RAM backs.  A bare
 * machine reads ones. */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/args.h"
#include "lib/mark.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/traps.h"

#define FAULT_GVA      GVA(2, 3, 4, 5)
#define FAULT_FRAME    UINT64_C(0x600000)
#define BEYOND_GVA     GVA(2, 3, 4, 6)
#define BEYOND_GPA     UINT64_C(0xc0000000)
#define IDENTITY_BYTES UINT64_C(0x400000)
#define NEEDED_BYTES   UINT64_C(0x800000)
#define RECORDS        8

static uint64_t *pml4;

static struct record {
    uint64_t vector, error, address;
} records[RECORDS];
static unsigned recorded;

static void record(const struct trap_frame *frame, uint64_t address)
{
    if (recorded < RECORDS)
        records[recorded++] = (struct record){frame->vector, frame->error, address};
}

static void on_page_fault(struct trap_frame *frame)
{
    uint64_t address = read_cr2();
    uint64_t flags = frame->error & PF_W ? PTE_W : 0;

    record(frame, address);
    if (address / PAGE_4K != FAULT_GVA / PAGE_4K) {
        print("page fault at 0x%lx, which is none of ours\n", address);
        debug_exit(1);
    }
    paging_map(pml4, FAULT_GVA, FAULT_FRAME, PAGE_4K, flags);
    invlpg(FAULT_GVA);
}

extern const char after_divide[];

static void on_divide(struct trap_frame *frame)
{
    record(frame, 0);
    frame->rip = (uint64_t)after_divide;
}

static void on_breakpoint(struct trap_frame *frame)
{
    record(frame, 0);
}

/* A load and a store that the faults hit; returns what the load read at last. */
static uint64_t touch(void)
{
    uint64_t value;

    mark(1, FAULT_GVA, 0);
    value = *(volatile uint64_t *)FAULT_GVA;
    mark(2, FAULT_GVA, 1);
    *(volatile uint64_t *)FAULT_GVA = 0x600d;
    mark(3, 0, 0);
    __asm__ volatile("xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tdivl %%ecx\n"
                     ".globl after_divide\nafter_divide:"
                     :
                     :
                     : "rax", "rcx", "rdx", "cc");
    mark(4, 0, 0);
    __asm__ volatile("int3");
    mark(5, 0, 0);
    return value;
}

static void report(const struct record *r)
{
    if (r->vector == VEC_PF)
        print("%s at 0x%lx, error code %lu: %s, %s, supervisor\n", trap_name(r->vector), r->address, r->error,
              r->error & PF_P ? "not permitted" : "not present", r->error & PF_W ? "store" : "load");
    else
        print("%s\n", trap_name(r->vector));
}

static void touch_beyond(void)
{
    paging_map(pml4, BEYOND_GVA, BEYOND_GPA, PAGE_4K, 0);
    mark(6, BEYOND_GVA, 0);
    print("beyond RAM: 0x%lx\n", *(volatile uint64_t *)BEYOND_GVA);
}

uint32_t guest_main(const char *args)
{
    if (ram_bytes() < NEEDED_BYTES) {
        print("fault needs 8 MiB of RAM\n");
        return 1;
    }
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    paging_map(pml4, FAULT_GVA, 0, PAGE_4K, 0);
    *paging_entry(pml4, FAULT_GVA, PAGE_4K) = 0; /* the tables are there, the page is not */
    write_cr3((uint64_t)pml4);
    write_cr0(read_cr0() | CR0_WP);
    trap_set(VEC_PF, on_page_fault);
    trap_set(VEC_DE, on_divide);
    trap_set(VEC_BP, on_breakpoint);
    print("first load: 0x%lx\n", touch());
    print("then: 0x%lx\n", *(volatile uint64_t *)FAULT_GVA);
    for (unsigned i = 0; i < recorded; i++)
        report(&records[i]);
    if (args_is(args, 1, "beyond"))
        touch_beyond();
    return recorded == 4 ? 0 : 1;
}
