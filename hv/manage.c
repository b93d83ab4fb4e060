#include "manage.h"

#include <stdarg.h>
#include <stddef.h>

#include "arch/board.h"
#include "config.h"
#include "core.h"
#include "dirty.h"
#include "escape.h"
#include "exits.h"
#include "net.h"
#include "page.h"
#include "print.h"
#include "scheduler.h"
#include "text.h"
#include "uart.h"
#include "vm.h"

#define LINE_MAX 512

static char line[LINE_MAX];
static unsigned used;
static bool too_long, not_text;

/* ---- replies ---- */

static void put_line(void *to, char c)
{
    (void)to;
    uart_put(PORT_MANAGEMENT, c);
}

static void vsay(const char *start, const char *format, va_list args)
{
    while (*start)
        put_line(NULL, *start++);
    vformat(put_line, NULL, format, args);
    put_line(NULL, '\n');
}

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsay("", format, args);
    va_end(args);
}

static void error(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsay("error: ", format, args);
    va_end(args);
}

static void ok(void)
{
    say("ok");
}

/* ---- commands that name a VM ---- */

static void start(struct vm *vm, char *rest)
{
    char why[VM_WHY];

    (void)rest;
    if (vm->dir->state == VMDIR_RUNNING || vm->dir->state == VMDIR_PAUSED)
        error("%s is %s; stop it first", vm->dir->name, vm_state_name(vm));
    else if (!vm_start(vm, why, sizeof why))
        error("%s", why);
    else
        ok();
}

static void pause(struct vm *vm, char *rest)
{
    (void)rest;
    if (vm->dir->state != VMDIR_RUNNING) {
        error("%s is %s, not running", vm->dir->name, vm_state_name(vm));
        return;
    }
    vm_pause(vm);
    ok();
}

static void resume(struct vm *vm, char *rest)
{
    (void)rest;
    if (vm->dir->state != VMDIR_PAUSED) {
        error("%s is %s, not paused", vm->dir->name, vm_state_name(vm));
        return;
    }
    vm_resume(vm);
    ok();
}

static void stop(struct vm *vm, char *rest)
{
    (void)rest;
    if (vm->dir->state != VMDIR_RUNNING && vm->dir->state != VMDIR_PAUSED) {
        error("%s is %s already", vm->dir->name, vm_state_name(vm));
        return;
    }
    vm_stop(vm, STATUS_NONE, "stopped by the management line");
    ok();
}

static void flush(struct vm *vm, char *rest)
{
    (void)rest;
    if (!vm->dir->root) {
        error("%s has not been started", vm->dir->name);
        return;
    }
    vm_flush(vm);
    ok();
}

static void dirty(struct vm *vm, char *rest)
{
    (void)rest;
    if (!vm->dir->root) {
        error("%s has not been started", vm->dir->name);
        return;
    }
    dirty_show(vm, say);
    ok();
}

static void input(struct vm *vm, char *rest)
{
    const char *why;
    size_t n;

    if (vm->dir->state != VMDIR_RUNNING && vm->dir->state != VMDIR_PAUSED) {
        error("%s is %s: nobody would read it", vm->dir->name, vm_state_name(vm));
        return;
    }
    if (!*rest || !escape_decode(rest, &n, &why)) {
        error("vm input NAME TEXT: %s", *rest ? why : "TEXT is missing");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!vuart_receive(&vm->uart, (uint8_t)rest[i])) {
            error("the receiver of %s is full: %lu of %lu bytes taken", vm->dir->name, i, n);
            return;
        }
    ok();
}

static void apply(struct vm *vm)
{
    net_configured(vm);
    ok();
}

static void set(struct vm *vm, char *rest)
{
    const char *key = text_word(&rest), *value = text_word(&rest), *more = text_skip(rest);
    char why[VM_WHY];

    if (*more)
        error("vm set NAME KEY VALUE: \"%s\" is too much", more);
    else if (!config_set(&vm->config, key, value, why, sizeof why))
        error("vm set NAME KEY VALUE: %s", why);
    else
        apply(vm);
}

