/* link.h - network ports of devices, and the links between them (docs/machine.md, N1 to N5).
 *
 * A frame is what lies between preamble and FCS: destination, source, perhaps a VLAN tag, type, data.  Links
 * neither look at it nor change it; a wire adds padding, FCS, preamble and gap in time alone.  What stands at
 * a port's other end is another port, or the outside, which takes all frames and sends those that a person
 * does.  Ports are known by machine and number, and every way between two takes time. */
#ifndef RINGSIDE_DEV_LINK_H
#define RINGSIDE_DEV_LINK_H

#include "dev/device.h"
#include "dev/pci.h"

#define FRAME_LEAST 14   /* a header */
#define FRAME_MOST  1518 /* 1500 bytes of data behind a header with a VLAN tag */
#define MAC_BYTES   6

_Static_assert(FRAME_MOST <= FRAME_WORDS * 8, "state has room for a frame");

/* What becomes of a frame; probes tell it by these words. */
#define FRAME_ENDS(X) \
    X(OK, "none") \
    X(CUT, "link is down") \
    X(LOST, "lost on the link") \
    X(WIRE_FULL, "too many frames on their way") \
    X(LENGTH, "length") \
    X(OFF, "receiver is off") \
    X(FILTERED, "not for this address") \
    X(NO_ROOM, "receiver has no room")

enum frame_end {
#define X(id, word) FRAME_##id,
    FRAME_ENDS(X)
#undef X
        FRAME_ENDS_COUNT
};

enum frame_event { FRAME_SENT, FRAME_RECEIVED, FRAME_DROPPED, FRAME_EVENTS };

/* What a device does with its port. */
struct port_model {
    /* A frame of FRAME_LEAST to FRAME_MOST bytes has arrived, in an atom of the devices that is the link's:
     * the device keeps it (FRAME_OK) or says why not, and asks for an atom of its own for what follows. */
    enum frame_end (*receive)(struct pci_device *d, const u8 *frame, unsigned n);
    /* The link has been cut or mended; at the end of an atom.  NULL: it does not care. */
    void (*link_changed)(struct pci_device *d, bool up);
};

/* In a model's `build`: the device's one port.  False: the machine has as many as it can. */
bool port_attach(struct pci_device *d, const struct port_model *model);

/* Its address: as configured, or 52:54:00:12:34:56 for the first port, ..:57 for the second. */
const u8 *port_mac(const struct pci_device *d);
bool port_link_up(const struct pci_device *d);
/* A frame from outside would interrupt. */
bool ports_hear(const struct machine *m);
/* Bits a second. */
u64 port_bandwidth(const struct pci_device *d);

/* In an atom of the devices: the frame goes onto the wire now, or behind the one before it.  Returns the
 * cycle at which its last bit is through, and the wire is free for the next.  What is too short or too long
 * is not sent. */
u64 port_send(struct pci_device *d, const u8 *frame, unsigned n);
/* The cycle from which the wire is free; that may be past. */
u64 port_free(const struct pci_device *d);

/* ---- for the board ---- */

/* The link's atom: the frame that is due arrives. */
void link_run(struct machine *m);
/* What is kept when the power goes: cables, but nothing on them. */
void link_power_cycle(struct machine *m, const struct port wiring[PORTS]);

/* ---- inputs ---- */

bool link_input_possible(const struct machine *m, u64 port, u64 n);
/* A frame comes from outside, at the rate of the wire.  False: too many are on their way. */
bool link_input(struct machine *m, u64 port, const u8 *frame, u64 n);
bool link_room(const struct machine *m);
/* Ports a | b << 8, and struct rs_link's fields, 8 bytes each. */
bool link_change_possible(const struct machine *m, u64 ports, const u8 *bytes, u64 n);
bool link_change(struct machine *m, u64 ports, const u8 *bytes);

#endif
