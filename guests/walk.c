/* walk - touches chosen addresses through 4-level tables of its own.
 *
 *     walk [4k|2m]        pages of 4 KiB (default) or 2 MiB, for code and data alike
 *
 * Each touch is the one instruction after a mark.  RAX is the mark's id, RDI the address that is about to be
 * touched, RSI 0 for a load and 1 for a store:
 *
 *     mark  touch             what it meets
 *       1   -                 about to drop all cached translations, in a VM by hypercall (INVEPT), bare by
 *                             MOV CR3; the next fetch walks
 *       2   load A            walks: nothing is cached but what that fetch's walk left
 *       3   load A again      no walk: the TLB has the page
 *       4   store to A        walks again: the TLB entry is clean, D must be set
 *       5   store to A again  no walk
 *       6   load B            same page table as A (in 2 MiB pages: the same page)
 *       7   load C            same page directory, another page table
 *       8   load D            same PDPT, another page directory
 *       9   load E            another PDPT: shares only the PML4
 *      10   -                 the end
 *
 * No instruction between marks 1 and 10 touches memory otherwise, and all lie in one page.  The indices of
 * the addresses in PML4, PDPT, page directory and page table are
 *     A 1,2,3,4   B 1,2,3,5   C 1,2,7,4   D 1,6,3,4   E 9,2,3,8 */
#include "lib/guest.h"

#include "arch/hypercall.h"
#include "arch/insn.h"
#include "lib/args.h"
#include "lib/hypervisor.h"
#include "lib/paging.h"
#include "lib/print.h"

#define PLACES         5
#define IDENTITY_BYTES UINT64_C(0x400000)
#define NEEDED_BYTES   UINT64_C(0x800000)

/* frame: guest-physical, of the 2 MiB page; the offset in it is that of the address, so it fits both page
 * sizes.  A and B share a 2 MiB page, and so do C, D and E. */
/* clang-format off */
static const struct place {
    const char *name;
    uint64_t gva, frame;
} places[PLACES] = {
    {"A", GVA(1, 2, 3, 4), 0x400000},
    {"B", GVA(1, 2, 3, 5), 0x400000},
    {"C", GVA(1, 2, 7, 4), 0x600000},
    {"D", GVA(1, 6, 3, 4), 0x600000},
    {"E", GVA(9, 2, 3, 8), 0x600000},
};
/* clang-format on */

static uint64_t frame_of(const struct place *p)
{
    return p->frame + p->gva % PAGE_2M;
}

/* D shares C's frame; each frame holds its own address, so that a load shows where it went. */
static void fill_frames(void)
{
    for (unsigned i = 0; i < PLACES; i++)
        *(volatile uint64_t *)frame_of(&places[i]) = frame_of(&places[i]);
}

static uint64_t *build_tables(uint64_t page_bytes)
{
    uint64_t *pml4 = paging_new();

    paging_identity(pml4, IDENTITY_BYTES, page_bytes);
    for (unsigned i = 0; i < PLACES; i++)
        paging_map(pml4, places[i].gva, frame_of(&places[i]), page_bytes, PTE_W);
    return pml4;
}

#define MARK(id, address, store) \
    "movl $" #id ", %%eax\n\t" \
    "movq %" address ", %%rdi\n\t" \
    "movl $" #store ", %%esi\n\t" \
    "xchg %%bx, %%bx\n\t"
#define LOAD  "movq (%%rdi), %%rdx\n\t"
#define STORE "movq %%rdx, (%%rdi)\n\t"

/* The documented sequence, in one page. */
static __attribute__((noinline, aligned(4096))) void touch_all(uint64_t in_vm)
{
    register uint64_t a __asm__("r8") = places[0].gva;
    register uint64_t b __asm__("r9") = places[1].gva;
    register uint64_t c __asm__("r10") = places[2].gva;
    register uint64_t d __asm__("r11") = places[3].gva;
    register uint64_t e __asm__("r12") = places[4].gva;
    register uint64_t cr3 __asm__("r13") = read_cr3();

    /* clang-format off */
    __asm__ volatile(MARK(1, "[a]", 0)
                     "testq %[in_vm], %[in_vm]\n\t"
                     "jz 1f\n\t"
                     "movl %[flush], %%eax\n\t"
                     "vmcall\n\t"
                     "jmp 2f\n"
                     "1:\tmovq %[cr3], %%cr3\n"
                     "2:\t" MARK(2, "[a]", 0) LOAD MARK(3, "[a]", 0) LOAD MARK(4, "[a]", 1) STORE
                     MARK(5, "[a]", 1) STORE MARK(6, "[b]", 0) LOAD MARK(7, "[c]", 0) LOAD
                     MARK(8, "[d]", 0) LOAD MARK(9, "[e]", 0) LOAD MARK(10, "[a]", 0)
                     :
                     : [in_vm] "r"(in_vm), [flush] "i"(HC_FLUSH), [cr3] "r"(cr3), [a] "r"(a), [b] "r"(b),
                       [c] "r"(c), [d] "r"(d), [e] "r"(e)
                     : "rax", "rdx", "rdi", "rsi", "memory", "cc");
    /* clang-format on */
}

uint32_t guest_main(const char *args)
{
    uint64_t page_bytes = args_is(args, 1, "2m") ? PAGE_2M : PAGE_4K;

    if (ram_bytes() < NEEDED_BYTES) {
        print("walk needs 8 MiB of RAM\n");
        return 1;
    }
    fill_frames();
    write_cr3((uint64_t)build_tables(page_bytes));
    print("own page tables, pages of %u KiB\n", (unsigned)(page_bytes >> 10));
    touch_all(hypervisor_present());
    for (unsigned i = 0; i < PLACES; i++)
        print("%s at 0x%012lx reads 0x%lx\n", places[i].name, places[i].gva,
              *(volatile uint64_t *)places[i].gva);
    return 0;
}
