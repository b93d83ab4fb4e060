/* test_hv_vpci.c - the PCI bus that the hypervisor gives a VM: capabilities, BARs, MSI and MSI-X, and a guest
 * that writes anything anywhere. */
#include <check.h>
#include <string.h>

#include "../hv/dma.h"
#include "../hv/vm.h"
#include "arch/board.h"
#include "lib/chance.h"
#include "lib/suite.h"

#define ROUNDS  300000
#define VECTORS 3

static struct vm the_vm;
static struct vpci_function *f;
static unsigned sent, changed, configured, configuring, stray;
static uint32_t last_address, last_data;
static uint64_t stray_at;

/* ---- what surrounds it ---- */

struct mmio_range *mmio_add(struct mmio *m, const struct mmio_range *range)
{
    for (unsigned i = 0; i < MMIO_RANGES; i++)
        if (!m->range[i].bytes) {
            m->range[i] = *range;
            return &m->range[i];
        }
    return NULL;
}

void mmio_remove(struct mmio_range *range)
{
    range->bytes = 0;
}

void lapic_message(struct vm *vm, uint32_t address, uint32_t data)
{
    ck_assert_ptr_eq(vm, &the_vm);
    last_address = address;
    last_data = data;
    sent++;
}

bool dma_write(struct vm *of, uint64_t gpa, const void *from, uint64_t bytes)
{
    (void)of, (void)from, (void)bytes;
    stray_at = gpa;
    stray++;
    return true;
}

/* ---- a device ---- */

static uint64_t reads(void *of, uint64_t offset, unsigned bytes)
{
    (void)of, (void)bytes;
    return offset;
}

static void writes(void *of, uint64_t offset, unsigned bytes, uint64_t value)
{
    (void)of, (void)offset, (void)bytes, (void)value;
}

static unsigned own;

static void build(struct vpci_function *its)
{
    own = vpci_add_capability(its, PCI_CAP_VENDOR, 9);
    vpci_set_config(its, own + 2, 4, 0x12345678);
    vpci_set_writable(its, own + 8, 1, 0x0f);
}

static void on_configuring(void *of, unsigned at)
{
    (void)of, (void)at;
    configuring++;
}

static void on_configured(void *of, unsigned at)
{
    (void)of, (void)at;
    configured++;
}

static void on_change(void *of, unsigned vector)
{
    (void)of;
    ck_assert_uint_lt(vector, VECTORS);
    changed |= 1u << vector;
}

static const struct vpci_model with_msix = {
    .vendor = 0x1234,
    .device = 0x5678,
    .class = 0x020000,
    .bar = {{.bytes = 0x4000, .registers = {reads, writes}}, {.bytes = 0x1000}},
    .msix_vectors = VECTORS,
    .msix_bar = 1,
    .build = build,
    .configuring = on_configuring,
    .configured = on_configured,
    .msix_changed = on_change,
};
static const struct vpci_model with_msi = {
    .vendor = 0x1234, .device = 1, .bar = {{.bytes = 0x1000, .registers = {reads, writes}}}};

static void plug(const struct vpci_model *model)
{
    f = vpci_plug(&the_vm, model, &the_vm);
    ck_assert_ptr_nonnull(f);
}

static void set_up(void)
{
    chance_seed(1);
    memset(&the_vm, 0, sizeof the_vm);
    sent = changed = configured = configuring = stray = 0;
    vpci_init(&the_vm.pci);
}

/* ---- its driver: slot 1 ---- */

static void select_at(unsigned slot, unsigned at)
{
    vpci_out(&the_vm.pci, PORT_PCI_ADDRESS, 4, PCI_ADDRESS(0u, slot, 0u, at & 0xfcu));
}

static uint32_t get(unsigned at, unsigned bytes)
{
    select_at(1, at);
    return vpci_in(&the_vm.pci, PORT_PCI_DATA + (at & 3), bytes);
}

static void put(unsigned at, unsigned bytes, uint32_t value)
{
    select_at(1, at);
    vpci_out(&the_vm.pci, PORT_PCI_DATA + (at & 3), bytes, value);
}

static unsigned capability(uint8_t id)
{
    for (unsigned at = get(PCI_CAPABILITIES, 1), most = 48; at && most; at = get(at + 1, 1), most--)
        if (get(at, 1) == id)
            return at;
    return 0;
}

static const struct mmio_range *behind(unsigned bar)
{
    uint32_t gpa = get(PCI_BAR(bar), 4);
    for (unsigned i = 0; i < MMIO_RANGES; i++)
        if (the_vm.mmio.range[i].bytes && the_vm.mmio.range[i].gpa == gpa)
            return &the_vm.mmio.range[i];
    return NULL;
}

static uint64_t table(uint64_t at, unsigned bytes)
{
    const struct mmio_range *r = behind(1);
    return r->model->read(r->of, at, bytes);
}

