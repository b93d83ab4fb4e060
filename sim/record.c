/* record.c - the log of inputs as a file, written and read back.
 *
 *   ringside-log 1
 *   start HASH                                the world at a start: boot or restore
 *   MACHINE ATOM SEQUENCE KIND HPA HEX-BYTES  an input; "-" for no bytes
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schedule.h"
#include "world.h"

#define LOG_NAME "ringside-log " /* and the version of its form */

struct record {
    FILE *file;
    bool begun; /* what the file held before is gone */
    bool lost;  /* or cannot be taken away */
    char path[1024];
    long start; /* file offset behind the last start line */
    u64 sequence;
};

struct replay {
    FILE *file;
    char path[1024];
    unsigned line;
    bool failed;
    char why[1024];
};

/* ---- recording ---- */

/* Opens it as it is; NULL and a message if it may not be replaced. */
static FILE *open_log(const char *path, struct rs_error *err)
{
    struct stat st;
    char first[sizeof LOG_NAME] = "";
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        rs_fail(err, "%s: not a regular file: a log is rewritten when the run goes back", path);
        return NULL;
    }
    int fd = open(path, O_RDWR | O_CREAT, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r+");
    if (!file) {
        rs_fail(err, "%s: cannot be written: %s", path, strerror(errno));
        return NULL;
    }
    size_t n = fread(first, 1, sizeof first - 1, file);
    if (n == 0 || strcmp(first, LOG_NAME) == 0)
        return file;
    fclose(file);
    rs_fail(err, "%s: exists and is not a log of inputs: choose another name or remove it", path);
    return NULL;
}

/* The log begins: what the file held is no longer needed. */
static void begin_log(struct record *r)
{
    r->begun = true;
    rewind(r->file);
    r->lost = ftruncate(fileno(r->file), 0) != 0;
    fprintf(r->file, LOG_NAME "1\n");
    fflush(r->file);
}

enum rs_status rs_record(rs_world *w, const char *path, struct rs_error *err)
{
    struct stat st;
    FILE *file = rs_use_file(w, RS_FILE_RECORD, path, err) == RS_OK ? open_log(path, err) : NULL;
    if (!file)
        return RS_FAILED;
    struct record *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->file = file;
    snprintf(r->path, sizeof r->path, "%s", path);
    if (fstat(fileno(file), &st) == 0 && st.st_size == 0)
        begin_log(r);
    w->history.record = r;
    if (w->machine && w->machine->booted)
        record_begin(w);
    return RS_OK;
}

void record_append(struct rs_world *w, const struct input *in)
{
    struct record *r = w->history.record;
    if (!r)
        return;
    fprintf(r->file, "%s %" PRIu64 " %" PRIu64 " %s %#" PRIx64 " ", w->machine->name, in->atom, r->sequence++,
            input_kind_name(in->kind), in->hpa);
    for (size_t i = 0; i < in->n; i++)
        fprintf(r->file, "%02x", in->bytes[i]);
    fprintf(r->file, in->n ? "\n" : "-\n");
    fflush(r->file);
}

/* All of this start. */
static void record_inputs(struct rs_world *w)
{
    w->history.record->sequence = 0;
    for (size_t i = 0; i < w->history.log_count; i++)
        record_append(w, &w->history.log[i]);
}

void record_rewrite(struct rs_world *w)
{
    struct record *r = w->history.record;
    if (!r)
        return;
    fflush(r->file);
    fseek(r->file, r->start, SEEK_SET);
    record_inputs(w);
    fflush(r->file);
    r->lost = r->lost || ftruncate(fileno(r->file), ftell(r->file)) != 0;
}

/* ---- replaying ---- */

static bool replay_fail(struct replay *p, const char *why)
{
    p->failed = true;
    snprintf(p->why, sizeof p->why, "%s:%u: %s", p->path, p->line, why);
    return false;
}

enum rs_status rs_replay(rs_world *w, const char *path, struct rs_error *err)
{
    struct stat st;
    bool regular = stat(path, &st) != 0 || S_ISREG(st.st_mode);
    FILE *file = regular ? fopen(path, "r") : NULL;
    char first[64] = "";
    if (!regular)
        return rs_fail(err, "%s: not a regular file, so no log", path);
    if (!file)
        return rs_fail(err, "%s: cannot be read: %s", path, strerror(errno));
    if (w->machine && w->machine->booted) {
        fclose(file);
        return rs_fail(err, "%s: a replay begins before the machine boots", path);
    }
    if (!fgets(first, sizeof first, file) || strcmp(first, LOG_NAME "1\n") != 0) {
        fclose(file);
        return rs_fail(err, "%s:1: not a log of this release: the first line must be 'ringside-log 1'", path);
    }
    struct replay *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->file = file;
    p->line = 1;
    snprintf(p->path, sizeof p->path, "%s", path);
    w->history.replay = p;
    return RS_OK;
}

