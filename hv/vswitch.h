/* vswitch.h - a virtual switch: frames between VMs, and to uplinks (IEEE 802.1Q).
 *
 * It has given the MAC addresses out, so it knows where each is: it learns none and needs no spanning tree,
 * since what comes from one uplink never leaves by another.  Two uplinks are bonded: one takes over when the
 * other loses its link.  Until then either one is active and the other stands by, or the ports are spread
 * over both.  Knows nothing of VMs or processors. */
#ifndef HV_VSWITCH_H
#define HV_VSWITCH_H

#include <stdbool.h>
#include <stdint.h>

#define MAC_BYTES       6
#define FRAME_LEAST     14   /* two addresses and a type */
#define FRAME_MOST      1518 /* with a tag, without FCS */
#define VLAN_DEFAULT    1
#define VLAN_MOST       4094
#define VSWITCH_PORTS   12
#define VSWITCH_UPLINKS 2

/* What a port counts, in frames but for the bytes: into the switch, out of it, and what was dropped or odd.
 *
 *     no_room    what it leads to did not take the frame
 *     malformed  too short, too long, or of VLAN 4095
 *     vlan       a tag on an access port
 *     nowhere    nobody has the destination, and there is no uplink, or the frame has come from one
 *     standby    to all, by the uplink that is not active: it has come by the other too
 *     returned   by an uplink, from an address that is a VM's: its own frame
 *     foreign    forwarded, but not from the address that the port was given
 *     announced  of those out of it, told that a VM's address is behind this uplink now
 *     diverted   of those out of it, given to the other uplink, as its own link was lost before they were
 * sent missed     lost before they came in: the NIC had no room */
/* clang-format off */
#define VSWITCH_COUNTS(COUNT) \
    COUNT(in) COUNT(in_bytes) COUNT(out) COUNT(out_bytes) COUNT(no_room) COUNT(malformed) COUNT(vlan) \
    COUNT(nowhere) COUNT(standby) COUNT(returned) COUNT(foreign) COUNT(announced) \
    COUNT(diverted) COUNT(missed)
/* clang-format on */

struct vswitch_counts {
#define COUNT(name) uint64_t name;
    VSWITCH_COUNTS(COUNT)
#undef COUNT
};

enum vswitch_kind { VSWITCH_FREE, VSWITCH_GUEST, VSWITCH_UPLINK };

struct vswitch_port {
    enum vswitch_kind kind;
    const char *name;
    uint8_t mac[MAC_BYTES]; /* a guest's: the one that it was given; an uplink's: its NIC's, for people */
    uint16_t vlan;          /* of frames without a tag */
    bool trunk;             /* carries all VLANs, with tags but for that one */
    bool link;
    /* Where frames go that leave by the port; false: it has no room.  May not send from here. */
    bool (*take)(void *of, const uint8_t *frame, unsigned bytes);
    void *of;
    struct vswitch_port *way_out; /* a guest's: the uplink that its frames leave by; NULL: none has a link */
    struct vswitch_counts counts;
};

struct vswitch {
    struct vswitch_port port[VSWITCH_PORTS];
    struct vswitch_port *active; /* the uplink by which what is for all comes in; NULL: none */
    bool spread;                 /* guests leave by different uplinks; else all by the active one */
};

/* A new port, its link up, in VLAN_DEFAULT; an uplink is a trunk.  mac: a guest's, else NULL.  NULL: no port,
 * or no second uplink, is left. */
struct vswitch_port *vswitch_add(struct vswitch *s, const char *name, const uint8_t *mac,
                                 bool (*take)(void *of, const uint8_t *frame, unsigned bytes), void *of);
void vswitch_remove(struct vswitch *s, struct vswitch_port *port);
/* A port's link comes or goes. */
void vswitch_link(struct vswitch *s, struct vswitch_port *port, bool link);
/* Whether two uplinks share the work.  A port stays with one of them as long as both have their links, since
 * switches outside learn where an address is, and its frames stay in order. */
void vswitch_spread(struct vswitch *s, bool spread);
/* Tells the network that a guest's address is behind the uplink that it leaves by; switches outside learn it
 * from the frame, which is a request of RARP (RFC 903) that nobody need answer.  Happens without this call
 * when the uplink changes. */
void vswitch_announce(struct vswitch_port *port);
/* A frame that `uplink` has taken, but not sent before it lost its link, goes by the one that has taken over.
 */
void vswitch_divert(struct vswitch *s, struct vswitch_port *uplink, const uint8_t *frame, unsigned bytes);
/* A frame, without FCS, arrives from what the port leads to. */
void vswitch_send(struct vswitch *s, struct vswitch_port *from, const uint8_t *frame, unsigned bytes);

#endif
