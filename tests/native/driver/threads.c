/* The thread pool of src_c/pool.c, for the thread sanitizer: each item is done once, by a
 * worker of its own number; from several callers, from within a task, after a sleep and
 * after a fork. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void *caller_main(void *rounds)
{
    many_calls(*(int *)rounds);
    return NULL;
}

int main(int argc, char **argv)
{
    const int forks = argc < 3 || strcmp(argv[2], "nofork");
    int rounds = 20, status = 1;
    pthread_t callers[4];
    pid_t child;
    many_calls(71);
    for (int i = 0; i < 4; ++i) pthread_create(&callers[i], NULL, caller_main, &rounds);
    for (int i = 0; i < 4; ++i) pthread_join(callers[i], NULL);
    for (int i = 0; i < 5; ++i) { /* longer than a worker spins */
        usleep(2000);
        call(MOST_ITEMS, 3, 0);
    }
    fflush(stdout);
    child = forks ? fork() : -1;
    if (child == 0) { /* the workers are gone here, and others start */
        many_calls(5);
        fflush(stdout);
        _exit(atomic_load(&n_failures) != 0);
    }
    many_calls(5);
    if (forks && (waitpid(child, &status, 0) != child || status)) fail("child", status);
    printf("threads: %d failures\n", atomic_load(&n_failures));
    return atomic_load(&n_failures) != 0;
}
