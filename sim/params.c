/* params.c - see params.h and params.def. */
#include "params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "world.h"

static const struct rs_param_info info[] = {
#define PARAM(name, def, min, max, unit, help) {#name, unit, help, def, min, max},
#include "params.def"
#undef PARAM
};

#define PARAMS (sizeof info / sizeof *info)
_Static_assert(sizeof(struct params) == PARAMS * sizeof(u64), "struct params is an array of u64");

struct preset {
    const char *name;
    u64 exit_cycles, entry_cycles, vmread_cycles;
};

static const struct preset preset[] = {
#define PRESET(name, exit, entry, vmread, note) {#name, exit, entry, vmread},
#include "timing.def"
#undef PRESET
};

enum rs_status rs_fail(struct rs_error *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return RS_FAILED;
}

static u64 *value_at(struct params *p, size_t i)
{
    return (u64 *)p + i;
}

void params_default(struct params *p)
{
    for (size_t i = 0; i < PARAMS; i++)
        *value_at(p, i) = info[i].def;
}

u64 params_hash(const struct params *p)
{
    u64 hash = 1;
    for (size_t i = 0; i < PARAMS; i++)
        hash = XXH3_64bits_withSeed(info[i].name, strlen(info[i].name), hash) ^ ((const u64 *)p)[i];
    return hash;
}

size_t rs_param_count(void)
{
    return PARAMS;
}

const struct rs_param_info *rs_param_info(size_t i)
{
    return i < PARAMS ? &info[i] : NULL;
}

uint64_t rs_param_get(const rs_machine *m, size_t i)
{
    return i < PARAMS ? ((const u64 *)&m->p)[i] : 0;
}

const char *rs_preset_name(size_t i)
{
    return i < sizeof preset / sizeof *preset ? preset[i].name : NULL;
}

struct rs_params *rs_params_new(void)
{
    struct rs_params *p = malloc(sizeof *p);
    if (!p)
        abort();
    params_default(&p->p);
    return p;
}

void rs_params_free(struct rs_params *p)
{
    free(p);
}

enum rs_status rs_params_preset(struct rs_params *p, const char *preset_name, struct rs_error *err)
{
    char known[256] = "";
    for (size_t i = 0; rs_preset_name(i); i++) {
        if (strcmp(preset_name, preset[i].name) == 0) {
            p->p.vm_exit_cycles = preset[i].exit_cycles;
            p->p.vm_entry_cycles = preset[i].entry_cycles;
            p->p.vmread_cycles = p->p.vmwrite_cycles = preset[i].vmread_cycles;
            return RS_OK;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", preset[i].name);
    }
    return rs_fail(err, "unknown timing preset '%s'; known:%s", preset_name, known);
}

enum rs_status rs_params_set(struct rs_params *p, const char *name, uint64_t value, struct rs_error *err)
{
    for (size_t i = 0; i < PARAMS; i++) {
        if (strcmp(name, info[i].name) != 0)
            continue;
        if (value < info[i].min || value > info[i].max)
            return rs_fail(err, "%s = %llu is outside %llu..%llu %s (%s)", name, (unsigned long long)value,
                           (unsigned long long)info[i].min, (unsigned long long)info[i].max, info[i].unit,
                           info[i].help);
        *value_at(&p->p, i) = value;
        return RS_OK;
    }
    return rs_fail(err, "unknown machine parameter '%s'", name);
}

/* ---- parameters that must fit each other ---- */

struct geometry {
    const char *size_name, *ways_name;
    u64 entries, ways;
};

enum rs_status params_check(const struct params *p, struct rs_error *err)
{
    const struct geometry g[] = {
        {"itlb_entries", "itlb_ways", p->itlb_entries, p->itlb_ways},
        {"dtlb_entries", "dtlb_ways", p->dtlb_entries, p->dtlb_ways},
        {"stlb_entries", "stlb_ways", p->stlb_entries, p->stlb_ways},
        {"l1i_bytes / 64", "l1i_ways", p->l1i_bytes / 64, p->l1i_ways},
        {"l1d_bytes / 64", "l1d_ways", p->l1d_bytes / 64, p->l1d_ways},
        {"l2_bytes / 64", "l2_ways", p->l2_bytes / 64, p->l2_ways},
        {"iotlb_entries", "iotlb_ways", p->iotlb_entries, p->iotlb_ways},
    };
    for (size_t i = 0; i < sizeof g / sizeof *g; i++)
        if (g[i].entries % g[i].ways)
            return rs_fail(err, "%s = %llu is not a multiple of %s = %llu; change one of them",
                           g[i].size_name, (unsigned long long)g[i].entries, g[i].ways_name,
                           (unsigned long long)g[i].ways);
    const u64 bytes[] = {p->l1i_bytes, p->l1d_bytes, p->l2_bytes};
    for (size_t i = 0; i < 3; i++)
        if (bytes[i] % 64)
            return rs_fail(err, "a cache of %llu bytes is not a whole number of 64-byte lines",
                           (unsigned long long)bytes[i]);
    return RS_OK;
}

/* ---- parameters of a machine ---- */

struct rs_params *rs_params_of(const rs_machine *m)
{
    struct rs_params *p = rs_params_new();
    p->p = m->p;
    return p;
}

enum rs_status rs_set_params(rs_machine *m, const struct rs_params *p, struct rs_error *err)
{
    if (m->booted)
        return rs_fail(err, "machine '%s' is switched on: power-cycle it before its parameters are changed",
                       m->name);
    if (params_check(&p->p, err) != RS_OK)
        return RS_FAILED;
    m->p = p->p;
    history_begin(m->world, false); /* what ran with others would not run again as it did */
    return RS_OK;
}
