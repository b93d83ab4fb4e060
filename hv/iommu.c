#include "iommu.h"

#include "arch/iommu.h"
#include "arch/pci.h"
#include "dmar.h"
#include "ept.h"
#include "irq.h"
#include "iommu_fault.h"
#include "page.h"
#include "panic.h"
#include "physical.h"
#include "print.h"
#include "vm.h"

#define QUEUE_ENTRIES (PAGE_BYTES / 16)
#define INTERRUPTS    (PAGE_BYTES / 16) /* of the table: 8 for each slot */
#define IRTA_SIZE     7                 /* 2^(7 + 1) entries */

static uint64_t registers; /* 0: it is not on */
static bool remaps_interrupts, posts_interrupts, pages_2m;
static uint64_t *root, *contexts, *interrupts, *queue; /* a page each */
static uint64_t tail;                                  /* of the queue: descriptors */
static uint64_t domain[VMDIR_VMS];                     /* second-level tables: the root of each VM's */

/* Domain 0 is nobody's; that of functions without tables comes behind those of VMs. */
static uint64_t domain_id(const struct vm *vm)
{
    return vm ? vm->number + 1 : VMDIR_VMS + 1;
}

static uint16_t source_id(const struct physical *p)
{
    return (uint16_t)(p->slot << 3);
}

/* ---- registers (11.4) ---- */

uint32_t iommu_read(uint32_t at)
{
    return *(volatile uint32_t *)(registers + at);
}

void iommu_write(uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(registers + at) = value;
}

uint64_t iommu_read64(uint32_t at)
{
    return *(volatile uint64_t *)(registers + at);
}

void iommu_write64(uint32_t at, uint64_t value)
{
    *(volatile uint64_t *)(registers + at) = value;
}

bool iommu_is_on(void)
{
    return registers;
}

/* One command at a time, with what is on already (11.4.4 "Global Command Register"). */
static void command(uint32_t bit)
{
    uint32_t lasting = IOMMU_TE | IOMMU_QIE | IOMMU_IRE | IOMMU_CFI;

    iommu_write(IOMMU_GCMD, (iommu_read(IOMMU_GSTS) & lasting) | bit);
    while (!(iommu_read(IOMMU_GSTS) & bit))
        __asm__ volatile("pause");
}

/* ---- invalidation (6.5.2 "Queued Invalidation Interface") ---- */

static void submit(uint64_t low, uint64_t high)
{
    queue[2 * tail] = low;
    queue[2 * tail + 1] = high;
    tail = (tail + 1) % QUEUE_ENTRIES;
}

/* Until all that was submitted is done: the wait descriptor behind it writes so. */
static void finish(void)
{
    static volatile uint32_t done;

    done = 0;
    submit(IOMMU_INV_WAIT | IOMMU_INV_WAIT_SW | IOMMU_INV_WAIT_FN | 1ull << IOMMU_INV_WAIT_DATA_SHIFT,
           (uint64_t)&done);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    iommu_write64(IOMMU_IQT, tail * 16);
    while (!done)
        if (iommu_read(IOMMU_FSTS) & IOMMU_FSTS_IQE)
            panic("the IOMMU refuses an invalidation descriptor");
}

/* A context entry has changed: it, and all that was cached by it. */
static void forget_context(const struct physical *p, uint64_t id)
{
    submit(IOMMU_INV_CONTEXT | (uint64_t)IOMMU_DEVICE << IOMMU_INV_G_SHIFT | id << IOMMU_INV_DID_SHIFT |
               (uint64_t)source_id(p) << IOMMU_INV_SID_SHIFT,
           0);
    submit(IOMMU_INV_IOTLB | (uint64_t)IOMMU_DOMAIN << IOMMU_INV_G_SHIFT | id << IOMMU_INV_DID_SHIFT, 0);
    finish();
}

static void forget_interrupt(unsigned index)
{
    submit(IOMMU_INV_IEC | IOMMU_INV_IEC_SELECTIVE | (uint64_t)index << IOMMU_INV_IEC_INDEX_SHIFT, 0);
    finish();
}

