/* process.h - processes, and whose turn it is. */
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

#include "kernel/space.h"
#include "kernel/trap.h"

#define PROCESSES     32
#define FILES         16 /* open in one process */
#define NAME_BYTES    16
#define STATUS_KILLED 255

enum process_state { FREE, READY, RUNNING, WAITING, ENDED };

struct process {
    enum process_state state;
    int id;
    struct process *parent;
    char name[NAME_BYTES];
    struct space space;
    struct trap_frame *frame; /* at the top of its kernel stack */
    uint64_t rsp;             /* of its kernel stack, while another runs */
    const void *waits_for;
    uint64_t deadline; /* of that, by clock_ns(); 0: no interrupt ends it, but another process */
    struct file *file[FILES];
    int status;
    bool killed;
};

extern struct process *current;

/* Runs the kernel's command line, or a shell, as process 1; when that ends, so does the run. */
_Noreturn void process_run(const char *command_line);

void process_yield(void);
/* Until process_wake() with the same pointer, or until it is killed: the caller looks whether it still has
 * to. */
void process_wait_for(const void *what);
/* For what an interrupt brings, until `deadline` at most (CLOCK_NEVER: for ever), to a millisecond. */
void process_wait_until(const void *what, uint64_t deadline);
void process_wake(const void *what);
/* Looks for those whose deadline has passed. */
void process_tick(void);
bool process_others_ready(void);
_Noreturn void process_exit(int status);
void process_end_if_killed(void);

/* The system calls; -1 is failure. */
int process_fork(void);
/* Waits for a child to end: its id.  The status goes to `status`. */
int process_wait(int *status);
int process_kill(int id);

#endif
