/* ps2.c - see ps2.h. */
#include "dev/ps2.h"

#include "arch/ps2.h"
#include "dev/isa.h"
#include "dev/power.h"

/* ---- scan codes ---- */

static const struct key {
    u16 set1, set2;
} key[] = {
#define KEY(name, set1, set2, plain, shifted) {set1, set2},
#include "keys.def"
};

#define KEYS (sizeof key / sizeof *key)

static u8 set2_of(u8 set1, bool extended)
{
    u16 code = extended ? KEYBOARD_EXTENDED << 8 | set1 : set1;
    for (size_t i = 0; i < KEYS; i++)
        if (key[i].set1 == code)
            return (u8)key[i].set2;
    return set1;
}

/* The controller knows one table, for codes with and without the prefix; answers pass it unchanged. */
static u8 set1_of(u8 set2)
{
    for (size_t i = 0; i < KEYS; i++)
        if ((key[i].set2 & 0xff) == set2)
            return (u8)key[i].set1;
    return set2 == 0x84 ? 0x54 : set2;
}

/* ---- the wire ---- */

size_t ps2_room(const struct machine *m)
{
    return (size_t)(PS2_WIRE_BYTES - (m->b.ps2.wire_head - m->b.ps2.wire_tail));
}

static void wire_put(struct ps2 *p, u8 byte)
{
    u64 at = p->wire_head++ % PS2_WIRE_BYTES, *word = &p->wire[at / 8];
    *word = (*word & ~(UINT64_C(0xff) << at % 8 * 8)) | (u64)byte << at % 8 * 8;
}

static u8 wire_take(struct ps2 *p)
{
    u64 at = p->wire_tail++ % PS2_WIRE_BYTES;
    return (u8)(p->wire[at / 8] >> at % 8 * 8);
}

/* As the keyboard sends it now. */
static void put_code(struct ps2 *p, u8 code, bool extended)
{
    if (p->scan_set == 1 || code == KEYBOARD_EXTENDED) {
        wire_put(p, code);
        return;
    }
    if (code & KEYBOARD_BREAK)
        wire_put(p, KEYBOARD_RELEASED);
    wire_put(p, set2_of(code & ~KEYBOARD_BREAK & 0xff, extended));
}

/* ---- the output buffer ---- */

static void drive_line(struct machine *m)
{
    const struct ps2 *p = &m->b.ps2;
    isa_line(m, IRQ_KEYBOARD, p->output && p->config & PS2_CONFIG_INTERRUPT);
}

/* What the keyboard sends next; answers come first.  False: nothing. */
static bool take_byte(struct ps2 *p, u8 *byte)
{
    if (p->config & PS2_CONFIG_OFF)
        return false;
    if (p->answer_count) {
        *byte = (u8)p->answers;
        p->answers >>= 8;
        p->answer_count--;
        return true;
    }
    if (!p->scans || p->wire_head == p->wire_tail)
        return false;
    *byte = wire_take(p);
    return true;
}

/* False: it was a prefix, which goes into what follows. */
static bool translate(struct ps2 *p, u8 *byte)
{
    if (*byte == KEYBOARD_RELEASED) {
        p->released = 1;
        return false;
    }
    *byte = set1_of(*byte);
    if (p->released && *byte != KEYBOARD_EXTENDED)
        *byte |= KEYBOARD_BREAK;
    p->released = 0;
    return true;
}

static void fill(struct machine *m)
{
    struct ps2 *p = &m->b.ps2;
    u8 byte;
    while (!p->output && take_byte(p, &byte))
        if (!(p->config & PS2_CONFIG_TRANSLATE) || translate(p, &byte))
            p->output = byte + 256u;
    drive_line(m);
}

/* The controller's own, in place of what was there. */
static void reply(struct ps2 *p, u64 byte)
{
    p->output = (byte & 0xff) + 256;
}

