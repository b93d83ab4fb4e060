/* input.c - what comes from outside: console bytes, pokes, reset. */
#include <string.h>

#include "cpu/cpu.h"
#include "dev/board.h"
#include "dev/uart.h"
#include "loader.h"
#include "schedule.h"
#include "world.h"

static const char *const kind_name[INPUT_KINDS] = {"console", "management", "poke", "reset"};

const char *input_kind_name(enum input_kind kind)
{
    return kind_name[kind];
}

static bool reset(struct machine *m)
{
    machine_align_clocks(m);
    for (u32 i = 0; i < m->cores; i++)
        cpu_reset(m->core[i]);
    board_reset(m);
    loader_enter_again(m);
    return true;
}

bool input_possible(const struct machine *m, const struct input *in)
{
    switch (in->kind) {
    case INPUT_CONSOLE:
    case INPUT_MANAGEMENT: return in->hpa == 0 && in->n > 0 && in->n <= UART_WIRE_BYTES;
    case INPUT_POKE: return mem_has(m->mem, in->hpa, in->n ? in->n : 1);
    default: return in->hpa == 0 && in->n == 0;
    }
}

bool input_apply(struct machine *m, const struct input *in)
{
    machine_drop_derived(m);
    switch (in->kind) {
    case INPUT_CONSOLE: return uart_receive(&m->b.uart[0], in->bytes, in->n);
    case INPUT_MANAGEMENT: return uart_receive(&m->b.uart[1], in->bytes, in->n);
    case INPUT_POKE: return mem_copy_in(m->mem, in->hpa, in->bytes, in->n);
    case INPUT_RESET: return reset(m);
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
