/* test_legacy.c - the PC's own devices: 8259s, 8254, the UARTs' interrupts (docs/machine.md, "The board"). */
#include "arch/apic.h"
#include "arch/board.h"
#include "arch/ioapic.h"
#include "arch/pic.h"
#include "arch/pit.h"
#include "arch/power.h"
#include "arch/ps2.h"
#include "arch/rtc.h"
#include "arch/vga.h"
#include "cpu/cpu.h"
#include "dev/device.h"
#include "lib/bare.h"
#include "lib/chance.h"
#include "lib/suite.h"
#include "schedule.h"

#include <check.h>
#include <string.h>

#define VECTOR 0x41
#define IPI    150 /* ipi_latency */
#define BUSY   10  /* mem_busy */
#define TIMER  2   /* the I/O APIC's pin */

static struct bare b;
static struct machine *m;
static struct core *c;

static void set_up(void)
{
    bare_open(&b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK);
    m = b.machine;
    c = b.core;
    apic_write(c, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    c->s.cycle = 1000;
}

static void tear_down(void)
{
    bare_close(&b);
}

static u8 in(u16 port)
{
    return (u8)board_in(c, port, 1);
}

static void out(u16 port, u8 value)
{
    board_out(c, port, 1, value);
}

static void io_write(unsigned number, u64 value)
{
    board_mmio_write(c, IOAPIC_BASE + IOAPIC_SELECT, 4, number);
    board_mmio_write(c, IOAPIC_BASE + IOAPIC_WINDOW, 4, value);
}

/* All atoms of devices that are due by now, and what they send has arrived. */
static void settle(void)
{
    while (devices_next_due(m) <= c->s.cycle)
        devices_atom(m);
    c->s.cycle += IPI + BUSY;
    cpu_between_instructions(c);
}

/* ---- 8259s ---- */

static void remap(u8 mode)
{
    static const u16 port[2] = {PORT_PIC, PORT_PIC2};
    for (unsigned i = 0; i < 2; i++) {
        out(port[i], PIC_ICW1 | PIC_ICW1_ICW4);
        out((u16)(port[i] + 1), (u8)(0x20 + 8 * i));
        out((u16)(port[i] + 1), i ? PIC_CASCADE : 1 << PIC_CASCADE);
        out((u16)(port[i] + 1), PIC_ICW4_8086 | mode);
    }
}

/* By what is wired: the second UART is IRQ 3, the first IRQ 4. */
static void raise_uart(u16 base, bool level)
{
    out(base + UART_MCR, UART_MCR_OUT2);
    out(base + UART_IER, level ? UART_IER_TRANSMIT : 0);
}

static void virtual_wire(void)
{
    apic_write(c, APIC_LVT_LINT0, APIC_LVT_DELIVERY_EXTINT);
}

START_TEST(pics_are_masked_and_can_be_switched_off)
{
    ck_assert_uint_eq(in(PORT_PIC_MASK), 0xff);
    ck_assert_uint_eq(in(PORT_PIC2_MASK), 0xff);
    remap(0);
    ck_assert_uint_eq(in(PORT_PIC_MASK), 0);
    out(PORT_PIC_MASK, 0xff);
    out(PORT_PIC2_MASK, 0xff);
    virtual_wire();
    raise_uart(PORT_CONSOLE, true);
    ck_assert_int_eq(apic_pending_vector(c), -1);
    ck_assert_uint_eq(in(PORT_PIC)&0x10, 0x10); /* the request waits */
}
END_TEST

START_TEST(a_request_is_served_and_ended)
{
    remap(0);
    virtual_wire();
    out(PORT_PIC_MASK, 0x01); /* not the timer */
    ck_assert_int_eq(apic_pending_vector(c), -1);
    raise_uart(PORT_CONSOLE, true);
    ck_assert_int_eq(apic_pending_vector(c), 0x24);
    raise_uart(PORT_MANAGEMENT, true);
    ck_assert_int_eq(apic_acknowledge(c), 0x23); /* the higher one */
    ck_assert_int_eq(apic_pending_vector(c), -1);
    out(PORT_PIC, PIC_OCW3 | PIC_OCW3_READ_ISR);
    ck_assert_uint_eq(in(PORT_PIC), 0x08);
    out(PORT_PIC, PIC_OCW3 | PIC_OCW3_READ_IRR);
    ck_assert_uint_eq(in(PORT_PIC)&0xfe, 0x10);
    out(PORT_PIC, PIC_OCW2_EOI);
    ck_assert_int_eq(apic_acknowledge(c), 0x24);
    out(PORT_PIC, PIC_OCW2_EOI | PIC_OCW2_SPECIFIC | 4);
    out(PORT_PIC, PIC_OCW3 | PIC_OCW3_READ_ISR);
    ck_assert_uint_eq(in(PORT_PIC), 0);
}
END_TEST

START_TEST(the_core_takes_what_the_pics_give)
{
    bare_put(&b, BARE_CODE, "\xfb\xf4\xeb\xfd", 4); /* sti; hlt; jmp to hlt */
    remap(0);
    out(PORT_PIC_MASK, 0xef);
    virtual_wire();
    raise_uart(PORT_CONSOLE, true);
    bare_atoms(&b, 3);
    ck_assert_uint_eq(c->s.rip, bare_handler(0x24));
    ck_assert_uint_eq(apic_read(c, APIC_ISR + 0x10), 0); /* the local APIC has no part in it */
}
END_TEST

START_TEST(priorities_turn)
{
    remap(0);
    out(PORT_PIC_MASK, 0x01);
    raise_uart(PORT_CONSOLE, true);
    raise_uart(PORT_MANAGEMENT, true);
    out(PORT_PIC, PIC_OCW2_ROTATE | PIC_OCW2_SPECIFIC | 3); /* 3 is the lowest, 4 the highest */
    virtual_wire();
    ck_assert_int_eq(apic_acknowledge(c), 0x24);
    out(PORT_PIC, PIC_OCW2_EOI | PIC_OCW2_ROTATE); /* 4 the lowest: 5, 6, 7, 0, 1, 2, 3 */
    raise_uart(PORT_CONSOLE, false);
    raise_uart(PORT_CONSOLE, true);
    ck_assert_int_eq(apic_acknowledge(c), 0x23);
}
END_TEST

START_TEST(a_poll_acknowledges)
{
    remap(0);
    out(PORT_PIC_MASK, 0x01);
    raise_uart(PORT_CONSOLE, true);
    out(PORT_PIC, PIC_OCW3 | PIC_OCW3_POLL);
    ck_assert_uint_eq(in(PORT_PIC), 0x84);
    out(PORT_PIC, PIC_OCW3 | PIC_OCW3_POLL);
    ck_assert_uint_eq(in(PORT_PIC), 0);
}
END_TEST

START_TEST(a_level_that_goes_is_spurious)
{
    remap(PIC_ICW4_AUTO);
    out(PORT_ELCR, 0xff);
    ck_assert_uint_eq(in(PORT_ELCR), PIC_ELCR_BITS);
    out(PORT_PIC_MASK, 0xef);
    virtual_wire();
    raise_uart(PORT_CONSOLE, true);
    ck_assert_int_eq(apic_acknowledge(c), 0x24);
    ck_assert_int_eq(apic_acknowledge(c), 0x24); /* automatic EOI, and the line is still asserted */
    raise_uart(PORT_CONSOLE, false);
    ck_assert_int_eq(apic_pending_vector(c), -1);
    ck_assert_uint_eq(board_acknowledge(m), 0x27);
}
END_TEST

/* ---- 8254 ---- */

#define HZ  UINT64_C(1000000000)
#define CLK UINT64_C(1193182)

static void program(unsigned counter, unsigned mode, unsigned count)
{
    out(PORT_PIT_CONTROL, (u8)(PIT_SELECT(counter) | PIT_BOTH | PIT_MODE(mode)));
    out((u16)PORT_PIT(counter), (u8)count);
    out((u16)PORT_PIT(counter), (u8)(count >> 8));
}

static unsigned count_now(unsigned counter)
{
    out(PORT_PIT_CONTROL, (u8)(PIT_SELECT(counter) | PIT_LATCH));
    unsigned low = in((u16)PORT_PIT(counter));
    return low | (unsigned)in((u16)PORT_PIT(counter)) << 8;
}

/* Ticks of the timer's clock by the cycle of what has just been reached. */
static u64 ticks(void)
{
    return c->s.cycle * CLK / HZ;
}

START_TEST(counter_2_calibrates)
{
    out(PORT_SYSTEM_B, SYSTEM_B_GATE);
    program(2, 0, 0xffff);
    u64 loaded = ticks() + 1;
    ck_assert_uint_eq(in(PORT_SYSTEM_B)&SYSTEM_B_OUT, 0);
    c->s.cycle += 10000000;
    unsigned count = count_now(2);
    /* The latch command is the last but two of the accesses, 200 cycles each. */
    ck_assert_uint_eq(count, 0xffff - ((c->s.cycle - 400) * CLK / HZ - loaded));
    while (!(in(PORT_SYSTEM_B)&SYSTEM_B_OUT))
        continue;
    ck_assert_uint_ge(ticks(), loaded + 0xffff);
    ck_assert_uint_le((c->s.cycle - 200) * CLK / HZ, loaded + 0xffff);
}
END_TEST

START_TEST(the_gate_holds_mode_0)
{
    program(2, 0, 1000);
    c->s.cycle += HZ / 100;
    ck_assert_uint_eq(count_now(2), 1000);
    out(PORT_SYSTEM_B, SYSTEM_B_GATE);
    u64 from = ticks();
    c->s.cycle += HZ / 2000; /* 596 ticks */
    unsigned count = count_now(2);
    ck_assert_uint_eq(count, 1000 - ((c->s.cycle - 400) * CLK / HZ - from));
    out(PORT_SYSTEM_B, 0);
    count = count_now(2);
    c->s.cycle += HZ;
    ck_assert_uint_eq(count_now(2), count);
}
END_TEST

START_TEST(the_gate_starts_mode_1)
{
    program(2, 1, 100);
    ck_assert_uint_eq(in(PORT_SYSTEM_B)&SYSTEM_B_OUT, SYSTEM_B_OUT);
    out(PORT_SYSTEM_B, SYSTEM_B_GATE);
    c->s.cycle += 2000;
    ck_assert_uint_eq(in(PORT_SYSTEM_B)&SYSTEM_B_OUT, 0);
    c->s.cycle += 101 * HZ / CLK;
    ck_assert_uint_eq(in(PORT_SYSTEM_B)&SYSTEM_B_OUT, SYSTEM_B_OUT);
}
END_TEST

START_TEST(status_and_counts_are_read_back)
{
    program(0, 2, 0x1234);
    out(PORT_PIT_CONTROL, PIT_READ_BACK | PIT_BACK(0));
    u8 status = in(PORT_PIT(0));
    ck_assert_uint_eq(status & ~PIT_STATUS_NULL, PIT_STATUS_OUT | PIT_BOTH | PIT_MODE(2));
    unsigned count = in(PORT_PIT(0));
    count |= (unsigned)in(PORT_PIT(0)) << 8;
    ck_assert_uint_le(count, 0x1234);
    ck_assert_uint_ge(count, 0x1200);
    out(PORT_PIT_CONTROL, PIT_SELECT(2) | PIT_BOTH | PIT_MODE(0) | PIT_BCD);
    out(PORT_PIT_CONTROL, PIT_READ_BACK | PIT_BACK_COUNT | PIT_BACK(2));
    ck_assert_uint_eq(in(PORT_PIT(2)), PIT_STATUS_NULL | PIT_BOTH | PIT_MODE(0) | PIT_BCD);
    out(PORT_PIT(2), 0x99);
    out(PORT_PIT(2), 0x12);
    ck_assert_uint_eq(count_now(2), 0x1299); /* the gate is low */
}
END_TEST

START_TEST(mode_3_counts_by_two)
{
    out(PORT_SYSTEM_B, SYSTEM_B_GATE);
    program(2, 3, 101);
    u64 start = ticks() + 1;
    for (unsigned i = 0; i < 300; i++) {
        c->s.cycle += 937;
        unsigned count = count_now(2);
        u64 phase = ((c->s.cycle - 400) * CLK / HZ - start) % 101;
        ck_assert_uint_eq(count, phase < 51 ? 100 - 2 * phase : 100 - 2 * (phase - 51));
    }
}
END_TEST

/* The first cycle of a tick. */
static u64 cycle_of(u64 tick)
{
    return (tick * HZ + CLK - 1) / CLK;
}

START_TEST(counter_0_interrupts_at_its_cycle)
{
    program(0, 2, 1000);
    u64 start = ticks() + 1;
    ck_assert_uint_eq(device_due(m, DEVICE_PIT), UINT64_MAX); /* nobody hears it */
    io_write(IOAPIC_ENTRY(TIMER), VECTOR);
    ck_assert_uint_eq(device_due(m, DEVICE_PIT), cycle_of(start + 999)); /* OUT falls */
    devices_atom(m);
    ck_assert_uint_eq(device_due(m, DEVICE_PIT), cycle_of(start + 1000));
    devices_atom(m);
    ck_assert_uint_eq(device_due(m, DEVICE_IOAPIC), cycle_of(start + 1000));
    c->s.cycle = cycle_of(start + 1000);
    settle();
    ck_assert_int_eq(apic_acknowledge(c), VECTOR);
    apic_write(c, APIC_EOI, 0);
    ck_assert_uint_eq(device_due(m, DEVICE_PIT), cycle_of(start + 1999));
    io_write(IOAPIC_ENTRY(TIMER), IOAPIC_MASKED);
    ck_assert_uint_eq(device_due(m, DEVICE_PIT), UINT64_MAX);
    c->s.cycle = cycle_of(start + 5000);
    io_write(IOAPIC_ENTRY(TIMER), VECTOR);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1); /* what was not heard is lost */
}
END_TEST

