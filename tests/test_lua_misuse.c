/* test_lua_misuse.c - what each misuse of a scenario answers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/script.h"
#include "lib/suite.h"

#define SNAPSHOT "/tmp/ringside-test-snapshot"

/* Each script ends with status 2, and with a message that tells the line and holds the text. */
static const struct misuse {
    const char *script, *message;
} misuses[] = {
    {"x = = 1", "unexpected symbol"},
    {"frobnicate()", "unknown name 'frobnicate'"},
    {"chek(true, 'x')", "did you mean 'check'?"},
    {"io.open('x')", "'io' is not available"},
    {"os.execute('true')", "'os' is not available"},
    {"debug.getinfo(1)", "'debug' is not available"},
    {"require 'x'", "'require' is not available"},
    {"string.dump(function() end)", "attempt to call a nil value"},
    {"assert(load('\\27Lua'))", "attempt to load a binary chunk"},
    {"setmetatable({}, { __gc = function() end })", "__gc"},
    {"error { 1 }", "not a text"},
    {"coroutine.yield()", "nobody to yield to"},
    {"coroutine.wrap(function() machine() end)()", "only the scenario itself"},
    /* the machine */
    {"machine { devices = { kind = 'edu', slot = 4 } }", "the list has 0, and another key"},
    {"machine { devices = { edu = 'edu' } }", "the list has 0, and another key"},
    {"machine { devices = { [2] = 'edu' } }", "the list has 0, and another key"},
    {"machine { devices = { 'edu', nil, 'edu' } }", "the list has 1, and another key"},
    {"machine { rma = '1M' }", "unknown machine setting 'rma': did you mean 'ram'?"},
    {"machine { cores = -1 }", "cores must be a number from 1 to 8, not -1"},
    {"machine { cores = 1.5 }", "cores must be a number from 1 to 8, not 1.5"},
    {"machine { cores = 'x' }", "cores must be a number from 1 to 8, not x"},
    {"machine { cores = 9 }", "cores must be a number from 1 to 8, not 9"},
    {"machine { ram = '64X' }", "ram must be a size"},
    {"machine { ram = true }", "ram must be a size"},
    {"machine { name = 'a b' }", "name must be"},
    {"machine { cores = 0 }", "cores"},
    {"machine { timing = 'skylaek' }", "did you mean 'skylake'?"},
    {"machine { firmware = { vtz = true } }", "unknown firmware setting 'vtz'"},
    {"machine { mem_latency = true }", "counted in cycles"},
    {"machine { stlb_entries = 7 }", "stlb_entries"},
    {"machine { pwc = 2 }",
     "pwc = 2 is outside 0..1 on/off (paging-structure caches of the guest dimension)"},
    {"machine { npwc = 'off' }", "npwc must be true or false, not \"off\""},
    {"machine { ntlb = 'x' }", "ntlb must be true or false, not \"x\""},
    {"machine { pwc_entries = 0 }", "pwc_entries = 0 is outside 1..64 entries"},
    {"machine { npwc_entries = 65 }", "npwc_entries = 65 is outside 1..64 entries"},
    {"machine { ntlb_entries = 257 }", "ntlb_entries = 257 is outside 1..256 entries (nested TLB"},
    {"machine { ntlb_entries = true }", "ntlb_entries is counted in entries, so it cannot be true"},
    {"machine { pwc_entires = 8 }", "unknown machine setting 'pwc_entires': did you mean 'pwc_entries'?"},
    {SCRIPT_BARE "h:power_cycle { pwc_entries = 65 }", "pwc_entries = 65 is outside 1..64 entries"},
    {"machine { 'A' }", "given by name"},
    {"machine(5)", "a table of settings is wanted"},
    {"local h = machine() h.frob()", "unknown machine method 'frob'"},
    {"local h = machine() h.cycles = 1", "cannot be assigned"},
    {"local h = machine() h:run(1)", "has not been booted"},
    {"local h = machine() h.run(1)", "with a colon"},
    {"local h = machine() h:power_cycle { ram = '1M' }", "was fixed when the machine was made"},
    {SCRIPT_BARE "h:power_cycle { firmware = { vt = true } }",
     "unknown firmware setting 'vt': did you mean 'vtx'?"},
    /* booting */
    {"machine():boot('helo')", "unknown image 'helo': did you mean 'hello'?"},
    {"machine():boot('./nothing.elf')", "no such image file"},
    {"machine():boot(5)", "name or file of an image"},
    {"machine():boot('hello', { cmdlin = '' })", "unknown boot option 'cmdlin'"},
    {"machine():boot('hello', { modules = 5 })", "must be a list"},
    {"machine():boot('hv', { vms = { { imag = 'hello' } } })", "unknown VM setting 'imag'"},
    {"machine():boot('hv', { vms = { { name = 'v' } } })", "needs an image"},
    {"machine():boot('hv', { vms = { { name = 'a b', image = 'hello' } } })", "VM name 'a b'"},
    {"machine():boot('hv', { vms = { { image = 'hello', mmu = 'shadw' } } })", "unknown mmu 'shadw'"},
    {"machine():boot('hv', { vms = { { image = 'hello', page = '1g' } } })", "unknown page size '1g'"},
    {"machine():boot('hv', { vms = { { image = 'hello', faults = 'x' } } })", "unknown faults 'x'"},
    {"machine():boot('hv', { vms = { { image = 'hello', ram = 5 } } })", "multiple of 4 KiB"},
    {SCRIPT_BARE "h:boot('hello')", "booted already"},
    {"machine { timing = 5 }", "unknown timing preset '5'"},
    {"machine { walk_caches = 'yes' }", "walk_caches must be true or false, not \"yes\""},
    {SCRIPT_BARE "h:translate(0, { caches = 5 })", "caches must be true or false"},
    {"machine():boot('hv', { vms = { hello = { image = 'hello' } } })", "without keys such as 'hello'"},
    {"machine():boot('hello', { vms = { { image = 'hello' } } })", "no hypervisor that starts vms"},
    /* moving */
    {SCRIPT_BARE "h:run('10 parsecs')", "a limit is"},
    {SCRIPT_BARE "h:run(-1)", "negative"},
    {SCRIPT_BARE "h:step(0)", "whole number from 1"},
    {SCRIPT_BARE "h:run(1, 2, 3)", "one limit"},
    {SCRIPT_BARE "h:step(1, 'insns')", "unknown unit 'insns': did you mean 'insn'?"},
    {SCRIPT_BARE "h:run_until('vm.exti')", "did you mean 'vm.exit'?"},
    {SCRIPT_BARE "h:run_until(5)", "name of an event"},
    {SCRIPT_BARE "h:run_until('vm.exit', { reson = 'CPUID' })", "unknown field of vm.exit 'reson'"},
    {SCRIPT_BARE "h:run_until('vm.exit', { reason = 'CPUI' })", "did you mean 'CPUID'?"},
    {SCRIPT_BARE "h:run_until('vm.exit', { mode = 'guest' })", "unknown mode 'guest'"},
    {SCRIPT_BARE "h:run_until('vm.exit', { vm = 'v' })", "runs no VMs"},
    {SCRIPT_HV "h:run_until('vm.exit', { vm = 'w' })", "unknown VM 'w'"},
    {SCRIPT_HV "h:await('vm.exit', { vm = { 'v', 'w' } })", "unknown VM 'w'"},
    {SCRIPT_HV "h:on('vm.exit', { vm = 'w' }, print)", "unknown VM 'w'"},
    {SCRIPT_BARE "h:on('insn', { machine = 'B' }, print)", "unknown machine 'B'"},
    {SCRIPT_BARE "h:run_until('mark', { id = 'one' })", "can never be 'one'"},
    {SCRIPT_BARE "h:run_until('insn', { cycle = function() error('inside') end })", "inside"},
    {SCRIPT_BARE "h:expect('')", "not empty"},
    {SCRIPT_BARE "h:hv('a\\nb')", "one line"},
    /* handlers */
    {SCRIPT_BARE "h:on('insn')", "a function is wanted"},
    {SCRIPT_BARE "h:on('insn', function() h:run(1) end) h:run(1000)", "handler cannot move the world"},
    {SCRIPT_BARE "h:on('insn', function() pause('x') end) h:run(1000)", "handler cannot move the world"},
    {SCRIPT_BARE "h:on('insn', function() error('oops') end) h:run(1000)", "oops"},
    {SCRIPT_BARE "local x = h:on('insn', function() end) x:off() x:off()", "off already"},
    {SCRIPT_BARE "for i = 1, 5000 do h:on('insn', print) end", "take some off"},
    /* reading */
    {SCRIPT_BARE "h:read(0, '1T')", "outside RAM"},
    {SCRIPT_BARE "h:read(-1, 8)", "outside RAM"},
    {SCRIPT_BARE "h:u64(1.5)", "whole number"},
    {SCRIPT_BARE "h:write(0, 5)", "wanted as a text"},
    {SCRIPT_BARE "h:write(1 << 40, 'x')", "RAM"},
    {SCRIPT_BARE "say(h.core[2].rip)", "numbered 1 to 1"},
    {SCRIPT_BARE "say(h.core[1].raxx)", "did you mean 'rax'?"},
    {SCRIPT_BARE "say(h.core[1].vmcs.guest_ripp)", "did you mean 'guest_rip'?"},
    {SCRIPT_BARE "say(h.core[1].vmcs.guest_rip)", "no current VMCS"},
    {SCRIPT_BARE "h:hash('some')", "known: all, arch"},
    {SCRIPT_BARE "h:sym('nothing')", "has no symbol 'nothing'"},
    {SCRIPT_BARE "h:translate(0, { access = 'exec' })", "unknown access 'exec'"},
    {SCRIPT_BARE "h:translate(0, { core = 2 })", "core must be a number from 1 to 1, not 2"},
    {SCRIPT_BARE "h:disasm('guest_mian')", "no symbol 'guest_mian'"},
    {SCRIPT_BARE "h:disasm(0, 5)", "options are a table"},
    {SCRIPT_BARE "h:disasm(0, { count = 0 })", "count must be a number from 1 to 10000, not 0"},
    {SCRIPT_BARE "h:disasm(0, { core = 9 })", "core must be a number from 1 to 1, not 9"},
    {SCRIPT_BARE "h:disasm(0, { cuont = 1 })", "unknown option of disasm 'cuont'"},
    /* VMs */
    {SCRIPT_BARE "h:vm('v')", "runs no VMs"},
    {SCRIPT_HV "h:vm('w')", "unknown VM 'w'"},
    {SCRIPT_HV "h:vm('v'):read(0, 8)", "not there yet"},
    {SCRIPT_HV "h:vm('v').frob()", "unknown VM method 'frob'"},
    {SCRIPT_HV "h:hv('frob')", "error:"},
    {SCRIPT_HV "local v = h:vm('v') h:power_cycle() say(v.state)", "is gone"},
    {SCRIPT_HV "local v = h:vm('v') v.ram = 5", "cannot be assigned"},
    {SCRIPT_HV "h:run('10ms') h:vm('v'):translate('x')", "whole number"},
    /* snapshots */
    {SCRIPT_BARE "local s = h:snapshot() s:free() h:restore(s)", "has been freed"},
    {SCRIPT_BARE "local s = h:snapshot() s:free() s:free()", "has been freed"},
    {SCRIPT_BARE "h:restore(5)", "a snapshot is wanted"},
    {SCRIPT_BARE "snapshot.load('/nonexistent/file')", "/nonexistent/file"},
    {SCRIPT_BARE "snapshot.load('/dev/null')", "/dev/null"},
    {"snapshot.load('x')", "make the machines first"},
    {SCRIPT_BARE "h:snapshot():save('/dev/full')", "/dev/full"},
    {"machine():snapshot():save('" SNAPSHOT "')", "was not booted"},
    /* lessons */
    {"check(true)", "say in words"},
    {"check_order({ a = 1 }, 'a < b')", "no number 'b'"},
    {"check_order({ a = 1, b = 2 }, 'a > b')", "is wanted"},
    {"ask { q = 'x', choices = { 1 }, answer = function() return 1 end }", "2 to 16 choices"},
    {"ask { q = 'x', choices = { 1, 2 } }", "answer must be a function"},
    {"param('x', 1)", "string expected"},
    {"param('x', {}, 'a table')", "the default must be"},
    {"param('x', nil, 'nothing')", "the default must be"},
    {"say('%d', 'x')", "number expected"},
    /* budgets */
    {"while true do end", "budget"},
    {"for k in pairs(nil) do end", "table expected"},
    {"while true do pcall(function() while true do end end) end", "budget"},
    {"local t = {} while true do t[#t + 1] = ('x'):rep(100000) end", "256 MiB"},
    {"while true do pcall(string.rep, 'x', 1e9) end", "budget"},
    {"('a'):rep(4000):find('.-.-.-.-b')", "steps"},
    {"while true do pcall(string.find, ('a'):rep(4000), '.-.-.-.-b') end", "budget"},
    {"('x'):gsub('x', '%')", "invalid use of '%'"},
    {"while true do say(('x'):rep(1000)) end", ""},
    {"table.move({}, 1, math.maxinteger - 1, 2)", "10000000"},
    {"table.insert(setmetatable({}, { __len = function() return 1 << 50 end }), 1, 2)", "10000000"},
    {SCRIPT_BARE "while true do h:run(1000) end", "budget"},
    {SCRIPT_BARE "h:on('insn', function() while true do end end) h:run(1000)", "budget"},
    {"local function f() return 1 + f() end f()", "stack overflow"},
    {"xpcall(function() while true do end end, function() while true do end end)", "budget"},
    {"local function f() while true do pcall(f) end end f()", "budget"},
    {"local f function f() for i = 1, 60 do pcall(coroutine.wrap(f)) end end "
     "pcall(coroutine.wrap(function() while true do end end)) f()",
     "budget"},
    {"pcall(coroutine.wrap(function() while true do end end)) check(true, 'x')", "budget"},
    {"coroutine.resume(coroutine.create(function() while true do end end))", "budget"},
    {"load(function() while true do end end)", "budget"},
    {"pcall(coroutine.wrap(function() local x <close> = setmetatable({}, { __close = function() "
     "while true do end end }) while true do end end))",
     "budget"},
    {SCRIPT_BARE "h:on('insn', function() while true do end end) pcall(h.run, h, 1000)", "budget"},
    {"local function f(n) local ok, e = pcall(f, n + 1) error(ok and n or e, 0) end f(1)",
     "inside one another"},
    {"local last for i = 1, 100000 do local before = last last = coroutine.create(function() "
     "local x <close> = setmetatable({}, { __close = function() "
     "if before then local ok, e = coroutine.close(before) assert(ok, e) end end }) coroutine.yield() end) "
     "coroutine.resume(last) end assert(coroutine.close(last))",
     "closed inside one another"},
    /* where nothing can wait */
    {SCRIPT_BARE "table.sort({ 1, 2 }, function() h:run(1) end)", "run: not from inside"},
    {SCRIPT_BARE "string.gsub('x', 'x', function() h:expect('x') end)", "expect: not from inside"},
    {SCRIPT_BARE "tostring(setmetatable({}, { __tostring = function() h:step() end }))",
     "step: not from inside"},
    {SCRIPT_BARE "h:on('insn', function() coroutine.yield() end) h:run(1000)", "nobody to yield to"},
    {SCRIPT_BARE
     "local me = coroutine.running() h:on('insn', function() coroutine.resume(me) end) h:run(1000)",
     "not the scenario itself"},
    {SCRIPT_BARE
     "local me = coroutine.running() h:on('insn', function() coroutine.close(me) end) h:run(1000)",
     "not the scenario itself"},
    {"coroutine.wrap(function() table.sort({ 1, 2 }, coroutine.yield) end)()", "coroutine.yield: not from"},
    /* every message tells the line */
    {"coroutine.yield(1)", "nobody to yield to"},
    {"error('bare', 0)", "bare"},
    {"('x'):rep(1 << 40)", "resulting string too large"},
    {"setmetatable(_G, nil)", "protected metatable"},
    {"assert(load('error(1 .. 2)'))()", ": 12"},
    {"assert(coroutine.resume(coroutine.create(function() error('bare', 0) end)))", "bare"},
    {SCRIPT_BARE "h:on('insn', function() error('bare', 0) end) h:run(1000)", "bare"},
    {"('x'):find('x', {})", "number expected"},
    {"machine { cores = 9 }", "cores must be a number from 1 to 8, not 9"},
    {SCRIPT_BARE "h:stats(2)", "has cores 1 to 1"},
    {"string = nil say('%d', 'x')", "number expected"},
    {"string = nil string.rep('x', 3)", "'string' is no longer there"},
    {"_G.machine = nil machine {}", "'machine' is no longer there"},
};

