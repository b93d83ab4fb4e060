/* vmdir.h - the hypervisor's directory of its VMs: the ELF symbol `vm_directory` of type struct vmdir.
 * Whoever watches from outside (debuggers, the views) names VMs and reads guest memory through it. */
#ifndef ARCH_VMDIR_H
#define ARCH_VMDIR_H

#define VMDIR_MAGIC 0x345249444d56u /* "VMDIR4" */
#define VMDIR_VMS   8
#define VMDIR_NAME  32
#define VMDIR_VCPUS 8 /* of a VM, at most */

enum vmdir_state { VMDIR_FREE, VMDIR_RUNNING, VMDIR_PAUSED, VMDIR_STOPPED, VMDIR_CRASHED };

/* What the shadow pager has done for a VM since its start: shadow tables made, and given up; those gone
 * through after the guest had written to its own; entries compared in them, and those that had changed. */
#define VMDIR_SHADOW_WORK(COUNT) COUNT(made) COUNT(freed) COUNT(synced) COUNT(compared) COUNT(changed)

struct vmdir_shadow_work {
#define COUNT(name) unsigned long long name;
    VMDIR_SHADOW_WORK(COUNT)
#undef COUNT
};

/* Every field is 8 bytes, names are zero-terminated; addresses are host-physical. */
struct vmdir_vm {
    char name[VMDIR_NAME];
    char image[VMDIR_NAME];   /* name of its image: symbols */
    unsigned long long state; /* enum vmdir_state */
    unsigned long long root;  /* gPA -> hPA tables in EPT format */
    unsigned long long ram_bytes;
    unsigned long long console;           /* ring of the bytes that its console has written */
    unsigned long long console_bytes;     /* size of the ring, a power of 2 */
    unsigned long long console_written;   /* bytes ever written: byte i is at i mod size */
    unsigned long long status;            /* of its debug-exit, when stopped */
    unsigned long long vcpus;             /* its virtual CPUs */
    unsigned long long vmcs[VMDIR_VCPUS]; /* of each */
    unsigned long long shadow; /* 1: shadow page tables; the VMCS's CR3 is theirs, and the guest's is */
    unsigned long long guest_cr3[VMDIR_VCPUS]; /* here, of each; otherwise 0 */
    struct vmdir_shadow_work work;
};

struct vmdir {
    unsigned long long magic;
    unsigned long long count; /* entries of vm[] that may be in use */
    struct vmdir_vm vm[VMDIR_VMS];
};

#endif
