/* board - what a PC's kernel does first: it switches the 8259s off, measures the clocks by the 8254, finds
 * the processors by ACPI and by the MP table, sends the keyboard, the first UART and the timer through the
 * I/O APIC, and writes to the screen.
 *
 *     board [TICKS] [1]
 *
 * It waits for TICKS interrupts (default 3) of a timer of 100 Hz.  With 1 it prints what differs between
 * boards as well: where tables are, and frequencies. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/firmware.h"
#include "arch/insn.h"
#include "arch/ioapic.h"
#include "arch/pic.h"
#include "arch/pit.h"
#include "arch/ps2.h"
#include "arch/rtc.h"
#include "arch/vga.h"
#include "lib/args.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"

enum { VECTOR_TIMER = 0x40, VECTOR_KEYBOARD, VECTOR_CONSOLE, VECTOR_SPURIOUS = 0x4f };

#define CALIBRATION   11932 /* ticks of the 8254: 10 ms */
#define TIMER_DIVISOR 11932 /* 100 Hz */

static volatile uint32_t ticks, keys, console_interrupts, key_code;
static bool verbose;
static uint8_t pin_of_irq[16];
static uint64_t ioapic_at;

static uint32_t word(uint64_t at)
{
    return *(const volatile uint32_t *)at;
}

/* ---- 8259s ---- */

static void pics_off(void)
{
    static const uint16_t port[2] = {PORT_PIC, PORT_PIC2};

    for (unsigned i = 0; i < 2; i++) {
        out8(port[i], PIC_ICW1 | PIC_ICW1_ICW4);
        out8(port[i] + 1, (uint8_t)(0x20 + 8 * i));
        out8(port[i] + 1, i ? PIC_CASCADE : 1 << PIC_CASCADE);
        out8(port[i] + 1, PIC_ICW4_8086);
        out8(port[i] + 1, 0xff);
    }
    print("8259s: masked %02x %02x\n", (unsigned)in8(PORT_PIC + 1), (unsigned)in8(PORT_PIC2 + 1));
}

/* ---- clocks ---- */

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static uint32_t apic_read(uint32_t offset)
{
    return word(APIC_PHYS_BASE + offset);
}

/* Counter 2 in mode 0, with the speaker off. */
static void calibrate(void)
{
    uint64_t tsc;
    uint32_t apic;

    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    out8(PORT_SYSTEM_B, (uint8_t)((in8(PORT_SYSTEM_B) & ~SYSTEM_B_SPEAKER) | SYSTEM_B_GATE));
    out8(PORT_PIT_CONTROL, PIT_SELECT(2) | PIT_BOTH | PIT_MODE(0));
    out8(PORT_PIT(2), CALIBRATION & 0xff);
    apic_write(APIC_TIMER_INITIAL, 0xffffffff);
    out8(PORT_PIT(2), CALIBRATION >> 8);
    tsc = rdtsc();
    while (!(in8(PORT_SYSTEM_B) & SYSTEM_B_OUT))
        continue;
    tsc = rdtsc() - tsc;
    apic = 0xffffffff - apic_read(APIC_TIMER_CURRENT);
    apic_write(APIC_TIMER_INITIAL, 0);
    print("clocks: %s\n", tsc && apic ? "TSC and APIC timer run" : "stand still");
    if (verbose)
        print("10 ms are %lu cycles of the TSC, %u of the APIC timer\n", tsc, apic);
}

/* ---- tables ---- */

static bool sums_to_zero(uint64_t at, uint32_t n)
{
    uint8_t sum = 0;

    while (n--)
        sum = (uint8_t)(sum + *(const volatile uint8_t *)(at + n));
    return !sum;
}

static uint64_t find(uint64_t from, uint64_t to, const char *signature, unsigned n, unsigned checked)
{
    for (; from < to; from += 16)
        if (memcmp((const void *)from, signature, n) == 0 && sums_to_zero(from, checked))
            return from;
    return 0;
}

static void read_madt(uint64_t madt)
{
    uint64_t end = madt + word(madt + 4);
    uint32_t processors = 0;

    for (uint64_t at = madt + 44; at < end; at += ((const uint8_t *)at)[1]) {
        const uint8_t *entry = (const uint8_t *)at;

        if (entry[0] == 0)
            processors += entry[4] & 1;
        if (entry[0] == 1 && word(at + 8) == 0)
            ioapic_at = word(at + 4);
        if (entry[0] == 2 && entry[3] < 16)
            pin_of_irq[entry[3]] = entry[4];
    }
    print("MADT: %u processor%s, I/O APIC at 0x%lx, IRQ 0 at pin %u\n", processors, processors > 1 ? "s" : "",
          ioapic_at, (unsigned)pin_of_irq[0]);
}

