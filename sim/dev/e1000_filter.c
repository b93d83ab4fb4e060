/* e1000_filter.c - whose frames are taken (manual, 3.2.1 "Packet Address Filtering"); see e1000.h. */
#include <string.h>

#include "dev/e1000.h"

static bool is_broadcast(const u8 *frame)
{
    static const u8 all[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    return memcmp(frame, all, MAC_BYTES) == 0;
}

static bool is_exact(const struct e1000 *e, const u8 *frame)
{
    u64 low = 0, high = 0;
    for (unsigned i = 0; i < 4; i++)
        low |= (u64)frame[i] << 8 * i;
    for (unsigned i = 0; i < 2; i++)
        high |= (u64)frame[4 + i] << 8 * i;
    for (unsigned i = 0; i < E1000_ADDRESSES; i++)
        if (e->address[2 * i + 1] & E1000_RAH_AV && e->address[2 * i] == low &&
            (e->address[2 * i + 1] & 0xffff) == high)
            return true;
    return false;
}

/* Twelve bits of the last two bytes of a group address, chosen by RCTL.MO. */
static bool is_hashed(const struct e1000 *e, const u8 *frame)
{
    static const u8 shift[4] = {4, 3, 2, 0};
    unsigned word = frame[4] | (unsigned)frame[5] << 8;
    unsigned hash = word >> shift[e->rctl >> E1000_RCTL_MO_SHIFT & 3] & 0xfff;
    return frame[0] & 1 && e->mta[hash >> 5] >> (hash & 31) & 1;
}

static bool vlan_passes(const struct e1000 *e, const u8 *frame, unsigned n)
{
    if (!(e->rctl & E1000_RCTL_VFE) || n < 16 || ((u64)frame[12] << 8 | frame[13]) != e->vet)
        return true;
    unsigned tag = (unsigned)frame[14] << 8 | frame[15], vid = tag & 0xfff;
    if (e->rctl & E1000_RCTL_CFIEN && !(tag & 0x1000) != !(e->rctl & E1000_RCTL_CFI))
        return false;
    return e->vfta[vid >> 5] >> (vid & 31) & 1;
}

static bool address_passes(const struct e1000 *e, const u8 *frame, bool *inexact)
{
    bool group = frame[0] & 1;
    if (e->rctl & (group ? E1000_RCTL_MPE : E1000_RCTL_UPE))
        return true;
    if ((is_broadcast(frame) && e->rctl & E1000_RCTL_BAM) || is_exact(e, frame))
        return true;
    *inexact = is_hashed(e, frame);
    return *inexact;
}

bool e1000_takes(const struct e1000 *e, const u8 *frame, unsigned n, bool *inexact)
{
    *inexact = false;
    return vlan_passes(e, frame, n) && address_passes(e, frame, inexact);
}
