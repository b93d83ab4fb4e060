#include "mmio.h"

#include "arch/x86.h"
#include "emulate.h"
#include "guest_walk.h"
#include "guests/lib/string.h"
#include "page.h"
#include "print.h"
#include "vmx.h"

/* ---- the ranges ---- */

struct mmio_range *mmio_add(struct mmio *m, const struct mmio_range *range)
{
    for (unsigned i = 0; i < MMIO_RANGES; i++)
        if (m->range[i].bytes == 0) {
            m->range[i] = *range;
            return &m->range[i];
        }
    return NULL;
}

void mmio_remove(struct mmio_range *range)
{
    range->bytes = 0;
}

const struct mmio_range *mmio_find(const struct mmio *m, uint64_t gpa)
{
    for (unsigned i = 0; i < MMIO_RANGES; i++)
        if (gpa - m->range[i].gpa < m->range[i].bytes)
            return &m->range[i];
    return NULL;
}

/* ---- the instruction ---- */

/* What the emulation of one is for. */
struct exit {
    struct vcpu *v;
    struct guest_mode mode;
};

/* The bytes of one page, from gva on.  False: the guest has got a fault, or has ended. */
static bool fetch(const struct exit *x, uint64_t gva, uint8_t *bytes, unsigned n)
{
    struct guest_access access = guest_data_access(false);
    struct guest_path path;
    uint32_t error = 0;
    enum guest_walk result;
    const uint8_t *page = NULL;

    access.fetch = true;
    result = guest_walk(x->v, &x->mode, gva, access, &path, &error);
    if (result == WALK_FAULT) {
        pager_reflect(x->v, gva, error);
        return false;
    }
    if (result == WALK_OK)
        page = vm_page(x->v->vm, path.gpa);
    if (!page) {
        pager_outside(x->v->vm, "fetch", path.gpa, &gva);
        return false;
    }
    memcpy(bytes, page + path.gpa % PAGE_BYTES, n);
    return true;
}

/* Code may have changed since the processor has read it, so it may be none by now. */
static bool decoded(enum decoding result)
{
    if (result == DECODING_UNDEFINED)
        vcpu_inject(VEC_UD, false, 0);
    else if (result != DECODING_OK)
        vcpu_inject(VEC_GP, true, 0);
    return result == DECODING_OK;
}

/* The second page is touched only if the instruction reaches into it. */
static bool read_instruction(const struct exit *x, uint64_t rip, uint8_t *bytes, struct instruction *in)
{
    unsigned here = (unsigned)(PAGE_BYTES - rip % PAGE_BYTES);
    enum decoding result;

    if (here > INSTRUCTION_BYTES)
        here = INSTRUCTION_BYTES;
    if (!fetch(x, rip, bytes, here))
        return false;
    result = instruction_decode(bytes, here, in);
    if (result == DECODING_MORE) {
        if (!fetch(x, rip + here, bytes + here, INSTRUCTION_BYTES - here))
            return false;
        result = instruction_decode(bytes, INSTRUCTION_BYTES, in);
    }
    return decoded(result);
}

/* ---- its operands ---- */

/* SDM vol. 3, 6.15 "Interrupt 17-Alignment Check Exception (#AC)" */
static bool misaligned(const struct emulation *e, const struct access *a)
{
    return a->linear % a->bytes && e->rflags & FLAG_AC && guest_cr0() & CR0_AM &&
           guest_data_access(false).user;
}

/* What the processor has checked already where it is what has exited, and not of the other operand. */
static bool linear_allowed(const struct emulation *e, const struct access *a)
{
    if (!canonical(a->linear) || !canonical(a->linear + a->bytes - 1))
        vcpu_inject(a->stack ? VEC_SS : VEC_GP, true, 0);
    else if (misaligned(e, a))
        vcpu_inject(VEC_AC, true, 0);
    else
        return true;
    return false;
}

