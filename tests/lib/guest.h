/* guest.h - a bare machine in VMX root operation whose current VMCS describes a guest that may be entered. */
#ifndef TESTS_LIB_GUEST_H
#define TESTS_LIB_GUEST_H

#include "arch/vmx.h"
#include "lib/bare.h"

enum {
    GUEST_CODE = 0x28000, /* where the guest is entered */
    GUEST_STACK = 0x4f000,
    GUEST_HOST = 0x2c000, /* where its exits lead */
    GUEST_VMXON = 0x90000,
    GUEST_VMCS = 0x91000,
    GUEST_VMCS2 = 0x92000,   /* another region with the revision identifier */
    GUEST_BITMAPS = 0x94000, /* I/O A, I/O B, MSR: all zeros */
    GUEST_MSRS = 0x98000
};

/* After VMXON; no VMCS is current yet. */
void guest_open_root(struct bare *b, u64 firmware);
/* After VMXON and VMPTRLD, with every field set so that all checks pass; no EPT, no VPID. */
void guest_open(struct bare *b);
/* The same of core 0 of several; the others wait to be started. */
void guest_open_cores(struct bare *b, u64 cores);

/* Sets every field of the current VMCS anew. */
void guest_fill(struct core *c);

u64 guest_get(const struct core *c, u32 field);
void guest_set(struct core *c, u32 field, u64 value); /* read-only fields too */
void guest_set_bits(struct core *c, u32 field, u64 bits);

/* One atom: the instruction at RIP. */
#define GUEST_RUN(b, bytes) (BARE_INSN((b), (bytes)), bare_atoms((b), 1))

/* VMLAUNCH, and checks that the guest has been entered. */
void guest_launch(struct bare *b);

#define VMXON_RAX       "\xf3\x0f\xc7\x30"
#define VMXOFF          "\x0f\x01\xc4"
#define VMCLEAR_RAX     "\x66\x0f\xc7\x30"
#define VMPTRLD_RAX     "\x0f\xc7\x30"
#define VMPTRST_RAX     "\x0f\xc7\x38"
#define VMREAD_RCX_RBX  "\x0f\x78\xcb" /* field in RCX, to RBX */
#define VMREAD_RCX_MEM  "\x0f\x78\x08" /* to (RAX) */
#define VMWRITE_RCX_RBX "\x0f\x79\xcb" /* field in RCX, from RBX */
#define VMLAUNCH        "\x0f\x01\xc2"
#define VMRESUME        "\x0f\x01\xc3"
#define VMCALL          "\x0f\x01\xc1"
#define VMFUNC          "\x0f\x01\xd4"
#define INVEPT_RCX_RAX  "\x66\x0f\x38\x80\x08"
#define INVVPID_RCX_RAX "\x66\x0f\x38\x81\x08"

#endif