static const struct vm_command {
    const char *name, *args, *help;
    void (*run)(struct vm *vm, char *rest);
    bool takes_rest;
} vm_commands[] = {
    {"start", "NAME", "start a VM, or start it again, from its module", start, false},
    {"pause", "NAME", "give it no more turns", pause, false},
    {"resume", "NAME", "end a pause", resume, false},
    {"stop", "NAME", "stop it for good", stop, false},
    {"set", "NAME KEY VALUE",
     "weight, 1 to 100: its share of the processor from now on;"
     " faults, guest or hypervisor: who has its page faults first, from its next turn on;"
     " vlan, 1 to 4094 or trunk: what the port of its NIC carries, from now on",
     set, true},
    {"flush", "NAME", "drop what the processor has cached of its translations", flush, false},
    {"dirty", "NAME", "pages that it has accessed and written to since the last time", dirty, false},
    {"input", "NAME TEXT",
     "bytes for its console, to be polled: they raise no interrupt;"
     " \\n \\r \\t \\\\ \\0 \\\" and \\xHH are understood",
     input, true},
};
#define VM_COMMANDS (sizeof vm_commands / sizeof vm_commands[0])

static struct vm *named_vm(const char *name)
{
    struct vm *vm = vm_find(name);

    if (!vm && *name)
        error("there is no VM %s; `vm list` lists them", name);
    else if (!vm)
        error("the name of a VM is missing; `vm list` lists them");
    return vm;
}

/* ---- commands ---- */

/* "0,2": where each of its virtual CPUs has run last; "-" for one that has not run. */
static void last_cores(const struct vm *vm, char *text, size_t size)
{
    size_t n = 0;

    for (uint64_t i = 0; i < vm->dir->vcpus; i++) {
        const struct core *c = vm->vcpu[i].last_core;

        format_text(text + n, size - n, "%s%c", n ? "," : "", c ? '0' + (int)c->number : '-');
        n += text_length(text + n);
    }
}

static void list(const char *rest)
{
    rest = text_skip(rest);
    if (*rest) {
        error("vm list: \"%s\" is too much", rest);
        return;
    }
    for (unsigned i = 0; vm_at(i); i++) {
        const struct vm *vm = vm_at(i);
        char cores[2 * VMDIR_VCPUS];

        last_cores(vm, cores, sizeof cores);
        say("name=%s state=%s image=%s ram=%luK page=%luK weight=%lu status=%llu vcpus=%llu cores=%s",
            vm->dir->name, vm_state_name(vm), vm->dir->image, vm->config.ram_bytes >> 10,
            vm->config.page_bytes >> 10, vm->config.weight, vm->dir->status, vm->dir->vcpus, cores);
    }
    ok();
}

static void run_vm_command(const struct vm_command *c, char *rest)
{
    struct vm *vm = named_vm(text_word(&rest));
    const char *more = text_skip(rest);

    if (!vm)
        return;
    if (!c->takes_rest && *more)
        error("vm %s %s: \"%s\" is too much", c->name, c->args, more);
    else
        c->run(vm, rest);
}

static void vm_command(char *rest)
{
    const char *word = text_word(&rest);

    if (text_equal(word, "list")) {
        list(rest);
        return;
    }
    for (unsigned i = 0; i < VM_COMMANDS; i++)
        if (text_equal(word, vm_commands[i].name)) {
            run_vm_command(&vm_commands[i], rest);
            return;
        }
    error("vm %s? possible are vm list, start, pause, resume, stop, set, flush, dirty and input",
          *word ? word : "what");
}

static void show_host(void)
{
    say("host free=%luK quantum=%lu", page_free_bytes() >> 10, (uint64_t)QUANTUM_CYCLES);
}

static void stats_command(char *rest)
{
    const char *name = text_word(&rest), *more = text_skip(rest);
    const struct vm *vm = *name ? named_vm(name) : NULL;

    if (*name && !vm)
        return;
    if (*more) {
        error("stats [NAME]: \"%s\" is too much", more);
        return;
    }
    if (vm)
        stats_show(vm, say);
    for (unsigned i = 0; !vm && vm_at(i); i++)
        stats_show(vm_at(i), say);
    if (!vm)
        show_host();
    ok();
}

static void bond(char *rest)
{
    const char *mode = text_word(&rest), *more = text_skip(rest);

    if (*more)
        error("net bond MODE: \"%s\" is too much", more);
    else if (net_bond(mode))
        ok();
    else
        error("net bond: possible is failover or spread");
}

static void net_command(char *rest)
{
    const char *word = text_word(&rest), *more = text_skip(rest);

    if (text_equal(word, "bond")) {
        bond(rest);
    } else if (*more) {
        error("net %s: \"%s\" is too much", word, more);
    } else if (text_equal(word, "list")) {
        net_list(say);
        ok();
    } else if (text_equal(word, "stats")) {
        net_stats(say);
        ok();
    } else {
        error("net %s? possible are net list, stats and bond", *word ? word : "what");
    }
}

