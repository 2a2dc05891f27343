/* The thread pool of src_c/pool.c, for the thread sanitizer: each item is done once, by a
 * worker of its own number; from several callers, from within a task, after a sleep and
 * after a fork where there is one. */
#define _DEFAULT_SOURCE
#include "os_threads.h" /* as the pool */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "fastmlp.h"

enum { MOST_ITEMS = 500, MOST_THREADS = 9 };

static atomic_int n_failures;

static void fail(const char *what, long where)
{
    printf("FAILED %s %ld\n", what, where);
    atomic_fetch_add(&n_failures, 1);
}

/* Plain memory: what a task writes the caller must see, and no two workers may share */
typedef struct {
    int times[MOST_ITEMS];       /* how often an item was done */
    long done[MOST_THREADS + 1]; /* items of each worker */
    int n_threads, depth;
} record;

static void note(void *context, ptrdiff_t item, int worker)
{
    record *r = context;
    if (worker < 0 || worker >= (r->n_threads > 1 ? r->n_threads : 1))
        fail("number of a worker", worker);
    ++r->times[item];
    ++r->done[worker];
    if (r->depth > 0) { /* a call from within: its caller does it alone */
        record *inner = calloc(1, sizeof(record));
        inner->n_threads = r->n_threads;
        fm_parallel(note, inner, 7, r->n_threads);
        for (int i = 0; i < 7; ++i)
            if (inner->times[i] != 1) fail("item of a call from within", i);
        free(inner);
    }
}

static void call(ptrdiff_t n_items, int n_threads, int depth)
{
    record *r = calloc(1, sizeof(record));
    long done = 0;
    r->n_threads = n_threads;
    r->depth = depth;
    fm_parallel(note, r, n_items, n_threads);
    for (ptrdiff_t i = 0; i < MOST_ITEMS; ++i)
        if (r->times[i] != (i < n_items)) fail("item", (long)i);
    for (int w = 0; w <= MOST_THREADS; ++w) done += r->done[w];
    if (done != n_items) fail("items done", done);
    free(r);
}

static void many_calls(int rounds)
{
    for (int round = 0; round < rounds; ++round)
        for (int n_threads = 0; n_threads <= MOST_THREADS; ++n_threads) {
            call(round % 71, n_threads, 0);
            call(MOST_ITEMS - round % 5, n_threads, 0);
        }
    for (int n_threads = 1; n_threads < 5; ++n_threads) call(20, n_threads, 1);
}

static void wait_ms(int milliseconds)
{
    const long long end = os_now_ns() + milliseconds * 1000000LL;
    while (os_now_ns() < end) os_yield();
}

/* The caller's first item lasts until all others are done: who has none left takes over */
static void wait_for_others(void *context, ptrdiff_t item, int worker)
{
    atomic_int *n_left = context;
    (void)worker;
    if (item > 0) {
        atomic_fetch_sub(n_left, 1);
        return;
    }
    for (int i = 0; atomic_load(n_left) && i < 10000; ++i) wait_ms(1);
    if (atomic_load(n_left)) fail("items that nobody took over", atomic_load(n_left));
}

static void take_over(void)
{
    for (int n_threads = 2; n_threads <= MOST_THREADS; ++n_threads) {
        atomic_int n_left = 20;
        fm_parallel(wait_for_others, &n_left, 21, n_threads);
    }
}

static atomic_int n_callers;

OS_THREAD(caller_main, rounds)
{
    many_calls(*(int *)rounds);
    atomic_fetch_sub(&n_callers, 1);
    return 0;
}

static void call_side_by_side(void)
{
    static int rounds = 20;
    for (int i = 0; i < 4; ++i) {
        atomic_fetch_add(&n_callers, 1);
        if (!os_start(caller_main, &rounds)) fail("start of caller", i);
    }
    while (atomic_load(&n_callers)) wait_ms(1);
}

/* The workers are gone in the child, and others start */
static void call_in_child(void)
{
#if !defined(_WIN32)
    int status = 1;
    pid_t child;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        many_calls(5);
        fflush(stdout);
        _exit(atomic_load(&n_failures) != 0);
    }
    many_calls(5);
    if (waitpid(child, &status, 0) != child || status) fail("child", status);
#endif
}

int main(int argc, char **argv)
{
    many_calls(71);
    take_over();
    call_side_by_side();
    for (int i = 0; i < 5; ++i) { /* longer than a worker spins */
        wait_ms(2);
        call(MOST_ITEMS, 3, 0);
    }
    /* qemu fails itself where a child of threads starts threads */
    if (argc < 3 || strcmp(argv[2], "nofork")) call_in_child();
    printf("threads: %d failures\n", atomic_load(&n_failures));
    return atomic_load(&n_failures) != 0;
}
