// Entry, Xen notes, trap entries, and the way into and out of a case. Both widths from one text.
#ifdef __x86_64__
#define VIRT_BASE 0xffffffff80000000
#define PTR .quad
#define S 8
#else
#define VIRT_BASE 0xc0000000
#define PTR .long
#define S 4
#endif

#define NOTE(type, ...) .pushsection .note.xen, "a", @note; .balign 4; .long 4, 2f - 1f, type; .asciz "Xen"; 1: __VA_ARGS__; 2: .balign 4; .popsection
	NOTE(6, .asciz "pv-conformance")
	NOTE(7, .asciz "1")
	NOTE(5, .asciz "xen-3.0")
	NOTE(8, .asciz "generic")
	NOTE(9, .asciz "yes")
	NOTE(3, PTR VIRT_BASE)
	NOTE(4, PTR VIRT_BASE)
	NOTE(1, PTR _start)
	NOTE(2, PTR hypercall_page)
	NOTE(10, .asciz "!writable_page_tables|pae_pgdir_above_4gb")

	.section .text.head, "ax"
	.globl _start
_start:
	cld
#ifdef __x86_64__
	lea main_stack_end(%rip), %rsp
	mov %rsi, %rdi
	xor %ebp, %ebp
	call main
#else
	mov $main_stack_end, %esp
	push %esi
	call main
#endif
1:	jmp 1b

// 256 trap entries of 16 bytes, then the callbacks' pseudo vectors 0x100 and up.
	.text
	.balign 16
	.globl entries
entries:
	.set vector, 0
	.rept 0x108
	.balign 16
	.byte 0x68			// push $imm32
	.long vector
	jmp common_entry
	.set vector, vector + 1
	.endr

// struct regs of kernel.h: ax bx cx dx si di bp sp ip flags, cs ss ds es fs gs, vector, error, frame, r8-r15.
#define AX 0
#define BX 1
#define CX 2
#define DX 3
#define SI 4
#define DI 5
#define BP 6
#define SP 7
#define IP 8
#define FLAGS 9
#define CS 10
#define SS 11
#define DS 12
#define ES 13
#define FS 14
#define GS 15
#define VEC 16
#define ERR 17
#define FRAME 18
#define R8 19
#define REG(base, n) base + (n) * S

	.balign 16
common_entry:
#ifdef __x86_64__
	mov %rax, REG(after, AX)
	mov %rbx, REG(after, BX)
	mov %rdx, REG(after, DX)
	mov %rsi, REG(after, SI)
	mov %rdi, REG(after, DI)
	mov %rbp, REG(after, BP)
	mov %r8, REG(after, R8)
	mov %r9, REG(after, R8 + 1)
	mov %r10, REG(after, R8 + 2)
	mov %r12, REG(after, R8 + 4)
	mov %r13, REG(after, R8 + 5)
	mov %r14, REG(after, R8 + 6)
	mov %r15, REG(after, R8 + 7)
	mov %ds, REG(after, DS)
	mov %es, REG(after, ES)
	mov %fs, REG(after, FS)
	mov %gs, REG(after, GS)
	pop %rax
	mov %rax, REG(after, VEC)
	mov %rsp, REG(after, FRAME)
	pop REG(after, CX)
	pop REG(after, R8 + 3)
	movq $-1, REG(after, ERR)
	cmp $0x101, %eax
	jne 1f
	pop REG(after, DS)
	pop REG(after, ES)
	pop REG(after, FS)
	pop REG(after, GS)
	jmp 2f
1:	cmp $31, %eax
	ja 2f
	bt %eax, vectors_with_error_code
	jnc 2f
	pop REG(after, ERR)
2:	pop REG(after, IP)
	pop REG(after, CS)
	pop REG(after, FLAGS)
	pop REG(after, SP)
	pop REG(after, SS)
	cld
	cmpl $0, in_case
	jne 3f
	lea main_stack_end - 4096(%rip), %rsp
	call outside_case
3:	movl $0, in_case
	mov saved_sp, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
