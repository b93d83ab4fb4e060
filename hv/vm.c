#include "vm.h"

#include <stdarg.h>

#include "arch/boot.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "config.h"
#include "ept.h"
#include "exits.h"
#include "guest_boot.h"
#include "guests/lib/string.h"
#include "lapic_page.h"
#include "loader.h"
#include "page.h"
#include "posted.h"
#include "print.h"
#include "reach.h"
#include "text.h"
#include "vmcs.h"
#include "vmx.h"

/* Read from outside: debuggers and views find the VMs here (arch/vmdir.h). */
struct vmdir vm_directory = {.magic = VMDIR_MAGIC};

static struct vm vms[VMDIR_VMS];

struct vm *vm_at(unsigned i)
{
    return i < vm_directory.count ? &vms[i] : NULL;
}

struct vm *vm_find(const char *name)
{
    for (unsigned i = 0; i < vm_directory.count; i++)
        if (text_equal(vms[i].dir->name, name))
            return &vms[i];
    return NULL;
}

/* ---- memory ---- */

static bool map_page(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
    uint64_t hpa = page_alloc_ram(bytes);

    if (!hpa)
        return false;
    if (ept_map(vm->dir->root, gpa & ~(bytes - 1), hpa, bytes))
        return true;
    page_free(hpa, bytes);
    return false;
}

/* The configured size where a whole page of it is RAM. */
uint64_t vm_page_bytes(const struct vm *vm, uint64_t gpa)
{
    bool whole = (gpa | (LARGE_BYTES - 1)) < vm->config.ram_bytes;

    return vm->config.page_bytes == LARGE_BYTES && whole ? LARGE_BYTES : PAGE_BYTES;
}

uint8_t *vm_page(struct vm *vm, uint64_t gpa)
{
    uint64_t hpa;

    if (gpa >= vm->config.ram_bytes)
        return NULL;
    while (!ept_translate(vm->dir->root, gpa, &hpa))
        if (!map_page(vm, gpa, vm_page_bytes(vm, gpa)))
            return NULL;
    return (uint8_t *)(hpa & ~(PAGE_BYTES - 1));
}

bool vm_write(struct vm *vm, uint64_t gpa, const void *from, uint64_t n)
{
    const uint8_t *bytes = from;

    while (n > 0) {
        uint64_t offset = gpa % PAGE_BYTES, piece = PAGE_BYTES - offset < n ? PAGE_BYTES - offset : n;
        uint8_t *page = vm_page(vm, gpa);

        if (!page)
            return false;
        if (bytes) {
            memcpy(page + offset, bytes, piece);
            bytes += piece;
        } else {
            memset(page + offset, 0, piece);
        }
        gpa += piece;
        n -= piece;
    }
    return true;
}

static bool map_all(struct vm *vm)
{
    for (uint64_t gpa = 0; gpa < vm->config.ram_bytes; gpa += vm_page_bytes(vm, gpa))
        if (!vm_page(vm, gpa))
            return false;
    return true;
}

/* A VM's memory from its former life goes back only now: until then it can be looked at. */
static void release_memory(struct vm *vm)
{
    if (!vm->dir->root)
        return;
    vm->config.pager->end(vm);
    ept_free(vm->dir->root);
    vm->dir->root = 0;
}

void vm_flush(struct vm *vm)
{
    vcpus_flush(vm);
}

/* ---- life ---- */

static bool out_of_memory(const struct vm *vm, char *why, size_t size)
{
    format_text(why, size, "out of memory: ram=%luK and the tables do not fit into the %lu KiB that are free",
                vm->config.ram_bytes >> 10, page_free_bytes() >> 10);
    return false;
}

static bool prepare_memory(struct vm *vm, uint64_t *entry, char *why, size_t size)
{
    if (!vm->config.pager->possible(vm, why, size) || (vm->config.posted && !posted_possible(why, size)))
        return false;
    if (!vm->config.lazy && vm->config.ram_bytes > page_free_bytes())
        return out_of_memory(vm, why, size);
    vm->dir->root = ept_new();
    if (!vm->dir->root || !lapic_page_map(vm) || !vm->config.pager->begin(vm) || !guest_boot_write(vm))
        return out_of_memory(vm, why, size);
    if (!loader_load(vm, entry, why, size))
        return false;
    return vm->config.lazy || map_all(vm) || out_of_memory(vm, why, size);
}

