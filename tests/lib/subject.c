/* subject.c - see subject.h. */
#include "lib/subject.h"

#include "lib/temporary.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sizes ---- */

static bool counts_things(const struct rs_param_info *info)
{
    return strcmp(info->unit, "entries") == 0 || strcmp(info->unit, "ways") == 0 ||
           strcmp(info->unit, "bytes") == 0;
}

static bool shrinks(const struct rs_param_info *info, enum sizes sizes)
{
    return counts_things(info) || (sizes == SIZES_OFF && strcmp(info->unit, "on/off") == 0);
}

static struct rs_params *params_of(enum sizes sizes)
{
    struct rs_params *p = rs_params_new();
    struct rs_error err;
    for (size_t i = 0; i < rs_param_count() && sizes != SIZES_USUAL; i++) {
        const struct rs_param_info *info = rs_param_info(i);
        if (shrinks(info, sizes))
            ck_assert_msg(rs_params_set(p, info->name, info->min, &err) == RS_OK, "%s", err.text);
    }
    return p;
}

/* ---- machines ---- */

static void link_nics(rs_machine *m)
{
    struct rs_link link;
    rs_link_init(&link);
    ck_assert_int_eq(rs_link(m, 0, m, 1, &link, NULL), RS_OK);
}

/* A disk of 1 MiB, with something in each sector. */
static const char *make_disk(char path[256])
{
    FILE *f = temporary_file(path) ? fopen(path, "wb") : NULL;
    ck_assert_ptr_nonnull(f);
    for (unsigned i = 0; i < 1 << 20; i++)
        fputc((int)(i * 7 + i / 512), f);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

void run_make(struct run *r, const struct subject *s)
{
    struct rs_error err;
    struct rs_config config;
    rs_config_init(&config);
    config.cores = s->cores;
    config.params = params_of(s->sizes);
    char file[256];
    bool two = s->device && s->device[0] == '2';
    const char *kind = two ? s->device + 2 : s->device;
    struct rs_device device[2] = {{.kind = kind}, {.kind = kind}};
    bool disk = kind && strcmp(kind, "virtio-blk") == 0;
    if (disk) { /* and a NIC goes with it */
        device[0].file = make_disk(file);
        device[1].kind = "virtio-net";
    }
    config.device = device;
    config.device_count = kind ? 1 + (two || disk) : 0;
    if (s->device) /* behind an IOMMU, which is off until software turns it on */
        config.firmware |= RS_FW_VTD;
    r->world = rs_world_new();
    r->machine = rs_machine_new(r->world, &config, &err);
    rs_params_free(config.params);
    ck_assert_msg(r->machine != NULL, "%s", err.text);
    if (two)
        link_nics(r->machine);
    if (disk)
        remove(file); /* it has been read */
}

static const char *image_path(char path[512], const char *name)
{
    const char *build = getenv("RINGSIDE_BUILD");
    snprintf(path, 512, "%s/%s", build ? build : "build", name);
    return path;
}

void run_boot(struct run *r, const struct subject *s)
{
    char path[512], module_path[512], string[128];
    struct rs_error err;
    struct rs_boot_module module = {NULL, string};
    struct rs_boot image = {.path = image_path(path, s->image), .cmdline = s->cmdline};
    if (s->module) {
        image_path(module_path, s->module);
        size_t n = strcspn(module_path, " ");
        snprintf(string, sizeof string, "vm1 image=guest ram=8M%s", module_path + n);
        module_path[n] = '\0';
        module.path = module_path;
        image.modules = &module;
        image.module_count = 1;
    }
    ck_assert_msg(rs_boot(r->machine, &image, &err) == RS_OK, "%s", err.text);
}

/* ---- running ---- */

void run_finish(struct run *r, uint64_t slice)
{
    while (rs_continue(r->world, slice) == RS_SLICE)
        ;
}

void run_to(struct run *r, uint64_t cycle, uint64_t slice)
{
    rs_begin_run(r->world, cycle);
    run_finish(r, slice);
}
