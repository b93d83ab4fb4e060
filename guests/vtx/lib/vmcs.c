#include "vtx/lib/vmcs.h"

#include "arch/insn.h"
#include "vtx/lib/check.h"
#include "vtx/lib/instructions.h"
#include "vtx/lib/world.h"

/* How long a guest may take: some 30 million cycles on a processor that counts every 32nd. */
#define PATIENCE 1000000

extern const char guest_exit[]; /* switch.S */

/* ---- capabilities ---- */

static const struct {
    uint32_t field, msr, true_msr;
} words[CONTROL_WORDS] = {
    [PIN] = {VMCS_PIN_CONTROLS, MSR_VMX_PINBASED_CTLS, MSR_VMX_TRUE_PINBASED_CTLS},
    [PROC] = {VMCS_PROC_CONTROLS, MSR_VMX_PROCBASED_CTLS, MSR_VMX_TRUE_PROCBASED_CTLS},
    [PROC2] = {VMCS_PROC2_CONTROLS, MSR_VMX_PROCBASED_CTLS2, MSR_VMX_PROCBASED_CTLS2},
    [VMEXIT] = {VMCS_EXIT_CONTROLS, MSR_VMX_EXIT_CTLS, MSR_VMX_TRUE_EXIT_CTLS},
    [VMENTRY] = {VMCS_ENTRY_CONTROLS, MSR_VMX_ENTRY_CTLS, MSR_VMX_TRUE_ENTRY_CTLS},
};

uint32_t control_field(enum control_word word)
{
    return words[word].field;
}

static bool has_secondary(void)
{
    return rdmsr(MSR_VMX_PROCBASED_CTLS) >> 32 & PROC_SECONDARY;
}

struct allowed allowed_controls(enum control_word word)
{
    bool have_true = rdmsr(MSR_VMX_BASIC) & VMX_BASIC_TRUE;
    uint64_t value;

    if (word == PROC2 && !has_secondary())
        return (struct allowed){0, 0};
    value = rdmsr(have_true ? words[word].true_msr : words[word].msr);
    return (struct allowed){(uint32_t)value, (uint32_t)(value >> 32)};
}

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

bool has_controls(enum control_word word, uint32_t bits)
{
    return (allowed_controls(word).may & bits) == bits;
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
    vmwrite(words[word].field, vmread(words[word].field) | bits);
}

void clear_controls(enum control_word word, uint32_t bits)
{
    vmwrite(words[word].field, vmread(words[word].field) & ~(uint64_t)bits);
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

/* Not all processors have all fields; those of features that are off need no value. */
static void zero_all(void)
{
    static const uint32_t fields[] = {
#define VMCS_FIELD(ID, name, encoding, group, processors) VMCS_##ID,
#include "arch/vmcs_fields.def"
    };

    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        if (VMCS_FIELD_TYPE(fields[i]) != VMCS_TYPE_EXIT_INFO)
            try_vmwrite(fields[i], 0);
}

static void fill_controls(void)
{
    for (enum control_word w = PIN; w < CONTROL_WORDS; w++)
        if (w != PROC2 || has_secondary())
            vmwrite(words[w].field, allowed_controls(w).must);
    set_controls(VMENTRY, VMENTRY_GUEST_64);
    set_controls(VMEXIT, VMEXIT_HOST_64);
    if (has_controls(PIN, PIN_PREEMPTION_TIMER)) {
        set_controls(PIN, PIN_PREEMPTION_TIMER);
        vmwrite(VMCS_PREEMPTION_TIMER, PATIENCE);
    }
    vmwrite(VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
}

static void fill_host(void)
{
    vmwrite(VMCS_HOST_CR0, read_cr0());
    vmwrite(VMCS_HOST_CR3, read_cr3());
    vmwrite(VMCS_HOST_CR4, read_cr4());
    vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(VMCS_HOST_PAT, PAT_RESET);
    vmwrite(VMCS_HOST_CS_SELECTOR, SEL_CODE);
    for (uint32_t f = VMCS_HOST_SS_SELECTOR; f <= VMCS_HOST_GS_SELECTOR; f += 2)
        vmwrite(f, SEL_DATA);
    vmwrite(VMCS_HOST_ES_SELECTOR, SEL_DATA);
    vmwrite(VMCS_HOST_TR_SELECTOR, SEL_TSS);
    vmwrite(VMCS_HOST_TR_BASE, (uint64_t)&world_tss);
    vmwrite(VMCS_HOST_GDTR_BASE, (uint64_t)world_gdt);
    vmwrite(VMCS_HOST_IDTR_BASE, (uint64_t)world_idt);
    vmwrite(VMCS_HOST_RIP, (uint64_t)guest_exit);
}

/* Fields of the same kind of all segment registers follow each other, in the order of enum segment_reg. */
static void fill_segment(enum segment_reg n, uint64_t selector, uint64_t limit, uint64_t rights)
{
    vmwrite(VMCS_GUEST_ES_SELECTOR + 2 * n, selector);
    vmwrite(VMCS_GUEST_ES_LIMIT + 2 * n, limit);
    vmwrite(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * n, rights);
}

static void fill_segments(void)
{
    for (enum segment_reg n = SEG_ES; n <= SEG_GS; n++)
        fill_segment(n, SEL_DATA, UINT32_MAX, SEG_ATTR_DATA);
    fill_segment(SEG_CS, SEL_CODE, UINT32_MAX, SEG_ATTR_CODE64);
    fill_segment(SEG_LDTR, 0, 0, AR_UNUSABLE);
    fill_segment(SEG_TR, SEL_TSS, sizeof world_tss - 1, SEG_ATTR_TSS);
    vmwrite(VMCS_GUEST_TR_BASE, (uint64_t)&world_tss);
    vmwrite(VMCS_GUEST_GDTR_BASE, (uint64_t)world_gdt);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, SEL_TSS + 15);
    vmwrite(VMCS_GUEST_IDTR_BASE, (uint64_t)world_idt);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, sizeof world_idt - 1);
}

static void fill_guest(void)
{
    fill_segments();
    vmwrite(VMCS_GUEST_CR0, read_cr0());
    vmwrite(VMCS_GUEST_CR3, read_cr3());
    vmwrite(VMCS_GUEST_CR4, read_cr4());
    vmwrite(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
    vmwrite(VMCS_GUEST_PAT, PAT_RESET);
    vmwrite(VMCS_GUEST_DR7, DR7_FIXED);
    vmwrite(VMCS_GUEST_RFLAGS, FLAG_FIXED);
}

void vmcs_fill(void)
{
    zero_all();
    fill_controls();
    fill_host();
    fill_guest();
}
