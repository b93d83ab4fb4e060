/* entry_guest.c - what VM entry asks of the guest-state area (SDM vol. 3, 26.3.1): exit 33. */
#include "vtx/lib/vtx.h"

#define REGISTERS "26.3.1.1 Checks on Guest Control Registers, Debug Registers, and MSRs"
#define SEGMENTS  "26.3.1.2 Checks on Guest Segment Registers"
#define TABLES    "26.3.1.3 Checks on Guest Descriptor-Table Registers"
#define RIP_FLAGS "26.3.1.4 Checks on Guest RIP, RFLAGS, and SSP"
#define OTHER     "26.3.1.5 Checks on Guest Non-Register State"
#define FAILURES  "26.8 VM-Entry Failures During or After Loading Guest State"

#define QUAL_LINK_POINTER 4

static void do_nothing(void)
{
}

static void is_refused(void)
{
    guest_at(do_nothing);
    expect_entry_failure(EXIT_INVALID_GUEST_STATE, 0);
}

static void refuses(uint32_t field, uint64_t value)
{
    guest_at(do_nothing);
    vmwrite(field, value);
    expect_entry_failure(EXIT_INVALID_GUEST_STATE, 0);
}

#define REFUSES(NAME, SECTION, FIELD, VALUE, RULE) \
    TEST(entry_guest, NAME, SECTION, #FIELD ": " RULE) \
    { \
        refuses(VMCS_##FIELD, VALUE); \
    }

#define ENTRY_STATE(NAME, SECTION, FIELD, VALUE, RULE) REFUSES(NAME, SECTION, GUEST_##FIELD, VALUE, RULE)
#include "vtx/entry_state.def"

REFUSES(cr0_pg, REGISTERS, GUEST_CR0, read_cr0() & ~(uint64_t)CR0_PG,
        "PG is 1 without \"unrestricted guest\"")
REFUSES(cr4_pae, REGISTERS, GUEST_CR4, read_cr4() & ~(uint64_t)CR4_PAE, "PAE is 1 for an IA-32e mode guest")

static void refuses_if(uint32_t control, uint32_t field, uint64_t value)
{
    set_controls(VMENTRY, control);
    refuses(field, value);
}

#define REFUSES_IF(NAME, CONTROL, FIELD, VALUE, RULE) \
    TEST(entry_guest, NAME, REGISTERS, #FIELD ": if it is loaded, " RULE) \
    { \
        refuses_if(CONTROL, VMCS_##FIELD, VALUE); \
    }
REFUSES_IF(dr7_high, VMENTRY_LOAD_DEBUG_CONTROLS, GUEST_DR7, UINT64_C(1) << 32 | DR7_FIXED,
           "bits 63:32 are 0")
REFUSES_IF(debugctl_reserved, VMENTRY_LOAD_DEBUG_CONTROLS, GUEST_DEBUGCTL, UINT64_C(1) << 63,
           "reserved bits are 0")
REFUSES_IF(pat_type, VMENTRY_LOAD_PAT, GUEST_PAT, (PAT_RESET & ~UINT64_C(0xff)) | 2,
           "each byte is a memory type, not 2")
REFUSES_IF(pat_high, VMENTRY_LOAD_PAT, GUEST_PAT, PAT_RESET | UINT64_C(8) << 56,
           "each byte is a memory type, not 8")
REFUSES_IF(efer_reserved, VMENTRY_LOAD_EFER, GUEST_EFER, rdmsr(MSR_EFER) | 2, "reserved bits are 0")
REFUSES_IF(efer_lma, VMENTRY_LOAD_EFER, GUEST_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_LMA,
           "LMA is \"IA-32e mode guest\"")
REFUSES_IF(efer_lme, VMENTRY_LOAD_EFER, GUEST_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_LME,
           "LME is LMA, since paging is on")

TEST(entry_guest, dr7_unused, REGISTERS, "GUEST_DR7 is not looked at unless debug controls are loaded")
{
    clear_controls(VMENTRY, VMENTRY_LOAD_DEBUG_CONTROLS);
    vmwrite(VMCS_GUEST_DR7, UINT64_MAX);
    run_to_done(do_nothing);
}

/* ---- segments ---- */

#define CODE       SEG_ATTR_CODE64
#define DATA       SEG_ATTR_DATA
#define USABLE_LDT SEG_ATTR_LDT

REFUSES(tr_ti, SEGMENTS, GUEST_TR_SELECTOR, SEL_TSS | SELECTOR_TI, "TI is 0")
REFUSES(tr_unusable, SEGMENTS, GUEST_TR_ACCESS_RIGHTS, SEG_ATTR_TSS | AR_UNUSABLE, "usable")
REFUSES(tr_type, SEGMENTS, GUEST_TR_ACCESS_RIGHTS, AR_P | SYS_TSS_AVAILABLE, "a busy 64-bit TSS")
REFUSES(tr_s, SEGMENTS, GUEST_TR_ACCESS_RIGHTS, SEG_ATTR_TSS | AR_S, "S is 0")
REFUSES(tr_present, SEGMENTS, GUEST_TR_ACCESS_RIGHTS, SYS_TSS_BUSY, "P is 1")
REFUSES(tr_reserved, SEGMENTS, GUEST_TR_ACCESS_RIGHTS, SEG_ATTR_TSS | 1 << 8, "bits 11:8 and 31:17 are 0")
REFUSES(tr_granularity, SEGMENTS, GUEST_TR_ACCESS_RIGHTS, SEG_ATTR_TSS | AR_G,
        "G is 0 if a low bit of the limit is")
REFUSES(cs_base, SEGMENTS, GUEST_CS_BASE, UINT64_C(1) << 32, "bits 63:32 are 0")
REFUSES(ss_base, SEGMENTS, GUEST_SS_BASE, UINT64_C(1) << 32, "bits 63:32 are 0 if usable")
REFUSES(ds_base, SEGMENTS, GUEST_DS_BASE, UINT64_C(1) << 32, "bits 63:32 are 0 if usable")
REFUSES(es_base, SEGMENTS, GUEST_ES_BASE, UINT64_C(1) << 32, "bits 63:32 are 0 if usable")
REFUSES(cs_type, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, CODE & ~SEG_ACCESSED, "accessed code")
REFUSES(cs_data, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, (CODE & ~AR_TYPE) | 3,
        "not data without \"unrestricted guest\"")
REFUSES(cs_s, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, CODE & ~AR_S, "S is 1")
REFUSES(cs_present, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, CODE & ~AR_P, "P is 1")
REFUSES(cs_reserved, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, CODE | 1 << 17, "bits 11:8 and 31:17 are 0")
REFUSES(cs_l_and_d, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, CODE | AR_DB, "D/B is 0 if L is 1")
REFUSES(cs_granularity, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, CODE & ~AR_G,
        "G is 1 if a high bit of the limit is")
REFUSES(cs_limit, SEGMENTS, GUEST_CS_LIMIT, 0xfffffffe, "G is 0 if one of bits 11:0 is 0")
REFUSES(cs_dpl, SEGMENTS, GUEST_CS_ACCESS_RIGHTS, CODE | AR_DPL, "DPL of non-conforming code is that of SS")
REFUSES(ss_rpl, SEGMENTS, GUEST_SS_SELECTOR, SEL_DATA | 3, "RPL is that of CS")
REFUSES(ss_type, SEGMENTS, GUEST_SS_ACCESS_RIGHTS, (DATA & ~AR_TYPE) | 1, "type is 3 or 7")
REFUSES(ss_s, SEGMENTS, GUEST_SS_ACCESS_RIGHTS, DATA & ~AR_S, "S is 1")
REFUSES(ss_dpl, SEGMENTS, GUEST_SS_ACCESS_RIGHTS, DATA | AR_DPL, "DPL is the RPL")
REFUSES(ss_present, SEGMENTS, GUEST_SS_ACCESS_RIGHTS, DATA & ~AR_P, "P is 1")
REFUSES(ss_reserved, SEGMENTS, GUEST_SS_ACCESS_RIGHTS, DATA | 1 << 11, "bits 11:8 and 31:17 are 0")
REFUSES(ds_type, SEGMENTS, GUEST_DS_ACCESS_RIGHTS, DATA & ~SEG_ACCESSED, "accessed")
REFUSES(ds_code, SEGMENTS, GUEST_DS_ACCESS_RIGHTS, (DATA & ~(AR_TYPE | AR_DB)) | SEG_CODE | SEG_ACCESSED,
        "readable if it is code")
REFUSES(es_s, SEGMENTS, GUEST_ES_ACCESS_RIGHTS, DATA & ~AR_S, "S is 1")
REFUSES(fs_present, SEGMENTS, GUEST_FS_ACCESS_RIGHTS, DATA & ~AR_P, "P is 1")
REFUSES(gs_reserved, SEGMENTS, GUEST_GS_ACCESS_RIGHTS, DATA | 1 << 8, "bits 11:8 and 31:17 are 0")
REFUSES(ds_dpl, SEGMENTS, GUEST_DS_SELECTOR, SEL_DATA | 3, "DPL is not below the RPL")
REFUSES(fs_limit, SEGMENTS, GUEST_FS_LIMIT, 0x7fffff00, "G is 0 if one of bits 11:0 is 0")
REFUSES(ldtr_type, SEGMENTS, GUEST_LDTR_ACCESS_RIGHTS, AR_P | 3, "type 2 if it is usable")
REFUSES(ldtr_s, SEGMENTS, GUEST_LDTR_ACCESS_RIGHTS, USABLE_LDT | AR_S, "S is 0 if it is usable")
REFUSES(ldtr_present, SEGMENTS, GUEST_LDTR_ACCESS_RIGHTS, SYS_LDT, "P is 1 if it is usable")

TEST(entry_guest, ldtr_ti, SEGMENTS, "GUEST_LDTR_SELECTOR: TI is 0 if it is usable")
{
    vmwrite(VMCS_GUEST_LDTR_ACCESS_RIGHTS, USABLE_LDT);
    refuses(VMCS_GUEST_LDTR_SELECTOR, SELECTOR_TI);
}

TEST(entry_guest, ldtr_base, SEGMENTS, "GUEST_LDTR_BASE: canonical if it is usable")
{
    vmwrite(VMCS_GUEST_LDTR_ACCESS_RIGHTS, USABLE_LDT);
    refuses(VMCS_GUEST_LDTR_BASE, NOT_CANONICAL);
}

TEST(entry_guest, unusable_unchecked, SEGMENTS,
     "rights and bases of unusable DS, ES, SS and LDTR are not looked at")
{
    vmwrite(VMCS_GUEST_DS_ACCESS_RIGHTS, AR_UNUSABLE);
    vmwrite(VMCS_GUEST_DS_BASE, UINT64_C(1) << 32);
    vmwrite(VMCS_GUEST_ES_ACCESS_RIGHTS, AR_UNUSABLE | 1 << 8);
    vmwrite(VMCS_GUEST_SS_ACCESS_RIGHTS, AR_UNUSABLE);
    vmwrite(VMCS_GUEST_LDTR_SELECTOR, SELECTOR_TI);
    run_to_done(do_nothing);
}

/* ---- descriptor tables, RIP, RFLAGS ---- */

REFUSES(gdtr_limit, TABLES, GUEST_GDTR_LIMIT, 0x10000, "bits 31:16 are 0")
REFUSES(idtr_limit, TABLES, GUEST_IDTR_LIMIT, 0x10000, "bits 31:16 are 0")
REFUSES(rflags_fixed, RIP_FLAGS, GUEST_RFLAGS, 0, "bit 1 is 1")
REFUSES(rflags_reserved, RIP_FLAGS, GUEST_RFLAGS, FLAG_FIXED | 8, "reserved bits are 0: 3")
REFUSES(rflags_high, RIP_FLAGS, GUEST_RFLAGS, FLAG_FIXED | UINT64_C(1) << 22, "reserved bits are 0: 63:22")
REFUSES(rflags_vm, RIP_FLAGS, GUEST_RFLAGS, FLAG_FIXED | FLAG_VM, "VM is 0 for an IA-32e mode guest")

#define BEYOND_LOW_HALF (UINT64_C(1) << (LINEAR_BITS - 1))
#define ABOVE_ADDRESSES (UINT64_C(1) << LINEAR_BITS)

REFUSES(rip, RIP_FLAGS, GUEST_RIP, ABOVE_ADDRESSES, "bits 63:48 are identical")

TEST(entry_guest, rip_behind_low_half, RIP_FLAGS,
     "GUEST_RIP may be the address behind the low half: bits 63:48 are identical, and the fetch is #GP")
{
    guest_at(do_nothing);
    vmwrite(VMCS_GUEST_RIP, BEYOND_LOW_HALF);
    expect_exception(VEC_GP);
    check_field(VMCS_GUEST_RIP, BEYOND_LOW_HALF);
}

TEST(entry_guest, rflags_if, RIP_FLAGS, "GUEST_RFLAGS: IF is 1 if an external interrupt is injected")
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_EXTERNAL));
    is_refused();
}

/* ---- non-register state ---- */

#define IF_ON (FLAG_FIXED | FLAG_IF)

REFUSES(activity_unknown, OTHER, GUEST_ACTIVITY, 4, "0 to 3")
REFUSES(blocking_reserved, OTHER, GUEST_INTERRUPTIBILITY, 1 << 5, "bits 31:5 are 0")
REFUSES(blocking_smi, OTHER, GUEST_INTERRUPTIBILITY, BLOCKING_SMI, "blocking by SMI only in SMM")
REFUSES(blocking_sti_if, OTHER, GUEST_INTERRUPTIBILITY, BLOCKING_STI, "no blocking by STI if RFLAGS.IF is 0")
REFUSES(pending_reserved, OTHER, GUEST_PENDING_DEBUG, 1 << 4, "bits 11:4 are 0")
REFUSES(pending_reserved_13, OTHER, GUEST_PENDING_DEBUG, 1 << 13, "bit 13 is 0")
REFUSES(pending_reserved_high, OTHER, GUEST_PENDING_DEBUG, UINT64_C(1) << 63, "bits 63:17 are 0")

TEST(entry_guest, activity_unsupported, OTHER, "GUEST_ACTIVITY: a state that IA32_VMX_MISC lists")
{
    uint64_t misc = rdmsr(MSR_VMX_MISC) >> 5; /* bit of HLT + 1: A.6 */

    for (uint64_t state = VMX_ACTIVITY_HLT; state <= VMX_ACTIVITY_WAIT_SIPI; state++)
        if (!(misc >> state & 1)) {
            refuses(VMCS_GUEST_ACTIVITY, state);
            return;
        }
    SKIP("this processor has all activity states");
}

TEST(entry_guest, hlt_in_ring3, OTHER, "GUEST_ACTIVITY: not HLT unless the DPL of SS is 0")
{
    guest_at_ring3(do_nothing);
    vmwrite(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
    expect_entry_failure(EXIT_INVALID_GUEST_STATE, 0);
}

TEST(entry_guest, hlt_blocking, OTHER, "GUEST_ACTIVITY: active if STI or MOV SS blocks")
{
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS);
    refuses(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
}

TEST(entry_guest, hlt_event, OTHER, "GUEST_ACTIVITY: a #UD is not injected into HLT")
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_UD, EVENT_HARD_EXCEPTION));
    refuses(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_HLT);
}

