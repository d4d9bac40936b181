/* Faults of the disk under the files whose paths begin with DLM_FAULTY_FILES, for a
 * program that is started with this library in LD_PRELOAD. The file
 * DLM_DISK_FAULT says which fault there is; without it there is none:
 *
 * hang          writes and syncs don't return
 * hang-reads    reads don't return either
 * sync-error    syncs fail with EIO
 * one-sync-error  one sync does, and the file is removed
 * full          writes fail with ENOSPC
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum operation { READ, WRITE, SYNC };

/* The fault that there is now, or the empty string. */
static void current_fault(char *fault, size_t size) {
    const char *path = getenv("DLM_DISK_FAULT");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length = 0;
    if (file >= 0) {
        length = syscall(SYS_read, file, fault, size - 1);
        close(file);
    }
    fault[length > 0 ? length : 0] = 0;
}

static int is_faulty(int descriptor) {
    char link[64], path[4096];
    const char *prefix = getenv("DLM_FAULTY_FILES");
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !prefix) return 0;
    path[length] = 0;
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* Returns 0, or -1 and sets errno. */
static int fail(enum operation operation, int descriptor) {
    char fault[32];
    int error = errno;
    for (;; usleep(5000)) {
        current_fault(fault, sizeof fault);
        if (!*fault || !is_faulty(descriptor)) break;
        if (strcmp(fault, "hang-reads") == 0) continue;
        if (strcmp(fault, "hang") == 0 && operation != READ) continue;
        if (strcmp(fault, "full") == 0 && operation == WRITE) return errno = ENOSPC, -1;
        if (strcmp(fault, "sync-error") == 0 && operation == SYNC) return errno = EIO, -1;
        if (strcmp(fault, "one-sync-error") == 0 && operation == SYNC && unlink(getenv("DLM_DISK_FAULT")) == 0)
            return errno = EIO, -1;
        break;
    }
    errno = error;
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file) { return fail(SYNC, file) ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return fail(SYNC, file) ? -1 : REAL(fdatasync)(file); }
ssize_t read(int file, void *data, size_t size) { return fail(READ, file) ? -1 : REAL(read)(file, data, size); }
ssize_t pread(int file, void *data, size_t size, off_t at) {
    return fail(READ, file) ? -1 : REAL(pread)(file, data, size, at);
}
ssize_t pread64(int file, void *data, size_t size, off64_t at) {
    return fail(READ, file) ? -1 : REAL(pread64)(file, data, size, at);
}
ssize_t write(int file, const void *data, size_t size) {
    return fail(WRITE, file) ? -1 : REAL(write)(file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return fail(WRITE, file) ? -1 : REAL(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return fail(WRITE, file) ? -1 : REAL(pwrite64)(file, data, size, at);
}
