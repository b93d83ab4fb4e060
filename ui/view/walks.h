/* walks.h - the last page walk of each core and each device up to the present position: what a view shows
 * between walks. */
#ifndef VIEW_WALKS_H
#define VIEW_WALKS_H

#include "ringside.h"

#define WALK_WORDINGS 16 /* instructions whose words are kept */
#define WALK_CODE     15 /* bytes of the longest instruction */
#define WALK_DEVICES  8  /* whose walks are kept: those that came last */

/* What can only be told while the walk's address space is the machine's. */
struct walk_words {
    char who[RS_NAME_MAX]; /* "vm1", "hv" */
    char insn[80];         /* the instruction, "" if it cannot be read */
    char place[96];        /* "touch+12", "" without a symbol */
};

struct walk_entry {
    struct rs_position at; /* right after it ended */
    struct rs_walk walk;   /* not valid: there is none */
    struct walk_words words;
};

/* A device's last way through the IOMMU, walked or known to its caches. */
struct walk_device {
    struct rs_position at; /* as above */
    struct rs_walk walk;
};

/* Words of an instruction that walks again and again, as in a loop. */
struct walk_wording {
    uint64_t rip, cr3, vmcs, image, atom; /* image: of the symbols; atom: when it was described */
    uint8_t code[WALK_CODE];
    bool known, guest;
    struct walk_words words;
};

/* Goes with the position: nothing in it is freed, and it is added to by events alone. */
struct walk_log {
    struct walk_entry last[RS_CORES_MAX];
    struct walk_wording wording[WALK_WORDINGS];
    uint64_t wordings; /* ever put */
    struct walk_device device[WALK_DEVICES];
};

/* Writes the words of an event's walk, while the machine stands at it. */
typedef void walk_describer(const struct rs_event *event, struct walk_words *words, void *arg);

/* From an event walk.end.  It is described unless the words are known, from a walk by the same code just
 * before. */
void walk_log_add(struct walk_log *log, const struct rs_event *event, walk_describer *describe, void *arg);
/* From an event iommu.end. */
void walk_log_add_device(struct walk_log *log, const struct rs_event *event);
/* That of a device, or WALK_ANY: the one that came last; NULL if there is none. */
#define WALK_ANY UINT32_MAX
const struct walk_device *walk_log_device(const struct walk_log *log, uint32_t requester);
/* The device with the next higher number that has one, going around to WALK_ANY. */
uint32_t walk_log_next_device(const struct walk_log *log, uint32_t requester);
/* The last one of a core, NULL if there is none. */
const struct walk_entry *walk_log_last(const struct walk_log *log, uint32_t core);

#endif
