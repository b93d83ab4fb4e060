/* binding.h - a scenario from inside: what the files of ui/lua share.
 *
 * Three threads of one Lua state: L runs nothing but set-up, `co` is the scenario's coroutine, `handlers`
 * runs event handlers while the world moves.  Functions whose names begin with sc_push and lua_CFunctions
 * raise Lua errors; the others don't.
 */
#ifndef UI_BINDING_H
#define UI_BINDING_H

#include <lauxlib.h>
#include <lua.h>
#include <time.h>

#include "arch/vmdir.h"
#include "images.h"
#include "names.h"
#include "ringside.h"
#include "scenario.h"

#define HOSTS_MAX          16
#define WATCHES_MAX        1000
#define SNAPSHOTS_MAX      256
#define PCAPS_MAX          16
#define ENTRY_NAME_MAX     256
#define REGISTERS_TEXT_MAX 512
#define ANY_LIMIT          1000000000u /* cycles that waiting may take where the script gives no limit */

/* A guest image that boot() put into a VM: where its symbols are. */
struct guest {
    char name[RS_NAME_MAX];
    char path[IMAGE_PATH_MAX];
    struct rs_symbols *symbols;
    bool tried;
    uint64_t seen; /* console bytes that vm:expect has consumed */
};

struct host {
    rs_machine *m;
    bool booted;
    uint64_t boot;                      /* which call of boot() made the machine's image known, 0: none did */
    char image[RS_NAME_MAX];            /* "" if it is not known */
    char path[IMAGE_PATH_MAX];          /* its file */
    char entry[ENTRY_NAME_MAX];         /* symbol that it is entered at, "" if e_entry */
    char registers[REGISTERS_TEXT_MAX]; /* what they hold at first, beside what the boot protocol says */
    size_t seen[2];                     /* bytes of each UART that expect() has consumed */
    struct guest guest[VMDIR_VMS];
    size_t guests;
};

/* ------------------------------------------------------------------ movements of the world */

enum move_kind { MOVE_RUN, MOVE_STEP, MOVE_BACK, MOVE_UNDO };

struct move {
    enum move_kind kind;
    uint64_t until; /* cycle, MOVE_RUN */
    uint64_t n;     /* the others */
    enum rs_unit unit;
};

/* What the scenario does next, while it is SCENARIO_MOVING. */
enum phase {
    PHASE_SCRIPT, /* runs Lua */
    PHASE_MOVE,   /* carries on the movement */
    PHASE_RETURN  /* goes back to where it stood before the person stepped */
};

/* ------------------------------------------------------------------ events */

struct filter; /* event.c */
struct pcap;   /* trace/pcap.h */

#define RECENT_MAX 8

/* What a waiting call waits for.  There is one at most: only the scenario's coroutine can wait. */
struct wait {
    bool active, hit;
    struct host *host;
    uint64_t deadline; /* cycle */
    uint64_t limit;    /* cycles, as given */
    int watch[RS_PROBES];
    size_t watches;
    /* run_until, await */
    struct filter *filter;
    enum rs_probe probe;
    int event; /* registry reference of the event that was hit */
    struct rs_event recent[RECENT_MAX];
    size_t recent_count;
    /* expect, hv */
    bool reply;         /* until a line "ok" or "error: ..." */
    lua_KFunction then; /* what is made of the reply, or NULL */
    unsigned uart;
    char vm[RS_NAME_MAX]; /* whose console, "" if the machine's own */
    char *text;
    size_t text_bytes;
    uint64_t from, end; /* bytes of output before the text looked for, and up to its end */
    char *ring;         /* copy of a VM's console */
    uint64_t ring_bytes, ring_written;
};

struct scenario {
    lua_State *L, *co, *handlers;
    char path[IMAGE_PATH_MAX];
    char source[LUA_IDSIZE]; /* the file as it is called in messages */
    struct scenario_options options;
    rs_world *world;
    struct host *host[HOSTS_MAX];
    size_t hosts;
    uint64_t boots;

    enum scenario_state state;
    enum phase phase, after; /* after: the phase that follows the pause */
    struct move move;
    enum rs_why why; /* how the last movement ended */
    struct rs_position began, here;
    bool again; /* the movement to begin is the one that was interrupted */
    bool at_reached;
    int in_handler;
    int handler_error; /* registry reference of a message, LUA_NOREF: none */
    struct wait wait;
    size_t watches, snapshots;
    struct pcap *capture[PCAPS_MAX];
    size_t captures;

    char error[2048];
    int status;
    bool failed_check; /* error comes from must() or a wait that timed out */

    size_t memory;  /* bytes that Lua holds */
    uint64_t spent; /* Lua instructions since the world last advanced */
    struct rs_position furthest;
    bool exhausted;
    char used_up[320]; /* the message, once exhausted */
    int closing;       /* coroutines that are being closed */
    uint64_t handler_calls;
    clock_t clock; /* processor time then */

