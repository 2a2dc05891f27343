/* Every kernel of src_c against plain C, with guarded buffers; see run.py and driver.h. */
#define _DEFAULT_SOURCE
#include "driver.h"

#include <stdarg.h>
#include <time.h>

#include "pages.h"

enum { ARENAS = 12, MOST_HELD = 16, CANARY = 192, MOST_PRINTED = 20, MOST_SETS = 8 };
static const size_t ARENA_BYTES = (size_t)1 << 23;

extent how_much = NORMAL;
struct context now;

static struct held {
    unsigned char *data, *copy; /* copy: what an input was */
    size_t bytes;
    int arena; /* -1: of malloc */
} held[MOST_HELD];
static int n_held, n_arenas_used;
static unsigned char *arenas[ARENAS];
static unsigned turn; /* the cases so far */
static long failures, calls;
static long seen[MOST_SETS][N_PLACES], seen_before[MOST_SETS][N_PLACES];
static const char *const places[] = {"at start", "shifted", "at end", "on heap"};
static double largest_error;
static clock_t started;

static unsigned char *map_arena(void)
{
    unsigned char *memory = map_guarded(ARENA_BYTES);
    if (!memory) {
        printf("no memory between guard pages\n");
        exit(2);
    }
    return memory;
}

static unsigned char canary_at(size_t i) { return (unsigned char)(0xa5 ^ (i * 31)); }

/* The bytes beside a buffer, inside of its arena */
static size_t room_before(const struct held *b)
{
    const size_t room = (size_t)(b->data - arenas[b->arena]);
    return room < CANARY ? room : CANARY;
}
static size_t room_behind(const struct held *b)
{
    const unsigned char *end = arenas[b->arena] + ARENA_BYTES;
    const size_t room = (size_t)(end - (b->data + b->bytes));
    return room < CANARY ? room : CANARY;
}

void *take(const void *values, ptrdiff_t n, size_t size, role is)
{
    struct held *b = &held[n_held++];
    if (n_held > MOST_HELD || n_arenas_used > ARENAS) abort();
    b->bytes = (size_t)n * size;
    b->arena = -1;
    b->copy = NULL;
    if (now.where == ON_HEAP || b->bytes + 2 * CANARY > ARENA_BYTES) {
        b->data = malloc(b->bytes ? b->bytes : 1);
    } else {
        b->arena = n_arenas_used++;
        if (!arenas[b->arena]) arenas[b->arena] = map_arena();
        b->data = arenas[b->arena];
        if (now.where == AT_END) b->data += ARENA_BYTES - b->bytes;
        if (now.where == SHIFTED) b->data += size;
        for (size_t i = 0; i < room_before(b); ++i) b->data[-1 - (ptrdiff_t)i] = canary_at(i);
        for (size_t i = 0; i < room_behind(b); ++i) b->data[b->bytes + i] = canary_at(i);
    }
    if (values && b->bytes) memcpy(b->data, values, b->bytes);
    if (is == INPUT && b->bytes) {
        b->copy = malloc(b->bytes);
        memcpy(b->copy, b->data, b->bytes);
    }
    return b->data;
}

static void give_back(void)
{
    for (int h = 0; h < n_held; ++h) {
        struct held *b = &held[h];
        if (b->copy && memcmp(b->copy, b->data, b->bytes))
            fail("buffer %d is an input and was changed", h);
        free(b->copy);
        if (b->arena < 0) {
            free(b->data);
            continue;
        }
        for (size_t i = 0; i < room_before(b); ++i)
            if (b->data[-1 - (ptrdiff_t)i] != canary_at(i)) {
                fail("buffer %d was written %zu bytes before its start", h, i + 1);
                break;
            }
        for (size_t i = 0; i < room_behind(b); ++i)
            if (b->data[b->bytes + i] != canary_at(i)) {
                fail("buffer %d was written %zu bytes behind its end", h, i);
                break;
            }
    }
    n_held = n_arenas_used = 0;
}

/* All places; or AT_END, where a read too far faults, and the others in turn; or one.
 * The turn moves on with every case, and once more after each round of places, so that
 * neither a set nor a case that comes every fourth time keeps to one place. */
static int is_due(int isa, int where)
{
    static const place others[] = {AT_START, ON_HEAP, SHIFTED};
    const unsigned n_places = how_much == QUICK ? N_PLACES : N_PLACES - 1;
    const unsigned at = (turn + turn / n_places + (unsigned)isa) % n_places;
    if (how_much == FULL) return 1;
    if (how_much == QUICK) return where == (int)at;
    return where == AT_END || where == (int)others[at];
}

int next_call(void)
{
    static int isa, where = -1;
    give_back();
    for (;;) {
        if (++where == N_PLACES) {
            where = 0;
            ++isa;
        }
        if (!fm_isa_name(isa)) {
            isa = 0;
            where = -1;
            ++turn;
            return 0;
        }
        if (is_due(isa, where)) break;
    }
    now.isa = fm_select_isa(fm_isa_name(isa));
    now.where = (place)where;
    ++calls;
    ++seen[isa][where];
    return 1;
}

