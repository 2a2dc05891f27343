/* Dropout and noise, from Philox 4x32-10 (Salmon et al. 2011) counter by counter. */

static void FN(philox_of)(const uint32_t counter[4], const uint32_t key[2],
                          uint32_t words[4])
{
    uint32_t c[4], k[2] = {key[0], key[1]};
    memcpy(c, counter, sizeof(c));
    for (int round = 0; round < 10; ++round) {
        const uint64_t p = (uint64_t)c[0] * 0xD2511F53u, q = (uint64_t)c[2] * 0xCD9E8D57u;
        const uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k[0], (uint32_t)q,
                                  (uint32_t)(p >> 32) ^ c[3] ^ k[1], (uint32_t)p};
        memcpy(c, next, sizeof(c));
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(words, c, sizeof(c));
}

/* The word of place 0 .. 31 in a group: place 8 w + l is word w of counter 8 group + l */
static uint32_t FN(word_of)(const fm_draw *draw, ptrdiff_t row, ptrdiff_t group,
                            ptrdiff_t at)
{
    const uint32_t counter[4] = {(uint32_t)(8 * group + at % 8),
                                 (uint32_t)(draw->row + row), draw->step, draw->stream};
    uint32_t words[4];
    FN(philox_of)(counter, draw->key, words);
    return words[at / 8];
}

static const fm_draw FN(draw) = {{0x12345678u, 0x9abcdef0u}, 7, 3, 11};

/* Factor of a unit: 0 with probability rate, which is rounded to 16 bits */
static double FN(kept)(double rate, ptrdiff_t row, ptrdiff_t unit)
{
    const double rounded = fmin(floor(rate * 65536 + 0.5), 65535);
    const uint32_t word = FN(word_of)(&FN(draw), row, unit / 64, unit % 32);
    const uint32_t half = unit % 64 < 32 ? word & 0xffff : word >> 16;
    return half < rounded ? 0 : 65536 / (65536 - rounded);
}

static void FN(test_dropout_rows)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap, double rate)
{
    const ptrdiff_t ldx = k + gap, ldo = k + 2 * gap;
    const ptrdiff_t size = FN(extent_of)(n, k, ldx), out_size = FN(extent_of)(n, k, ldo);
    FN(random)(A, size, -2, 2);
    FN(random)(B, out_size, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            want[i * k + j] = FN(kept)(rate, i, j) * (double)A[i * ldx + j];
            bound[i * k + j] = 2 * EPS * fabs(want[i * k + j]);
        }
    while (next_call()) {
        const int is_in_place = now.where == AT_START || now.where == ON_HEAP;
        const ptrdiff_t ld = is_in_place ? ldx : ldo;
        real *out = is_in_place ? TAKE(A, size) : TAKE(B, out_size);
        const real *x = is_in_place ? out : GIVE(A, size);
        KERNELS->dropout(&FN(draw), rate, x, ldx, out, ld, n, k);
        FN(check)(out, n, k, ld);
        FN(check_gaps)(out, is_in_place ? A : B, n, k, ld);
    }
}

static void FN(test_csr_dropout)(ptrdiff_t n, int ordered)
{
    static ptrdiff_t indices[ROWS * 5], indptr[ROWS + 1], order[MOST + 1];
    const ptrdiff_t features = 200, first = ordered ? 0 : 3;
    const double rate = 0.3;
    ptrdiff_t stored = 0;
    for (ptrdiff_t i = 0; i < ROWS; ++i) {
        indptr[i] = stored;
        for (uint64_t left = random_bits() % 6; left > 0; --left)
            indices[stored++] = (ptrdiff_t)(random_bits() % (uint64_t)features);
    }
    indptr[ROWS] = stored;
    for (ptrdiff_t i = 0; i < n; ++i) order[i] = (i * 7) % ROWS; /* each once */
    FN(random)(A, stored, -2, 2);
    FN(random)(B, stored, -2, 2);
    for (ptrdiff_t s = 0; s < stored; ++s) {
        want[s] = (double)B[s]; /* values of other rows stay */
        bound[s] = 0;
    }
    for (ptrdiff_t i = 0; i < n; ++i) {
        const ptrdiff_t row = ordered ? order[i] : first + i;
        for (ptrdiff_t s = indptr[row]; s < indptr[row + 1]; ++s) {
            want[s] = FN(kept)(rate, i, indices[s]) * (double)A[s];
            bound[s] = 2 * EPS * fabs(want[s]);
        }
    }
    while (next_call()) {
        const fm_csr_rows rows = {GIVE_INDICES(indices, stored),
                                  GIVE_INDICES(indptr, ROWS + 1),
                                  ordered ? GIVE_INDICES(order, n) : NULL, first};
        const real *values = GIVE(A, stored);
        real *out = TAKE(B, stored);
        KERNELS->csr_dropout(&FN(draw), rate, rows, values, out, n);
        FN(check)(out, 1, stored, stored);
    }
}

