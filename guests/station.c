/* station - a station on a network (82540EM): sends and hears numbered frames, as its console tells it.
 *
 *     address MAC              its own from now on; at first the NIC's
 *     send TO COUNT [EVERY]    frames 1 to COUNT, one each EVERY cycles (20000); TO: a MAC, or `all`
 *     heard                    what has come since the last time, a line for each sender
 *     quit
 *
 * A MAC is six bytes in hexadecimal, 52:49:4e:00:00:02.  Frames are of 60 bytes; the number lies behind the
 * header, in network order. */
#include "lib/guest.h"

#include "arch/apic.h"
#include "arch/insn.h"
#include "lib/e1000.h"
#include "lib/pci.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/traps.h"

#define VECTOR_NIC      0x35
#define VECTOR_TIMER    0x36
#define VECTOR_SPURIOUS 0x4f
#define TICK            200000 /* the console has no interrupt: it is looked at each so many cycles */
#define EVERY           20000
#define LINE_MAX        64
#define MAC             6
#define HEADER          14
#define FRAME           60
#define SENDERS         8

struct sender {
    uint8_t mac[MAC];
    uint32_t count, first, last, backwards;
};

static struct nic nic;
static uint8_t own[MAC];
static uint8_t frame[NIC_RING][FRAME + 4];
static struct sender sender[SENDERS];
static uint32_t senders, ignored;

static struct {
    uint8_t to[MAC];
    uint32_t next, count;
    uint64_t every, due;
} job;

/* ---- interrupts: they end HLT, and all else is found by looking ---- */

static void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PHYS_BASE + offset) = value;
}

static void on_nic(struct trap_frame *f)
{
    (void)f;
    nic_read(&nic, E1000_ICR);
    apic_write(APIC_EOI, 0);
}

static void on_timer(struct trap_frame *f)
{
    (void)f;
    apic_write(APIC_EOI, 0);
}

static bool open_nic(void)
{
    uint32_t slot = pci_find(E1000_VENDOR, E1000_DEVICE, 0);

    if (slot == PCI_NOWHERE || !nic_open(&nic, slot) || !pci_enable_msi(slot, VECTOR_NIC, 0)) {
        print("there is no E1000 with MSI\n");
        return false;
    }
    memcpy(own, nic.mac, MAC);
    trap_set(VECTOR_NIC, on_nic);
    trap_set(VECTOR_TIMER, on_timer);
    out8(PORT_PIC_MASK, 0xff);
    out8(PORT_PIC2_MASK, 0xff);
    apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_LVT_TIMER, APIC_TIMER_TSC_DEADLINE | VECTOR_TIMER);
    nic_write(&nic, E1000_IMS, E1000_ICR_RXT0);
    return true;
}

/* ---- frames ---- */

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool job_waits(void)
{
    return job.next && job.next <= job.count;
}

static void send_next(void)
{
    uint8_t *f = frame[nic.tx_next];
    uint32_t number = job.next++;

    memcpy(f, job.to, MAC);
    memcpy(f + MAC, own, MAC);
    f[12] = 0x88; /* 88B5H: for experiments (IEEE 802) */
    f[13] = 0xb5;
    for (uint32_t i = 0; i < 4; i++)
        f[HEADER + i] = (uint8_t)(number >> (24 - 8 * i));
    nic_send(&nic, f, FRAME, 0);
    job.due += job.every;
    if (job.next > job.count)
        print("sent %u\n", job.count);
}

static struct sender *sender_of(const uint8_t *mac)
{
    for (uint32_t i = 0; i < senders; i++)
        if (memcmp(sender[i].mac, mac, MAC) == 0)
            return &sender[i];
    if (senders == SENDERS)
        return NULL;
    sender[senders] = (struct sender){.count = 0};
    memcpy(sender[senders].mac, mac, MAC);
    return &sender[senders++];
}

static void hear(const uint8_t *f)
{
    uint32_t number = big_endian(f + HEADER);
    struct sender *s = f[12] == 0x88 && f[13] == 0xb5 ? sender_of(f + MAC) : NULL;

    if (!s) {
        ignored++;
        return;
    }
    if (!s->count)
        s->first = number;
    else if (number <= s->last)
        s->backwards++;
    s->last = number;
    s->count++;
}