TEST(entry_guest, sipi_event, OTHER, "GUEST_ACTIVITY: nothing is injected into wait-for-SIPI")
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(VEC_NMI, EVENT_NMI));
    refuses(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_WAIT_SIPI);
}

TEST(entry_guest, blocking_both, OTHER, "GUEST_INTERRUPTIBILITY: not blocking by both STI and MOV SS")
{
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    refuses(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_STI | BLOCKING_MOV_SS);
}

static void refuses_blocking(uint32_t info, uint64_t blocking)
{
    vmwrite(VMCS_GUEST_RFLAGS, IF_ON);
    vmwrite(VMCS_ENTRY_INTR_INFO, info);
    refuses(VMCS_GUEST_INTERRUPTIBILITY, blocking);
}

TEST(entry_guest, blocking_sti_interrupt, OTHER, "no blocking by STI if an external interrupt is injected")
{
    refuses_blocking(INTR_INFO(INT_FIRST, EVENT_EXTERNAL), BLOCKING_STI);
}

TEST(entry_guest, blocking_ss_interrupt, OTHER, "no blocking by MOV SS if an external interrupt is injected")
{
    refuses_blocking(INTR_INFO(INT_FIRST, EVENT_EXTERNAL), BLOCKING_MOV_SS);
}

TEST(entry_guest, blocking_ss_nmi, OTHER, "no blocking by MOV SS if an NMI is injected")
{
    refuses_blocking(INTR_INFO(VEC_NMI, EVENT_NMI), BLOCKING_MOV_SS);
}