static void device_command(char *rest)
{
    const char *word = text_word(&rest);
    const struct physical *p;

    if (!text_equal(word, "list") || *text_skip(rest)) {
        error("device %s? possible is device list", *word ? word : "what");
        return;
    }
    for (unsigned i = 0; (p = physical_at(i)) != NULL; i++)
        say("slot=%u kind=%s owner=%s faults=%lu", (unsigned)p->slot, physical_kind_name(p->kind),
            p->owner ? p->owner : "-", p->faults);
    ok();
}

static const char *owner_of(const struct physical *p)
{
    return p->owner ? p->owner : "-";
}

/* The machine's disks, and the VMs that have them or parts of them by the hypervisor. */
static void disk_list(void)
{
    const struct physical *p;

    for (unsigned i = 0; (p = physical_at(i)); i++)
        if (p->kind == PHYSICAL_DISK)
            say("disk slot=%u owner=%s", (unsigned)p->slot, owner_of(p));
    for (unsigned i = 0; vm_at(i); i++)
        if (vm_at(i)->virtio_blk.machine)
            virtio_blk_show(&vm_at(i)->virtio_blk, say);
    ok();
}

static void disk_profile(const struct vm *vm)
{
    if (!vm->config.disk_virtio || !(vm->config.disk_filters & DISK_FILTER_PROFILE)) {
        error("%s has no disk=virtio with disk_filter=profile", vm->dir->name);
        return;
    }
    disk_profile_show(&vm->virtio_blk.filters.profile, say);
    ok();
}

static void disk_command(char *rest)
{
    const char *word = text_word(&rest), *name = text_word(&rest), *more = text_skip(rest);
    bool profile = text_equal(word, "profile");
    const struct vm *vm = profile ? named_vm(name) : NULL;

    if (profile && !vm)
        return;
    if (*more || (!profile && *name))
        error("disk %s: \"%s\" is too much", word, *more ? more : name);
    else if (profile)
        disk_profile(vm);
    else if (text_equal(word, "list"))
        disk_list();
    else
        error("disk %s? possible are disk list and disk profile NAME", *word ? word : "what");
}

static void help_command(char *rest)
{
    const char *more = text_skip(rest);

    if (*more) {
        error("help: \"%s\" is too much", more);
        return;
    }
    say("help                     this list");
    say("vm list                  the VMs and their states");
    for (unsigned i = 0; i < VM_COMMANDS; i++)
        say("vm %7s %14s %s", vm_commands[i].name, vm_commands[i].args, vm_commands[i].help);
    say("stats [NAME]             exits by cause, with the cycles of their handlers");
    say("device list              the machine's devices, and who has each");
    say("net list                 the ports of the virtual switch");
    say("net stats                what each has counted");
    say("net bond MODE            failover or spread: what two uplinks do");
    say("disk list                the machine's disks, and what VMs have of them");
    say("disk profile NAME        what a VM's disk is used for, if it has disk_filter=profile");
    ok();
}

static void execute(char *text)
{
    const char *word = text_word(&text);

    if (text_equal(word, "help"))
        help_command(text);
    else if (text_equal(word, "vm"))
        vm_command(text);
    else if (text_equal(word, "stats"))
        stats_command(text);
    else if (text_equal(word, "net"))
        net_command(text);
    else if (text_equal(word, "device"))
        device_command(text);
    else if (text_equal(word, "disk"))
        disk_command(text);
    else
        error("unknown command \"%s\"; known are help, vm, stats, net, device, disk", word);
}

/* ---- the line ---- */

static void end_of_line(void)
{
    if (not_text)
        error("a line is text: it may not have a zero byte");
    else if (too_long)
        error("a line may have up to %u characters", LINE_MAX - 1);
    else
        execute(line);
}

static void take(char c)
{
    static char last;
    bool second_of_pair = c == '\n' && last == '\r';

    last = c;
    if (second_of_pair)
        return;
    if (c == '\n' || c == '\r') {
        line[used] = 0;
        end_of_line();
        used = 0;
        too_long = not_text = false;
    } else if (c == 0) {
        not_text = true;
    } else if (used < LINE_MAX - 1) {
        line[used++] = c;
    } else {
        too_long = true;
    }
}

void manage_start(void)
{
    uart_init(PORT_MANAGEMENT);
}

void manage_poll(void)
{
    char c;

    while (uart_get(PORT_MANAGEMENT, &c))
        take(c);
}
