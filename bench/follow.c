#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT          "bench/peer"
#define SILENCE_SECONDS 180 /* without a byte: the peer hangs */
#define CONSOLE_FD      3
#define NICENESS        5 /* so that who waits for its line runs as soon as it comes */

struct follower {
    pid_t pid;
    int console; /* our end */
    struct result *result;
    char line[256];
    size_t used;
    double line_begun;
    bool done;
};

/* ---- the process ---- */

static double clock_of(pid_t pid)
{
#if defined _POSIX_CPUTIME && _POSIX_CPUTIME >= 0
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
#else
    (void)pid;
#endif
    return 0;
}

/* CPU time of the process.  It stands still meanwhile, and has left its processor: Linux brings another
 * process's clock up to date only then, or at a tick of some milliseconds. */
static double seconds_of(pid_t pid)
{
    const struct timespec settle = {0, 300000};
    int status;
    kill(pid, SIGSTOP);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        return 0;
    nanosleep(&settle, NULL);
    double now = clock_of(pid);
    kill(pid, SIGCONT);
    return now;
}

/* In the child: the console is CONSOLE_FD, complaints go to a file. */
static _Noreturn void become_peer(const char *script, const char *directory, const char *name,
                                  const char *image, const char *args, int console)
{
    errno = 0;
    bool ready = (nice(NICENESS) != -1 || errno == 0) && chdir(directory) == 0 && dup2(console, CONSOLE_FD) == CONSOLE_FD &&
                 freopen("complaints", "w", stderr) && freopen("/dev/null", "r", stdin);
    if (console != CONSOLE_FD)
        close(console);
    if (ready)
        execl(script, script, name, image, args, (char *)NULL);
    perror(script);
    _exit(3);
}

static bool start(struct follower *f, const struct plan *plan, const char *name, const char *directory)
{
    char relative[512], image[4096], script[4096];
    int ends[2];
    plan_image(plan, relative);
    if (!realpath(relative, image) || !realpath(SCRIPT, script) || pipe(ends) != 0)
        return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fflush(stdout);
    f->pid = fork();
    if (f->pid == 0)
        become_peer(script, directory, name, image, plan->args, ends[1]);
    close(ends[1]);
    f->console = ends[0];
    return f->pid > 0;
}

/* ---- its console ---- */

static void take_line(struct follower *f)
{
    struct result *r = f->result;
    bool begins = strncmp(f->line, "begin ", 6) == 0;
    if (strncmp(f->line, "peer ", 5) == 0)
        snprintf(r->name, sizeof r->name, "%.*s", (int)sizeof r->name - 1, f->line + 5);
    f->done = strcmp(f->line, "done") == 0;
    if (f->done)
        r->seconds = f->line_begun;
    result_line(r, f->line, begins ? seconds_of(f->pid) : f->line_begun);
}

static void take_byte(struct follower *f, char c)
{
    if (f->used == 0)
        f->line_begun = seconds_of(f->pid);
    if (c == '\n') {
        f->line[f->used] = 0;
        take_line(f);
        f->used = 0;
    } else if (f->used + 1 < sizeof f->line) {
        f->line[f->used++] = c;
    }
}

/* Until the image is done, the peer has ended, or nothing comes. */
static void follow(struct follower *f)
{
    struct pollfd fd = {.fd = f->console, .events = POLLIN};
    char byte;
    while (!f->done && poll(&fd, 1, SILENCE_SECONDS * 1000) > 0 && read(f->console, &byte, 1) == 1)
        take_byte(f, byte);
}

/* ---- its end ---- */

/* The peer's last words, which are the complaint if it says one. */
static void complain(struct follower *f, const char *directory)
{
    char path[512], line[200], last[200] = "it ended before the image was done";
    snprintf(path, sizeof path, "%s/complaints", directory);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (line[0] != '\n')
            memcpy(last, line, sizeof last);
    if (file)
        fclose(file);
    snprintf(f->result->trouble, sizeof f->result->trouble, "%.*s", (int)strcspn(last, "\n"), last);
}

static void remove_directory(const char *directory)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0)
        fprintf(stderr, "bench: cannot remove %s\n", directory);
}

void follow_peer(const struct plan *plan, const char *name, struct result *result)
{
    char directory[] = "/tmp/ringside-bench-XXXXXX";
    struct follower f = {.result = result};
    snprintf(result->name, sizeof result->name, "%s", name);
    if (!mkdtemp(directory) || !start(&f, plan, name, directory)) {
        snprintf(result->trouble, sizeof result->trouble, "cannot start " SCRIPT);
        return;
    }
    follow(&f);
    kill(f.pid, SIGKILL);
    waitpid(f.pid, NULL, 0);
    close(f.console);
    if (!f.done)
        complain(&f, directory);
    remove_directory(directory);
}