static void forget_all(void)
{
    submit(IOMMU_INV_CONTEXT | (uint64_t)IOMMU_GLOBAL << IOMMU_INV_G_SHIFT, 0);
    submit(IOMMU_INV_IOTLB | (uint64_t)IOMMU_GLOBAL << IOMMU_INV_G_SHIFT, 0);
    if (remaps_interrupts)
        submit(IOMMU_INV_IEC, 0);
    finish();
}

/* ---- on ---- */

static bool lacks(const char *what, char *why, size_t size)
{
    format_text(why, size, "the IOMMU lacks %s", what);
    return false;
}

static bool find_unit(struct dmar *d, char *why, size_t size)
{
    uint64_t cap, ecap;

    if (!dmar_find(d)) {
        format_text(why, size,
                    "this machine offers no IOMMU (there is no ACPI table DMAR): turn it on, as VT-d, in the "
                    "firmware settings");
        return false;
    }
    cap = *(volatile uint64_t *)(d->registers + IOMMU_CAP);
    ecap = *(volatile uint64_t *)(d->registers + IOMMU_ECAP);
    if (!(cap & IOMMU_CAP_SAGAW_48))
        return lacks("4-level tables", why, size);
    if (!(ecap & IOMMU_ECAP_QI) || !(ecap & IOMMU_ECAP_C) || !(ecap & IOMMU_ECAP_PT))
        return lacks("queued invalidation, coherent tables or pass-through", why, size);
    pages_2m = cap & IOMMU_CAP_SLLPS_2M;
    remaps_interrupts = d->interrupts && ecap & IOMMU_ECAP_IR;
    posts_interrupts = cap & IOMMU_CAP_PI;
    return true;
}

static bool make_tables(char *why, size_t size)
{
    uint64_t **const page[] = {&root, &contexts, &interrupts, &queue};

    for (unsigned i = 0; i < sizeof page / sizeof page[0]; i++) {
        if (!*page[i])
            *page[i] = (uint64_t *)page_alloc();
        if (!*page[i]) {
            format_text(why, size, "no memory is left for the IOMMU's tables");
            return false;
        }
    }
    root[0] = (uint64_t)contexts | IOMMU_ENTRY_P; /* bus 0 */
    return true;
}

/* Messages in the compatibility format, which name any vector of any core, are refused: GSTS.CFI stays 0. */
static void switch_on(void)
{
    iommu_write64(IOMMU_IQT, 0);
    iommu_write64(IOMMU_IQA, (uint64_t)queue);
    command(IOMMU_QIE);
    iommu_write64(IOMMU_RTADDR, (uint64_t)root);
    command(IOMMU_SRTP);
    if (remaps_interrupts) {
        iommu_write64(IOMMU_IRTA, (uint64_t)interrupts | IRTA_SIZE);
        command(IOMMU_SIRTP);
    }
    forget_all();
    iommu_fault_begin();
    command(IOMMU_TE);
    if (remaps_interrupts)
        command(IOMMU_IRE);
}

bool iommu_begin(char *why, size_t size)
{
    struct dmar d;

    if (registers)
        return true;
    if (!find_unit(&d, why, size) || !make_tables(why, size))
        return false;
    registers = d.registers;
    switch_on();
    print("hv: IOMMU: DMA is remapped%s\n", remaps_interrupts ? ", and interrupts" : "");
    return true;
}

/* ---- domains ---- */

/* Tables of this kind have the form of EPT's, with R and W where those have them (9.8 "Second-Level Paging
 * Entries"). */
static bool map_ram(struct vm *vm)
{
    const uint64_t rights = IOMMU_SL_R | IOMMU_SL_W;
    uint64_t bytes, hpa;

    for (uint64_t gpa = 0; gpa < vm->config.ram_bytes; gpa += bytes) {
        bytes = pages_2m ? vm_page_bytes(vm, gpa) : PAGE_BYTES;
        if (!ept_translate(vm->dir->root, gpa, &hpa) ||
            !ept_enter(domain[vm->number], gpa, bytes,
                       hpa | rights | (bytes == LARGE_BYTES ? IOMMU_SL_PS : 0), rights))
            return false;
    }
    return true;
}

