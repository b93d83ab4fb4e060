/* e1000.h - an 82540EM, by its manual (sim/arch/e1000.h).
 *
 *   e1000.c            registers, reset, what is done when
 *   e1000_phy.c        EEPROM and PHY
 *   e1000_interrupt.c  causes, throttling, delays
 *   e1000_filter.c     whose frames are taken
 *   e1000_receive.c    frames to memory
 *   e1000_transmit.c   frames from memory
 *   e1000_checksum.c   what it computes for software */
#ifndef RINGSIDE_DEV_E1000_H
#define RINGSIDE_DEV_E1000_H

#include "arch/e1000.h"
#include "dev/link.h"

extern const struct pci_model e1000_model;

/* ---- between its files ---- */

#define E1000_CHUNK  256 /* bytes that an atom moves at most */
#define E1000_PADDED 60  /* bytes of the shortest frame, without FCS */

static inline struct e1000 *e1000_of(const struct pci_device *d)
{
    return &d->m->b.e1000[d->instance];
}

/* Asks for an atom for what is to be done next, if there is something. */
void e1000_schedule(struct pci_device *d);

static inline u64 *e1000_stat(struct e1000 *e, unsigned offset)
{
    return &e->stat[(offset - E1000_STATS) / 4];
}

/* Counters stay at their maximum. */
void e1000_count(struct e1000 *e, unsigned offset, u64 n);
/* The first of six, by length with FCS; and 64 bits of octets. */
void e1000_count_size(struct e1000 *e, unsigned first, u64 n);
void e1000_count_octets(struct e1000 *e, unsigned low, u64 n);

/* A ring (3.2.6 "Receive Descriptor Queue Structure", 3.4 "Transmit Descriptor Ring Structure"). */
static inline u64 e1000_ring_count(u64 length)
{
    return length / E1000_DESCRIPTOR;
}

/* Descriptors from head to tail; 0 as well if either lies outside the ring. */
static inline u64 e1000_ring_filled(u64 length, u64 head, u64 tail)
{
    u64 n = e1000_ring_count(length);
    return head < n && tail < n ? (tail + n - head) % n : 0;
}

/* EEPROM and PHY. */
void e1000_phy_reset(struct pci_device *d);
void e1000_eecd_write(struct pci_device *d, u64 value);
u64 e1000_eecd_read(struct pci_device *d);
void e1000_eerd_write(struct pci_device *d, u64 value);
void e1000_mdic_write(struct pci_device *d, u64 value);
/* STATUS.LU, FD and speed. */
u64 e1000_status(struct pci_device *d);
bool e1000_link_is_up(const struct pci_device *d);
/* Something may have changed that the link depends on. */
void e1000_check_link(struct pci_device *d);

/* Interrupts. */
void e1000_cause(struct pci_device *d, u64 bits);
u64 e1000_icr_read(struct pci_device *d);
/* After ICR or IMS has changed. */
void e1000_interrupt(struct pci_device *d);
/* A frame is in memory; a descriptor with RS, and perhaps IDE, is done. */
void e1000_received(struct pci_device *d);
void e1000_transmitted(struct pci_device *d, bool wait);
void e1000_flush_receive_delay(struct pci_device *d);
/* The first cycle at which a timer expires or an interrupt may be raised; UINT64_MAX: none. */
u64 e1000_timers_due(const struct pci_device *d);
void e1000_timers_run(struct pci_device *d);

/* What RCTL, the address tables and VFTA say.  *inexact: by the hash. */
bool e1000_takes(const struct e1000 *e, const u8 *frame, unsigned n, bool *inexact);

/* Work that can be done now, and an atom of it. */
bool e1000_can_receive(const struct pci_device *d);
void e1000_receive_step(struct pci_device *d);
void e1000_stop_receiver(struct e1000 *e);
bool e1000_can_transmit(const struct pci_device *d);
/* The cycle for which it waits: the wire's. */
u64 e1000_transmit_due(const struct pci_device *d);
void e1000_transmit_step(struct pci_device *d);
void e1000_stop_transmitter(struct e1000 *e);
extern const struct port_model e1000_port;

/* One's complement sum of big-endian words (RFC 1071), of an odd number with a zero behind; not inverted. */
u16 e1000_sum(const u8 *bytes, unsigned n, u32 start);
u32 e1000_fcs(const u8 *frame, unsigned n);
/* Checksums that software asks for: `legacy` as in a descriptor; a context's, with POPTS.  Places outside the
 * frame are left. */
void e1000_insert(u8 *frame, unsigned n, unsigned from, unsigned to, unsigned at, bool udp, u32 start);
/* Status | errors << 8 of a frame of length n (4.1.x "Receive Packet Checksum Offloading"). */
u64 e1000_receive_status(const struct e1000 *e, const u8 *frame, unsigned n);

#endif
