/* vmx_check_segments.c - checks on guest segment registers (SDM vol. 3, 26.3.1.2 "Checks on Guest Segment
 * Registers"). The guest is in IA-32e mode and "unrestricted guest" is 0, always. */
#include "cpu/vmx.h"

#define SECTION "26.3.1.2 Checks on Guest Segment Registers"

/* A segment register as the guest-state area has it; n: enum segment_reg. */
static struct segment guest_segment(const struct core *c, unsigned n)
{
    return (struct segment){
        .selector = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_SELECTOR + n)),
        .base = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_BASE + n)),
        .limit = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_LIMIT + n)),
        .attr = vmcs_slot_read(c, (enum vmcs_slot)(SLOT_GUEST_ES_ACCESS_RIGHTS + n)),
    };
}

static bool usable(const struct segment *s)
{
    return !(s->attr & AR_UNUSABLE);
}

static u64 dpl(u64 attr)
{
    return (attr & AR_DPL) >> AR_DPL_SHIFT;
}

static u64 rpl(const struct segment *s)
{
    return s->selector & SELECTOR_RPL;
}

static u64 type(const struct segment *s)
{
    return s->attr & AR_TYPE;
}

/* ---- what holds of several registers ---- */

static bool base_canonical(const struct segment *s)
{
    return sys_canonical(s->base);
}

static bool base_32(const struct segment *s)
{
    return !(s->base >> 32);
}

static bool code_or_data(const struct segment *s)
{
    return s->attr & AR_S;
}

static bool system_segment(const struct segment *s)
{
    return !(s->attr & AR_S);
}

static bool present(const struct segment *s)
{
    return s->attr & AR_P;
}

static bool reserved_clear(const struct segment *s)
{
    return !(s->attr & AR_RESERVED);
}

static bool granularity(const struct segment *s)
{
    bool low_zeros = (s->limit & 0xfff) != 0xfff, high_ones = s->limit & 0xfff00000;
    return s->attr & AR_G ? !low_zeros : !high_ones;
}

static bool selector_in_gdt(const struct segment *s)
{
    return !(s->selector & SELECTOR_TI);
}

/* ES, DS, FS, GS: accessed, and readable if code. */
static bool data_type(const struct segment *s)
{
    bool code = s->attr & SEG_CODE;
    return s->attr & SEG_ACCESSED && (!code || s->attr & SEG_READABLE);
}

/* Data and non-conforming code. */
static bool data_dpl(const struct segment *s)
{
    return type(s) > 11 || dpl(s->attr) >= rpl(s);
}

/* ---- what holds of one ---- */

static bool cs_type(const struct segment *s)
{
    return type(s) == 9 || type(s) == 11 || type(s) == 13 || type(s) == 15;
}

static bool cs_64(const struct segment *s)
{
    return s->attr & AR_L && !(s->attr & AR_DB);
}

static bool cs_dpl_ok(const struct core *c)
{
    struct segment cs = guest_segment(c, SEG_CS), ss = guest_segment(c, SEG_SS);
    return type(&cs) >= 12 ? dpl(cs.attr) <= dpl(ss.attr) : dpl(cs.attr) == dpl(ss.attr);
}

static bool ss_rpl_ok(const struct core *c)
{
    struct segment cs = guest_segment(c, SEG_CS), ss = guest_segment(c, SEG_SS);
    return rpl(&cs) == rpl(&ss);
}

static bool ss_type(const struct segment *s)
{
    return type(s) == 3 || type(s) == 7;
}

static bool ss_dpl_ok(const struct core *c)
{
    struct segment ss = guest_segment(c, SEG_SS);
    return dpl(ss.attr) == rpl(&ss);
}

static bool tr_type(const struct segment *s)
{
    return type(s) == SYS_TSS_BUSY;
}

static bool ldtr_type(const struct segment *s)
{
    return type(s) == SYS_LDT;
}