    struct scenario_line *line;
    size_t lines, line_room, said_bytes;
    size_t passed, failed;

    char *text; /* of the pause or question */
    char *choice[16];
    size_t choices;
    char hides[16];
    long given; /* the choice made, -1: none */

    char *param[64]; /* names that param() has asked for */
    size_t params;
    bool used[ARGUMENTS_MAX]; /* arguments that it has found */
    bool moved;               /* the world has: it asks for no more */
    bool prompts;             /* the script is over, what a person types is run */
};

static inline struct scenario *sc_of(lua_State *L)
{
    return *(struct scenario **)lua_getextraspace(L);
}

/* ---- sandbox.c ---- */

/* A state with the libraries that scenarios may use; NULL if there is no memory. */
lua_State *sc_sandbox(struct scenario *s);
/* Counts a movement against the instruction budget, or gives a fresh one if the world has advanced. */
void sc_budget_moved(struct scenario *s);
void sc_budget_fresh(struct scenario *s);
/* Each call of a handler has a budget of its own: the world moves on between them. */
void sc_budget_handler(struct scenario *s);

/* ---- protect.c ---- */

#define SC_PLACE          (LUA_IDSIZE + 16)
#define SC_MEMORY_USED_UP "the scenario has used up its 256 MiB of memory"

/* pcall, xpcall and the coroutine functions, in place of the library's. */
void sc_open_protected(lua_State *L);
/* Raises the error of a budget that is used up, if it is. */
int sc_check_exhausted(lua_State *L);
/* "FILE:LINE: " of the scenario's line that the thread runs, or ran when it died; "" and false if none. */
bool sc_place(const struct scenario *s, lua_State *L, char *text, size_t size);
bool sc_has_place(const struct scenario *s, const char *message);
/* Puts a place in front of the message on the top, unless it has one. */
void sc_add_place(lua_State *L, const char *place);
/* Message handler of lua_pcall: adds the place where the error was raised. */
int sc_place_error(lua_State *L);

/* ---- scenario.c ---- */

/* Begins a movement and yields to the face; k goes on, with ctx, when it has ended (s->why). */
int sc_move(lua_State *L, const struct move *move, lua_KContext ctx, lua_KFunction k);
/* The same movement once more, as the rest of it: undo goes back to where it began the first time. */
int sc_move_again(lua_State *L, lua_KContext ctx, lua_KFunction k);
/* To be called first by every k: raises what a handler raised. */
void sc_moved(lua_State *L);
/* Stops for the person; k goes on after scenario_continue or scenario_answer. */
int sc_pause(lua_State *L, lua_KFunction k);
/* Raises an error unless the scenario's own coroutine asks, where it can yield, and no handler. */
void sc_may_move(lua_State *L, const char *what);
/* Adds to the narration. */
void sc_tell(struct scenario *s, lua_State *L, enum scenario_kind kind, const char *text);
/* To be called after an input: tells if it was made in the past, which cuts the log of inputs. */
void sc_input_made(lua_State *L, const rs_machine *m);
/* Raises the error text as a failed expectation (exit status 1). */
int sc_unmet(lua_State *L, const char *text);
/* The text of the pause or question to come. */
void sc_set_text(struct scenario *s, const char *text);
/* Compiles and starts another chunk in the same state (the prompt). */
enum rs_status sc_start(struct scenario *s, const char *code, const char *chunk, struct rs_error *err);

/* ---- args.c: arguments ---- */

/* Raises "unknown WHAT 'NAME' ...". */
int sc_unknown(lua_State *L, const char *what, const char *name, names_at *at, const void *arg);
uint64_t sc_size(lua_State *L, int index, const char *what);
/* A whole number from least to most. */
uint64_t sc_number(lua_State *L, int index, const char *what, uint64_t least, uint64_t most);
uint64_t sc_limit(lua_State *L, int index, const struct host *h); /* cycles; ANY_LIMIT if absent */
uint64_t sc_address(lua_State *L, int index, const char *what);
/* Raises an error if the table at index has a key that is not in `known` (NULL after the last). */
void sc_keys(lua_State *L, int index, const char *what, const char *const *known);
/* Pushes a field of the table at index, without metamethods, and returns its type: no script runs while
 * options are read. */
int sc_raw_field(lua_State *L, int index, const char *key);

/* What the list `devices` of machine{} says; returns how many.  device.c */
#define SC_DEVICES_MAX 31
size_t sc_devices(lua_State *L, int value, struct rs_device *device);
/* A text or NULL from a field of the table at index; error if it is something else.  Stays valid while the
 * table has it. */
const char *sc_text_field(lua_State *L, int index, const char *key, const char *what);
/* The option `core` of the table at index, from 1, as the number of a core from 0; core 0 if absent. */
uint32_t sc_core_field(lua_State *L, int index, const struct host *h);
int sc_error(lua_State *L, const struct rs_error *err);
/* The i-th of a list of strings that ends with NULL: names_at for arg = const char *const *. */
const char *sc_list_at(size_t i, const void *arg);

