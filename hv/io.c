/* io.c - ports of a VM: its UART, debug-exit, and those of a PCI bus.  As on the board, unclaimed ports read
 * as ones, and a wide access is one of each byte, the lowest port first. */
#include "arch/board.h"
#include "arch/x86.h"
#include "exits.h"
#include "io.h"
#include "vmcs.h"
#include "vmx.h"

static bool is_uart(unsigned port)
{
    return port >= PORT_CONSOLE && port < PORT_CONSOLE + UART_PORTS;
}

uint32_t port_in(struct vm *vm, unsigned port, unsigned bytes)
{
    uint32_t value = 0;

    if (vpci_has_port(&vm->pci, port, bytes))
        return vpci_in(&vm->pci, port, bytes);
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t byte = is_uart(port + i) ? vuart_read(&vm->uart, port + i - PORT_CONSOLE) : 0xff;

        value |= (uint32_t)byte << 8 * i;
    }
    return value;
}

void port_out(struct vm *vm, unsigned port, unsigned bytes, uint32_t value)
{
    if (port == PORT_DEBUG_EXIT) {
        vm_stop(vm, (2 * value + 1) & 0xff, "stopped by debug-exit");
        return;
    }
    if (vpci_has_port(&vm->pci, port, bytes))
        vpci_out(&vm->pci, port, bytes, value);
    for (unsigned i = 0; i < bytes; i++)
        if (is_uart(port + i))
            vuart_write(&vm->uart, port + i - PORT_CONSOLE, (uint8_t)(value >> 8 * i));
}

/* IN to AL and AX leaves the rest of RAX, to EAX clears the upper half. */
static uint64_t merge(uint64_t rax, uint32_t value, unsigned bytes)
{
    uint64_t mask = (UINT64_C(1) << 8 * bytes) - 1;

    return bytes == 4 ? value : (rax & ~mask) | (value & mask);
}

void exit_io(struct vcpu *v)
{
    uint64_t q = vmread(VMCS_EXIT_QUALIFICATION), *rax = &v->gpr[REG_RAX];
    unsigned port = QUAL_IO_PORT(q), bytes = QUAL_IO_BYTES(q);

    if (q & QUAL_IO_STRING) {
        exit_io_string(v, q);
        return;
    }
    if (q & QUAL_IO_IN)
        *rax = merge(*rax, port_in(v->vm, port, bytes), bytes);
    else
        port_out(v->vm, port, bytes, (uint32_t)(*rax & ((UINT64_C(1) << 8 * bytes) - 1)));
    vcpu_skip_instruction();
}