const char *rs_record_trouble(const rs_world *w)
{
    struct record *r = w->history.record;
    return r && (r->lost || ferror(r->file))
               ? "the log of inputs could not be written whole: is the disk full?"
               : NULL;
}

bool replay_active(const struct rs_world *w)
{
    return w->history.replay && !w->history.replay->failed;
}

const char *rs_replay_trouble(const rs_world *w)
{
    return w->history.replay && w->history.replay->failed ? w->history.replay->why : NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "6869" to bytes in place; false if it is not hexadecimal. */
static bool bytes_of_hex(char *text, size_t *n)
{
    *n = 0;
    if (strcmp(text, "-") == 0)
        return true;
    for (char *at = text; *at; at += 2) {
        int high = hex_digit(at[0]), low = high < 0 ? -1 : hex_digit(at[1]);
        if (low < 0)
            return false;
        text[(*n)++] = (char)(high << 4 | low);
    }
    return true;
}

static bool kind_of_name(const char *name, enum input_kind *kind)
{
    for (int k = 0; k < INPUT_KINDS; k++)
        if (strcmp(name, input_kind_name((enum input_kind)k)) == 0) {
            *kind = (enum input_kind)k;
            return true;
        }
    return false;
}

static bool parse_input(struct rs_world *w, struct replay *p, char *line)
{
    char machine[RS_NAME_MAX], kind[16];
    struct input in = {0};
    u64 sequence;
    int used = 0;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%31s %19" SCNu64 " %19" SCNu64 " %15s %" SCNx64 " %n", machine, &in.atom, &sequence,
               kind, &in.hpa, &used) != 5 ||
        !used || in.atom > INT64_MAX) /* of a number with a sign */
        return replay_fail(p, "expected 'MACHINE ATOM SEQUENCE KIND ADDRESS BYTES'");
    char *hex = line + used;
    in.bytes = (u8 *)hex;
    if (!kind_of_name(kind, &in.kind) || !bytes_of_hex(hex, &in.n) || strcmp(machine, w->machine->name) != 0)
        return replay_fail(p, "unknown machine, unknown kind of input, or bytes that are not hexadecimal");
    size_t count = w->history.log_count;
    u64 last = count ? w->history.log[count - 1].atom : machine_atom(w->machine);
    if (last > in.atom || sequence != count)
        return replay_fail(p, "inputs out of order, or one is missing before this one");
    if (!input_possible(w->machine, &in))
        return replay_fail(
            p, "an input that this machine cannot get: no such address, or a length that does not fit");
    history_log(w, &in);
    return true;
}

/* Loads the inputs of this start: up to the next start line or the end. */
static void replay_inputs(struct rs_world *w, struct replay *p)
{
    char *line = NULL;
    size_t size = 0;
    long at = ftell(p->file);
    while (getline(&line, &size, p->file) > 0 && strncmp(line, "start ", 6) != 0) {
        p->line++;
        if (!parse_input(w, p, line))
            break;
        at = ftell(p->file);
    }
    fseek(p->file, at, SEEK_SET);
    free(line);
}

static void replay_start(struct rs_world *w, struct replay *p)
{
    char line[128];
    u64 hash = 0;
    p->line++;
    if (!fgets(line, sizeof line, p->file) || sscanf(line, "start %" SCNx64, &hash) != 1) {
        replay_fail(p, "the log ends here, but the run starts once more");
        return;
    }
    if (hash != rs_hash(w, RS_HASH_ALL)) {
        replay_fail(
            p, "the log was made with other images, options or another release: the machine at the start is "
               "not the same");
        return;
    }
    replay_inputs(w, p);
}

/* ---- both ---- */

void record_begin(struct rs_world *w)
{
    struct record *r = w->history.record;
    if (replay_active(w))
        replay_start(w, w->history.replay);
    if (!r || rs_replay_trouble(w))
        return;
    if (!r->begun)
        begin_log(r);
    fprintf(r->file, "start %016" PRIx64 "\n", rs_hash(w, RS_HASH_ALL));
    fflush(r->file);
    r->start = ftell(r->file);
    record_inputs(w); /* those of a replay */
}

void record_free(struct rs_world *w)
{
    if (w->history.record)
        fclose(w->history.record->file);
    if (w->history.replay)
        fclose(w->history.replay->file);
    free(w->history.record);
    free(w->history.replay);
}
