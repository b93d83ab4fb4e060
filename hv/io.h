/* io.h - the ports of a VM. */
#ifndef HV_IO_H
#define HV_IO_H

#include "vm.h"

/* bytes: 1, 2 or 4.  Ports that nobody claims read as ones and swallow writes. */
uint32_t port_in(struct vm *vm, unsigned port, unsigned bytes);
void port_out(struct vm *vm, unsigned port, unsigned bytes, uint32_t value);

/* An exit for INS or OUTS. */
void exit_io_string(struct vcpu *v, uint64_t qualification);

#endif
