/* bare.c - see bare.h. */
#include "lib/bare.h"

#include "cpu/cpu.h"
#include "mmu/mem.h"

#include <check.h>

static void write_tables(struct bare *b)
{
    u64 table = PTE_P | PTE_W | PTE_U;

    bare_set_u64(b, BARE_PML4, (BARE_PML4 + 0x1000) | table);
    bare_set_u64(b, BARE_PML4 + 0x1000, (BARE_PML4 + 0x2000) | table);
    for (u64 i = 0; i < 4; i++)
        bare_set_u64(b, BARE_PML4 + 0x2000 + 8 * i, i << 21 | PTE_P | PTE_W | PTE_PS | (i == 1 ? PTE_U : 0));
}

static void write_descriptors(struct bare *b)
{
    u64 tss = (TSS_BYTES - 1) | (u64)BARE_TSS << 16 | DESC_P;

    bare_set_u64(b, BARE_GDT + BARE_CS0, DESC_CODE64);
    bare_set_u64(b, BARE_GDT + BARE_DS0, DESC_DATA);
    bare_set_u64(b, BARE_GDT + (BARE_DS3 & ~3), DESC_DATA_USER);
    bare_set_u64(b, BARE_GDT + (BARE_CS3 & ~3), DESC_CODE64_USER);
    bare_set_u64(b, BARE_GDT + BARE_TR, tss | (u64)SYS_TSS_BUSY << 40);
    bare_set_u64(b, BARE_GDT + BARE_CS_COMPAT, 0x00cf9b000000ffff);
    bare_set_u64(b, BARE_GDT + BARE_CS_ABSENT, DESC_CODE64 & ~DESC_P);
    bare_set_u64(b, BARE_GDT + BARE_LDT, tss | (u64)SYS_LDT << 40);
    bare_set_u64(b, BARE_GDT + BARE_TSS_FREE, tss | (u64)SYS_TSS_AVAILABLE << 40);
    for (unsigned v = 0; v < 256; v++)
        bare_gate(b, v, bare_handler(v), BARE_CS0, SEG_P | SYS_INTERRUPT_GATE, 0);
}

static void load_registers(struct core *c)
{
    c->s.cr3 = BARE_PML4;
    c->s.gdtr_base = BARE_GDT;
    c->s.gdtr_limit = BARE_GDT_BYTES - 1;
    c->s.idtr_base = BARE_IDT;
    c->s.idtr_limit = 0xfff;
    c->s.seg[SEG_TR] = (struct segment){BARE_TR, BARE_TSS, TSS_BYTES - 1, SEG_ATTR_TSS};
    c->s.rip = BARE_CODE + BARE_PART * c->id;
    c->s.gpr[REG_RSP] = BARE_STACK - BARE_PART * c->id;
}

static void write_stacks(struct bare *b)
{
    bare_set_u64(b, BARE_TSS + TSS_RSP0, BARE_RSP0);
    bare_set_u64(b, BARE_TSS + TSS_IST1, BARE_IST1);
}

void bare_open(struct bare *b, u64 firmware)
{
    bare_open_cores(b, firmware, 1);
}

void bare_open_cores(struct bare *b, u64 firmware, u64 cores)
{
    bare_open_devices(b, firmware, cores, NULL, 0);
}

void bare_open_devices(struct bare *b, u64 firmware, u64 cores, const struct rs_device *device, size_t n)
{
    struct rs_config config;
    struct rs_error err = {""};

    rs_config_init(&config);
    config.firmware = firmware;
    config.cores = cores;
    config.device = device;
    config.device_count = n;
    b->world = rs_world_new();
    b->machine = rs_machine_new(b->world, &config, &err);
    ck_assert_msg(b->machine != NULL, "%s", err.text);
    b->core = b->machine->core[0];
    write_tables(b);
    write_descriptors(b);
    write_stacks(b);
    for (u32 i = 0; i < cores; i++)
        load_registers(b->machine->core[i]);
}

void bare_close(struct bare *b)
{
    rs_world_free(b->world);
}

void bare_put(struct bare *b, u64 address, const char *bytes, size_t n)
{
    ck_assert(mem_copy_in(b->machine->mem, address, bytes, n));
}

u64 bare_u64(const struct bare *b, u64 address)
{
    return mem_read(b->machine->mem, address, 8);
}

void bare_set_u64(struct bare *b, u64 address, u64 value)
{
    for (unsigned i = 0; i < 8; i++)
        mem_write(b->machine->mem, address + i, 1, value >> 8 * i & 0xff);
}

void bare_gate(struct bare *b, unsigned vector, u64 handler, unsigned selector, unsigned type, unsigned ist)
{
    u64 low =
        (handler & 0xffff) | (u64)selector << 16 | (u64)ist << 32 | (u64)type << 40 | handler >> 16 << 48;

    bare_set_u64(b, BARE_IDT + 16 * vector, low);
    bare_set_u64(b, BARE_IDT + 16 * vector + 8, handler >> 32);
}

u64 bare_frame(const struct bare *b, unsigned i)
{
    return bare_u64(b, b->core->s.gpr[REG_RSP] + 8 * i);
}

void bare_enter_user(struct bare *b)
{
    struct core *c = b->core;

    c->s.seg[SEG_CS] = (struct segment){BARE_CS3, 0, 0xffffffff, SEG_ATTR_CODE64 | SEG_DPL};
    c->s.seg[SEG_SS] = (struct segment){BARE_DS3, 0, 0xffffffff, SEG_ATTR_DATA | SEG_DPL};
    c->s.rip = BARE_USER;
    c->s.gpr[REG_RSP] = BARE_USER_STACK;
    c->s.fetch_line = 0;
}

void bare_atoms(struct bare *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(cpu_atom(b->core), ATOM_DONE);
}

void bare_refused(const struct rs_device *device, size_t n, const char *why)
{
    struct rs_config config;
    struct rs_error err;
    rs_world *w = rs_world_new();
    rs_config_init(&config);
    config.device = device;
    config.device_count = n;
    ck_assert_ptr_null(rs_machine_new(w, &config, &err));
    ck_assert_msg(strstr(err.text, why), "%s", err.text);
    rs_world_free(w);
}
