/* An echo server with a thread per connection: the same idea as bin/ch03/echo_server.rs, with as little as C allows.
 * A peer to measure against. Prints `listening on tcp://0.0.0.0:PORT`, or `listening on unix://PATH` when it is started with a
 * path; serves until it is killed. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024, STACK = 128 * 1024, BACKLOG = 4096 };

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg, one = 1;
    char *buffer = malloc(BUFFER);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ssize_t n;
    while (buffer && (n = read(fd, buffer, BUFFER)) > 0) {
        ssize_t sent = 0, m;
        while (sent < n && (m = write(fd, buffer + sent, n - sent)) > 0)
            sent += m;
        if (sent < n)
            break;
    }
    free(buffer);
    close(fd);
    return NULL;
}

static int listen_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, BACKLOG)
        || getsockname(listener, (struct sockaddr *)&address, &length))
        return -1;
    printf("listening on tcp://0.0.0.0:%d\n", ntohs(address.sin_port));
    return listener;
}

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG))
        return -1;
    printf("listening on unix://%s\n", path);
    return listener;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    int listener = argc > 1 ? listen_unix(argv[1]) : listen_tcp();
    if (listener < 0) {
        perror("threads: listen");
        return 1;
    }
    fflush(stdout);

    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            perror("threads: accept");
            return 1;
        }
        if (pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd))
            close(fd);
    }
}
