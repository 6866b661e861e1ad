/* An echo server that is one thread around epoll(7): the best that an event loop does on one core.
 * A peer to measure against. Prints `listening on tcp://0.0.0.0:PORT`, serves until it is killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024, BACKLOG = 4096, EVENTS = 256 };

/* What one connection was sent and has not got back yet. While there is such, nothing more is read from it. */
struct client {
    int fd;
    char *due;
    size_t length, sent;
};

static int loop;
static char buffer[BUFFER];

static void watch(struct client *c, int what, int how)
{
    struct epoll_event event = {.events = what, .data.ptr = c};
    epoll_ctl(loop, how, c->fd, &event);
}

static void leave(struct client *c)
{
    close(c->fd);
    free(c->due);
    free(c);
}

/* Sends what it can. Returns what was sent, or -1 when the client has gone. */
static ssize_t push(int fd, const char *octets, size_t length)
{
    ssize_t n = write(fd, octets, length);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static void readable(struct client *c)
{
    ssize_t n = read(c->fd, buffer, BUFFER), sent;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || (sent = push(c->fd, buffer, n)) < 0) {
        leave(c);
    } else if (sent < n) {
        c->length = n - sent;
        c->sent = 0;
        if (!(c->due = malloc(c->length))) {
            leave(c);
            return;
        }
        memcpy(c->due, buffer + sent, c->length);
        watch(c, EPOLLOUT, EPOLL_CTL_MOD);
    }
}

static void writable(struct client *c)
{
    ssize_t n = push(c->fd, c->due + c->sent, c->length - c->sent);
    if (n < 0) {
        leave(c);
    } else if ((c->sent += n) == c->length) {
        free(c->due);
        c->due = NULL;
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void accept_all(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct client *c = calloc(1, sizeof *c);
        if (!c) {
            close(fd);
            continue;
        }
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct client door = {.fd = listener};
    signal(SIGPIPE, SIG_IGN);
    loop = epoll_create1(0);
    if (loop < 0 || listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, BACKLOG)
        || getsockname(listener, (struct sockaddr *)&address, &length)) {
        perror("epoll: listen");
        return 1;
    }
    watch(&door, EPOLLIN, EPOLL_CTL_ADD);
    printf("listening on tcp://0.0.0.0:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c == &door)
                accept_all(listener);
            else if (c->due)
                writable(c);
            else
                readable(c);
        }
    }
}
