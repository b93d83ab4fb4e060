/* registers - instructions of each kind on a device's registers, also where they fault, and BARs that move:
 * the places where emulation most easily differs from the machine.  The device is edu, whose DMA source and
 * destination hold whatever is written to them.  Under page tables of its own. */
#include "lib/guest.h"

#include "arch/edu.h"
#include "arch/insn.h"
#include "lib/paging.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"

#define IDENTITY_BYTES UINT64_C(0x200000)
#define FRAMES         UINT64_C(0x300000)
#define BAR_GVA        GVA(1, 0, 0, 0)
#define CODE_GVA       GVA(2, 0, 0, 0)
#define DATA_GVA       GVA(2, 0, 1, 0) /* the page after it is not mapped */
#define PATTERN        UINT64_C(0x1122334455667788)
#define ELSEWHERE      0xf8000000u
#define NOT_CANONICAL  UINT64_C(0x1000000000000000)

static uint32_t slot;
static uint64_t *pml4;
static uint64_t faults, fault_address, fault_error, fault_vector, steps;

static volatile uint64_t *reg64(uint64_t at)
{
    return (volatile uint64_t *)(BAR_GVA + at);
}

/* ---- one instruction on the source register, which holds PATTERN before ---- */

#define TRY(name, code, value) \
    do { \
        uint64_t a_ = (value), flags_; \
        *reg64(EDU_DMA_SOURCE) = PATTERN; \
        __asm__ volatile("stc\n\t" code "\n\tpushfq\n\tpopq %1" \
                         : "+a"(a_), "=&r"(flags_) \
                         : "b"(reg64(EDU_DMA_SOURCE)) \
                         : "cc", "memory"); \
        print("%s: %016lx, register %016lx, flags %03lx\n", name, a_, *reg64(EDU_DMA_SOURCE), \
              flags_ &FLAGS_STATUS); \
    } while (0)

static void moves(void)
{
    TRY("mov from, 4", "movl (%%rbx), %%eax", UINT64_MAX);
    TRY("mov from, 8", "movq (%%rbx), %%rax", 0);
    TRY("mov to, 4", "movl %%eax, 4(%%rbx)", 0x99aabbccddeeff00);
    TRY("mov to, 8", "movq %%rax, (%%rbx)", 0x99aabbccddeeff00);
    TRY("mov constant", "movq $-2, (%%rbx)", 0);
    TRY("movslq", "movslq (%%rbx), %%rax", 0);
    TRY("movzbl", "movzbl (%%rbx), %%eax", UINT64_MAX); /* the device has no registers of a byte */
    TRY("movsbl", "movsbl (%%rbx), %%eax", 0);
    TRY("movzwl", "movzwl (%%rbx), %%eax", UINT64_MAX);
    TRY("mov to ah", "movb (%%rbx), %%ah", 0);
    TRY("xchg", "xchgq %%rax, (%%rbx)", 5);
}

static void arithmetic(void)
{
    TRY("add to", "addl %%eax, (%%rbx)", 0x80000000);
    TRY("add from", "addq (%%rbx), %%rax", 0xeeddccbbaa998878);
    TRY("adc to", "adcq $1, (%%rbx)", 0);
    TRY("sbb from", "sbbl (%%rbx), %%eax", 0);
    TRY("sub to", "lock subq %%rax, (%%rbx)", PATTERN + 1);
    TRY("and to", "andl $0xff00, (%%rbx)", 0);
    TRY("or to", "orq %%rax, (%%rbx)", UINT64_C(1) << 63);
    TRY("xor from", "xorl (%%rbx), %%eax", 0x55667788);
    TRY("cmp", "cmpl %%eax, (%%rbx)", 0x55667788);
    TRY("test", "testl $0x80000000, (%%rbx)", 0);
    TRY("inc", "incl (%%rbx)", 0);
    TRY("dec", "decq (%%rbx)", 0);
    TRY("neg", "negl (%%rbx)", 0);
    TRY("not", "notq (%%rbx)", 0);
    TRY("bt", "btl %%eax, (%%rbx)", 35);
    TRY("bts", "btsq $63, (%%rbx)", 0);
    TRY("btr", "lock btrl $3, (%%rbx)", 0);
    TRY("btc", "btcq %%rax, (%%rbx)", 64 + 3); /* of the next register */
}

/* ---- strings ---- */

static uint64_t move_words(uint64_t to, uint64_t from, uint64_t n)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return n;
}

static void strings(void)
{
    static uint64_t two[2] = {0x0102030405060708, 0x1112131415161718}, back[2];
    uint64_t to = BAR_GVA + EDU_DMA_SOURCE, n = 2, from = to, value;

    print("rep movs: %lu left", move_words(to, (uint64_t)two, 2));
    print(", %lu left", move_words((uint64_t)back, to, 2));
    print(": %016lx %016lx\n", back[0], back[1]);
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(PATTERN) : "memory");
    print("rep stos: %lu left, %lu on: %016lx %016lx\n", n, to - from, *reg64(EDU_DMA_SOURCE),
          *reg64(EDU_DMA_DEST));
    *reg64(EDU_DMA_DEST) = 5;
    n = 9;
    to = from;
    __asm__ volatile("repe scasq" : "+D"(to), "+c"(n) : "a"(PATTERN) : "memory", "cc");
    print("repe scas: %lu left, %lu on\n", n, to - from);
    from += 8;
    __asm__ volatile("std\n\tlodsq\n\tcld" : "+S"(from), "=a"(value) : : "memory");
    print("lods, backwards: %016lx\n", value);
}

/* ---- faults ---- */