/* By XSDT if there is one, else by RSDT. */
static void read_acpi(void)
{
    uint64_t rsdp = find(0xe0000, 0x100000, "RSD PTR ", 8, 20), root;
    bool extended = rsdp && ((const uint8_t *)rsdp)[15] >= 2;
    unsigned step = extended ? 8 : 4;

    if (!rsdp) {
        print("no RSDP\n");
        return;
    }
    root = extended ? word(rsdp + 24) : word(rsdp + 16);
    if (verbose)
        print("RSDP at 0x%lx, root table at 0x%lx\n", rsdp, root);
    for (uint64_t at = root + 36; at < root + word(root + 4); at += step) {
        uint64_t table = word(at);

        if (verbose)
            print("table %c%c%c%c\n", (char)word(table), (char)(word(table) >> 8), (char)(word(table) >> 16),
                  (char)(word(table) >> 24));
        if (!sums_to_zero(table, word(table + 4)))
            print("a table's checksum is wrong\n");
        if (memcmp((const void *)table, "APIC", 4) == 0)
            read_madt(table);
    }
}

static void read_mp_table(void)
{
    uint64_t pointer = find(0xf0000, 0x100000, "_MP_", 4, 16), table, at;
    uint32_t processors = 0, ioapics = 0, pin = 0;

    if (!pointer)
        pointer = find(0x9fc00, 0xa0000, "_MP_", 4, 16);
    if (!pointer) {
        print("no MP table\n");
        return;
    }
    table = word(pointer + 4);
    at = table + 44;
    for (unsigned n = word(table + 32) >> 16 & 0xffff; n--; at += *(const uint8_t *)at ? 8 : 20) {
        const uint8_t *entry = (const uint8_t *)at;

        processors += entry[0] == 0;
        ioapics += entry[0] == 2;
        if (entry[0] == 3 && entry[1] == 0 && entry[5] == 0 && !(entry[2] & 0xf))
            pin = entry[7];
    }
    print("MP table: %u processor%s, %u I/O APIC, IRQ 0 at pin %u, checksum %s\n", processors,
          processors > 1 ? "s" : "", ioapics, pin,
          sums_to_zero(table, word(table + 4) & 0xffff) ? "good" : "wrong");
}

/* ---- interrupts ---- */

static void on_timer(struct trap_frame *frame)
{
    (void)frame;
    ticks++;
    apic_write(APIC_EOI, 0);
}

static void on_key(struct trap_frame *frame)
{
    (void)frame;
    keys++;
    key_code = in8(PORT_PS2_DATA);
    apic_write(APIC_EOI, 0);
}

static void on_console(struct trap_frame *frame)
{
    (void)frame;
    console_interrupts++;
    in8(PORT_CONSOLE + UART_IIR);
    apic_write(APIC_EOI, 0);
}

static void ioapic_write(uint32_t number, uint32_t value)
{
    *(volatile uint32_t *)(ioapic_at + IOAPIC_SELECT) = number;
    *(volatile uint32_t *)(ioapic_at + IOAPIC_WINDOW) = value;
}

static void route(unsigned irq, unsigned vector, trap_handler *handler)
{
    trap_set(vector, handler);
    ioapic_write(IOAPIC_ENTRY(pin_of_irq[irq]) + 1, 0);
    ioapic_write(IOAPIC_ENTRY(pin_of_irq[irq]), vector);
}

static void wait_for(volatile uint32_t *count, uint32_t wanted)
{
    while (*count < wanted)
        wait_for_interrupt();
}

static void try_timer(uint32_t wanted)
{
    route(0, VECTOR_TIMER, on_timer);
    out8(PORT_PIT_CONTROL, PIT_SELECT(0) | PIT_BOTH | PIT_MODE(2));
    out8(PORT_PIT(0), TIMER_DIVISOR & 0xff);
    out8(PORT_PIT(0), TIMER_DIVISOR >> 8);
    wait_for(&ticks, wanted);
    ioapic_write(IOAPIC_ENTRY(pin_of_irq[0]), IOAPIC_MASKED);
    print("timer: %u interrupts\n", wanted);
}