bool ps2_keys(struct machine *m, const u8 *codes, size_t n)
{
    struct ps2 *p = &m->b.ps2;
    if (2 * n > ps2_room(m))
        return false;
    for (size_t i = 0; i < n; i++)
        put_code(p, codes[i], i && codes[i - 1] == KEYBOARD_EXTENDED);
    fill(m);
    return true;
}

/* ---- the keyboard ---- */

static void answer(struct ps2 *p, u8 byte)
{
    if (p->answer_count >= 8)
        return;
    p->answers |= (u64)byte << 8 * p->answer_count++;
}

static void set_defaults(struct ps2 *p)
{
    p->scan_set = 2;
    p->typematic = 0x2b;
    p->wire_tail = p->wire_head;
}

/* With 0 it tells the set, else takes it; set 3 is not there. */
static void select_set(struct ps2 *p, u8 set)
{
    if (set > 2) {
        answer(p, KEYBOARD_AGAIN);
        return;
    }
    answer(p, KEYBOARD_ACK);
    if (set)
        p->scan_set = set;
    else
        answer(p, (u8)p->scan_set);
}

static void argument(struct ps2 *p, u8 value)
{
    u64 command = p->expects;
    p->expects = 0;
    if (command == KEYBOARD_SCAN_SET) {
        select_set(p, value);
        return;
    }
    if (command == KEYBOARD_LEDS)
        p->leds = value & 7;
    else
        p->typematic = value & 0x7f;
    answer(p, KEYBOARD_ACK);
}

static void reset_keyboard(struct ps2 *p)
{
    set_defaults(p);
    p->scans = 1;
    p->leds = 0;
    answer(p, KEYBOARD_READY);
}

static void keyboard_command(struct ps2 *p, u8 value)
{
    p->answers = p->answer_count = 0;
    if (value == KEYBOARD_ECHO || value == KEYBOARD_RESEND) {
        answer(p, value == KEYBOARD_ECHO ? KEYBOARD_ECHO : (u8)p->last);
        return;
    }
    if (value < KEYBOARD_LEDS || (value > KEYBOARD_DEFAULTS && value != KEYBOARD_RESET) || value == 0xef ||
        value == 0xf1) {
        answer(p, KEYBOARD_AGAIN);
        return;
    }
    answer(p, KEYBOARD_ACK);
    switch (value) {
    case KEYBOARD_LEDS:
    case KEYBOARD_SCAN_SET:
    case KEYBOARD_TYPEMATIC: p->expects = value; break;
    case KEYBOARD_IDENTIFY:
        answer(p, 0xab);
        answer(p, 0x83);
        break;
    case KEYBOARD_ON: p->scans = 1; break;
    case KEYBOARD_OFF: p->scans = 0; /* fall through */
    case KEYBOARD_DEFAULTS: set_defaults(p); break;
    default: reset_keyboard(p);
    }
}

/* ---- the controller ---- */

static void write_output_port(struct machine *m, u8 value)
{
    if (!(value & 1))
        power_reset(m);
    m->b.ps2.output_port = value;
}

/* The data byte of a command; without one it is the keyboard's, whose clock it lets go. */
static void data(struct machine *m, u8 value)
{
    struct ps2 *p = &m->b.ps2;
    u64 command = p->command;
    p->command = 0;
    switch (command) {
    case PS2_WRITE_CONFIG: p->config = (value & ~0x88u) | PS2_CONFIG_AUX_OFF; return;
    case PS2_WRITE_OUTPUT: write_output_port(m, value); return;
    case PS2_ECHO_OUTPUT: reply(p, value); return;
    case 0: break;
    default: return; /* bytes of its memory that nobody uses, and for the auxiliary device */
    }
    p->config &= ~(u64)PS2_CONFIG_OFF;
    if (p->expects && value < KEYBOARD_LEDS)
        argument(p, value);
    else
        keyboard_command(p, value);
}

u8 ps2_read(struct machine *m, unsigned unit, unsigned offset)
{
    struct ps2 *p = &m->b.ps2;
    (void)unit;
    (void)offset;
    if (p->output) {
        p->last = p->output & 0xff;
        p->output = 0;
        drive_line(m);
        fill(m);
    }
    return (u8)p->last;
}

