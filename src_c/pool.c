/* The thread pool: one for the process, used by one caller at a time.
 *
 * a) fm_parallel divides items 0 .. n-1 among the threads; one that is done with its own
 *    takes those that others have not begun.  The caller works too, and closes the job
 *    when all items are done.  So an item mostly meets the thread that had it last time,
 *    whose cache holds what it needs.
 *    Which thread takes an item is left to chance, so items must not depend on it.
 * b) Two calls that follow each other closely (the phases of a training step) find the
 *    threads still spinning; after SPIN_NS they sleep on a condition.  It is longer than
 *    what Python does between two gradients of lbfgs: to wake a thread takes as long as
 *    a small gradient.
 * c) A second caller at the same time does its items alone: eight fits in eight threads
 *    make progress side by side, and nothing is oversubscribed.
 * d) Threads do not survive fork: the child notices another process number and starts
 *    its own.  Nothing is ever joined; at exit the threads end with the process.
 * e) What differs between POSIX and Windows is in os_threads.h.
 */
#include "os_threads.h" /* first: it chooses the version of POSIX */

#include <stdatomic.h>

#include "fastmlp.h"

enum { SPIN_NS = 500000, MOST_WORKERS = 255, LINES = 128 };

static struct {
    fm_task task;
    void *context;
    int n_workers;
} job;

/* The items of each thread: those from `next` on are not begun */
static struct {
    _Alignas(LINES) atomic_llong next; /* lines of their own: others seldom look */
    ptrdiff_t stop;
} range[MOST_WORKERS + 1];

static os_lock caller = OS_UNLOCKED; /* held during a job */
static os_lock sleep_lock = OS_UNLOCKED;
static os_condition wake = OS_NO_WAITERS;
static int n_started;
static unsigned long born[MOST_WORKERS + 1]; /* the ticket at the start of a worker */
static _Alignas(LINES) atomic_ulong ticket;  /* number of the job */
static _Alignas(LINES) atomic_int gate = -1; /* workers inside the job, or -1: closed */

static void relax(int spins)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (spins % 1024 == 1023) os_yield();
}

static void take_items(int worker)
{
    const int n = job.n_workers + 1;
    for (int k = 0; k < n; ++k) {
        const int whose = (worker + k) % n;
        const ptrdiff_t stop = range[whose].stop;
        while (atomic_load(&range[whose].next) < stop) {
            const ptrdiff_t i = (ptrdiff_t)atomic_fetch_add(&range[whose].next, 1);
            if (i < stop) job.task(job.context, i, worker);
        }
    }
}

/* Wait for another ticket than `seen` */
static unsigned long await_ticket(unsigned long seen)
{
    const long long limit = os_now_ns() + SPIN_NS;
    unsigned long current;
    for (int spins = 0; (current = atomic_load(&ticket)) == seen; ++spins) {
        relax(spins);
        if (spins % 64 == 63 && os_now_ns() > limit) {
            os_acquire(&sleep_lock);
            while ((current = atomic_load(&ticket)) == seen)
                os_wait(&wake, &sleep_lock);
            os_release(&sleep_lock);
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

OS_THREAD(worker_main, number)
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
    return 0;
}

static void forget_workers(void) /* in the child of a fork */
{
    const os_lock unlocked = OS_UNLOCKED;
    const os_condition no_waiters = OS_NO_WAITERS;
    caller = sleep_lock = unlocked;
    wake = no_waiters;
    atomic_store(&gate, -1);
    n_started = 0;
}

/* Start workers up to a number; returns how many of them there are */
static int start_workers(int n_wanted)
{
    static int has_handler;
    if (n_started >= n_wanted) return n_wanted;
    if (!has_handler) has_handler = os_after_fork(forget_workers);
    while (n_started < n_wanted) {
        const int worker = n_started + 1;
        born[worker] = atomic_load(&ticket);
        if (!os_start(worker_main, (void *)(ptrdiff_t)worker)) break;
        n_started = worker;
    }
    return n_started;
}

void fm_parallel(fm_task task, void *context, ptrdiff_t n_items, int n_threads)
{
    ptrdiff_t n_workers = n_threads - 1 < n_items - 1 ? n_threads - 1 : n_items - 1;
    if (n_workers > MOST_WORKERS) n_workers = MOST_WORKERS;
    if (n_workers < 1 || !os_try_acquire(&caller)) {
        for (ptrdiff_t i = 0; i < n_items; ++i) task(context, i, 0);
        return;
    }
    n_workers = start_workers((int)n_workers);
    job.task = task;
    job.context = context;
    job.n_workers = (int)n_workers;
    for (ptrdiff_t i = 0; i <= n_workers; ++i) {
        atomic_store(&range[i].next, n_items * i / (n_workers + 1));
        range[i].stop = n_items * (i + 1) / (n_workers + 1);
    }
    atomic_store(&gate, 0);
    os_acquire(&sleep_lock);
    atomic_fetch_add(&ticket, 1);
    os_wake_all(&wake);
    os_release(&sleep_lock);
    take_items(0);
    for (int spins = 0, empty = 0; atomic_load(&gate) > 0 || /* a look takes no line */
                                   !atomic_compare_exchange_strong(&gate, &empty, -1);
         ++spins, empty = 0)
        relax(spins);
    os_release(&caller);
}