START_TEST(a_new_count_waits_for_the_period)
{
    program(0, 2, 1000);
    u64 start = ticks() + 1;
    program(0, 2, 2000); /* a control word: at once */
    u64 again = ticks() + 1;
    ck_assert_uint_gt(again, start);
    out(PORT_PIT(0), 0xf4);
    out(PORT_PIT(0), 0x01); /* 500, later */
    io_write(IOAPIC_ENTRY(TIMER), VECTOR);
    devices_atom(m);
    ck_assert_uint_eq(device_due(m, DEVICE_PIT), cycle_of(again + 2000));
    devices_atom(m);
    devices_atom(m); /* the message */
    ck_assert_uint_eq(device_due(m, DEVICE_PIT), cycle_of(again + 2000 + 499));
}
END_TEST

/* Whatever is written, the devices' atoms go on in time. */
START_TEST(hostile_writes_do_no_harm)
{
    static const u16 port[] = {0x20, 0x21,  0xa0,  0xa1,  0x40,  0x41,  0x42,  0x43,
                               0x61, 0x60,  0x64,  0x70,  0x71,  0x3f8, 0x3f9, 0x3fc,
                               0x92, 0x4d0, 0x4d1, 0x3d4, 0x3d5, 0x3da, 0x600, 0x602};
    chance_seed((u64)_i + 1);
    virtual_wire();
    io_write(IOAPIC_ENTRY(TIMER), VECTOR | (_i & 1 ? IOAPIC_LEVEL : 0));
    for (unsigned i = 0; i < 20000; i++) {
        u16 at = port[chance_below(sizeof port / sizeof *port)];
        if (chance_below(3))
            out(at, (u8)chance_below(256));
        else
            in(at);
        c->s.cycle += chance_below(3000);
        for (unsigned n = 0; n < 20 && devices_next_due(m) <= c->s.cycle; n++)
            devices_atom(m);
        if (apic_pending_vector(c) >= 0 && chance_once_in(2))
            apic_acknowledge(c);
    }
}
END_TEST

