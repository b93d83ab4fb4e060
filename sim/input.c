/* input.c - what comes from outside: console bytes, frames, pokes, reset. */
#include <string.h>

#include "cpu/cpu.h"
#include "dev/link.h"
#include "dev/ps2.h"
#include "dev/uart.h"
#include "schedule.h"
#include "world.h"

static const char *const kind_name[INPUT_KINDS] = {"console",  "management", "poke", "reset",
                                                   "register", "frame",      "link", "keyboard"};

const char *input_kind_name(enum input_kind kind)
{
    return kind_name[kind];
}

/* ---- registers ---- */

enum value_rule { ANY_VALUE, CANONICAL, FLAGS };

/* What a debugger may set, behind the sixteen of rs_gpr_name.  A log file holds the numbers: new ones go to
 * the end. */
static const struct settable {
    const char *name;
    enum value_rule rule;
    size_t offset;
} settable[] = {
    {"rip", CANONICAL, offsetof(struct core_state, rip)},
    {"rflags", FLAGS, offsetof(struct core_state, rflags)},
    {"fs_base", CANONICAL, offsetof(struct core_state, seg[SEG_FS].base)},
    {"gs_base", CANONICAL, offsetof(struct core_state, seg[SEG_GS].base)},
    {"kernel_gs_base", CANONICAL, offsetof(struct core_state, kernel_gs_base)},
    {"cr2", ANY_VALUE, offsetof(struct core_state, cr2)},
};

#define GPRS     16u
#define SETTABLE (GPRS + (unsigned)(sizeof settable / sizeof *settable))

static const char *register_name(unsigned number)
{
    return number < GPRS ? rs_gpr_name[number] : settable[number - GPRS].name;
}

static bool value_possible(unsigned number, u64 value)
{
    const u64 flags =
        FLAGS_STATUS | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID;
    enum value_rule rule = number < GPRS ? ANY_VALUE : settable[number - GPRS].rule;
    if (rule == CANONICAL)
        return sys_canonical(value);
    return rule == ANY_VALUE || (value & FLAG_FIXED && !(value & ~(flags | FLAG_FIXED)));
}