static void set_table(uint64_t at, unsigned bytes, uint64_t value)
{
    const struct mmio_range *r = behind(1);
    r->model->write(r->of, at, bytes, value);
}

static void entry(unsigned vector, uint32_t data)
{
    set_table(16 * vector, 4, MSI_ADDRESS | 1 << MSI_DESTINATION_SHIFT);
    set_table(16 * vector + 4, 4, 0);
    set_table(16 * vector + 8, 4, data);
    set_table(16 * vector + 12, 4, 0);
}

static unsigned messages_on(void)
{
    unsigned at = capability(PCI_CAP_MSIX);
    put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    put(at + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
    return at;
}

/* ---- tests ---- */

START_TEST(capabilities)
{
    plug(&with_msix);
    ck_assert_uint_eq(get(PCI_STATUS, 2), PCI_STATUS_CAPABILITIES);
    ck_assert_uint_eq(capability(PCI_CAP_VENDOR), own);
    ck_assert_uint_eq(get(own + 2, 2) | get(own + 4, 2) << 16, 0x12345678);
    ck_assert_uint_eq(capability(PCI_CAP_MSI), 0);
    unsigned at = capability(PCI_CAP_MSIX);
    ck_assert_uint_ne(at, 0);
    ck_assert_uint_eq(get(at + PCI_MSIX_CONTROL, 2), VECTORS - 1);
    ck_assert_uint_eq(get(at + PCI_MSIX_TABLE, 4), 1);
    ck_assert_uint_eq(get(at + PCI_MSIX_PBA, 4), 1 | PCI_MSIX_PBA_OFFSET);
    put(own + 8, 1, 0xff);
    ck_assert_uint_eq(get(own + 8, 1), 0x0f);
    put(own, 4, 0);
    ck_assert_uint_eq(get(own, 1), PCI_CAP_VENDOR);
    ck_assert_uint_eq(configured, 2);
    ck_assert_uint_gt(configuring, 8);
    ck_assert(!vpci_has_messages(f));
}
END_TEST

START_TEST(bars)
{
    plug(&with_msix);
    plug(&with_msi);
    ck_assert_uint_eq(get(PCI_BAR(0), 4), PCI_WINDOW);
    ck_assert_uint_eq(get(PCI_BAR(1), 4), PCI_WINDOW + 0x4000);
    ck_assert_uint_eq(behind(0)->model->read(behind(0)->of, 0x18, 4), 0x18);
    ck_assert_ptr_eq(behind(0)->of, &the_vm);
    put(PCI_BAR(0), 4, 0xffffffff);
    ck_assert_uint_eq(get(PCI_BAR(0), 4), 0xffffc000);
    put(PCI_BAR(0), 4, 0xf8000000);
    ck_assert_uint_eq(behind(0)->bytes, 0x4000);
    put(PCI_BAR(1), 4, 0xf9000000);
    ck_assert_uint_eq(table(12, 4), PCI_MSIX_VECTOR_MASKED);
    put(PCI_COMMAND, 2, 0);
    ck_assert_ptr_null(behind(0));
    ck_assert_ptr_null(behind(1));
    put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert_ptr_nonnull(behind(1));
    select_at(2, PCI_VENDOR);
    ck_assert_uint_eq(vpci_in(&the_vm.pci, PORT_PCI_DATA, 4), 0x00011234);
    select_at(3, PCI_VENDOR);
    ck_assert_uint_eq(vpci_in(&the_vm.pci, PORT_PCI_DATA, 4), 0xffffffff);
    for (unsigned i = 2; i < VPCI_FUNCTIONS; i++)
        plug(&with_msi);
    ck_assert_ptr_null(vpci_plug(&the_vm, &with_msi, &the_vm));
}
END_TEST

START_TEST(msi)
{
    plug(&with_msi);
    unsigned at = capability(PCI_CAP_MSI);
    put(at + PCI_MSI_ADDRESS, 4, MSI_ADDRESS | 0x5003);
    put(at + PCI_MSI_DATA, 2, 0x4041);
    vpci_message(f, 5);
    put(at + PCI_MSI_CONTROL, 2, 0xffff);
    ck_assert_uint_eq(get(at + PCI_MSI_CONTROL, 2), PCI_MSI_64 | PCI_MSI_ENABLE);
    vpci_message(f, 5);
    ck_assert_uint_eq(sent, 0); /* no bus master */
    put(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    vpci_message(f, 5);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(last_address, MSI_ADDRESS | 0x5000);
    ck_assert_uint_eq(last_data, 0x4041);
    ck_assert(vpci_has_messages(f));
    put(at + PCI_MSI_ADDRESS + 4, 4, 1); /* memory, then */
    vpci_interrupt(f);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(stray, 1);
    ck_assert_uint_eq(stray_at, UINT64_C(0x100000000) | MSI_ADDRESS | 0x5000);
}
END_TEST

START_TEST(msix)
{
    plug(&with_msix);
    entry(0, 0x30);
    entry(2, 0x32);
    ck_assert_uint_eq(changed, 5);
    vpci_message(f, 0);
    ck_assert_uint_eq(sent, 0);
    messages_on();
    vpci_message(f, 2);
    ck_assert_uint_eq(last_data, 0x32);
    ck_assert_uint_eq(last_address, MSI_ADDRESS | 0x1000);
    vpci_message(f, 0);
    ck_assert_uint_eq(last_data, 0x30);
    vpci_message(f, VECTORS);
    vpci_message(f, 0xffff);
    ck_assert_uint_eq(sent, 2);
    vpci_message(f, 1); /* masked, as after a reset */
    vpci_message(f, 1);
    ck_assert_uint_eq(sent, 2);
    ck_assert_uint_eq(table(PCI_MSIX_PBA_OFFSET, 8), 2);
    entry(1, 0x31);
    ck_assert_uint_eq(sent, 3);
    ck_assert_uint_eq(last_data, 0x31);
    ck_assert_uint_eq(table(PCI_MSIX_PBA_OFFSET, 4), 0);
}
END_TEST

START_TEST(the_mask_of_all)
{
    plug(&with_msix);
    entry(0, 0x30);
    entry(1, 0x31);
    unsigned at = messages_on();
    put(at + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASKED);
    vpci_message(f, 0);
    vpci_message(f, 1);
    ck_assert_uint_eq(sent, 0);
    set_table(12, 4, PCI_MSIX_VECTOR_MASKED);
    put(at + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(last_data, 0x31);
    ck_assert_uint_eq(table(PCI_MSIX_PBA_OFFSET, 4), 1);
    set_table(8, 8, 0x30); /* data and control at once */
    ck_assert_uint_eq(sent, 2);
}
END_TEST

/* By words, aligned; reserved bits stay 0, and the pending bits are nobody's to write. */
START_TEST(what_the_table_takes)
{
    plug(&with_msix);
    set_table(0, 8, UINT64_MAX);
    ck_assert_uint_eq(table(0, 8), ~UINT64_C(3));
    ck_assert_uint_eq(table(4, 4) & 0xffffffff, 0xffffffff);
    set_table(8, 8, UINT64_MAX);
    ck_assert_uint_eq(table(8, 8), 0x1ffffffff);
    set_table(16, 2, 0xffff);
    set_table(18, 4, 0xffff);
    set_table(20, 8, 0xffff);
    set_table(16, 1, 0xff);
    ck_assert_uint_eq(table(16, 8), 0);
    set_table(PCI_MSIX_PBA_OFFSET, 8, 7);
    set_table(16 * VECTORS, 8, 7);
    ck_assert_uint_eq(table(PCI_MSIX_PBA_OFFSET, 8), 0);
    ck_assert_uint_eq(table(16 * VECTORS, 8), 0);
}
END_TEST

/* Any write anywhere, and messages all the time: what is there stays what it is. */
START_TEST(hostile)
{
    static const uint8_t widths[] = {1, 2, 4, 8};
    plug(&with_msix);
    plug(&with_msi);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct mmio_range *r = &the_vm.mmio.range[chance_below(MMIO_RANGES)];
        unsigned n = widths[chance_below(4)];
        if (chance_below(4) == 0)
            vpci_out(&the_vm.pci, PORT_PCI_ADDRESS, 4, PCI_ADDRESS_ENABLE | (uint32_t)chance_below(0x2000));
        unsigned port = PORT_PCI_DATA + (unsigned)chance_below(4);
        if (vpci_has_port(&the_vm.pci, port, n)) {
            vpci_out(&the_vm.pci, port, n, (uint32_t)chance());
            vpci_in(&the_vm.pci, port, n);
        }
        if (r->bytes && r->model == &vpci_msix_table) {
            r->model->write(r->of, chance_below(0x1000), n, chance());
            r->model->read(r->of, chance_below(0x1000), n);
        }
        vpci_message(&the_vm.pci.function[chance_below(2)], (unsigned)chance_below(VECTORS + 2));
    }
    ck_assert_uint_eq(get(PCI_VENDOR, 4), 0x56781234);
    ck_assert_uint_eq(capability(PCI_CAP_VENDOR), own);
    ck_assert_uint_gt(sent + stray, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hv_vpci");
    TCase *t = tcase_create("vpci");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, capabilities);
    tcase_add_test(t, bars);
    tcase_add_test(t, msi);
    tcase_add_test(t, msix);
    tcase_add_test(t, the_mask_of_all);
    tcase_add_test(t, what_the_table_takes);
    tcase_add_test(t, hostile);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