/* ---- the UARTs' interrupts ---- */

START_TEST(a_byte_interrupts)
{
    struct rs_error err;
    io_write(IOAPIC_ENTRY(4), VECTOR);
    out(PORT_CONSOLE + UART_IER, UART_IER_RECEIVE);
    rs_input_console(m, 0, "a", 1, &err);
    settle();
    ck_assert_int_eq(apic_acknowledge(c), VECTOR);
    apic_write(c, APIC_EOI, 0);
    ck_assert_uint_eq(in(PORT_CONSOLE + UART_IIR) & 0xf, UART_IIR_RECEIVE);
    ck_assert_uint_eq(in(PORT_CONSOLE + UART_RBR), 'a');
    ck_assert_uint_eq(in(PORT_CONSOLE + UART_IIR) & 0xf, UART_IIR_NONE);
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1);
    rs_input_console(m, 0, "b", 1, &err);
    settle();
    ck_assert_int_eq(apic_acknowledge(c), VECTOR);
}
END_TEST

START_TEST(an_empty_transmitter_interrupts)
{
    io_write(IOAPIC_ENTRY(3), VECTOR);
    out(PORT_MANAGEMENT + UART_IER, UART_IER_TRANSMIT);
    for (unsigned i = 0; i < 3; i++) {
        settle();
        ck_assert_int_eq(apic_acknowledge(c), VECTOR);
        apic_write(c, APIC_EOI, 0);
        ck_assert_uint_eq(in(PORT_MANAGEMENT + UART_IIR) & 0xf, UART_IIR_TRANSMIT);
        ck_assert_uint_eq(in(PORT_MANAGEMENT + UART_IIR) & 0xf, UART_IIR_NONE);
        settle();
        ck_assert_int_eq(apic_pending_vector(c), -1);
        out(PORT_MANAGEMENT + UART_THR, 'x');
    }
}
END_TEST