#else
	push %eax
	push %ds
	push %es
	mov %ss, %eax
	mov %eax, %ds
	mov %eax, %es
	pop REG(after, ES)
	movw $0, REG(after, ES) + 2
	pop REG(after, DS)
	movw $0, REG(after, DS) + 2
	pop REG(after, AX)
	mov %ebx, REG(after, BX)
	mov %ecx, REG(after, CX)
	mov %edx, REG(after, DX)
	mov %esi, REG(after, SI)
	mov %edi, REG(after, DI)
	mov %ebp, REG(after, BP)
	mov %fs, %eax
	mov %eax, REG(after, FS)
	mov %gs, %eax
	mov %eax, REG(after, GS)
	pop %eax
	mov %eax, REG(after, VEC)
	mov %esp, REG(after, FRAME)
	movl $-1, REG(after, ERR)
	cmp $0x101, %eax
	jne 1f
	pop REG(after, DS)
	pop REG(after, ES)
	pop REG(after, FS)
	pop REG(after, GS)
	jmp 2f
1:	cmp $31, %eax
	ja 2f
	bt %eax, vectors_with_error_code
	jnc 2f
	pop REG(after, ERR)
2:	pop REG(after, IP)
	pop REG(after, CS)
	pop REG(after, FLAGS)
	mov REG(after, CS), %eax
	and $3, %eax
	cmp $3, %eax
	je 4f
	mov %esp, REG(after, SP)
	mov %ss, %eax
	mov %eax, REG(after, SS)
	jmp 5f
4:	pop REG(after, SP)
	pop REG(after, SS)
5:	cld
	cmpl $0, in_case
	jne 3f
	mov $main_stack_end - 4096, %esp
	call outside_case
3:	movl $0, in_case
	mov saved_sp, %esp
	pop %edi
	pop %esi
	pop %ebx
	pop %ebp
	ret
#endif

// void enter(int user): loads the registers of `before` and goes to their ip; comes back through an entry above.
	.globl enter
enter:
#ifdef __x86_64__
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, saved_sp
	movl $1, in_case
	test %edi, %edi
	jnz 1f
	mov REG(before, SP), %rsp
	jmp 2f
1:	push REG(before, SS)
	push REG(before, SP)
	push REG(before, FLAGS)
	push REG(before, CS)
	push REG(before, IP)
	push $0
2:	mov REG(before, R8), %r8
	mov REG(before, R8 + 1), %r9
	mov REG(before, R8 + 2), %r10
	mov REG(before, R8 + 3), %r11
	mov REG(before, R8 + 4), %r12
	mov REG(before, R8 + 5), %r13
	mov REG(before, R8 + 6), %r14
	mov REG(before, R8 + 7), %r15
	mov REG(before, BX), %rbx
	mov REG(before, CX), %rcx
	mov REG(before, DX), %rdx
	mov REG(before, SI), %rsi
	mov REG(before, BP), %rbp
	mov REG(before, AX), %rax
	test %edi, %edi
	mov REG(before, DI), %rdi
	jnz hypercall_page + 23 * 32
	push REG(before, FLAGS)
	popf
	jmp *REG(before, IP)
#else
	mov 4(%esp), %eax
	push %ebp
	push %ebx
	push %esi
	push %edi
	mov %esp, saved_sp
	movl $1, in_case
	test %eax, %eax
	jnz 1f
	mov REG(before, SP), %esp
	jmp 2f
1:	push REG(before, SS)
	push REG(before, SP)
	push REG(before, FLAGS)
	push REG(before, CS)
	push REG(before, IP)
2:	mov REG(before, BX), %ebx
	mov REG(before, CX), %ecx
	mov REG(before, DX), %edx
	mov REG(before, SI), %esi
	mov REG(before, DI), %edi
	mov REG(before, BP), %ebp
	test %eax, %eax
	jz 3f
	mov $0xe033, %eax
	mov %eax, %ds
	mov %eax, %es
	mov REG(before, AX), %eax
	jmp hypercall_page + 23 * 32
3:	mov REG(before, AX), %eax
	push REG(before, FLAGS)
	popf
	jmp *REG(before, IP)
#endif

	.data
vectors_with_error_code:
	.long 0x00027d00		// 8, 10-14, 17
	.globl in_case
in_case:
	.long 0
	.balign 8
saved_sp:
	PTR 0

	.bss
	.balign 4096
main_stack:
	.skip 32768
main_stack_end:

	.section .hypercall, "aw"
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096
