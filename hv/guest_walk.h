/* guest_walk.h - the guest's own page tables, read by software: what an instruction that we emulate touches.
 */
#ifndef HV_GUEST_WALK_H
#define HV_GUEST_WALK_H

#include "vm.h"

enum guest_walk { WALK_OK, WALK_FAULT, WALK_OUTSIDE };

/* Translates one byte of a data access by the guest at a canonical address, whose VMCS is current, with its
 * privilege; sets A and D. WALK_OK: *byte is the host's view of it.  WALK_FAULT: *error is the #PF error
 * code.  WALK_OUTSIDE: its tables or the page are where it has no RAM. */
enum guest_walk guest_walk(struct vm *vm, uint64_t gva, bool write, uint8_t **byte, uint32_t *error);

#endif
