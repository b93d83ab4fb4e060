/* The view model: what the screen shows of made-up walks, and how it is divided. */
#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ui/view/iommu_view.h"
#include "../ui/view/layout.h"
#include "../ui/view/walk_grid.h"
#include "../ui/view/walk_view.h"
#include "lib/screen.h"
#include "lib/suite.h"

#define W WALK_MIN_W
#define H WALK_MIN_H

static struct rs_walk walk;
static struct walk_view view;

/* ---- made-up walks ---- */

static uint64_t table_of_row(unsigned row) /* gPA of the guest's table, or of the page */
{
    return 0x100000 + 0x1000 * (uint64_t)row;
}

static struct rs_walk_ref *add_ref(enum rs_stage stage, unsigned row, unsigned col)
{
    struct rs_walk_ref *ref = &walk.ref[walk.ref_count++];
    unsigned level = stage == RS_GUEST ? walk.rows - row : walk.cols - col;
    *ref = (struct rs_walk_ref){.stage = stage,
                                .n = walk.ref_count,
                                .level = (uint8_t)level,
                                .row = (uint8_t)row,
                                .col = (uint8_t)col,
                                .cycles = 184,
                                .from = RS_MEM,
                                .leaf = level == 1};
    ref->base_ref = (uint8_t)(stage == RS_NESTED && col > 1 ? ref->n - 1u : 0);
    return ref;
}

static void add_nested(unsigned row, unsigned col)
{
    struct rs_walk_ref *ref = add_ref(RS_NESTED, row, col);
    ref->gpa = walk.row_gpa[row];
    ref->index = 3;
    ref->hpa = 0x400000 + 0x10000 * (uint64_t)row + 0x1000 * col + 8 * 3;
    ref->before = ref->entry = (0x400000 + 0x10000 * (uint64_t)row + 0x1000 * (col + 1)) | 0x107;
}

static void add_guest(unsigned row)
{
    struct rs_walk_ref *ref = add_ref(RS_GUEST, row, walk.cols);
    ref->gpa = walk.row_gpa[row];
    ref->index = 2;
    ref->base_ref = (uint8_t)(row > 1 ? ref->n - 5u : 0);
    ref->hpa = 0x800000 + table_of_row(row) + 8 * 2;
    ref->before = table_of_row(row + 1) | 3;
    ref->entry = ref->before | 0x20;
}

static void begin_nested(void)
{
    memset(&walk, 0, sizeof walk);
    memset(&view, 0, sizeof view);
    walk = (struct rs_walk){.valid = true,
                            .nested = true,
                            .guest = true,
                            .paging = true,
                            .gva = 0x0000010080402678,
                            .rows = 5,
                            .cols = 5,
                            .vpid = 1,
                            .eptp = 0x40001e,
                            .rip = 0x1014c0,
                            .page_bytes = 4096,
                            .cycles = 1234};
    for (unsigned row = 1; row <= 5; row++)
        walk.row_gpa[row] = table_of_row(row) + (row < 5 ? 8 * 2 : 0x678);
    view.walk = &walk;
    view.has_entry = true;
    view.entry = (struct rs_tlb_view){.kind = "combined", .writable = true, .executable = true};
    snprintf(view.words.who, sizeof view.words.who, "vm1");
    snprintf(view.words.insn, sizeof view.words.insn, "mov rax, qword ptr [rbx]");
}

/* The first n references of the full walk; all 24 end it. */
static void make_nested(unsigned n)
{
    begin_nested();
    for (unsigned row = 1; row <= 5; row++)
        for (unsigned col = 1; col <= 5 && walk.ref_count < n; col++) {
            if (col < 5)
                add_nested(row, col);
            else if (row < 5)
                add_guest(row);
        }
    walk.ended = n == 24;
    walk.gpa = walk.row_gpa[5];
    walk.hpa = 0x905678;
}

