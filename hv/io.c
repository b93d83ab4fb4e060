/* io.c - ports of a VM: its UART, debug-exit, and nothing else.  Unclaimed ports read as ones, as on the
 * board. */
#include "arch/board.h"
#include "arch/x86.h"
#include "exits.h"
#include "io.h"
#include "vmcs.h"
#include "vmx.h"

static bool is_uart(unsigned port, unsigned bytes)
{
    return bytes == 1 && port >= PORT_CONSOLE && port < PORT_CONSOLE + UART_PORTS;
}

uint32_t port_in(struct vm *vm, unsigned port, unsigned bytes)
{
    if (is_uart(port, bytes))
        return vuart_read(&vm->uart, port - PORT_CONSOLE);
    return 0xffffffff;
}

void port_out(struct vm *vm, unsigned port, unsigned bytes, uint32_t value)
{
    if (is_uart(port, bytes))
        vuart_write(&vm->uart, port - PORT_CONSOLE, (uint8_t)value);
    else if (port == PORT_DEBUG_EXIT)
        vm_stop(vm, (2 * value + 1) & 0xff, "stopped by debug-exit");
}

/* IN to AL and AX leaves the rest of RAX, to EAX clears the upper half. */
static uint64_t merge(uint64_t rax, uint32_t value, unsigned bytes)
{
    uint64_t mask = (UINT64_C(1) << 8 * bytes) - 1;

    return bytes == 4 ? value : (rax & ~mask) | (value & mask);
}

void exit_io(struct vm *vm)
{
    uint64_t q = vmread(VMCS_EXIT_QUALIFICATION), *rax = &vm->vcpu.gpr[REG_RAX];
    unsigned port = QUAL_IO_PORT(q), bytes = QUAL_IO_BYTES(q);

    if (q & QUAL_IO_STRING) {
        exit_io_string(vm, q);
        return;
    }
    if (q & QUAL_IO_IN)
        *rax = merge(*rax, port_in(vm, port, bytes), bytes);
    else
        port_out(vm, port, bytes, (uint32_t)(*rax & ((UINT64_C(1) << 8 * bytes) - 1)));
    vcpu_skip_instruction();
}
