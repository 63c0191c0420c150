/* Freestanding programs: each writes what it computed to an output buffer. Built by ProgramTests for the simulated machine and for the
 * host with the same flags; the bytes must be the same. No library, no system calls. */
#include <stdint.h>

typedef struct { uint8_t *at; uint8_t *end; } output;

static void put(output *o, const void *data, uint32_t size)
{
    const uint8_t *p = data;
    while (size-- && o->at < o->end) *o->at++ = *p++;
}

static void put32(output *o, uint32_t v) { put(o, &v, 4); }

/* gcc may call these for structure copies and loops it recognises. */
void *memcpy(void *d, const void *s, __SIZE_TYPE__ n) { uint8_t *a = d; const uint8_t *b = s; while (n--) *a++ = *b++; return d; }
void *memset(void *d, int c, __SIZE_TYPE__ n) { uint8_t *a = d; while (n--) *a++ = (uint8_t)c; return d; }
void *memmove(void *d, const void *s, __SIZE_TYPE__ n)
{
    uint8_t *a = d; const uint8_t *b = s;
    if (a < b) while (n--) *a++ = *b++; else while (n--) a[n] = b[n];
    return d;
}
int memcmp(const void *x, const void *y, __SIZE_TYPE__ n)
{
    const uint8_t *a = x, *b = y;
    for (; n--; a++, b++) if (*a != *b) return *a - *b;
    return 0;
}

/* libgcc's would be 32-bit code in a 16-bit program. */
int __popcountsi2(unsigned v);
int __popcountsi2(unsigned v) { int n = 0; for (; v; v &= v - 1) n++; return n; }
int __popcountdi2(unsigned long v);
int __popcountdi2(unsigned long v) { int n = 0; for (; v; v &= v - 1) n++; return n; }

static uint32_t seed;
static uint32_t next(void) { seed ^= seed << 13; seed ^= seed >> 17; seed ^= seed << 5; return seed; }

static void quick(int32_t *a, int lo, int hi)
{
    while (lo < hi) {
        int32_t p = a[(lo + hi) / 2]; int i = lo, j = hi;
        while (i <= j) {
            while (a[i] < p) i++;
            while (a[j] > p) j--;
            if (i <= j) { int32_t t = a[i]; a[i++] = a[j]; a[j--] = t; }
        }
        if (j - lo < hi - i) { quick(a, lo, j); lo = i; } else { quick(a, i, hi); hi = j; }
    }
}

static void sorting(output *o)
{
    static int32_t a[600]; static int16_t b[300];
    for (int i = 0; i < 600; i++) a[i] = (int32_t)next();
    quick(a, 0, 599);
    for (int i = 0; i < 300; i++) b[i] = (int16_t)next();
    for (int i = 1; i < 300; i++) { int16_t v = b[i]; int j = i; for (; j && b[j - 1] > v; j--) b[j] = b[j - 1]; b[j] = v; }
    for (int i = 0; i < 600; i += 37) put32(o, (uint32_t)a[i]);
    put(o, b, sizeof b);
}

static uint32_t crc32(const uint8_t *p, uint32_t n)
{
    uint32_t c = ~0u;
    while (n--) { c ^= *p++; for (int k = 0; k < 8; k++) c = (c >> 1) ^ (0xEDB88320u & -(c & 1)); }
    return ~c;
}

static uint64_t fnv(const uint8_t *p, uint32_t n) { uint64_t h = 0xcbf29ce484222325ull; while (n--) h = (h ^ *p++) * 0x100000001b3ull; return h; }

