/* Faults of the disk under the files whose paths begin with DLM_FAULTY_FILES, for a
 * program that is started with this library in LD_PRELOAD. The file
 * DLM_DISK_FAULT says which fault there is; without it there is none:
 *
 * hang          writes and syncs don't return
 * hang-reads    reads don't return either
 * sync-error    syncs fail with EIO
 * one-sync-error  one sync does, and the file is removed
 * full          writes fail with ENOSPC
 * end N         the process ends before its Nth write or sync from then on
 * power-cut N   the same, and what was written since then and not synced is lost
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
#include <sys/stat.h>
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

/* What a write has overwritten, until it is synced. The last one first. */
struct overwritten {
    struct overwritten *before;
    int file;
    off_t at, file_size;
    ssize_t size;
    char data[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct overwritten *unsynced;
static long operations;

static void remember(int file, off_t at, size_t size) {
    struct stat status;
    struct overwritten *old = malloc(sizeof *old + size);
    if (!old || fstat(file, &status) != 0) abort();
    *old = (struct overwritten){unsynced, file, at, status.st_size, 0};
    old->size = syscall(SYS_pread64, file, old->data, size, at);
    unsynced = old;
}

/* Two descriptors may be of one file. */
static int is_same_file(int first, int second) {
    struct stat a, b;
    return fstat(first, &a) == 0 && fstat(second, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void forget_synced(int file) {
    for (struct overwritten **next = &unsynced; *next;) {
        struct overwritten *old = *next;
        if (is_same_file(old->file, file)) {
            *next = old->before;
            free(old);
        } else {
            next = &old->before;
        }
    }
}

static void lose_unsynced(void) {
    for (struct overwritten *old = unsynced; old; old = old->before) {
        if (old->size > 0) syscall(SYS_pwrite64, old->file, old->data, old->size, old->at);
        if (ftruncate(old->file, old->file_size) != 0) abort();
    }
}

/* Counts a write or sync, and ends the process if it is the one. */
static void count(const char *fault, enum operation operation, int file, off_t at, size_t size) {
    int loses = strncmp(fault, "power-cut ", 10) == 0;
    if (!loses && strncmp(fault, "end ", 4) != 0) return;
    pthread_mutex_lock(&mutex);
    if (++operations >= atol(strchr(fault, ' '))) {
        if (loses) lose_unsynced();
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    if (loses && operation == WRITE) remember(file, at, size);
    /* The sync follows. Until it is done nothing else is written here. */
    if (loses && operation == SYNC) forget_synced(file);
    pthread_mutex_unlock(&mutex);
}

/* Returns 0, or -1 and sets errno. */
static int fail(enum operation operation, int descriptor, off_t at, size_t size) {
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
        if (operation != READ) count(fault, operation, descriptor, at, size);
        break;
    }
    errno = error;
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file) { return fail(SYNC, file, 0, 0) ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return fail(SYNC, file, 0, 0) ? -1 : REAL(fdatasync)(file); }
ssize_t read(int file, void *data, size_t size) {
    return fail(READ, file, 0, 0) ? -1 : REAL(read)(file, data, size);
}
ssize_t pread(int file, void *data, size_t size, off_t at) {
    return fail(READ, file, 0, 0) ? -1 : REAL(pread)(file, data, size, at);
}
ssize_t pread64(int file, void *data, size_t size, off64_t at) {
    return fail(READ, file, 0, 0) ? -1 : REAL(pread64)(file, data, size, at);
}
ssize_t write(int file, const void *data, size_t size) {
    return fail(WRITE, file, lseek(file, 0, SEEK_CUR), size) ? -1 : REAL(write)(file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return fail(WRITE, file, at, size) ? -1 : REAL(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return fail(WRITE, file, at, size) ? -1 : REAL(pwrite64)(file, data, size, at);
}
