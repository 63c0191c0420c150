// The table of instruction cases. Each runs with known registers (runtime.c: run) and ends in vector 0x80 or in another entry.
// BX points at `data`; SI and DI at what the group sets. Names end in K (kernel mode) or U (user mode).
#ifdef __x86_64__
#define PTR .quad
	.set wide, 1
#define W(n) %r##n
#define IRET_PAGE hypercall_page + 23 * 32
#define K_CS 0xe033
#define K_SS 0xe02b
#define U_SS 0xe02b
#define U_CS 0xe033
#define PUSHI pushq
#define WORD 8
#else
#define PTR .long
#define W(n) %e##n
#define IRET_PAGE hypercall_page + 23 * 32
#define K_CS 0xe019
#define K_SS 0xe021
#define U_SS 0xe033
#define U_CS 0xe02b
#define PUSHI pushl
#define WORD 4
#endif


#define CASE(name, user, ...) \
	.pushsection .rodata; 91: .asciz name; .popsection; \
	.pushsection .text.cases, "ax"; .balign 16; 92: __VA_ARGS__; 93: int $0x80; .popsection; \
	.pushsection .cases, "a"; PTR 91b, 92b, 93b, 0, user; .popsection
#define GROUP(name, call) \
	.pushsection .rodata; 91: .asciz name; .popsection; \
	.pushsection .cases, "a"; PTR 91b, 0, 0, call, 0; .popsection
#define K(name, ...) CASE(name " K", 0, __VA_ARGS__)
#define U(name, ...) CASE(name " U", 1, __VA_ARGS__)
#define B(name, ...) K(name, __VA_ARGS__); U(name, __VA_ARGS__)

