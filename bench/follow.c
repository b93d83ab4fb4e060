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
#define GO_FD           4
#define NICENESS        5 /* so that who waits for its line runs as soon as it comes */

struct follower {
    pid_t pid;
    int console, go; /* our ends */
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
 * process's clock up to date only then, or at a tick of some milliseconds.  let_begin: an image that waits
 * for a byte before its phase finds one when it goes on. */
static double seconds_of(const struct follower *f, bool let_begin)
{
    const struct timespec settle = {0, 300000};
    int status;
    kill(f->pid, SIGSTOP);
    if (waitpid(f->pid, &status, WUNTRACED) != f->pid || !WIFSTOPPED(status))
        return 0;
    nanosleep(&settle, NULL);
    double now = clock_of(f->pid);
    if (let_begin && write(f->go, "\n", 1) != 1)
        now = 0;
    kill(f->pid, SIGCONT);
    return now;
}

/* In the child: the console is CONSOLE_FD, GO_FD its input; complaints go to a file. */
static _Noreturn void become_peer(const char *script, const char *directory, const char *name,
                                  const char *image, const char *args, int console, int go)
{
    errno = 0;
    /* By way of numbers that neither is: each may have the other's. */
    int far_console = fcntl(console, F_DUPFD, GO_FD + 1), far_go = fcntl(go, F_DUPFD, GO_FD + 1);
    bool ready = (nice(NICENESS) != -1 || errno == 0) && chdir(directory) == 0 &&
                 dup2(far_console, CONSOLE_FD) == CONSOLE_FD && dup2(far_go, GO_FD) == GO_FD &&
                 freopen("complaints", "w", stderr) && freopen("/dev/null", "r", stdin);
    close(far_console);
    close(far_go);
    if (ready)
        execl(script, script, name, image, args, (char *)NULL);
    perror(script);
    _exit(3);
}

static bool start(struct follower *f, const struct plan *plan, const char *name, const char *directory)
{
    char relative[512], image[4096], script[4096];
    int console[2], go[2];
    plan_image(plan, relative);
    if (!realpath(relative, image) || !realpath(SCRIPT, script) || pipe(console) != 0 || pipe(go) != 0)
        return false;
    fcntl(console[0], F_SETFD, FD_CLOEXEC);
    fcntl(go[1], F_SETFD, FD_CLOEXEC);
    fflush(stdout);
    f->pid = fork();
    if (f->pid == 0)
        become_peer(script, directory, name, image, plan->args, console[1], go[0]);
    close(console[1]);
    close(go[0]);
    f->console = console[0];
    f->go = go[1];
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
    result_line(r, f->line, begins ? seconds_of(f, true) : f->line_begun);
}

static void take_byte(struct follower *f, char c)
{
    if (f->used == 0)
        f->line_begun = seconds_of(f, false);
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

static bool make_directory(char *path, size_t size)
{
    const char *where = getenv("TMPDIR");
    int n = snprintf(path, size, "%s/ringside-bench-XXXXXX", where && *where ? where : "/tmp");
    return n > 0 && (size_t)n < size && mkdtemp(path);
}

static void remove_directory(const char *directory)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", "--", directory, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        fprintf(stderr, "bench: cannot remove %s\n", directory);
}

void follow_peer(const struct plan *plan, const char *name, struct result *result)
{
    char directory[256];
    struct follower f = {.result = result};
    snprintf(result->name, sizeof result->name, "%s", name);
    signal(SIGPIPE, SIG_IGN); /* a peer that has gone is seen by its silence */
    if (!make_directory(directory, sizeof directory) || !start(&f, plan, name, directory)) {
        snprintf(result->trouble, sizeof result->trouble, "cannot start " SCRIPT);
        return;
    }
    follow(&f);
    kill(f.pid, SIGKILL);
    waitpid(f.pid, NULL, 0);
    close(f.console);
    close(f.go);
    if (!f.done)
        complain(&f, directory);
    remove_directory(directory);
}
