// Runs a program and makes its Nth call that touches files below a directory fail, or kills it before that call.
//
//   vault-test-injector --under DIR [--calls change|io|sync|protocol] [--at N [--from]] [--error ERRNO] --log FILE
//     -- PROGRAM …
//   vault-test-injector --stop-at-port PORT [--at N] --log FILE -- PROGRAM …
//
// The second form stops the program, as SIGSTOP does, in its Nth (first) call that connects to that port: before a byte is
// sent there. SIGCONT to the process (its number stands in the log, `started PID`) lets it go on.
//
// `protocol` counts the calls that change files, and those that connect, write to and read from sockets. Without --at it only counts. Without --error the program is killed; with --from every call from the Nth on fails.
// FILE gets a line for each call counted, `N NAME PATH`, and `hit` where the program was interfered with. The exit status
// is the program's, or 128 and the signal; 125 is a failure of this program, 77 a machine it does not know.
//
// strace can inject too, but counts for each thread and each call apart, and a Swift program does its work on whichever
// thread is free: "the fifth write of a thread" is a different one in every run, and some are never reached. Here one
// number counts them all, in the order in which the kernel sees them.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__

int main(void) {
    fputs("vault-test-injector: this machine's system calls are not known here\n", stderr);
    return 77;
}

#else

enum { BY_PATH, BY_DESCRIPTOR, BY_SECOND_PATH };
enum { CHANGE = 1, IO = 2, SYNC = 4, NETWORK = 8 };

static const struct call {
    int number;
    const char *name;
    int argument;
    int groups;
} calls[] = {
    {SYS_openat, "openat", BY_SECOND_PATH, CHANGE | IO},
    {SYS_open, "open", BY_PATH, CHANGE | IO},
    {SYS_write, "write", BY_DESCRIPTOR, CHANGE | IO | NETWORK},
    {SYS_writev, "writev", BY_DESCRIPTOR, CHANGE | IO | NETWORK},
    {SYS_pwrite64, "pwrite64", BY_DESCRIPTOR, CHANGE | IO},
    {SYS_fsync, "fsync", BY_DESCRIPTOR, CHANGE | IO | SYNC},
    {SYS_fdatasync, "fdatasync", BY_DESCRIPTOR, CHANGE | IO | SYNC},
    {SYS_rename, "rename", BY_PATH, CHANGE | IO},
    {SYS_renameat, "renameat", BY_SECOND_PATH, CHANGE | IO},
    {SYS_renameat2, "renameat2", BY_SECOND_PATH, CHANGE | IO},
    {SYS_unlink, "unlink", BY_PATH, CHANGE | IO},
    {SYS_unlinkat, "unlinkat", BY_SECOND_PATH, CHANGE | IO},
    {SYS_rmdir, "rmdir", BY_PATH, CHANGE | IO},
    {SYS_mkdir, "mkdir", BY_PATH, CHANGE | IO},
    {SYS_mkdirat, "mkdirat", BY_SECOND_PATH, CHANGE | IO},
    {SYS_link, "link", BY_PATH, CHANGE | IO},
    {SYS_linkat, "linkat", BY_SECOND_PATH, CHANGE | IO},
    {SYS_symlink, "symlink", BY_PATH, CHANGE | IO},
    {SYS_truncate, "truncate", BY_PATH, CHANGE | IO},
    {SYS_ftruncate, "ftruncate", BY_DESCRIPTOR, CHANGE | IO},
    {SYS_fallocate, "fallocate", BY_DESCRIPTOR, CHANGE | IO},
    {SYS_chmod, "chmod", BY_PATH, CHANGE | IO},
    {SYS_fchmod, "fchmod", BY_DESCRIPTOR, CHANGE | IO},
    {SYS_read, "read", BY_DESCRIPTOR, IO | NETWORK},
    {SYS_pread64, "pread64", BY_DESCRIPTOR, IO},
    {SYS_fcntl, "fcntl", BY_DESCRIPTOR, IO},
    {SYS_fstat, "fstat", BY_DESCRIPTOR, IO},
    {SYS_stat, "stat", BY_PATH, IO},
    {SYS_lstat, "lstat", BY_PATH, IO},
    {SYS_newfstatat, "newfstatat", BY_SECOND_PATH, IO},
    {SYS_getdents64, "getdents64", BY_DESCRIPTOR, IO},
    {SYS_connect, "connect", BY_DESCRIPTOR, NETWORK},
    {SYS_sendto, "sendto", BY_DESCRIPTOR, NETWORK},
    {SYS_sendmsg, "sendmsg", BY_DESCRIPTOR, NETWORK},
    {SYS_recvfrom, "recvfrom", BY_DESCRIPTOR, NETWORK},
    {SYS_recvmsg, "recvmsg", BY_DESCRIPTOR, NETWORK},
    {SYS_readv, "readv", BY_DESCRIPTOR, NETWORK},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

static void fail(const char *what) {
    fprintf(stderr, "vault-test-injector: %s: %s\n", what, strerror(errno));
    exit(125);
}

static const struct call *find(long number) {
    for (int index = 0; index < CALLS; index++)
        if (calls[index].number == number) return &calls[index];
    return NULL;
}

// Stops the tracee before the calls of the group, and lets all others run at full speed.
static void filter(int group) {
    struct sock_filter program[2 * CALLS + 4];
    unsigned short length = 0;
    program[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int index = 0; index < CALLS; index++) {
        if (!(calls[index].groups & group)) continue;
        program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[index].number, 0, 1);
        program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog whole = {length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) != 0) fail("seccomp");
}

