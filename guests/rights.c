/* rights - string input and output through page tables of its own: what each entry forbids and what the
 * processor, or who emulates it, notes in it. */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/paging.h"
#include "lib/print.h"
#include "lib/traps.h"

#define PORT_NOBODY    0x2000 /* reads as ones */
#define IDENTITY_BYTES UINT64_C(0x200000)
#define FRAME          UINT64_C(0x300000)
#define TARGET         GVA(1, 2, 3, 4)
#define LARGE_TARGET   GVA(1, 2, 4, 0)
#define NEEDED_BYTES   UINT64_C(0x400000)
#define LEVELS         4
#define NOTED          (PTE_A | PTE_D)
#define SPLIT_2M       UINT64_C(0x2000) /* an address bit that a large page's entry must not have */

static uint64_t *pml4;
static uint64_t *entries[LEVELS]; /* on the way to TARGET, the PML4's first */
static uint64_t faults, error;

static void on_page_fault(struct trap_frame *frame)
{
    faults++;
    error = frame->error;
    frame->rip += 1; /* INSB and OUTSB */
}

static void in_byte(uint64_t to)
{
    __asm__ volatile("insb" : "+D"(to) : "d"(PORT_NOBODY) : "memory");
}

static void out_byte(uint64_t from)
{
    __asm__ volatile("outsb" : "+S"(from) : "d"(PORT_NOBODY) : "memory");
}

static void attempt(const char *what, void (*access)(uint64_t), uint64_t gva)
{
    faults = error = 0;
    write_cr3((uint64_t)pml4);
    access(gva);
    if (faults)
        print("%s: #PF(%lu)\n", what, error);
    else
        print("%s: done\n", what);
}

static void build(void)
{
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_2M);
    paging_map(pml4, TARGET, FRAME, PAGE_4K, PTE_W | PTE_U);
    paging_map(pml4, LARGE_TARGET, 0, PAGE_2M, PTE_W);
    entries[0] = &pml4[1];
    entries[1] = &((uint64_t *)(*entries[0] & PTE_ADDR))[2];
    entries[2] = &((uint64_t *)(*entries[1] & PTE_ADDR))[3];
    entries[3] = paging_entry(pml4, TARGET, PAGE_4K);
    write_cr3((uint64_t)pml4);
    write_cr0(read_cr0() | CR0_WP);
}

/* ---- accessed and dirty ---- */

static void attempt_noted(const char *what, void (*access)(uint64_t))
{
    for (unsigned i = 0; i < LEVELS; i++)
        *entries[i] &= ~(uint64_t)NOTED;
    attempt(what, access, TARGET);
    for (unsigned i = 0; i < LEVELS; i++)
        print(" %c%c", *entries[i] & PTE_A ? 'A' : '-', *entries[i] & PTE_D ? 'D' : '-');
    print("\n");
}

static void show_noted(void)
{
    attempt_noted("OUTS", out_byte);
    attempt_noted("INS", in_byte);
}

/* ---- entries that forbid ---- */

/* `less` and `more`: bits that the entry at `level` loses and gets for the time of two accesses. */
static void show_entry(const char *what, uint64_t *entry, uint64_t less, uint64_t more, uint64_t gva)
{
    uint64_t before = *entry;

    print("%s\n", what);
    *entry = (before & ~less) | more;
    attempt(" OUTS", out_byte, gva);
    attempt(" INS", in_byte, gva);
    *entry = before;
}

static void show_entries(void)
{
    static const char *const name[LEVELS] = {"PML4E", "PDPTE", "PDE", "PTE"};

    for (unsigned i = 0; i < LEVELS; i++) {
        print("%s ", name[i]);
        show_entry("not present", entries[i], PTE_P, 0, TARGET);
        print("%s ", name[i]);
        show_entry("read-only", entries[i], PTE_W, 0, TARGET);
    }
    show_entry("PML4E with PS", entries[0], PTE_ADDR, PTE_PS, TARGET);
    show_entry("large page that is not aligned", paging_entry(pml4, LARGE_TARGET, PAGE_2M), 0, SPLIT_2M,
               LARGE_TARGET);
}

/* ---- registers that change the rules ---- */

static void show_registers(void)
{
    write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
    show_entry("read-only, without WP", entries[3], PTE_W, 0, TARGET);
    write_cr0(read_cr0() | CR0_WP);
    write_cr4(read_cr4() | CR4_SMAP);
    show_entry("user page with SMAP", entries[3], 0, 0, TARGET);
    __asm__ volatile("stac" : : : "cc");
    show_entry("and AC", entries[3], 0, 0, TARGET);
    __asm__ volatile("clac" : : : "cc");
    show_entry("supervisor PDE with SMAP", entries[2], PTE_U, 0, TARGET);
    write_cr4(read_cr4() & ~(uint64_t)CR4_SMAP);
}

uint32_t guest_main(const char *args)
{
    (void)args;
    if (ram_bytes() < NEEDED_BYTES) {
        print("rights needs 4 MiB of RAM\n");
        return 1;
    }
    build();
    trap_set(VEC_PF, on_page_fault);
    show_noted();
    show_entries();
    show_registers();
    return 0;
}