/* The handler ends a REP, and takes a load's address away. */
static void on_fault(struct trap_frame *frame)
{
    faults++;
    fault_vector = frame->vector;
    fault_address = frame->vector == VEC_PF ? read_cr2() : 0;
    fault_error = frame->error;
    frame->rcx = 0;
}

static void show_fault(const char *what)
{
    print("%s: %lu faults, the last %s at 0x%lx, error code %lx\n", what, faults, trap_name(fault_vector),
          fault_address, fault_error);
    faults = 0;
}

/* The other operand of a string instruction is in a page that is not there, not to be written, or nowhere. */
static void operand_faults(void)
{
    uint64_t device = BAR_GVA + EDU_DMA_SOURCE, end = DATA_GVA + PAGE_4K;

    *reg64(EDU_DMA_SOURCE) = *reg64(EDU_DMA_DEST) = 0;
    move_words(device, end - 8, 2);
    print("%016lx %016lx, ", *reg64(EDU_DMA_SOURCE), *reg64(EDU_DMA_DEST));
    show_fault("the second word");
    move_words(end - 4, device, 1);
    show_fault("across two pages");
    *paging_entry(pml4, DATA_GVA, PAGE_4K) &= ~(uint64_t)PTE_W;
    invlpg(DATA_GVA);
    move_words(DATA_GVA, device, 1);
    show_fault("read-only");
    move_words(device, NOT_CANONICAL, 1);
    show_fault("not canonical");
}

/* mov (%rdi), %eax across the end of a page; ret. */
static void across_pages(void)
{
    static const uint8_t code[] = {0x8b, 0x87, 0x88, 0, 0, 0, 0xc3}; /* mov 0x88(%rdi), %eax */
    uint64_t at = CODE_GVA + PAGE_4K - 3;
    uint32_t value;

    memcpy((void *)at, code, sizeof code);
    *reg64(EDU_DMA_DEST) = PATTERN;
    __asm__ volatile("call *%1" : "=a"(value) : "r"(at), "D"(BAR_GVA) : "memory");
    print("an instruction in two pages: %x\n", value);
}

static void on_step(struct trap_frame *frame)
{
    (void)frame;
    steps++;
}

/* The trap comes after the emulated instruction, and after each iteration of a string instruction. */
static void single_step(void)
{
    uint64_t to = BAR_GVA + EDU_DMA_SOURCE, n = 2;

    __asm__ volatile("pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
                     "addq $1, (%%rdi)\n\trep stosq\n\t"
                     "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq"
                     : "+D"(to), "+c"(n)
                     : "a"(PATTERN)
                     : "memory", "cc");
    print("%lu single steps\n", steps);
}

/* ---- BARs ---- */

static void map_bar(void)
{
    paging_map(pml4, BAR_GVA, pci_bar(slot, 0), PAGE_4K, PTE_W);
    invlpg(BAR_GVA);
}

static void bars(void)
{
    uint32_t here = pci_read(slot, PCI_BAR(0));

    pci_write16(slot, PCI_COMMAND, 0);
    pci_write(slot, PCI_BAR(0), 0xffffffff);
    print("BAR 0 has %u bytes, BAR 1 reads %x\n", ~(pci_read(slot, PCI_BAR(0)) & ~15u) + 1,
          pci_read(slot, PCI_BAR(1)));
    pci_write(slot, PCI_BAR(0), ELSEWHERE + 0x1234);
    print("at %x", pci_read(slot, PCI_BAR(0)));
    pci_enable(slot);
    map_bar();
    print(" its id is %x\n", *(volatile uint32_t *)BAR_GVA);
    pci_write(slot, PCI_BAR(0), here);
    map_bar();
    print("back, its id is %x\n", *(volatile uint32_t *)BAR_GVA);
    pci_write(slot, PCI_VENDOR, 0);
    print("slot: %x, class %x; the next slots %x %x\n", pci_read(slot, PCI_VENDOR),
          pci_read(slot, PCI_REVISION), pci_read(slot + 1, PCI_VENDOR), pci_read(slot + 9, PCI_VENDOR));
    out16(PORT_PCI_ADDRESS, 0);
    out8(PORT_PCI_ADDRESS + 1, 0);
    print("by bytes: %x %x %x\n", (unsigned)in8(PORT_PCI_DATA), (unsigned)in8(PORT_PCI_DATA + 3),
          (unsigned)in16(PORT_PCI_DATA + 2));
}

uint32_t guest_main(const char *args)
{
    (void)args;
    slot = pci_find(EDU_VENDOR, EDU_DEVICE, 0);
    if (slot == PCI_NOWHERE) {
        print("there is no edu device\n");
        return 1;
    }
    traps_init();
    trap_set(VEC_PF, on_fault);
    trap_set(VEC_GP, on_fault);
    trap_set(VEC_DB, on_step);
    pci_enable(slot);
    pml4 = paging_new();
    paging_identity(pml4, IDENTITY_BYTES, PAGE_4K);
    paging_map(pml4, CODE_GVA, FRAMES + PAGE_4K, PAGE_4K, PTE_W);
    paging_map(pml4, CODE_GVA + PAGE_4K, FRAMES, PAGE_4K, PTE_W);
    paging_map(pml4, DATA_GVA, FRAMES + 2 * PAGE_4K, PAGE_4K, PTE_W);
    paging_map(pml4, BAR_GVA, pci_bar(slot, 0), PAGE_4K, PTE_W);
    write_cr3((uint64_t)pml4);
    moves();
    arithmetic();
    strings();
    operand_faults();
    across_pages();
    single_step();
    bars();
    return 0;
}
