// What Swift cannot import from the C library: variadic calls and structures behind feature macros.
#ifndef C_VAULT_SYSTEM_H
#define C_VAULT_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Keeps how the process was started: its core limit, signal mask and ignored signals. To be called before anything below
/// changes them; `vault_become` gives them to the program that follows.
void vault_remember_start(void);

/// Becomes the program `arguments[0]`, looked up as execvp(3) does with the PATH in `variables`, as if whoever started
/// this process had started that one. Descriptors from 3 on for which `keeps` is false are closed on the way. Returns an
/// errno value, and only where there is no becoming it.
int vault_become(char *const arguments[], char *const variables[], const bool *keeps, int keeps_count);

/// Starts the program `arguments[0]` as `vault_become` becomes it, but without core dumps, and returns its process id, or a
/// negated errno value where it cannot be run. From then on SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 end this
/// process no more: those that somebody sends are passed on, those of the terminal reach the program by themselves.
int vault_start(char *const arguments[], char *const variables[], const bool *keeps, int keeps_count);

/// Lets programs that are started inherit a descriptor. Returns 0 or an errno value.
int vault_keep_open(int descriptor);

/// Waits for that program's end: its exit status, or the negated number of the signal that ended it.
int vault_wait(int process);

/// Ends this process by a signal, as a program ends that does nothing about it.
void vault_end_by(int number);

/// Whether a directory lies in memory and on no disk (tmpfs, ramfs).
bool vault_is_in_memory(const char *path);

/// Forbids core dumps and tracing by the same user. Returns 0, or an errno value.
int vault_forbid_dumps(void);

/// Takes back the signal handlers of Swift's crash backtracer, which prints registers and the memory they point at.
void vault_forbid_backtraces(void);

/// Tries for an exclusive open-file-description lock on `length` bytes at `offset`. Never waits.
/// Returns 0, EAGAIN while another description holds it, or another errno value.
int vault_try_lock_range(int descriptor, int64_t offset, int64_t length);

/// Frees all that the open file description has locked that way.
void vault_unlock_all(int descriptor);

/// Renames without replacing (renameat2 with RENAME_NOREPLACE). Returns 0 or an errno value.
int vault_rename_exclusive(const char *from, const char *to);

/// Puts each of two files in the place of the other (renameat2 with RENAME_EXCHANGE). Returns 0 or an errno value.
int vault_rename_exchange(const char *one, const char *other);

/// open(2) with a mode, which is variadic in C. Returns the descriptor, or the negated errno.
int vault_open(const char *path, int flags, unsigned mode);

/// pipe2(2) with O_CLOEXEC. Returns 0 or an errno value.
int vault_pipe(int descriptors[2]);

/// Puts SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGTSTP under the control of the next three functions. Those that are ignored
/// stay ignored; the others act as if nothing had been done, but while they are postponed.
void vault_gate_signals(void);

/// From now on, the gated signals wait. Calls nest; without `vault_gate_signals` nothing happens.
void vault_postpone_signals(void);

/// Ends one `vault_postpone_signals`; after the last one, what waited acts.
void vault_admit_signals(void);

/// Makes SIGINT, SIGTERM and SIGHUP write their number as one byte to `descriptor` instead of ending the process; -1 ends that.
void vault_report_interrupts(int descriptor);

/// accept4(2), close-on-exec and never blocking. Returns the descriptor, or the negated errno.
int vault_accept(int descriptor);

/// The process and user at the other end of a Unix socket (SO_PEERCRED). Returns 0 or an errno value.
int vault_peer(int descriptor, int32_t *process, uint32_t *user);

/// Gives memory that is free back to the kernel: malloc_trim(3), for which the Glibc module has no header.
void vault_return_memory(void);

/// Whether the bytes contain the word: memmem(3), which the Glibc module leaves out.
bool vault_contains(const void *bytes, size_t count, const void *word, size_t length);

#endif