/* ---- keyboard ---- */

static struct rs_error err;

static void key(const char *name)
{
    ck_assert_msg(rs_input_key(m, name, &err) == RS_OK, "%s", err.text);
}

static unsigned data(void)
{
    return in(PORT_PS2_COMMAND)&PS2_STATUS_OUTPUT ? in(PORT_PS2_DATA) : 0x100;
}

static void keyboard(u8 command)
{
    out(PORT_PS2_DATA, command);
}

START_TEST(keys_come_as_set_1)
{
    static const unsigned want[] = {0x1e, 0x9e, 0x2a, 0x1e, 0x9e, 0xaa, 0xe0, 0x48, 0xe0, 0xc8,
                                    0x1d, 0x2e, 0xae, 0x9d, 0x1c, 0x9c, 0x41, 0xc1, 0x100};
    key("a");
    ck_assert_int_eq(rs_input_type(m, "A", 1, &err), RS_OK);
    key("up");
    key("ctrl+c");
    ck_assert_int_eq(rs_input_type(m, "\n", 1, &err), RS_OK);
    key("f7"); /* 83 of set 2 */
    for (unsigned i = 0; i < sizeof want / sizeof *want; i++)
        ck_assert_uint_eq(data(), want[i]);
}
END_TEST

START_TEST(every_key_has_its_code_in_both_sets)
{
    const char *name;
    for (size_t i = 0; (name = rs_key_name(i)); i++) {
        key(name);
        unsigned pressed = data(), extended = pressed == KEYBOARD_EXTENDED;
        pressed = extended ? data() : pressed;
        ck_assert_uint_eq(extended ? data() : KEYBOARD_EXTENDED, KEYBOARD_EXTENDED);
        ck_assert_uint_eq(data(), pressed | KEYBOARD_BREAK);
        ck_assert_uint_lt(pressed, 0x80);
    }
    ck_assert_uint_eq(data(), 0x100);
}
END_TEST