static void make_native(void)
{
    begin_nested();
    walk.nested = walk.guest = false;
    view.entry.kind = "linear";
    walk.cols = 1;
    for (unsigned row = 1; row <= 4; row++) {
        add_guest(row);
        walk.ref[row - 1].col = 1;
        walk.ref[row - 1].base_ref = (uint8_t)(row - 1);
        walk.ref[row - 1].hpa = table_of_row(row) + 8 * 2;
    }
    walk.ended = true;
    walk.hpa = 0x105678;
}

static const char *draw(int width, int height)
{
    ck_assert(canvas_resize(&canvas, width, height));
    struct area a = canvas_area(&canvas);
    walk_view_draw(&view, &a);
    return screen_read();
}

/* ---- walks ---- */

START_TEST(nested_header)
{
    make_nested(13);
    draw(W, H);
    expect("VM vm1: supervisor read by \"mov rax, qword ptr [rbx]\" at gVA 1014c0");
    expect("gVA 0000010080402678 = PML4 2 | PDPT 2 |[PD 2]| PT 2 | offset 678");
    expect("reference 13 of at most 24 (native: 4), 1,234 cycles so far");
    expect(" nL4 PML4E");
    expect(" guest entry");
}
END_TEST

START_TEST(nested_cells_in_order)
{
    make_nested(24);
    draw(W, H);
    for (unsigned n = 1; n <= 24; n++) {
        const struct rs_walk_ref *ref = &walk.ref[n - 1];
        char number[32], address[32];
        snprintf(number, sizeof number, "%2u mem 184", n);
        snprintf(address, sizeof address, "h:%llx", (unsigned long long)ref->hpa);
        int y = 4 + 2 * (ref->row - 1), x = 12 + 13 * (ref->col - 1) + 1;
        for (int i = 0; number[i]; i++)
            ck_assert_int_eq((int)canvas.cell[y * W + x + i].ch, number[i]);
        for (int i = 0; address[i]; i++)
            ck_assert_int_eq((int)canvas.cell[(y + 1) * W + x + i].ch, address[i]);
    }
    expect("gL4 PML4E");
    expect("g:101010");
    expect("g:105678");
    expect("h:905678");
}
END_TEST

START_TEST(nested_reference_is_explained)
{
    make_nested(13);
    draw(W, H);
    expect("13. nL2, the EPT's PDE for g:103010 (the guest's PDE): mem, 184 cycles");
    expect("address h:433018 = h:433000 (from reference 12) + 3 x 8");
    expect("entry 0000000000434107 = table h:434000 + R W X A");
    expect(">13 mem 184");
}
END_TEST

START_TEST(guest_reference_is_explained)
{
    make_nested(10);
    draw(W, H);
    expect("10. gL3, the guest's PDPTE: mem, 184 cycles");
    expect("address g:102010 = g:102000 (from reference 5) + 2 x 8, at h:902010");
    expect("entry 0000000000103023 = table g:103000 + P R/W A; A set");
    expect("10 mem 184 A");
}
END_TEST

START_TEST(first_references_name_their_roots)
{
    make_nested(1);
    draw(W, H);
    expect("(from the EPTP)");
    make_nested(5);
    draw(W, H);
    expect("(from CR3)");
    make_native();
    view.selected = 1;
    draw(W, H);
    expect("(from CR3)");
}
END_TEST

START_TEST(what_is_to_come_is_not_shown)
{
    make_nested(12);
    draw(W, H);
    expect_not("13 mem");
    expect_not("h:905678");
    expect_not("TLB entry");
}
END_TEST

START_TEST(ended_walk_shows_its_tlb_entry)
{
    make_nested(24);
    draw(W, H);
    expect("TLB entry: gVA 0000010080402000 -> h:905000, 4 KiB");
    expect("tags: combined, VPID 1, PCID 0, EP4TA h:400000");
    expect("reference 24 of at most 24 (native: 4), 1,234 cycles in all");
    expect("; RWX-, clean");
}
END_TEST

