/* vmx_checks.c - the rules that VM entry checks, in the order of the manual, and what two kinds of them
 * share. */
#include "cpu/system.h"
#include "cpu/vmx.h"

static const struct {
    enum vmx_stage stage;
    const struct vmx_rules *rules;
    bool each_time; /* they ask for what is not in the VMCS, or changes from exit to entry: vmx_kept.c */
} table[] = {
    {VMX_CHECK_CONTROLS, &vmx_control_rules, false}, {VMX_CHECK_CONTROLS, &vmx_apic_rules, true},
    {VMX_CHECK_HOST, &vmx_host_rules, false},        {VMX_CHECK_GUEST, &vmx_register_rules, false},
    {VMX_CHECK_GUEST, &vmx_segment_rules, false},    {VMX_CHECK_GUEST, &vmx_state_rules, true},
};
#define TABLES (sizeof table / sizeof *table)

const struct vmx_rule *vmx_rule(u32 number)
{
    u32 i = number - 1;
    for (size_t t = 0; number && t < TABLES; t++) {
        if (i < table[t].rules->count)
            return &table[t].rules->rule[i];
        i -= table[t].rules->count;
    }
    return NULL;
}

static u32 first_broken(const struct core *c, const struct vmx_rules *rules)
{
    u32 i = 0;
    while (i < rules->count && rules->rule[i].holds(c))
        i++;
    return i;
}

static u32 check(const struct core *c, enum vmx_stage stage, bool again)
{
    u32 number = 1;
    for (size_t t = 0; t < TABLES; t++) {
        bool asked = table[t].stage == stage && (table[t].each_time || !again);
        u32 i = asked ? first_broken(c, table[t].rules) : table[t].rules->count;
        if (i < table[t].rules->count)
            return number + i;
        number += table[t].rules->count;
    }
    return 0;
}

u32 vmx_check(const struct core *c, enum vmx_stage stage)
{
    return check(c, stage, false);
}

u32 vmx_check_again(const struct core *c, enum vmx_stage stage)
{
    return check(c, stage, true);
}

u32 vmx_msr_rule(u32 number)
{
    for (size_t t = 0; t < TABLES; t++)
        number += table[t].rules->count;
    return number;
}

const char *vmx_rule_text(u32 number)
{
    const struct vmx_rule *rule = vmx_rule(number);
    return rule ? rule->text : number ? vmx_msr_rule_text(number - vmx_msr_rule(0)) : NULL;
}

u32 vmx_proc2(const struct core *c)
{
    return VMCS_GET(c, PROC_CONTROLS) & PROC_SECONDARY ? (u32)VMCS_GET(c, PROC2_CONTROLS) : 0;
}

/* Each byte is a memory type: UC, WC, WT, WP, WB, UC- (SDM vol. 3, 11.12.2 "IA32_PAT MSR"). */
bool vmx_pat_ok(u64 pat)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        u64 type = pat >> shift & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

bool vmx_eptp_ok(u64 eptp)
{
    u64 type = eptp & EPTP_MEMORY_TYPE;
    return (type == EPTP_WB || type == EPTP_UC) && (eptp & EPTP_WALK_MASK) == EPTP_WALK_4 &&
           !(eptp & (EPTP_RESERVED | ~PHYS_MASK));
}

/* This machine has IA-32e mode only: LMA and LME must both be 1. */
bool vmx_efer_ok(const struct core *c, u64 efer)
{
    u64 long_mode = EFER_LMA | EFER_LME;
    u64 known = EFER_SCE | long_mode | (sys_has_nx(c) ? EFER_NXE : 0);
    return !(efer & ~known) && (efer & long_mode) == long_mode;
}
