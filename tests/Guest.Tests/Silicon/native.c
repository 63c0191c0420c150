/* Runs single instructions on the real CPU with a given state and reports the whole state afterwards: 64-bit code, and 32- and 16-bit code
 * in compatibility mode, where the segments of 16-bit code and its data begin at the two pages.
 * stdin: struct request ..., stdout: struct reply ... Built by the tests: gcc -O1 -static-pie native.c.
 * Position independent because the kernel puts the heap of a fixed image anywhere in the gigabyte after it, where the pages below have to be. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <asm/ldt.h>
#include <unistd.h>

struct state { uint64_t gpr[16], rip, rflags; uint8_t fx[512], ymm[256], data[1024]; }; /* ymm: bits 255:128 of each */
struct request { uint32_t length, bits; uint8_t code[16]; struct state in; };
struct reply { int32_t trap, pad; uint64_t error, address; struct state out; };

/* Fixed low addresses, so that the same code runs unchanged in the simulator. */
#define STATE 0x50000000ull
#define CODE  0x40000000ull
#define DATA  0x20000000ull
#define WINDOW 0x800
struct shared { uint64_t gpr[16], rflags, host_rsp, faulted, out_gpr[16], out_rflags, running; uint8_t fx[512] __attribute__((aligned(64))), out_fx[512] __attribute__((aligned(64))), avx[832] __attribute__((aligned(64))), out_avx[832] __attribute__((aligned(64))); };
#define S ((struct shared *)STATE)
_Static_assert(__builtin_offsetof(struct shared, rflags) == 0x80 && __builtin_offsetof(struct shared, out_gpr) == 0x98 &&
    __builtin_offsetof(struct shared, out_rflags) == 0x118 && __builtin_offsetof(struct shared, fx) == 0x140 &&
    __builtin_offsetof(struct shared, out_fx) == 0x340 &&
    __builtin_offsetof(struct shared, avx) == 0x540 && __builtin_offsetof(struct shared, out_avx) == 0x880, "run_one below uses these offsets");

/* The upper halves travel in an XSAVE area of their own: component 2 at offset 576. */
int has_avx;
static void ymm_out(uint8_t *to, const uint8_t *area)
{
    uint64_t present;
    memcpy(&present, area + 512, 8);
    if (has_avx && present & 4) memcpy(to, area + 576, 256);
    else memset(to, 0, 256);
}

/* Where the instruction lies and what DS, ES and SS hold: Linux's selectors of user code (arch/x86/include/asm/segment.h) and the LDT's first two entries. */
struct far { uint32_t offset; uint16_t selector; } __attribute__((packed));
struct far code_address;
uint16_t data_selector, stack_selector;
enum { USER_DS = 0x2b, USER32_CS = 0x23, USER_CS = 0x33, CODE16 = 0x07, DATA16 = 0x0f };

extern void run_one(void);
extern char leave[], leave_fault[];
__asm__(
    ".text\n.globl run_one\nrun_one:\n"
    " push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    " mov %rsp, 0x50000088\n"
    " mov data_selector(%rip), %ax; mov %ax, %ds; mov %ax, %es; mov stack_selector(%rip), %ax; mov %ax, %ss\n"
    " fxrstor64 0x50000140\n"
    " cmpl $0, has_avx(%rip); je 1f; mov $4, %eax; xor %edx, %edx; xrstor64 0x50000540; 1:\n"
    " pushq 0x50000080; popfq\n"
    " mov 0x50000000,%rax; mov 0x50000008,%rcx; mov 0x50000010,%rdx; mov 0x50000018,%rbx\n"
    " mov 0x50000028,%rbp; mov 0x50000030,%rsi; mov 0x50000038,%rdi; mov 0x50000040,%r8\n"
    " mov 0x50000048,%r9; mov 0x50000050,%r10; mov 0x50000058,%r11; mov 0x50000060,%r12\n"
    " mov 0x50000068,%r13; mov 0x50000070,%r14; mov 0x50000078,%r15; mov 0x50000020,%rsp\n"
    " ljmp *code_address(%rip)\n"
    ".globl leave\nleave:\n"
    " mov %rax,0x50000098; mov %rcx,0x500000a0; mov %rdx,0x500000a8; mov %rbx,0x500000b0\n"
    " mov %rsp,0x500000b8; mov %rbp,0x500000c0; mov %rsi,0x500000c8; mov %rdi,0x500000d0\n"
    " mov %r8,0x500000d8; mov %r9,0x500000e0; mov %r10,0x500000e8; mov %r11,0x500000f0\n"
    " mov %r12,0x500000f8; mov %r13,0x50000100; mov %r14,0x50000108; mov %r15,0x50000110\n"
    " mov 0x50000088,%rsp\n"
    " pushfq; popq 0x50000118\n"
    " fxsave64 0x50000340\n"
    " cmpl $0, has_avx(%rip); je 1f; mov $4, %eax; xor %edx, %edx; xsave64 0x50000880; 1:\n"
    ".globl leave_fault\nleave_fault:\n"
    " mov 0x50000088,%rsp\n"
    " pushq $0x202; popfq\n"
    " xor %eax, %eax; mov %ax, %ds; mov %ax, %es; mov $0x2b, %eax; mov %ax, %ss\n"
    " pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    " ret\n");

static struct reply *current;
static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)info;
    /* Outside run_one its stack frame is gone: going back there would fault for ever. */
    if (!S->running) {
        fprintf(stderr, "native: signal %d, trap %d at %llx outside the instruction\n", sig, (int)uc->uc_mcontext.gregs[REG_TRAPNO], (unsigned long long)uc->uc_mcontext.gregs[REG_RIP]);
        _Exit(4);
    }
    for (int i = 0; i < 16; i++) current->out.gpr[i] = uc->uc_mcontext.gregs[order[i]];
    current->out.rip = uc->uc_mcontext.gregs[REG_RIP];
    current->out.rflags = uc->uc_mcontext.gregs[REG_EFL];
    memcpy(current->out.fx, uc->uc_mcontext.fpregs, 512);
    ymm_out(current->out.ymm, (uint8_t *)uc->uc_mcontext.fpregs);
    current->trap = uc->uc_mcontext.gregs[REG_TRAPNO];
    current->error = uc->uc_mcontext.gregs[REG_ERR];
    current->address = uc->uc_mcontext.gregs[REG_CR2];
    uc->uc_mcontext.gregs[REG_RIP] = (long)leave_fault;
    uc->uc_mcontext.gregs[REG_EFL] = 0x202;
    uint16_t *selectors = (uint16_t *)&uc->uc_mcontext.gregs[REG_CSGSFS];   /* CS, GS, FS, SS */
    selectors[0] = USER_CS;
    selectors[3] = USER_DS;
    S->faulted = 1;
}