/* The compression function of SHA-256 (FIPS 180-4) with generated constants: only the mixing matters here. */
static void mix(uint32_t s[8], const uint32_t w0[16])
{
    uint32_t w[64], v[8];
#define ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
    for (int i = 0; i < 64; i++)
        w[i] = i < 16 ? w0[i] : w[i - 16] + (ROR(w[i - 15], 7) ^ ROR(w[i - 15], 18) ^ (w[i - 15] >> 3)) + w[i - 7] + (ROR(w[i - 2], 17) ^ ROR(w[i - 2], 19) ^ (w[i - 2] >> 10));
    for (int i = 0; i < 8; i++) v[i] = s[i];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = v[7] + (ROR(v[4], 6) ^ ROR(v[4], 11) ^ ROR(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + (uint32_t)i * 0x9E3779B9u + w[i];
        uint32_t t2 = (ROR(v[0], 2) ^ ROR(v[0], 13) ^ ROR(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        for (int k = 7; k > 0; k--) v[k] = v[k - 1];
        v[4] += t1; v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) s[i] += v[i];
}

static void hashing(output *o)
{
    static uint8_t data[700]; uint32_t s[8], w[16];
    for (int i = 0; i < 700; i++) data[i] = (uint8_t)next();
    put32(o, crc32(data, 700));
    uint64_t h = fnv(data, 700); put(o, &h, 8);
    for (int i = 0; i < 8; i++) s[i] = next();
    for (int r = 0; r < 6; r++) { for (int i = 0; i < 16; i++) w[i] = next(); mix(s, w); }
    put(o, s, sizeof s);
    uint32_t bits = 0; for (int i = 0; i < 700; i++) bits += (uint32_t)__builtin_popcount(data[i]) + (uint32_t)__builtin_ctz(data[i] | 256) * 3u + (uint32_t)__builtin_clz(data[i] | 1);
    put32(o, bits);
}

/* n! in base 2^32, and its decimal digits by repeated division. */
static void bigintegers(output *o)
{
    static uint32_t n[40]; int len = 1; n[0] = 1;
    for (uint32_t k = 2; k <= 100; k++) {
        uint64_t c = 0;
        for (int i = 0; i < len; i++) { c += (uint64_t)n[i] * k; n[i] = (uint32_t)c; c >>= 32; }
        if (c) n[len++] = (uint32_t)c;
    }
    put(o, n, (uint32_t)len * 4);
    while (len) {
        uint32_t r = 0;
        for (int i = len - 1; i >= 0; i--) { uint64_t v = ((uint64_t)r << 32) | n[i]; uint32_t q = 0; r = 0;
            for (int b = 63; b >= 0; b--) { r = (r << 1) | (uint32_t)((v >> b) & 1); q <<= 1; if (r >= 1000000000u) { r -= 1000000000u; q |= 1; } }
            n[i] = q; }
        put32(o, r);
        while (len && !n[len - 1]) len--;
    }
    int64_t x = -0x123456789abcdefll, y = 987654321; int32_t a = -1234567, b = 89;
    int32_t d[4] = { a / b, a % b, (int32_t)((uint32_t)a / 97u), a >> 5 }; put(o, d, sizeof d);
    int64_t m = x * y + (x >> 7) - (int64_t)((uint64_t)x >> 9); put(o, &m, 8);
}

static uint32_t length(const char *s) { uint32_t n = 0; while (s[n]) n++; return n; }

static void strings(output *o)
{
    static const char text[] = "It is a truth universally acknowledged, that a single domain in possession of a good hypercall page, must be in want of a guest.";
    static char buffer[400]; uint32_t n = length(text), words = 0;
    memcpy(buffer, text, n + 1); memmove(buffer + 5, buffer, n); memset(buffer, '-', 5);
    for (uint32_t i = 0; i < n + 5; i++) {
        if (buffer[i] >= 'a' && buffer[i] <= 'z') buffer[i] = (char)(buffer[i] - 32);
        if (buffer[i] == ' ') words++;
    }
    for (uint32_t i = 0, j = n + 4; i < j; i++, j--) { char t = buffer[i]; buffer[i] = buffer[j]; buffer[j] = t; }
    put(o, buffer, n + 5); put32(o, words); put32(o, (uint32_t)memcmp(text, buffer, 30));
    const char *needle = "hypercall"; uint32_t found = 0;
    for (uint32_t i = 0; i + 9 <= n; i++) if (!memcmp(text + i, needle, 9)) found = i;
    put32(o, found);
}

/* Only operations that IEEE 754 defines to the bit; the mode (x87 or SSE) is the same on both sides. */
static void floating(output *o)
{
    double s = 0, m[6][6]; float f = 1.5f; volatile double zero = 0;
    for (int i = 0; i < 6; i++) for (int j = 0; j < 6; j++) m[i][j] = (double)((int)(next() % 200) - 100) / 7 + (i == j) * 50;
    for (int k = 0; k < 6; k++) for (int i = k + 1; i < 6; i++) { double q = m[i][k] / m[k][k]; for (int j = k; j < 6; j++) m[i][j] -= q * m[k][j]; }
    for (int i = 0; i < 6; i++) { s += m[i][i] * m[i][i]; f = f * 1.25f - (float)m[i][i] / 3; }
    double r = s; for (int i = 0; i < 30; i++) r = (r + s / r) / 2;
    double values[] = { s, r, 1 / (zero + 3), (double)(int64_t)(s * 1000), (double)(uint32_t)(r * 10), s > r ? 1.0 : -1.0, 0.1 + 0.2, 1e300 * 1e10 * (zero + 1), zero / (zero + 5) };
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) put(o, &values[i], 8);
    int32_t t[3] = { (int32_t)f, (int32_t)-s, (int32_t)(r * 3) }; put(o, t, sizeof t); put(o, &f, 4);
    long double l = (long double)s / 3; for (int i = 0; i < 20; i++) l = l * 1.0000001L + 1 / (l + i); double d = (double)l; put(o, &d, 8);
}

static uint32_t ackermann(uint32_t m, uint32_t n) { return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1)); }
static uint32_t hanoi(int n, int a, int b, int c) { return n == 0 ? 0 : hanoi(n - 1, a, c, b) + (uint32_t)(a * 3 + c) + hanoi(n - 1, b, a, c) * 2; }
static uint32_t queens(uint32_t all, uint32_t row, uint32_t l, uint32_t r)
{
    uint32_t n = 0; if (row == all) return 1;
    for (uint32_t free = all & ~(row | l | r); free; ) { uint32_t b = free & -free; free -= b; n += queens(all, row | b, (l | b) << 1, (r | b) >> 1); }
    return n;
}
static void recursion(output *o) { put32(o, ackermann(2, 9)); put32(o, hanoi(9, 1, 2, 3)); put32(o, queens(63, 0, 0, 0)); }

