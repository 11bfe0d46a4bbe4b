// System calls for the front, in types that Embedded Swift imports without the C library's module.
//
// Text is bytes that end in NUL. What fails returns the negated errno value unless something else is said.
#ifndef C_VAULT_FRONT_H
#define C_VAULT_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// An argument of the process, or NULL behind the last one.
const uint8_t *_Nullable front_argument(int index);

/// An environment variable, or NULL.
const uint8_t *_Nullable front_environment(const char *name);

uint32_t front_user(void);

/// Writes the working directory with its NUL to `buffer`.
bool front_working_directory(uint8_t *buffer, size_t capacity);

/// Puts something harmless behind standard descriptors that are closed, until the process becomes another program.
bool front_occupy_standard_streams(void);

/// Whether `path` itself is a directory of ours that nobody else may enter.
bool front_is_private_directory(const uint8_t *path);

/// Connects to a socket that is ours and whose listener runs as us, without waiting. Returns the descriptor.
int front_connect(const uint8_t *path);

/// No core dump, no tracing by the same user, until the process becomes another program.
int front_forbid_dumps(void);

/// Sends or receives what goes at once. 0 is the end.
intptr_t front_send(int socket, const uint8_t *bytes, size_t count);
intptr_t front_receive(int socket, uint8_t *bytes, size_t capacity);

/// Whether such a result says that nothing went at once.
bool front_is_again(intptr_t result);

/// Waits until the socket takes or has bytes. False if it does not within that time.
bool front_wait_to_send(int socket, int64_t milliseconds);
bool front_wait_to_receive(int socket, int64_t milliseconds);

/// Milliseconds of a clock that nobody sets.
int64_t front_now(void);

/// A reader that goes away, or a file that may not grow, is an error of `front_write` from now on.
void front_report_write_errors(void);

/// Writes all bytes. Returns 0 or a negated errno value.
int front_write(int descriptor, const uint8_t *bytes, size_t count);

const uint8_t *front_error_text(int number);

/// Keeps memory from being swapped out, as far as the limits of the process allow that.
void front_keep_in_memory(const uint8_t *bytes, size_t count);

/// Overwrites bytes, in a way that no optimiser leaves out.
void front_wipe(uint8_t *bytes, size_t count);

/// Writes the path of this program with a NUL to `buffer`. Returns its length.
intptr_t front_own_path(uint8_t *buffer, size_t capacity);

/// Becomes the program at `path` with the same arguments and the limits of before; returns if there is none.
void front_become(const uint8_t *path);

_Noreturn void front_exit(int status);

#pragma clang assume_nonnull end

#endif
