/* dma - lets an E1000 read and write where it is told to: a driver that means no good.  A command is a line
 * on the console, with addresses and numbers in hexadecimal:
 *
 *     write ADDRESS     the next frame that arrives is written there
 *     read ADDRESS N    a frame is sent, of the N bytes there
 *     where             the address by which the NIC reaches this program's page `mine`
 *     quit
 *
 * Where a hypervisor passes the NIC through, it says by which addresses the NIC reaches the guest's own RAM,
 * in which the rings are. */
#include "lib/guest.h"

#include "arch/hypercall.h"
#include "lib/e1000.h"
#include "lib/hypervisor.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/uart.h"

#define LINE_MAX 128

static _Alignas(4096) struct nic nic; /* both rings are in its first page */
static _Alignas(4096) uint8_t mine[4096];

static uint64_t device_address(const void *at)
{
    uint64_t address = (uint64_t)at, page;

    if (!hypervisor_present())
        return address;
    page = hypercall_with(HC_DEVICE_ADDRESS, address & ~UINT64_C(0xfff));
    return page == (uint64_t)HC_UNKNOWN ? address : page | (address & 0xfff);
}

/* Rings where the NIC finds them, without a buffer yet; every frame is welcome, whoever it is for. */
static void open_nic(uint32_t slot)
{
    uint64_t rx = device_address(nic.rx), tx = device_address(nic.tx);

    nic_open(&nic, slot);
    nic_write(&nic, E1000_RCTL, 0);
    nic_write(&nic, E1000_RDBAL, (uint32_t)rx);
    nic_write(&nic, E1000_RDBAH, (uint32_t)(rx >> 32));
    nic_write(&nic, E1000_RDH, 0);
    nic_write(&nic, E1000_RDT, 0);
    nic_write(&nic, E1000_TDBAL, (uint32_t)tx);
    nic_write(&nic, E1000_TDBAH, (uint32_t)(tx >> 32));
    nic_write(&nic, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_SECRC);
}

static void write_to(uint64_t address)
{
    uint32_t bytes;

    nic.rx[nic.rx_next] = (struct nic_descriptor){address, 0};
    nic_write(&nic, E1000_RDT, (nic.rx_next + 1) % NIC_RING);
    print("waits for a frame\n");
    while (!nic_received(&nic, &bytes))
        __asm__ volatile("pause");
    nic.rx_next = (nic.rx_next + 1) % NIC_RING;
    print("a frame of %u bytes was written to %lx\n", bytes, address);
}

static void read_from(uint64_t address, uint64_t bytes)
{
    nic_send(&nic, (const void *)address, (uint32_t)bytes, 0);
    while (!nic_sent(&nic))
        continue;
    print("%lu bytes of %lx were sent\n", bytes, address);
}

/* ---- commands ---- */

static void read_line(char *line)
{
    unsigned n = 0;

    for (char c; (c = uart_get()) != '\n' && c != '\r';)
        if (n < LINE_MAX - 1)
            line[n++] = c;
    line[n] = 0;
}

/* The number behind the first blanks of *at. */
static uint64_t take_number(const char **at)
{
    uint64_t value = 0;

    while (**at == ' ')
        ++*at;
    for (;; ++*at) {
        char c = **at;
        if (c >= '0' && c <= '9')
            value = value * 16 + (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (uint64_t)(c - 'a' + 10);
        else
            return value;
    }
}

/* What follows if the line begins with the word; NULL: it does not. */
static const char *after(const char *line, const char *word)
{
    while (*word)
        if (*line++ != *word++)
            return NULL;
    return line;
}

static void obey(const char *line)
{
    const char *rest;

    if ((rest = after(line, "write"))) {
        write_to(take_number(&rest));
    } else if ((rest = after(line, "read"))) {
        uint64_t address = take_number(&rest);
        read_from(address, take_number(&rest));
    } else if (after(line, "where")) {
        print("mine is at %lx\n", device_address(mine));
    } else {
        print("write ADDRESS, read ADDRESS N, where, or quit\n");
    }
}

uint32_t guest_main(const char *args)
{
    uint32_t slot = pci_find(E1000_VENDOR, E1000_DEVICE, 0);
    char line[LINE_MAX];

    (void)args;
    if (slot == PCI_NOWHERE) {
        print("there is no E1000\n");
        return 1;
    }
    open_nic(slot);
    print("ready\n");
    for (;;) {
        read_line(line);
        if (after(line, "quit"))
            return 0;
        obey(line);
    }
}
