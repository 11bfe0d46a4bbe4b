#define _GNU_SOURCE
#include "CVaultFront.h"
#include "CVaultSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int argument_count;
static char **arguments;
static struct rlimit core_limit;
static bool is_core_limited;

// Embedded Swift keeps no arguments; glibc hands them to constructors too.
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
    argument_count = count;
    arguments = values;
}

const uint8_t *front_argument(int index) {
    return index >= 0 && index < argument_count ? (const uint8_t *)arguments[index] : NULL;
}

const uint8_t *front_environment(const char *name) { return (const uint8_t *)getenv(name); }

uint32_t front_user(void) { return geteuid(); }

bool front_working_directory(uint8_t *buffer, size_t capacity) { return getcwd((char *)buffer, capacity) != NULL; }

bool front_occupy_standard_streams(void) {
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int descriptor = 0; descriptor < 3; descriptor++) {
        if (fcntl(descriptor, F_GETFD) >= 0) continue;
        // In order, so that each gets the lowest free number, its own.
        if (open("/dev/null", modes[descriptor] | O_CLOEXEC) != descriptor) return false;
    }
    return true;
}

bool front_is_private_directory(const uint8_t *path) {
    struct stat status;
    return lstat((const char *)path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid()
        && (status.st_mode & 077) == 0;
}

int front_connect(const uint8_t *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen((const char *)path);
    if (length >= sizeof address.sun_path) return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    struct stat status;
    if (stat((const char *)path, &status) != 0) return -errno;
    if (!S_ISSOCK(status.st_mode) || status.st_uid != geteuid()) return -EPERM;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    struct ucred peer;
    socklen_t size = sizeof peer;
    int result = 0;
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0
        || getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        result = -errno;
    } else if (size != sizeof peer || peer.uid != geteuid()) {
        result = -EPERM;
    }
    if (result == 0) return descriptor;
    close(descriptor);
    return result;
}

int front_forbid_dumps(void) {
    is_core_limited = getrlimit(RLIMIT_CORE, &core_limit) == 0;
    return -vault_forbid_dumps();
}

intptr_t front_send(int socket, const uint8_t *bytes, size_t count) {
    ssize_t sent;
    do {
        sent = send(socket, bytes, count, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

intptr_t front_receive(int socket, uint8_t *bytes, size_t capacity) {
    ssize_t received;
    do {
        received = recv(socket, bytes, capacity, 0);
    } while (received < 0 && errno == EINTR);
    return received < 0 ? -errno : received;
}

bool front_is_again(intptr_t result) { return result == -EAGAIN || result == -EWOULDBLOCK; }

static bool wait_for(int socket, short event, int64_t milliseconds) {
    int64_t end = front_now() + milliseconds;
    struct pollfd one = {.fd = socket, .events = event};
    int ready;
    while ((ready = poll(&one, 1, milliseconds > 0 ? (int)milliseconds : 0)) < 0 && errno == EINTR) {
        milliseconds = end - front_now();
    }
    return ready > 0;
}

bool front_wait_to_send(int socket, int64_t milliseconds) { return wait_for(socket, POLLOUT, milliseconds); }

bool front_wait_to_receive(int socket, int64_t milliseconds) { return wait_for(socket, POLLIN, milliseconds); }

int64_t front_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void front_report_write_errors(void) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

int front_write(int descriptor, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(descriptor, bytes, count);
        if (written < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

const uint8_t *front_error_text(int number) { return (const uint8_t *)strerror(number); }

void front_keep_in_memory(const uint8_t *bytes, size_t count) { mlock(bytes, count); }

void front_wipe(uint8_t *bytes, size_t count) { explicit_bzero(bytes, count); }

intptr_t front_own_path(uint8_t *buffer, size_t capacity) {
    ssize_t length = readlink("/proc/self/exe", (char *)buffer, capacity - 1);
    if (length < 0) return -errno;
    buffer[length] = 0;
    return length;
}

void front_become(const uint8_t *path) {
    // The dumpable flag comes back by itself.
    if (is_core_limited) setrlimit(RLIMIT_CORE, &core_limit);
    execv((const char *)path, arguments);
}

void front_exit(int status) { _exit(status); }
