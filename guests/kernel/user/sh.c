/* sh - commands from the console, from a file of the initrd (`sh FILE`) or from its arguments (`sh -c
 * COMMANDS`).
 *
 * A command is words; `|` makes a pipe to the next, `> FILE` makes a file, `>> FILE` adds to it; `;` or `,`
 * ends it, as a line's end does (boot loaders keep `;` and `|` for themselves); `&` ends it and does not wait
 * for it.  The shell itself has `exit [STATUS]`, `echo`, `wait` for all that it did not wait for, and `help`.
 */
#include "user.h"

#define LINE_BYTES 512
#define WORDS      15
#define CHILDREN   32 /* there are no more processes */

struct command {
    char *word[WORDS + 1];
    int words;
    const char *to; /* a file for what it writes, or NULL */
    int append;
};

static int last_status;
static int pipelines; /* so far */
static struct {
    int64_t id; /* 0: free */
    int pipeline;
} children[CHILDREN];

/* ---- reading ---- */

static int is_end(char c)
{
    return c == 0 || c == ';' || c == ',' || c == '\n' || c == '|' || c == '&';
}

/* Cuts words off at `s` up to what ends the command; gives that place.  Words beyond the limit are dropped.
 */
static char *parse(char *s, struct command *c, char *end)
{
    c->words = 0;
    for (;;) {
        while (*s == ' ' || *s == '\r')
            *s++ = 0;
        if (is_end(*s) || *s == '#')
            break;
        if (c->words < WORDS)
            c->word[c->words++] = s;
        while (!is_end(*s) && *s != ' ' && *s != '\r')
            s++;
    }
    c->word[c->words] = NULL;
    *end = *s == '#' ? 0 : *s; /* a remark: nothing more on this line */
    if (*s)
        *s = 0;
    return s;
}

/* ---- children ---- */

static int any_child(int pipeline)
{
    for (int i = 0; i < CHILDREN; i++)
        if (children[i].id && (children[i].pipeline == pipeline || !pipeline))
            return 1;
    return 0;
}

static void add_child(int64_t id)
{
    for (int i = 0; id > 0 && i < CHILDREN; i++)
        if (!children[i].id) {
            children[i].id = id;
            children[i].pipeline = pipelines;
            return;
        }
}

/* Whether it was one of ours, and not somebody who has lost his parent. */
static int forget_child(int64_t id)
{
    for (int i = 0; i < CHILDREN; i++)
        if (children[i].id == id) {
            children[i].id = 0;
            return 1;
        }
    return 0;
}

/* Until a pipeline's children have ended (0: all), of which `last` has the status that counts; -1: any that
 * is not 0. */
static void wait_for(int pipeline, int64_t last)
{
    int64_t id;
    int status;

    while (any_child(pipeline) && (id = wait(&status)) > 0)
        if (forget_child(id) && (id == last || (last < 0 && status)))
            last_status = status;
}

/* `> FILE` and `>> FILE` at the end are no words of the command's. */
static void take_file(struct command *c)
{
    c->to = NULL;
    c->append = 0;
    if (c->words < 3 || c->word[c->words - 2][0] != '>')
        return;
    c->append = same(c->word[c->words - 2], ">>");
    if (!c->append && !same(c->word[c->words - 2], ">"))
        return;
    c->to = c->word[c->words - 1];
    c->words -= 2;
    c->word[c->words] = NULL;
}

/* ---- running ---- */

static int builtin(const struct command *c)
{
    if (same(c->word[0], "exit"))
        leave((int)number(c->words, (char **)c->word, 1, (uint64_t)last_status));
    if (same(c->word[0], "help")) {
        print("ls lists programs and files; exit ends the shell\n");
        return 1;
    }
    if (same(c->word[0], "wait")) {
        last_status = 0;
        wait_for(0, -1);
        return 1;
    }
    if (!same(c->word[0], "echo"))
        return 0;
    for (int i = 1; i < c->words; i++)
        print(i > 1 ? " %s" : "%s", c->word[i]);
    print("\n");
    return 1;
}

