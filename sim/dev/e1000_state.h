/* e1000_state.h - an 82540EM: state.def's (dev/e1000.h). */
#ifndef RINGSIDE_DEV_E1000_STATE_H
#define RINGSIDE_DEV_E1000_STATE_H

#include <stdint.h>

#define E1000_FIFO_WORDS 6144 /* 48 KiB for frames that have arrived */
#define E1000_TX_WORDS   192  /* of a frame that is being put together; a tag may come on top */
#define E1000_TX_MOST    (8 * E1000_TX_WORDS)

struct e1000 {
    /* Registers that hold what was written to them. */
    uint64_t ctrl, ctrl_ext, fcal, fcah, fct, vet, itr, ims, icr, rctl, fcttv, tctl, tipg, aifs, ledctl, pba;
    uint64_t fcrtl, fcrth, rdbal, rdbah, rdlen, rdh, rdt, rdtr, rxdctl, radv, rsrpd;
    uint64_t tdbal, tdbah, tdlen, tdh, tdt, tidv, txdctl, tadv, tspmt, rxcsum, wuc, wufc, wus, manc;
    uint64_t address[32]; /* RAL and RAH */
    uint64_t mta[128], vfta[128];
    uint64_t stat[64];

    /* EEPROM and PHY. */
    uint64_t eecd, eerd, mdic;
    uint64_t ee_bits, ee_count; /* clocked in since CS, and how many; those of data are counted as well */
    uint64_t phy[32];
    uint64_t io_address;
    uint64_t link_up; /* STATUS.LU as it was told */

    /* Interrupts: cycles at which timers expire; 0: they stand. */
    uint64_t asserted, throttled; /* no new one before that cycle */
    uint64_t rx_delay, rx_absolute, tx_delay, tx_absolute;

    /* Transmission: the descriptor at hand, and the frame. */
    uint64_t tx_phase; /* enum e1000_tx */
    uint64_t tx_descriptor[2], tx_context[2];
    uint64_t tx_moved;   /* bytes of the descriptor's data */
    uint64_t tx_options; /* of the frame's first descriptor: POPTS | command << 8 | special << 16 */
    uint64_t tx_begun;   /* the frame has a first descriptor */
    uint64_t tx_n;       /* bytes of the frame, of which those stand below that have room */
    uint64_t tx_segment; /* segments sent of this frame */
    uint64_t tx_begins;  /* cycle at which the last frame is on the wire, and the next may queue for it */
    uint64_t tx_frame[E1000_TX_WORDS];

    /* Reception: frames behind one another, each a word of its length in front. */
    uint64_t fifo_head, fifo_words;
    uint64_t fifo[E1000_FIFO_WORDS];
    uint64_t rx_phase;     /* enum e1000_rx */
    uint64_t rx_address;   /* of the descriptor's buffer */
    uint64_t rx_moved;     /* bytes of the frame that are in memory */
    uint64_t rx_in_buffer; /* of those, in this buffer */
    uint64_t rx_has_turn;  /* reception goes before transmission */
    uint64_t rx_low;       /* free descriptors are few, and that has been told */
};

#endif
