/* pit_state.h - state of the 8254's counters (dev/pit.c).  Times are ticks of its clock since power-on. */
#ifndef RINGSIDE_DEV_PIT_STATE_H
#define RINGSIDE_DEV_PIT_STATE_H

struct pit_counter {
    u64 control; /* mode, access and BCD as in the control word */
    u64 count;   /* 1 to 65536 */
    u64 running; /* a count is loaded, or is on its way to be at `start` */
    u64 start;   /* tick at which the count was loaded */
    u64 gate;    /* the input */
    u64 stopped; /* the gate holds it */
    u64 held;    /* since then: ticks after the start */
    u64 next;    /* a count that is loaded later; 0: none */
    u64 next_at; /* modes 2 and 3: the tick at which it is */
    u64 rises;   /* of OUT, before the start */
    u64 driven;  /* of those, up to now, the ones that the line has seen */
    u64 low;     /* a low byte that waits for its high byte, + 256; 0: none */
    u64 high;    /* the next byte read is the high one */
    u64 latch;   /* a count to be read */
    u64 latched; /* its bytes that are left; 0: none is latched */
    u64 status;  /* likewise a status, + 256 */
};

#endif