static int64_t open_file(const struct command *c)
{
    int64_t fd = c->append ? open(c->to) : -1;

    if (fd >= 0)
        seek(fd, END);
    else
        fd = create(c->to);
    if (fd >= 0)
        return fd;
    print("sh: '%s' cannot be written\n", c->to);
    leave(1);
}

/* In a child, with what it reads and writes in place. */
static void start(const struct command *c, int64_t in, int64_t out)
{
    if (c->to)
        out = open_file(c);
    dup2(in, 0);
    dup2(out, 1);
    for (int64_t fd = 3; fd < 16; fd++)
        close(fd);
    if (builtin(c))
        leave(0);
    exec((const char *const *)c->word);
    print("%s: there is no such program\n", c->word[0]);
    leave(127);
}

/* What is left of a pipeline is not run; gives the place behind. */
static char *give_up(const char *why, char *s, char *end)
{
    struct command rest;

    print("sh: %s\n", why);
    last_status = 1;
    while (*end == '|')
        s = parse(s + 1, &rest, end);
    return s;
}

/* A command and those that it pipes to; gives the place behind. */
static char *run_pipeline(char *s)
{
    struct command c;
    int64_t in = 0, id = -1;
    int fd[2];
    char end;

    pipelines++;
    do {
        s = parse(s, &c, &end);
        take_file(&c);
        fd[0] = 0, fd[1] = 1;
        if (c.words == 0 || (end != '|' && end != '&' && in == 0 && !c.to && builtin(&c)))
            break;
        if (end == '|' && pipe(fd) < 0) {
            s = give_up("no pipe is left", s, &end);
            id = -1;
            break;
        }
        if ((id = fork()) == 0)
            start(&c, in, fd[1]);
        add_child(id);
        if (in)
            close(in);
        if (end == '|')
            close(fd[1]);
        in = fd[0];
        if (id < 0)
            s = give_up("no process or memory is left", s, &end);
        s += end == '|';
    } while (end == '|');
    if (in)
        close(in);
    if (end != '&')
        wait_for(pipelines, id);
    return end && end != '\n' ? s + 1 : s;
}

static void run_line(char *line)
{
    for (char *s = line; *s;) {
        while (*s == ' ' || *s == ';' || *s == ',' || *s == '&')
            s++;
        if (*s)
            s = run_pipeline(s);
    }
}

/* ---- where commands come from ---- */

static int64_t read_line(int64_t fd, char *line)
{
    int64_t n = 0;

    while (n < LINE_BYTES - 1 && read(fd, &line[n], 1) == 1)
        if (line[n++] == '\n')
            break;
    line[n] = 0;
    if (n > 0 && line[n - 1] == '\n')
        line[n - 1] = 0;
    return n;
}

static int run_file(int64_t fd, const char *prompt)
{
    char line[LINE_BYTES];

    do {
        print("%s", prompt);
        flush();
        if (read_line(fd, line) <= 0)
            return last_status;
        run_line(line);
    } while (1);
}

static int run_arguments(int argc, char **argv)
{
    char line[LINE_BYTES] = {0};
    size_t n = 0;

    for (int i = 2; i < argc; i++) {
        for (const char *s = argv[i]; *s && n < LINE_BYTES - 1; s++)
            line[n++] = *s;
        if (n < LINE_BYTES - 1)
            line[n++] = ' ';
    }
    run_line(line);
    return last_status;
}

int main(int argc, char **argv)
{
    int64_t fd;

    if (argc < 2)
        return run_file(0, "$ ");
    if (same(argv[1], "-c"))
        return run_arguments(argc, argv);
    fd = open(argv[1]);
    if (fd >= 0)
        return run_file(fd, "");
    print("sh: there is no '%s'\n", argv[1]);
    return 1;
}
