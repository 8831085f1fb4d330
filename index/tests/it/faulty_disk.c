/* A disk that refuses: preloaded into a process, it lets the n-th call fail that would change a file
 * below one folder. The tests build it with the system's C compiler; the product has no part of it.
 *
 * FAULT_BELOW  the folder
 * FAULT_AT     which call fails, from 1; without it none does
 * FAULT_ERRNO  the number of the error
 * FAULT_LASTS  if set, every later call fails as well
 * FAULT_TOLD   a file that is told how many calls there were and what failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void tell(const char *what, long number, const char *path) {
    const char *told = getenv("FAULT_TOLD");
    if (!told) return;
    char line[4400];
    int length = snprintf(line, sizeof line, "%s %ld %s\n", what, number, path);
    int file = NEXT(open)(told, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0) return;
    if (NEXT(write)(file, line, length) < 0) abort();
    close(file);
}

/* Whether this call is to fail; sets errno if so. */
static int fails(const char *name, const char *path) {
    const char *below = getenv("FAULT_BELOW");
    if (!below || strncmp(path, below, strlen(below)) != 0) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    const char *at = getenv("FAULT_AT");
    if (!at) return 0;
    long wanted = atol(at);
    if (number != wanted && !(getenv("FAULT_LASTS") && number > wanted)) return 0;
    if (number == wanted) {
        char what[64];
        snprintf(what, sizeof what, "failed %s", name);
        tell(what, number, path);
    }
    errno = atoi(getenv("FAULT_ERRNO"));
    return 1;
}

static int fails_at(const char *name, int file) {
    char link[64], path[4096];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length < 0) return 0;
    path[length] = 0;
    return fails(name, path);
}

__attribute__((destructor)) static void end(void) { tell("calls", atomic_load(&calls), ""); }

ssize_t write(int file, const void *bytes, size_t length) {
    return fails_at("write", file) ? -1 : NEXT(write)(file, bytes, length);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return fails_at("writev", file) ? -1 : NEXT(writev)(file, parts, count);
}
ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    return fails_at("pwrite", file) ? -1 : NEXT(pwrite64)(file, bytes, length, at);
}
ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    return fails_at("pwrite", file) ? -1 : NEXT(pwrite)(file, bytes, length, at);
}
int fsync(int file) { return fails_at("fsync", file) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return fails_at("fdatasync", file) ? -1 : NEXT(fdatasync)(file); }
int sync_file_range(int file, off64_t from, off64_t length, unsigned flags) {
    return fails_at("sync_file_range", file) ? -1 : NEXT(sync_file_range)(file, from, length, flags);
}
int ftruncate64(int file, off64_t length) {
    return fails_at("ftruncate", file) ? -1 : NEXT(ftruncate64)(file, length);
}
int ftruncate(int file, off_t length) {
    return fails_at("ftruncate", file) ? -1 : NEXT(ftruncate)(file, length);
}
int rename(const char *from, const char *to) {
    return fails("rename", to) ? -1 : NEXT(rename)(from, to);
}
int mkdir(const char *path, mode_t mode) {
    return fails("mkdir", path) ? -1 : NEXT(mkdir)(path, mode);
}
int unlink(const char *path) { return fails("unlink", path) ? -1 : NEXT(unlink)(path); }

/* Opening fails where it would make a file or change one. */
static int opens(const char *name, const char *path, int flags) {
    return (flags & (O_CREAT | O_TRUNC)) && fails(name, path);
}
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return opens("open", path, flags) ? -1 : NEXT(open64)(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return opens("open", path, flags) ? -1 : NEXT(open)(path, flags, mode);
}
