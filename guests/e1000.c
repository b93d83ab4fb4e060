/* e1000 - two 82540EMs that are linked: frames from one to the other by interrupts, with sums that the NICs
 * compute, and back by polling.  QEMU has them as well.
 *
 *     e1000 [FRAMES] [BYTES] [ITR]
 *
 * FRAMES frames (default 40) of BYTES bytes (default 1000; 60 to 1514); ITR in units of 256 ns (default 0: no
 * throttling).
 *
 * Marks: 1 and 2 around the frames there, 3 and 4 around those back: RDI is their number. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/ioapic.h"
#include "lib/args.h"
#include "lib/e1000.h"
#include "lib/mark.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/traps.h"

#define VECTOR_NIC      0x35
#define VECTOR_SPURIOUS 0x4f
#define BATCH           8 /* frames that are under way at a time */
#define FRAME_LEAST     60
#define FRAME_MOST      1514

static struct nic nic[2];
static uint8_t frames[BATCH][FRAME_MOST + 2];
static uint32_t bytes, damaged;
static volatile uint32_t interrupts, causes, got;

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static void ioapic_write(uint32_t number, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(IOAPIC_BASE + IOAPIC_SELECT) = number;
    *(volatile uint32_t *)(uintptr_t)(IOAPIC_BASE + IOAPIC_WINDOW) = value;
}

/* ---- frames: UDP, each with bytes that tell its number ---- */

static uint32_t sum(const uint8_t *at, uint32_t n, uint32_t total)
{
    for (uint32_t i = 0; i + 1 < n; i += 2)
        total += (uint32_t)at[i] << 8 | at[i + 1];
    total += n & 1 ? (uint32_t)at[n - 1] << 8 : 0;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint8_t data_byte(uint32_t number, uint32_t i)
{
    return (uint8_t)(number * 31 + i * 7 + i / 256);
}

static void make_frame(uint8_t *f, uint32_t number)
{
    static const uint8_t ip[20] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};

    for (uint32_t i = 0; i < 6; i++) {
        f[i] = nic[1].mac[i];
        f[6 + i] = nic[0].mac[i];
    }
    put16(f + 12, 0x0800);
    for (uint32_t i = 0; i < sizeof ip; i++)
        f[14 + i] = ip[i];
    put16(f + 16, bytes - 14);
    put16(f + 18, number);
    put16(f + 34, 5000);
    put16(f + 36, 5001);
    put16(f + 38, bytes - 34);
    put16(f + 40, sum(f + 26, 8, 17 + bytes - 34));
    for (uint32_t i = 42; i < bytes; i++)
        f[i] = data_byte(number, i);
}

/* Both sums right, and the data that of this frame. */
static bool is_right(const uint8_t *f, uint32_t n, uint32_t number)
{
    bool right = n == bytes && sum(f + 14, 20, 0) == 0xffff &&
                 sum(f + 34, n - 34, sum(f + 26, 8, 17 + n - 34)) == 0xffff;

    for (uint32_t i = 42; right && i < n; i++)
        right = f[i] == data_byte(number, i);
    return right;
}

/* ---- there, by interrupts ---- */

static void take_frames(void)
{
    uint32_t n;
    const uint8_t *f;

    while ((f = nic_received(&nic[1], &n))) {
        damaged += !is_right(f, n, got);
        nic_next(&nic[1]);
        got++;
    }
}

static void on_nic(struct trap_frame *frame)
{
    uint32_t cause = nic_read(&nic[1], E1000_ICR);

    (void)frame;
    interrupts++;
    causes |= cause;
    take_frames();
    apic_write(APIC_EOI, 0);
}

/* By INTA# and the I/O APIC; a VM's has no such pin, but MSI. */
static void route_interrupt(void)
{
    uint32_t pins = pci_read(nic[1].slot, PCI_INTERRUPT_LINE), line = pins & 0xff;

    if (!(pins >> 8 & 0xff) && pci_enable_msi(nic[1].slot, VECTOR_NIC, 0))
        return;
    ioapic_write(IOAPIC_ENTRY(line) + 1, 0);
    ioapic_write(IOAPIC_ENTRY(line), VECTOR_NIC | IOAPIC_LEVEL);
}

