/* Denormal numbers, which cost a hundred cycles each, are flushed to 0 within a native call
 * and by the threads of the pool: the moments of a unit that has died decay into them.
 * The floating-point state of the caller is put back. */
#include "fastmlp.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <xmmintrin.h>
#define FLUSH_BITS 0x8040u /* MXCSR: results to 0 (FTZ), arguments as 0 (DAZ) */
static unsigned int get_state(void) { return _mm_getcsr(); }
static void set_state(unsigned int state) { _mm_setcsr(state); }

#elif defined(__aarch64__)

#define FLUSH_BITS 0x1000000u /* FPCR: FZ */
static unsigned int get_state(void)
{
    unsigned long state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    return (unsigned int)state;
}
static void set_state(unsigned int state)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)state));
}

#else

#define FLUSH_BITS 0u
static unsigned int get_state(void) { return 0; }
static void set_state(unsigned int state) { (void)state; }

#endif

unsigned int fm_flush_denormals(void)
{
    const unsigned int before = get_state();
    set_state(before | FLUSH_BITS);
    return before;
}

void fm_restore_denormals(unsigned int before)
{
    set_state((get_state() & ~FLUSH_BITS) | (before & FLUSH_BITS));
}