START_TEST(without_translation_they_come_as_set_2)
{
    static const unsigned want[] = {0x1c, 0xf0, 0x1c, 0xe0, 0x75, 0xe0, 0xf0, 0x75, 0x100};
    out(PORT_PS2_COMMAND, PS2_WRITE_CONFIG);
    out(PORT_PS2_DATA, PS2_CONFIG_SYSTEM);
    key("a");
    key("up");
    for (unsigned i = 0; i < sizeof want / sizeof *want; i++)
        ck_assert_uint_eq(data(), want[i]);
}
END_TEST

START_TEST(a_key_interrupts_once_for_each_byte)
{
    io_write(IOAPIC_ENTRY(1), VECTOR);
    key("a");
    for (unsigned i = 0; i < 2; i++) {
        settle();
        ck_assert_int_eq(apic_acknowledge(c), VECTOR);
        apic_write(c, APIC_EOI, 0);
        settle();
        ck_assert_int_eq(apic_pending_vector(c), -1);
        ck_assert_uint_eq(data(), i ? 0x9e : 0x1e);
    }
    settle();
    ck_assert_int_eq(apic_pending_vector(c), -1);
}
END_TEST

START_TEST(controller_and_keyboard_answer)
{
    out(PORT_PS2_COMMAND, PS2_SELF_TEST);
    ck_assert_uint_eq(data(), PS2_SELF_TEST_OK);
    out(PORT_PS2_COMMAND, PS2_TEST);
    ck_assert_uint_eq(data(), 0);
    out(PORT_PS2_COMMAND, PS2_AUX_ON);
    out(PORT_PS2_COMMAND, PS2_READ_CONFIG);
    ck_assert_uint_eq(data() & PS2_CONFIG_AUX_OFF, PS2_CONFIG_AUX_OFF); /* there is none */
    keyboard(KEYBOARD_RESET);
    ck_assert_uint_eq(data(), KEYBOARD_ACK);
    ck_assert_uint_eq(data(), KEYBOARD_READY);
    keyboard(KEYBOARD_LEDS);
    ck_assert_uint_eq(data(), KEYBOARD_ACK);
    keyboard(5);
    ck_assert_uint_eq(data(), KEYBOARD_ACK);
    ck_assert_uint_eq(m->b.ps2.leds, 5);
    keyboard(KEYBOARD_IDENTIFY);
    ck_assert_uint_eq(data(), KEYBOARD_ACK);
    ck_assert_uint_eq(data(), 0xab);
    ck_assert_uint_eq(data(), 0x41); /* 83, translated */
    keyboard(0x42);
    ck_assert_uint_eq(data(), KEYBOARD_AGAIN);
    keyboard(KEYBOARD_SCAN_SET);
    ck_assert_uint_eq(data(), KEYBOARD_ACK);
    keyboard(3);
    ck_assert_uint_eq(data(), KEYBOARD_AGAIN);
    ck_assert_uint_eq(data(), 0x100);
}
END_TEST

