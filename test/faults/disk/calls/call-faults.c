/*
 * Makes calls on the files of ledgers fail: preloaded with LD_PRELOAD, it stands before write, pwrite, fsync, fdatasync,
 * ftruncate and open of libc. A file belongs to slot N if /slot-N/ is in its path; the file CALL_FAULTS has one struct
 * for each slot, shared with the test, which arms and disarms faults while programs run:
 *
 *   call     0 nothing, 1 write, 2 fsync, 3 open, 4 truncate
 *   error    the errno; 0 is a write that writes only half of its bytes, and a negative one fails after such a write
 *   nth      the first call of this kind that fails, counted from 1 since the counts were last cleared
 *   times    so many calls fail from there on; -1 is for ever
 *   hits     calls that have failed
 *   counts   all calls of each kind, failed ones included
 */
#include "../../../support/disk/preloaded.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { WRITE = 1, FSYNC, OPEN, TRUNCATE, KINDS };

struct slot {
  int64_t call, error, nth, times, hits, counts[KINDS - 1];
};

static struct slot *slots;
static int64_t slot_count;

__attribute__((constructor)) static void map_slots(void) {
  const char *path = getenv("CALL_FAULTS");
  if (!path) return;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  struct stat found;
  if (fd < 0 || fstat(fd, &found) != 0) abort();
  slots = mmap(NULL, (size_t)found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (slots == MAP_FAILED) abort();
  slot_count = found.st_size / (int64_t)sizeof *slots;
  syscall(SYS_close, fd);
}

static struct slot *slot_of_path(const char *path) {
  const char *name = slots && path ? strstr(path, "/slot-") : NULL;
  if (!name) return NULL;
  char *end;
  long number = strtol(name + strlen("/slot-"), &end, 10);
  /* The folder itself belongs to it, too. */
  if ((*end != '/' && *end != '\0') || number < 0 || number >= slot_count) return NULL;
  return slots + number;
}

static struct slot *slot_of(int fd) {
  char path[PATH_BYTES];
  return slots ? slot_of_path(path_of(fd, path)) : NULL;
}

/* Counts a call; returns 0 if it is not to fail, otherwise which of the failing ones it is. */
static int64_t fails(struct slot *slot, int kind) {
  if (!slot) return 0;
  int64_t number = __atomic_add_fetch(&slot->counts[kind - 1], 1, __ATOMIC_SEQ_CST);
  if (slot->call != kind || number < slot->nth) return 0;
  if (slot->times >= 0 && number >= slot->nth + slot->times) return 0;
  return __atomic_add_fetch(&slot->hits, 1, __ATOMIC_SEQ_CST);
}

static int failed(struct slot *slot) {
  errno = abs((int)slot->error);
  return -1;
}

/* The number of bytes that a write may write; -1 fails. */
static ssize_t allowed(int fd, size_t count) {
  struct slot *slot = slot_of(fd);
  int64_t hit = fails(slot, WRITE);
  if (hit == 0) return (ssize_t)count;
  if (slot->error > 0 || (slot->error < 0 && hit > 1)) return failed(slot);
  return (ssize_t)(count < 2 ? count : count / 2);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  ssize_t length = allowed(fd, count);
  return length < 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  ssize_t length = allowed(fd, count);
  return length < 0 ? -1 : syscall(SYS_write, fd, bytes, length);
}

static int synced(int fd, long number) {
  struct slot *slot = slot_of(fd);
  return fails(slot, FSYNC) ? failed(slot) : (int)syscall(number, fd);
}

int fsync(int fd) {
  return synced(fd, SYS_fsync);
}

int fdatasync(int fd) {
  return synced(fd, SYS_fdatasync);
}

int ftruncate64(int fd, off64_t length) {
  struct slot *slot = slot_of(fd);
  return fails(slot, TRUNCATE) ? failed(slot) : (int)syscall(SYS_ftruncate, fd, length);
}

static int opened(const char *path, int flags, mode_t mode) {
  struct slot *slot = slot_of_path(path);
  return fails(slot, OPEN) ? failed(slot) : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
