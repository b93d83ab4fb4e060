/* file.c - open files and who has them. */
#include "kernel/file.h"

#include "kernel/console.h"
#include "kernel/fs.h"
#include "kernel/initrd.h"
#include "kernel/pipe.h"
#include "kernel/process.h"
#include "kernel/socket.h"

#define FILES_MAX 64
#define RAW_DISK  "/dev/disk"

enum file_kind { CONSOLE, INITRD, ON_DISK, DISK, READ_END, WRITE_END, SOCKET };

struct file {
    unsigned holders; /* 0: free */
    enum file_kind kind;
    const struct initrd_file *initrd;
    uint32_t inode;
    uint64_t offset;
    struct pipe *pipe;
    struct socket *socket;
};

static struct file files[FILES_MAX];

static struct file *new_file(enum file_kind kind)
{
    for (struct file *f = files; f < files + FILES_MAX; f++)
        if (!f->holders) {
            *f = (struct file){.holders = 1, .kind = kind};
            return f;
        }
    return NULL;
}

struct file *file_console(void)
{
    return new_file(CONSOLE);
}

static bool begins(const char *text, const char *with)
{
    while (*with && *text == *with)
        text++, with++;
    return !*with;
}

const char *file_disk_path(const char *path)
{
    return begins(path, "/disk") && (!path[5] || path[5] == '/') ? path + 5 : NULL;
}

static struct file *on_disk(const char *path, bool create)
{
    int64_t inode = fs_open(path, create);
    struct file *f = inode < 0 ? NULL : new_file(ON_DISK);

    if (f)
        f->inode = (uint32_t)inode;
    else if (inode >= 0)
        fs_close((uint32_t)inode);
    return f;
}

struct file *file_create(const char *path)
{
    const char *disk = file_disk_path(path);

    return disk ? on_disk(disk, true) : NULL;
}

struct file *file_open(const char *name)
{
    const struct initrd_file *initrd = initrd_find(name);
    const char *disk = file_disk_path(name);
    struct file *f;

    if (disk)
        return on_disk(disk, false);
    if (begins(name, RAW_DISK) && !name[sizeof RAW_DISK - 1])
        return fs_disk_bytes() ? new_file(DISK) : NULL;
    f = initrd ? new_file(INITRD) : NULL;

    if (f)
        f->initrd = initrd;
    return f;
}

int file_pipe(struct file *end[2])
{
    struct pipe *pipe = pipe_new();

    if (!pipe)
        return -1;
    end[0] = new_file(READ_END);
    end[1] = end[0] ? new_file(WRITE_END) : NULL;
    if (!end[1]) {
        if (end[0])
            end[0]->holders = 0;
        pipe_close(pipe, false);
        pipe_close(pipe, true);
        return -1;
    }
    end[0]->pipe = end[1]->pipe = pipe;
    return 0;
}

struct file *file_socket(uint64_t protocol, uint64_t port, int64_t *why)
{
    struct file *f = new_file(SOCKET);

    *why = -1;
    if (!f)
        return NULL;
    f->socket = socket_new(protocol, port, why);
    if (!f->socket)
        f->holders = 0;
    return f->socket ? f : NULL;
}

struct file *file_hold(struct file *file)
{
    if (file)
        file->holders++;
    return file;
}

void file_close(struct file *file)
{
    if (!file || --file->holders > 0)
        return;
    if (file->kind == READ_END || file->kind == WRITE_END)
        pipe_close(file->pipe, file->kind == WRITE_END);
    if (file->kind == SOCKET)
        socket_close(file->socket);
    if (file->kind == ON_DISK)
        fs_close(file->inode);
}

static int64_t read_initrd(struct file *file, uint64_t va, uint64_t n)
{
    uint64_t left = file->offset < file->initrd->size ? file->initrd->size - file->offset : 0;

    if (n > left)
        n = left;
    if (!copy_out(&current->space, va, file->initrd->bytes + file->offset, n))
        return -1;
    file->offset += n;
    return (int64_t)n;
}

/* What was done moves the next byte. */
static int64_t move_on(struct file *file, int64_t done)
{
    file->offset += done > 0 ? (uint64_t)done : 0;
    return done;
}

int64_t file_read(struct file *file, uint64_t va, uint64_t n)
{
    switch (file->kind) {
    case CONSOLE: return console_read(va, n);
    case INITRD: return read_initrd(file, va, n);
    case ON_DISK: return move_on(file, fs_read(file->inode, file->offset, va, n));
    case DISK: return move_on(file, fs_read_disk(file->offset, va, n));
    case READ_END: return pipe_read(file->pipe, va, n);
    case SOCKET: return socket_read(file->socket, va, n);
    default: return -1;
    }
}

int64_t file_write(struct file *file, uint64_t va, uint64_t n)
{
    switch (file->kind) {
    case CONSOLE: return console_write(va, n);
    case ON_DISK: return move_on(file, fs_write(file->inode, file->offset, va, n));
    case WRITE_END: return pipe_write(file->pipe, va, n);
    case SOCKET: return socket_write(file->socket, va, n);
    default: return -1;
    }
}

int64_t file_await(struct file *file, uint64_t deadline)
{
    return file->kind == SOCKET ? socket_await(file->socket, deadline) : -1;
}

int64_t file_seek(struct file *file, uint64_t offset)
{
    int64_t end = -1;

    if (file->kind == INITRD)
        end = (int64_t)file->initrd->size;
    else if (file->kind == ON_DISK)
        end = fs_size(file->inode);
    else if (file->kind == DISK)
        end = (int64_t)fs_disk_bytes();
    if (end >= 0)
        file->offset = offset == UINT64_MAX ? (uint64_t)end : offset & INT64_MAX;
    return end < 0 ? -1 : (int64_t)file->offset;
}
