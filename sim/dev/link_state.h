/* link_state.h - network ports, and frames on their way: state.def's (dev/link.h). */
#ifndef RINGSIDE_DEV_LINK_STATE_H
#define RINGSIDE_DEV_LINK_STATE_H

#include <stdint.h>

#define PORTS       8   /* that the devices of a machine can have */
#define FLIGHT      128 /* frames on their way to a machine's ports */
#define FRAME_WORDS 190

/* A port's end of its link. */
struct port {
    uint64_t peer;      /* the port at the other end, + 1; 0: the outside */
    uint64_t bandwidth; /* bits a second; 0: 1 Gbit */
    uint64_t latency;   /* picoseconds */
    uint64_t loss;      /* frames of a million */
    uint64_t chance;    /* state of the generator that chooses them */
    uint64_t cut;
    uint64_t sends;    /* cycle at which the last frame is through that it has sent; */
    uint64_t receives; /* that came from outside */
};

struct link_flight {
    uint64_t due[FLIGHT];                 /* cycle at which the frame arrives; 0: there is none */
    uint64_t order[FLIGHT];               /* among those of one cycle */
    uint64_t what[FLIGHT];                /* length << 8 | port */
    uint64_t next;                        /* the next frame's order */
    uint64_t frame[FLIGHT * FRAME_WORDS]; /* byte i of a frame at bits 8 (i mod 8) */
};

#endif
