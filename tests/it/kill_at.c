// Kills the process before the call of number KILL_AT (from 1) that changes something in a file system. For LD_PRELOAD.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static long kill_at;
static atomic_long n_calls;

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("KILL_AT");
    kill_at = text ? atol(text) : 0;
}

static void call(void) {
    if (atomic_fetch_add(&n_calls, 1) + 1 == kill_at) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}

#define FORWARD(name, parameters, arguments)                                      \
    int name parameters {                                                         \
        static int (*next) parameters;                                            \
        if (!next) next = (int (*) parameters)dlsym(RTLD_NEXT, #name);            \
        call();                                                                   \
        return next arguments;                                                    \
    }

FORWARD(link, (const char *from, const char *to), (from, to))
FORWARD(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
FORWARD(rename, (const char *from, const char *to), (from, to))
FORWARD(fsync, (int file), (file))
FORWARD(unlink, (const char *path), (path))
FORWARD(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
FORWARD(mkdir, (const char *path, mode_t mode), (path, mode))
FORWARD(rmdir, (const char *path), (path))

int open64(const char *path, int flags, ...) {
    static int (*next)(const char *, int, ...);
    if (!next) next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (flags & O_CREAT) call();
    return next(path, flags, mode);
}
