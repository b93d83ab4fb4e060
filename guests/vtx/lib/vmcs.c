#include "vtx/lib/vmcs.h"

#include "arch/insn.h"
#include "vtx/lib/check.h"
#include "vtx/lib/instructions.h"
#include "vtx/lib/world.h"

/* How long a guest may take: some 30 million cycles on a processor that counts every 32nd. */
#define PATIENCE 1000000

extern const char guest_exit[]; /* switch.S */

/* ---- capabilities ---- */

const char *control_name(enum control_word word, uint32_t bit)
{
    static const struct {
        enum control_word word;
        uint32_t bit;
        const char *name;
    } rows[] = {
#define VMX_CONTROL(WORD, ID, number, kind, name) {WORD, 1u << (number), name},
#include "arch/vmx_controls.def"
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].word == word && rows[i].bit & bit)
            return rows[i].name;
    return "a reserved control";
}

void need_controls(enum control_word word, uint32_t bits)
{
    uint32_t lacking = bits & ~allowed_controls(word).may;

    if (lacking)
        SKIP("this processor has not \"%s\"", control_name(word, lacking));
}

void set_controls(enum control_word word, uint32_t bits)
{
    need_controls(word, bits);
    if (word == PROC2)
        set_controls(PROC, PROC_SECONDARY);
    vmwrite(control_field(word), vmread(control_field(word)) | bits);
}

void clear_controls(enum control_word word, uint32_t bits)
{
    vmwrite(control_field(word), vmread(control_field(word)) & ~(uint64_t)bits);
}

uint64_t ept_vpid_cap(void)
{
    bool there = has_controls(PROC2, PROC2_EPT) || has_controls(PROC2, PROC2_VPID);

    return there ? rdmsr(MSR_VMX_EPT_VPID_CAP) : 0;
}

void need_cap(uint64_t bits, const char *what)
{
    if ((ept_vpid_cap() & bits) != bits)
        SKIP("this processor has not %s", what);
}

void need_instruction(enum exit_reason reason)
{
    if (reason == EXIT_INVEPT)
        need_cap(EPT_CAP_INVEPT, "INVEPT");
    if (reason == EXIT_INVVPID)
        need_cap(EPT_CAP_INVVPID, "INVVPID");
}

void drop_translations(void)
{
    uint64_t cap = ept_vpid_cap();

    if (cap & EPT_CAP_INVEPT && cap & EPT_CAP_INVEPT_ALL)
        expect_success(try_invept(INVEPT_ALL, (struct invalidation){0, 0}));
    if (cap & EPT_CAP_INVVPID && cap & EPT_CAP_INVVPID_ALL)
        expect_success(try_invvpid(INVVPID_ALL, (struct invalidation){0, 0}));
}

/* ---- a fresh VMCS ---- */

uint64_t vmcs_region(void)
{
    uint32_t *region = page_new();

    *region = (uint32_t)(rdmsr(MSR_VMX_BASIC) & VMX_BASIC_REVISION_BITS);
    vmclear((uint64_t)region);
    return (uint64_t)region;
}

static void fill_controls(void)
{
    for (enum control_word w = PIN; w < CONTROL_WORDS; w++)
        if (w != PROC2 || has_controls(PROC, PROC_SECONDARY))
            vmwrite(control_field(w), allowed_controls(w).must);
    set_controls(VMENTRY, VMENTRY_GUEST_64);
    set_controls(VMEXIT, VMEXIT_HOST_64);
    if (has_controls(PIN, PIN_PREEMPTION_TIMER)) {
        set_controls(PIN, PIN_PREEMPTION_TIMER);
        vmwrite(VMCS_PREEMPTION_TIMER, PATIENCE);
    }
    vmwrite(VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
}

void vmcs_fill(void)
{
    const struct vmcs_tables tables = {
        .gdt = (uint64_t)world_gdt,
        .gdt_limit = SEL_TSS + 15,
        .idt = (uint64_t)world_idt,
        .idt_limit = sizeof world_idt - 1,
        .tss = (uint64_t)&world_tss,
        .tss_selector = SEL_TSS,
    };

    vmcs_zero();
    fill_controls();
    vmcs_fill_state(&tables, vmwrite);
    vmwrite(VMCS_HOST_RIP, (uint64_t)guest_exit);
}