TEST(entry_guest, blocking_nmi_virtual, OTHER,
     "no blocking by NMI if an NMI is injected with \"virtual NMIs\"")
{
    set_controls(PIN, PIN_NMI | PIN_VIRTUAL_NMIS);
    refuses_blocking(INTR_INFO(VEC_NMI, EVENT_NMI), BLOCKING_NMI);
}

TEST(entry_guest, pending_bs_without_tf, OTHER, "while MOV SS blocks, pending BS is 0 if RFLAGS.TF is")
{
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS);
    refuses(VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
}

TEST(entry_guest, pending_tf_without_bs, OTHER, "while MOV SS blocks, pending BS is 1 if RFLAGS.TF is")
{
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, BLOCKING_MOV_SS);
    refuses(VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_TF);
}

static void refuses_link(uint64_t link)
{
    guest_at(do_nothing);
    vmwrite(VMCS_VMCS_LINK_POINTER, link);
    expect_entry_failure(EXIT_INVALID_GUEST_STATE, QUAL_LINK_POINTER);
}

TEST(entry_guest, link_aligned, OTHER, "the VMCS link pointer is 4 KiB aligned: qualification 4")
{
    refuses_link((uint64_t)page_new() + 8);
}

TEST(entry_guest, link_width, OTHER, "no bit of the VMCS link pointer beyond the physical-address width")
{
    refuses_link((uint64_t)page_new() | physical_end());
}

