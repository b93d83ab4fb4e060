/* machine.c - making a machine, and what is derived from its state. */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/decode_cache.h"
#include "cpu/vmx.h"
#include "dev/board.h"
#include "dev/devices.h"
#include "dev/link.h"
#include "dev/disk.h"
#include "dev/pci.h"
#include "loader.h"
#include "mmu/coherence.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "params.h"
#include "schedule.h"
#include "world.h"

#define RAM_DEFAULT (UINT64_C(64) << 20)
#define RAM_MIN     (UINT64_C(2) << 20) /* the boot protocol's tables and an image at 1 MiB */
#define RAM_MAX     (UINT64_C(1) << (PHYS_BITS - 1))

void rs_config_init(struct rs_config *config)
{
    *config = (struct rs_config){.name = "A",
                                 .cores = 1,
                                 .ram_bytes = RAM_DEFAULT,
                                 .firmware = RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK};
}

static enum rs_status check_config(const struct rs_world *w, const struct rs_config *config,
                                   struct rs_error *err)
{
    if (w->machine)
        return rs_fail(err, "this world has a machine, '%s': one is the limit of this release",
                       w->machine->name);
    if (!config->name[0] || !memchr(config->name, 0, RS_NAME_MAX) || strpbrk(config->name, " :\t\n"))
        return rs_fail(err, "a machine's name has 1 to %d characters and no blank or colon", RS_NAME_MAX - 1);
    if (config->cores < 1 || config->cores > RS_CORES_MAX)
        return rs_fail(err, "cores = %llu: a machine has 1 to %d", (unsigned long long)config->cores,
                       RS_CORES_MAX);
    if (config->ram_bytes < RAM_MIN || config->ram_bytes > RAM_MAX || config->ram_bytes % PAGE_BYTES)
        return rs_fail(err, "ram = %llu bytes: must be a multiple of 4096 from 2M to 512G",
                       (unsigned long long)config->ram_bytes);
    return RS_OK;
}

static struct core *core_new(struct machine *m, u32 id)
{
    struct core *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->m = m;
    c->id = id;
    c->rt.turn = UINT64_MAX;
    return c;
}

rs_machine *rs_machine_new(rs_world *w, const struct rs_config *config, struct rs_error *err)
{
    struct params p;
    params_default(&p);
    if (config->params)
        p = config->params->p;
    if (check_config(w, config, err) != RS_OK || params_check(&p, err) != RS_OK)
        return NULL;
    struct machine *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    strcpy(m->name, config->name);
    m->p = p;
    m->world = w;
    m->ram_bytes = config->ram_bytes;
    m->firmware = config->firmware;
    m->mem = mem_new(m->ram_bytes);
    m->cores = (u32)config->cores;
    for (u32 i = 0; i < m->cores; i++)
        m->core[i] = core_new(m, i);
    if (devices_plug(m, config, err) != RS_OK) {
        machine_free(m);
        return NULL;
    }
    w->machine = m;
    rs_power_cycle(m);
    return m;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    for (u32 i = 0; i < m->cores; i++) {
        decode_cache_free(m->core[i]);
        mmu_drop_derived(m->core[i]);
        coherence_free_derived(m->core[i]);
        vmx_kept_drop(m->core[i]);
        free(m->core[i]);
    }
    for (unsigned i = 0; i < sizeof m->log / sizeof *m->log; i++)
        free(m->log[i].bytes);
    pci_unplug_all(m);
    for (unsigned i = 0; i < DISKS_MAX; i++)
        disk_free(m->disk[i]);
    mem_free(m->mem);
    loader_forget(m);
    free(m);
}

void machine_drop_pointers(struct machine *m)
{
    for (u32 i = 0; i < m->cores; i++) {
        mmu_drop_derived(m->core[i]);
        coherence_drop_derived(m->core[i]);
        m->core[i]->rt.vmcs.bytes = NULL;
        vmx_kept_drop(m->core[i]);
        m->core[i]->rt.look_again = 0;
    }
}

void machine_drop_derived(struct machine *m)
{
    machine_drop_pointers(m);
    for (u32 i = 0; i < m->cores; i++)
        decode_cache_drop(m->core[i]);
}

static void core_power_on(struct core *c)
{
    u64 cycle = c->s.cycle, atom = c->s.atom;
    memset(&c->s, 0, sizeof c->s);
    c->s.cycle = c->s.tsc_reset_cycle = cycle;
    c->s.atom = atom;
    c->s.redirected = 1;
    memset(c->s.direction, 1, sizeof c->s.direction); /* rule B2 */
    cpu_power_on(c);
    mmu_reset(c);
    c->rt.atom.micro = c->rt.atom.micro_stop = 0;
    walk_forget(c);
}

static void disks_written_out(struct machine *m)
{
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (m->disk[i])
            disk_flush(m->disk[i]);
}

void machine_reset(struct machine *m)
{
    machine_align_clocks(m);
    for (u32 i = 0; i < m->cores; i++)
        cpu_reset(m->core[i]);
    board_reset(m);
    loader_enter_again(m);
}

void rs_power_cycle(rs_machine *m)
{
    struct port wiring[PORTS];
    memcpy(wiring, m->b.port, sizeof wiring);
    disks_written_out(m);
    memset(&m->b, 0, sizeof m->b);
    devices_look_again(m);
    link_power_cycle(m, wiring);
    m->b.firmware = m->firmware;
    mem_clear(m->mem);
    board_reset(m);
    machine_align_clocks(m);
    for (u32 i = 0; i < m->cores; i++)
        core_power_on(m->core[i]);
    loader_forget(m);
    machine_drop_derived(m);
    keep_clear(m->world);
    history_begin(m->world, false);
}

void rs_set_firmware(rs_machine *m, uint64_t firmware)
{
    m->firmware = firmware;
}

uint64_t rs_firmware(const rs_machine *m)
{
    return m->firmware;
}

const char *rs_machine_name(const rs_machine *m)
{
    return m->name;
}

uint64_t rs_ram_bytes(const rs_machine *m)
{
    return m->ram_bytes;
}

uint64_t rs_cores(const rs_machine *m)
{
    return m->cores;
}