static u64 value_of(const u8 *bytes)
{
    u64 value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static bool register_possible(const struct machine *m, const struct input *in)
{
    u64 number = in->hpa & 0xff;
    return in->hpa >> 8 < m->cores && number < SETTABLE && in->n == 8 &&
           value_possible((unsigned)number, value_of(in->bytes));
}

static bool set_register(struct machine *m, const struct input *in)
{
    struct core_state *s = &m->core[in->hpa >> 8]->s;
    unsigned number = in->hpa & 0xff;
    u64 value = value_of(in->bytes);
    if (number < GPRS)
        s->gpr[number] = value;
    else
        memcpy((u8 *)s + settable[number - GPRS].offset, &value, sizeof value);
    return true;
}

/* ---- all kinds ---- */

bool input_possible(const struct machine *m, const struct input *in)
{
    switch (in->kind) {
    case INPUT_CONSOLE:
    case INPUT_MANAGEMENT: return in->hpa == 0 && in->n > 0 && in->n <= UART_WIRE_BYTES;
    case INPUT_POKE: return mem_has(m->mem, in->hpa, in->n ? in->n : 1);
    case INPUT_KEYBOARD: return in->hpa == 0 && in->n > 0 && in->n <= PS2_WIRE_BYTES / 2;
    case INPUT_REGISTER: return register_possible(m, in);
    case INPUT_FRAME: return link_input_possible(m, in->hpa, in->n);
    case INPUT_LINK: return link_change_possible(m, in->hpa, in->bytes, in->n);
    default: return in->hpa == 0 && in->n == 0;
    }
}

bool input_apply(struct machine *m, const struct input *in)
{
    machine_drop_derived(m);
    switch (in->kind) {
    case INPUT_CONSOLE: return uart_input(m, 0, in->bytes, in->n);
    case INPUT_MANAGEMENT: return uart_input(m, 1, in->bytes, in->n);
    case INPUT_POKE: return mem_copy_in(m->mem, in->hpa, in->bytes, in->n);
    case INPUT_RESET: machine_reset(m); return true;
    case INPUT_KEYBOARD: return ps2_keys(m, in->bytes, in->n);
    case INPUT_REGISTER: return set_register(m, in);
    case INPUT_FRAME: return link_input(m, in->hpa, in->bytes, in->n);
    case INPUT_LINK: return link_change(m, in->hpa, in->bytes);
    default: return false;
    }
}

enum rs_status rs_input_console(rs_machine *m, unsigned uart, const void *bytes, size_t n,
                                struct rs_error *err)
{
    if (uart > 1)
        return rs_fail(err, "there is no UART %u: 0 is the console, 1 the management line", uart);
    if (n > uart_room(&m->b.uart[uart]))
        return rs_fail(
            err,
            "%s: the %s line holds %zu bytes that the machine has not read, and %zu more do not fit; "
            "run the machine so that it reads them",
            m->name, kind_name[uart], (size_t)UART_WIRE_BYTES - uart_room(&m->b.uart[uart]), n);
    struct input in = {
        .kind = uart ? INPUT_MANAGEMENT : INPUT_CONSOLE, .bytes = (u8 *)(uintptr_t)bytes, .n = n};
    history_input(m->world, &in);
    return RS_OK;
}

enum rs_status rs_input_poke(rs_machine *m, uint64_t hpa, const void *bytes, size_t n, struct rs_error *err)
{
    if (!mem_has(m->mem, hpa, n ? n : 1))
        return rs_fail(err, "%s: %zu bytes at %#llx are not all in RAM, which ends at %#llx", m->name, n,
                       (unsigned long long)hpa, (unsigned long long)m->ram_bytes);
    struct input in = {.kind = INPUT_POKE, .hpa = hpa, .bytes = (u8 *)(uintptr_t)bytes, .n = n};
    history_input(m->world, &in);
    return RS_OK;
}

static enum rs_status check_register(const struct machine *m, u32 core, const char *name, unsigned number,
                                     u64 value, struct rs_error *err)
{
    if (core >= m->cores)
        return rs_fail(err, "%s has no core %u", m->name, core);
    if (number == SETTABLE)
        return rs_fail(
            err,
            "%s cannot be set from outside: only general registers, rip, rflags, fs_base, gs_base, "
            "kernel_gs_base and cr2 can",
            name);
    if (!value_possible(number, value))
        return rs_fail(err, "%#llx is no value that %s can have: %s", (unsigned long long)value, name,
                       strcmp(name, "rflags") == 0 ? "bit 1 is set, and reserved bits are clear"
                                                   : "bits 63:47 must be equal");
    if (rs_position(m).micro)
        return rs_fail(err, "%s: the machine stands inside an instruction; step to its end, then set %s",
                       m->name, name);
    return RS_OK;
}

enum rs_status rs_input_reg(rs_machine *m, uint32_t core, const char *name, uint64_t value,
                            struct rs_error *err)
{
    u8 bytes[8];
    unsigned number = 0;
    while (number < SETTABLE && strcmp(register_name(number), name) != 0)
        number++;
    if (check_register(m, core, name, number, value, err) != RS_OK)
        return RS_FAILED;
    for (int i = 0; i < 8; i++)
        bytes[i] = (u8)(value >> 8 * i);
    struct input in = {
        .kind = INPUT_REGISTER, .hpa = (u64)core << 8 | number, .bytes = bytes, .n = sizeof bytes};
    history_input(m->world, &in);
    return RS_OK;
}

void rs_reset(rs_machine *m)
{
    struct input in = {.kind = INPUT_RESET};
    history_input(m->world, &in);
}

bool rs_log_was_cut(rs_world *w)
{
    bool cut = w->history.was_cut;
    w->history.was_cut = false;
    return cut;
}
