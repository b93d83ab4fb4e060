/* vm.h - a virtual machine: its configuration, its parts, its life. */
#ifndef HV_VM_H
#define HV_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/vmdir.h"
#include "console.h"
#include "e1000.h"
#include "mmio.h"
#include "net.h"
#include "pager.h"
#include "passthrough.h"
#include "shadow_state.h"
#include "stats.h"
#include "vcpu.h"
#include "vedu.h"
#include "virtio_blk.h"
#include "virtio_net.h"
#include "vpci.h"
#include "vuart.h"

#define VM_CMDLINE 256
#define VM_WHY     256 /* of a message that says why something cannot be */

enum vm_nic { NIC_NONE, NIC_E1000, NIC_VIRTIO };

/* What a boot module's string asks for (config.h). */
struct vm_config {
    char name[VMDIR_NAME];
    char image[VMDIR_NAME];
    char cmdline[VM_CMDLINE]; /* as the guest gets it: the image's name first */
    uint64_t ram_bytes;
    uint64_t page_bytes; /* of its RAM: PAGE_BYTES or LARGE_BYTES */
    uint64_t weight;     /* its share of the processor */
    uint64_t vcpus;
    const struct pager *pager; /* mmu= */
    uint64_t tables;           /* shadow tables that it may have; 0: by its RAM */
    bool start;                /* at once */
    bool faults_exit;          /* its page faults come to the hypervisor, which gives each back */
    bool faults_guest;         /* it was said that the guest has them */
    bool edu;                  /* it has an edu device */
    enum vm_nic nic;
    bool trunk; /* its NIC's port carries all VLANs, with tags but for `vlan` */
    uint16_t vlan;
    struct {
        bool wanted;
        uint32_t slots;       /* of the machine's bus, a bit each; 0: the first that nobody has */
    } passed[PHYSICAL_KINDS]; /* devices of the machine that are passed through */
    bool posted;              /* its interrupts reach it without an exit, if they can */
    bool unsafe;              /* also without an IOMMU */
    bool disk_virtio;         /* it has a disk of the hypervisor's: */
    uint64_t disk_first,
        disk_sectors; /* that part of a disk of the machine's; 0 sectors: all behind the first */
    unsigned disk_filters;
    bool disk_has_key;
    uint8_t disk_key[XTS_KEY_BYTES];
    bool lazy; /* RAM is mapped when it is first touched */
};

struct vm {
    struct vmdir_vm *dir; /* its published part: name, state, VMCS, EPT root, console */
    struct vm_config config;
    char refused[VM_WHY];  /* what is wrong with its string: it cannot start */
    const uint8_t *module; /* the ELF image */
    uint64_t module_bytes;
    unsigned number; /* from 0 */
    bool ever_started;
    uint64_t flushes;              /* how often its translations have been dropped (reach.h) */
    uint64_t startup_structure;    /* IA32_SIPI_ENTRY_STRUCT_PTR: one for all its virtual CPUs */
    struct share share;            /* scheduler.c */
    uint64_t started;              /* when it last was, by the TSC */
    struct vcpu vcpu[VMDIR_VCPUS]; /* the first dir->vcpus of them */
    struct vuart uart;
    struct mmio mmio; /* where its devices' registers are */
    struct vpci pci;
    struct passthrough passthrough;
    struct vedu edu;              /* edu=yes */
    struct e1000 nic;             /* nic=e1000 */
    struct virtio_net virtio_net; /* nic=virtio */
    struct virtio_blk virtio_blk; /* disk=virtio */
    struct vswitch_port *port;    /* where its NIC is plugged in; NULL: it has none */
    struct console console;
    struct stats stats;
    struct shadow shadow; /* for the shadow pager */
    uint64_t apic_page;   /* hpa of what lies where the guest has its APIC: the APIC-access page */
};

/* The i-th VM, NULL after the last. */
struct vm *vm_at(unsigned i);
struct vm *vm_find(const char *name);

/* A VM for a boot module, started if it says so.  Whatever is wrong with it is printed, and the VM listed as
 * crashed. */
void vm_create(const char *module_string, const uint8_t *module, uint64_t module_bytes);

/* From the module to a VM that runs: memory, tables, boot protocol, VMCS.  False, with a message in `why`, if
 * it can't. */
bool vm_start(struct vm *vm, char *why, size_t size);
/* No more turns, until it is resumed. */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
/* Stops for good: an orderly end with the status that a bare machine's run would have (0: none), or a crash.
 * Each says so on the console, with its cause.  Memory stays for whoever wants to look. */
void vm_stop(struct vm *vm, uint64_t status, const char *cause);
void vm_crash(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs or is paused. */
bool vm_alive(const struct vm *vm);
/* Looks whether something has come that ends its HLT. */
bool vcpu_runnable(struct vcpu *v);
/* Another virtual CPU of its VM has lent pages for one instruction, in which it is to be alone. */
static inline bool vcpu_kept_out(const struct vcpu *v)
{
    return v->vm->shadow.lender && v->vm->shadow.lender != v;
}
/* All its virtual CPUs are in HLT with interrupts off or wait for a start-up IPI, and no NMI is on its way.
 */
bool vm_is_halted_for_ever(const struct vm *vm);
/* "running" (in a turn), "ready", "halted", "waiting" (for a start-up IPI) */
const char *vcpu_state_name(const struct vcpu *v);
/* "running", "halted" (all its virtual CPUs are), "paused", "stopped", "crashed" */
const char *vm_state_name(const struct vm *vm);

/* The host's view of a page of guest RAM, mapped now if it was not yet; NULL outside RAM or when memory has
 * run out. */
uint8_t *vm_page(struct vm *vm, uint64_t gpa);
/* The size of the page that is, or would be, mapped at gpa. */
uint64_t vm_page_bytes(const struct vm *vm, uint64_t gpa);
/* Copies into guest RAM; from NULL: zeros.  False if any byte lies outside. */
bool vm_write(struct vm *vm, uint64_t gpa, const void *from, uint64_t n);

/* A turn of one of its virtual CPUs begins: its devices go on with what one access had too much of. */
void vm_devices_turn(struct vm *vm);

/* Drops everything that the processor has cached of the VM's translations. */
void vm_flush(struct vm *vm);

#endif