START_TEST(an_entry_that_is_gone_is_said)
{
    make_nested(24);
    view.has_entry = false;
    draw(W, H);
    expect("TLB entry, no longer in the TLB: gVA 0000010080402000 -> h:905000, 4 KiB\n");
    expect_not("RWX");
}
END_TEST

START_TEST(long_instructions_leave_their_place_in_sight)
{
    make_nested(13);
    snprintf(view.words.who, sizeof view.words.who, "a-vm-with-a-long-name");
    snprintf(view.words.insn, sizeof view.words.insn, "mov qword ptr [rax + 8*rbx + 0x12345678], 0x1234");
    snprintf(view.words.place, sizeof view.words.place, "touch_all+116");
    draw(W, H);
    ck_assert_str_eq(line_at(0),
                     "VM a-vm-with-a-long-name: supervisor read by \"mov qword p..\" at touch_all+116");
}
END_TEST

START_TEST(marks_stand_apart_from_the_cycles)
{
    make_nested(24);
    walk.ref[0].cycles = 4; /* room after the cycles */
    walk.ref[0].entry |= 0x300;
    walk.ref[0].before = 7;
    walk.ref[23].entry |= 0x300;
    walk.ref[23].before = 7;
    draw(W, H);
    expect("1 mem 4 AD");
    expect_not("184AD");
    expect("h:454018 AD");
}
END_TEST

START_TEST(selected_reference)
{
    make_nested(24);
    view.selected = 7;
    draw(W, H);
    expect("reference 7 of at most 24 (native: 4), 1,234 cycles in all, 24 made");
    expect("7. nL3, the EPT's PDPTE");
    expect("> 7 mem 184");
    ck_assert_uint_eq(walk_view_find(&view, "902010", 0), 10);
    ck_assert_uint_eq(walk_view_find(&view, "902010", 12), 10);
    ck_assert_uint_eq(walk_view_find(&view, "no such", 0), 0);
}
END_TEST

START_TEST(guest_fault_is_the_guests)
{
    make_nested(20);
    walk.ended = true;
    walk.owner = RS_GUEST_FAULT;
    walk.error = 2;
    walk.ref[19].entry = walk.ref[19].before = 0;
    draw(W, H);
    expect("FAULT: the guest kernel's (#PF, no exit)");
    expect("error code 2: write, supervisor, not present");
    expect("entry 0000000000000000 = not present\n");
    expect("!20 mem");
    expect_not("TLB entry");
}
END_TEST

START_TEST(ept_violation_is_the_hypervisors)
{
    make_nested(24);
    walk.owner = RS_EPT_VIOLATION;
    walk.qualification = 0x182;
    walk.fault_gpa = 0x105678;
    draw(W, H);
    expect("FAULT: the hypervisor's (exit 48)");
    expect("qualification 182: write of the page; EPT has no mapping; at g:105678");
    expect("!24 mem");
}
END_TEST

START_TEST(saved_cells_name_their_cache)
{
    begin_nested();
    for (uint8_t col = 1; col <= 5; col++)
        walk.skip[walk.skip_count++] = (struct rs_walk_skip){1, col, RS_BY_PWC};
    for (uint8_t col = 1; col <= 4; col++)
        walk.skip[walk.skip_count++] = (struct rs_walk_skip){2, col, RS_BY_NTLB};
    walk.skip[walk.skip_count++] = (struct rs_walk_skip){3, 1, RS_BY_NPWC};
    add_guest(2);
    draw(W, H);
    expect("-- PWC");
    expect("-- nTLB");
    expect("-- nPWC");
    ck_assert_int_eq(walk_cell(&walk, 1, 5).kind, CELL_SAVED);
    ck_assert_int_eq(walk_cell(&walk, 2, 5).kind, CELL_REF);
    ck_assert_int_eq(walk_cell(&walk, 4, 4).kind, CELL_AHEAD);
    ck_assert_int_eq(walk_cell(&walk, 5, 5).kind, CELL_DATA);
}
END_TEST

