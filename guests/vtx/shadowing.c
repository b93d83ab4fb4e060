/* shadowing.c - VMCS shadowing (SDM vol. 3, 24.6.15, 24.10, 25.1.3): VMREAD and VMWRITE of a guest. */
#include "vtx/lib/vtx.h"

#define BITMAPS "24.6.15 VMCS Shadowing Bitmap Addresses"
#define TYPES   "24.10 VMCS Types: Ordinary and Shadow"
#define EXITS   "25.1.3 Instructions That Cause VM Exits Conditionally"
#define CHANGES "25.3 Changes to Instruction Behavior in VMX Non-Root Operation"
#define FIELD   VMCS_GUEST_RSP

static uint64_t shadow;
static uint8_t *reads, *writes;

static uint64_t shadow_region(void)
{
    uint32_t *region;

    need_controls(PROC2, PROC2_VMCS_SHADOWING);
    region = (uint32_t *)vmcs_region();
    *region |= VMCS_SHADOW;
    return (uint64_t)region;
}

static void shadowing(void)
{
    shadow = shadow_region();
    reads = page_new();
    writes = page_new();
    set_controls(PROC2, PROC2_VMCS_SHADOWING);
    vmwrite(VMCS_VMREAD_BITMAP, (uint64_t)reads);
    vmwrite(VMCS_VMWRITE_BITMAP, (uint64_t)writes);
    vmwrite(VMCS_VMCS_LINK_POINTER, shadow);
}

static void read_field(void)
{
    uint64_t value = 0;

    seen[1] = try_vmread(FIELD, &value);
    seen[0] = value;
}

static void write_field(void)
{
    seen[1] = try_vmwrite(FIELD, 0x7654);
}

static void read_nothing(void)
{
    uint64_t value = 0;

    seen[1] = try_vmread(0x6ffe, &value);
}

static void read_high_encoding(void)
{
    uint64_t value = 0;

    try_vmread(FIELD | 1 << 15, &value);
}

TEST(shadowing, read, CHANGES, "VMREAD whose bit is 0 reads the VMCS that the link pointer names")
{
    shadowing();
    vmptrld(shadow);
    vmwrite(FIELD, 0x4567);
    vmptrld(world_vmcs);
    run_to_done(read_field);
    check_eq("its status", seen[1], SUCCEED);
    check_eq("what the guest reads", seen[0], 0x4567);
}

TEST(shadowing, write, CHANGES, "VMWRITE whose bit is 0 writes the VMCS that the link pointer names")
{
    shadowing();
    run_to_done(write_field);
    check_eq("its status", seen[1], SUCCEED);
    vmptrld(shadow);
    check_field(FIELD, 0x7654);
}

TEST(shadowing, read_bit, BITMAPS, "VMREAD exits if the bit of its field is 1")
{
    shadowing();
    reads[FIELD / 8] |= 1 << FIELD % 8;
    run_to_exit(read_field, EXIT_VMREAD);
}

TEST(shadowing, write_bit, BITMAPS, "VMWRITE exits if the bit of its field is 1")
{
    shadowing();
    writes[FIELD / 8] |= 1 << FIELD % 8;
    run_to_exit(write_field, EXIT_VMWRITE);
}

TEST(shadowing, other_bitmap, BITMAPS, "the VMWRITE bitmap does not matter to VMREAD")
{
    shadowing();
    writes[FIELD / 8] |= 1 << FIELD % 8;
    run_to_done(read_field);
}

TEST(shadowing, high_encoding, EXITS,
     "VMREAD of an encoding with bits above 14 exits, whatever the bitmap is")
{
    shadowing();
    run_to_exit(read_high_encoding, EXIT_VMREAD);
}

TEST(shadowing, ring3, EXITS, "in ring 3 VMREAD whose bit is 0 is #GP")
{
    shadowing();
    guest_at_ring3(read_field);
    expect_exception(VEC_GP);
}

TEST(shadowing, no_link, CHANGES, "without a linked VMCS VMREAD is VMfailInvalid")
{
    shadowing();
    vmwrite(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
    run_to_done(read_field);
    check_eq("its status", seen[1], FAIL_INVALID);
}

TEST(shadowing, unsupported, CHANGES, "VMREAD of a field that is not there is VMfailValid")
{
    shadowing();
    run_to_done(read_nothing);
    check_eq("its status", seen[1], FAIL_VALID);
}

TEST(shadowing, launch, TYPES, "VMLAUNCH of a shadow VMCS is VMfailInvalid")
{
    vmptrld(shadow_region());
    expect_fail_invalid(try_vmlaunch());
}

TEST(shadowing, vmptrld, TYPES, "VMPTRLD and VMREAD take a shadow VMCS")
{
    vmptrld(shadow_region());
    vmwrite(FIELD, 1);
    check_field(FIELD, 1);
}