static bool prepare_vcpu(struct vm *vm, uint64_t i, uint64_t entry)
{
    struct vcpu *v = &vm->vcpu[i];
    uint64_t vmcs = vm->dir->vmcs[i] ? vm->dir->vmcs[i] : vmcs_new();

    if (!vmcs)
        return false;
    vm->dir->vmcs[i] = vmcs;
    *v = (struct vcpu){.vmcs = vmcs,
                       .dr6 = DR6_FIXED,
                       .misc_enable = MISC_ENABLE_FAST_STRINGS,
                       .efer = EFER_SCE | EFER_LME | EFER_LMA,
                       .vm = vm,
                       .index = i,
                       .startup.waits = i > 0,
                       .lapic = {.page = v->lapic.page}};
    v->vpid = (uint16_t)(1 + vm->number * VMDIR_VCPUS + i); /* VPID 0 is the hypervisor's */
    v->gpr[REG_RAX] = BOOT_MAGIC;
    v->gpr[REG_RBX] = BOOT_INFO;
    if (!lapic_init(v))
        return false;
    vmcs_clear(vmcs); /* so that the first entry is a VMLAUNCH */
    vcpu_switch_to(v);
    if (vm->config.posted)
        posted_begin(v);
    vmcs_setup(v, entry);
    return true;
}

static bool prepare_vcpus(struct vm *vm, uint64_t entry)
{
    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        if (!prepare_vcpu(vm, i, entry))
            return false;
    return true;
}

static bool start_fails(struct vm *vm)
{
    vm->dir->state = VMDIR_CRASHED;
    return false;
}

static bool plug_nic(struct vm *vm)
{
    switch (vm->config.nic) {
    case NIC_E1000: return e1000_plug(vm);
    case NIC_VIRTIO: return virtio_net_plug(&vm->virtio_net, vm);
    default: return true;
    }
}

/* There is room for all that a VM can have; what it shares with others may be taken. */
static bool plug_devices(struct vm *vm, char *why, size_t size)
{
    vm->mmio = (struct mmio){0};
    vpci_init(&vm->pci);
    if (vm->config.edu)
        vedu_plug(vm);
    plug_nic(vm);
    return !vm->config.disk_virtio || virtio_blk_plug(&vm->virtio_blk, vm, why, size);
}

void vm_devices_turn(struct vm *vm)
{
    switch (vm->config.nic) {
    case NIC_E1000: e1000_turn(&vm->nic); break;
    case NIC_VIRTIO: virtio_net_turn(&vm->virtio_net); break;
    default: break;
    }
}

static bool pass_devices(struct vm *vm, char *why, size_t size)
{
    if (passthrough_begin(vm, why, size))
        return true;
    passthrough_end(vm);
    return false;
}

bool vm_start(struct vm *vm, char *why, size_t size)
{
    uint64_t entry;

    if (vm->refused[0]) {
        text_copy(why, vm->refused, size);
        return false;
    }
    vcpus_release(vm);
    vm->ever_started = true;
    vm->dir->state = VMDIR_STOPPED;
    vm->dir->status = 0;
    release_memory(vm);
    if (!prepare_memory(vm, &entry, why, size)) {
        release_memory(vm);
        return start_fails(vm);
    }
    if (!prepare_vcpus(vm, entry)) {
        format_text(why, size, "out of memory for a VMCS and its pages");
        return start_fails(vm);
    }
    vm->stats = (struct stats){0};
    vuart_init(&vm->uart, &vm->console);
    if (!plug_devices(vm, why, size))
        return start_fails(vm);
    if (!pass_devices(vm, why, size)) {
        virtio_blk_end(&vm->virtio_blk);
        return start_fails(vm);
    }
    vm->startup_structure = 0;
    vm->share = (struct share){0};
    vm->started = rdtsc();
    vm_flush(vm);
    vm_resume(vm);
    return true;
}

void vm_resume(struct vm *vm)
{
    scheduler_enter(vm);
    vm->dir->state = VMDIR_RUNNING;
    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        scheduler_wake(&vm->vcpu[i]);
}

