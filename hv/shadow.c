/* shadow.c - the shadow pager: the processor walks tables that we make of the guest's tables and of
 * dir->root. Its exits are page faults (shadow_fault.c), and what the guest does to CR3, to the TLB, and to
 * the bits of control registers that its tables depend on. */
#include "shadow.h"

#include "arch/boot.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "ept.h"
#include "page.h"
#include "print.h"
#include "reach.h"
#include "vmx.h"

#define INVVPID_KINDS (EPT_CAP_INVVPID | EPT_CAP_INVVPID_ADDRESS | EPT_CAP_INVVPID_SINGLE)

static bool possible(const struct vm *vm, char *why, size_t size)
{
    (void)vm;
    if (vmx_offers(WORD_PROC2, PROC2_VPID) && vmx_offers(WORD_PROC, PROC_MONITOR_TRAP_FLAG) &&
        !(INVVPID_KINDS & ~rdmsr(MSR_VMX_EPT_VPID_CAP)))
        return true;
    format_text(why, size,
                "this processor lacks VPIDs, kinds of INVVPID or the monitor trap flag, for mmu=shadow");
    return false;
}

/* ---- the TLB ---- */

static void flush(struct vm *vm)
{
    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        vmx_flush_vpid(vm->vcpu[i].vpid);
    vm->shadow.stale = vm->shadow.stale_global = false;
}

/* Others have what is stale too; they forget it before they enter again, and so do we. */
static void flush_everywhere(struct vm *vm)
{
    if (vm->shadow.several)
        vcpus_flush(vm);
    else
        flush(vm);
    vm->shadow.stale = vm->shadow.stale_global = false;
}

void shadow_flush_stale(struct vm *vm)
{
    if (vm->shadow.stale)
        flush_everywhere(vm);
}

/* What a MOV to CR3 drops, unless more than that is stale. */
static void flush_but_global(struct vcpu *v)
{
    if (v->vm->shadow.stale && v->vm->shadow.several)
        vcpus_flush(v->vm);
    else if (v->vm->shadow.stale_global || !(rdmsr(MSR_VMX_EPT_VPID_CAP) & EPT_CAP_INVVPID_SINGLE_GLOBAL))
        vmx_flush_vpid(v->vpid);
    else
        vmx_flush_vpid_but_global(v->vpid);
    v->vm->shadow.stale = v->vm->shadow.stale_global = false;
}

/* ---- CR3 ---- */

struct shadow_table *shadow_root(struct vcpu *v)
{
    return v->shadow.root ? shadow_table_at(&v->vm->shadow, v->shadow.root) : NULL;
}

struct shadow_table *shadow_reach(struct vcpu *v, uint64_t gva, unsigned *index)
{
    struct shadow_table *t = shadow_root(v);

    while (t) {
        *index = shadow_index(gva, ROLE_LEVEL(t->role));
        if (!t->entry[*index] || shadow_entry_is_page(t, *index))
            return t;
        t = shadow_below(&v->vm->shadow, t, *index);
    }
    return NULL;
}

struct shadow_table *shadow_find(struct vcpu *v, uint64_t gva, unsigned *index)
{
    struct shadow_table *t = shadow_reach(v, gva, index);

    return t && t->entry[*index] ? t : NULL;
}

static void leave_root(struct vcpu *v)
{
    struct shadow_table *t = shadow_root(v);

    if (t)
        t->users--;
    v->shadow.root = 0;
}

/* With WP clear there are entries that only the supervisor may have, and NX is a reserved bit where NXE is
 * clear. */
static uint64_t role_mode(const struct guest_mode *mode)
{
    uint64_t nxe = mode->nxe ? ROLE_NXE : 0;

    if (mode->wp)
        return nxe;
    return nxe | ROLE_WP_CLEAR | (mode->smep ? ROLE_SMEP : 0) | (mode->smap ? ROLE_SMAP : 0);
}

/* The tables for the guest's CR3, as they were left if it has been here before.  Where it leads outside RAM
 * the tables are empty, and the first access will say so. */
static void enter_root(struct vcpu *v)
{
    struct vm *vm = v->vm;
    uint64_t gpa = vcpu_cr3(v) & CR3_ADDR;
    struct shadow_table *t;

    leave_root(v);
    vm->shadow.walk++;
    if (gpa >= vm->config.ram_bytes) {
        vmwrite(VMCS_GUEST_CR3, vm->shadow.nowhere);
        return;
    }
    t = shadow_table_get(vm, gpa / PAGE_BYTES, ROLE(GUEST_LEVELS, PTE_W | PTE_U | role_mode(&v->mode)));
    if (!t) {
        vm_crash(vm, "no memory left for a shadow table");
        return;
    }
    t->users++;
    v->shadow.root = t->slot;
    vmwrite(VMCS_GUEST_CR3, (uint64_t)t->entry);
}

static void load_cr3(struct vcpu *v, uint64_t value)
{
    v->vm->dir->guest_cr3[v->index] = value;
    enter_root(v);
    shadow_sync(v);
    flush_but_global(v);
}

/* ---- other invalidations ---- */

static void invalidate(struct vcpu *v, uint64_t gva)
{
    if (!canonical(gva))
        return;
    shadow_sync_address(v, gva);
    if (v->vm->shadow.stale)
        flush_everywhere(v->vm);
    else
        vmx_flush_vpid_address(v->vpid, gva);
}

/* Other rules have other shadows. */
static void mode_changed(struct vcpu *v)
{
    v->mode = guest_mode_now(v);
    enter_root(v);
    shadow_sync(v);
    shadow_flush_stale(v->vm);
    vmx_flush_vpid(v->vpid);
}

/* ---- beginning and end ---- */

static bool begin(struct vm *vm)
{
    if (!shadow_pool_begin(vm))
        return false;
    vm->shadow.nowhere = page_alloc();
    return vm->shadow.nowhere;
}

static void end(struct vm *vm)
{
    if (vm->shadow.nowhere)
        page_free(vm->shadow.nowhere, PAGE_BYTES);
    shadow_pool_end(vm);
}

static void setup(struct vcpu *v)
{
    v->mode = guest_mode_now(v);
    v->vm->dir->guest_cr3[v->index] = BOOT_PML4;
    enter_root(v);
    shadow_flush_stale(v->vm);
}

static void written(struct vcpu *v, uint64_t gpa)
{
    shadow_unsync(v, gpa / PAGE_BYTES);
    shadow_flush_stale(v->vm);
}

static bool watches(struct vm *vm, uint64_t gpa)
{
    return shadow_frame_at(&vm->shadow, gpa / PAGE_BYTES)->traced;
}

const struct pager pager_shadow = {
    .name = "shadow",
    .shadow = true,
    .proc = PROC_CR3_LOAD | PROC_CR3_STORE | PROC_INVLPG,
    .exceptions = 1u << VEC_PF,
    .cr0_set = CR0_WP,
    .cr4_mask = CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP,
    .cr4_absent = CR4_PCIDE,
    .efer_set = EFER_NXE,
    .possible = possible,
    .begin = begin,
    .end = end,
    .setup = setup,
    .flush = flush,
    .collect = shadow_collect,
    .adopt = shadow_adopt,
    .forget = shadow_forget,
    .written = written,
    .watches = watches,
    .page_fault = shadow_page_fault,
    .instruction_done = shadow_instruction_done,
    .initialised = shadow_take_back,
    .load_cr3 = load_cr3,
    .invalidate = invalidate,
    .mode_changed = mode_changed,
};
