/*
 * Records what a process does to the files of a ledger: preloaded with LD_PRELOAD, it writes one line to the file
 * WRITE_RECORD for each call that changes or syncs a file whose path begins with WRITE_RECORD_OF:
 *
 *   create NAME | write NAME OFFSET HEX | truncate NAME LENGTH | sync NAME | unlink NAME
 *
 * While the file WRITE_RECORD_FAILS exists, the next sync of the -wal file fails, removes it and is recorded as
 *
 *   lost NAME
 *
 * because the system takes the pages for written then, and no later sync writes them.
 *
 * NAME is what follows in the path, or `database`, or `folder`. A line is written before the call returns, so that the order is that of the calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;

/* What follows WRITE_RECORD_OF in a path; NULL where the path is another one. */
static const char *name_in(const char *path) {
  const char *prefix = getenv("WRITE_RECORD_OF");
  if (!prefix) return NULL;
  size_t length = strlen(prefix);
  if (strncmp(path, prefix, strlen(path)) == 0 && prefix[strlen(path)] == '/') return "folder";
  if (strncmp(path, prefix, length) != 0) return NULL;
  static const char *const names[] = {"", "-wal", "-journal", ".mark", ".told"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(path + length, names[i]) == 0) return i == 0 ? "database" : names[i];
  return NULL;
}

static const char *name_of(int fd, char path[4096]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, 4095);
  if (length < 0) return NULL;
  path[length] = '\0';
  return name_in(path);
}

static void record(const char *line, size_t length) {
  const char *path = getenv("WRITE_RECORD");
  pthread_mutex_lock(&recording);
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0 || syscall(SYS_write, fd, line, length) != (long)length) abort();
  syscall(SYS_close, fd);
  pthread_mutex_unlock(&recording);
}

static void record_event(const char *event, const char *name, long long number) {
  char line[4200];
  int length = snprintf(line, sizeof line, "%s %s %lld\n", event, name, number);
  record(line, (size_t)length);
}

static void record_write(const char *name, const unsigned char *bytes, size_t count, long long offset) {
  char *line = malloc(2 * count + 4200);
  int length = sprintf(line, "write %s %lld ", name, offset);
  for (size_t i = 0; i < count; i++) length += sprintf(line + length, "%02x", bytes[i]);
  line[length++] = '\n';
  record(line, (size_t)length);
  free(line);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  char path[4096];
  const char *name = name_of(fd, path);
  ssize_t written = syscall(SYS_pwrite64, fd, bytes, count, offset);
  if (name && written > 0) record_write(name, bytes, (size_t)written, offset);
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  return pwrite64(fd, bytes, count, offset);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  char path[4096];
  const char *name = name_of(fd, path);
  ssize_t written = syscall(SYS_write, fd, bytes, count);
  /* Where an appending write began is known afterwards only. */
  if (name && written > 0) record_write(name, bytes, (size_t)written, lseek(fd, 0, SEEK_CUR) - written);
  return written;
}

int ftruncate64(int fd, off64_t length) {
  char path[4096];
  const char *name = name_of(fd, path);
  int result = (int)syscall(SYS_ftruncate, fd, length);
  if (name && result == 0) record_event("truncate", name, length);
  return result;
}

int ftruncate(int fd, off_t length) {
  return ftruncate64(fd, length);
}

int fsync(int fd) {
  char path[4096];
  const char *name = name_of(fd, path);
  const char *fails = getenv("WRITE_RECORD_FAILS");
  if (name && fails && strcmp(name, "-wal") == 0 && unlink(fails) == 0) {
    record_event("lost", name, 0);
    errno = EIO;
    return -1;
  }
  int result = (int)syscall(SYS_fsync, fd);
  if (name && result == 0) record_event("sync", name, 0);
  return result;
}

int fdatasync(int fd) {
  return fsync(fd);
}

int unlink(const char *path) {
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  const char *name = name_in(path);
  if (name && result == 0) record_event("unlink", name, 0);
  return result;
}

static int opened(const char *path, int flags, mode_t mode) {
  const char *name = name_in(path);
  int isNew = name && (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  if (isNew && fd >= 0) record_event("create", name, 0);
  return fd;
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags, mode);
}
