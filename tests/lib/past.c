/* past.c - see past.h. */
#include "lib/past.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "lib/elf_image.h"

/* 400 stores, a line apart over seven pages, most of them behind the end of RAM, each echoing a byte of the
 * console if there is one; then debug-exit 3. */
static const uint8_t program[] = {
    0xb9, 0x90, 0x01, 0x00, 0x00, /*     mov ecx, 400 */
    0xbf, 0x00, 0xf0, 0x3f, 0x00, /*     mov edi, 0x3ff000: a page of RAM, then none */
    0x66, 0xba, 0xfd, 0x03,       /* L:  mov dx, 0x3fd */
    0xec,                         /*     in al, dx */
    0xa8, 0x01,                   /*     test al, 1 */
    0x74, 0x06,                   /*     jz S */
    0x66, 0xba, 0xf8, 0x03,       /*     mov dx, 0x3f8 */
    0xec,                         /*     in al, dx */
    0xee,                         /*     out dx, al */
    0x48, 0x89, 0x0f,             /* S:  mov [rdi], rcx */
    0x48, 0x83, 0xc7, 0x40,       /*     add rdi, 64 */
    0xff, 0xc9,                   /*     dec ecx */
    0x75, 0xe6,                   /*     jnz L */
    0xb0, 0x03,                   /*     mov al, 3 */
    0xe6, 0xf4,                   /*     out 0xf4, al */
};

rs_world *past_world;
rs_machine *past_machine;
char past_image[256];

enum rs_why past_go(void)
{
    enum rs_why why;
    while ((why = rs_continue(past_world, 37)) ==
           RS_SLICE) /* slices of an odd size: no result depends on it */
        continue;
    return why;
}

void past_boot(void)
{
    const struct elf_segment segment = {0x100000, program, sizeof program};
    struct rs_config config;
    struct rs_error err = {""};
    past_world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    past_machine = rs_machine_new(past_world, &config, &err);
    ck_assert_msg(past_machine != NULL, "%s", err.text);
    ck_assert(elf_image_temporary(past_image, 0x100000, &segment, 1));
    struct rs_boot how = {.path = past_image, .cmdline = "program"};
    ck_assert_msg(rs_boot(past_machine, &how, &err) == RS_OK, "%s", err.text);
}

void past_end(void)
{
    rs_world_free(past_world);
    unlink(past_image);
}

enum rs_why past_step(uint64_t n, enum rs_unit unit)
{
    rs_begin_step(past_world, n, unit);
    return past_go();
}

enum rs_why past_back(uint64_t n, enum rs_unit unit)
{
    rs_begin_back(past_world, n, unit);
    return past_go();
}

void past_seek(struct rs_position at)
{
    rs_begin_seek(past_world, at);
    past_go();
}

uint64_t past_hash(void)
{
    return rs_hash(past_world, RS_HASH_ALL);
}

void past_assert_at(struct rs_position want)
{
    struct rs_position at = rs_position(past_machine);
    ck_assert_uint_eq(at.atom, want.atom);
    ck_assert_uint_eq(at.micro, want.micro);
}

void past_type(const char *text)
{
    struct rs_error err = {""};
    ck_assert_msg(rs_input_console(past_machine, 0, text, strlen(text), &err) == RS_OK, "%s", err.text);
}
