/* Moves the clock of a process by CHAOS_CLOCK_SECONDS, and by the seconds that the file CHAOS_CLOCK_FILE has at the moment,
   as a binary long: `LD_PRELOAD=clock.so`. Monotonic clocks stay. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long *shared;

__attribute__((constructor)) static void open_file(void)
{
    const char *name = getenv("CHAOS_CLOCK_FILE");
    int file = name ? open(name, O_RDONLY) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        shared = mapped;
    close(file);
}

static long shift(void)
{
    const char *seconds = getenv("CHAOS_CLOCK_SECONDS");
    return (seconds ? atol(seconds) : 0) + (shared ? *(volatile const long *)shared : 0);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift();
    return result;
}

time_t time(time_t *into)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into)
        *into = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict into, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    into->tv_sec = now.tv_sec;
    into->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* The kernel compares the time of a deadline with its own clock. */
int sem_timedwait(sem_t *semaphore, const struct timespec *deadline)
{
    int (*original)(sem_t *, const struct timespec *) = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec shifted = *deadline;
    shifted.tv_sec -= shift();
    return original(semaphore, &shifted);
}