/* ---- machine.c, boot.c, core.c, snapshot.c, lesson.c, run.c, event.c, vm.c: each opens its part ---- */

void sc_open_machine(lua_State *L);
void sc_open_core(lua_State *L);
void sc_open_snapshot(lua_State *L);
void sc_open_lesson(lua_State *L);
void sc_open_event(lua_State *L);
void sc_open_vm(lua_State *L);
void sc_open_network(lua_State *L);
void sc_end_captures(struct scenario *s);

extern const luaL_Reg sc_run_methods[], sc_event_methods[], sc_snapshot_methods[], sc_text_methods[],
    sc_disk_methods[];
int sc_boot(lua_State *L);             /* host:boot() */
int sc_translate(lua_State *L);        /* host:translate() */
int sc_translate_device(lua_State *L); /* host:translate_device() */
int sc_vm(lua_State *L);               /* host:vm() */
int sc_nic(lua_State *L);              /* host:nic() */
int sc_disasm(lua_State *L);           /* host:disasm() */
/* Waits for the text at index `text` on the console of a VM, or of the machine itself if vm is NULL. */
int sc_expect(lua_State *L, struct host *h, const char *vm, int text, int limit);
/* Sends a management command and returns what `then` makes of the reply, which is on the top of the stack;
 * NULL: the reply itself. */
int sc_command(lua_State *L, struct host *h, const char *line, lua_KFunction then);
void sc_push_core_list(lua_State *L, struct host *h);

/* The machine at a stack index; an error if it isn't one. */
struct host *sc_host(lua_State *L, int index);
struct host *sc_host_of(struct scenario *s, const rs_machine *m);
struct host *sc_booted(lua_State *L, int index);
void sc_push_host(lua_State *L, struct host *h);
/* What is noted of the machine's boot is so no longer. */
void sc_forget_boot(struct host *h);
/* Raises an error unless host:vm(name) could find that VM now. */
void sc_vm_known(lua_State *L, struct host *h, const char *name);
/* A type of handle: methods by name, or index function; protected from the script. */
void sc_new_type(lua_State *L, const char *type, const luaL_Reg *meta);

/* ---- walk.c, event.c ---- */

void sc_push_walk(lua_State *L, const struct rs_walk *walk);
/* Adds a walk's fields to the table on the top of the stack. */
void sc_set_walk(lua_State *L, const struct rs_walk *walk);
void sc_push_event(lua_State *L, const struct rs_event *event);
enum rs_probe sc_probe(lua_State *L, int index);
/* Names in the filter are checked against the machine at stack index 1. */
struct filter *sc_filter(lua_State *L, int index, enum rs_probe probe);
void sc_filter_free(lua_State *L, struct filter *f);
/* Raises what a function in the filter raises. */
bool sc_filter_match(lua_State *L, const struct filter *f, const struct rs_event *event);
/* Calls fn protected on the handlers' thread; an error there ends the movement and the scenario. */
void sc_in_handler(struct scenario *s, lua_CFunction fn, void *arg);
/* One line for a person: "vm.exit A:120.3 reason=CPUID ...". */
void sc_describe_event(lua_State *L, int index, char *text, size_t size);

/* 1 match, 0 none, -1: only sc_filter_match can tell.  Runs no Lua. */
int sc_filter_quick(lua_State *L, const struct filter *f, const struct rs_event *event);

/* ---- wait.c ---- */

/* Begins a wait of at most `limit` cycles, to be followed by sc_wait_watch and sc_wait_move. */
struct wait *sc_wait_begin(lua_State *L, struct host *h, uint64_t limit);
void sc_wait_watch(lua_State *L, enum rs_probe probe, rs_watcher *fn);
/* Runs until the deadline or a stop. */
int sc_wait_move(lua_State *L, lua_KContext ctx, lua_KFunction k);
/* Takes the watchers off; the rest of struct wait stays readable until the next wait begins. */
void sc_wait_end(lua_State *L);
/* True if the watchers of a wait should look at the event: the scenario moves, not the person, and the event
 * is later than where it began (an atom that is half done is run again from its start). */
bool sc_waiting(const struct scenario *s, const struct rs_event *event);
/* "within 1000 cycles", "before the machine stopped: ...": how the movement ended without what was waited
 * for. */
void sc_wait_why(lua_State *L, char *text, size_t size);

/* ---- vmdir.c ---- */

struct guest *sc_guest(struct host *h, const char *name);
/* Linear address in the hypervisor's image to hPA (arch/boot.h: the boot protocol's three windows). */
uint64_t sc_image_hpa(uint64_t address);
bool sc_vm_named(const struct scenario *s, const rs_machine *m, const char *name, struct scenario_vm *vm);

#endif
