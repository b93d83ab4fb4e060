/* test_lua.c - scenarios: what they may do. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/script.h"
#include "lib/suite.h"

#define SNAPSHOT "/tmp/ringside-test-snapshot"

START_TEST(protected_calls)
{
    ck_assert_str_eq(
        script_run(
            SCRIPT_BARE
            "local function list(...) return table.concat({ tostring((...)), select(2, ...) }, ' ') end "
            "check_eq(list(pcall(select, 2, 1, 2, 3)), 'true 2 3', 'results') "
            "check_eq(list(pcall(error, 'e')), 'false e', 'message') "
            "check_eq(list(xpcall(select, print, 2, 1, 2, 3)), 'true 2 3', 'xpcall') "
            "check_eq(list(xpcall(error, function(m) return m .. '!' end, 'e')), 'false e!', 'handler') "
            "check_eq(xpcall(error, error), false, 'handler that raises') "
            "check_eq(list(pcall(h.run, h, 100)), 'true done', 'runs the world') "
            "check_eq(list(xpcall(function() h:run(100) error('e', 0) end, tostring)), 'false e', 'both') "
            "for i = 1, 1000 do pcall(error) pcall(print and type, 1) end "
            "local co = coroutine.create(function(...) local x = coroutine.yield(...) "
            "pcall(coroutine.yield, x) return 'end' end) "
            "check_eq(list(coroutine.resume(co, 1, 2)), 'true 1 2', 'resume') "
            "check_eq(list(coroutine.resume(co, 3)), 'true 3', 'in pcall') "
            "check_eq(list(coroutine.resume(co)), 'true end', 'end') "
            "check_eq(list(coroutine.resume(co)), 'false cannot resume dead coroutine', 'dead') "
            "local w = coroutine.wrap(function(...) coroutine.yield(...) error 'e' end) "
            "check_eq(list(w(1, 2)), '1 2', 'wrap') local ok, e = pcall(w) "
            "check_eq(select(2, e:gsub(':1:', '')), 1, 'its place, once: ' .. e) "
            "local shut co = coroutine.create(function() local x <close> = setmetatable({}, "
            "{ __close = function() shut = true end }) coroutine.yield() end) coroutine.resume(co) "
            "check(coroutine.close(co) and shut, 'close')"),
        "");
    ck_assert_uint_eq(scenario_checks(scenario, true), 14);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

START_TEST(checks_count)
{
    ck_assert_str_eq(script_run("check(true, 'a') check_eq(1, 2, 'b') check_near(99, 100, 2, 'c') "
                                "check_order({ a = 1, b = 2, c = 2 }, 'a < b <= c == c', 'd')"),
                     "");
    ck_assert_uint_eq(scenario_checks(scenario, true), 3);
    ck_assert_uint_eq(scenario_checks(scenario, false), 1);
    ck_assert_int_eq(scenario_status(scenario), 1);
    ck_assert(script_told("got 1, want 2"));
}
END_TEST

START_TEST(must_stops)
{
    const char *message = script_run("must(false, 'it is there') say('after')");
    ck_assert(strstr(message, "it is there"));
    ck_assert_int_eq(scenario_status(scenario), 1);
    ck_assert(!script_told("after"));
}
END_TEST

START_TEST(what_does_not_come_fails)
{
    const char *message = script_run(SCRIPT_BARE "h:await('vm.exit', 100000)");
    ck_assert_msg(strstr(message, "no such vm.exit"), "%s", message);
    ck_assert_int_eq(scenario_status(scenario), 1);
    scenario_free(scenario);
    message = script_run(SCRIPT_BARE "h:expect('never', 10)"); /* of a console that has nothing yet */
    ck_assert_msg(strstr(message, "the console ends with: "), "%s", message);
    ck_assert_int_eq(scenario_status(scenario), 1);
    scenario_free(scenario);
    message = script_run(SCRIPT_BARE "h:expect('never', '1ms')");
    ck_assert_msg(strstr(message, "'never' was not written"), "%s", message);
    ck_assert_int_eq(scenario_status(scenario), 1);
    scenario_free(scenario);
    ck_assert_str_eq(script_run(SCRIPT_BARE
                                "local ev, why = h:run_until('vm.exit', 1000) check_eq(ev, nil, 'none') "
                                "check_eq(why, 'limit', 'why')"),
                     "");
    ck_assert_int_eq(scenario_status(scenario), 0);
}
END_TEST

