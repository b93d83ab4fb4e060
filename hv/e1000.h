/* e1000.h - the 82540EM of a VM (nic=e1000): registers, descriptor rings, interrupts by MSI
 * (sim/arch/e1000.h).  Frames go to and come from a port of the virtual switch. */
#ifndef HV_E1000_H
#define HV_E1000_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/e1000.h"
#include "vswitch.h"

#define E1000_REGISTER_BYTES 0x6000 /* in the first part of BAR 0 is all that there is */

struct vm;
struct vpci_function;

struct e1000 {
    struct vm *vm;
    struct vpci_function *function;
    struct vswitch_port *port;
    uint32_t reg[E1000_REGISTER_BYTES / 4];
    uint32_t causes; /* ICR */
    /* The frame that is being gathered from descriptors. */
    uint8_t frame[FRAME_MOST];
    uint32_t length;
    bool too_long;
    uint8_t options;     /* E1000_TX_IXSM, E1000_TX_TXSM: of its first descriptor */
    uint64_t context[2]; /* the last context descriptor */
};

/* A VM starts, in the bus and the switch.  False: one of them is full. */
bool e1000_plug(struct vm *vm);
/* A VM's turn begins: goes on with descriptors that one access had too many of. */
void e1000_turn(struct e1000 *e);

/* ---- between its files ---- */

static inline uint32_t *e1000_reg(struct e1000 *e, uint32_t offset)
{
    return &e->reg[offset / 4];
}

/* Something has happened: bits of ICR. */
void e1000_cause(struct e1000 *e, uint32_t bits);
void e1000_count(struct e1000 *e, uint32_t offset, uint32_t n);
void e1000_count_octets(struct e1000 *e, uint32_t low, uint32_t n);
/* The k-th descriptor's address in a ring (E1000_TDBAL or E1000_RDBAL), and how many it has. */
uint64_t e1000_descriptor(struct e1000 *e, uint32_t ring, uint32_t k);
uint32_t e1000_ring_size(struct e1000 *e, uint32_t ring);

/* e1000_transmit.c: descriptors from head to tail. */
void e1000_transmit(struct e1000 *e);
/* e1000_receive.c: a frame from the switch; false: no room. */
bool e1000_receive(void *of, const uint8_t *frame, unsigned bytes);

#endif
