/* files.c - see files.h.  Two paths are compared by the files behind them, anew each time: a file may come to
 * be between two comparisons, and have as many names as it likes. */
#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

#define LINKS_MAX 40

static const struct {
    const char *name;
    bool written, stream;
} uses[RS_FILES] = {
    [RS_FILE_STDIN] = {"standard input", false, true},
    [RS_FILE_STDOUT] = {"standard output", true, true},
    [RS_FILE_STDERR] = {"standard error", true, true},
    [RS_FILE_SCENARIO] = {"the scenario", false, false},
    [RS_FILE_IMAGE] = {"an image", false, false},
    [RS_FILE_MODULE] = {"a module", false, false},
    [RS_FILE_DISK] = {"a disk", true, false},
    [RS_FILE_DISK_READ] = {"a disk that is only read", false, false},
    [RS_FILE_REPLAY] = {"the log that is replayed", false, false},
    [RS_FILE_RECORD] = {"the log that is recorded", true, false},
    [RS_FILE_TRACE] = {"the trace", true, false},
    [RS_FILE_SNAPSHOT] = {"a snapshot to save", true, false},
    [RS_FILE_PCAP] = {"a capture of frames", true, false},
};

/* ---- what is behind a path ---- */

/* A regular file, or the directory and the name that one would be made with.  Terminals, FIFOs and /dev/null
 * are none: nothing in them is lost. */
struct identity {
    bool known;
    dev_t dev;
    ino_t ino;
    char name[256]; /* "": the file is there */
};

/* Puts what the link points to in its place; false if it is none. */
static bool follow(char path[4096])
{
    char to[4096], *slash = strrchr(path, '/');
    ssize_t n = readlink(path, to, sizeof to - 1);
    size_t directory = slash && to[0] != '/' ? (size_t)(slash + 1 - path) : 0;
    if (n <= 0 || directory + (size_t)n >= 4096)
        return false;
    memcpy(path + directory, to, (size_t)n);
    path[directory + (size_t)n] = '\0';
    return true;
}

/* Of a file that is not there: where one of this path would be. */
static struct identity identify_absent(const char *text)
{
    char path[4096], name[256];
    struct stat st;
    snprintf(path, sizeof path, "%s", text);
    for (int links = 0; links < LINKS_MAX && follow(path); links++)
        ;
    char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    if (slash)
        slash[1] = '\0';
    struct identity id = {.known = name[0] && stat(slash ? path : ".", &st) == 0};
    if (!id.known)
        return id;
    id.dev = st.st_dev;
    id.ino = st.st_ino;
    memcpy(id.name, name, sizeof name);
    return id;
}

static struct identity identify(enum rs_file use, const char *path)
{
    struct stat st;
    bool there = uses[use].stream ? fstat((int)(use - RS_FILE_STDIN), &st) == 0 : stat(path, &st) == 0;
    if (there)
        return (struct identity){.known = S_ISREG(st.st_mode), .dev = st.st_dev, .ino = st.st_ino};
    return uses[use].stream ? (struct identity){.known = false} : identify_absent(path);
}

static bool same(const struct identity *a, const struct identity *b)
{
    return a->known && b->known && a->dev == b->dev && a->ino == b->ino && strcmp(a->name, b->name) == 0;
}

bool rs_same_file(const char *a, const char *b)
{
    struct identity one = identify(RS_FILE_DISK, a), other = identify(RS_FILE_DISK, b);
    return same(&one, &other);
}

/* ---- uses ---- */

/* A trace may go where standard output goes: it is added there. */
static bool may_share(enum rs_file a, enum rs_file b)
{
    return a == b || (!uses[a].written && !uses[b].written) ||
           (b == RS_FILE_TRACE && uses[a].stream && uses[a].written);
}

static enum rs_status check(enum rs_file other, const char *other_path, enum rs_file use, const char *path,
                            struct rs_error *err)
{
    if (may_share(other, use))
        return RS_OK;
    struct identity a = identify(other, other_path), b = identify(use, path);
    if (!same(&a, &b))
        return RS_OK;
    return rs_fail(err, "%.300s, %s, is the same file as %.300s%s%s: what is written needs a file of its own",
                   path, uses[use].name, uses[other].stream ? "" : other_path, uses[other].stream ? "" : ", ",
                   uses[other].name);
}

static void note(struct files *f, enum rs_file use, const char *path)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->file[i].use == use && strcmp(f->file[i].path, path) == 0)
            return;
    size_t n = strlen(path) + 1;
    f->file = realloc(f->file, (f->count + 1) * sizeof *f->file);
    char *copy = malloc(n);
    if (!f->file || !copy)
        abort();
    f->file[f->count++] = (struct used_file){use, memcpy(copy, path, n)};
}

enum rs_status rs_use_file(rs_world *w, enum rs_file use, const char *path, struct rs_error *err)
{
    struct files *f = &w->files;
    for (int i = RS_FILE_STDIN; i <= RS_FILE_STDERR; i++)
        if (check((enum rs_file)i, "", use, path, err) != RS_OK)
            return RS_FAILED;
    for (size_t i = 0; i < f->count; i++)
        if (check(f->file[i].use, f->file[i].path, use, path, err) != RS_OK)
            return RS_FAILED;
    if (use != RS_FILE_SNAPSHOT) /* written whole at once, and then nobody's */
        note(f, use, path);
    return RS_OK;
}

void files_forget(struct files *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->file[i].path);
    free(f->file);
    *f = (struct files){0};
}