/* A check of one register: of it in any case, or only if it is usable. */
#define ALWAYS(name, n, what) \
    static bool name(const struct core *c) \
    { \
        struct segment s = guest_segment(c, n); \
        return what(&s); \
    }
#define USABLE(name, n, what) \
    static bool name(const struct core *c) \
    { \
        struct segment s = guest_segment(c, n); \
        return !usable(&s) || what(&s); \
    }

/* The checks that a kind of register shares: D(seg, SEG). */
#define DATA(D) D(es, ES) D(ds, DS) D(fs, FS) D(gs, GS)
#define DATA_CHECKS(seg, SEG) \
    USABLE(seg##_type_ok, SEG_##SEG, data_type) \
    USABLE(seg##_s_ok, SEG_##SEG, code_or_data) \
    USABLE(seg##_dpl_ok, SEG_##SEG, data_dpl) \
    USABLE(seg##_p_ok, SEG_##SEG, present) \
    USABLE(seg##_reserved_ok, SEG_##SEG, reserved_clear) \
    USABLE(seg##_g_ok, SEG_##SEG, granularity)
DATA(DATA_CHECKS)

ALWAYS(tr_ti_ok, SEG_TR, selector_in_gdt)
USABLE(ldtr_ti_ok, SEG_LDTR, selector_in_gdt)
ALWAYS(tr_base_ok, SEG_TR, base_canonical)
ALWAYS(fs_base_ok, SEG_FS, base_canonical)
ALWAYS(gs_base_ok, SEG_GS, base_canonical)
USABLE(ldtr_base_ok, SEG_LDTR, base_canonical)
ALWAYS(cs_base_ok, SEG_CS, base_32)
USABLE(ss_base_ok, SEG_SS, base_32)
USABLE(ds_base_ok, SEG_DS, base_32)
USABLE(es_base_ok, SEG_ES, base_32)
ALWAYS(cs_type_ok, SEG_CS, cs_type)
ALWAYS(cs_s_ok, SEG_CS, code_or_data)
ALWAYS(cs_p_ok, SEG_CS, present)
ALWAYS(cs_reserved_ok, SEG_CS, reserved_clear)
ALWAYS(cs_64_ok, SEG_CS, cs_64)
ALWAYS(cs_g_ok, SEG_CS, granularity)
USABLE(ss_type_ok, SEG_SS, ss_type)
USABLE(ss_s_ok, SEG_SS, code_or_data)
USABLE(ss_p_ok, SEG_SS, present)
USABLE(ss_reserved_ok, SEG_SS, reserved_clear)
USABLE(ss_g_ok, SEG_SS, granularity)
ALWAYS(tr_type_ok, SEG_TR, tr_type)
ALWAYS(tr_s_ok, SEG_TR, system_segment)
ALWAYS(tr_p_ok, SEG_TR, present)
ALWAYS(tr_reserved_ok, SEG_TR, reserved_clear)
ALWAYS(tr_g_ok, SEG_TR, granularity)
ALWAYS(tr_usable_ok, SEG_TR, usable)
USABLE(ldtr_type_ok, SEG_LDTR, ldtr_type)
USABLE(ldtr_s_ok, SEG_LDTR, system_segment)
USABLE(ldtr_p_ok, SEG_LDTR, present)
USABLE(ldtr_reserved_ok, SEG_LDTR, reserved_clear)
USABLE(ldtr_g_ok, SEG_LDTR, granularity)

#define SELECTOR(seg, text, holds) VMX_RULE("guest_" #seg "_selector", text, SECTION, holds, 0),
#define BASE(seg, text, holds)     VMX_RULE("guest_" #seg "_base", text, SECTION, holds, 0),
#define RIGHTS(seg, text, holds)   VMX_RULE("guest_" #seg "_access_rights", text, SECTION, holds, 0),
#define IN_GDT                     "TI (bit 2) is 0"
#define CANONICAL                  "a canonical address"
#define LOW_4G                     "bits 63:32 are 0"
#define IS_CODE_OR_DATA            "S (bit 4) is 1"
#define IS_SYSTEM                  "S (bit 4) is 0"
#define PRESENT                    "P (bit 7) is 1"
#define RESERVED                   "bits 11:8 and 31:17 are 0"
#define GRANULARITY                "G (bit 15) fits the limit: 0 if any of limit bits 11:0 is 0, 1 if any of 31:20 is 1"

#define DATA_RULES(seg, SEG) \
    RIGHTS(seg, "type (bits 3:0) is accessed, and readable if code", seg##_type_ok) \
    RIGHTS(seg, IS_CODE_OR_DATA, seg##_s_ok) \
    RIGHTS(seg, "DPL (bits 6:5) is not below the selector's RPL", seg##_dpl_ok) \
    RIGHTS(seg, PRESENT, seg##_p_ok) \
    RIGHTS(seg, RESERVED, seg##_reserved_ok) \
    RIGHTS(seg, GRANULARITY, seg##_g_ok)

static const struct vmx_rule rules[] = {
    SELECTOR(tr, IN_GDT, tr_ti_ok) SELECTOR(ldtr, IN_GDT, ldtr_ti_ok)
        SELECTOR(ss, "RPL equals that of CS", ss_rpl_ok) BASE(tr, CANONICAL, tr_base_ok) BASE(
            fs, CANONICAL, fs_base_ok) BASE(gs, CANONICAL, gs_base_ok) BASE(ldtr, CANONICAL, ldtr_base_ok)
            BASE(cs, LOW_4G, cs_base_ok) BASE(ss, LOW_4G, ss_base_ok) BASE(ds, LOW_4G, ds_base_ok) BASE(
                es, LOW_4G, es_base_ok) RIGHTS(cs, "type (bits 3:0) is 9, 11, 13 or 15",
                                               cs_type_ok) RIGHTS(cs, IS_CODE_OR_DATA, cs_s_ok)
                RIGHTS(cs, "DPL (bits 6:5) equals that of SS, or is not above it if conforming", cs_dpl_ok)
                    RIGHTS(cs, PRESENT, cs_p_ok) RIGHTS(cs, RESERVED, cs_reserved_ok) RIGHTS(
                        cs, "L (bit 13) is 1 and D/B (bit 14) is 0: this machine has no compatibility mode",
                        cs_64_ok) RIGHTS(cs, GRANULARITY,
                                         cs_g_ok) RIGHTS(ss, "type (bits 3:0) is 3 or 7",
                                                         ss_type_ok) RIGHTS(ss, IS_CODE_OR_DATA, ss_s_ok)
                        RIGHTS(ss, "DPL (bits 6:5) equals the selector's RPL",
                               ss_dpl_ok) RIGHTS(ss, PRESENT, ss_p_ok) RIGHTS(ss, RESERVED, ss_reserved_ok)
                            RIGHTS(ss, GRANULARITY, ss_g_ok) DATA(DATA_RULES)
                                RIGHTS(tr, "type (bits 3:0) is 11, a busy 64-bit TSS", tr_type_ok)
                                    RIGHTS(tr, IS_SYSTEM, tr_s_ok) RIGHTS(tr, PRESENT, tr_p_ok)
                                        RIGHTS(tr, RESERVED, tr_reserved_ok) RIGHTS(tr, GRANULARITY, tr_g_ok)
                                            RIGHTS(tr, "unusable (bit 16) is 0", tr_usable_ok)
                                                RIGHTS(ldtr, "type (bits 3:0) is 2, an LDT", ldtr_type_ok)
                                                    RIGHTS(ldtr, IS_SYSTEM, ldtr_s_ok)
                                                        RIGHTS(ldtr, PRESENT, ldtr_p_ok)
                                                            RIGHTS(ldtr, RESERVED, ldtr_reserved_ok)
                                                                RIGHTS(ldtr, GRANULARITY, ldtr_g_ok)};

const struct vmx_rules vmx_segment_rules = {rules, sizeof rules / sizeof *rules};