START_TEST(large_pages_leave_cells_absent)
{
    begin_nested();
    for (unsigned row = 1; row <= 5; row++) {
        if (row == 4)
            continue;
        for (unsigned col = 1; col <= 3; col++)
            add_nested(row, col);
        walk.ref[walk.ref_count - 1].leaf = true;
        if (row < 5)
            add_guest(row);
        walk.ref[walk.ref_count - 1].leaf = row == 3 || row == 5;
    }
    walk.ended = true;
    walk.page_bytes = 2 << 20;
    walk.hpa = 0x802678;
    draw(W, H);
    ck_assert_uint_eq(walk.ref_count, 15);
    expect("= PML4 2 | PDPT 2 | PD 2 |[offset 002678]");
    expect("-- 2 MiB");
    expect("TLB entry: gVA 0000010080400000 -> h:800000, 2 MiB (the smaller page)");
    ck_assert_int_eq(walk_cell(&walk, 1, 4).kind, CELL_ABSENT);
    ck_assert_int_eq(walk_cell(&walk, 4, 1).kind, CELL_ABSENT);
    ck_assert_int_eq(walk_cell(&walk, 4, 5).kind, CELL_ABSENT);
}
END_TEST

START_TEST(native_walk_has_one_column)
{
    make_native();
    draw(W, H);
    expect("VA 0000010080402678");
    expect("reference 4 of at most 4 (nested: up to 24), 1,234 cycles in all");
    view.atoms_ago = 1234567;
    draw(100, H);
    expect("reference 4 of at most 4 (nested: up to 24), 1,234 cycles in all, 1,234,567 atoms ago");
    draw(80, H);
    expect("reference 4 of at most 4, 1,234 cycles in all, 1,234,567 atoms ago");
    view.atoms_ago = 0;
    draw(W, H);
    view.words.place[0] = 0;
    draw(W, H);
    expect("image vm1: supervisor read by ");
    expect(" at VA 1014c0");
    walk.ref[3].entry = 0;
    draw(W, H);
    expect(" not present\n");
    expect_not("table h:0");
    expect_not("frame h:0");
    make_native();
    draw(W, H);
    expect("L4 PML4E");
    expect("TLB entry: VA 0000010080402000 -> h:105000, 4 KiB");
    expect("tags: linear");
    expect_not("g:");
    expect_not("nL4");
    ck_assert_ptr_nonnull(strstr(line_at(5), "h:101010"));
}
END_TEST

START_TEST(question_hides_the_walk)
{
    make_nested(2);
    view.hidden = true;
    draw(W, H);
    expect("hidden until the question is answered");
    expect(" 2 mem");
    expect_not("24");
    expect_not("\xc2\xb7");
    make_nested(24);
    view.hidden = true;
    draw(W, H);
    expect_not("24");
    expect_not("h:905678");
}
END_TEST

START_TEST(full_cells_when_there_is_room)
{
    make_nested(24);
    draw(117, 30);
    expect("= 0000000000434107");
    expect("13 mem 184 cycles");
    expect("TLB entry: gVA");
    expect("tags: combined");
}
END_TEST

START_TEST(no_walk_is_said)
{
    memset(&view, 0, sizeof view);
    snprintf(view.none, sizeof view.none, "No page walk, and this is why.");
    draw(W, H);
    expect("No page walk, and this is why.");
}
END_TEST

/* Numbers at their largest, every count out of range: nothing outside the area, no crash. */
START_TEST(hostile_walks_stay_inside)
{
    for (int round = 0; round < 200; round++) {
        unsigned char *bytes = (unsigned char *)&walk;
        begin_nested();
        srand((unsigned)round);
        for (size_t i = 0; i < offsetof(struct rs_walk, fault_text); i++)
            bytes[i] = (unsigned char)(rand() >> 4);
        walk.valid = walk.ended = walk.nested = walk.guest = walk.paging = walk.user = true;
        for (size_t i = 0; i < RS_WALK_REFS; i++)
            walk.ref[i].leaf = i % 2;
        walk.ref_count = (uint8_t)(round % (RS_WALK_REFS + 2));
        walk.skip_count = (uint8_t)(round * 7 % (RS_WALK_REFS + 2));
        walk.rows = (uint8_t)(round % 8);
        walk.cols = (uint8_t)(round % 7);
        walk.fault_text = NULL;
        ck_assert(canvas_resize(&canvas, 100, 40));
        struct area all = canvas_area(&canvas), part = area_part(&all, 10, 10, W, H);
        walk_view_draw(&view, &part);
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 100; x++)
                if (x < 10 || x >= 10 + W || y < 10 || y >= 10 + H)
                    ck_assert_int_eq((int)canvas.cell[y * 100 + x].ch, ' ');
    }
}
END_TEST