static void read_string(pid_t thread, uint64_t address, char *text, size_t size) {
    size_t length = 0;
    while (length + sizeof(long) < size) {
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, thread, address + length, NULL);
        if (errno != 0) break;
        memcpy(text + length, &word, sizeof word);
        if (memchr(&word, 0, sizeof word)) return;
        length += sizeof word;
    }
    text[length] = 0;
}

static void path_of(pid_t thread, const struct call *call, const struct user_regs_struct *registers, char *path) {
    path[0] = 0;
    if (call->argument != BY_DESCRIPTOR) {
        read_string(thread, call->argument == BY_PATH ? registers->rdi : registers->rsi, path, PATH_MAX);
        if (path[0] != 0) return;
    }
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, (int)registers->rdi);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
}

// Whether the call can change what is on the disk: an open that only reads cannot.
static int changes(const struct call *call, const struct user_regs_struct *registers) {
    if (call->number != SYS_openat && call->number != SYS_open) return 1;
    uint64_t flags = call->number == SYS_openat ? registers->rdx : registers->rsi;
    return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
}

static int counts(const struct call *call, int group, const struct user_regs_struct *registers, const char *path,
                  const char *under) {
    if (call->groups & group & NETWORK && strncmp(path, "socket:", 7) == 0) return 1;
    if (!(call->groups & group & ~NETWORK)) return 0;
    if (group & CHANGE && !changes(call, registers)) return 0;
    return strncmp(path, under, strlen(under)) == 0;
}

// Whether a call connects to that port.
static int connects_to(pid_t thread, const struct call *call, const struct user_regs_struct *registers, long port) {
    if (call->number != SYS_connect) return 0;
    errno = 0;
    // The family and the port of either kind of address are its first four bytes.
    long word = ptrace(PTRACE_PEEKDATA, thread, registers->rsi, NULL);
    if (errno != 0) return 0;
    struct sockaddr_in address;
    memcpy(&address, &word, sizeof word);
    return (address.sin_family == AF_INET || address.sin_family == AF_INET6) && ntohs(address.sin_port) == port;
}