TEST(entry_guest, link_revision, OTHER, "the VMCS link pointer is of a region with the revision identifier")
{
    refuses_link((uint64_t)page_new());
}

TEST(entry_guest, link_current, OTHER, "the VMCS link pointer is not that of the current VMCS")
{
    refuses_link(world_vmcs);
}

TEST(entry_guest, link_not_shadow, OTHER, "with \"VMCS shadowing\" the linked region is a shadow VMCS")
{
    set_controls(PROC2, PROC2_VMCS_SHADOWING);
    vmwrite(VMCS_VMREAD_BITMAP, (uint64_t)page_new());
    vmwrite(VMCS_VMWRITE_BITMAP, (uint64_t)page_new());
    refuses_link(vmcs_region());
}

TEST(entry_guest, link_shadow, OTHER, "without \"VMCS shadowing\" the linked region is none")
{
    uint32_t *region = (uint32_t *)vmcs_region();

    *region |= VMCS_SHADOW;
    refuses_link((uint64_t)region);
}

/* ---- what a failed entry leaves ---- */

TEST(entry_failure, keeps_guest_state, FAILURES, "no guest state is saved")
{
    guest_at(do_nothing);
    vmwrite(VMCS_GUEST_RFLAGS, 0);
    vmwrite(VMCS_GUEST_DR7, 0x77);
    expect_entry_failure(EXIT_INVALID_GUEST_STATE, 0);
    check_field(VMCS_GUEST_RIP, (uint64_t)do_nothing);
    check_field(VMCS_GUEST_RFLAGS, 0);
    check_field(VMCS_GUEST_DR7, 0x77);
}

