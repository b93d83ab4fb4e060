/* e1000.h - a driver of the 82540EM (sim/arch/e1000.h): two rings, polled; whoever wants interrupts sets IMS.
 */
#ifndef GUEST_E1000_H
#define GUEST_E1000_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/e1000.h"

#define NIC_RING   32
#define NIC_BUFFER 2048

struct nic_descriptor {
    uint64_t address;
    uint64_t word;
};

struct nic {
    uint64_t bar;
    uint32_t slot;
    uint8_t mac[6];
    uint32_t rx_next, tx_next;
    struct nic_descriptor rx[NIC_RING] __attribute__((aligned(128)));
    struct nic_descriptor tx[NIC_RING] __attribute__((aligned(128)));
    uint8_t buffer[NIC_RING][NIC_BUFFER] __attribute__((aligned(64)));
};

static inline uint32_t nic_read(const struct nic *n, uint32_t at)
{
    return *(volatile uint32_t *)(n->bar + at);
}

static inline void nic_write(const struct nic *n, uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(n->bar + at) = value;
}

/* Resets it, reads its address from the EEPROM, and switches both rings on.  False: the EEPROM's sum is
 * wrong. */
bool nic_open(struct nic *n, uint32_t slot);
uint16_t nic_eeprom(const struct nic *n, uint32_t at);
uint16_t nic_phy(const struct nic *n, uint32_t at);

/* A UDP packet's sums are the NIC's work: the frame is an IPv4 header of 20 bytes and UDP, whose checksum
 * field holds the sum of the pseudo header. */
void nic_offload_udp(struct nic *n);

/* Puts a frame into the ring; the buffer stays the NIC's until nic_sent.  options: E1000_TX_IXSM | TXSM, of
 * the last nic_offload_udp; 0: a legacy descriptor. */
void nic_send(struct nic *n, const void *frame, uint32_t bytes, uint32_t options);
/* The same in two steps: what has been offered is sent when the doorbell is rung (TDT). */
void nic_offer(struct nic *n, const void *frame, uint32_t bytes, uint32_t options);
void nic_ring(struct nic *n);
/* The ring has room for another one: as nic_send asks for it, the NIC writes DD into those that it has done.
 */
bool nic_room(const struct nic *n);
/* Takes all back that the NIC has not sent: the ring is as new. */
void nic_empty(struct nic *n);
/* The NIC has done all descriptors. */
bool nic_sent(const struct nic *n);

/* The next frame that has arrived, without FCS, and its length; NULL: none.  To be given back by nic_next. */
const uint8_t *nic_received(const struct nic *n, uint32_t *bytes);
void nic_next(struct nic *n);
/* The same in two halves: each frame is taken, and several are given back at once. */
void nic_take(struct nic *n);
void nic_give(struct nic *n);

#endif
