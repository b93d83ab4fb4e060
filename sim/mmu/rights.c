/* rights.c - access rights of linear addresses, and the error code when they are refused. */
#include "mmu/rights.h"

#include "mmu/mmu.h"

static bool user_mode(unsigned access)
{
    return (access & (MMU_USER | MMU_IMPLICIT)) == MMU_USER;
}

static enum guest_fault user_access(u64 perms, unsigned access)
{
    if (!(perms & PERM_U))
        return FAULT_USER;
    if (access & MMU_WRITE && !(perms & PERM_W))
        return FAULT_WRITE;
    return access & MMU_FETCH && !(perms & PERM_X) ? FAULT_NX : FAULT_NONE;
}

static enum guest_fault supervisor_fetch(const struct core *c, u64 perms)
{
    if (perms & PERM_U && c->s.cr4 & CR4_SMEP)
        return FAULT_SMEP;
    return perms & PERM_X ? FAULT_NONE : FAULT_NX;
}

/* With SMAP, data of user-mode addresses needs EFLAGS.AC, and implicit accesses may not touch it at all. */
static enum guest_fault supervisor_data(const struct core *c, u64 perms, unsigned access)
{
    bool ac = c->s.rflags & FLAG_AC && !(access & MMU_IMPLICIT);
    if (perms & PERM_U && c->s.cr4 & CR4_SMAP && !ac)
        return FAULT_SMAP;
    bool protects = access & MMU_WRITE && c->s.cr0 & CR0_WP;
    return protects && !(perms & PERM_W) ? FAULT_WRITE : FAULT_NONE;
}

enum guest_fault rights_guest(const struct core *c, u64 perms, unsigned access)
{
    if (user_mode(access))
        return user_access(perms, access);
    return access & MMU_FETCH ? supervisor_fetch(c, perms) : supervisor_data(c, perms, access);
}

u64 rights_ept_needed(unsigned access)
{
    if (access & MMU_FETCH)
        return PERM_EPT_X;
    return access & MMU_WRITE ? PERM_EPT_W : PERM_EPT_R;
}

bool rights_allow(const struct core *c, u64 perms, unsigned access)
{
    if (access & MMU_WRITE && !(perms & PERM_DIRTY))
        return false;
    return !(rights_ept_needed(access) & ~perms) && rights_guest(c, perms, access) == FAULT_NONE;
}

u32 rights_error_code(const struct core *c, enum guest_fault fault, unsigned access)
{
    bool tells_fetch = c->s.cr4 & CR4_SMEP || c->s.efer & EFER_NXE;
    return (fault == FAULT_NOT_PRESENT ? 0 : PF_P) | (fault == FAULT_RESERVED ? PF_RSVD : 0) |
           (access & MMU_WRITE ? PF_W : 0) | (user_mode(access) ? PF_U : 0) |
           (access & MMU_FETCH && tells_fetch ? PF_I : 0);
}
