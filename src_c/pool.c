/* The thread pool: one for the process, used by one caller at a time.
 *
 * a) fm_parallel hands out items 0 .. n-1 by a shared counter; the caller works too, and
 *    closes the job when all items are done.
 *    Which thread takes an item is left to chance, so items must not depend on it.
 * b) Two calls that follow each other closely (the phases of a training step) find the
 *    threads still spinning; after SPIN_NS they sleep on a condition.  It is longer than
 *    what Python does between two gradients of lbfgs: to wake a thread takes as long as
 *    a small gradient.
 * c) A second caller at the same time does its items alone: eight fits in eight threads
 *    make progress side by side, and nothing is oversubscribed.
 * d) Threads do not survive fork: the child notices another process number and starts
 *    its own.  Nothing is ever joined; at exit the threads end with the process.
 * e) Without POSIX threads (Windows) the caller does everything.
 */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#endif
#include "fastmlp.h"

#if defined(_WIN32)

void fm_parallel(fm_task task, void *context, ptrdiff_t n_items, int n_threads)
{
    (void)n_threads;
    for (ptrdiff_t i = 0; i < n_items; ++i) task(context, i, 0);
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { SPIN_NS = 500000, MOST_WORKERS = 255 };

static struct {
    fm_task task;
    void *context;
    ptrdiff_t n_items;
    int n_workers;
} job;

static pthread_mutex_t caller = PTHREAD_MUTEX_INITIALIZER; /* held during a job */
static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static atomic_ulong ticket;   /* number of the job */
static atomic_int gate = -1;  /* workers inside the job, or -1: closed */
static atomic_llong next_item;
static int n_started;
static unsigned long born[MOST_WORKERS + 1]; /* the ticket at the start of a worker */

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void relax(int spins)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (spins % 1024 == 1023) sched_yield();
}

static void take_items(int worker)
{
    for (;;) {
        const ptrdiff_t i = (ptrdiff_t)atomic_fetch_add(&next_item, 1);
        if (i >= job.n_items) return;
        job.task(job.context, i, worker);
    }
}

/* Wait for another ticket than `seen` */
static unsigned long await_ticket(unsigned long seen)
{
    const long long limit = now_ns() + SPIN_NS;
    unsigned long current;
    for (int spins = 0; (current = atomic_load(&ticket)) == seen; ++spins) {
        relax(spins);
        if (spins % 64 == 63 && now_ns() > limit) {
            pthread_mutex_lock(&sleep_lock);
            while ((current = atomic_load(&ticket)) == seen)
                pthread_cond_wait(&wake, &sleep_lock);
            pthread_mutex_unlock(&sleep_lock);
            return current;
        }
    }
    return current;
}

/* Enter the job unless the caller has closed it; `job` then stays as it is until leaving.
 * So a worker that wakes late costs nothing. */
static int enter(void)
{
    int inside = atomic_load(&gate);
    while (inside >= 0)
        if (atomic_compare_exchange_weak(&gate, &inside, inside + 1)) return 1;
    return 0;
}

static void *worker_main(void *number)
{
    const int worker = (int)(ptrdiff_t)number;
    unsigned long seen = born[worker];
    fm_flush_denormals();
    for (;;) {
        seen = await_ticket(seen);
        if (enter()) {
            if (worker <= job.n_workers) take_items(worker);
            atomic_fetch_sub(&gate, 1);
        }
    }
    return NULL;
}

static void forget_workers(void) /* in the child of a fork */
{
    const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    caller = sleep_lock = unlocked;
    wake = fresh;
    atomic_store(&gate, -1);
    n_started = 0;
}

/* Start workers up to a number; returns how many of them there are */
static int start_workers(int n_wanted)
{
    static int has_handler;
    sigset_t all, before;
    if (n_started >= n_wanted) return n_wanted;
    if (!has_handler) has_handler = pthread_atfork(NULL, NULL, forget_workers) == 0;
    sigfillset(&all); /* signals are for the threads of Python */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n_started < n_wanted) {
        const int worker = n_started + 1;
        pthread_t thread;
        born[worker] = atomic_load(&ticket);
        if (pthread_create(&thread, NULL, worker_main, (void *)(ptrdiff_t)worker)) break;
        pthread_detach(thread);
        n_started = worker;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n_started;
}

void fm_parallel(fm_task task, void *context, ptrdiff_t n_items, int n_threads)
{
    ptrdiff_t n_workers = n_threads - 1 < n_items - 1 ? n_threads - 1 : n_items - 1;
    if (n_workers > MOST_WORKERS) n_workers = MOST_WORKERS;
    if (n_workers < 1 || pthread_mutex_trylock(&caller) != 0) {
        for (ptrdiff_t i = 0; i < n_items; ++i) task(context, i, 0);
        return;
    }
    n_workers = start_workers((int)n_workers);
    job.task = task;
    job.context = context;
    job.n_items = n_items;
    job.n_workers = (int)n_workers;
    atomic_store(&next_item, 0);
    atomic_store(&gate, 0);
    pthread_mutex_lock(&sleep_lock);
    atomic_fetch_add(&ticket, 1);
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&sleep_lock);
    take_items(0);
    for (int spins = 0, empty = 0; !atomic_compare_exchange_strong(&gate, &empty, -1);
         ++spins, empty = 0)
        relax(spins);
    pthread_mutex_unlock(&caller);
}

#endif
