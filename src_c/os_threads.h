/* The services of the system that the pool uses: a lock, a condition, a thread, a clock.
 * POSIX and Windows; to be included first, since it says which version of POSIX. */
#ifndef FASTMLP_OS_THREADS_H
#define FASTMLP_OS_THREADS_H

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef SRWLOCK os_lock;
typedef CONDITION_VARIABLE os_condition;
#define OS_UNLOCKED SRWLOCK_INIT
#define OS_NO_WAITERS CONDITION_VARIABLE_INIT

static inline void os_acquire(os_lock *lock) { AcquireSRWLockExclusive(lock); }
static inline int os_try_acquire(os_lock *lock) { return TryAcquireSRWLockExclusive(lock); }
static inline void os_release(os_lock *lock) { ReleaseSRWLockExclusive(lock); }

static inline void os_wait(os_condition *condition, os_lock *lock)
{
    SleepConditionVariableSRW(condition, lock, INFINITE, 0);
}
static inline void os_wake_all(os_condition *condition)
{
    WakeAllConditionVariable(condition);
}

/* The head of a function that a thread runs; it ends with `return 0` */
#define OS_THREAD(name, argument) static DWORD WINAPI name(LPVOID argument)

/* 1 if the thread runs; it ends with the process */
static inline int os_start(LPTHREAD_START_ROUTINE run, void *argument)
{
    const HANDLE thread = CreateThread(NULL, 0, run, argument, 0, NULL);
    if (thread) CloseHandle(thread);
    return thread != NULL;
}

static inline void os_yield(void) { SwitchToThread(); }

static inline long long os_now_ns(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (long long)((double)ticks.QuadPart * 1e9 / (double)per_second.QuadPart);
}

/* A process cannot be copied */
static inline int os_after_fork(void (*in_child)(void))
{
    (void)in_child;
    return 1;
}

#else

#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

typedef pthread_mutex_t os_lock;
typedef pthread_cond_t os_condition;
#define OS_UNLOCKED PTHREAD_MUTEX_INITIALIZER
#define OS_NO_WAITERS PTHREAD_COND_INITIALIZER

static inline void os_acquire(os_lock *lock) { pthread_mutex_lock(lock); }
static inline int os_try_acquire(os_lock *lock) { return pthread_mutex_trylock(lock) == 0; }
static inline void os_release(os_lock *lock) { pthread_mutex_unlock(lock); }

static inline void os_wait(os_condition *condition, os_lock *lock)
{
    pthread_cond_wait(condition, lock);
}
static inline void os_wake_all(os_condition *condition)
{
    pthread_cond_broadcast(condition);
}

/* The head of a function that a thread runs; it ends with `return 0` */
#define OS_THREAD(name, argument) static void *name(void *argument)

/* 1 if the thread runs; it ends with the process. Signals are for the threads of Python. */
static inline int os_start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    sigset_t all, before;
    int has_started;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    has_started = pthread_create(&thread, NULL, run, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (has_started) pthread_detach(thread);
    return has_started;
}

static inline void os_yield(void) { sched_yield(); }

static inline long long os_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Have a function called in the child of every fork; 1 if it will be */
static inline int os_after_fork(void (*in_child)(void))
{
    return pthread_atfork(NULL, NULL, in_child) == 0;
}

#endif
#endif
