/* virtio_disk.c - see virtio_disk.h. */
#include "lib/virtio_disk.h"

#include "dev/disk.h"
#include "lib/temporary.h"

#include <check.h>
#include <stdio.h>

struct virtio_disk vd;

void vd_open(bool readonly)
{
    char path[256];
    FILE *f = temporary_file(path) ? fopen(path, "wb") : NULL;
    ck_assert_ptr_nonnull(f);
    for (unsigned i = 0; i < SECTORS * SECTOR_BYTES; i++)
        fputc((int)(i / SECTOR_BYTES), f);
    fclose(f);
    const struct rs_device device = {.kind = "virtio-blk", .slot = SLOT, .file = path, .readonly = readonly};
    bare_open_devices(&vd.bare, RS_FW_XD, 1, &device, 1);
    remove(path);
    vd.m = vd.bare.machine;
    driver_open(&vd.driver, &vd.bare, SLOT);
    vd.state = &vd.m->b.virtio_blk[0].virtio;
}

void vd_set_up(void)
{
    vd_open(false);
}

void vd_tear_down(void)
{
    bare_close(&vd.bare);
}

u64 vd_status(void)
{
    return driver_get(&vd.driver, VIRTIO_DEVICE_STATUS, 1);
}

bool vd_broken(void)
{
    return vd_status() & VIRTIO_NEEDS_RESET;
}

/* A driver with these features has a queue of `size`. */
void vd_start(u64 features, unsigned size)
{
    driver_negotiate(&vd.driver, features);
    driver_queue(&vd.queue, &vd.driver, 0, size, QUEUE);
    driver_ok(&vd.driver);
}

void vd_header(u32 type, u64 sector)
{
    driver_set_memory(&vd.driver, HEADER, 8, type);
    driver_set_memory(&vd.driver, HEADER + 8, 8, sector);
    driver_set_memory(&vd.driver, STATUS, 1, 0xff);
}

/* A request in descriptors 0 to 2. */
void vd_chain(u32 type, u64 sector, u32 bytes)
{
    vd_header(type, sector);
    driver_descriptor(&vd.queue, 0, HEADER, VIRTIO_BLK_HEADER_BYTES, NEXT, bytes ? 1 : 2);
    driver_descriptor(&vd.queue, 1, DATA, bytes, NEXT | (type == VIRTIO_BLK_T_OUT ? 0 : WRITE), 2);
    driver_descriptor(&vd.queue, 2, STATUS, 1, WRITE, 0);
}

u64 vd_blk_status(void)
{
    return driver_memory(&vd.driver, STATUS, 1);
}

void vd_ck_used(u32 head, u32 length)
{
    u32 h, n;
    ck_assert(driver_used(&vd.queue, &h, &n));
    ck_assert_uint_eq(h, head);
    ck_assert_uint_eq(n, length);
}

void vd_ck_none_used(void)
{
    u32 h, n;
    ck_assert(!driver_used(&vd.queue, &h, &n));
}

/* Offers a chain and lets the device run. */
void vd_request(unsigned head)
{
    driver_offer(&vd.queue, head);
    driver_notify(&vd.queue);
    driver_run(&vd.driver, 1000);
}

u32 vd_config(unsigned at, unsigned n)
{
    return pci_config_read(vd.m, PCI_ADDRESS(0u, SLOT, 0u, at), n);
}

void vd_set_config(unsigned at, unsigned n, u32 value)
{
    pci_config_write(vd.m, PCI_ADDRESS(0u, SLOT, 0u, at), n, value);
}
