#define _GNU_SOURCE
#include "CVaultSystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    bool known;
    bool has_core;
    struct rlimit core;
    sigset_t mask;
    bool ignored[NSIG];
} start;

void vault_remember_start(void) {
    start.has_core = getrlimit(RLIMIT_CORE, &start.core) == 0;
    pthread_sigmask(SIG_SETMASK, NULL, &start.mask);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        start.ignored[number] = sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
    }
    start.known = true;
}

// Marks what was opened since the start as closed by exec; the network library opens sockets without that.
static void close_others(const bool *keeps, int keeps_count) {
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) return;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        int descriptor = atoi(entry->d_name);
        if (descriptor < 3 || (descriptor < keeps_count && keeps[descriptor])) continue;
        fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    }
    closedir(directory);
}

int vault_become(char *const arguments[], char *const variables[], const bool *keeps, int keeps_count) {
    close_others(keeps, keeps_count);
    if (start.known) {
        if (start.has_core) setrlimit(RLIMIT_CORE, &start.core);
        for (int number = 1; number < NSIG; number++) {
            // Those of the C library itself refuse, and are nobody's.
            struct sigaction action = {.sa_handler = start.ignored[number] ? SIG_IGN : SIG_DFL};
            sigaction(number, &action, NULL);
        }
        // The threads of a pool block signals, and the mask of the one that calls is what the program gets.
        pthread_sigmask(SIG_SETMASK, &start.mask, NULL);
    }
    environ = (char **)variables;
    execvp(arguments[0], arguments);
    return errno;
}

static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
enum { passed_count = sizeof passed / sizeof *passed };

static atomic_int started;
/* What came before there was a program to pass it to. */
static atomic_int early;

static void pass_on(int number, siginfo_t *info, void *context) {
    (void)context;
    int saved = errno;
    int process = atomic_load(&started);
    // What the terminal sends, it sends to the whole group.
    if (info->si_code <= 0 && info->si_pid != process) {
        if (process > 0)
            kill(process, number);
        else
            atomic_store(&early, number);
    }
    errno = saved;
}

int vault_start(char *const arguments[], char *const variables[], const bool *keeps, int keeps_count) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return -errno;
    // Before the fork: what reads a directory may not run after it.
    close_others(keeps, keeps_count);
    // Before the fork: a program that is up may be sent a signal at once, and any thread of this process can be the one
    // that gets it.
    atomic_store(&early, 0);
    for (unsigned index = 0; index < passed_count; index++) {
        struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_RESTART | SA_SIGINFO};
        sigemptyset(&action.sa_mask);
        struct sigaction current;
        if (sigaction(passed[index], NULL, &current) == 0 && current.sa_handler == SIG_IGN) continue;
        sigaction(passed[index], &action, NULL);
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t process = fork();
    if (process == 0) {
        if (start.known) {
            for (int number = 1; number < NSIG; number++) {
                struct sigaction action = {.sa_handler = start.ignored[number] ? SIG_IGN : SIG_DFL};
                sigaction(number, &action, NULL);
            }
            pthread_sigmask(SIG_SETMASK, &start.mask, NULL);
        }
        environ = (char **)variables;
        execvp(arguments[0], arguments);
        int failure = errno;
        ssize_t ignored = write(report[1], &failure, sizeof failure);
        (void)ignored;
        _exit(127);
    }
    int failure = process < 0 ? errno : 0;
    close(report[1]);
    if (process > 0) {
        ssize_t count;
        do {
            count = read(report[0], &failure, sizeof failure);
        } while (count < 0 && errno == EINTR);
        if (count != sizeof failure) {
            failure = 0;
            atomic_store(&started, process);
            int number = atomic_exchange(&early, 0);
            if (number != 0) kill(process, number);
        } else {
            while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {}
        }
    }
    close(report[0]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure != 0 ? -failure : process;
}

int vault_keep_open(int descriptor) { return fcntl(descriptor, F_SETFD, 0) == 0 ? 0 : errno; }

int vault_wait(int process) {
    int status;
    pid_t ended;
    do {
        ended = waitpid(process, &status, 0);
    } while (ended < 0 && errno == EINTR);
    // Its number may be another's from here on.
    atomic_store(&started, 0);
    if (ended < 0) return 127;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void vault_end_by(int number) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    kill(getpid(), number);
    // SIGCHLD and the like end nobody.
    _exit(128 + number);
}

