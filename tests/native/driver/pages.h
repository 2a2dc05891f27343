/* Memory between two pages that fault; POSIX and Windows. */
#ifndef FASTMLP_DRIVER_PAGES_H
#define FASTMLP_DRIVER_PAGES_H

#include <stddef.h>

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#define NOUSER /* its INPUT and others are names of ours */
#include <windows.h>

static size_t page_bytes(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

/* `bytes` of whole pages, or NULL */
static unsigned char *map_guarded(size_t bytes)
{
    const size_t page = page_bytes();
    unsigned char *start = VirtualAlloc(NULL, bytes + 2 * page, MEM_RESERVE, PAGE_NOACCESS);
    if (!start) return NULL;
    return VirtualAlloc(start + page, bytes, MEM_COMMIT, PAGE_READWRITE);
}

static void unmap_guarded(unsigned char *memory, size_t bytes)
{
    (void)bytes;
    VirtualFree(memory - page_bytes(), 0, MEM_RELEASE);
}

#else

#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* `bytes` of whole pages, or NULL */
static unsigned char *map_guarded(size_t bytes)
{
    const size_t page = page_bytes();
    unsigned char *start = mmap(NULL, bytes + 2 * page, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + page, bytes, PROT_READ | PROT_WRITE))
        return NULL;
    return start + page;
}

static void unmap_guarded(unsigned char *memory, size_t bytes)
{
    const size_t page = page_bytes();
    munmap(memory - page, bytes + 2 * page);
}

#endif
#endif
