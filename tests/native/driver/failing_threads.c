/* A pthread_create that fails once so many threads were started, to be preloaded; for
 * failing_threads.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

typedef int (*creator)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static atomic_long n_left = -1; /* negative: as many as are asked for */
static atomic_long n_failed;

/* From now on n threads can start, and no more; -1 ends it. Returns the failures so far. */
long allow_threads(long n)
{
    atomic_store(&n_left, n);
    return atomic_exchange(&n_failed, 0);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*run)(void *), void *context)
{
    const creator create = (creator)dlsym(RTLD_NEXT, "pthread_create");
    if (atomic_load(&n_left) == 0) {
        atomic_fetch_add(&n_failed, 1);
        return EAGAIN;
    }
    if (atomic_load(&n_left) > 0) atomic_fetch_sub(&n_left, 1);
    return create(thread, attributes, run, context);
}