/* ---- a device's walk ---- */

static void add_io(enum rs_stage stage, unsigned row, uint64_t table, unsigned index, uint64_t entry)
{
    struct rs_walk_ref *ref = &walk.ref[walk.ref_count++];
    *ref = (struct rs_walk_ref){.stage = stage,
                                .n = walk.ref_count,
                                .row = (uint8_t)row,
                                .col = 1,
                                .level = (uint8_t)(stage == RS_SECOND ? 7 - row : 0),
                                .base_ref = (uint8_t)(walk.ref_count - 1u),
                                .hpa = table + (stage == RS_SECOND ? 8 : 16) * index,
                                .entry = entry,
                                .before = entry,
                                .cycles = 180,
                                .from = RS_MEM,
                                .index = (uint16_t)index,
                                .leaf = row == 6};
}

/* The first n references of a write by 00:03.0 in domain 5; all 6 end it. */
static void make_io(unsigned n)
{
    static const unsigned index[] = {1, 2, 3, 4};
    memset(&walk, 0, sizeof walk);
    memset(&view, 0, sizeof view);
    walk = (struct rs_walk){.valid = true,
                            .paging = true,
                            .device = true,
                            .access = RS_WRITE,
                            .gva = 0x8080604567,
                            .requester = 0x18,
                            .rows = 7,
                            .cols = 1,
                            .cycles = 1080};
    view.walk = &walk;
    snprintf(view.words.who, sizeof view.words.who, "e1000");
    snprintf(view.words.place, sizeof view.words.place, "the hypervisor's");
    add_io(RS_ROOT, 1, 0x100000, 0, 0x101001);
    if (n > 1)
        add_io(RS_CONTEXT, 2, 0x101000, 24, 0x102001);
    walk.ref[1].high = 0x502;
    walk.domain_known = n > 1;
    walk.domain = 5;
    walk.levels = 4;
    for (unsigned i = 2; i < n; i++)
        add_io(RS_SECOND, i + 1, 0x100000 + 0x1000 * i, index[i - 2], (0x101000 + 0x1000 * i) | 3);
    walk.ended = n == 6;
    walk.page_bytes = 4096;
    walk.hpa = 0x106567;
}

static const char *draw_io(int width, int height)
{
    ck_assert(canvas_resize(&canvas, width, height));
    struct area a = canvas_area(&canvas);
    iommu_view_draw(&view, &a);
    return screen_read();
}

START_TEST(io_walk_by_its_references)
{
    make_io(1);
    draw_io(80, 19);
    expect("device 00:03.0 e1000: write\n"); /* in which domain is not known yet */
    expect("reference 1 of at most 6, 1,080 cycles so far");
    expect("1. the root entry of bus 0: mem, 180 cycles");
    expect("address h:100000 = h:100000 (from RTADDR) + 0 x 16");
    make_io(2);
    draw_io(80, 19);
    expect("device 00:03.0 e1000: write in domain 5\n");
    expect(">context       2 mem  180  h:101180          24   table h:102000, domain 5\n");
    expect("2. the context entry of device 3, function 0: mem, 180 cycles");
    expect("address h:101180 = h:101000 (from reference 1) + 24 x 16");
    expect("entry 502:0000000000102001 = table h:102000, domain 5, 4 levels, P");
    make_io(4);
    draw_io(80, 19);
    expect("IOVA 0000008080604567 = PML4 1 |[PDPT 2]| PD 3 | PT 4 | offset 567");
    expect(" L4 SL-PML4E   3 mem  180  h:102008           1   table h:103000, R W\n");
    expect(">L3 SL-PDPE    4 mem  180  h:103010           2   table h:104000, R W\n");
    expect(" L2 SL-PDE      \xc2\xb7\n");
    expect("4. L3, the domain's SL-PDPE: mem, 180 cycles");
    expect_not("IOTLB entry");
}
END_TEST

