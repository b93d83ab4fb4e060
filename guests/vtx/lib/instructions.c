#include "vtx/lib/instructions.h"

#include "vtx/lib/check.h"

static const char *status_name(uint64_t flags)
{
    switch (flags) {
    case SUCCEED: return "VMsucceed";
    case FAIL_INVALID: return "VMfailInvalid";
    case FAIL_VALID: return "VMfailValid";
    default: return "flags of no status";
    }
}

static void expect_status(uint64_t flags, uint64_t want)
{
    if (flags != want)
        FAIL("it ends with %s (flags 0x%lx), must be %s", status_name(flags), flags, status_name(want));
}

void expect_success(uint64_t flags)
{
    if (flags == FAIL_VALID)
        FAIL("it fails with error %u", (unsigned)vmread(VMCS_INSTRUCTION_ERROR));
    expect_status(flags, SUCCEED);
}

void expect_fail_invalid(uint64_t flags)
{
    expect_status(flags, FAIL_INVALID);
}

void expect_fail_valid(uint64_t flags, enum vmx_error error)
{
    expect_status(flags, FAIL_VALID);
    check_eq("the VM-instruction error", vmread(VMCS_INSTRUCTION_ERROR), error);
}

uint64_t vmread(uint32_t field)
{
    uint64_t value = 0, flags = try_vmread(field, &value);

    if (flags)
        FAIL("VMREAD of %s (0x%x) ends with %s", field_name(field), field, status_name(flags));
    return value;
}

void vmwrite(uint32_t field, uint64_t value)
{
    uint64_t flags = try_vmwrite(field, value);

    if (flags)
        FAIL("VMWRITE of %s (0x%x) ends with %s", field_name(field), field, status_name(flags));
}

void vmclear(uint64_t region)
{
    expect_success(try_vmclear(region));
}

void vmptrld(uint64_t region)
{
    expect_success(try_vmptrld(region));
}
