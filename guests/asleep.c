/* asleep - sleeps in HLT, where nothing but a byte at the console or a key wakes it, and tells what has come.
 *
 *     asleep [WHAT [pic]]
 *
 * WHAT: `console` (the default), `keys`, `both`, or `nothing`, which sleeps for ever.  With `pic` interrupts
 * come by the 8259, else by the I/O APIC.  `q`, or the key Esc, ends it. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/board.h"
#include "arch/insn.h"
#include "arch/ioapic.h"
#include "arch/pic.h"
#include "arch/ps2.h"
#include "lib/args.h"
#include "lib/print.h"
#include "lib/traps.h"

enum { VECTOR_PIC = 0x40, VECTOR_SPURIOUS = 0x5f, KEY_ESCAPE = 0x01 };

#define IRQ_KEYS    1
#define IRQ_CONSOLE 4

static bool over, by_pic;

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static void ioapic_write(uint32_t number, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(IOAPIC_BASE + IOAPIC_SELECT) = number;
    *(volatile uint32_t *)(uintptr_t)(IOAPIC_BASE + IOAPIC_WINDOW) = value;
}

static void end_of_interrupt(void)
{
    if (by_pic)
        out8(PORT_PIC, PIC_OCW2_EOI);
    else
        apic_write(APIC_EOI, 0);
}

static void on_console(struct trap_frame *frame)
{
    (void)frame;
    while (in8(PORT_CONSOLE + UART_LSR) & UART_LSR_READY) {
        uint8_t byte = in8(PORT_CONSOLE + UART_RBR);

        print("byte %02x\n", (unsigned)byte);
        over = over || byte == 'q';
    }
    end_of_interrupt();
}

static void on_key(struct trap_frame *frame)
{
    uint8_t code = in8(PORT_PS2_DATA);

    (void)frame;
    print("key %02x\n", (unsigned)code);
    over = over || code == KEY_ESCAPE;
    end_of_interrupt();
}

static void hear(unsigned irq, trap_handler *handler)
{
    trap_set(VECTOR_PIC + irq, handler);
    if (by_pic) {
        out8(PORT_PIC + 1, in8(PORT_PIC + 1) & (uint8_t) ~(1u << irq));
    } else {
        ioapic_write(IOAPIC_ENTRY(irq) + 1, 0);
        ioapic_write(IOAPIC_ENTRY(irq), VECTOR_PIC + irq);
    }
}

static void begin_pic(void)
{
    out8(PORT_PIC, PIC_ICW1 | PIC_ICW1_ICW4);
    out8(PORT_PIC + 1, VECTOR_PIC);
    out8(PORT_PIC + 1, 1 << PIC_CASCADE);
    out8(PORT_PIC + 1, PIC_ICW4_8086);
    out8(PORT_PIC + 1, 0xff);
    apic_write(APIC_LVT_LINT0, APIC_LVT_DELIVERY_EXTINT);
}

uint32_t guest_main(const char *args)
{
    bool both = args_is(args, 1, "both"), keys = both || args_is(args, 1, "keys"),
         nothing = args_is(args, 1, "nothing");

    by_pic = args_is(args, 2, "pic");
    traps_init();
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    begin_pic();
    if (keys)
        hear(IRQ_KEYS, on_key);
    if (!nothing && (both || !keys)) {
        hear(IRQ_CONSOLE, on_console);
        out8(PORT_CONSOLE + UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
        out8(PORT_CONSOLE + UART_IER, UART_IER_RECEIVE);
    }
    print("asleep\n");
    while (!over)
        wait_for_interrupt();
    return 0;
}
