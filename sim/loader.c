/* loader.c - see loader.h. */
#include "loader.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/board.h"
#include "arch/boot.h"
#include "arch/firmware.h"
#include "cpu/cpu.h"
#include "dev/firmware.h"
#include "image.h"
#include "mmu/mem.h"
#include "world.h"

#define MODULES_MAX 64
#define GPRS        16u

struct range {
    u64 hpa, n;
};

struct booted {
    u64 entry;
    u64 gpr[GPRS];
    struct rs_symbols *symbols;
    struct mem_image *loaded; /* RAM as it was when the image was entered first */
    struct range range[ELF_SEGMENTS_MAX + MODULES_MAX + 1]; /* what of it the loader wrote */
    unsigned ranges;
};

static void note_range(struct machine *m, u64 hpa, u64 n)
{
    m->booted->range[m->booted->ranges++] = (struct range){hpa, n};
}

void loader_forget(struct machine *m)
{
    if (m->booted) {
        rs_symbols_free(m->booted->symbols);
        mem_image_free(m->booted->loaded);
    }
    free(m->booted);
    m->booted = NULL;
}

const struct rs_symbols *rs_machine_symbols(const rs_machine *m)
{
    return m->booted ? m->booted->symbols : NULL;
}

/* ---- tables and registers ---- */

static void put(struct machine *m, u64 hpa, u64 value)
{
    mem_write(m->mem, hpa, 8, value);
}

/* The low 4 GiB at 0; the low 2 GiB also at 0xffff800000000000 and 0xffffffff80000000; 2 MiB pages. */
static void write_tables(struct machine *m)
{
    const u64 table = PTE_P | PTE_W;
    for (u64 at = BOOT_PML4; at < BOOT_GDT; at += 8)
        put(m, at, 0);
    put(m, BOOT_PML4, BOOT_PDPT_LOW | table);
    put(m, BOOT_PML4 + 8 * 256, BOOT_PDPT_HALF | table);
    put(m, BOOT_PML4 + 8 * 511, BOOT_PDPT_TOP | table);
    for (u64 gib = 0; gib < 4; gib++)
        put(m, BOOT_PDPT_LOW + 8 * gib, (BOOT_PD + PAGE_BYTES * gib) | table);
    for (u64 gib = 0; gib < 2; gib++) {
        put(m, BOOT_PDPT_HALF + 8 * gib, (BOOT_PD + PAGE_BYTES * gib) | table);
        put(m, BOOT_PDPT_TOP + 8 * (510 + gib), (BOOT_PD + PAGE_BYTES * gib) | table);
    }
    for (u64 i = 0; i < 2048; i++)
        put(m, BOOT_PD + 8 * i, i << 21 | table | PTE_PS);
}

/* Flat descriptors (SDM vol. 3, 3.4.5 "Segment Descriptors"): 64-bit code, data, both of ring 0 and accessed.
 */
static void write_gdt(struct machine *m)
{
    put(m, BOOT_GDT, 0);
    put(m, BOOT_GDT + BOOT_CS, UINT64_C(0x00af9b000000ffff));
    put(m, BOOT_GDT + BOOT_DS, UINT64_C(0x00cf93000000ffff));
}

static void enter(struct machine *m)
{
    struct core *c = m->core[0];
    write_tables(m);
    write_gdt(m);
    firmware_write(m);
    c->s.gdtr_base = BOOT_GDT;
    c->s.gdtr_limit = BOOT_DS + 7;
    c->s.seg[SEG_CS] = (struct segment){BOOT_CS, 0, 0xffffffff, 0xa09b};
    for (int i = SEG_ES; i <= SEG_GS; i++)
        if (i != SEG_CS)
            c->s.seg[i] = (struct segment){BOOT_DS, 0, 0xffffffff, 0xc093};
    c->s.cr0 |= CR0_WP;
    c->s.cr3 = BOOT_PML4;
    memcpy(c->s.gpr, m->booted->gpr, sizeof c->s.gpr);
    c->s.rip = m->booted->entry;
    c->s.rflags = FLAG_FIXED;
}

void loader_enter_again(struct machine *m)
{
    const struct booted *b = m->booted;
    if (!b)
        return;
    for (unsigned i = 0; i < b->ranges; i++)
        mem_restore(m->mem, b->loaded, b->range[i].hpa, b->range[i].n);
    enter(m);
}

/* ---- the image ---- */