START_TEST(misuse)
{
    const struct misuse *m = &misuses[_i];
    const char *message = script_run(m->script);
    ck_assert_msg(strstr(message, m->message) != NULL, "%s\n  gives: %s\n  wanted: %s", m->script, message,
                  m->message);
    const char *file = strrchr(script_path, '-'), *place = strstr(message, file);
    ck_assert_msg(place && place < message + sizeof script_path &&
                      strncmp(place + strlen(file), ":1:", 3) == 0,
                  "does not begin with the line: %s", message);
    if (scenario)
        ck_assert_int_eq(scenario_status(scenario), 2);
}
END_TEST

/* Metamethods of option tables are not asked: their scripts would run in the middle of a call. */
START_TEST(options_are_read_raw)
{
    static const char boot[] =
        "local h = machine() local asked = 0 "
        "local function vms(n, index) local list = {} for i = 1, n do list[i] = setmetatable("
        "{ name = 'v' .. i, image = 'hello' }, { __index = index }) end return list end "
        "local function again() asked = asked + 1 "
        "pcall(h.boot, h, 'hv', { vms = vms(8), modules = { '/nope/nope.elf' } }) end "
        "h:boot('hv', { vms = vms(8, again) }) check_eq(asked, 0, 'boot') check_eq(h:vm('v8').name, 'v8', "
        "'VM')";
    static const char question[] =
        "local list = {} for i = 1, 16 do list[i] = 'c' .. i end local asked = 0 "
        "local function again() asked = asked + 1 "
        "pcall(ask, { q = 'x', choices = list, answer = function() error('no') end }) return 'o' end "
        "getmetatable('').__tostring = again "
        "ask { q = '?', choices = setmetatable({ 'a', 'b' }, { __index = again, __len = function() return 16 "
        "end"
        " }), answer = function() getmetatable('').__tostring = nil return 'a' end } "
        "check_eq(asked, 0, 'ask')";
    ck_assert_str_eq(script_run(boot), "");
    ck_assert_uint_eq(scenario_checks(scenario, true), 2);
    scenario_free(scenario);
    ck_assert_str_eq(script_run(question), "");
    ck_assert_uint_eq(scenario_checks(scenario, true), 1);
    scenario_free(scenario);
    ck_assert(strstr(script_run("machine():boot('hv', { vms = { setmetatable({ name = 'v' }, "
                                "{ __index = { image = 'hello' } }) } })"),
                     "needs an image"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lua misuse");
    TCase *tests = tcase_create("misuse");
    tcase_add_checked_fixture(tests, script_set_up, script_tear_down);
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, misuse, 0, sizeof misuses / sizeof *misuses);
    tcase_add_test(tests, options_are_read_raw);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
