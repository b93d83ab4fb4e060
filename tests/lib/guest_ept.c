/* guest_ept.c - see guest_ept.h. */
#include "lib/guest_ept.h"

#include <check.h>

#define TABLES   4 /* of the lowest level, 2 MiB each */
#define PT(i, n) (EPT_TABLES(i) + 0x3000u + 0x1000u * (n))

u64 ept_make(struct bare *b, unsigned i, u64 bits)
{
    u64 root = EPT_TABLES(i), table = EPT_RWX | (bits & EPT_A);
    bare_set_u64(b, root, (root + 0x1000) | table);
    bare_set_u64(b, root + 0x1000, (root + 0x2000) | table);
    for (u64 n = 0; n < TABLES; n++) {
        bare_set_u64(b, root + 0x2000 + 8 * n, PT(i, n) | table);
        for (u64 page = 0; page < 512; page++)
            bare_set_u64(b, PT(i, n) + 8 * page, n << 21 | page << 12 | EPT_RWX | EPT_WB | bits);
    }
    return root | EPTP_WB | EPTP_WALK_4;
}

void ept_control(struct bare *b, u64 controls)
{
    guest_set_bits(b->core, VMCS_PROC_CONTROLS, PROC_SECONDARY);
    guest_set_bits(b->core, VMCS_PROC2_CONTROLS, controls);
}

void ept_use(struct bare *b, u64 bits, u64 eptp_flags)
{
    ept_control(b, PROC2_EPT);
    guest_set(b->core, VMCS_EPTP, ept_make(b, 0, bits) | eptp_flags);
}

u64 ept_entry(unsigned i, u64 gpa)
{
    return PT(i, gpa >> 21) + 8 * (gpa >> 12 & 511);
}