START_TEST(keys_that_cannot_be_pressed_say_why)
{
    ck_assert_int_eq(rs_input_key(m, "ctrl+sausage", &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "'sausage'") != NULL, "%s", err.text);
    ck_assert_int_eq(rs_input_key(m, "", &err), RS_FAILED);
    ck_assert_int_eq(rs_input_key(m, "ctrl+", &err), RS_FAILED);
    ck_assert_int_eq(rs_input_key(m, "a+b+c+d+e", &err), RS_FAILED);
    ck_assert_int_eq(rs_input_type(m, "\200", 1, &err), RS_FAILED);
    key("kp+");
    key("shift+kp+");
    unsigned full = 0;
    while (rs_input_key(m, "a", &err) == RS_OK)
        full++;
    ck_assert_uint_gt(full, 1000);
    ck_assert_msg(strstr(err.text, "has not read") != NULL, "%s", err.text);
}
END_TEST

/* ---- reset and power ---- */

static void after_power(void)
{
    ck_assert_uint_ne(device_due(m, DEVICE_POWER), UINT64_MAX);
    c->s.cr2 = 7;
    devices_atom(m);
}

START_TEST(software_resets_the_machine)
{
    for (unsigned way = 0; way < 4; way++) {
        out(PORT_PIC_MASK, 0);
        if (way == 0)
            out(PORT_PS2_COMMAND, PS2_RESET);
        if (way == 1)
            out(PORT_SYSTEM_A, SYSTEM_A_RESET);
        if (way == 2)
            out(PORT_RESET, RESET_VALUE);
        if (way == 3) {
            out(PORT_PS2_COMMAND, PS2_WRITE_OUTPUT);
            out(PORT_PS2_DATA, 0xfe);
        }
        after_power();
        ck_assert_uint_eq(c->s.cr2, 0);
        ck_assert_uint_eq(in(PORT_PIC_MASK), 0xff);
        ck_assert_int_eq(m->b.halted, HALT_NONE);
    }
    out(PORT_RESET, RESET_SYSTEM); /* not yet */
    ck_assert_uint_eq(device_due(m, DEVICE_POWER), UINT64_MAX);
    ck_assert_uint_eq(in(PORT_RESET), RESET_SYSTEM);
}
END_TEST