static void interrupts_on(uint32_t itr)
{
    out8(PORT_PIC_MASK, 0xff);
    out8(PORT_PIC2_MASK, 0xff);
    traps_init();
    trap_set(VECTOR_NIC, on_nic);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    route_interrupt();
    nic_write(&nic[1], E1000_ITR, itr);
    nic_write(&nic[1], E1000_IMS, E1000_ICR_RXT0 | E1000_ICR_RXO | E1000_ICR_RXDMT0);
}

static void there(uint32_t count)
{
    mark(1, count, bytes);
    nic_offload_udp(&nic[0]);
    for (uint32_t first = 0; first < count; first += BATCH) {
        uint32_t n = count - first < BATCH ? count - first : BATCH;
        for (uint32_t i = 0; i < n; i++) {
            make_frame(frames[i], first + i);
            nic_send(&nic[0], frames[i], bytes, E1000_TX_IXSM | E1000_TX_TXSM);
        }
        while (got < first + n)
            wait_for_interrupt();
    }
    mark(2, count, bytes);
    print("%u frames of %u bytes there, by interrupts: %u damaged\n", got, bytes, damaged);
}

/* ---- back, by polling ---- */

/* As it came, with the addresses changed over. */
static void turn_round(uint8_t *f)
{
    for (uint32_t i = 0; i < 6; i++) {
        f[i] = nic[0].mac[i];
        f[6 + i] = nic[1].mac[i];
    }
    f[40] = f[41] = 0;
    put16(f + 40, ~sum(f + 34, bytes - 34, sum(f + 26, 8, 17 + bytes - 34)));
    f[24] = f[25] = 0;
    put16(f + 24, ~sum(f + 14, 20, 0));
}

static void back(uint32_t count)
{
    uint32_t n, wrong = 0;
    const uint8_t *f;

    mark(3, count, bytes);
    for (uint32_t i = 0; i < count; i++) {
        make_frame(frames[0], i);
        turn_round(frames[0]);
        nic_send(&nic[1], frames[0], bytes, 0);
        while (!nic_sent(&nic[1]) || !(f = nic_received(&nic[0], &n)))
            continue;
        wrong += !is_right(f, n, i);
        nic_next(&nic[0]);
    }
    mark(4, count, bytes);
    damaged += wrong;
    print("%u back, by polling: %u damaged\n", count, wrong);
}

/* ---- all of it ---- */

static void tell(const struct nic *n)
{
    print("%02x:%02x:%02x:%02x:%02x:%02x, PHY %04x %04x, link %s\n", n->mac[0], n->mac[1], n->mac[2],
          n->mac[3], n->mac[4], n->mac[5], nic_phy(n, E1000_PHY_ID), nic_phy(n, E1000_PHY_ID + 1),
          nic_read(n, E1000_STATUS) & E1000_STATUS_LU ? "up" : "down");
}

static void statistics(const struct nic *n)
{
    print("sent %u of %u bytes, received %u of %u bytes, missed %u\n", nic_read(n, E1000_GPTC),
          nic_read(n, E1000_GOTCL), nic_read(n, E1000_GPRC), nic_read(n, E1000_GORCL),
          nic_read(n, E1000_MPC));
}

static bool find_nics(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t slot = pci_find(E1000_VENDOR, E1000_DEVICE, i);
        if (slot == PCI_NOWHERE || !nic_open(&nic[i], slot)) {
            print("NIC %u: %s\n", i + 1, slot == PCI_NOWHERE ? "there is none" : "its EEPROM is damaged");
            return false;
        }
        while (!(nic_read(&nic[i], E1000_STATUS) & E1000_STATUS_LU))
            continue;
        tell(&nic[i]);
    }
    return true;
}

uint32_t guest_main(const char *args)
{
    uint32_t count = (uint32_t)args_number(args, 1, 40);

    bytes = (uint32_t)args_number(args, 2, 1000);
    if (bytes < FRAME_LEAST || bytes > FRAME_MOST) {
        print("a frame has 60 to 1514 bytes\n");
        return 1;
    }
    if (!find_nics())
        return 1;
    interrupts_on((uint32_t)args_number(args, 3, 0));
    there(count);
    back(count);
    statistics(&nic[0]);
    statistics(&nic[1]);
    print("%s\n", interrupts && causes & E1000_ICR_RXT0 ? "interrupts told of frames" : "no interrupts");
    return damaged || !interrupts;
}