TEST(entry_failure, keeps_event, FAILURES, "the valid bit of the event to inject is not cleared")
{
    vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_EXTERNAL));
    is_refused();
    check_field(VMCS_ENTRY_INTR_INFO, INTR_INFO(INT_FIRST, EVENT_EXTERNAL));
}

TEST(entry_failure, keeps_vectoring, FAILURES,
     "no other exit information than reason and qualification is written")
{
    if (!(rdmsr(MSR_VMX_MISC) & VMX_MISC_VMWRITE_ANY))
        SKIP("this processor does not let exit information be written");
    vmwrite(VMCS_IDT_VECTORING_INFO, 0x12345);
    vmwrite(VMCS_EXIT_INSN_LENGTH, 0x66);
    refuses(VMCS_GUEST_RFLAGS, 0);
    check_field(VMCS_IDT_VECTORING_INFO, 0x12345);
    check_field(VMCS_EXIT_INSN_LENGTH, 0x66);
}

TEST(entry_failure, loads_host, FAILURES, "the host state is loaded as by a VM exit")
{
    vmwrite(VMCS_HOST_SYSENTER_ESP, 0x1234);
    refuses(VMCS_GUEST_RFLAGS, 0);
    check_eq("IA32_SYSENTER_ESP", rdmsr(MSR_SYSENTER_ESP), 0x1234);
}
