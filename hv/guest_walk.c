#include "guest_walk.h"

#include "arch/insn.h"
#include "arch/x86.h"
#include "ept.h"
#include "page.h"
#include "vmx.h"

#define LEVELS            GUEST_LEVELS
#define ENTRIES           512
#define LEAF_FEATURES     0x80000001
#define LEAF_ADDRESS_SIZE 0x80000008
#define PAT_OF_LARGE      0x1000 /* in an entry that maps a large page */

/* ---- who asks ---- */

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

uint64_t guest_address_mask(void)
{
    if (!processor.known)
        know_processor();
    return ~processor.beyond & (PTE_ADDR | (PAGE_BYTES - 1));
}

struct guest_mode guest_mode_now(const struct vcpu *v)
{
    uint64_t cr4 = vmread(VMCS_GUEST_CR4);

    if (!processor.known)
        know_processor();
    return (struct guest_mode){
        .wp = guest_cr0() & CR0_WP,
        .smep = cr4 & CR4_SMEP,
        .smap = cr4 & CR4_SMAP,
        .pge = cr4 & CR4_PGE,
        .nxe = v->efer & EFER_NXE,
    };
}

struct guest_access guest_data_access(bool write)
{
    return (struct guest_access){
        .write = write,
        .user = (vmread(VMCS_GUEST_SS_ACCESS_RIGHTS) & AR_DPL) != 0,
        .ac = vmread(VMCS_GUEST_RFLAGS) & FLAG_AC,
    };
}

/* ---- one entry ---- */

bool guest_entry_is_page(uint64_t entry, unsigned level)
{
    return level == 1 || entry & PTE_PS;
}

uint64_t guest_offset_mask(unsigned level)
{
    return (PAGE_BYTES << 9 * (level - 1)) - 1;
}

/* SDM vol. 3, tables 4-15 to 4-20 "Format of ...": a large page lies at a multiple of its size, and there is
 * none at level 4. */
bool guest_entry_reserved(const struct guest_mode *mode, uint64_t entry, unsigned level)
{
    uint64_t bits = processor.beyond | (mode->nxe ? 0 : PTE_NX);

    if (level == LEVELS || (level == 3 && !processor.has_1g))
        bits |= PTE_PS;
    else if (level > 1 && entry & PTE_PS)
        bits |= guest_offset_mask(level) & PTE_ADDR & ~(uint64_t)PAT_OF_LARGE;
    return entry & bits;
}

uint64_t guest_rights_below(uint64_t rights, uint64_t entry)
{
    return (rights & entry & (PTE_W | PTE_U)) | ((rights | entry) & PTE_NX);
}

/* ---- rights (SDM vol. 3, 4.6.1 "Determination of Access Rights") ---- */

static bool user_may(struct guest_access a, uint64_t rights)
{
    return rights & PTE_U && (!a.write || rights & PTE_W) && (!a.fetch || !(rights & PTE_NX));
}

static bool supervisor_may(const struct guest_mode *mode, struct guest_access a, uint64_t rights)
{
    if (a.fetch)
        return !(rights & PTE_NX) && !(rights & PTE_U && mode->smep);
    if (rights & PTE_U && mode->smap && !a.ac)
        return false;
    return !a.write || rights & PTE_W || !mode->wp;
}

static uint32_t error_code(const struct guest_mode *mode, struct guest_access a, uint32_t cause)
{
    bool tells_fetch = a.fetch && (mode->smep || mode->nxe);

    return cause | (a.write ? PF_W : 0) | (a.user ? PF_U : 0) | (tells_fetch ? PF_I : 0);
}

/* ---- the walk ---- */

/* Other processors of the guest set flags too, and write to the entry: false if it is no longer what it was.
 */
static bool set_flags(struct vm *vm, uint64_t gpa, uint64_t *entry, uint64_t *was, uint64_t flags)
{
    if ((*was & flags) == flags)
        return true;
    if (!__atomic_compare_exchange_n(entry, was, *was | flags, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    *was |= flags;
    ept_mark(vm->dir->root, gpa, EPT_A | EPT_D);
    return true;
}

static bool may(const struct guest_mode *mode, struct guest_access a, uint64_t rights)
{
    return a.user ? user_may(a, rights) : supervisor_may(mode, a, rights);
}

/* Once down the tables.  WALK_AGAIN: an entry has changed meanwhile. */
static enum guest_walk walk_once(const struct vcpu *v, const struct guest_mode *mode, uint64_t gva,
                                 struct guest_access access, struct guest_path *path, uint32_t *error)
{
    uint64_t table = vcpu_cr3(v) & CR3_ADDR, rights = PTE_W | PTE_U, *entry;
    unsigned level = LEVELS;
    uint8_t *page;

    for (;; level--) {
        path->gpa = table + (gva >> (12 + 9 * (level - 1)) & (ENTRIES - 1)) * sizeof *entry;
        page = vm_page(v->vm, path->gpa);
        if (!page)
            return WALK_OUTSIDE;
        entry = (uint64_t *)(page + path->gpa % PAGE_BYTES);
        path->entry[level] = __atomic_load_n(entry, __ATOMIC_RELAXED);
        if (!(path->entry[level] & PTE_P) || guest_entry_reserved(mode, path->entry[level], level)) {
            *error = error_code(mode, access, path->entry[level] & PTE_P ? PF_P | PF_RSVD : 0);
            return WALK_FAULT;
        }
        rights = guest_rights_below(rights, path->entry[level]);
        if (guest_entry_is_page(path->entry[level], level))
            break;
        if (!set_flags(v->vm, path->gpa, entry, &path->entry[level], PTE_A))
            return WALK_AGAIN;
        table = path->entry[level] & PTE_ADDR;
    }
    if (!may(mode, access, rights)) {
        *error = error_code(mode, access, PF_P);
        return WALK_FAULT;
    }
    if (!set_flags(v->vm, path->gpa, entry, &path->entry[level], PTE_A | (access.write ? PTE_D : 0)))
        return WALK_AGAIN;
    path->level = level;
    path->rights = rights;
    path->gpa =
        (path->entry[level] & PTE_ADDR & ~guest_offset_mask(level)) | (gva & guest_offset_mask(level));
    return WALK_OK;
}

enum guest_walk guest_walk(const struct vcpu *v, const struct guest_mode *mode, uint64_t gva,
                           struct guest_access access, struct guest_path *path, uint32_t *error)
{
    enum guest_walk result;

    do
        result = walk_once(v, mode, gva, access, path, error);
    while (result == WALK_AGAIN);
    return result;
}

enum guest_walk guest_byte(struct vcpu *v, uint64_t gva, bool write, uint8_t **byte, uint32_t *error)
{
    const struct guest_mode mode = guest_mode_now(v);
    struct guest_path path;
    enum guest_walk result = guest_walk(v, &mode, gva, guest_data_access(write), &path, error);

    if (result != WALK_OK)
        return result;
    *byte = vm_page(v->vm, path.gpa);
    if (!*byte)
        return WALK_OUTSIDE;
    if (write)
        pager_written(v, path.gpa);
    *byte += path.gpa % PAGE_BYTES;
    return WALK_OK;
}