/* A stack machine: bytes in, jumps through a switch. It counts primes by trial division. */
static void interpreter(output *o)
{
    enum { PUSH, LOAD, STORE, ADD, SUB, MUL, MOD, LESS, JZ, JMP, OUT, END };
    static const uint8_t code[] = {
        PUSH, 2, STORE, 0,                                     /* n = 2 */
        PUSH, 2, STORE, 1,                                     /* 4: d = 2 */
        LOAD, 0, LOAD, 1, LOAD, 1, MUL, LESS, JZ, 20, JMP, 36, /* 8: n < d*d: prime */
        LOAD, 0, LOAD, 1, MOD, JZ, 39,                         /* 20: composite */
        LOAD, 1, PUSH, 1, ADD, STORE, 1, JMP, 8,               /* 27: next d */
        LOAD, 0, OUT,                                          /* 36 */
        LOAD, 0, PUSH, 1, ADD, STORE, 0,                       /* 39: next n */
        LOAD, 0, PUSH, 120, LESS, JZ, 55, JMP, 4,              /* 46 */
        END };
    int32_t stack[16], memory[4] = { 0 }; int sp = 0, pc = 0; uint32_t steps = 0;
    for (;; steps++) {
        switch (code[pc++]) {
        case PUSH: stack[sp++] = code[pc++]; break;
        case LOAD: stack[sp++] = memory[code[pc++]]; break;
        case STORE: memory[code[pc++]] = stack[--sp]; break;
        case ADD: sp--; stack[sp - 1] += stack[sp]; break;
        case SUB: sp--; stack[sp - 1] -= stack[sp]; break;
        case MUL: sp--; stack[sp - 1] *= stack[sp]; break;
        case MOD: sp--; stack[sp - 1] %= stack[sp]; break;
        case LESS: sp--; stack[sp - 1] = stack[sp - 1] < stack[sp]; break;
        case JZ: if (!stack[--sp]) pc = code[pc]; else pc++; break;
        case JMP: pc = code[pc]; break;
        case OUT: put32(o, (uint32_t)stack[--sp]); break;
        default: put32(o, steps); return;
        }
    }
}

/* LZ77 with a hash of three bytes, then back. */
static void compression(output *o)
{
    static uint8_t in[1500], packed[2000], back[1500]; static int16_t head[256]; uint32_t n = 0, m = 0;
    for (int i = 0; i < 1500; i++) in[i] = (uint8_t)(i % 50 < 30 ? (uint32_t)"the quick brown fox "[i % 20] : (next() & 3) + 'a');
    for (int i = 0; i < 256; i++) head[i] = -1;
    for (int i = 0; i < 1500; ) {
        int best = 0, from = 0;
        if (i + 3 < 1500) {
            int h = (in[i] * 5 + in[i + 1] * 3 + in[i + 2]) & 255, c = head[h];
            if (c >= 0) { while (i + best < 1500 && best < 200 && in[c + best] == in[i + best]) best++; from = i - c; }
            head[h] = (int16_t)i;
        }
        if (best >= 4) { packed[n++] = (uint8_t)best; packed[n++] = (uint8_t)from; packed[n++] = (uint8_t)(from >> 8); i += best; }
        else { packed[n++] = 0; packed[n++] = in[i++]; }
    }
    for (uint32_t i = 0; i < n; )
        if (packed[i]) { uint32_t l = packed[i], f = packed[i + 1] | (uint32_t)packed[i + 2] << 8; i += 3; while (l--) { back[m] = back[m - f]; m++; } }
        else { back[m++] = packed[i + 1]; i += 2; }
    put32(o, n); put32(o, crc32(packed, n)); put32(o, m); put32(o, (uint32_t)memcmp(in, back, 1500));
}

uint32_t program(uint8_t *buffer, uint32_t size)
{
    output o = { buffer, buffer + size };
    seed = 0x12345678;
    void (*all[])(output *) = { sorting, hashing, bigintegers, strings, floating, recursion, interpreter, compression };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) { put32(&o, 0xA0A0A000u + i); all[i](&o); }
    return (uint32_t)(o.at - buffer);
}
