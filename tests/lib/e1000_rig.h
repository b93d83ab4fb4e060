/* e1000_rig.h - a machine with two 82540EMs, and what suites do with the first one. */
#ifndef TESTS_LIB_E1000_RIG_H
#define TESTS_LIB_E1000_RIG_H

#include "dev/e1000.h"
#include "lib/bare.h"

#define SLOT    4
#define RX_RING UINT64_C(0x600000)
#define TX_RING UINT64_C(0x610000)
#define BUFFERS UINT64_C(0x620000) /* 4 KiB each */
#define DATA    UINT64_C(0x700000)
#define COUNT   8 /* descriptors of a ring */

/* A frame that was sent. */
struct sent {
    unsigned nic, n;
    u64 cycle;
    u8 bytes[FRAME_MOST];
};

struct rig {
    struct bare b;
    struct machine *m;
    struct core *c;
    struct pci_device *nic[2];
    struct e1000 *e;     /* the first one's */
    struct sent sent[8]; /* the last ones, of so many: */
    unsigned sendings, drops, why;
};

extern struct rig rig;
extern u8 frame[FRAME_MOST + 8]; /* to the first one, of no known type */

void rig_open(void);
void rig_close(void);

/* Registers of one, and of the first. */
u64 reg_of(unsigned i, unsigned at);
void set_of(unsigned i, unsigned at, u64 value);
u64 reg(unsigned at);
void set(unsigned at, u64 value);

/* Atoms of the devices until there are no more. */
void settle(void);

/* A ring of buffers of 4 KiB, all but one the hardware's; interrupts stay masked. */
void receiver_on(u64 rctl);
void transmitter_on(void);

/* A frame arrives from outside, and all that follows is done. */
void arrive(const u8 *bytes, unsigned n);
u64 rx_word(unsigned i);
unsigned rx_length(unsigned i);
unsigned rx_status(unsigned i);
void check_memory(u64 at, const u8 *bytes, unsigned n);

void put_data(const u8 *bytes, unsigned n);
/* The next of the ring of transmission. */
void descriptor(u64 address, u64 word);
#define COMMAND(bits) ((u64)(bits) << E1000_TX_COMMAND)

#endif
