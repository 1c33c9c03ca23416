/*
 * Records what a process does to the files in a folder: preloaded with LD_PRELOAD, it writes one line to the file
 * WRITE_RECORD for each call that changes or syncs a file in WRITE_RECORD_OF, or that folder itself:
 *
 *   create NAME | write NAME OFFSET HEX | truncate NAME LENGTH | sync NAME | unlink NAME | rename NAME NEW-NAME
 *
 * NAME is the file's name, or `.` for the folder. Files in folders below it, and those that no power cut concerns
 * (-shm and .lock), are left out. A line is written before the call returns, so that the order is that of the calls.
 *
 * While the file WRITE_RECORD_ARMED exists, it says what happens at the next sync of a -wal file, which removes it:
 *
 *   fails   the sync fails with EIO. Recorded as `lost NAME`, because the system takes the pages for written then, and
 *           no later sync writes them
 *   kills   the process is killed before the sync
 */
#include "../../../../support/disk/preloaded.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;

static int ends(const char *text, const char *end) {
  size_t length = strlen(text), count = strlen(end);
  return length >= count && strcmp(text + length - count, end) == 0;
}

/* The name of a file in the folder, `.` for the folder itself; NULL for any other path. */
static const char *name_in(const char *path) {
  const char *folder = getenv("WRITE_RECORD_OF");
  if (!folder) return NULL;
  size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0) return NULL;
  if (path[length] == '\0') return ".";
  if (path[length] != '/') return NULL;
  const char *name = path + length + 1;
  return strchr(name, '/') || strchr(name, ' ') || ends(name, "-shm") || ends(name, ".lock") ? NULL : name;
}

static const char *name_of(int fd, char path[PATH_BYTES]) {
  return path_of(fd, path) ? name_in(path) : NULL;
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
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < count; i++) {
    line[length++] = digits[bytes[i] >> 4];
    line[length++] = digits[bytes[i] & 15];
  }
  line[length++] = '\n';
  record(line, (size_t)length);
  free(line);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  char path[PATH_BYTES];
  const char *name = name_of(fd, path);
  ssize_t written = syscall(SYS_pwrite64, fd, bytes, count, offset);
  if (name && written > 0) record_write(name, bytes, (size_t)written, offset);
  return written;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  char path[PATH_BYTES];
  const char *name = name_of(fd, path);
  ssize_t written = syscall(SYS_write, fd, bytes, count);
  /* Where an appending write began is known afterwards only. */
  if (name && written > 0) record_write(name, bytes, (size_t)written, lseek(fd, 0, SEEK_CUR) - written);
  return written;
}

int ftruncate64(int fd, off64_t length) {
  char path[PATH_BYTES];
  const char *name = name_of(fd, path);
  int result = (int)syscall(SYS_ftruncate, fd, length);
  if (name && result == 0) record_event("truncate", name, length);
  return result;
}

/* Whether this happens now; it happens once. */
static int armed(const char *name, const char *fault) {
  const char *path = getenv("WRITE_RECORD_ARMED");
  if (!path || !ends(name, "-wal")) return 0;
  char text[16] = "";
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  if (length < 0 || strcmp(text, fault) != 0) return 0;
  syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  return 1;
}

int fsync(int fd) {
  char path[PATH_BYTES];
  const char *name = name_of(fd, path);
  if (name && armed(name, "kills")) kill(getpid(), SIGKILL);
  if (name && armed(name, "fails")) {
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

static int unlinked(const char *path, int result) {
  const char *name = name_in(path);
  if (name && result == 0) record_event("unlink", name, 0);
  return result;
}

int unlink(const char *path) {
  return unlinked(path, (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

/* That of the library does not call its own unlink by name. Folders are not recorded. */
int remove(const char *path) {
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (result != 0 && errno == EISDIR) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
  return unlinked(path, result);
}

int rename(const char *from, const char *to) {
  const char *name = name_in(from), *new_name = name_in(to);
  int result = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  if (result != 0 || (!name && !new_name)) return result;
  /* A file that comes from elsewhere would come with unrecorded bytes. */
  if (!name || !new_name) abort();
  char line[8400];
  record(line, (size_t)snprintf(line, sizeof line, "rename %s %s\n", name, new_name));
  return result;
}

static int opened(const char *path, int flags, mode_t mode) {
  const char *name = name_in(path);
  int was_there = name && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  if (!name || fd < 0) return fd;
  if (!was_there && (flags & O_CREAT)) record_event("create", name, 0);
  if (was_there && (flags & O_TRUNC)) record_event("truncate", name, 0);
  return fd;
}