START_TEST(io_walk_ends_in_the_iotlb)
{
    make_io(6);
    view.has_entry = true;
    view.io_entry = (struct rs_iommu_cache_view){.domain = 5, .readable = true};
    draw_io(80, 19);
    expect(" data                      h:106567\n");
    expect("IOTLB entry: IOVA 8080604000 -> h:106000, 4 KiB\n   tags: domain 5; R -\n");
    view.has_entry = false;
    draw_io(80, 19);
    expect("translation, not in the IOTLB now: IOVA 8080604000 -> h:106000, 4 KiB\n   tags: domain 5\n");
}
END_TEST

START_TEST(io_fault_says_whose_it_is)
{
    make_io(6);
    walk.owner = RS_IOMMU_FAULT;
    walk.reason = 5;
    walk.fault_text = "the domain does not allow writing there";
    draw_io(80, 19);
    expect("!L1 SL-PTE     6 mem");
    expect("FAULT: the domain does not allow writing there\n");
    expect("the hypervisor's (fault record, reason 5, no exit); the write is dropped");
    walk.access = RS_READ;
    draw_io(80, 19);
    expect("what is read is ones");
}
END_TEST

static void skip_io(unsigned first, unsigned last, enum rs_skip by)
{
    for (unsigned row = first; row <= last; row++)
        walk.skip[walk.skip_count++] = (struct rs_walk_skip){(uint8_t)row, 1, by};
}

START_TEST(io_rows_without_a_reference_say_why)
{
    make_io(6);
    walk.ref_count = 0;
    skip_io(1, 2, RS_BY_CONTEXT_CACHE);
    skip_io(3, 6, RS_BY_IOTLB);
    draw_io(80, 19);
    expect("no reference made, 1,080 cycles in all");
    expect(" context       -- saved by the context cache\n L4 SL-PML4E   -- saved by the IOTLB\n");
    walk.skip_count = 2;
    walk.levels = 0;
    draw_io(80, 19);
    expect("in domain 5, which passes addresses through");
    expect(" L4 SL-PML4E   -- passed through\n");
    expect("passed through: h:106567 is what the device has sent");
    make_io(6);
    walk.levels = 3;
    memmove(&walk.ref[2], &walk.ref[3], 3 * sizeof *walk.ref);
    walk.ref_count = 4;
    walk.ref[2].n = 3;
    walk.ref[3].n = 4;
    walk.ref[3].leaf = true;
    walk.page_bytes = 1 << 21;
    draw_io(80, 19);
    expect(" L4 SL-PML4E   -- 3 levels\n");
    expect(" L1 SL-PTE     -- 2 MiB page\n");
    expect("reference 4 of at most 5");
    expect("= PDPT 2 |[PD 3]| offset 004567");
}
END_TEST

START_TEST(io_walk_in_a_narrow_pane)
{
    make_io(6);
    draw_io(42, 21);
    expect("IOVA 8080604567 = 1 | 2 | 3 |[4]| 567\n");
    expect(" context       2 mem  180 h:101180\n      24 table h:102000, domain 5\n");
    expect("translation, not in the IOTLB now:\n   IOVA 8080604000 -> h:106000, 4 KiB\n");
    make_io(6);
    draw_io(80, 10); /* no room for what led there */
    expect_not("table or frame");
    expect(" data                      h:106567\n");
}
END_TEST

