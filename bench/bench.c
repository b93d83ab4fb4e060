/* bench.c - simulated instructions per second of host CPU time, in the full cycle-level model:  bench BUILD
 *
 * Each guest brackets its loop with marks; what is measured lies between them, or is the first seconds of it.
 */
#include "ringside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECONDS 3.0

struct workload {
    const char *name, *guest, *args;
    bool nested; /* in a VM of the hypervisor */
    const char *what;
};

static const struct workload workloads[] = {
    {"alu", "alu", "1000000000", false, "integer arithmetic and branches"},
    {"chase", "chase", "8192 1000000000", false, "a pointer chase over 8192 pages, beyond TLB reach"},
    {"vmcall", "vmcall", "1000000000", true, "VMCALL in a loop: an exit and an entry each turn"},
};

struct result {
    double seconds;
    uint64_t insns, cycles;
};

static int fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    return 1;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_mark(const struct rs_event *e, void *world)
{
    (void)e;
    rs_stop_here(world);
}

/* Boots the guest, in a VM if it wants to be. */
static enum rs_status boot(rs_machine *m, const struct workload *wl, const char *build, struct rs_error *err)
{
    char image[512], hv[512], line[128];
    snprintf(image, sizeof image, "%s/guests/%s.elf", build, wl->guest);
    snprintf(hv, sizeof hv, "%s/hv/hv.elf", build);
    snprintf(line, sizeof line, wl->nested ? "%s image=%s ram=8M mmu=nested -- %s" : "%s %.0s%s", wl->guest,
             wl->guest, wl->args);
    struct rs_boot_module module = {image, line};
    struct rs_boot bare = {.path = image, .cmdline = line};
    struct rs_boot nested = {.path = hv, .cmdline = "hv", .modules = &module, .module_count = 1};
    return rs_boot(m, wl->nested ? &nested : &bare, err);
}

static enum rs_why run_for(rs_world *w, double seconds)
{
    enum rs_why why;
    double end = cpu_seconds() + seconds;
    rs_begin_run(w, UINT64_MAX);
    do
        why = rs_continue(w, 100000);
    while (why == RS_SLICE && cpu_seconds() < end);
    return why;
}

static bool measure(const struct workload *wl, const char *build, struct result *r, struct rs_error *err)
{
    struct rs_config config;
    rs_config_init(&config);
    rs_world *w = rs_world_new();
    rs_machine *m = rs_machine_new(w, &config, err);
    bool ok = m && boot(m, wl, build, err) == RS_OK;
    int mark = ok ? rs_watch(w, RS_PROBE_mark, false, on_mark, w) : 0;
    if (ok && run_for(w, 60) != RS_STOPPED) {
        rs_fail(err, "%s never reached its first mark: %s", wl->name,
                rs_halt_text(m) ? rs_halt_text(m) : "still running");
        ok = false;
    }
    if (ok) {
        uint64_t insns = rs_insns(m, 0), cycles = rs_cycles(m, 0);
        double start = cpu_seconds();
        rs_unwatch(w, mark);
        run_for(w, SECONDS);
        *r = (struct result){cpu_seconds() - start, rs_insns(m, 0) - insns, rs_cycles(m, 0) - cycles};
    }
    rs_world_free(w);
    return ok;
}

int main(int argc, char **argv)
{
    double first = 0;
    if (argc != 2)
        return fail("usage: bench BUILD");
    puts("workload    MIPS   of alu   cycles/insn   what it does");
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        struct rs_error err;
        struct result r;
        if (!measure(&workloads[i], argv[1], &r, &err))
            return fail(err.text);
        double mips = (double)r.insns / r.seconds / 1e6;
        first = i ? first : mips;
        printf("%-8s %7.1f   %5.2fx   %11.2f   %s\n", workloads[i].name, mips, mips / first,
               (double)r.cycles / (double)r.insns, workloads[i].what);
    }
    return 0;
}