static void FN(test_dropout)(void)
{
    static const double rates[] = {0.5, 0.1, 0.999999};
    START("dropout");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k))
                FN(test_dropout_rows)(now.n, now.k, now.n % 3, rates[now.k % 3]);
    for (int i = 0; i < 4; ++i) FN(test_dropout_rows)(3, 127 + 33 * i, i, 0.25);
    for (now.n = 0; now.n <= MOST; ++now.n) FN(test_csr_dropout)(now.n, now.n % 2);
}

/* Normal numbers by pairs (Box and Muller 1958): from words w and w + 1 of a counter,
 * w = 0 and 2. The kernel's sine is right to 1e-9; near u = 1, where the radius is small,
 * rounding of u moves it by eps / radius. */
static void FN(test_noise_rows)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t gap)
{
    const double sd = 0.5, pi = acos(-1);
    const ptrdiff_t ldx = k + gap, ldo = k + 2 * gap;
    const ptrdiff_t size = FN(extent_of)(n, k, ldx), out_size = FN(extent_of)(n, k, ldo);
    FN(random)(A, size, -2, 2);
    FN(random)(B, out_size, -2, 2);
    for (ptrdiff_t i = 0; i < n; ++i)
        for (ptrdiff_t j = 0; j < k; ++j) {
            const ptrdiff_t at = j % 32, even = at % 16 < 8 ? at : at - 8;
            const uint32_t first = FN(word_of)(&FN(draw), i, j / 32, even);
            const uint32_t second = FN(word_of)(&FN(draw), i, j / 32, even + 8);
            const double u = ((double)(first >> 8) + 0.5) * 0x1p-24;
            const double angle = 2 * pi * ((double)(second >> 8) * 0x1p-24 - 0.5);
            const double radius = sqrt(-2 * log(u)), x = (double)A[i * ldx + j];
            want[i * k + j] = x + sd * radius * (even == at ? cos(angle) : sin(angle));
            bound[i * k + j] = 2 * EPS * fabs(x) + sd * radius * (2e-9 + 12 * EPS) +
                               sd * 4 * EPS / radius;
        }
    while (next_call()) {
        const int is_in_place = now.where == AT_START || now.where == ON_HEAP;
        const ptrdiff_t ld = is_in_place ? ldx : ldo;
        real *out = is_in_place ? TAKE(A, size) : TAKE(B, out_size);
        const real *x = is_in_place ? out : GIVE(A, size);
        KERNELS->add_noise(&FN(draw), sd, x, ldx, out, ld, n, k);
        FN(check)(out, n, k, ld);
        FN(check_gaps)(out, is_in_place ? A : B, n, k, ld);
    }
}

static void FN(test_noise)(void)
{
    START("add_noise");
    for (now.n = 0; now.n <= MOST; ++now.n)
        for (now.k = 0; now.k <= MOST; ++now.k)
            if (is_in_grid(now.n, now.k)) FN(test_noise_rows)(now.n, now.k, now.n % 3);
    for (int i = 0; i < 4; ++i) FN(test_noise_rows)(3, 127 + 33 * i, i);
}