void ps2_write(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    (void)unit;
    (void)offset;
    m->b.ps2.wrote = 0;
    data(m, value);
    fill(m);
}

u8 ps2_status(struct machine *m, unsigned unit, unsigned offset)
{
    const struct ps2 *p = &m->b.ps2;
    (void)unit;
    (void)offset;
    return (u8)(PS2_STATUS_UNLOCKED | (p->output ? PS2_STATUS_OUTPUT : 0) | (p->config & PS2_CONFIG_SYSTEM) |
                (p->wrote ? PS2_STATUS_COMMAND : 0));
}

static void self_test(struct ps2 *p)
{
    p->config |= PS2_CONFIG_SYSTEM;
    reply(p, PS2_SELF_TEST_OK);
}

/* Commands that stand alone; the others wait for their byte. */
static void command(struct machine *m, u8 value)
{
    struct ps2 *p = &m->b.ps2;
    switch (value) {
    case PS2_READ_CONFIG: reply(p, p->config); break;
    case PS2_AUX_TEST: reply(p, 2); break; /* its clock is stuck */
    case PS2_SELF_TEST: self_test(p); break;
    case PS2_TEST: reply(p, 0); break;
    case PS2_OFF: p->config |= PS2_CONFIG_OFF; break;
    case PS2_ON: p->config &= ~(u64)PS2_CONFIG_OFF; break;
    case PS2_READ_INPUT: reply(p, 0x80); break; /* not locked */
    case PS2_READ_OUTPUT: reply(p, p->output_port); break;
    case PS2_WRITE_OUTPUT:
    case PS2_ECHO_OUTPUT:
    case PS2_TO_AUX: p->command = value; break;
    default:
        if (value >= PS2_WRITE_CONFIG && value < PS2_WRITE_CONFIG + 0x20)
            p->command = value;
        else if (value > PS2_READ_CONFIG && value < PS2_READ_CONFIG + 0x20)
            reply(p, 0);
        else if (value >= PS2_PULSE && !(value & 1))
            power_reset(m);
    }
}

void ps2_command(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    (void)unit;
    (void)offset;
    m->b.ps2.wrote = 1;
    m->b.ps2.command = 0;
    command(m, value);
    fill(m);
}

/* ---- port 92H: A20 is always on, whatever it reads ---- */

u8 system_a_read(struct machine *m, unsigned unit, unsigned offset)
{
    (void)unit;
    (void)offset;
    return (u8)(m->b.ps2.output_port & SYSTEM_A_A20);
}

void system_a_write(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    u64 *port = &m->b.ps2.output_port;
    (void)unit;
    (void)offset;
    *port = (*port & ~(u64)SYSTEM_A_A20) | (value & SYSTEM_A_A20);
    if (value & SYSTEM_A_RESET)
        power_reset(m);
}

/* As firmware leaves it; what is on the wire stays. */
void ps2_reset(struct machine *m)
{
    struct ps2 *p = &m->b.ps2;
    u64 head = p->wire_head, tail = p->wire_tail;
    p->config = PS2_CONFIG_INTERRUPT | PS2_CONFIG_SYSTEM | PS2_CONFIG_AUX_OFF | PS2_CONFIG_TRANSLATE;
    p->output_port = 0xcf;
    p->command = p->wrote = p->output = p->released = p->expects = p->last = 0;
    p->answers = p->answer_count = p->leds = 0;
    set_defaults(p);
    p->scans = 1;
    p->wire_head = head;
    p->wire_tail = tail;
    fill(m);
}

bool ps2_hears(const struct machine *m)
{
    u64 wanted = m->b.ps2.config & (PS2_CONFIG_INTERRUPT | PS2_CONFIG_OFF);
    return wanted == PS2_CONFIG_INTERRUPT && m->b.ps2.scans && isa_is_heard(m, IRQ_KEYBOARD);
}
