/* In Ximilar's place: answers POST .../NAME with the file FOLDER/NAME, a fixed time after the request was whole.
 *
 *     upstream PORT DELAY_MS FOLDER
 *
 * One thread around epoll. Since every answer waits equally long, those that wait form a queue. Whatever else is
 * asked is answered 404 at once, as Ximilar's base address does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 8192, REQUEST_BYTES = 16384, EVENTS = 512 };

struct answer { const char *name; char *bytes; size_t size; };
struct connection { unsigned serial; size_t held; char request[REQUEST_BYTES]; };
struct waiting { int64_t due; int fd; unsigned serial; const struct answer *answer; };

static struct answer answers[] = {{"detect"}, {"classify"}, {"visualSearch"}};
static struct answer not_found = {"", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45};
static struct connection *connections[CONNECTIONS];
static struct waiting queue[CONNECTIONS];
static unsigned queue_first, queue_length;
static int64_t delay;
static int poller, timer;

static int64_t now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return moment.tv_sec * INT64_C(1000000000) + moment.tv_nsec;
}

static void load(struct answer *answer, const char *folder) {
    static char body[65536];
    char *path;
    if (asprintf(&path, "%s/%s.json", folder, answer->name) < 0) err(1, "asprintf");
    FILE *file = fopen(path, "r");
    if (!file) err(1, "%s", path);
    int length = (int)fread(body, 1, sizeof body, file);
    int size = asprintf(&answer->bytes,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%.*s",
                        length, length, body);
    if (size < 0) err(1, "asprintf");
    answer->size = (size_t)size;
    fclose(file);
    free(path);
}

static void drop(int fd) {
    connections[fd]->serial++; /* an answer that still waits for this connection is not sent to the next one */
    close(fd);
}

static void send_answer(int fd, const struct answer *answer) {
    if (send(fd, answer->bytes, answer->size, MSG_NOSIGNAL) != (ssize_t)answer->size) drop(fd);
}

static void wake_at(int64_t moment) {
    struct itimerspec when = {.it_value = {moment / 1000000000, moment % 1000000000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void answer_later(int fd, const struct answer *answer) {
    if (delay == 0 || answer == &not_found) {
        send_answer(fd, answer);
        return;
    }
    if (queue_length == CONNECTIONS) errx(1, "too many requests wait");
    struct waiting *waiting = &queue[(queue_first + queue_length++) % CONNECTIONS];
    *waiting = (struct waiting){now() + delay, fd, connections[fd]->serial, answer};
    if (queue_length == 1) wake_at(waiting->due);
}

static void send_what_is_due(void) {
    while (queue_length && queue[queue_first].due <= now()) {
        struct waiting waiting = queue[queue_first];
        queue_first = (queue_first + 1) % CONNECTIONS;
        queue_length--;
        if (connections[waiting.fd]->serial == waiting.serial) send_answer(waiting.fd, waiting.answer);
    }
    if (queue_length) wake_at(queue[queue_first].due);
}

static const struct answer *answer_to(const char *request) {
    const char *line_end = strstr(request, "\r\n"), *path_end = strchr(request + 5, ' ');
    if (strncmp(request, "POST ", 5) || !path_end || path_end > line_end) return &not_found;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        size_t length = strlen(answers[i].name);
        if ((size_t)(path_end - request) > length && !strncmp(path_end - length, answers[i].name, length))
            return &answers[i];
    }
    return &not_found;
}

/* The bytes of the first request held, body included; 0 while it is not whole. */
static size_t whole_request(const struct connection *from) {
    const char *end = strstr(from->request, "\r\n\r\n");
    if (!end) return 0;
    const char *length = strcasestr(from->request, "\r\ncontent-length:");
    size_t size = (size_t)(end - from->request) + 4 + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    return size <= from->held ? size : 0;
}

static void receive(int fd) {
    struct connection *from = connections[fd];
    ssize_t got = recv(fd, from->request + from->held, REQUEST_BYTES - 1 - from->held, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        drop(fd);
        return;
    }
    from->held += (size_t)got;
    from->request[from->held] = 0;
    size_t size = whole_request(from);
    if (!size) return;
    const struct answer *answer = answer_to(from->request);
    from->held -= size;
    memmove(from->request, from->request + size, from->held + 1);
    answer_later(fd, answer);
}

static void admit(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= CONNECTIONS) errx(1, "too many connections");
        if (!connections[fd] && !(connections[fd] = calloc(1, sizeof **connections))) err(1, "calloc");
        connections[fd]->held = 0;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
    }
}

static int listen_on(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) err(1, "port %d", port);
    return fd;
}

int main(int count, char **arguments) {
    if (count != 4) errx(2, "usage: upstream PORT DELAY_MS FOLDER");
    delay = (int64_t)(atof(arguments[2]) * 1e6);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) load(&answers[i], arguments[3]);
    int listener = listen_on(atoi(arguments[1]));
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &(struct epoll_event){.events = EPOLLIN, .data.fd = timer});
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, -1);
        uint64_t expirations;
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) admit(listener);
            else if (fd == timer) (void)!read(timer, &expirations, sizeof expirations);
            else receive(fd);
        }
        send_what_is_due();
    }
}
