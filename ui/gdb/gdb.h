/* gdb.h - a debugger at the machine: gdb's remote serial protocol on a TCP port of this host (docs/gdb.md).
 *
 * The face goes on moving the world; between two slices it asks whether it may:
 *
 *     struct gdb *g = gdb_open(1234, false, &err);
 *     while ((grip = gdb_attend(g, world, -1)) == GDB_HOLDS)
 *         ;                                            // the debugger looks and moves; wait for it
 *     if (grip == GDB_FREE) why = rs_continue(world, slice);
 *
 * A breakpoint ends the face's movement by RS_STOPPED; then gdb_attend holds.  When it lets go, the machine
 * stands where the face's movement stood, unless the debugger went further or its inputs have made that
 * another past: the face begins its movement again from there. */
#ifndef GDB_GDB_H
#define GDB_GDB_H

#include "ringside.h"

struct gdb;
struct scenario;

/* Listens on 127.0.0.1 at `port`, 0: any that is free.  The machine is held from the start.  replay: the
 * world takes no inputs.  NULL and a message if the port cannot be had. */
struct gdb *gdb_open(uint16_t port, bool replay, struct rs_error *err);
/* The scenario that names VMs and their symbols; without one they are those of scenario_know_module. */
void gdb_scenario(struct gdb *g, struct scenario *s);
uint16_t gdb_port(const struct gdb *g);
/* Tells a debugger that the run is over, and with which status. */
void gdb_close(struct gdb *g, int status);

enum gdb_grip {
    GDB_FREE,  /* the face may move the world */
    GDB_HOLDS, /* it may not: call again */
    GDB_KILLED /* the debugger has ended the run */
};

/* Serves the debugger for a moment; while it holds, waits for it up to a tenth of a second, or until fd (-1:
 * none) can be read.  The world has a booted machine. */
enum gdb_grip gdb_attend(struct gdb *g, rs_world *w, int fd);

/* The face's movement has ended for the reason that `text` gives.  True if a debugger wants to look around
 * first: it holds.  final: nothing comes after it but the end of the run, with `status`. */
bool gdb_ended(struct gdb *g, rs_world *w, const char *text, bool final, int status);

#endif