START_TEST(software_switches_it_off)
{
    board_out(c, PORT_PM + PM_CONTROL, 2, 5 << 10 | PM_CONTROL_SLEEP); /* a state that is not there */
    ck_assert_uint_eq(device_due(m, DEVICE_POWER), UINT64_MAX);
    ck_assert_uint_eq(board_in(c, PORT_PM + PM_CONTROL, 2), 5 << 10 | PM_CONTROL_SCI);
    board_out(c, PORT_PM + PM_CONTROL, 2, PM_TYPE_OFF << 10 | PM_CONTROL_SLEEP);
    after_power();
    ck_assert_str_eq(rs_halt_text(m), "switched off by software");
    ck_assert_int_eq(rs_halt_status(m), 0);
}
END_TEST

START_TEST(the_pm_timer_runs)
{
    u64 before = board_in(c, PORT_PM + PM_TIMER, 4);
    c->s.cycle += HZ;
    u64 after = board_in(c, PORT_PM + PM_TIMER, 4);
    ck_assert_uint_ge(after - before, PM_TIMER_HZ);
    ck_assert_uint_le(after - before, PM_TIMER_HZ + 2);
    c->s.cycle += 5 * HZ;
    ck_assert_uint_lt(board_in(c, PORT_PM + PM_TIMER, 4), 1 << 24);
}
END_TEST

/* ---- screen, clock ---- */

START_TEST(the_screen_shows_the_buffer)
{
    struct rs_text_screen s;
    bare_set_u64(&b, VGA_TEXT + 2 * 80, 0x0742074107200720);
    out(PORT_CRTC, CRTC_CURSOR + 1);
    out(PORT_CRTC + 1, 84);
    rs_text_screen(m, &s);
    ck_assert_uint_eq(s.cell[1][2], 0x0741);
    ck_assert(s.cursor && s.row == 1 && s.column == 4);
    out(PORT_CRTC, CRTC_START + 1);
    out(PORT_CRTC + 1, 80); /* a row further down */
    rs_text_screen(m, &s);
    ck_assert_uint_eq(s.cell[0][3], 0x0742);
    ck_assert(s.cursor && s.row == 0);
    out(PORT_CRTC, CRTC_CURSOR_FROM);
    out(PORT_CRTC + 1, CRTC_CURSOR_OFF);
    rs_text_screen(m, &s);
    ck_assert(!s.cursor);
    out(PORT_CRTC, 0); /* protected */
    out(PORT_CRTC + 1, 0);
    ck_assert_uint_eq(in(PORT_CRTC + 1), 0x5f);
    out(PORT_CRTC, 0x1f);
    ck_assert_uint_eq(in(PORT_CRTC + 1), 0xff);
}
END_TEST

START_TEST(the_retrace_comes_seventy_times_a_second)
{
    unsigned frames = 0, last = in(PORT_VGA_STATUS)&VGA_STATUS_RETRACE;
    u64 until = c->s.cycle + HZ;
    while (c->s.cycle < until) {
        unsigned now = in(PORT_VGA_STATUS)&VGA_STATUS_RETRACE;
        frames += now && !last;
        last = now;
        c->s.cycle += 10000;
    }
    ck_assert_uint_eq(frames, 70);
}
END_TEST