bool vault_is_in_memory(const char *path) {
    struct statfs system;
    if (statfs(path, &system) != 0) return false;
    unsigned long type = (unsigned long)system.f_type & 0xFFFFFFFFul;
    return type == 0x01021994ul || type == 0x858458F6ul;
}

int vault_forbid_dumps(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0) return errno;
    // Only the soft limit: children of `exec`, `run` and the browser get the original one back.
    limit.rlim_cur = 0;
    if (setrlimit(RLIMIT_CORE, &limit) != 0) return errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno;
    return 0;
}

void vault_forbid_backtraces(void) {
    static const int crashes[] = {SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    for (unsigned index = 0; index < sizeof crashes / sizeof *crashes; index++) {
        struct sigaction action;
        // What whoever started this ignores (a shell SIGQUIT, for what runs in the background) stays ignored.
        if (sigaction(crashes[index], NULL, &action) == 0 && action.sa_handler == SIG_IGN) continue;
        signal(crashes[index], SIG_DFL);
    }
}

int vault_try_lock_range(int descriptor, int64_t offset, int64_t length) {
    struct flock range = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = offset,
        .l_len = length,
        .l_pid = 0, // required by OFD locks
    };
    int result;
    do {
        result = fcntl(descriptor, F_OFD_SETLK, &range);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return 0;
    return errno == EACCES ? EAGAIN : errno;
}

void vault_unlock_all(int descriptor) {
    struct flock range = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    (void)fcntl(descriptor, F_OFD_SETLK, &range);
}

int vault_rename_exclusive(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;
}

int vault_rename_exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0 ? 0 : errno;
}

int vault_open(const char *path, int flags, unsigned mode) {
    int descriptor;
    do {
        descriptor = open(path, flags, mode);
    } while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
}

int vault_pipe(int descriptors[2]) {
    return pipe2(descriptors, O_CLOEXEC) == 0 ? 0 : errno;
}

static const int gated[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { gated_count = sizeof gated / sizeof *gated };

static atomic_int gate_closed;
static atomic_int gate_waiting[gated_count];
static atomic_int gate_reports = -1;

static void gate_act(int number);

static void gate_handler(int number) {
    int saved = errno;
    int reports = atomic_load(&gate_reports);
    if (atomic_load(&gate_closed) > 0) {
        for (unsigned index = 0; index < gated_count; index++) {
            if (gated[index] == number) atomic_store(&gate_waiting[index], 1);
        }
    } else if (reports >= 0 && (number == SIGINT || number == SIGTERM || number == SIGHUP)) {
        unsigned char byte = (unsigned char)number;
        // A full pipe has been told already.
        ssize_t ignored = write(reports, &byte, 1);
        (void)ignored;
    } else {
        gate_act(number);
    }
    errno = saved;
}

static void gate_install(int number) {
    struct sigaction action = {.sa_handler = gate_handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

// What the signal does by default: ends the process, or stops it until it is continued.
static void gate_act(int number) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    signal(number, SIG_DFL);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    gate_install(number);
}

void vault_gate_signals(void) {
    for (unsigned index = 0; index < gated_count; index++) {
        struct sigaction current;
        if (sigaction(gated[index], NULL, &current) == 0 && current.sa_handler == SIG_IGN) continue;
        gate_install(gated[index]);
    }
}

// Lets a signal act here and now. The threads of a pool block all signals: raised on one of them as it is, a signal
// would stay pending for that thread and never act.
static void gate_raise(int number) {
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, &before);
    raise(number);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void vault_postpone_signals(void) { atomic_fetch_add(&gate_closed, 1); }

void vault_admit_signals(void) {
    if (atomic_fetch_sub(&gate_closed, 1) != 1) return;
    // A signal between the line above and this loop acts by itself; none acts twice.
    for (unsigned index = 0; index < gated_count; index++) {
        if (atomic_exchange(&gate_waiting[index], 0)) gate_raise(gated[index]);
    }
}

void vault_report_interrupts(int descriptor) { atomic_store(&gate_reports, descriptor); }

int vault_peer(int descriptor, int32_t *process, uint32_t *user) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return errno;
    *process = peer.pid;
    *user = peer.uid;
    return 0;
}

int vault_accept(int descriptor) {
    int client = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return client < 0 ? -errno : client;
}

void vault_return_memory(void) { malloc_trim(0); }

bool vault_contains(const void *bytes, size_t count, const void *word, size_t length) {
    return memmem(bytes, count, word, length) != NULL;
}
