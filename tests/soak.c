/* soak.c - random sequences in lock-step with this processor, for as long as one likes:
 *
 *   soak [SECONDS] [PROCESSES]   fresh seeds on all processors of the host, or on so many
 *   soak --seed N                the sequence of one seed, as a report says it
 *
 * Exit status: 0 no difference, 1 one was found and is printed, as small as it gets, or nothing could be
 * compared, 2 bad usage, or not on this host. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/generate.h"
#include "lib/shrink.h"

#define PROCESSES_MAX  256
#define SECONDS_MAX    (366 * 86400)
#define REPORT_SECONDS 10

/* Shared with the workers. */
struct worker {
    atomic_ullong done, skipped;
    atomic_ullong seed; /* that it is at: if it dies, of this one */
    pid_t pid;
    int pad[12];
};

struct board {
    atomic_int stop;
    struct worker worker[PROCESSES_MAX];
};

static struct board *board;

/* ---- a worker ---- */

static int found(struct sequence *s)
{
    atomic_store(&board->stop, 1);
    printf("a difference; the whole sequence:\n");
    sequence_report(stdout, s);
    sequence_shrink(s);
    printf("the least of it:\n");
    sequence_report(stdout, s);
    printf("again: soak --seed %llu\n", (unsigned long long)s->seed);
    fflush(stdout);
    return 1;
}

static int work(struct worker *w, u64 seed)
{
    static struct sequence s;
    for (; !atomic_load_explicit(&board->stop, memory_order_relaxed); seed++) {
        atomic_store_explicit(&w->seed, seed, memory_order_relaxed);
        sequence_make(&s, seed);
        enum verdict verdict = lockstep_run(&s);
        if (verdict == VERDICT_DIFFERS)
            return found(&s);
        atomic_fetch_add_explicit(&w->done, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->skipped, verdict == VERDICT_SKIPPED, memory_order_relaxed);
    }
    return 0;
}

/* ---- all of them ---- */

static u64 sum(unsigned processes, bool of_skipped)
{
    u64 n = 0;
    for (unsigned i = 0; i < processes; i++)
        n += of_skipped ? atomic_load(&board->worker[i].skipped) : atomic_load(&board->worker[i].done);
    return n;
}

/* Skipped ones do not count.  How many agree. */
static u64 say(unsigned processes, u64 seconds)
{
    u64 skipped = sum(processes, true), run = sum(processes, false) - skipped;
    printf("%6llu s: %llu sequences agree, %llu skipped, %llu/s\n", (unsigned long long)seconds,
           (unsigned long long)run, (unsigned long long)skipped,
           (unsigned long long)(run / (seconds ? seconds : 1)));
    fflush(stdout);
    return run;
}

static int nothing_compared(void)
{
    fflush(stdout);
    fprintf(stderr, "soak: nothing was compared\n");
    return 1;
}

/* The worst of the workers' ends. */
static int reap(unsigned processes)
{
    int worst = 0;
    for (unsigned i = 0; i < processes; i++) {
        int status = 0;
        waitpid(board->worker[i].pid, &status, 0);
        if (WIFSIGNALED(status))
            printf("signal %d at seed %llu\n", WTERMSIG(status),
                   (unsigned long long)atomic_load(&board->worker[i].seed));
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            worst = 1;
    }
    return worst;
}

static bool one_has_ended(void)
{
    siginfo_t info = {0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

static int soak(u64 seconds, unsigned processes)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    u64 base = ((u64)now.tv_sec << 30 ^ (u64)now.tv_nsec) << 8;
    printf("seeds from %llu on, %u processes, %llu s\n", (unsigned long long)base, processes,
           (unsigned long long)seconds);
    fflush(stdout);
    for (unsigned i = 0; i < processes; i++)
        if ((board->worker[i].pid = fork()) == 0)
            _exit(lockstep_open() ? work(&board->worker[i], base + ((u64)i << 40)) : 2);
    u64 passed = 0;
    for (; passed < seconds && !one_has_ended(); passed++) {
        nanosleep(&(struct timespec){1, 0}, NULL);
        if ((passed + 1) % REPORT_SECONDS == 0)
            say(processes, passed + 1);
    }
    atomic_store(&board->stop, 1);
    int status = reap(processes);
    u64 run = say(processes, passed);
    return status || run ? status : nothing_compared();
}

static int one_seed(u64 seed)
{
    static const char *const word[] = {"agrees", "differs", "is skipped"};
    static struct sequence s;
    sequence_make(&s, seed);
    enum verdict verdict = lockstep_run(&s);
    if (verdict == VERDICT_DIFFERS)
        return found(&s);
    sequence_report(stdout, &s);
    printf("it %s\n", word[verdict]);
    return verdict == VERDICT_SKIPPED ? nothing_compared() : 0;
}

/* ---- arguments ---- */

static int help(void)
{
    printf("usage: soak [SECONDS] [PROCESSES]   random sequences in lock-step with this processor, for 60 s\n"
           "                                    on all of its processors, or so long and on so many\n"
           "       soak --seed N                the sequence of one seed, as a report says it\n"
           "\n"
           "SECONDS is from 1 to %d, PROCESSES from 1 to %d.\n"
           "exit status: 0 no difference, 1 one was found and is printed, or nothing was compared,\n"
           "2 not on this host, or bad usage\n",
           SECONDS_MAX, PROCESSES_MAX);
    return 0;
}

static int bad_usage(void)
{
    fprintf(stderr, "soak: bad usage; see soak --help\n");
    return 2;
}

/* A whole number in digits alone; false if the text is another, or goes beyond `most`. */
static bool whole(const char *text, u64 least, u64 most, u64 *value)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    uintmax_t number = strtoumax(text, &end, 10);
    *value = number;
    return !*end && !errno && number >= least && number <= most;
}

int main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return help();
    bool one = argc == 3 && strcmp(argv[1], "--seed") == 0;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    u64 seed = 0, seconds = 60, processes = min(online > 0 ? (u64)online : 1, PROCESSES_MAX);
    if (one ? !whole(argv[2], 0, UINT64_MAX, &seed)
            : argc > 3 || (argc > 1 && !whole(argv[1], 1, SECONDS_MAX, &seconds)) ||
                  (argc > 2 && !whole(argv[2], 1, PROCESSES_MAX, &processes)))
        return bad_usage();
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED || !native_is_here()) {
        fprintf(stderr, "soak: it takes an x86-64 processor under Linux to compare with\n");
        return 2;
    }
    if (one)
        return lockstep_open() ? one_seed(seed) : 2;
    return soak(seconds, (unsigned)processes);
}