bool iommu_domain_begin(struct vm *vm)
{
    domain[vm->number] = page_alloc();
    if (!domain[vm->number])
        return false;
    if (map_ram(vm))
        return true;
    iommu_domain_end(vm);
    return false;
}

void iommu_domain_end(struct vm *vm)
{
    if (domain[vm->number])
        ept_free_tables(domain[vm->number]);
    domain[vm->number] = 0;
}

/* ---- functions ---- */

/* The lower half has P: it comes last, and goes first (9.3 "Context Entry"). */
static void set_context(const struct physical *p, uint64_t low, uint64_t id)
{
    volatile uint64_t *entry = &contexts[2 * source_id(p)];
    uint64_t before = entry[1] >> IOMMU_CONTEXT_DID_SHIFT;

    if (!registers)
        return;
    if (entry[0] & IOMMU_ENTRY_P) {
        entry[0] = 0;
        forget_context(p, before);
    }
    entry[1] = IOMMU_CONTEXT_AW_48 | id << IOMMU_CONTEXT_DID_SHIFT;
    entry[0] = low;
}

void iommu_attach(const struct physical *p, const struct vm *vm)
{
    set_context(p, domain[vm->number] | IOMMU_CONTEXT_TABLES | IOMMU_ENTRY_P, domain_id(vm));
}

void iommu_pass(const struct physical *p)
{
    set_context(p, IOMMU_CONTEXT_PASS | IOMMU_ENTRY_P, domain_id(NULL));
}

void iommu_block(const struct physical *p)
{
    set_context(p, 0, domain_id(NULL));
}

/* ---- interrupts (5.1 "Interrupt Remapping") ---- */

static unsigned index_of(const struct physical *p, unsigned entry)
{
    return p->slot * (unsigned)PHYSICAL_INTERRUPTS + entry;
}

static uint64_t vector_bits(uint8_t vector)
{
    return (uint64_t)vector << IOMMU_IRTE_VECTOR_SHIFT;
}

/* The lower half has P, and so it is written last. */
static bool set_interrupt(const struct physical *p, unsigned entry, uint64_t low, uint64_t high,
                          uint64_t *address)
{
    unsigned index = index_of(p, entry);
    volatile uint64_t *e = &interrupts[2 * index];

    if (!registers || !remaps_interrupts)
        return false;
    e[0] = 0;
    e[1] = high | source_id(p) | (uint64_t)IOMMU_SVT_SID << IOMMU_IRTE_SVT_SHIFT;
    e[0] = low | IOMMU_IRTE_P;
    forget_interrupt(index);
    *address = MSI_ADDRESS | IOMMU_MSI_REMAPPABLE | IOMMU_MSI_INDEX(index);
    return true;
}

/* In xAPIC mode the destination is in bits 47:40 (9.10). */
bool iommu_route(const struct physical *p, unsigned entry, uint8_t vector, uint8_t apic_id, uint64_t *address)
{
    return set_interrupt(p, entry, vector_bits(vector) | (uint64_t)apic_id << (IOMMU_IRTE_DST_SHIFT + 8), 0,
                         address);
}

/* The descriptor's address is in bits 63:38 of the lower half and 63:32 of the upper one (9.11). */
bool iommu_post(const struct physical *p, unsigned entry, uint8_t vector, uint64_t descriptor,
                uint64_t *address)
{
    return posts_interrupts &&
           set_interrupt(p, entry, vector_bits(vector) | IOMMU_IRTE_POSTED | descriptor << 32,
                         descriptor >> 32 << 32, address);
}
void iommu_unroute(const struct physical *p)
{
    if (!registers || !remaps_interrupts)
        return;
    for (unsigned entry = 0; entry < PHYSICAL_INTERRUPTS; entry++) {
        interrupts[2 * index_of(p, entry)] = 0;
        forget_interrupt(index_of(p, entry));
    }
}
