/* guest.c - see guest.h. */
#include "lib/guest.h"

#include "cpu/vmcs.h"
#include "cpu/vmx.h"
#include "mmu/mem.h"

#include <check.h>

u64 guest_get(const struct core *c, u32 field)
{
    u64 value = 0;
    ck_assert(vmcs_read(c, field, &value));
    return value;
}

void guest_set(struct core *c, u32 field, u64 value)
{
    ck_assert(vmcs_write(c, field, value));
}

void guest_set_bits(struct core *c, u32 field, u64 bits)
{
    guest_set(c, field, guest_get(c, field) | bits);
}

static void fill_controls(struct core *c)
{
    guest_set(c, VMCS_PIN_CONTROLS, vmx_allowed(c, VMX_PIN).must);
    guest_set(c, VMCS_PROC_CONTROLS, vmx_allowed(c, VMX_PROC).must);
    guest_set(c, VMCS_EXIT_CONTROLS, vmx_allowed(c, VMX_VMEXIT).must);
    guest_set(c, VMCS_ENTRY_CONTROLS, vmx_allowed(c, VMX_VMENTRY).must);
    guest_set(c, VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    guest_set(c, VMCS_IO_BITMAP_A, GUEST_BITMAPS);
    guest_set(c, VMCS_IO_BITMAP_B, GUEST_BITMAPS + 0x1000);
    guest_set(c, VMCS_MSR_BITMAP, GUEST_BITMAPS + 0x2000);
}

static void fill_guest_segments(struct core *c)
{
    for (u32 i = 0; i < 8; i++) {
        const struct segment *s = &c->s.seg[i];
        guest_set(c, VMCS_GUEST_ES_SELECTOR + 2 * i, s->selector);
        guest_set(c, VMCS_GUEST_ES_BASE + 2 * i, s->base);
        guest_set(c, VMCS_GUEST_ES_LIMIT + 2 * i, s->limit);
        guest_set(c, VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * i, s->attr);
    }
    guest_set(c, VMCS_GUEST_LDTR_ACCESS_RIGHTS, AR_UNUSABLE);
    guest_set(c, VMCS_GUEST_GDTR_BASE, c->s.gdtr_base);
    guest_set(c, VMCS_GUEST_GDTR_LIMIT, c->s.gdtr_limit);
    guest_set(c, VMCS_GUEST_IDTR_BASE, c->s.idtr_base);
    guest_set(c, VMCS_GUEST_IDTR_LIMIT, c->s.idtr_limit);
}

static void fill_guest(struct core *c)
{
    guest_set(c, VMCS_GUEST_CR0, c->s.cr0);
    guest_set(c, VMCS_GUEST_CR3, c->s.cr3);
    guest_set(c, VMCS_GUEST_CR4, c->s.cr4);
    guest_set(c, VMCS_GUEST_RIP, GUEST_CODE);
    guest_set(c, VMCS_GUEST_RSP, GUEST_STACK);
    guest_set(c, VMCS_GUEST_RFLAGS, FLAG_FIXED);
    guest_set(c, VMCS_GUEST_DR7, DR7_FIXED);
    guest_set(c, VMCS_GUEST_EFER, c->s.efer);
    guest_set(c, VMCS_GUEST_PAT, PAT_RESET);
    fill_guest_segments(c);
}

static void fill_host(struct core *c)
{
    guest_set(c, VMCS_HOST_CR0, c->s.cr0);
    guest_set(c, VMCS_HOST_CR3, c->s.cr3);
    guest_set(c, VMCS_HOST_CR4, c->s.cr4);
    guest_set(c, VMCS_HOST_RIP, GUEST_HOST);
    guest_set(c, VMCS_HOST_RSP, BARE_STACK);
    guest_set(c, VMCS_HOST_EFER, c->s.efer);
    guest_set(c, VMCS_HOST_PAT, PAT_RESET);
    guest_set(c, VMCS_HOST_CS_SELECTOR, BARE_CS0);
    guest_set(c, VMCS_HOST_SS_SELECTOR, BARE_DS0);
    guest_set(c, VMCS_HOST_DS_SELECTOR, BARE_DS0);
    guest_set(c, VMCS_HOST_TR_SELECTOR, BARE_TR);
    guest_set(c, VMCS_HOST_TR_BASE, BARE_TSS);
    guest_set(c, VMCS_HOST_GDTR_BASE, BARE_GDT);
    guest_set(c, VMCS_HOST_IDTR_BASE, BARE_IDT);
}

void guest_fill(struct core *c)
{
    for (u32 slot = 0; slot < VMCS_SLOTS; slot++)
        vmcs_slot_write(c, (enum vmcs_slot)slot, 0);
    fill_controls(c);
    fill_guest(c);
    fill_host(c);
}

static void enter_root(struct bare *b)
{
    struct core *c = b->core;
    c->s.cr4 |= CR4_VMXE;
    mem_write(b->machine->mem, GUEST_VMXON, 4, VMCS_REVISION);
    mem_write(b->machine->mem, GUEST_VMCS, 4, VMCS_REVISION);
    mem_write(b->machine->mem, GUEST_VMCS2, 4, VMCS_REVISION);
    bare_set_u64(b, 0x8000, GUEST_VMXON);
    c->s.gpr[REG_RAX] = 0x8000;
    GUEST_RUN(b, VMXON_RAX);
    ck_assert_uint_eq(c->s.vmx_on, 1);
}

void guest_open_root(struct bare *b, u64 firmware)
{
    bare_open(b, firmware);
    enter_root(b);
}

void guest_open_cores(struct bare *b, u64 cores)
{
    bare_open_cores(b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK, cores);
    enter_root(b);
    bare_set_u64(b, 0x8000, GUEST_VMCS);
    GUEST_RUN(b, VMPTRLD_RAX);
    ck_assert_uint_eq(b->core->s.vmcs_hpa, GUEST_VMCS);
    guest_fill(b->core);
}

void guest_open(struct bare *b)
{
    guest_open_cores(b, 1);
}

void guest_launch(struct bare *b)
{
    GUEST_RUN(b, VMLAUNCH);
    ck_assert_msg(b->core->s.vmx_guest, "not entered: %s", vmx_rule_text(b->core->rt.vmx_rule));
}
