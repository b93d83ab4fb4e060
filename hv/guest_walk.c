#include "guest_walk.h"

#include "arch/insn.h"
#include "arch/x86.h"
#include "page.h"
#include "vmx.h"

#define LEVELS            4
#define ENTRIES           512
#define LEAF_FEATURES     0x80000001
#define LEAF_ADDRESS_SIZE 0x80000008
#define PAT_OF_LARGE      0x1000 /* in an entry that maps a large page */

struct access {
    bool write, user;
    uint64_t cr0, cr4, rflags, efer;
};

/* The processor, as the guest has it too. */
static struct processor {
    bool known, has_1g;
    uint64_t beyond; /* address bits that it has not */
} processor;

static void know_processor(void)
{
    uint32_t r[4];

    cpuid(LEAF_FEATURES, 0, r);
    processor.has_1g = r[3] & CPUID_EXT1_EDX_PAGE1GB;
    cpuid(LEAF_ADDRESS_SIZE, 0, r);
    processor.beyond = PTE_ADDR & ~((UINT64_C(1) << (r[0] & 0xff)) - 1);
    processor.known = true;
}

static struct access access_of(bool write)
{
    return (struct access){
        .write = write,
        .user = (vmread(VMCS_GUEST_SS_ACCESS_RIGHTS) & AR_DPL) != 0,
        .cr0 = vmread(VMCS_GUEST_CR0),
        .cr4 = vmread(VMCS_GUEST_CR4),
        .rflags = vmread(VMCS_GUEST_RFLAGS),
        .efer = vmread(VMCS_GUEST_EFER),
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

static bool is_page(uint64_t entry, unsigned level)
{
    return level == 1 || entry & PTE_PS;
}

/* What a page mapped at this level has besides its frame. */
static uint64_t offset_mask(unsigned level)
{
    return (PAGE_BYTES << 9 * (level - 1)) - 1;
}

/* SDM vol. 3, tables 4-15 to 4-20 "Format of ...": a large page lies at a multiple of its size, and there is
 * none at level 4. */
static bool reserved(const struct access *a, uint64_t entry, unsigned level)
{
    uint64_t bits = processor.beyond | (a->efer & EFER_NXE ? 0 : PTE_NX);

    if (level == LEVELS || (level == 3 && !processor.has_1g))
        bits |= PTE_PS;
    else if (level > 1 && entry & PTE_PS)
        bits |= offset_mask(level) & PTE_ADDR & ~(uint64_t)PAT_OF_LARGE;
    return entry & bits;
}

enum guest_walk guest_walk(struct vm *vm, uint64_t gva, bool write, uint8_t **byte, uint32_t *error)
{
    const struct access a = access_of(write);
    uint64_t table = vmread(VMCS_GUEST_CR3) & CR3_ADDR, rights = PTE_W | PTE_U, mask, *entry;
    unsigned level = LEVELS;

    if (!processor.known)
        know_processor();
    for (;; level--) {
        entry = entry_at(vm, table, gva, level);
        if (!entry)
            return WALK_OUTSIDE;
        if (!(*entry & PTE_P) || reserved(&a, *entry, level)) {
            *error = error_code(&a, *entry & PTE_P ? PF_P | PF_RSVD : 0);
            return WALK_FAULT;
        }
        rights &= *entry;
        if (is_page(*entry, level))
            break;
        *entry |= PTE_A;
        table = *entry & PTE_ADDR;
    }
    if (!permitted(&a, rights)) {
        *error = error_code(&a, PF_P);
        return WALK_FAULT;
    }
    *entry |= PTE_A | (write ? PTE_D : 0);
    mask = offset_mask(level);
    *byte = vm_page(vm, (*entry & PTE_ADDR & ~mask) | (gva & mask));
    if (!*byte)
        return WALK_OUTSIDE;
    *byte += gva % PAGE_BYTES;
    return WALK_OK;
}
