/* guest_walk.h - the guest's own page tables, read by software: what an instruction that we emulate touches,
 * and what a page fault of a VM with shadow tables is about. */
#ifndef HV_GUEST_WALK_H
#define HV_GUEST_WALK_H

#include "vm.h"

#define GUEST_LEVELS 4

enum guest_walk { WALK_OK, WALK_FAULT, WALK_OUTSIDE, WALK_AGAIN /* guest_walk.c alone has this */ };

/* As the current VMCS has it. */
struct guest_mode guest_mode_now(const struct vcpu *v);

struct guest_access {
    bool write, fetch, user;
    bool ac; /* RFLAGS.AC: SMAP looks away */
};
/* A data access by the instruction that has exited, with its privilege. */
struct guest_access guest_data_access(bool write);

/* The way from CR3 to the page.  entry[4] is that of the PML4, entry[level] the one that maps the page. */
struct guest_path {
    uint64_t entry[GUEST_LEVELS + 1];
    unsigned level;
    uint64_t rights; /* PTE_W, PTE_U: every entry has it; PTE_NX: one has it */
    uint64_t gpa;    /* of the byte; with WALK_OUTSIDE, of what lies where it has no RAM */
};

/* Translates a canonical address and sets A and D, as the processor would.  WALK_FAULT: *error is the #PF
 * error code.  WALK_OUTSIDE: a table lies where there is no RAM; the page itself is the caller's to ask for.
 */
enum guest_walk guest_walk(const struct vcpu *v, const struct guest_mode *mode, uint64_t gva,
                           struct guest_access access, struct guest_path *path, uint32_t *error);

/* One byte of a data access, as the instruction does it.  WALK_OK: *byte is the host's view of it. */
enum guest_walk guest_byte(struct vcpu *v, uint64_t gva, bool write, uint8_t **byte, uint32_t *error);

/* Address bits that the processor has. */
uint64_t guest_address_mask(void);

/* Of an entry of a table of this level, 4 the root's: whether it maps a page; whether a reserved bit is set;
 * what a page mapped there has besides its frame. */
bool guest_entry_is_page(uint64_t entry, unsigned level);
bool guest_entry_reserved(const struct guest_mode *mode, uint64_t entry, unsigned level);
uint64_t guest_offset_mask(unsigned level);
/* What is left of the rights that lead to a table when one of its entries is used. */
uint64_t guest_rights_below(uint64_t rights, uint64_t entry);

#endif