void fail(const char *format, ...)
{
    va_list arguments;
    if (++failures > MOST_PRINTED) return;
    printf("FAILED %s %s %s %s, n=%td k=%td m=%td, %s: ", now.kernel, now.detail,
           now.precision, now.isa ? now.isa->name : "", now.n, now.k, now.m,
           places[now.where]);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* Every set had its buffers in every place, for the kernel that is reported */
static void check_places(void)
{
    for (int isa = 0; fm_isa_name(isa); ++isa)
        for (int where = 0; where < N_PLACES; ++where) {
            if (seen[isa][where] == seen_before[isa][where])
                fail("%s never was %s", fm_isa_name(isa), places[where]);
            seen_before[isa][where] = seen[isa][where];
        }
}

static void show_places(void)
{
    for (int isa = 0; fm_isa_name(isa); ++isa) {
        printf("calls of %s:", fm_isa_name(isa));
        for (int where = 0; where < N_PLACES; ++where)
            printf(" %ld %s%s", seen[isa][where], places[where],
                   where + 1 < N_PLACES ? "," : "\n");
    }
}

void report(void)
{
    if (now.kernel && now.precision) {
        check_places();
        printf("%-18s %s %9ld calls, %5.1f s, largest error %.2f of the bound\n",
               now.kernel, now.precision, calls,
               (double)(clock() - started) / CLOCKS_PER_SEC, largest_error);
    }
    fflush(stdout);
}

void start_kernel(const char *kernel, const char *precision)
{
    report();
    now.kernel = kernel;
    now.precision = precision;
    now.detail = "";
    now.n = now.k = now.m = 0;
    calls = 0;
    largest_error = 0;
    started = clock();
}

void note_error(double part)
{
    if (part > largest_error) largest_error = part;
}

uint64_t random_bits(void) /* xorshift64*, Vigna 2016 */
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

double uniform(double low, double high)
{
    return low + (high - low) * ((double)(random_bits() >> 11) * 0x1p-53);
}

int is_edge(ptrdiff_t n)
{
    static const char few[MOST + 1] = {[0] = 1, [1] = 1, [3] = 1, [8] = 1, [17] = 1};
    static const char edges[MOST + 1] = {[0] = 1,  [1] = 1,  [2] = 1,  [3] = 1,
                                         [4] = 1,  [5] = 1,  [8] = 1,  [9] = 1,
                                         [16] = 1, [17] = 1, [33] = 1, [MOST] = 1};
    return how_much == QUICK ? few[n] : edges[n];
}

int is_in_grid(ptrdiff_t n, ptrdiff_t k)
{
    return how_much == FULL || (is_edge(n) && (how_much > QUICK || k % 3 != 1)) ||
           (is_edge(k) && (how_much > QUICK || n % 3 != 1));
}

/* Parts without a precision: the choice of instruction sets, names, denormal numbers */
static void check_that(int is_true, const char *what)
{
    if (!is_true) fail("%s", what);
}

/* How many entries of a table are NULL */
static size_t n_empty(const void *table, size_t bytes)
{
    size_t missing = 0;
    for (size_t at = 0; at < bytes; at += sizeof(uintptr_t)) {
        uintptr_t entry;
        memcpy(&entry, (const char *)table + at, sizeof(entry));
        missing += entry == 0;
    }
    return missing;
}

static void test_tables(void)
{
    const fm_isa *best = fm_select_isa(NULL);
    int n = 0;
    start_kernel("tables", NULL);
    check_that(best && !strcmp(best->name, fm_isa_name(0)), "the best set comes first");
    for (; fm_isa_name(n); ++n)
        check_that(!strcmp(fm_select_isa(fm_isa_name(n))->name, fm_isa_name(n)), "by name");
    check_that(n > 0 && !strcmp(fm_isa_name(n - 1), "base"), "base is always there");
    check_that(!fm_select_isa("unknown") && !fm_isa_name(n + 1), "unknown sets are NULL");
    check_that(!strcmp(fm_activation_name(0), "identity"), "names of activations");
    check_that(!fm_activation_name(FM_N_ACTIVATIONS), "NULL behind the activations");
    check_that(!fm_loss_name(FM_N_LOSSES) && !fm_loss_output(FM_N_LOSSES), "losses");
    check_that(!fm_output_name(FM_N_OUTPUTS), "NULL behind the outputs");
    check_that(!fm_math_name(FM_N_MATH), "NULL behind the functions");
    check_that(n <= MOST_SETS, "room for the counts of every set");
    for (int i = 0; i < n; ++i) {
        const fm_isa *set = fm_select_isa(fm_isa_name(i));
        /* without products of our own: their lanes and functions */
        const size_t n_missing = set->f32->gemm ? 0 : 5;
        check_that(n_empty(set->f32, sizeof(*set->f32)) == n_missing &&
                       n_empty(set->f64, sizeof(*set->f64)) == n_missing,
                   "every kernel is in the table");
    }
    printf("instruction sets:");
    for (int i = 0; i < n; ++i) printf(" %s", fm_isa_name(i));
    printf("\n");
}

/* Not under valgrind, which does not model the flags */
static void test_denormals(void)
{
    volatile double tiny = 5e-324, one = 1;
    const unsigned int before = fm_flush_denormals();
    const volatile double product = tiny * one; /* before the flags come back */
    fm_restore_denormals(before);
#if defined(__x86_64__) || defined(__aarch64__)
    check_that(product == 0, "denormal numbers are flushed");
#else
    (void)product;
#endif
    check_that(tiny * one != 0, "and come back");
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "quick")) how_much = QUICK;
    if (argc > 1 && !strcmp(argv[1], "full")) how_much = FULL;
    test_tables();
    if (how_much != QUICK) test_denormals();
    test_kernels_f32();
    test_kernels_f64();
    report();
    show_places();
    for (int i = 0; i < ARENAS; ++i)
        if (arenas[i]) unmap_guarded(arenas[i], ARENA_BYTES);
    printf("%ld failures\n", failures);
    return failures != 0;
}
