/* past.c - see past.h. */
#include "past.h"

#include <stdio.h>

#include "../lua/scenario.h"

static void name_of_vmcs(const struct past *p, const rs_machine *m, uint64_t vmcs, char name[RS_NAME_MAX])
{
    struct scenario_vm vm;
    bool known = scenario_vm_at(p->scenario, m, vmcs, &vm);
    snprintf(name, RS_NAME_MAX, "%s", known ? vm.name : "guest");
}

void past_describe(const struct past *p, rs_machine *m, uint32_t core, uint64_t rip, struct walk_words *words)
{
    if (rs_guest_mode(m, core))
        name_of_vmcs(p, m, rs_current_vmcs(m, core), words->who);
    else
        scenario_running(p->scenario, m, core, words->who);
    const struct rs_symbols *symbols = scenario_symbols(p->scenario, m, core);
    rs_disassemble_at(m, core, rip, symbols, words->insn, sizeof words->insn);
    rs_symbol_format(symbols, rip, words->place, sizeof words->place);
}

static void describe(const struct rs_event *event, struct walk_words *words, void *arg)
{
    past_describe(arg, (rs_machine *)event->machine, event->core, event->walk->rip, words);
}

static void on_walk(const struct rs_event *event, void *arg)
{
    struct past *p = arg;
    walk_log_add(&p->told.walks, event, describe, p);
}

static void on_iommu_end(const struct rs_event *event, void *arg)
{
    struct past *p = arg;
    walk_log_add_device(&p->told.walks, event);
}

static void on_vm_exit(const struct rs_event *event, void *arg)
{
    struct past *p = arg;
    char name[RS_NAME_MAX];
    name_of_vmcs(p, event->machine, event->vmcs, name);
    struct exit_entry e = exit_entry_from(event, name);
    exit_log_add(&p->told.exits, &e);
}

void past_begin(struct past *p, struct scenario *s)
{
    rs_world *w = scenario_world(s);
    p->scenario = s;
    p->watch_exits = rs_watch(w, RS_PROBE_vm_exit, true, on_vm_exit, p);
    p->watch_walks = rs_watch(w, RS_PROBE_walk_end, true, on_walk, p);
    p->watch_devices = rs_watch(w, RS_PROBE_iommu_end, true, on_iommu_end, p);
    p->keep = rs_keep(w, &p->told, sizeof p->told);
}

void past_end(struct past *p)
{
    rs_world *w = scenario_world(p->scenario);
    rs_unwatch(w, p->watch_exits);
    rs_unwatch(w, p->watch_walks);
    rs_unwatch(w, p->watch_devices);
    rs_unkeep(w, p->keep);
}