static void map(uint64_t address, int protection)
{
    void *at = mmap((void *)address, 0x1000, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at == (void *)address) return;
    fprintf(stderr, "native: page %llx is not to be had: %s\n", (unsigned long long)address, at == MAP_FAILED ? strerror(errno) : "placed elsewhere");
    exit(3);
}

static void segment(unsigned entry, uint32_t base, unsigned contents)
{
    struct user_desc d = { .entry_number = entry, .base_addr = base, .limit = 0xffff, .contents = contents, .useable = 1 };
    if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d) == 0) return;
    fprintf(stderr, "native: no 16-bit segments: %s\n", strerror(errno));
    exit(5);
}

/* How to get into code of so many bits; returns the offset of the code page in its code segment. */
static uint32_t mode(unsigned bits)
{
    static int have_segments;
    if (bits == 16 && !have_segments++) {
        segment(0, CODE, MODIFY_LDT_CONTENTS_CODE);
        segment(1, DATA, MODIFY_LDT_CONTENTS_DATA);
    }
    code_address = (struct far){ bits == 16 ? 0 : CODE, bits == 64 ? USER_CS : bits == 32 ? USER32_CS : CODE16 };
    data_selector = bits == 64 ? 0 : bits == 32 ? USER_DS : DATA16;
    stack_selector = bits == 16 ? DATA16 : USER_DS;
    return code_address.offset;
}

/* What follows the instruction: from 16- and 32-bit code by a far jump to the page's second half, which is 64-bit code. */
static void way_out(uint8_t *after, unsigned bits)
{
    static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 };   /* jmp *0(%rip); .quad leave */
    static const uint8_t far_jump[] = { 0x66, 0xea, 0, 8, 0, (CODE >> 24), USER_CS, 0 };   /* ljmp $USER_CS, $CODE + 0x800 */
    uint64_t target = (uint64_t)leave;
    if (bits != 64) memcpy(after, far_jump + (bits == 32), sizeof far_jump - (bits == 32));
    if (bits != 64) after = (uint8_t *)CODE + 0x800;
    memcpy(after, jump, sizeof jump);
    memcpy(after + sizeof jump, &target, sizeof target);
}

int main(void)
{
    static char alternate[65536];
    stack_t ss = { .ss_sp = alternate, .ss_size = sizeof alternate };
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    sigaltstack(&ss, 0);
    int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    for (int i = 0; i < 5; i++) sigaction(signals[i], &sa, 0);
    map(STATE, PROT_READ | PROT_WRITE);
    map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC);
    map(DATA, PROT_READ | PROT_WRITE);
    has_avx = __builtin_cpu_supports("avx") != 0;
    static struct request rq;
    static struct reply rp;
    while (fread(&rq, sizeof rq, 1, stdin) == 1) {
        memset(&rp, 0, sizeof rp);
        current = &rp;
        memcpy(S->gpr, rq.in.gpr, sizeof S->gpr);
        S->rflags = rq.in.rflags;
        memcpy(S->fx, rq.in.fx, 512);
        memset((void *)DATA, 0, 0x1000);
        memcpy((void *)(DATA + WINDOW), rq.in.data, 1024);
        memset((void *)CODE, 0xcc, 0x1000);   /* all of it: a bit test reaches far */
        memcpy((void *)CODE, rq.code, rq.length);
        uint32_t entry = mode(rq.bits);
        way_out((uint8_t *)CODE + rq.length, rq.bits);
        S->faulted = 0;
        memset(S->avx, 0, sizeof S->avx);
        memset(S->out_avx, 0, sizeof S->out_avx);
        memcpy(S->avx + 24, rq.in.fx + 24, 4);   /* XRSTOR takes MXCSR along */
        S->avx[512] = 4;
        memcpy(S->avx + 576, rq.in.ymm, 256);
        S->running = 1;
        run_one();
        S->running = 0;
        if (!S->faulted) {
            rp.trap = -1;
            memcpy(rp.out.gpr, S->out_gpr, sizeof S->out_gpr);
            rp.out.rflags = S->out_rflags;
            rp.out.rip = entry + rq.length;
            memcpy(rp.out.fx, S->out_fx, 512);
            ymm_out(rp.out.ymm, S->out_avx);
        }
        memcpy(rp.out.data, (void *)(DATA + WINDOW), 1024);
        if (fwrite(&rp, sizeof rp, 1, stdout) != 1) return 2;
    }
    return 0;
}