START_TEST(hostile_io_walks_stay_inside)
{
    for (int round = 0; round < 400; round++) {
        make_io(6);
        srand((unsigned)round);
        for (size_t i = 0; i < sizeof walk.ref; i++)
            ((unsigned char *)walk.ref)[i] = (unsigned char)(rand() >> 4);
        for (size_t i = 0; i < RS_WALK_REFS; i++) {
            walk.ref[i].leaf = i % 2;
            walk.skip[i].row = walk.skip[i].col = (uint8_t)rand();
            walk.skip[i].by = (enum rs_skip)(rand() % 99);
        }
        walk.gva = (uint64_t)rand() << 40 | (uint64_t)rand();
        walk.ref_count = (uint8_t)(round % 9);
        walk.skip_count = (uint8_t)(round * 7 % 11);
        walk.levels = (uint8_t)(round / 7 % 6);
        walk.rows = (uint8_t)(round % 16 ? 7 : round / 16);
        walk.page_bytes = round % 3 ? 1u << (round % 32) : 0;
        view.selected = (unsigned)round % 10;
        ck_assert(canvas_resize(&canvas, 100, 40));
        struct area all = canvas_area(&canvas), part = area_part(&all, 10, 10, round % 2 ? 77 : 40, 19);
        iommu_view_draw(&view, &part);
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 100; x++)
                if (x < 10 || x >= 10 + part.w || y < 10 || y >= 29)
                    ck_assert_int_eq((int)canvas.cell[y * 100 + x].ch, ' ');
    }
}
END_TEST

/* ---- layout ---- */

START_TEST(layout_covers_the_screen_once)
{
    for (int width = 80; width <= 260; width += 7)
        for (int height = 24; height <= 90; height += 5)
            for (int focus = 0; focus < 2 * PANES; focus++) {
                struct layout l = layout_for(width, height, (enum pane)(focus / 2), PANE_TLB, focus % 2);
                int cells = 0, gaps = 0;
                ck_assert(!l.too_small);
                for (int i = 0; i < l.parts; i++) {
                    const struct layout_part *p = &l.part[i];
                    ck_assert(p->x >= 0 && p->y >= LAYOUT_HEAD && p->w > 0 && p->h > 0);
                    ck_assert(p->x + p->w <= width && p->y + p->h <= height - LAYOUT_FOOT);
                    if (p->pane == PANE_WALK)
                        ck_assert(p->w >= WALK_MIN_W && p->h - l.titled >= WALK_MIN_H);
                    for (int k = 0; k < i; k++)
                        ck_assert_int_ne(p->pane, l.part[k].pane);
                    cells += p->w * p->h;
                    gaps += p->x > 0 ? p->h : 0;
                }
                ck_assert_int_eq(cells + gaps, width * (height - LAYOUT_HEAD - LAYOUT_FOOT));
            }
}
END_TEST

START_TEST(focus_is_always_shown)
{
    static const int SIZES[][2] = {{80, 24}, {80, 50}, {120, 30}, {120, 40}, {200, 60}, {260, 90}};
    for (size_t i = 0; i < 2 * (sizeof SIZES / sizeof *SIZES); i++)
        for (int focus = 0; focus < PANES; focus++) {
            int width = SIZES[i / 2][0], height = SIZES[i / 2][1];
            bool seen = false, iommu = i % 2, fixed = layout_fixed(width, height, (enum pane)focus, iommu);
            struct layout l =
                layout_for(width, height, (enum pane)focus, fixed ? PANE_TLB : (enum pane)focus, iommu);
            for (int p = 0; p < l.parts; p++)
                seen = seen || l.part[p].pane == (enum pane)focus;
            ck_assert_msg(seen, "pane %d at %dx%d", focus, width, height);
        }
}
END_TEST

static bool both_shown(int width, int height, enum pane slot)
{
    struct layout l = layout_for(width, height, PANE_WALK, slot, true);
    bool of_core = false, of_device = false;
    for (int p = 0; p < l.parts; p++) {
        of_core = of_core || l.part[p].pane == PANE_WALK;
        of_device = of_device || l.part[p].pane == PANE_IOMMU;
    }
    return of_core && of_device;
}

