/* vmdir.c - VMs by name, read from the hypervisor's directory (arch/vmdir.h). */
#include <stdio.h>
#include <string.h>

#include "binding.h"

uint64_t sc_image_hpa(uint64_t address)
{
    if (address >= 0xffffffff80000000u)
        return address - 0xffffffff80000000u;
    return address >= 0xffff800000000000u ? address - 0xffff800000000000u : address;
}

static uint64_t read_u64(const rs_machine *m, uint64_t hpa)
{
    uint8_t b[8] = {0};
    uint64_t value = 0;
    if (rs_read(m, hpa, b, sizeof b) != RS_OK)
        return 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | b[i];
    return value;
}

static void read_name(const rs_machine *m, uint64_t hpa, char name[RS_NAME_MAX])
{
    if (rs_read(m, hpa, name, VMDIR_NAME) != RS_OK)
        name[0] = '\0';
    name[RS_NAME_MAX - 1] = '\0';
}

static const char *state_name(uint64_t state)
{
    static const char *const names[] = {"free", "running", "paused", "stopped", "crashed"};
    return state < sizeof names / sizeof *names ? names[state] : "unknown";
}

#define FIELD(field) read_u64(m, entry + offsetof(struct vmdir_vm, field))

static bool read_vm(const rs_machine *m, uint64_t directory, size_t i, struct scenario_vm *vm)
{
    uint64_t entry = directory + offsetof(struct vmdir, vm) + i * sizeof(struct vmdir_vm),
             state = FIELD(state);
    if (state == VMDIR_FREE)
        return false;
    read_name(m, entry + offsetof(struct vmdir_vm, name), vm->name);
    read_name(m, entry + offsetof(struct vmdir_vm, image), vm->image);
    vm->state = state_name(state);
    vm->root = FIELD(root);
    vm->ram_bytes = FIELD(ram_bytes);
    vm->status = FIELD(status);
    vm->console = FIELD(console);
    vm->console_bytes = FIELD(console_bytes);
    vm->console_written = FIELD(console_written);
    vm->vcpus = FIELD(vcpus) < VMDIR_VCPUS ? FIELD(vcpus) : VMDIR_VCPUS;
    for (size_t v = 0; v < VMDIR_VCPUS; v++)
        vm->vmcs[v] = FIELD(vmcs[v]), vm->guest_cr3[v] = FIELD(guest_cr3[v]);
    vm->shadow = FIELD(shadow) != 0;
#define COUNT(name) vm->work.name = FIELD(work.name);
    VMDIR_SHADOW_WORK(COUNT)
#undef COUNT
    return true;
}

bool scenario_vm(const struct scenario *s, const rs_machine *m, size_t i, struct scenario_vm *vm)
{
    const struct rs_symbols *symbols = rs_machine_symbols(m);
    uint64_t directory, size;
    (void)s;
    if (!symbols || rs_symbol_address(symbols, "vm_directory", &directory, &size) != RS_OK)
        return false;
    directory = sc_image_hpa(directory);
    uint64_t count = read_u64(m, directory + offsetof(struct vmdir, count));
    if (read_u64(m, directory) != VMDIR_MAGIC)
        return false;
    for (size_t entry = 0; entry < VMDIR_VMS && entry < count; entry++)
        if (read_vm(m, directory, entry, vm) && i-- == 0)
            return true;
    return false;
}

bool scenario_vm_has(const struct scenario_vm *vm, uint64_t vmcs)
{
    for (size_t v = 0; v < vm->vcpus; v++)
        if (vm->vmcs[v] == vmcs)
            return true;
    return false;
}

bool scenario_vm_at(const struct scenario *s, const rs_machine *m, uint64_t vmcs, struct scenario_vm *vm)
{
    for (size_t i = 0; vmcs != UINT64_MAX && scenario_vm(s, m, i, vm); i++)
        if (scenario_vm_has(vm, vmcs))
            return true;
    return false;
}

bool sc_vm_named(const struct scenario *s, const rs_machine *m, const char *name, struct scenario_vm *vm)
{
    for (size_t i = 0; scenario_vm(s, m, i, vm); i++)
        if (strcmp(vm->name, name) == 0)
            return true;
    return false;
}

struct guest *sc_guest(struct host *h, const char *name)
{
    for (size_t i = 0; h && i < h->guests; i++)
        if (strcmp(h->guest[i].name, name) == 0)
            return &h->guest[i];
    return NULL;
}

/* ---- without a scenario ---- */

static struct {
    struct guest guest[VMDIR_VMS];
    size_t n;
} known;

static struct guest *known_guest(const char *vm)
{
    for (size_t i = 0; i < known.n; i++)
        if (strcmp(known.guest[i].name, vm) == 0)
            return &known.guest[i];
    return NULL;
}

void scenario_know_module(const char *string, const char *path)
{
    struct guest *g = &known.guest[known.n];
    size_t n = strcspn(string, " ");
    if (known.n == VMDIR_VMS || n == 0 || n >= sizeof g->name)
        return;
    known.n++;
    *g = (struct guest){.tried = false};
    memcpy(g->name, string, n);
    snprintf(g->path, sizeof g->path, "%s", path);
}

void scenario_forget_modules(void)
{
    for (size_t i = 0; i < known.n; i++)
        rs_symbols_free(known.guest[i].symbols);
    known.n = 0;
}

const struct rs_symbols *scenario_vm_symbols(struct scenario *s, const rs_machine *m, const char *vm)
{
    struct guest *g = s ? sc_guest(sc_host_of(s, m), vm) : known_guest(vm);
    struct rs_error err;
    if (!g)
        return NULL;
    if (!g->tried)
        g->symbols = rs_symbols_load(g->path, &err);
    g->tried = true;
    return g->symbols;
}

const struct rs_symbols *scenario_symbols(struct scenario *s, const rs_machine *m, uint32_t core)
{
    struct scenario_vm vm;
    if (!rs_guest_mode(m, core))
        return rs_machine_symbols(m);
    if (!scenario_vm_at(s, m, rs_current_vmcs(m, core), &vm))
        return NULL;
    return scenario_vm_symbols(s, m, vm.name);
}

size_t scenario_vm_console(const struct scenario *s, const rs_machine *m, const struct scenario_vm *vm,
                           char *text, size_t size)
{
    uint64_t ring = vm->console_bytes, n = vm->console_written;
    (void)s;
    if (ring == 0 || (ring & (ring - 1)) || ring > rs_ram_bytes(m))
        return 0;
    if (n > ring)
        n = ring;
    if (n > size)
        n = size;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = (vm->console_written - n + i) & (ring - 1);
        if (rs_read(m, vm->console + at, text + i, 1) != RS_OK)
            return 0;
    }
    return n;
}

void scenario_running(struct scenario *s, const rs_machine *m, uint32_t core, char name[RS_NAME_MAX])
{
    struct scenario_vm vm;
    const struct host *h = s ? sc_host_of(s, m) : NULL;
    if (rs_guest_mode(m, core) && scenario_vm_at(s, m, rs_current_vmcs(m, core), &vm))
        snprintf(name, RS_NAME_MAX, "%s", vm.name);
    else
        snprintf(name, RS_NAME_MAX, "%s", h && h->booted ? h->image : "");
}