int main(int count, char **arguments) {
    const char *under = NULL, *log_path = NULL;
    int group = CHANGE, error = 0, from = 0, index = 1;
    long at = 0, stop_port = 0;
    for (; index < count && strcmp(arguments[index], "--") != 0; index++) {
        const char *value = index + 1 < count ? arguments[index + 1] : "";
        if (!strcmp(arguments[index], "--from")) { from = 1; continue; }
        if (!strcmp(arguments[index], "--under")) under = value;
        else if (!strcmp(arguments[index], "--log")) log_path = value;
        else if (!strcmp(arguments[index], "--stop-at-port")) {
            stop_port = atol(value);
            group = NETWORK;
            under = "";
        } else if (!strcmp(arguments[index], "--at")) at = atol(value);
        else if (!strcmp(arguments[index], "--error")) error = atoi(value);
        else if (!strcmp(arguments[index], "--calls"))
            group = !strcmp(value, "io") ? IO : !strcmp(value, "sync") ? SYNC
                : !strcmp(value, "protocol") ? CHANGE | NETWORK : CHANGE;
        else { errno = EINVAL; fail(arguments[index]); }
        index++;
    }
    if (!under || !log_path || index + 1 >= count) { errno = EINVAL; fail("arguments"); }
    FILE *log = fopen(log_path, "we");
    if (!log) fail(log_path);
    // Whoever waits for a call sees its line at once.
    setvbuf(log, NULL, _IOLBF, 0);

    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        // Only one who is seized can be stopped and continued by others as if nobody traced it.
        if (!stop_port && ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) fail("ptrace");
        raise(SIGSTOP);
        filter(group);
        execvp(arguments[index + 1], arguments + index + 1);
        fail(arguments[index + 1]);
    }
    int status;
    if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) fail("wait");
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
        | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (stop_port) {
        if (ptrace(PTRACE_SEIZE, child, NULL, options) != 0) fail("ptrace");
        fprintf(log, "started %d\n", (int)child);
        if (at == 0) at = 1;
        kill(child, SIGCONT);
    } else {
        if (ptrace(PTRACE_SETOPTIONS, child, NULL, options) != 0) fail("ptrace options");
        ptrace(PTRACE_CONT, child, NULL, 0);
    }

    long counted = 0;
    int result = 125;
    char path[PATH_MAX];
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) {
            if (errno == EINTR) continue;
            break;
        }
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        if (event == PTRACE_EVENT_SECCOMP) {
            struct user_regs_struct registers;
            if (ptrace(PTRACE_GETREGS, thread, NULL, &registers) == 0) {
                const struct call *call = find((long)registers.orig_rax);
                if (call && stop_port) {
                    if (connects_to(thread, call, &registers, stop_port) && ++counted == at) {
                        fprintf(log, "hit %ld %s %ld\n", counted, call->name, stop_port);
                        // To this very thread: it is taken before the call returns, and then all of them stop.
                        syscall(SYS_tgkill, child, thread, SIGSTOP);
                    }
                } else if (call) {
                    path_of(thread, call, &registers, path);
                    if (counts(call, group, &registers, path, under)) {
                        counted++;
                        fprintf(log, "%ld %s %s\n", counted, call->name, path);
                        int hit = at > 0 && (counted == at || (from && counted > at));
                        if (hit) fprintf(log, "hit %ld %s %s\n", counted, call->name, path);
                        if (hit && error == 0) {
                            kill(child, SIGKILL);
                            continue;
                        }
                        if (hit) {
                            registers.orig_rax = (unsigned long long)-1;
                            registers.rax = (unsigned long long)-error;
                            ptrace(PTRACE_SETREGS, thread, NULL, &registers);
                        }
                    }
                }
            }
            ptrace(PTRACE_CONT, thread, NULL, 0);
        } else if (stop_port && event == PTRACE_EVENT_STOP && (signal == SIGSTOP || signal == SIGTSTP)) {
            ptrace(PTRACE_LISTEN, thread, NULL, 0);
        } else if (stop_port && event == 0) {
            ptrace(PTRACE_CONT, thread, NULL, signal);
        } else if (event != 0 || signal == SIGSTOP || signal == SIGTRAP) {
            ptrace(PTRACE_CONT, thread, NULL, 0);
        } else {
            ptrace(PTRACE_CONT, thread, NULL, signal);
        }
    }
    fclose(log);
    return result;
}

#endif