/* What lies at gpa: RAM, or a device. */
static bool part_at(struct vcpu *v, uint64_t gpa, bool write, struct access_part *part)
{
    uint8_t *page = vm_page(v->vm, gpa);

    part->ram = page ? page + gpa % PAGE_BYTES : NULL;
    part->range = page ? NULL : mmio_find(&v->vm->mmio, gpa);
    if (page && write)
        pager_written(v, gpa);
    else if (part->range)
        part->offset = gpa - part->range->gpa;
    return page || part->range;
}

static bool find_part(const struct exit *x, uint64_t gva, bool write, struct access_part *part)
{
    struct guest_path path;
    uint32_t error = 0;
    enum guest_walk result = guest_walk(x->v, &x->mode, gva, guest_data_access(write), &path, &error);

    if (result == WALK_OK && part_at(x->v, path.gpa, write, part))
        return true;
    if (result == WALK_FAULT)
        pager_reflect(x->v, gva, error);
    else
        pager_outside(x->v->vm, result == WALK_OK && write ? "write" : "read", path.gpa, &gva);
    return false;
}

static bool find_access(struct emulation *e, struct access *a)
{
    const struct exit *x = e->of;
    uint64_t here = PAGE_BYTES - a->linear % PAGE_BYTES;

    if (!linear_allowed(e, a))
        return false;
    a->part[0].bytes = (uint8_t)(here < a->bytes ? here : a->bytes);
    a->part[1].bytes = (uint8_t)(a->bytes - a->part[0].bytes);
    return find_part(x, a->linear, a->write, &a->part[0]) &&
           (a->part[1].bytes == 0 || find_part(x, a->linear + here, a->write, &a->part[1]));
}

/* ---- the exit ---- */

static void unknown(struct vm *vm, uint64_t rip, const struct instruction *in, const uint8_t *bytes)
{
    char text[3 * INSTRUCTION_BYTES + 1] = "";

    for (unsigned i = 0; i < in->length; i++)
        format_text(text + 3 * i, sizeof text - 3 * i, " %02x", bytes[i]);
    vm_crash(vm, "instruction%s at rip 0x%lx touches a device, and is not among those that are emulated",
             text, rip);
}

/* Status flags and RSP are the VMCS's. */
static void commit(const struct emulation *e, uint64_t rflags, uint64_t rsp, bool over)
{
    if (e->rflags != rflags)
        vmwrite(VMCS_GUEST_RFLAGS, e->rflags);
    if (e->gpr[REG_RSP] != rsp)
        vmwrite(VMCS_GUEST_RSP, e->gpr[REG_RSP]);
    if (over)
        vcpu_advance(e->in.length);
    else
        vcpu_skip_iteration();
}

/* Where nothing has been done the instruction runs again, or its fault is delivered. */
void mmio_exit(struct vcpu *v)
{
    struct exit x = {.v = v, .mode = guest_mode_now(v)};
    uint64_t rsp = vmread(VMCS_GUEST_RSP), rflags = vmread(VMCS_GUEST_RFLAGS);
    struct emulation e = {.gpr = v->gpr,
                          .rip = vmread(VMCS_GUEST_RIP),
                          .rflags = rflags,
                          .fs_base = vmread(VMCS_GUEST_FS_BASE),
                          .gs_base = vmread(VMCS_GUEST_GS_BASE),
                          .find = find_access,
                          .of = &x};
    uint8_t bytes[INSTRUCTION_BYTES];
    enum emulated result;

    v->vm->stats.fault = FAULT_MMIO;
    v->gpr[REG_RSP] = rsp;
    if (!read_instruction(&x, e.rip, bytes, &e.in))
        return;
    result = emulate(&e);
    if (result == EMULATED_UNKNOWN)
        unknown(v->vm, e.rip, &e.in, bytes);
    else if (result != EMULATED_NOTHING)
        commit(&e, rflags, rsp, result == EMULATED);
}
