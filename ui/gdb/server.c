/* server.c - the sockets: one listener on this host, one client at a time.  Nothing here waits for a client
 * that does not read or write. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session.h"

#define UNREAD_MAX ((size_t)1 << 16)

static bool make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static enum rs_status bind_and_listen(struct gdb *g, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t n = sizeof address;
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(g->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(g->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(g->listener, 4) != 0 ||
        getsockname(g->listener, (struct sockaddr *)&address, &n) != 0 || !make_nonblocking(g->listener))
        return RS_FAILED;
    g->port = ntohs(address.sin_port);
    return RS_OK;
}

enum rs_status server_listen(struct gdb *g, uint16_t port, struct rs_error *err)
{
    g->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (g->listener >= 0 && bind_and_listen(g, port) == RS_OK)
        return RS_OK;
    int why = errno;
    if (g->listener >= 0)
        close(g->listener);
    g->listener = -1;
    return rs_fail(err, "--gdb %u: the port cannot be had: %s; take another, or 0 for any that is free", port,
                   strerror(why));
}

/* ---- the client ---- */

void server_hang_up(struct gdb *g)
{
    if (g->client >= 0)
        close(g->client);
    g->client = -1;
    g->unread.n = g->out.n = g->last.n = 0;
}

void server_close(struct gdb *g)
{
    close(g->listener);
    g->listener = -1;
}

static bool take_client(struct gdb *g)
{
    int yes = 1, fd = accept(g->listener, NULL, NULL);
    if (fd < 0)
        return false;
    if (g->client >= 0 || !make_nonblocking(fd)) { /* one at a time */
        close(fd);
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    g->client = fd;
    return true;
}

static void lose_client(struct gdb *g)
{
    server_hang_up(g);
    motion_forget(g, false);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static void read_client(struct gdb *g)
{
    char bytes[4096];
    ssize_t n = recv(g->client, bytes, sizeof bytes, 0);
    if (n > 0)
        bytes_add(&g->unread, bytes, (size_t)n);
    else if (n == 0 || !would_block())
        lose_client(g);
}

void server_flush(struct gdb *g)
{
    while (g->client >= 0 && g->out.n) {
        ssize_t n = send(g->client, g->out.at, g->out.n, MSG_NOSIGNAL);
        if (n > 0)
            bytes_drop(&g->out, (size_t)n);
        else if (would_block() && g->out.n < OUT_MAX)
            return;
        else
            lose_client(g);
    }
}

bool server_serve(struct gdb *g, int milliseconds, int fd)
{
    bool room = g->unread.n < UNREAD_MAX;
    struct pollfd fds[3] = {
        {.fd = g->listener, .events = POLLIN},
        {.fd = g->client, .events = (short)((room ? POLLIN : 0) | (g->out.n ? POLLOUT : 0))},
        {.fd = fd, .events = POLLIN},
    };
    if (poll(fds, 3, milliseconds) <= 0)
        return false;
    if (fds[1].revents & POLLOUT)
        server_flush(g);
    if (g->client >= 0 && room && fds[1].revents & (POLLIN | POLLHUP | POLLERR))
        read_client(g);
    return fds[0].revents & POLLIN && take_client(g);
}
