#include "lib/vmx.h"

#include <stddef.h>

#include "arch/insn.h"
#include "lib/vmx_insn.h"

/* Selectors of the boot protocol's GDT, which others have as well. */
#define SEL_CODE 0x08
#define SEL_DATA 0x10

const char *vmx_lacking(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    if (!(r[2] & CPUID_1_ECX_VMX))
        return "this processor offers no VMX";
    if (!(rdmsr(MSR_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    return rdmsr(MSR_FEATURE_CONTROL) & FEATURE_CONTROL_VMX ? NULL
                                                            : "IA32_FEATURE_CONTROL is locked with VMX off";
}

/* ---- controls ---- */

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

bool has_controls(enum control_word word, uint32_t bits)
{
    return (allowed_controls(word).may & bits) == bits;
}

/* ---- a fresh VMCS ---- */

/* Not all processors have all fields; those of features that are off need no value. */
void vmcs_zero(void)
{
    static const uint32_t fields[] = {
#define VMCS_FIELD(ID, name, encoding, group, processors) VMCS_##ID,
#include "arch/vmcs_fields.def"
    };

    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        if (VMCS_FIELD_TYPE(fields[i]) != VMCS_TYPE_EXIT_INFO)
            try_vmwrite(fields[i], 0);
}

typedef void vmwriter(uint32_t field, uint64_t value);

static void fill_host(const struct vmcs_tables *t, vmwriter *write)
{
    write(VMCS_HOST_CR0, read_cr0());
    write(VMCS_HOST_CR3, read_cr3());
    write(VMCS_HOST_CR4, read_cr4());
    write(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    write(VMCS_HOST_PAT, PAT_RESET);
    write(VMCS_HOST_CS_SELECTOR, SEL_CODE);
    for (uint32_t f = VMCS_HOST_SS_SELECTOR; f <= VMCS_HOST_GS_SELECTOR; f += 2)
        write(f, SEL_DATA);
    write(VMCS_HOST_ES_SELECTOR, SEL_DATA);
    write(VMCS_HOST_TR_SELECTOR, t->tss_selector);
    write(VMCS_HOST_TR_BASE, t->tss);
    write(VMCS_HOST_GDTR_BASE, t->gdt);
    write(VMCS_HOST_IDTR_BASE, t->idt);
}

struct segment {
    uint64_t selector, limit, rights;
};

/* Fields of the same kind of all segment registers follow each other, in the order of enum segment_reg. */
static void fill_segment(enum segment_reg n, struct segment s, vmwriter *write)
{
    write(VMCS_GUEST_ES_SELECTOR + 2 * n, s.selector);
    write(VMCS_GUEST_ES_LIMIT + 2 * n, s.limit);
    write(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * n, s.rights);
}

static void fill_segments(const struct vmcs_tables *t, vmwriter *write)
{
    for (enum segment_reg n = SEG_ES; n <= SEG_GS; n++)
        fill_segment(n, (struct segment){SEL_DATA, UINT32_MAX, SEG_ATTR_DATA}, write);
    fill_segment(SEG_CS, (struct segment){SEL_CODE, UINT32_MAX, SEG_ATTR_CODE64}, write);
    fill_segment(SEG_LDTR, (struct segment){0, 0, AR_UNUSABLE}, write);
    fill_segment(SEG_TR, (struct segment){t->tss_selector, sizeof(struct tss64) - 1, SEG_ATTR_TSS}, write);
    write(VMCS_GUEST_TR_BASE, t->tss);
    write(VMCS_GUEST_GDTR_BASE, t->gdt);
    write(VMCS_GUEST_GDTR_LIMIT, t->gdt_limit);
    write(VMCS_GUEST_IDTR_BASE, t->idt);
    write(VMCS_GUEST_IDTR_LIMIT, t->idt_limit);
}

void vmcs_fill_state(const struct vmcs_tables *tables, vmwriter *write)
{
    fill_host(tables, write);
    fill_segments(tables, write);
    write(VMCS_GUEST_CR0, read_cr0());
    write(VMCS_GUEST_CR3, read_cr3());
    write(VMCS_GUEST_CR4, read_cr4());
    write(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
    write(VMCS_GUEST_PAT, PAT_RESET);
    write(VMCS_GUEST_DR7, DR7_FIXED);
    write(VMCS_GUEST_RFLAGS, FLAG_FIXED);
}
