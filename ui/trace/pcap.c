/* pcap.c - see pcap.h.  The format is libpcap's (pcap-savefile(5)), with times in nanoseconds. */
#include "trace/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_NS      0xa1b23c4du
#define MAGIC_US      0xa1b2c3d4u
#define LINK_ETHERNET 1
#define LENGTH_MOST   65535

struct pcap {
    rs_world *world;
    const rs_machine *machine;
    size_t nic;
    uint64_t hz;
    bool begun;
    int watch;
    FILE *file;
    char path[1024];
};

static void put(FILE *f, unsigned n, uint64_t value)
{
    for (unsigned i = 0; i < n; i++)
        putc((int)(value >> 8 * i & 0xff), f);
}

static void put_header(FILE *f)
{
    put(f, 4, MAGIC_NS);
    put(f, 2, 2); /* version 2.4 */
    put(f, 2, 4);
    put(f, 8, 0);
    put(f, 4, LENGTH_MOST);
    put(f, 4, LINK_ETHERNET);
}

/* Whole at any time: somebody may read it while the world runs. */
static void on_frame(const struct rs_event *e, void *arg)
{
    struct pcap *p = arg;
    bool dropped = strcmp(rs_word(RS_FRAME, e->field[0]), "dropped") == 0;
    if (e->machine != p->machine || e->field[1] != p->nic || dropped)
        return;
    uint64_t rest = e->cycle % p->hz, n = e->field[2];
    put(p->file, 4, e->cycle / p->hz);
    put(p->file, 4, (uint64_t)((double)rest * 1e9 / (double)p->hz));
    put(p->file, 4, n);
    put(p->file, 4, n);
    fwrite(e->frame, 1, n, p->file);
    fflush(p->file);
}

/* An empty file or a capture. */
static bool may_replace(FILE *f)
{
    unsigned char first[4] = {0};
    size_t n = fread(first, 1, 4, f);
    uint32_t magic = first[0] | (uint32_t)first[1] << 8 | (uint32_t)first[2] << 16 | (uint32_t)first[3] << 24;
    rewind(f);
    return n == 0 || (n == 4 && (magic == MAGIC_NS || magic == MAGIC_US));
}

static FILE *open_file(const char *path, struct rs_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe to tcpdump */
        FILE *pipe = fopen(path, "wb");
        if (!pipe)
            rs_fail(err, "%s: cannot be written: %s", path, strerror(errno));
        return pipe;
    }
    int fd = open(path, O_RDWR | O_CREAT, 0666);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r+b");
    if (!f) {
        rs_fail(err, "%s: cannot be written: %s", path, strerror(errno));
        return NULL;
    }
    if (may_replace(f))
        return f;
    fclose(f);
    rs_fail(err, "%s: exists and is not a capture of frames: choose another name or remove it", path);
    return NULL;
}

struct pcap *pcap_open(rs_world *w, const rs_machine *m, size_t nic, const char *path, struct rs_error *err)
{
    FILE *file = rs_use_file(w, RS_FILE_PCAP, path, err) == RS_OK ? open_file(path, err) : NULL;
    struct pcap *p = file ? calloc(1, sizeof *p) : NULL;
    if (!p) {
        if (file)
            fclose(file);
        return NULL;
    }
    *p = (struct pcap){.world = w, .machine = m, .nic = nic, .hz = rs_param_get(m, 0), .file = file};
    snprintf(p->path, sizeof p->path, "%s", path);
    return p;
}

enum rs_status pcap_begin(struct pcap *p, struct rs_error *err)
{
    struct stat st;
    int fd = fileno(p->file);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(fd, 0) != 0)
        return rs_fail(err, "%s: cannot be written: %s", p->path, strerror(errno));
    put_header(p->file);
    fflush(p->file);
    p->watch = rs_watch(p->world, RS_PROBE_frame, false, on_frame, p);
    p->begun = true;
    return RS_OK;
}

const char *pcap_path(const struct pcap *p)
{
    return p->path;
}

enum rs_status pcap_end(struct pcap *p, struct rs_error *err)
{
    if (p->begun)
        rs_unwatch(p->world, p->watch);
    bool good = !ferror(p->file);
    good = fclose(p->file) == 0 && good;
    enum rs_status status =
        good ? RS_OK : rs_fail(err, "%s: could not be written whole: is the disk full?", p->path);
    free(p);
    return status;
}
