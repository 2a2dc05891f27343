/* Advice to the system about the pages of some bytes, which may be mapped from disk. */
#define _POSIX_C_SOURCE 200809L /* before any header */
#include "fastmlp.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>

void fm_advise_pages(const void *at, size_t size, fm_advice advice)
{
    static const int known[] = {POSIX_MADV_NORMAL, POSIX_MADV_RANDOM,
                                POSIX_MADV_WILLNEED};
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t start = (uintptr_t)at / page * page;
    posix_madvise((void *)start, (uintptr_t)at + size - start, known[advice]);
}
#else
void fm_advise_pages(const void *at, size_t size, fm_advice advice)
{
    (void)at, (void)size, (void)advice;
}
#endif
