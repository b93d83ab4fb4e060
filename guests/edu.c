/* edu - drives the edu device: a factorial, DMA there and back, and interrupts by MSI.  The device is QEMU's
 * as well.
 *
 *     edu [N] [BYTES] [code]
 *
 * The factorial of N (default 10); a block of BYTES bytes (default 1000, at most 4096).  code: also code
 * that DMA writes over while it runs.
 *
 * Marks: 1 and 2 around each transfer: RDI is 0 for the one to the device, 1 for the one back. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/edu.h"
#include "arch/insn.h"
#include "lib/args.h"
#include "lib/mark.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/traps.h"

#define VECTOR_EDU      0x35
#define VECTOR_SPURIOUS 0x4f
#define CODE_AT         4000 /* in `back` */

static uint64_t bar;
static volatile uint32_t interrupts, reasons;
static uint8_t there[EDU_DMA_BUFFER_BYTES], back[EDU_DMA_BUFFER_BYTES];

static uint32_t edu_read(uint32_t at)
{
    return *(volatile uint32_t *)(bar + at);
}

static void edu_write(uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(bar + at) = value;
}

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static void on_edu(struct trap_frame *frame)
{
    uint32_t reason = edu_read(EDU_IRQ_STATUS);

    (void)frame;
    interrupts++;
    reasons |= reason;
    edu_write(EDU_IRQ_ACK, reason);
    apic_write(APIC_EOI, 0);
}

static void wait(uint32_t wanted)
{
    while (interrupts < wanted)
        wait_for_interrupt();
}

static void factorial(uint32_t n)
{
    edu_write(EDU_STATUS, EDU_STATUS_INTERRUPT);
    edu_write(EDU_FACTORIAL, n);
    wait(1);
    print("%u! = %u modulo 2^32, status %x\n", n, edu_read(EDU_FACTORIAL), edu_read(EDU_STATUS));
}

static void start_move(uint64_t source, uint64_t destination, uint32_t n, uint32_t command)
{
    *(volatile uint64_t *)(bar + EDU_DMA_SOURCE) = source;
    *(volatile uint64_t *)(bar + EDU_DMA_DEST) = destination;
    edu_write(EDU_DMA_COUNT, n);
    edu_write(EDU_DMA_COMMAND, command | EDU_DMA_START);
}

static void move(uint64_t source, uint64_t destination, uint32_t n, uint32_t command)
{
    uint32_t wanted = interrupts + 1;

    mark(1, command & EDU_DMA_TO_RAM, n);
    start_move(source, destination, n, command);
    if (command & EDU_DMA_INTERRUPT)
        wait(wanted);
    while (edu_read(EDU_DMA_COMMAND) & EDU_DMA_START)
        continue;
    mark(2, command & EDU_DMA_TO_RAM, n);
}

static uint32_t different(uint32_t n)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < EDU_DMA_BUFFER_BYTES; i++)
        count += back[i] != (i < n ? there[i] : 0);
    return count;
}

static void dma(uint32_t n)
{
    for (uint32_t i = 0; i < EDU_DMA_BUFFER_BYTES; i++) {
        there[i] = (uint8_t)(i * 7 + 3);
        back[i] = 0;
    }
    move((uint64_t)there, EDU_DMA_BUFFER, n, 0);
    move(EDU_DMA_BUFFER, (uint64_t)back, n, EDU_DMA_TO_RAM | EDU_DMA_INTERRUPT);
    print("%u bytes there and back, %u differ\n", n, different(n));
}

/* Calls what would spin for ever, if DMA did not write over it meanwhile: at the end of a long transfer. */
static void code(void)
{
    static const uint8_t spin[] = {0xeb, 0xfe, 0xb8, 1, 0, 0, 0, 0xc3};  /* L: jmp L; mov eax, 1; ret */
    static const uint8_t other[] = {0x90, 0x90, 0xb8, 2, 0, 0, 0, 0xc3}; /* nop; nop; mov eax, 2; ret */
    uint32_t (*volatile call)(void) = (uint32_t(*)(void))(uintptr_t)(back + CODE_AT);

    for (uint32_t i = 0; i < sizeof spin; i++) {
        there[CODE_AT + i] = other[i];
        back[CODE_AT + i] = spin[i];
    }
    move((uint64_t)there, EDU_DMA_BUFFER, CODE_AT + sizeof spin, 0);
    start_move(EDU_DMA_BUFFER, (uint64_t)back, CODE_AT + sizeof spin, EDU_DMA_TO_RAM);
    print("code that DMA has written: %u\n", call());
    while (edu_read(EDU_DMA_COMMAND) & EDU_DMA_START)
        continue;
}

uint32_t guest_main(const char *args)
{
    uint32_t n = (uint32_t)args_number(args, 1, 10), bytes = (uint32_t)args_number(args, 2, 1000);
    uint32_t slot = pci_find(EDU_VENDOR, EDU_DEVICE, 0);

    if (slot == PCI_NOWHERE || bytes > EDU_DMA_BUFFER_BYTES) {
        print(slot == PCI_NOWHERE ? "there is no edu device\n" : "at most 4096 bytes\n");
        return 1;
    }
    out8(PORT_PIC_MASK, 0xff);
    out8(PORT_PIC2_MASK, 0xff);
    traps_init();
    trap_set(VECTOR_EDU, on_edu);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    pci_enable(slot);
    bar = pci_bar(slot, 0);
    bool msi = pci_enable_msi(slot, VECTOR_EDU, 0);
    edu_write(EDU_LIVENESS, 0x12345678);
    print("edu: id %08x, liveness %08x, %s\n", edu_read(EDU_ID), edu_read(EDU_LIVENESS),
          msi ? "MSI" : "no MSI");
    factorial(n);
    if (args_is(args, 3, "code"))
        code();
    dma(bytes);
    print("%u interrupts, reasons %03x\n", interrupts, reasons);
    return different(bytes) ? 1 : 0;
}