static enum rs_status load_segments(struct machine *m, const struct elf_image *image, struct rs_error *err)
{
    for (unsigned i = 0; i < image->segments; i++) {
        const struct elf_segment *s = &image->segment[i];
        if (s->paddr < BOOT_IMAGE_MIN || !mem_has(m->mem, s->paddr, s->mem_bytes))
            return rs_fail(
                err,
                "%s: its segment at %#llx..%#llx does not lie between 1 MiB and the end of RAM at %#llx; "
                "give the machine more RAM or link it elsewhere",
                image->path, (unsigned long long)s->paddr, (unsigned long long)(s->paddr + s->mem_bytes),
                (unsigned long long)m->ram_bytes);
    }
    for (unsigned i = 0; i < image->segments; i++) {
        const struct elf_segment *s = &image->segment[i];
        mem_copy_in(m->mem, s->paddr, s->bytes, s->file_bytes);
        note_range(m, s->paddr, s->mem_bytes);
    }
    return RS_OK;
}

static enum rs_status find_entry(const struct rs_boot *boot, const struct elf_image *image, struct booted *b,
                                 struct rs_error *err)
{
    u64 size;
    b->entry = image->entry;
    if (boot->entry && rs_symbol_address(b->symbols, boot->entry, &b->entry, &size) != RS_OK)
        return rs_fail(err, "%s: has no symbol '%s' to enter at", image->path, boot->entry);
    return RS_OK;
}

static unsigned find_register(const char *name, size_t n)
{
    unsigned i = 0;
    while (i < GPRS && !(strlen(rs_gpr_name[i]) == n && memcmp(rs_gpr_name[i], name, n) == 0))
        i++;
    return i;
}

/* One NAME=NUMBER of rs_boot's list; returns what is behind it, NULL: it is none. */
static const char *set_register(const char *text, struct booted *b)
{
    size_t n = strcspn(text, "=");
    unsigned number = find_register(text, n);
    char *end = NULL;
    if (number == GPRS || !text[n] || !isdigit((unsigned char)text[n + 1]))
        return NULL;
    errno = 0;
    b->gpr[number] = strtoull(text + n + 1, &end, 0);
    return !errno && (!*end || (*end == ',' && end[1])) ? end + (*end == ',') : NULL;
}

static enum rs_status set_registers(const struct rs_boot *boot, struct booted *b, struct rs_error *err)
{
    b->gpr[REG_RAX] = BOOT_MAGIC;
    b->gpr[REG_RBX] = BOOT_INFO;
    b->gpr[REG_RSP] = BOOT_STACK_TOP;
    for (const char *text = boot->registers; text && *text;) {
        const char *next = set_register(text, b);
        if (!next)
            return rs_fail(err,
                           "registers '%s': from '%s' on they are no list of general registers such as "
                           "rbx=0,rsi=0x1000",
                           boot->registers, text);
        text = next;
    }
    return RS_OK;
}

/* ---- the information block ---- */

/* Writes into the block's area, one thing after another. */
struct info_writer {
    struct machine *m;
    u64 at;
    bool full;
};

static u64 info_put(struct info_writer *w, const void *bytes, size_t n)
{
    u64 at = w->at;
    if (n > BOOT_INFO_END - at) {
        w->full = true;
        return at;
    }
    mem_copy_in(w->m->mem, at, bytes, n);
    w->at = (at + n + 7) & ~(u64)7;
    return at;
}

static u64 info_string(struct info_writer *w, const char *text)
{
    return info_put(w, text, strlen(text) + 1);
}

static struct boot_mmap range(u64 from, u64 to, unsigned type)
{
    u64 n = to > from ? to - from : 0;
    return (struct boot_mmap){20,          (unsigned)from,      (unsigned)(from >> 32),
                              (unsigned)n, (unsigned)(n >> 32), type};
}

static u64 lower(u64 a, u64 b)
{
    return a < b ? a : b;
}

/* RAM below 640 KiB, what is firmware's, RAM from 1 MiB to the hole, and from 4 GiB on. */
static void info_memory_map(struct info_writer *w, struct boot_info *info)
{
    u64 end = w->m->ram_bytes, low_end = lower(end, BOARD_HOLE);
    const struct boot_mmap map[4] = {
        range(0, 0xa0000, BOOT_MMAP_RAM), range(FIRMWARE, FIRMWARE_END, BOOT_MMAP_RESERVED),
        range(BOOT_IMAGE_MIN, low_end, BOOT_MMAP_RAM), range(BOARD_HOLE_END, end, BOOT_MMAP_RAM)};
    size_t n = sizeof *map * (end > BOARD_HOLE_END ? 4 : 3);
    info->mmap_addr = (unsigned)info_put(w, map, n);
    info->mmap_length = (unsigned)n;
    info->mem_lower = 640;
    info->mem_upper = (unsigned)((low_end - BOOT_IMAGE_MIN) >> 10);
}

