/* The view's text: characters, lines that wrap, and the logs and TLBs as lines. */
#include <check.h>
#include <string.h>

#include "../ui/view/canvas.h"
#include "../ui/view/doc.h"
#include "../ui/view/exits.h"
#include "../ui/view/tlbs.h"
#include "../ui/view/words.h"
#include "lib/suite.h"

static struct canvas canvas;

START_TEST(text_is_clipped_and_cleaned)
{
    char line[256];
    ck_assert(canvas_resize(&canvas, 10, 2));
    struct area a = canvas_area(&canvas);
    ck_assert_int_eq(area_text(&a, 0, 0, STYLE_TEXT, "0123456789abc"), 13);
    ck_assert_int_eq(area_text(&a, -2, 1, STYLE_TEXT,
                               "ab\x1b\xff"
                               "c\xc3\xa9"),
                     4);
    canvas_line(&canvas, 0, line, sizeof line);
    ck_assert_str_eq(line, "0123456789");
    canvas_line(&canvas, 1, line, sizeof line);
    ck_assert_str_eq(line, "..c\xc3\xa9");
}
END_TEST

START_TEST(wide_characters_are_not_cut_in_half)
{
    ck_assert(canvas_resize(&canvas, 3, 1));
    struct area a = canvas_area(&canvas);
    area_text(&a, 0, 0, STYLE_TEXT, "\xe4\xb8\xad\xe4\xb8\xad");
    ck_assert_uint_eq(canvas.cell[0].ch, 0x4e2d);
    ck_assert_uint_eq(canvas.cell[1].ch, 0);
    ck_assert_uint_eq(canvas.cell[2].ch, ' ');
}
END_TEST

static struct doc doc;

START_TEST(doc_wraps_between_words)
{
    doc_clear(&doc);
    doc_wrap(&doc, STYLE_TEXT, "one two three four\nfive", 10, 2);
    ck_assert_uint_eq(doc.lines, 4);
    ck_assert_int_le(doc_columns(&doc), 10);
    ck_assert_int_eq(doc_find(&doc, "THREE", 0), 1);
    ck_assert_int_eq(doc_find(&doc, "five", 0), 3);
    ck_assert_int_eq(doc_find(&doc, "one", 2), 0);
    ck_assert_int_eq(doc_find(&doc, "six", 0), -1);
    doc_clear(&doc);
    doc_wrap(&doc, STYLE_TEXT, "abcdefghijklmnopqrstuvwxyz", 10, 0);
    ck_assert_uint_eq(doc.lines, 3);
}
END_TEST

/* ---- exits ---- */

static struct exit_log exits;

START_TEST(exits_are_bounded)
{
    exits.count = 0;
    for (uint64_t cycle = 0; cycle < 3 * EXITS_MAX; cycle++)
        exit_log_add(&exits, &(struct exit_entry){.cycle = cycle, .number = 10});
    ck_assert_uint_le(exits.count, EXITS_MAX);
    ck_assert_uint_eq(exits.entry[exits.count - 1].cycle, 3 * EXITS_MAX - 1);
    ck_assert_uint_eq(exits.count + exits.dropped, 3 * EXITS_MAX);
}
END_TEST

START_TEST(exits_in_words)
{
    struct exit_entry io = {.number = 30, .qualification = 0x3f80008};
    struct exit_entry ept = {.number = 48, .qualification = 0x182, .gpa = 0x7000};
    char text[160];
    exit_words(&io, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "IN from port 3f8"));
    exit_words(&ept, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "EPT violation at g:7000: write of the page; EPT has no mapping"));
}
END_TEST

static char screen[4096];

static void expect(const char *text)
{
    ck_assert_msg(strstr(screen, text), "\"%s\" is not in\n%s", text, screen);
}

static void doc_lines(const struct doc *d)
{
    screen[0] = 0;
    for (size_t i = 0; i < d->lines; i++) {
        for (size_t at = doc_line_start(d, i); at < d->end[i]; at++)
            strcat(screen, (char[]){ascii_for(d->cell[at].ch), 0});
        strcat(screen, "\n");
    }
}

/* Widths of the pane at 80, 132 and 120 columns; a name and addresses at their longest. */
START_TEST(exits_lose_neither_rip_nor_gpa)
{
    static const int WIDTHS[] = {80, 79, 42};
    struct exit_entry e = {.cycle = 12345678901234,
                           .number = 48,
                           .qualification = 0x181,
                           .gpa = 0xfee00000,
                           .rip = 0xffffffff80001234,
                           .who = "a-vm-with-a-long-name"};
    exits.count = 0;
    exit_log_add(&exits, &e);
    for (size_t i = 0; i < 3; i++) {
        doc_clear(&doc);
        exits_doc(&exits, 1, 0, WIDTHS[i], &doc);
        ck_assert_int_le(doc_columns(&doc), i < 2 ? WIDTHS[i] : 80);
        doc_lines(&doc);
        expect("ffffffff80001234");
        expect("g:fee00000");
        expect("mapping");
    }
    e = (struct exit_entry){
        .cycle = 1200616, .number = 48, .qualification = 0x181, .gpa = 0x8000, .rip = 0x10125f, .who = "vm1"};
    exits.count = 0;
    exit_log_add(&exits, &e);
    doc_clear(&doc);
    exits_doc(&exits, 1, 0, 80, &doc);
    doc_lines(&doc);
    expect("1,200,616  vm1  48  10125f     EPT violation at g:8000: read of the page; EPT");
    exits.entry[0].core = 2;
    doc_clear(&doc);
    exits_doc(&exits, 3, 8, 80, &doc);
    doc_lines(&doc);
    expect("    cycle  core  VM  no.  guest RIP  reason");
    expect("(7 older ones are not kept)");
    expect("1,200,616     3  vm1  48  10125f     EPT violation at g:8000: read of the page;");
}
END_TEST

START_TEST(tlb_entries_fit_and_have_rights)
{
    struct rs_tlb_view e = {.which = RS_NTLB,
                            .va = 0xffffffff000,
                            .pa = 0x3ffffff000,
                            .page_bytes = 2 << 20,
                            .vpid = 65535,
                            .pcid = 4095,
                            .eptp = 0x3fff000,
                            .age = 605661,
                            .writable = true,
                            .dirty = true,
                            .kind = "guest-physical"};
    char text[192];
    tlb_entry_words(&e, text, sizeof text);
    ck_assert_uint_le(strlen(text), 82); /* 80 with a VPID of four digits and 36 bits of address */
    ck_assert_ptr_nonnull(strstr(text, " RW--D- 605k"));
}
END_TEST

START_TEST(numbers_in_words)
{
    char text[32];
    ck_assert_str_eq(word_count(0, text), "0");
    ck_assert_str_eq(word_count(999, text), "999");
    ck_assert_str_eq(word_count(1234567, text), "1,234,567");
    ck_assert_str_eq(word_bytes(4096, text), "4 KiB");
    ck_assert_str_eq(word_bytes(2 << 20, text), "2 MiB");
    ck_assert_str_eq(word_bytes(1 << 30, text), "1 GiB");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_text");
    TCase *t = tcase_create("text");
    tcase_add_test(t, text_is_clipped_and_cleaned);
    tcase_add_test(t, wide_characters_are_not_cut_in_half);
    tcase_add_test(t, doc_wraps_between_words);
    tcase_add_test(t, exits_are_bounded);
    tcase_add_test(t, exits_in_words);
    tcase_add_test(t, exits_lose_neither_rip_nor_gpa);
    tcase_add_test(t, tlb_entries_fit_and_have_rights);
    tcase_add_test(t, numbers_in_words);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
