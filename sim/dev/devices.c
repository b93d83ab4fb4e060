/* devices.c - see devices.h. */
#include "dev/devices.h"

#include <string.h>
#include <xxhash.h>

#include "dev/e1000.h"
#include "dev/edu.h"
#include "dev/link.h"
#include "dev/pci.h"

/* QEMU's generic bridge: it has no registers beyond the header. */
static const struct pci_model host_bridge = {
    .name = "host bridge",
    .vendor = 0x1b36,
    .device = 0x0008,
    .subvendor = 0x1af4,
    .subsystem = 0x1100,
    .class = 0x060000,
};

/* most: how many of them state.def has room for. */
static const struct device_kind {
    const struct pci_model *model;
    unsigned most;
    const char *help;
} kind[] = {
    {&e1000_model, 4, "Intel's 82540EM, a NIC: descriptor rings, checksums, interrupt throttling"},
    {&edu_model, 1, "QEMU's device for teaching: DMA, interrupts, a factorial"},
};

#define KINDS (sizeof kind / sizeof *kind)

size_t rs_device_kinds(void)
{
    return KINDS;
}

const char *rs_device_kind(size_t i, const char **help)
{
    if (i >= KINDS)
        return NULL;
    if (help)
        *help = kind[i].help;
    return kind[i].model->name;
}

static const struct device_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kind[i].model->name, name) == 0)
            return &kind[i];
    return NULL;
}

static unsigned how_many(const struct machine *m, const struct pci_model *model)
{
    unsigned n = 0;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        n += m->pci[slot] && m->pci[slot]->model == model;
    return n;
}

static unsigned free_slot(const struct machine *m)
{
    unsigned slot = 1;
    while (slot < PCI_SLOTS && m->pci[slot])
        slot++;
    return slot;
}

/* Of the port that the device has, if it is the one after those before. */
static enum rs_status set_mac(struct machine *m, u32 ports, const struct rs_device *device,
                              struct rs_error *err)
{
    static const u8 none[MAC_BYTES];
    if (memcmp(device->mac, none, MAC_BYTES) == 0)
        return RS_OK;
    if (m->ports == ports)
        return rs_fail(err, "%s: it has no network port, so no MAC address", device->kind);
    if (device->mac[0] & 1)
        return rs_fail(err, "%s: a group address cannot be a NIC's own: its first byte must be even",
                       device->kind);
    memcpy(m->port[ports].mac, device->mac, MAC_BYTES);
    return RS_OK;
}

static enum rs_status plug(struct machine *m, const struct rs_device *device, struct rs_error *err)
{
    const struct device_kind *k = device->kind ? find_kind(device->kind) : NULL;
    if (!k)
        return rs_fail(err, "there is no device '%s'", device->kind ? device->kind : "");
    unsigned instance = how_many(m, k->model);
    if (instance == k->most)
        return rs_fail(err, "%s: a machine has room for %u of them", device->kind, k->most);
    unsigned slot = device->slot ? (unsigned)min(device->slot, PCI_SLOTS) : free_slot(m);
    if (slot >= PCI_SLOTS)
        return rs_fail(err, "%s: slots are 1 to %d", device->kind, PCI_SLOTS - 1);
    u32 ports = m->ports;
    if (!pci_plug(m, slot, k->model, instance))
        return rs_fail(err, "%s: slot %u has a device already", device->kind, slot);
    return set_mac(m, ports, device, err);
}

enum rs_status devices_plug(struct machine *m, const struct rs_config *config, struct rs_error *err)
{
    pci_plug(m, 0, &host_bridge, 0);
    for (size_t i = 0; i < config->device_count; i++)
        if (plug(m, &config->device[i], err) != RS_OK)
            return RS_FAILED;
    return RS_OK;
}

u64 devices_hash(const struct machine *m)
{
    u64 hash = 0;
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        if (m->pci[slot]) {
            const char *name = m->pci[slot]->model->name;
            hash = XXH3_64bits_withSeed(name, strlen(name), hash + slot);
        }
    for (u32 port = 0; port < m->ports; port++)
        hash = XXH3_64bits_withSeed(m->port[port].mac, MAC_BYTES, hash);
    return hash;
}
