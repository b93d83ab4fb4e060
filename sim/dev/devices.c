/* devices.c - see devices.h. */
#include "dev/devices.h"

#include <string.h>
#include <xxhash.h>

#include "dev/disk.h"
#include "dev/e1000.h"
#include "dev/edu.h"
#include "dev/link.h"
#include "dev/pci.h"
#include "dev/virtio_blk.h"
#include "dev/virtio_net.h"

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
    bool disk; /* it has a file */
} kind[] = {
    {&e1000_model, 4, "Intel's 82540EM, a NIC: descriptor rings, checksums, interrupt throttling", false},
    {&edu_model, 1, "QEMU's device for teaching: DMA, interrupts, a factorial", false},
    {&virtio_blk_model.pci, DISKS_MAX, "a disk, of which `file` is the raw image", true},
    {&virtio_net_model.pci, 4, "a NIC for drivers that know that it is virtual", false},
};

#define KINDS (sizeof kind / sizeof *kind)

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

/* Two disks of one file would each undo what the other commits. */
static enum rs_status check_file(const struct machine *m, const char *file, bool readonly,
                                 struct rs_error *err)
{
    for (unsigned i = 0; i < DISKS_MAX && m->disk[i]; i++) {
        const struct disk *other = m->disk[i];
        if (other->file.path && !(other->readonly && readonly) && rs_same_file(other->file.path, file))
            return rs_fail(
                err, "%.300s is the same file as %.300s: a disk that is written needs a file of its own",
                file, other->file.path);
    }
    return RS_OK;
}

static enum rs_status use_file(struct machine *m, const char *file, bool readonly, struct rs_error *err)
{
    enum rs_file use = readonly ? RS_FILE_DISK_READ : RS_FILE_DISK;
    return rs_use_file(m->world, use, file, err) == RS_OK ? check_file(m, file, readonly, err) : RS_FAILED;
}

static enum rs_status open_disk(struct machine *m, unsigned instance, const struct rs_device *device,
                                struct rs_error *err)
{
    if (!device->file) {
        m->disk[instance] = disk_blank(device->bytes, err);
        return m->disk[instance] ? RS_OK : RS_FAILED;
    }
    if (use_file(m, device->file, device->readonly || device->overlay, err) != RS_OK ||
        (device->overlay && use_file(m, device->overlay, device->readonly, err) != RS_OK))
        return RS_FAILED;
    m->disk[instance] = disk_open(device->file, device->overlay, device->readonly, err);
    return m->disk[instance] ? RS_OK : RS_FAILED;
}

/* What a device has that is only of some kinds. */
static enum rs_status equip(struct machine *m, const struct device_kind *k, unsigned instance,
                            const struct rs_device *device, struct rs_error *err)
{
    if (!k->disk && (device->file || device->overlay || device->readonly || device->bytes))
        return rs_fail(err, "%s: it has no file: only disks have", device->kind);
    if (k->disk && !device->file && !device->bytes)
        return rs_fail(
            err,
            "%s: it has no file: file = \"disk.img\" names its raw image; or size = \"1M\", for an "
            "empty one in no file",
            device->kind);
    if (device->bytes && (device->file || device->overlay || device->readonly))
        return rs_fail(err, "%s: a disk with a size is in no file, and is written", device->kind);
    return k->disk ? open_disk(m, instance, device, err) : RS_OK;
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
    if (m->pci[slot])
        return rs_fail(err, "%s: slot %u has a device already", device->kind, slot);
    if (equip(m, k, instance, device, err) != RS_OK)
        return RS_FAILED;
    u32 ports = m->ports;
    pci_plug(m, slot, k->model, instance);
    return set_mac(m, ports, device, err);
}

enum rs_status devices_plug(struct machine *m, const struct rs_config *config, struct rs_error *err)
{
    pci_plug(m, 0, &host_bridge, 0);
    for (size_t i = 0; i < config->device_count; i++)
        if (plug(m, &config->device[i], err) != RS_OK) {
            if (config->misfit)
                *config->misfit = i;
            return RS_FAILED;
        }
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
    for (unsigned i = 0; i < DISKS_MAX && m->disk[i]; i++)
        hash = (hash + 2 * m->disk[i]->sectors + m->disk[i]->readonly) * UINT64_C(0x9e3779b97f4a7c15);
    return hash;
}