START_TEST(consoles)
{
    const char *message = script_run(
        SCRIPT_BARE "local text = h:expect('64-bit') check_eq(text:sub(-6), '64-bit', 'up to the text') "
                    "check_eq(h:console(), text, 'and the machine stopped right there') "
                    "h:run() check(h.halted:find('debug%-exit'), 'halted') check_eq(h.status, 1, 'status')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 4);
}
END_TEST

START_TEST(disassembly)
{
    const char *message =
        script_run(SCRIPT_BARE
                   "local code, calls = h:disasm('_start', { count = 6 }), 0 "
                   "check_eq(#code, 6, 'as many as asked') check_eq(code[1].place, '_start', 'place') "
                   "check_eq(code[2].address, code[1].address + code[1].length, 'one after another') "
                   "check_eq(h:disasm()[1].text, code[1].text, 'RIP is at _start') "
                   "for _, i in ipairs(code) do "
                   "if i.text:find('call 0x%x+ <guest_start>') then calls = calls + 1 end end "
                   "check_eq(calls, 1, 'a target has its symbol') "
                   "local none = h:disasm(0x7fff00000000, { count = 3 }) "
                   "check_eq(#none, 1, 'ends early') check_eq(none[1].length, 0, 'nothing there') "
                   "check_eq(none[1].text, '(not mapped)', 'why') check_eq(none[1].place, nil, 'no symbol')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 9);
}
END_TEST

START_TEST(disassembly_in_a_vm)
{
    const char *message = script_run(
        "local h = machine() h:boot('hv', { vms = { { name = 'v', image = 'hello' } } }) "
        "h:await('insn', { mode = 'non-root' }) check_eq(h.core[1].mode, 'non-root', 'in the guest') "
        "check(h:disasm('guest_main')[1].length > 0, 'the symbols are those of its image')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 2);
}
END_TEST

START_TEST(addresses_of_walks)
{
    const char *message = script_run(
        "local h = machine() h:boot('hv', { vms = { { name = 'v', image = 'hello' } } }) "
        "local ref = h:await('walk.ref', { mode = 'non-root', stage = 'nested' }) "
        "check_eq(ref.gpa, ref.row_gpa[1], 'the reference has its own gPA') "
        "check_eq(ref.hpa, ref.refs[1].hpa, 'and hPA') "
        "local walk = h:await('walk.end', { mode = 'non-root' }) check(walk.gpa, 'known at the end') "
        "h:step(1) local full = h:translate(walk.gva) check_eq(full.gpa, walk.gpa, 'by the tables') "
        "local hit = h:translate(walk.gva, { access = walk.access, caches = true }) "
        "check_eq(#hit.refs, 0, 'a hit') check_eq(hit.hpa, full.hpa, 'the same page') "
        "check_eq(hit.gpa, nil, 'whose entry holds no gPA')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 7);
}
END_TEST

START_TEST(events_of_devices)
{
    const char *message = script_run(
        "local h = machine { devices = { 'edu' }, firmware = { vtd = true } } h:boot('iommu') "
        "local n = 0 local function count() n = n + 1 end "
        "h:on('dma', { mode = 'root' }, count) h:on('dma', { cr3 = 0 }, count) "
        "h:on('dma', { core = 1 }, count) h:on('dma', { rip = function() return true end }, count) "
        "local ev = h:await('dma') h:run(10000) check_eq(n, 0, 'filters on what it has not') "
        "for _, name in ipairs { 'core', 'mode', 'vmcs', 'eptp', 'vpid', 'cr3', 'rip', 'vm' } do "
        "check_eq(ev[name], nil, name) end check_eq(ev.machine, 'A', 'machine')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 10);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

START_TEST(walks_of_the_iommu)
{
    const char *message = script_run(
        "local h = machine { devices = { 'edu' }, firmware = { vtd = true } } h:boot('iommu') "
        "check_eq(h:translate_device(0x5000000, { device = 8 }), nil, 'it does not translate yet') "
        "local ref = h:await('iommu.ref', { stage = 'context' }) check_eq(ref.row, 2, 'after the root "
        "entry') "
        "check_eq(#ref.refs, 2, 'so far') h:step(1, 'micro') "
        "local w = h:await('iommu.end') check_eq(w.address, 0x5000000, 'as the device has it') "
        "check_eq(w.domain, 5, 'domain') check_eq(#w.refs, 6, 'references') check_eq(w.fault, nil, 'none') "
        "local dry = h:translate_device(w.address, { device = w.device }) check_eq(dry.hpa, w.hpa, 'there') "
        "dry = h:translate_device(w.address, { device = w.device, caches = true }) "
        "check_eq(dry.grid[6][1].by, 'iotlb', 'it is kept') "
        "dry = h:translate_device(0x5002000, { device = w.device, access = 'write' }) "
        "check_eq(dry.reason, 5, 'no right') check_eq(dry.owner, 'hypervisor', 'whose business') "
        "local fault = h:await('iommu.fault') check_eq(fault.number, 5, 'and so it is') "
        "check_eq(fault.address, 0x5002000, 'there') check(fault.recorded, 'in a register') "
        "h:back(1, 'micro') h:step(1, 'micro') h:run() check_eq(h.status, 1, 'to the end') "
        "local s = h:iommu_stats() check(s.iotlb_hits > 0 and s.faults > 0, 'counted')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 16);
    ck_assert_ptr_nonnull(strstr(script_run("local h = machine() h:boot('hello') "
                                            "h:translate_device(0, { device = 0x10000 })"),
                                 "requester ID"));
}
END_TEST

/* The core's walk is of the shadow tables; the guest's own lead to guest-physical addresses. */
START_TEST(vm_with_shadow_tables)
{
    const char *message = script_run(
        "local h = machine() h:boot('hv', { cmdline = '--stay', vms = { { name = 'v', image = 'fault', mmu = "
        "'shadow' } } }) "
        "local v, mark = h:vm('v'), h:await('mark', { id = 3 }) h:run_until('insn', { mode = 'non-root' }) "
        "local own, walked = v:translate(0x100c0805000), h:translate(0x100c0805000) "
        "check_eq(own.gpa, 0x600000, 'where the guest has put it') check(own.hpa ~= own.gpa, 'it is "
        "elsewhere') "
        "check_eq(walked.hpa, own.hpa, 'the shadows lead there') check(walked.cr3 ~= own.cr3, 'from another "
        "root') "
        "h:run('20ms') local faults = v:stats().faults "
        "check(faults['true'].count >= 2, 'the guest had its own') check(faults.hidden.mean > 0, 'and "
        "others')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 6);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

/* What the shadow pager has to do besides exits: the nanobenchmarks that ask for one thing each.  INVLPG
 * needs no table to be gone through; CR3 pays for entries that have changed, and for those in use but little.
 */
static const struct {
    const char *nano;
    unsigned number, made, freed, synced, compared, changed;
} shadow_work[] = {
    {"pte_reload", 13, 0, 0, 16, 256, 0},  {"pte_wide", 14, 0, 0, 16, 8192, 0},
    {"pte_change", 15, 0, 0, 16, 136, 16}, {"pte_unmap", 12, 0, 0, 0, 0, 0},
    {"tab_first", 16, 16, 0, 0, 0, 0},     {"tab_reuse", 17, 0, 16, 0, 0, 0},
};

START_TEST(work_of_shadow_tables)
{
    char script[1200];
    snprintf(
        script, sizeof script,
        "local h = machine() h:boot('hv', { cmdline = '--stay', vms = { { name = 'v', image = 'kernel', "
        "ram = '6M', mmu = 'shadow', cmdline = 'nano 16 %s' } } }) local v = h:vm('v') "
        "h:await('mark', { id = 1, arg1 = %u }) local before = v.work "
        "h:await('mark', { id = 2 }) local work = v.work "
        "for what, count in pairs { made = %u, freed = %u, synced = %u, compared = %u, changed = %u } do "
        "check_eq(work[what] - before[what], count, what) end "
        "h:run('1ms') check_eq(v:stats().made, v.work.made, 'stats tells it too')",
        shadow_work[_i].nano, shadow_work[_i].number, shadow_work[_i].made, shadow_work[_i].freed,
        shadow_work[_i].synced, shadow_work[_i].compared, shadow_work[_i].changed);
    const char *message = script_run(script);
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 6);
}
END_TEST

START_TEST(vms)
{
    const char *message = script_run(
        "local h = machine() h:boot('hv', { cmdline = '--stay', vms = { { name = 'v', image = 'hello' } } }) "
        "local v = h:vm('v') v:expect('ring 0') check_eq(v.state, 'running', 'runs') "
        "check(h:hv('vm list'):find('name=v'), 'listed') v:expect('upper half') "
        "check(v:stats().reasons['I/O instruction'].count > 0, 'stats') "
        "check(v:sym('guest_main') > 0, 'symbols') check(not v.work, 'no shadow tables') "
        "check_eq(#v:read(0x100000, 8), 8, 'read') "
        "check(not pcall(h.hv, h, 'frob'), 'error: raises')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 7);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

/* With either pager a VM's memory is found while no core runs it; with shadow tables the walks are of one
 * dimension, and the guest's CR3 is not the VMCS's. */
static const char *const vm_mmus[] = {"nested", "shadow"};

START_TEST(memory_of_vms)
{
    char script[1600];
    snprintf(
        script, sizeof script,
        "local mmu = '%s' local h = machine() h:boot('hv', { cmdline = '--stay', vms = "
        "{ { name = 'v', image = 'hello', ram = '4M', mmu = mmu, "
        "tables = mmu == 'shadow' and 100 or nil } } }) "
        "local w = h:await('walk.end', { mode = 'non-root' }) "
        "check_eq(w.gpa ~= nil, mmu == 'nested', 'two dimensions') local v = h:vm('v') "
        "v:expect('upper half') h:run('1ms') check_eq(v.state, 'stopped', 'ended') "
        "local t = v:translate(0xffffffff80100000) check_eq(t.gpa, 0x100000, 'by its own tables') "
        "check_eq(h:read(t.hpa, 16), v:read(0x100000, 16), 'and on by the hypervisor\\'s') "
        "check_eq(v:translate(0x700000000000).fault, '#PF: the guest\\'s tables do not map it', 'fault') "
        "local s, sum = v:stats(), 0 for _, f in pairs(s.faults) do sum = sum + f.count end "
        "local exits = s.reasons['Exception or NMI'] check_eq(exits and exits.count or 0, sum, 'faults') "
        "check_eq(s.faults.hidden ~= nil, mmu == 'shadow', 'hidden ones') "
        "check(h:hv('vm dirty v'):find('dirty=4096K', 1, true), 'all was written at the start') "
        "check(h:hv('vm dirty v'):find('accessed=0K dirty=0K', 1, true), 'nothing since')",
        vm_mmus[_i]);
    const char *message = script_run(script);
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 9);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

START_TEST(time_travel)
{
    const char *message = script_run(
        SCRIPT_BARE
        "h:step(50) local p, a = h.position, h:hash() local s = h:snapshot() h:step(20) "
        "check(h:hash() ~= a, 'moved') h:undo() check_eq(h.position, p, 'undone') h:step(20, 'micro') "
        "h:back(20, 'micro') check_eq(h:hash(), a, 'back') h:run(5000) h:restore(s) "
        "check_eq(h:hash(), a, 'restored')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

/* A replayed atom, and one that is half done and run again, is not a later event. */
START_TEST(strictly_later)
{
    const char *message = script_run(
        SCRIPT_BARE
        "local a = h:await('io', { write = true }) local p = h.position "
        "local b = h:await('io', { write = true }) check(b.cycle > a.cycle, 'later') "
        "h:back(1, 'micro') h:back(200, 'insn') local c = h:await('io', { write = true, cycle = a.cycle }) "
        "check_eq(h.position, p, 'the same place again') h:send('x') h:run(10)");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 2);
    ck_assert(script_told("an input in the past"));
}
END_TEST

START_TEST(snapshot_files)
{
    const char *message = script_run(
        SCRIPT_BARE "h:step(300) local a = h:hash() local s = h:snapshot() s:save('" SNAPSHOT "') s:free() "
                    "h:run() local t = snapshot.load('" SNAPSHOT "') h:restore(t) "
                    "check_eq(h:hash(), a, 'saved, loaded and restored')");
    unlink(SNAPSHOT);
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 1);
}
END_TEST

/* What is noted of the boot goes back with the machine. */
START_TEST(snapshots_and_boots)
{
    const char *message = script_run(
        "local h = machine() local off = h:snapshot() "
        "h:boot('hello') h:run(500) local p, a = h.position, h:hash() local s = h:snapshot() "
        "h:restore(off) check_eq(h.position, 'A:0', 'switched off') "
        "check(not pcall(h.run, h, 5) and not pcall(h.sym, h, '_start'), 'not booted') "
        "h:boot('tiny') h:restore(s) check_eq(h.position, p, 'position') check_eq(h:hash(), a, 'hash') "
        "check(not pcall(h.boot, h, 'hello'), 'booted') check(h:sym('_start') > 0, 'symbols') "
        "h:power_cycle() h:restore(s) check_eq(h:hash(), a, 'after being switched off') "
        "check_eq(h:run(), 'halted', 'runs') h:restore(s) h:reset() "
        "check_eq(h:run(), 'halted', 'a reset enters the image') "
        "check(h:console():find('Hello', 1, true), 'the image of the snapshot') "
        "h:restore(off) h:boot('tiny') check_eq(h:run(), 'halted', 'boots')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 11);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

START_TEST(snapshots_and_vms)
{
    const char *message = script_run(
        SCRIPT_HV "h:expect('\\n') local s = h:snapshot() local said = h:expect('\\n') h:power_cycle() "
                  "h:boot('hv', { vms = { { name = 'w', image = 'hello' } } }) h:restore(s) "
                  "check_eq(h:vm('v').name, 'v', 'its VMs') check(not pcall(h.vm, h, 'w'), 'and no others') "
                  "check_eq(h:expect('\\n'), said, 'what was read of the console')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 3);
}
END_TEST

/* A file says nothing of the image: it can be run, but not be looked up. */
START_TEST(snapshot_file_before_boot)
{
    const char *message = script_run(
        SCRIPT_BARE "h:step(300) local a = h:hash() h:snapshot():save('" SNAPSHOT "') h:power_cycle() "
                    "h:restore(snapshot.load('" SNAPSHOT "')) check_eq(h:hash(), a, 'the same') "
                    "check(not pcall(h.reset, h) and not pcall(h.sym, h, '_start'), 'image unknown') "
                    "check_eq(h:run(), 'halted', 'booted')");
    unlink(SNAPSHOT);
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 3);
}
END_TEST

START_TEST(snapshots_replace_snapshots)
{
    FILE *f = fopen(SNAPSHOT, "w");
    fputs("precious work", f);
    fclose(f);
    const char *message = script_run(SCRIPT_BARE "h:snapshot():save('" SNAPSHOT "')");
    char text[32] = "";
    f = fopen(SNAPSHOT, "r");
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    unlink(SNAPSHOT);
    ck_assert_msg(strstr(message, "is not a snapshot"), "%s", message);
    ck_assert_uint_eq(n, 13);
    ck_assert_str_eq(text, "precious work");
    scenario_free(scenario);
    message = script_run(SCRIPT_BARE "local s = h:snapshot() s:save('" SNAPSHOT "') s:save('" SNAPSHOT "')");
    unlink(SNAPSHOT);
    ck_assert_msg(!*message, "%s", message);
}
END_TEST

START_TEST(nothing_to_go_back_to)
{
    const char *message = script_run(
        SCRIPT_BARE
        "local done, why = h:back(5) check_eq(done, nil, 'back') check_eq(why, 'start', 'why') "
        "check_eq(select(2, h:undo()), 'start', 'undo') h:step(3) check_eq(h:back(5), 'done', 'some')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 4);
}
END_TEST

START_TEST(status_of_a_machine)
{
    const char *message = script_run(SCRIPT_BARE "check_eq(h.status, nil, 'none while it runs') h:run() "
                                                 "check(h.status, 'one at the end')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 2);
}
END_TEST

START_TEST(several_cores)
{
    const char *message = script_run(
        "local function eq(a, b) check_eq(a, b, 'equal') end local h = machine { cores = 3 } "
        "h:boot('cores', { cmdline = '20' }) h:run(11000) "
        "eq(h.core[2].activity, 'waits for SIPI') eq(h.next, 1) "
        "local sent, third = {}, 0 h:on('ipi', function(e) sent[#sent + 1] = e.delivery .. ' ' .. e.to end) "
        "h:on('ipi', { to = 3, core = 1 }, function() third = third + 1 end) "
        "h:on('ipi', { to = function(to) return to < 2 or to > 3 end }, function(e) error(tostring(e)) end) "
        "local started = h:await('core.start', { core = 3 }) eq(started.entry, h:sym('cores_entry')) "
        "eq(table.concat(sent, ' '), 'INIT 2 INIT 3 start-up 2 start-up 3') eq(third, 2) "
        "h:run() eq(h.status, 1) eq(h.core[3].activity, 'halted') "
        "local one, two, three = h:stats(1), h:stats(2), h:stats(3) "
        "eq(h:stats().insns, one.insns + two.insns + three.insns) eq(h.insns, h:stats().insns) "
        "eq(two.cycles, h.core[2].cycles) eq(#h.core, 3) "
        "eq(pcall(function() return h:stats(4) end), false)");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 12);
}
END_TEST

/* Longer than a management line and than the VM's receiver. */
START_TEST(long_input)
{
    const char *message = script_run(
        "local h = machine() h:boot('hv', { vms = { { name = 'v', image = 'echo' } } }) local v = h:vm('v') "
        "v:expect('quit') v:expect('\\n') local line = (' y\\\\ '):rep(30) v:send((line .. '\\n'):rep(30)) "
        "for i = 1, 30 do v:expect(line) end v:send('quit\\n') h:run() check_eq(v.state, 'stopped', 'quit')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 1);
}
END_TEST

START_TEST(handlers_fire_once)
{
    const char *message = script_run(
        SCRIPT_BARE
        "local n = 0 local x = h:on('insn', function() n = n + 1 end) h:step(100) h:back(50) "
        "h:step(50) check_eq(n, 100, 'once for each new cycle') x:off() h:step(10) check_eq(n, 100, 'off')");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, false), 0);
}
END_TEST

START_TEST(parameters)
{
    char *argv[] = {(char[]){"n=7"}, (char[]){"m=1"}};
    struct scenario_options options = {.argc = 1, .argv = argv};
    ck_assert_str_eq(script_run_with("check_eq(param('n', 1, 'help'), 7, 'n')", &options), "");
    ck_assert_int_eq(scenario_status(scenario), 0);
    scenario_free(scenario);
    options.argc = 2;
    const char *message = script_run_with("param('n', 1, 'help')", &options);
    ck_assert_msg(strstr(message, "unknown parameter 'm'"), "%s", message);
    ck_assert_int_eq(scenario_status(scenario), 2);
}
END_TEST

START_TEST(walk_caches_one_by_one)
{
    const char *message = script_run(
        "local h = machine() local names = { 'pwc', 'npwc', 'ntlb' } for _, on in ipairs(names) do "
        "h:power_cycle { pwc = on == 'pwc', npwc = on == 'npwc', ntlb = on == 'ntlb', "
        "[on .. '_entries'] = 8 } "
        "h:boot('hv', { vms = { { image = 'walk' } } }) h:await('mark', { id = 10 }) "
        "for _, name in ipairs(names) do "
        "check((h:stats()[name .. '_hits'] > 0) == (name == on), on .. ' alone: ' .. name) end end");
    ck_assert_msg(!*message, "%s", message);
    ck_assert_uint_eq(scenario_checks(scenario, true), 9);
}
END_TEST

START_TEST(pauses_and_questions)
{
    const struct scenario_options options = {.interactive = true};
    struct rs_error err;
    script_write("pause('look') ask { q = 'how many?', choices = { 1, 2 }, answer = function() return 2 end "
                 "} say('end')");
    scenario = scenario_load(script_path, &options, &err);
    unlink(script_path);
    ck_assert(scenario_advance(scenario, 1000) == SCENARIO_PAUSED);
    ck_assert_str_eq(scenario_text(scenario), "look");
    ck_assert(!scenario_choice(scenario, 0));
    scenario_continue(scenario);
    ck_assert(scenario_advance(scenario, 1000) == SCENARIO_PAUSED);
    ck_assert_str_eq(scenario_text(scenario), "how many?");
    ck_assert_str_eq(scenario_choice(scenario, 1), "2");
    scenario_answer(scenario, 0);
    ck_assert(scenario_advance(scenario, 1000) == SCENARIO_FINISHED);
    ck_assert(script_told("No: 2"));
    ck_assert(script_told("end"));
}
END_TEST

/* What a person does while a scenario is stopped does not change it. */
START_TEST(interruptions)
{
    const struct scenario_options options = {.interactive = true};
    struct rs_error err;
    script_write(SCRIPT_BARE "h:run(20000) say(h.position)");
    scenario = scenario_load(script_path, &options, &err);
    for (int i = 0; i < 3; i++)
        ck_assert(scenario_advance(scenario, 100) == SCENARIO_MOVING);
    scenario_interrupt(scenario);
    ck_assert(scenario_state(scenario) == SCENARIO_PAUSED);
    rs_begin_step(scenario_world(scenario), 500, RS_INSN);
    while (rs_continue(scenario_world(scenario), 100) == RS_SLICE)
        continue;
    scenario_continue(scenario);
    while (scenario_advance(scenario, 1000) == SCENARIO_MOVING)
        continue;
    struct scenario_line line;
    ck_assert(scenario_line(scenario, 0, &line));
    char undisturbed[64];
    snprintf(undisturbed, sizeof undisturbed, "%s", line.text);
    scenario_free(scenario);
    unlink(script_path);
    ck_assert_str_eq(script_run(SCRIPT_BARE "h:run(20000) say(h.position)"), "");
    ck_assert(script_told(undisturbed));
}
END_TEST

START_TEST(patterns)
{
    ck_assert_str_eq(
        script_run(
            "check_eq(('key = value'):match('^(%w+)%s*=%s*(%w+)$'), 'key', 'captures') "
            "check_eq(('a,b,,c'):gsub(',', ';', 2), 'a;b;,c', 'gsub') "
            "check_eq(('THE (quick) fox'):find('%((%a+)%)'), 5, 'find') "
            "check_eq(('f(a(b)c)d'):match('%b()'), '(a(b)c)', 'balanced') "
            "check_eq(('THE (quick) fox'):gsub('%f[%a]%a+', string.lower), 'the (quick) fox', 'frontier') "
            "check_eq(('a.b'):find('.', 1, true), 2, 'plain') check_eq(('x=\\0y'):match('=(.*)'), '\\0y', "
            "'zero') "
            "local n = 0 for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do n = n + v end check_eq(n, 3, "
            "'gmatch')"),
        "");
    ck_assert_uint_eq(scenario_checks(scenario, true), 8);
}
END_TEST

START_TEST(pairs_in_order)
{
    ck_assert_str_eq(
        script_run("local t = { b = 1, a = 2, c = 3, 10, 20, [true] = 4, [0.5] = 5 } local s = '' "
                   "for k, v in pairs(t) do s = s .. tostring(k) .. '=' .. v .. ' ' end "
                   "check_eq(s, '0.5=5 1=10 2=20 a=2 b=1 c=3 true=4 ', 'order') "
                   "for k in pairs(t) do t[k] = nil end check_eq(next(t), nil, 'removal on the way') "
                   "local m = setmetatable({}, { __pairs = function() return function(_, k) if not k "
                   "then return 7 end end end }) "
                   "for k in pairs(m) do check_eq(k, 7, '__pairs') end"),
        "");
    ck_assert_uint_eq(scenario_checks(scenario, true), 3);
}
END_TEST

START_TEST(same_seed_same_numbers)
{
    ck_assert_str_eq(script_run("say(math.random(1000000))"), "");
    struct scenario_line line;
    scenario_line(scenario, 0, &line);
    char first[32];
    snprintf(first, sizeof first, "%s", line.text);
    scenario_free(scenario);
    ck_assert_str_eq(script_run("say(math.random(1000000))"), "");
    ck_assert(script_told(first));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lua");
    TCase *tests = tcase_create("scenarios");
    tcase_add_checked_fixture(tests, script_set_up, script_tear_down);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, protected_calls);
    tcase_add_test(tests, checks_count);
    tcase_add_test(tests, must_stops);
    tcase_add_test(tests, what_does_not_come_fails);
    tcase_add_test(tests, consoles);
    tcase_add_test(tests, disassembly);
    tcase_add_test(tests, disassembly_in_a_vm);
    tcase_add_test(tests, addresses_of_walks);
    tcase_add_test(tests, events_of_devices);
    tcase_add_test(tests, walks_of_the_iommu);
    tcase_add_test(tests, vm_with_shadow_tables);
    tcase_add_loop_test(tests, work_of_shadow_tables, 0, sizeof shadow_work / sizeof *shadow_work);
    tcase_add_test(tests, vms);
    tcase_add_loop_test(tests, memory_of_vms, 0, 2);
    tcase_add_test(tests, time_travel);
    tcase_add_test(tests, strictly_later);
    tcase_add_test(tests, snapshot_files);
    tcase_add_test(tests, snapshots_and_boots);
    tcase_add_test(tests, snapshots_and_vms);
    tcase_add_test(tests, snapshot_file_before_boot);
    tcase_add_test(tests, snapshots_replace_snapshots);
    tcase_add_test(tests, nothing_to_go_back_to);
    tcase_add_test(tests, status_of_a_machine);
    tcase_add_test(tests, several_cores);
    tcase_add_test(tests, long_input);
    tcase_add_test(tests, handlers_fire_once);
    tcase_add_test(tests, parameters);
    tcase_add_test(tests, walk_caches_one_by_one);
    tcase_add_test(tests, pauses_and_questions);
    tcase_add_test(tests, interruptions);
    tcase_add_test(tests, patterns);
    tcase_add_test(tests, pairs_in_order);
    tcase_add_test(tests, same_seed_same_numbers);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
