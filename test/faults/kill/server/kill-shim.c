/*
 * Kills its process at a system call: preloaded with LD_PRELOAD, it stands before the calls of libc that change a file
 * or put it on disk. KILL_CALL says at which one, as four words:
 *
 *   write|sync|truncate  which kind of call
 *   SUFFIX               the end of the file's name, such as .db or .db-wal
 *   N                    at the Nth such call
 *   before|half|after    before it, after the first half of its bytes, or after it
 *
 * KILL_POINT is appended to the file KILL_HITS, before the kill.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char kind[16], suffix[64], when[16];
static long nth, calls;

/* Processes that this one starts are spared. */
__attribute__((constructor)) static void read_variables(void) {
  const char *text = getenv("KILL_CALL");
  if (!text || sscanf(text, "%15s %63s %ld %15s", kind, suffix, &nth, when) != 4) nth = 0;
  unsetenv("LD_PRELOAD");
}

static int is_named(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  size_t end = strlen(suffix);
  return length >= (ssize_t)end && memcmp(path + length - end, suffix, end) == 0;
}

/* Whether this is the call to be killed at. */
static int is_due(const char *this_kind, int fd) {
  if (nth == 0 || strcmp(kind, this_kind) != 0 || !is_named(fd)) return 0;
  return __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) == nth;
}

static void die(void) {
  const char *point = getenv("KILL_POINT"), *hits = getenv("KILL_HITS");
  int fd = hits ? open(hits, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
  if (fd < 0 || !point) abort();
  char line[128];
  int length = snprintf(line, sizeof line, "%s\n", point);
  if (syscall(SYS_write, fd, line, (size_t)length) != length) abort();
  kill(getpid(), SIGKILL);
}

static ssize_t write_at(int fd, const void *buffer, size_t count, off64_t offset) {
  if (!is_due("write", fd)) return syscall(SYS_pwrite64, fd, buffer, count, offset);
  if (strcmp(when, "half") == 0) syscall(SYS_pwrite64, fd, buffer, count / 2, offset);
  if (strcmp(when, "after") == 0) syscall(SYS_pwrite64, fd, buffer, count, offset);
  die();
  return -1;
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) { return write_at(fd, buffer, count, offset); }

ssize_t pwrite64(int fd, const void *buffer, size_t count, off64_t offset) {
  return write_at(fd, buffer, count, offset);
}

static int on_disk(long number, int fd) {
  if (!is_due("sync", fd)) return (int)syscall(number, fd);
  if (strcmp(when, "after") == 0) syscall(number, fd);
  die();
  return -1;
}

int fsync(int fd) { return on_disk(SYS_fsync, fd); }

int fdatasync(int fd) { return on_disk(SYS_fdatasync, fd); }

static int cut(int fd, off64_t length) {
  if (!is_due("truncate", fd)) return (int)syscall(SYS_ftruncate, fd, length);
  if (strcmp(when, "after") == 0) syscall(SYS_ftruncate, fd, length);
  die();
  return -1;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }

int ftruncate64(int fd, off64_t length) { return cut(fd, length); }
