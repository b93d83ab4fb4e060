/* scenario.h - a Lua scenario as a face drives it: headless runner, terminal view, prompt, window.
 *
 * A scenario is a coroutine.  Where it moves the world (run, step, back, expect ...) it hands the movement to
 * the face, which carries it on in slices by scenario_advance and may draw in between:
 *
 *     struct scenario *s = scenario_load(path, &options, &err);
 *     while ((state = scenario_advance(s, 100000)) == SCENARIO_MOVING)
 *         ;                                        // draw, read keys
 *     if (state == SCENARIO_PAUSED) ...            // show scenario_text; then scenario_continue or
 * scenario_answer
 *
 * While a scenario is paused, finished or failed, the person may move the world (rs_begin_step,
 * rs_begin_back, rs_continue ...) and look at it.  scenario_continue first returns to where the scenario
 * stood, so that what a person does between two steps of a lesson does not change the lesson.
 */
#ifndef UI_SCENARIO_H
#define UI_SCENARIO_H

#include "arch/vmdir.h"
#include "ringside.h"

struct scenario;

#define ARGUMENTS_MAX 64

struct scenario_options {
    int argc; /* NAME=VALUE arguments, for param(): at most ARGUMENTS_MAX */
    char **argv;
    uint64_t seed;       /* of math.random */
    uint64_t max_cycles; /* 0: none */
    const char *timing;  /* preset for machines that name none, or NULL */
    const char *record;  /* file for the log of inputs, or NULL */
    const char *replay;  /* file to take inputs from, or NULL */
    const char *trace; /* file that the face will trace to, or NULL: known here so that nothing else is it */
    const char *at;    /* position "A:120.13" to pause at, or NULL */
    bool interactive;  /* pause() and ask() stop; otherwise they are told and passed */
};

/* path NULL: no script, for the prompt.  NULL and a message if the file is missing or does not compile. */
struct scenario *scenario_load(const char *path, const struct scenario_options *options,
                               struct rs_error *err);
void scenario_free(struct scenario *s);

enum scenario_state {
    SCENARIO_MOVING,   /* a movement of the world is under way: call scenario_advance again */
    SCENARIO_PAUSED,   /* at pause(), ask(), --at, or interrupted: scenario_continue or scenario_answer */
    SCENARIO_FINISHED, /* the script has ended */
    SCENARIO_FAILED    /* it ended by an error or by must(): scenario_error */
};

/* Carries on for at most about `atoms` atoms. */
enum scenario_state scenario_advance(struct scenario *s, uint64_t atoms);
enum scenario_state scenario_state(const struct scenario *s);
/* Whether the machine stands where --at has taken it.  RS_FAILED and a message: there is no such position,
 * since its atom has fewer micros. */
enum rs_status scenario_at(const rs_machine *m, const char *text, struct rs_error *err);
/* Stops the movement under way: the scenario is then paused until scenario_continue.  No effect otherwise. */
void scenario_interrupt(struct scenario *s);
/* For a debugger: stands still also behind a movement that has just ended, or that somebody else's stop has
 * cut short; such a one goes on when the scenario does. */
void scenario_hold(struct scenario *s);
/* Leaves a pause.  At a question it counts as no answer: the scenario tells the answer and goes on. */
void scenario_continue(struct scenario *s);
/* Answers the question: choice i, from 0.  Whether it was right is told in the narration. */
void scenario_answer(struct scenario *s, size_t i);

/* 0 all checks hold, up to here if it is not over, 1 a check failed, 2 bad usage or input. */
int scenario_status(const struct scenario *s);
/* "FILE:LINE: what is wrong", of a failed scenario; else NULL. */
const char *scenario_error(const struct scenario *s);

/* ------------------------------------------------------------------ what it says */

enum scenario_kind {
    SCENARIO_SAY,
    SCENARIO_CHECK_OK,
    SCENARIO_CHECK_FAILED,
    SCENARIO_PAUSE,
    SCENARIO_ASK,
    SCENARIO_ANSWER
};

struct scenario_line {
    enum scenario_kind kind;
    const char *text; /* UTF-8; may hold line feeds */
};

/* Everything told so far, in order; false past the end. */
bool scenario_line(const struct scenario *s, size_t i, struct scenario_line *line);
size_t scenario_lines(const struct scenario *s);
size_t scenario_checks(const struct scenario *s, bool passed);

/* Text of the pause or question that it stands at, NULL if none. */
const char *scenario_text(const struct scenario *s);
/* The i-th choice of the question that it stands at, NULL after the last or if there is no question. */
const char *scenario_choice(const struct scenario *s, size_t i);
/* What the question asks for and a view should hide until it is answered: "walk" (the walk's references to
 * come and its totals), or NULL. */
const char *scenario_hides(const struct scenario *s);

/* ------------------------------------------------------------------ the world that it made */

rs_world *scenario_world(const struct scenario *s); /* rs_world_machine(world, 0) is NULL before machine{} */

/* A VM as the hypervisor's directory (arch/vmdir.h) shows it now. */
struct scenario_vm {
    char name[RS_NAME_MAX], image[RS_NAME_MAX];
    const char *state; /* "running", "paused", "stopped", "crashed" */
    uint64_t root, ram_bytes, status;
    uint64_t vcpus, vmcs[VMDIR_VCPUS]; /* a VMCS for each virtual CPU */
    bool shadow;                       /* shadow page tables: the guest's CR3 is not in the VMCS */
    uint64_t guest_cr3[VMDIR_VCPUS];   /* but here */
    struct vmdir_shadow_work work;     /* and what that took */
    uint64_t console, console_bytes, console_written;
};

/* Without a scenario, where the functions below take NULL: the image of the VM that a module's string makes,
 * whose first word is its name.  Forgetting frees the symbols. */
void scenario_know_module(const char *string, const char *path);
void scenario_forget_modules(void);

/* The i-th VM of the machine; false after the last, or if no hypervisor with a directory runs. */
bool scenario_vm(const struct scenario *s, const rs_machine *m, size_t i, struct scenario_vm *vm);
bool scenario_vm_has(const struct scenario_vm *vm, uint64_t vmcs); /* of one of its virtual CPUs */
/* The VM of which a virtual CPU has this VMCS. */
bool scenario_vm_at(const struct scenario *s, const rs_machine *m, uint64_t vmcs, struct scenario_vm *vm);
/* Symbols of a VM's image, NULL if it has none.  The booted image's: rs_machine_symbols. */
const struct rs_symbols *scenario_vm_symbols(struct scenario *s, const rs_machine *m, const char *vm);
/* Symbols of whoever runs on a core now: of the VM in non-root operation, else of the booted image. */
const struct rs_symbols *scenario_symbols(struct scenario *s, const rs_machine *m, uint32_t core);
/* The last bytes of its console, at most size; returns how many. */
size_t scenario_vm_console(const struct scenario *s, const rs_machine *m, const struct scenario_vm *vm,
                           char *text, size_t size);
/* The machine's name for whoever runs on a core now: the VM's name in non-root operation, else the image's.
 */
void scenario_running(struct scenario *s, const rs_machine *m, uint32_t core, char name[RS_NAME_MAX]);

#endif
