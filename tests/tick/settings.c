/* settings.c - see settings.h. */
#include "tick/settings.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static void set(struct rs_params *p, const char *name, u64 value, char text[2048])
{
    struct rs_error err;
    ck_assert_msg(rs_params_set(p, name, value, &err) == RS_OK, "%s", err.text);
    size_t used = strlen(text);
    snprintf(text + used, 2048 - used, " %s=%llu", name, (unsigned long long)value);
}

struct range {
    const char *name;
    u64 from, n;
};

static const struct range ranges[] = {{"stlb", 0, 2},
                                      {"pwc", 0, 2},
                                      {"npwc", 0, 2},
                                      {"ntlb", 0, 2},
                                      {"pwc_entries", 1, 6},
                                      {"npwc_entries", 1, 6},
                                      {"ntlb_entries", 1, 12},
                                      {"stlb_latency", 0, 10},
                                      {"walk_cache_latency", 0, 4},
                                      {"l1_latency", 1, 6},
                                      {"l2_latency", 0, 20},
                                      {"mem_latency", 0, 200},
                                      {"mem_busy", 0, 60},
                                      {"device_latency", 0, 300},
                                      {"store_buffer", 1, 16},
                                      {"btb_entries", 1, 64},
                                      {"ras_entries", 1, 8},
                                      {"predictor_entries", 1, 64},
                                      {"event_cycles", 0, 60},
                                      {"vm_exit_cycles", 0, 500},
                                      {"vm_entry_cycles", 0, 500},
                                      {"vmread_cycles", 0, 40},
                                      {"vmwrite_cycles", 0, 40},
                                      {"ad_update_cycles", 0, 10},
                                      {"vmxon_cycles", 0, 100},
                                      {"invept_cycles", 0, 100},
                                      {"vmptrld_cycles", 0, 90}};

struct table {
    const char *size, *ways;
    u64 unit, least, n; /* entries */
};

static const struct table tables[] = {
    {"l1i_bytes", "l1i_ways", 64, 64, 300},  {"l1d_bytes", "l1d_ways", 64, 64, 300},
    {"l2_bytes", "l2_ways", 64, 128, 600},   {"itlb_entries", "itlb_ways", 1, 1, 32},
    {"dtlb_entries", "dtlb_ways", 1, 1, 64}, {"stlb_entries", "stlb_ways", 1, 1, 200}};

void settings_random(struct rs_params *params, struct program *random, char text[2048])
{
    text[0] = '\0';
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (program_random(random, 8))
            set(params, ranges[i].name, ranges[i].from + program_random(random, ranges[i].n), text);
    set(params, "walk_caches", program_random(random, 6) != 0, text);
    set(params, "caches", program_random(random, 10) != 0, text);
    if (program_random(random, 4) == 0) { /* more transfers wait than the bus knows */
        set(params, "mem_busy", program_random(random, 300), text);
        set(params, "caches", 1, text);
        set(params, "store_buffer", 16, text);
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const struct table *t = &tables[i];
        u64 ways = 1 + program_random(random, 9), sets = (t->least + ways - 1) / ways;
        sets += program_random(random, t->n / ways + 1);
        set(params, t->ways, ways, text);
        set(params, t->size, ways * sets * t->unit, text);
    }
}