START_TEST(both_walks_are_shown_where_there_is_room)
{
    ck_assert(both_shown(160, 50, PANE_CPU));
    ck_assert(both_shown(150, 36, PANE_TLB));
    ck_assert(both_shown(200, 60, PANE_EXITS));
    ck_assert(both_shown(120, 40, PANE_IOMMU)); /* in the place of those that take turns */
    ck_assert(both_shown(120, 30, PANE_IOMMU));
    ck_assert(both_shown(80, 50, PANE_IOMMU));
    ck_assert(!both_shown(80, 24, PANE_IOMMU));
}
END_TEST

START_TEST(small_screens_are_too_small)
{
    ck_assert(layout_for(79, 24, PANE_WALK, PANE_TLB, false).too_small);
    ck_assert(layout_for(80, 23, PANE_WALK, PANE_TLB, false).too_small);
    ck_assert(layout_for(1, 1, PANE_WALK, PANE_TLB, false).too_small);
    ck_assert(!layout_for(80, 24, PANE_WALK, PANE_TLB, false).too_small);
}
END_TEST

START_TEST(every_drawn_character_has_an_ascii_form)
{
    make_nested(24);
    draw(117, 40);
    for (int i = 0; i < canvas.width * canvas.height; i++)
        ck_assert_msg(ascii_for(canvas.cell[i].ch) != '?', "U+%04x", canvas.cell[i].ch);
}
END_TEST

static void add_walk_tests(TCase *t)
{
    tcase_add_test(t, nested_header);
    tcase_add_test(t, nested_cells_in_order);
    tcase_add_test(t, nested_reference_is_explained);
    tcase_add_test(t, guest_reference_is_explained);
    tcase_add_test(t, first_references_name_their_roots);
    tcase_add_test(t, what_is_to_come_is_not_shown);
    tcase_add_test(t, ended_walk_shows_its_tlb_entry);
    tcase_add_test(t, an_entry_that_is_gone_is_said);
    tcase_add_test(t, long_instructions_leave_their_place_in_sight);
    tcase_add_test(t, marks_stand_apart_from_the_cycles);
    tcase_add_test(t, selected_reference);
    tcase_add_test(t, guest_fault_is_the_guests);
    tcase_add_test(t, ept_violation_is_the_hypervisors);
    tcase_add_test(t, saved_cells_name_their_cache);
    tcase_add_test(t, large_pages_leave_cells_absent);
    tcase_add_test(t, native_walk_has_one_column);
    tcase_add_test(t, question_hides_the_walk);
    tcase_add_test(t, full_cells_when_there_is_room);
    tcase_add_test(t, no_walk_is_said);
    tcase_add_test(t, hostile_walks_stay_inside);
    tcase_add_test(t, io_walk_by_its_references);
    tcase_add_test(t, io_walk_ends_in_the_iotlb);
    tcase_add_test(t, io_fault_says_whose_it_is);
    tcase_add_test(t, io_rows_without_a_reference_say_why);
    tcase_add_test(t, io_walk_in_a_narrow_pane);
    tcase_add_test(t, hostile_io_walks_stay_inside);
}

static void add_other_tests(TCase *t)
{
    tcase_add_test(t, layout_covers_the_screen_once);
    tcase_add_test(t, focus_is_always_shown);
    tcase_add_test(t, both_walks_are_shown_where_there_is_room);
    tcase_add_test(t, small_screens_are_too_small);
    tcase_add_test(t, every_drawn_character_has_an_ascii_form);
}

int main(void)
{
    Suite *suite = suite_create("view");
    TCase *walks = tcase_create("walk"), *others = tcase_create("layout");
    add_walk_tests(walks);
    add_other_tests(others);
    tcase_set_timeout(walks, 60);
    tcase_set_timeout(others, 60);
    suite_add_tcase(suite, walks);
    suite_add_tcase(suite, others);
    return suite_run(suite);
}
