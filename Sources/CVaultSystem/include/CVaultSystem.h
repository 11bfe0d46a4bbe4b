// What Swift cannot import from the C library: variadic calls and structures behind feature macros.
#ifndef C_VAULT_SYSTEM_H
#define C_VAULT_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/// Forbids core dumps and tracing by the same user. Returns 0, or an errno value.
int vault_forbid_dumps(void);

/// Takes back the signal handlers of Swift's crash backtracer, which prints registers and the memory they point at.
void vault_forbid_backtraces(void);

/// Tries for an exclusive open-file-description lock on `length` bytes at `offset`. Never waits.
/// Returns 0, EAGAIN while another description holds it, or another errno value.
int vault_try_lock_range(int descriptor, int64_t offset, int64_t length);

/// Renames without replacing (renameat2 with RENAME_NOREPLACE). Returns 0 or an errno value.
int vault_rename_exclusive(const char *from, const char *to);

/// open(2) with a mode, which is variadic in C. Returns the descriptor, or the negated errno.
int vault_open(const char *path, int flags, unsigned mode);

/// pipe2(2) with O_CLOEXEC. Returns 0 or an errno value.
int vault_pipe(int descriptors[2]);

#endif