void vm_pause(struct vm *vm)
{
    vm->dir->state = VMDIR_PAUSED;
    vcpus_exit(vm);
}

/* Core 0 may be asleep, and ends the run when the last VM has ended. */
static void end_life(struct vm *vm, enum vmdir_state state)
{
    console_flush(&vm->console);
    vm->dir->state = state;
    vcpus_exit(vm);
    passthrough_end(vm);
    virtio_blk_end(&vm->virtio_blk);
    core_wake(core_at(0));
}

void vm_stop(struct vm *vm, uint64_t status, const char *cause)
{
    vm->dir->status = status;
    end_life(vm, VMDIR_STOPPED);
    print("hv: %s %s, status %lu\n", vm->dir->name, cause, status);
}

void vm_crash(struct vm *vm, const char *format, ...)
{
    va_list args;

    end_life(vm, VMDIR_CRASHED);
    print("hv: %s crashed: ", vm->dir->name);
    va_start(args, format);
    vprint(format, args);
    va_end(args);
    print("\n");
}

bool vm_alive(const struct vm *vm)
{
    return vm->dir->state == VMDIR_RUNNING || vm->dir->state == VMDIR_PAUSED;
}

bool vcpu_runnable(struct vcpu *v)
{
    if (v->vm->dir->state != VMDIR_RUNNING || startup_idle(&v->startup) || vcpu_kept_out(v))
        return false;
    if (v->halted && event_wakes(v))
        v->halted = false;
    return !v->halted;
}

bool vm_is_halted_for_ever(const struct vm *vm)
{
    for (uint64_t i = 0; i < vm->dir->vcpus; i++) {
        const struct vcpu *v = &vm->vcpu[i];

        if (startup_idle(&v->startup))
            continue;
        if (!v->halted || v->wakers & WAKES_BY_INTERRUPT || v->lapic.nmi)
            return false;
    }
    return true;
}

const char *vcpu_state_name(const struct vcpu *v)
{
    return startup_idle(&v->startup) ? "waiting" : v->halted ? "halted" : v->turn.core ? "running" : "ready";
}

static bool all_halted(const struct vm *vm)
{
    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        if (!vm->vcpu[i].halted && !startup_idle(&vm->vcpu[i].startup))
            return false;
    return true;
}

const char *vm_state_name(const struct vm *vm)
{
    static const char *const name[] = {"free", "running", "paused", "stopped", "crashed"};

    return vm->dir->state == VMDIR_RUNNING && all_halted(vm) ? "halted" : name[vm->dir->state];
}

/* ---- creation ---- */

static struct vm *new_vm(const struct vm_config *config)
{
    unsigned i = (unsigned)vm_directory.count++;
    struct vm *vm = &vms[i];

    vm->config = *config;
    vm->number = i;
    vm->dir = &vm_directory.vm[i];
    text_copy(vm->dir->name, config->name, sizeof vm->dir->name);
    text_copy(vm->dir->image, config->image, sizeof vm->dir->image);
    vm->dir->vcpus = config->vcpus;
    vm->dir->ram_bytes = config->ram_bytes;
    vm->dir->shadow = config->pager->shadow;
    vm->dir->state = VMDIR_STOPPED;
    console_init(&vm->console, vm->dir, i);
    return vm;
}

void vm_create(const char *string, const uint8_t *module, uint64_t module_bytes)
{
    char why[VM_WHY];
    struct vm_config config;
    bool good = config_parse(&config, string, why, sizeof why);
    struct vm *vm;

    if (!config.name[0])
        text_copy(config.name, "unnamed", sizeof config.name);
    if (vm_directory.count == VMDIR_VMS || vm_find(config.name)) {
        print("hv: module \"%s\" ignored: %s\n", string,
              vm_find(config.name) ? "there is a VM of that name" : "there may be 8 VMs");
        return;
    }
    vm = new_vm(&config);
    vm->module = module;
    vm->module_bytes = module_bytes;
    if (!good)
        text_copy(vm->refused, why, sizeof vm->refused);
    if (good && (!config.start || vm_start(vm, why, sizeof why)))
        return;
    vm->ever_started = true;
    vm_crash(vm, "it cannot start: %s", why);
}