static unsigned cmos(u8 at)
{
    out(PORT_RTC, at);
    return in(PORT_RTC + 1);
}

static void set_cmos(u8 at, u8 value)
{
    out(PORT_RTC, at);
    out(PORT_RTC + 1, value);
}

START_TEST(the_clock_shows_the_machines_time)
{
    u64 second = c->s.cycle / HZ;
    c->s.cycle = (second - second % 86400 + UINT64_C(58) * 86400 + 23 * 3600 + 59 * 60 + 58) * HZ;
    ck_assert_uint_eq(cmos(RTC_HOURS), 0x23);
    ck_assert_uint_eq(cmos(RTC_SECONDS), 0x58);
    ck_assert_uint_eq(cmos(RTC_DAY), 0x28);
    ck_assert_uint_eq(cmos(RTC_WEEKDAY), 7); /* 28 February 2026 is a Saturday */
    c->s.cycle += 2 * HZ;
    ck_assert_uint_eq(cmos(RTC_DAY), 1);
    ck_assert_uint_eq(cmos(RTC_MONTH), 3);
    ck_assert_uint_eq(cmos(RTC_YEAR), 0x26);
    ck_assert_uint_eq(cmos(RTC_CENTURY), 0x20);
    ck_assert_uint_eq(cmos(RTC_HOURS), 0);
    set_cmos(RTC_B, RTC_B_BINARY); /* 12 hours */
    ck_assert_uint_eq(cmos(RTC_HOURS), 12);
    c->s.cycle += UINT64_C(13) * 3600 * HZ;
    ck_assert_uint_eq(cmos(RTC_HOURS), RTC_PM | 1);
    c->s.cycle = (c->s.cycle / HZ + 1) * HZ - 100000;
    ck_assert(cmos(RTC_A) & RTC_A_UPDATES);
    c->s.cycle += 200000;
    ck_assert(!(cmos(RTC_A) & RTC_A_UPDATES));
    set_cmos(RTC_SHUTDOWN, 0x0a);
    ck_assert_uint_eq(cmos(RTC_SHUTDOWN), 0x0a);
    ck_assert_uint_eq(cmos(0x34), (64 - 16) << 4 & 0xff); /* RAM above 16 MiB in 64 KiB */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("legacy");
    TCase *t = tcase_create("legacy");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, pics_are_masked_and_can_be_switched_off);
    tcase_add_test(t, a_request_is_served_and_ended);
    tcase_add_test(t, the_core_takes_what_the_pics_give);
    tcase_add_test(t, priorities_turn);
    tcase_add_test(t, a_poll_acknowledges);
    tcase_add_test(t, a_level_that_goes_is_spurious);
    tcase_add_test(t, counter_2_calibrates);
    tcase_add_test(t, the_gate_holds_mode_0);
    tcase_add_test(t, the_gate_starts_mode_1);
    tcase_add_test(t, status_and_counts_are_read_back);
    tcase_add_test(t, mode_3_counts_by_two);
    tcase_add_test(t, counter_0_interrupts_at_its_cycle);
    tcase_add_test(t, a_new_count_waits_for_the_period);
    tcase_add_loop_test(t, hostile_writes_do_no_harm, 0, 4);
    tcase_add_test(t, a_byte_interrupts);
    tcase_add_test(t, an_empty_transmitter_interrupts);
    tcase_add_test(t, keys_come_as_set_1);
    tcase_add_test(t, every_key_has_its_code_in_both_sets);
    tcase_add_test(t, without_translation_they_come_as_set_2);
    tcase_add_test(t, a_key_interrupts_once_for_each_byte);
    tcase_add_test(t, controller_and_keyboard_answer);
    tcase_add_test(t, keys_that_cannot_be_pressed_say_why);
    tcase_add_test(t, software_resets_the_machine);
    tcase_add_test(t, software_switches_it_off);
    tcase_add_test(t, the_pm_timer_runs);
    tcase_add_test(t, the_screen_shows_the_buffer);
    tcase_add_test(t, the_retrace_comes_seventy_times_a_second);
    tcase_add_test(t, the_clock_shows_the_machines_time);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
