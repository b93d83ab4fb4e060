/* walk_text.c - how a walk failed, and who has to answer, in words. */
#include "mmu/walk.h"

#include "arch/vmx.h"

enum answers { BY_KERNEL, BY_GUEST_KERNEL, BY_HYPERVISOR, ANSWERS };

#define WORDS(what) \
    { \
        what ": the kernel's (#PF)", what ": the guest kernel's (#PF, no exit)", \
            what ": the hypervisor's (exit 0, #PF)" \
    }

static const char *const guest_text[GUEST_FAULTS][ANSWERS] = {
    [FAULT_NONE] = {NULL, NULL, NULL},
    [FAULT_NOT_PRESENT] = WORDS("entry not present"),
    [FAULT_RESERVED] = WORDS("reserved bit set in an entry"),
    [FAULT_WRITE] = WORDS("write to a read-only page"),
    [FAULT_USER] = WORDS("user-mode access to a supervisor page"),
    [FAULT_NX] = WORDS("fetch from a page that is not executable"),
    [FAULT_SMEP] = WORDS("supervisor fetch from a user page (SMEP)"),
    [FAULT_SMAP] = WORDS("supervisor access to a user page (SMAP)"),
};

#define EPT_WORDS(what) \
    { \
        what ": the hypervisor's (exit 48)", what ": the guest kernel's (#VE, no exit)", \
            what ": the hypervisor's (exit 0, #VE)" \
    }

enum ept_answer { ANSWER_EXIT, ANSWER_VE, ANSWER_VE_EXITS, EPT_ANSWERS };

static const char *const ept_text[EPT_FAULTS][EPT_ANSWERS] = {
    [EPT_NOT_PRESENT] = EPT_WORDS("EPT entry not present"),
    [EPT_REFUSES_READ] = EPT_WORDS("EPT does not allow reading"),
    [EPT_REFUSES_WRITE] = EPT_WORDS("EPT does not allow writing"),
    [EPT_REFUSES_FETCH] = EPT_WORDS("EPT does not allow execution"),
    [EPT_REFUSES_TABLE_WRITE] = EPT_WORDS("EPT does not allow setting A or D in a guest table"),
};

/* A #PF exits as the exception bitmap and the error-code mask and match say (SDM vol. 3, 25.2 "Other Causes
 * of VM Exits"). */
static enum answers answers(const struct core *c, u32 error)
{
    const struct vmx_controls *v = &c->s.vmx;
    if (!c->s.vmx_guest)
        return BY_KERNEL;
    bool matches = (error & v->pf_mask) == v->pf_match;
    bool listed = v->exception_bitmap >> VEC_PF & 1;
    return matches == listed ? BY_HYPERVISOR : BY_GUEST_KERNEL;
}

const char *walk_text_guest(const struct core *c, enum guest_fault fault, u32 error)
{
    return guest_text[fault][answers(c, error)];
}

const char *walk_text_ept(const struct core *c, enum ept_fault fault, bool converted)
{
    bool exits = c->s.vmx.exception_bitmap >> VEC_VE & 1;
    enum ept_answer how = exits ? ANSWER_VE_EXITS : ANSWER_VE;
    return ept_text[fault][converted ? how : ANSWER_EXIT];
}

const char *walk_text_nested(enum rs_walk_owner owner)
{
    switch (owner) {
    case RS_EPT_MISCONFIG:
        return "EPT entry with a combination that is not allowed: the hypervisor's (exit 49)";
    case RS_APIC_ACCESS: return "a guest table in the APIC-access page: the hypervisor's (exit 44)";
    case RS_PML_FULL: return "page-modification log full: the hypervisor's (exit 62)";
    default: return NULL;
    }
}