static void take_frames(void)
{
    uint32_t bytes;
    const uint8_t *f;

    while ((f = nic_received(&nic, &bytes))) {
        hear(f);
        nic_next(&nic);
    }
}

static void print_mac(const uint8_t *m)
{
    print("%2x:%2x:%2x:%2x:%2x:%2x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Missing are those that a flow of rising numbers has jumped over. */
static void report(void)
{
    for (uint32_t i = 0; i < senders; i++) {
        const struct sender *s = &sender[i];

        print("heard %u from ", s->count);
        print_mac(s->mac);
        print(", %u to %u, %u not in order\n", s->first, s->last, s->backwards);
    }
    print("ignored %u; that is all\n", ignored);
    senders = ignored = 0;
}

/* ---- what it is told ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_mac(const char *s, uint8_t mac[MAC])
{
    for (uint32_t i = 0; i < MAC; i++, s += 3) {
        int high = digit(s[0]), low = high < 0 ? -1 : digit(s[1]);

        if (low < 0 || s[2] != (i < MAC - 1 ? ':' : 0))
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Cuts the next word off. */
static char *word_of(char **rest)
{
    char *word = *rest;

    while (**rest && **rest != ' ')
        (*rest)++;
    if (**rest)
        *(*rest)++ = 0;
    return word;
}

static bool is(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static bool parse_number(const char *s, uint32_t *n)
{
    uint32_t digits = 0;

    for (*n = 0; *s >= '0' && *s <= '9' && digits < 9; digits++)
        *n = *n * 10 + (uint32_t)(*s++ - '0');
    return digits && *s == 0;
}

static bool start_job(char *rest)
{
    const char *to = word_of(&rest), *count = word_of(&rest), *every = word_of(&rest);
    uint32_t n, cycles = EVERY;
    uint8_t mac[MAC] = {255, 255, 255, 255, 255, 255};

    if (!is(to, "all") && !parse_mac(to, mac))
        return false;
    if (!parse_number(count, &n) || (*every && !parse_number(every, &cycles)))
        return false;
    memcpy(job.to, mac, MAC);
    job.next = 1;
    job.count = n;
    job.every = cycles;
    job.due = rdtsc();
    return true;
}

/* The first address register (RAL 0, RAH 0), which says what it hears, and the source of its frames. */
static bool set_address(const char *text)
{
    if (!parse_mac(text, own))
        return false;
    nic_write(&nic, E1000_RAL(0), own[0] | own[1] << 8 | own[2] << 16 | (uint32_t)own[3] << 24);
    nic_write(&nic, E1000_RAH(0), own[4] | (uint32_t)own[5] << 8 | E1000_RAH_AV);
    print("address ");
    print_mac(own);
    print("\n");
    return true;
}

/* False: quit. */
static bool obey(char *line)
{
    const char *verb = word_of(&line);
    bool understood = true;

    if (is(verb, "quit"))
        return false;
    if (is(verb, "send"))
        understood = start_job(line);
    else if (is(verb, "address"))
        understood = set_address(line);
    else if (is(verb, "heard"))
        report();
    else
        understood = false;
    if (!understood)
        print("possible are: address MAC, send TO COUNT [EVERY], heard, quit\n");
    return true;
}

/* False: quit. */
static bool look_at_console(void)
{
    static char line[LINE_MAX];
    static uint32_t n;

    while (in8(PORT_CONSOLE + UART_LSR) & UART_LSR_READY) {
        char c = (char)in8(PORT_CONSOLE + UART_RBR);

        if (c == '\n') {
            line[n] = 0;
            n = 0;
            if (!obey(line))
                return false;
        } else if (n < LINE_MAX - 1) {
            line[n++] = c;
        }
    }
    return true;
}

/* Until something comes, or the next frame is due.  Interrupts are let in by the HLT alone, so none is
 * missed. */
static void sleep(void)
{
    uint64_t now = rdtsc(), until = now + TICK;

    if (job_waits() && job.due < until)
        until = job.due;
    if (until <= now)
        return;
    wrmsr(MSR_TSC_DEADLINE, until);
    wait_for_interrupt();
}

uint32_t guest_main(const char *args)
{
    (void)args;
    if (!open_nic())
        return 1;
    print_mac(own);
    print(" listens\n");
    while (look_at_console()) {
        take_frames();
        if (job_waits() && job.due <= rdtsc() && nic_room(&nic))
            send_next();
        else
            sleep();
    }
    return 0;
}
