#include "guest_walk.h"

#include "arch/x86.h"
#include "page.h"
#include "vmx.h"

#define LEVELS  4
#define ENTRIES 512

struct access {
    bool write, user;
    uint64_t cr0, cr4, rflags;
};

static struct access access_of(bool write)
{
    return (struct access){
        .write = write,
        .user = (vmread(VMCS_GUEST_SS_ACCESS_RIGHTS) & AR_DPL) != 0,
        .cr0 = vmread(VMCS_GUEST_CR0),
        .cr4 = vmread(VMCS_GUEST_CR4),
        .rflags = vmread(VMCS_GUEST_RFLAGS),
    };
}

/* SDM vol. 3, 4.6.1 "Determination of Access Rights".  rights: W and U that every entry on the way has. */
static bool permitted(const struct access *a, uint64_t rights)
{
    if (a->user && !(rights & PTE_U))
        return false;
    if (!a->user && rights & PTE_U && a->cr4 & CR4_SMAP && !(a->rflags & FLAG_AC))
        return false;
    return !a->write || rights & PTE_W || (!a->user && !(a->cr0 & CR0_WP));
}

static uint32_t error_code(const struct access *a, uint32_t cause)
{
    return cause | (a->write ? PF_W : 0) | (a->user ? PF_U : 0);
}

static uint64_t *entry_at(struct vm *vm, uint64_t table, uint64_t gva, unsigned level)
{
    uint64_t *page = (uint64_t *)vm_page(vm, table);

    return page ? &page[gva >> (12 + 9 * (level - 1)) & (ENTRIES - 1)] : NULL;
}

/* A large page at a level that has none: its PS bit is reserved. */
static bool reserved(uint64_t entry, unsigned level)
{
    return entry & PTE_PS && level > 2;
}

enum guest_walk guest_walk(struct vm *vm, uint64_t gva, bool write, uint8_t **byte, uint32_t *error)
{
    const struct access a = access_of(write);
    uint64_t table = vmread(VMCS_GUEST_CR3) & CR3_ADDR, rights = PTE_W | PTE_U, offset, *entry;
    unsigned level = LEVELS;

    for (;; level--) {
        entry = entry_at(vm, table, gva, level);
        if (!entry)
            return WALK_OUTSIDE;
        if (!(*entry & PTE_P) || reserved(*entry, level)) {
            *error = error_code(&a, *entry & PTE_P ? PF_P | PF_RSVD : 0);
            return WALK_FAULT;
        }
        rights &= *entry;
        if (level == 1 || *entry & PTE_PS)
            break;
        *entry |= PTE_A;
        table = *entry & PTE_ADDR;
    }
    if (!permitted(&a, rights)) {
        *error = error_code(&a, PF_P);
        return WALK_FAULT;
    }
    *entry |= PTE_A | (write ? PTE_D : 0);
    offset = gva & (level == 2 ? LARGE_BYTES - 1 : PAGE_BYTES - 1);
    *byte = vm_page(vm, (*entry & PTE_ADDR & ~(level == 2 ? LARGE_BYTES - 1 : PAGE_BYTES - 1)) + offset);
    if (!*byte)
        return WALK_OUTSIDE;
    *byte += gva % PAGE_BYTES;
    return WALK_OK;
}
