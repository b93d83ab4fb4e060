/* file.c - see file.h.  A trace has no heading, so that it can be sorted and joined by lines: it is known by
 * the form of its first line. */
#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_MAX 256

static bool has_address(const char *text)
{
    size_t n = strspn(text, "0123456789abcdef");
    return n == 16 && strncmp(text + n, "  ", 2) == 0;
}

/* "        1204 A.1 root     000000000010018d  ..." or "... -- fault ..." */
static bool is_trace_line(const char *line)
{
    char cycle[24], core[80], who[RS_NAME_MAX];
    int used = 0;
    if (strlen(line) < 12 || !isdigit((unsigned char)line[11]) ||
        sscanf(line, "%23[ 0-9]%79s %31s %n", cycle, core, who, &used) != 3 || !used)
        return false;
    const char *dot = strrchr(core, '.');
    return dot && dot[1] && !dot[1 + strspn(dot + 1, "0123456789")] &&
           (has_address(line + used) || strncmp(line + used, "-- ", 3) == 0);
}

/* Another one for the same open file, if it is standard output or standard error: both add to it. */
static FILE *open_stream(const struct stat *st)
{
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        struct stat stream;
        int copy = -1;
        if (fstat(fd, &stream) == 0 && stream.st_dev == st->st_dev && stream.st_ino == st->st_ino)
            copy = dup(fd);
        FILE *file = copy < 0 ? NULL : fdopen(copy, "w");
        if (file)
            setvbuf(file, NULL, _IOLBF, BUFSIZ);
        if (copy >= 0)
            return file;
    }
    return NULL;
}

/* A regular file, which may not be there yet. */
static FILE *open_regular(const char *path, bool *whole, struct rs_error *err)
{
    char first[FIRST_MAX] = "";
    int fd = open(path, O_RDWR | O_CREAT, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r+");
    if (!file) {
        rs_fail(err, "--trace %s: %s", path, strerror(errno));
        return NULL;
    }
    *whole = !fgets(first, sizeof first, file);
    rewind(file);
    if (*whole || is_trace_line(first))
        return file;
    fclose(file);
    rs_fail(err, "--trace %s: exists and is not a trace: choose another name or remove it", path);
    return NULL;
}

FILE *trace_file_open(const char *path, bool *whole, struct rs_error *err)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    FILE *file = there && S_ISREG(st.st_mode) ? open_stream(&st) : NULL;
    *whole = file || (there && !S_ISREG(st.st_mode));
    if (!*whole)
        return open_regular(path, whole, err);
    if (!file && !(file = fopen(path, "w")))
        rs_fail(err, "--trace %s: %s", path, strerror(errno));
    return file;
}

enum rs_status trace_file_clear(FILE *file)
{
    return ftruncate(fileno(file), 0) == 0 ? RS_OK : RS_FAILED;
}
