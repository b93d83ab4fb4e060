/* ps2_state.h - state of the keyboard and its controller (dev/ps2.c). */
#ifndef RINGSIDE_DEV_PS2_STATE_H
#define RINGSIDE_DEV_PS2_STATE_H

#define PS2_WIRE_BYTES 4096

struct ps2 {
    /* the controller */
    u64 config, output_port;
    u64 command;  /* whose data byte comes next; 0: none */
    u64 wrote;    /* the last byte written was a command */
    u64 output;   /* the byte that is to be read, + 256; 0: none */
    u64 released; /* translation: the prefix has come */
    /* the keyboard */
    u64 expects; /* command whose argument comes next; 0: none */
    u64 scans, scan_set, leds, typematic;
    u64 answers, answer_count; /* bytes, the first in 7:0 */
    u64 last;                  /* sent */
    u64 wire_head, wire_tail;  /* key codes put in and taken out */
    u64 wire[PS2_WIRE_BYTES / 8];
};

#endif
