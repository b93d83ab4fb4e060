/* pic_state.h - state of an 8259A (dev/pic.c). */
#ifndef RINGSIDE_DEV_PIC_STATE_H
#define RINGSIDE_DEV_PIC_STATE_H

struct pic {
    u64 irr, imr, isr;
    u64 lines;    /* asserted, a bit each */
    u64 level;    /* lines that are level-triggered */
    u64 vector;   /* of line 0 */
    u64 expects;  /* the initialisation command word that comes next, 2 to 4; 0: none */
    u64 icw1;     /* the one that began the initialisation */
    u64 icw4;     /* its bits */
    u64 lowest;   /* line of the lowest priority */
    u64 rotates;  /* at an automatic end of interrupt */
    u64 special;  /* special mask mode */
    u64 read_isr; /* what the command port reads */
    u64 poll;     /* its next read polls */
};

#endif
