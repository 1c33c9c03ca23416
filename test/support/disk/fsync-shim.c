/*
 * Makes the disk misbehave under the -wal file of a running server: preloaded with LD_PRELOAD, it stands
 * before fsync, fdatasync, pwrite and pwrite64 of libc. What it does is in a control file, read anew at
 * each call, so that a test arms it while the server runs:
 *
 *   fsync-fails N              the Nth fsync from now on fails with EIO, once
 *   fsync-fails-then-killed N  the same, and the process is killed before it can react
 *   fsync-done-then-killed N   the Nth fsync is done, and the process is killed before it can answer
 *   fsync-hangs                every fsync waits as long as the control file says so
 *   disk-full                  every write fails with ENOSPC as long as the control file says so
 *
 * Faults that come once remove the control file. Each fault is reported by a line in the report file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static long fsyncs_since_armed = 0;

/* Decides on the path of the descriptor: SQLite's name of a write-ahead log ends this way. */
static int is_wal(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 4) return 0;
  path[length] = '\0';
  return strcmp(path + length - 4, "-wal") == 0;
}

/* Reads the control file; answers whether a fault is armed. */
static int armed(char fault[64], long *nth) {
  const char *control = getenv("FSYNC_SHIM_CONTROL");
  if (!control) return 0;
  int fd = open(control, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[128];
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return 0;
  text[length] = '\0';
  *nth = 1;
  return sscanf(text, "%63s %ld", fault, nth) >= 1;
}

static void report(const char *event) {
  const char *path = getenv("FSYNC_SHIM_REPORT");
  if (!path) return;
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return;
  char line[80];
  int length = snprintf(line, sizeof line, "%s\n", event);
  if (write(fd, line, (size_t)length) != length) abort();
  close(fd);
}

static void disarm(void) {
  unlink(getenv("FSYNC_SHIM_CONTROL"));
}

static void hang_while_armed(void) {
  char fault[64];
  long nth;
  const struct timespec pause = {0, 2 * 1000 * 1000};
  report("fsync-hangs");
  while (armed(fault, &nth) && strcmp(fault, "fsync-hangs") == 0) nanosleep(&pause, NULL);
}

/* Whether it is this one's turn, counted from the moment the fault was armed. */
static int is_nth(long nth) {
  pthread_mutex_lock(&counting);
  int turn = ++fsyncs_since_armed == nth;
  if (turn) fsyncs_since_armed = 0;
  pthread_mutex_unlock(&counting);
  return turn;
}

static int sync_wal(int fd, long number) {
  char fault[64];
  long nth;
  if (!armed(fault, &nth)) {
    fsyncs_since_armed = 0;
    return (int)syscall(number, fd);
  }
  if (strcmp(fault, "fsync-hangs") == 0) {
    hang_while_armed();
    return (int)syscall(number, fd);
  }
  if (strncmp(fault, "fsync-", 6) != 0 || !is_nth(nth)) return (int)syscall(number, fd);
  disarm();
  report(fault);
  if (strcmp(fault, "fsync-done-then-killed") == 0) syscall(number, fd);
  if (strcmp(fault, "fsync-fails") != 0) kill(getpid(), SIGKILL);
  errno = EIO;
  return -1;
}

int fsync(int fd) {
  return is_wal(fd) ? sync_wal(fd, SYS_fsync) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  return is_wal(fd) ? sync_wal(fd, SYS_fdatasync) : (int)syscall(SYS_fdatasync, fd);
}

typedef ssize_t (*pwrite_function)(int, const void *, size_t, off_t);

static int is_full(int fd) {
  char fault[64];
  long nth;
  if (!is_wal(fd) || !armed(fault, &nth) || strcmp(fault, "disk-full") != 0) return 0;
  report(fault);
  errno = ENOSPC;
  return 1;
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
  static pwrite_function next;
  if (!next) next = (pwrite_function)dlsym(RTLD_NEXT, "pwrite");
  return is_full(fd) ? -1 : next(fd, buffer, count, offset);
}

ssize_t pwrite64(int fd, const void *buffer, size_t count, off64_t offset) {
  static pwrite_function next;
  if (!next) next = (pwrite_function)dlsym(RTLD_NEXT, "pwrite64");
  return is_full(fd) ? -1 : next(fd, buffer, count, offset);
}
