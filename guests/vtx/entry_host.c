/* entry_host.c - what VM entry asks of the host-state area (SDM vol. 3, 26.2.2 to 26.2.4): error 8. */
#include "vtx/lib/vtx.h"

#define REGISTERS "26.2.2 Checks on Host Control Registers, MSRs, and SSP"
#define SEGMENTS  "26.2.3 Checks on Host Segment and Descriptor-Table Registers"
#define TABLES    SEGMENTS
#define SIZE      "26.2.4 Checks Related to Address-Space Size"

static void do_nothing(void)
{
}

static void refuses(uint32_t field, uint64_t value)
{
    guest_at(do_nothing);
    vmwrite(field, value);
    expect_entry_error(VMXERR_ENTRY_HOST_STATE);
}

#define REFUSES(NAME, SECTION, FIELD, VALUE, RULE) \
    TEST(entry_host, NAME, SECTION, #FIELD ": " RULE) \
    { \
        refuses(VMCS_##FIELD, VALUE); \
    }

#define ENTRY_STATE(NAME, SECTION, FIELD, VALUE, RULE) REFUSES(NAME, SECTION, HOST_##FIELD, VALUE, RULE)
#include "vtx/entry_state.def"

REFUSES(cr0_pe, REGISTERS, HOST_CR0, read_cr0() & ~(uint64_t)CR0_PE,
        "fixed bits as VMX operation asks: PE is 1")
REFUSES(cr0_pg, REGISTERS, HOST_CR0, read_cr0() & ~(uint64_t)CR0_PG,
        "fixed bits as VMX operation asks: PG is 1")
REFUSES(cs_rpl, SEGMENTS, HOST_CS_SELECTOR, SEL_CODE | 1, "RPL is 0")
REFUSES(cs_ti, SEGMENTS, HOST_CS_SELECTOR, SEL_CODE | SELECTOR_TI, "TI is 0")
REFUSES(cs_null, SEGMENTS, HOST_CS_SELECTOR, 0, "not 0")
REFUSES(ss_rpl, SEGMENTS, HOST_SS_SELECTOR, SEL_DATA | 3, "RPL is 0")
REFUSES(ds_rpl, SEGMENTS, HOST_DS_SELECTOR, SEL_DATA | 3, "RPL is 0")
REFUSES(es_ti, SEGMENTS, HOST_ES_SELECTOR, SEL_DATA | SELECTOR_TI, "TI is 0")
REFUSES(fs_rpl, SEGMENTS, HOST_FS_SELECTOR, SEL_DATA | 2, "RPL is 0")
REFUSES(gs_ti, SEGMENTS, HOST_GS_SELECTOR, SEL_DATA | SELECTOR_TI, "TI is 0")
REFUSES(tr_rpl, SEGMENTS, HOST_TR_SELECTOR, SEL_TSS | 1, "RPL is 0")
REFUSES(tr_ti, SEGMENTS, HOST_TR_SELECTOR, SEL_TSS | SELECTOR_TI, "TI is 0")
REFUSES(tr_null, SEGMENTS, HOST_TR_SELECTOR, 0, "not 0")
REFUSES(cr4_pae, SIZE, HOST_CR4, read_cr4() & ~(uint64_t)CR4_PAE, "PAE is 1 if the host is in IA-32e mode")
REFUSES(rip, SIZE, HOST_RIP, NOT_CANONICAL, "canonical")

static void refuses_if(uint32_t control, uint32_t field, uint64_t value)
{
    set_controls(VMEXIT, control);
    refuses(field, value);
}

TEST(entry_host, pat_type, REGISTERS, "HOST_PAT: with \"load IA32_PAT\" each byte is a memory type, not 2")
{
    refuses_if(VMEXIT_LOAD_PAT, VMCS_HOST_PAT, 2);
}

TEST(entry_host, efer_reserved, REGISTERS, "HOST_EFER: with \"load IA32_EFER\" reserved bits are 0")
{
    refuses_if(VMEXIT_LOAD_EFER, VMCS_HOST_EFER, rdmsr(MSR_EFER) | 2);
}

TEST(entry_host, efer_lma, REGISTERS, "HOST_EFER: with \"load IA32_EFER\" LMA is \"host address-space size\"")
{
    refuses_if(VMEXIT_LOAD_EFER, VMCS_HOST_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_LMA);
}

TEST(entry_host, efer_lme, REGISTERS, "HOST_EFER: with \"load IA32_EFER\" LME is \"host address-space size\"")
{
    refuses_if(VMEXIT_LOAD_EFER, VMCS_HOST_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_LME);
}

TEST(entry_host, pat_unused, REGISTERS, "HOST_PAT is not looked at without \"load IA32_PAT\"")
{
    vmwrite(VMCS_HOST_PAT, UINT64_MAX);
    run_to_done(do_nothing);
}

TEST(entry_host, null_data_segments, SEGMENTS, "SS, DS, ES, FS and GS may be null in 64-bit mode")
{
    for (uint32_t f = VMCS_HOST_SS_SELECTOR; f <= VMCS_HOST_GS_SELECTOR; f += 2)
        vmwrite(f, 0);
    vmwrite(VMCS_HOST_ES_SELECTOR, 0);
    run_to_done(do_nothing);
}

TEST(entry_host, after_controls, "26.2 Checks on VMX Controls and Host-State Area",
     "what is wrong of the host state is not seen if controls are: error 7 or 8")
{
    guest_at(do_nothing);
    vmwrite(VMCS_HOST_RIP, NOT_CANONICAL);
    vmwrite(VMCS_CR3_TARGET_COUNT, 256);
    uint64_t flags = guest_try(), error = vmread(VMCS_INSTRUCTION_ERROR);
    check_eq("the status", flags, FAIL_VALID);
    check(error == VMXERR_ENTRY_CONTROLS || error == VMXERR_ENTRY_HOST_STATE, "the error is 7 or 8");
}

TEST(entry_host, before_guest, "26.3 Checking and Loading Guest State",
     "the host state is checked before the guest's: error 8, no exit")
{
    guest_at(do_nothing);
    vmwrite(VMCS_GUEST_RFLAGS, 0);
    vmwrite(VMCS_HOST_RIP, NOT_CANONICAL);
    expect_entry_error(VMXERR_ENTRY_HOST_STATE);
}