static enum rs_status load_module(struct info_writer *w, const struct rs_boot_module *from,
                                  struct boot_module *to, u64 *at, struct rs_error *err)
{
    u8 *bytes;
    size_t n;
    if (file_read(from->path, &bytes, &n, err) != RS_OK)
        return RS_FAILED;
    u64 start = (*at + PAGE_BYTES - 1) & ~(u64)(PAGE_BYTES - 1);
    bool fits = start + n <= BOARD_HOLE && mem_copy_in(w->m->mem, start, bytes, n);
    free(bytes);
    if (!fits)
        return rs_fail(err, "%s: a module of %zu bytes does not fit into RAM at %#llx; give the machine more",
                       from->path, n, (unsigned long long)start);
    note_range(w->m, start, n);
    *to = (struct boot_module){(unsigned)start, (unsigned)(start + n), (unsigned)info_string(w, from->string),
                               0};
    *at = start + n;
    return RS_OK;
}

static enum rs_status write_info(struct machine *m, const struct rs_boot *boot, u64 image_end,
                                 struct rs_error *err)
{
    struct boot_info info = {.flags = BOOT_INFO_MEMORY | BOOT_INFO_CMDLINE | BOOT_INFO_MODS | BOOT_INFO_MMAP};
    struct info_writer w = {m, BOOT_INFO + ((sizeof info + 7) & ~(u64)7), false};
    struct boot_module module[MODULES_MAX] = {{0}};
    if (boot->module_count > MODULES_MAX)
        return rs_fail(err, "%zu modules: the boot protocol here takes up to %d", boot->module_count,
                       MODULES_MAX);
    for (size_t i = 0; i < boot->module_count; i++)
        if (load_module(&w, &boot->modules[i], &module[i], &image_end, err) != RS_OK)
            return RS_FAILED;
    info.mods_count = (unsigned)boot->module_count;
    info.mods_addr = (unsigned)info_put(&w, module, boot->module_count * sizeof *module);
    info.cmdline = (unsigned)info_string(&w, boot->cmdline ? boot->cmdline : "");
    info_memory_map(&w, &info);
    if (w.full)
        return rs_fail(err, "%s: command line and module strings are longer than %u bytes in all", boot->path,
                       BOOT_INFO_END - BOOT_INFO);
    mem_copy_in(m->mem, BOOT_INFO, &info, sizeof info);
    note_range(m, BOOT_INFO, BOOT_INFO_END - BOOT_INFO);
    return RS_OK;
}

/* ---- boot ---- */

static enum rs_status boot_image(struct machine *m, const struct rs_boot *boot, struct elf_image *image,
                                 struct rs_error *err)
{
    struct booted *b = calloc(1, sizeof *b);
    if (!b)
        abort();
    m->booted = b;
    b->symbols = rs_symbols_load(boot->path, err);
    if (!b->symbols || find_entry(boot, image, b, err) != RS_OK || set_registers(boot, b, err) != RS_OK ||
        load_segments(m, image, err) != RS_OK || write_info(m, boot, image->end, err) != RS_OK)
        return RS_FAILED;
    enter(m);
    b->loaded = mem_freeze(m->mem);
    return RS_OK;
}

static enum rs_status use_files(struct machine *m, const struct rs_boot *boot, struct rs_error *err)
{
    enum rs_status status = rs_use_file(m->world, RS_FILE_IMAGE, boot->path, err);
    for (size_t i = 0; i < boot->module_count && status == RS_OK; i++)
        status = rs_use_file(m->world, RS_FILE_MODULE, boot->modules[i].path, err);
    return status;
}

enum rs_status rs_boot(rs_machine *m, const struct rs_boot *boot, struct rs_error *err)
{
    struct elf_image image;
    if (m->booted)
        return rs_fail(err, "machine '%s' has booted already: power-cycle it first", m->name);
    if (use_files(m, boot, err) != RS_OK)
        return RS_FAILED;
    enum rs_status status = elf_open(&image, boot->path, err);
    if (status == RS_OK)
        status = boot_image(m, boot, &image, err);
    elf_close(&image);
    if (status != RS_OK)
        rs_power_cycle(m);
    else
        history_begin(m->world, true);
    if (status == RS_OK && rs_replay_trouble(m->world))
        return rs_fail(err, "%s", rs_replay_trouble(m->world));
    return status;
}