static void keyboard_send(uint8_t port, uint8_t value)
{
    while (in8(PORT_PS2_COMMAND) & 2)
        continue;
    out8(port ? PORT_PS2_COMMAND : PORT_PS2_DATA, value);
}

static uint8_t keyboard_receive(void)
{
    while (!(in8(PORT_PS2_COMMAND) & PS2_STATUS_OUTPUT))
        continue;
    return in8(PORT_PS2_DATA);
}

/* The controller is tested by polling; then the echo of the keyboard interrupts. */
static void try_keyboard(void)
{
    while (in8(PORT_PS2_COMMAND) & PS2_STATUS_OUTPUT)
        in8(PORT_PS2_DATA);
    keyboard_send(1, PS2_SELF_TEST);
    print("keyboard: self test %02x", (unsigned)keyboard_receive());
    keyboard_send(1, PS2_TEST);
    print(", line %02x", (unsigned)keyboard_receive());
    keyboard_send(1, PS2_WRITE_CONFIG);
    keyboard_send(0, PS2_CONFIG_INTERRUPT | PS2_CONFIG_SYSTEM | PS2_CONFIG_TRANSLATE);
    route(1, VECTOR_KEYBOARD, on_key);
    keyboard_send(0, KEYBOARD_ECHO);
    wait_for(&keys, 1);
    print(", echo %02x by interrupt\n", key_code);
}

static void try_console(void)
{
    route(4, VECTOR_CONSOLE, on_console);
    out8(PORT_CONSOLE + UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
    out8(PORT_CONSOLE + UART_IER, UART_IER_TRANSMIT);
    wait_for(&console_interrupts, 1);
    out8(PORT_CONSOLE + UART_IER, 0);
    print("UART: the empty transmitter interrupts\n");
}

/* ---- screen and date ---- */

static void crtc_write(uint8_t at, uint8_t value)
{
    out8(PORT_CRTC, at);
    out8(PORT_CRTC + 1, value);
}

static uint8_t crtc_read(uint8_t at)
{
    out8(PORT_CRTC, at);
    return in8(PORT_CRTC + 1);
}

static void try_screen(const char *text)
{
    volatile uint16_t *cell = (volatile uint16_t *)(uintptr_t)VGA_TEXT;
    unsigned n = 0, at = 3 * VGA_COLUMNS;

    for (unsigned i = 0; i < VGA_COLUMNS * VGA_ROWS; i++)
        cell[i] = VGA_BLANK;
    for (; text[n]; n++)
        cell[at + n] = (uint16_t)(0x0a00 | (uint8_t)text[n]);
    crtc_write(CRTC_CURSOR, (uint8_t)((at + n) >> 8));
    crtc_write(CRTC_CURSOR + 1, (uint8_t)(at + n));
    print("screen: cursor at %u, ", (unsigned)crtc_read(CRTC_CURSOR) << 8 | crtc_read(CRTC_CURSOR + 1));
    while (in8(PORT_VGA_STATUS) & VGA_STATUS_RETRACE)
        continue;
    while (!(in8(PORT_VGA_STATUS) & VGA_STATUS_RETRACE))
        continue;
    print("the retrace comes\n");
}

static uint8_t cmos(uint8_t at)
{
    out8(PORT_RTC, at);
    return in8(PORT_RTC + 1);
}

static void try_clock(void)
{
    print("clock: %s, century %x\n", cmos(RTC_D) & RTC_D_VALID ? "valid" : "invalid",
          (unsigned)cmos(RTC_CENTURY));
    if (verbose)
        print("it is 20%02x-%02x-%02x\n", (unsigned)cmos(RTC_YEAR), (unsigned)cmos(RTC_MONTH),
              (unsigned)cmos(RTC_DAY));
}

uint32_t guest_main(const char *args)
{
    uint32_t wanted = (uint32_t)args_number(args, 1, 3);

    verbose = args_number(args, 2, 0) != 0;
    for (unsigned i = 0; i < 16; i++)
        pin_of_irq[i] = (uint8_t)i;
    traps_init();
    pics_off();
    calibrate();
    read_acpi();
    read_mp_table();
    if (!ioapic_at)
        return 1;
    try_timer(wanted);
    try_keyboard();
    try_console();
    try_screen("Hello from the board");
    try_clock();
    return 0;
}
